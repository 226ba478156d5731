"""Stable-Baselines3's PPO (PyTorch) on the shared work."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository, for the shared files

from benchmarks.peers.work import (  # noqa: E402
    HOST_WORKS,
    MAX_TOTAL_STEPS,
    Outcome,
    ProcessClock,
    arguments,
    installed,
    report,
)

NOTES = (
    "nothing is compiled; torch is held to one thread",
    "value clipping takes the clipped loss alone, not the larger of the two",
)


def measure(args) -> Outcome:
    clock = ProcessClock(args.started)
    import torch
    from stable_baselines3 import PPO

    from benchmarks.peers import stable

    # As fast as two on quiet cores (10 k steps/s); on busy ones torch's threads wait for each other
    # (5 k against less than 0.5 k).
    torch.set_num_threads(1)
    # Its MlpPolicy is already two separate 64-64 tanh networks, orthogonal, with Adam eps 1e-5.
    trainer = stable.Trainer(
        PPO=PPO,
        version=installed("stable-baselines3") or "unknown",
        device="cpu",
        compiles=False,
        options={"clip_range_vf": HOST_WORKS[args.work].clip_eps},
        notes=NOTES,
        work=HOST_WORKS[args.work],
    )
    return stable.measure(trainer, args, clock)


if __name__ == "__main__":
    work = ("--work", {"choices": HOST_WORKS, "default": "cartpole"})
    args = arguments(__doc__, MAX_TOTAL_STEPS, work)
    report("sb3", args, measure(args))
