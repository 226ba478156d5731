"""SBX's PPO (Stable-Baselines in JAX) on the shared work."""

import sys
from pathlib import Path

# from this folder `import sbx` would find this file
sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.peers.work import (  # noqa: E402
    MAX_TOTAL_STEPS,
    Outcome,
    ProcessClock,
    arguments,
    installed,
    report,
)

NOTES = (
    "no value clipping: sbx has none",
    "policy and value have an optimiser each, and their gradients are clipped apart",
    "only the policy's last layer starts orthogonal; the others at flax's default (lecun normal)",
    (
        "every seed compiles anew: compile_seconds is the sum over the first repeat's seeds,"
        " tracing included: what building and the first update took beyond a later update;"
        " run_seconds leave it out"
    ),
)


def measure(args) -> Outcome:
    clock = ProcessClock(args.started)
    import jax
    from sbx import PPO

    from benchmarks.peers import stable

    # Its MlpPolicy is already two separate 64-64 tanh networks with Adam eps 1e-5.
    trainer = stable.Trainer(
        PPO=PPO,
        version=installed("sbx-rl") or "unknown",
        device=jax.default_backend(),
        compiles=True,
        options={"policy_kwargs": {"ortho_init": True}},
        notes=NOTES,
    )
    return stable.measure(trainer, args, clock)


if __name__ == "__main__":
    args = arguments(__doc__, MAX_TOTAL_STEPS)
    report("sbx", args, measure(args))
