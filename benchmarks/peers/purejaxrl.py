"""PureJaxRL's ppo.py, read from a checkout and adapted in memory to gymnax 1.x, on the shared work.

Two things change as it is loaded. The wrappers come from gymnax, which keeps a copy of them:
the checkout's own import Brax and Navix. And the step's six values are made five again.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository, for the shared files

from benchmarks.peers.work import (  # noqa: E402
    P1,
    WINDOW,
    Outcome,
    ProcessClock,
    arguments,
    reached_summary,
    report,
    whole_updates,
)

ADAPTATIONS = {
    "from wrappers import": "from gymnax.wrappers.purerl import",
    "env.step, in_axes=(0, 0, 0, None)": "five_values(env.step), in_axes=(0, 0, 0, None)",
}
NOTES = (
    (
        "purejaxrl/ppo.py adapted in memory to gymnax 1.x: its wrappers from"
        " gymnax.wrappers.purerl, done = terminated | truncated"
    ),
    "an episode cut by the time limit is treated as ended (the shared settings' own way)",
    f"final_return is the mean of each seed's last {WINDOW} finished training episodes",
)


def five_values(step):
    """Gymnax 1.x's step as PureJaxRL knew it: one `done` for both ways of ending."""

    def stepped(*args):
        obs, state, reward, terminated, truncated, info = step(*args)
        return obs, state, reward, terminated | truncated, info

    return stepped


def load(source: Path) -> tuple[ModuleType, str]:
    """The checkout's PPO as a module, and a name for exactly that text."""
    path = source / "purejaxrl" / "ppo.py"
    if not path.is_file():
        sys.exit(
            f"error: --source={source} holds no purejaxrl/ppo.py; give a checkout of"
            " luchris429/purejaxrl"
        )
    original = path.read_text()
    module = ModuleType("purejaxrl_ppo")
    module.__dict__["five_values"] = five_values
    sys.modules[module.__name__] = module  # flax looks its modules' home up by name
    exec(compile(adapted(original, path), str(path), "exec"), module.__dict__)
    return module, f"ppo.py sha256 {hashlib.sha256(original.encode()).hexdigest()[:12]}"


def adapted(text: str, path: Path) -> str:
    """`text` with every adaptation made, each exactly once, or a refusal."""
    for old, new in ADAPTATIONS.items():
        if text.count(old) != 1:
            sys.exit(
                f"error: {path} holds {old!r} {text.count(old)} times, not once: a version this"
                " cannot adapt"
            )
        text = text.replace(old, new)
    return text


def settings(env_steps: int) -> dict:
    return {
        "ENV_NAME": P1.env,
        "NUM_ENVS": P1.num_envs,
        "NUM_STEPS": P1.rollout_length,
        "TOTAL_TIMESTEPS": env_steps,
        "UPDATE_EPOCHS": P1.num_epochs,
        "NUM_MINIBATCHES": P1.num_minibatches,
        "LR": P1.learning_rate,
        "ANNEAL_LR": True,
        "GAMMA": P1.gamma,
        "GAE_LAMBDA": P1.gae_lambda,
        "CLIP_EPS": P1.clip_eps,
        "ENT_COEF": P1.ent_coef,
        "VF_COEF": P1.vf_coef,
        "MAX_GRAD_NORM": P1.max_grad_norm,
        "ACTIVATION": P1.activation,
        "DEBUG": False,
    }


def finished_episodes(info, seed: int):
    """(returns, env steps) of one seed's finished episodes, in the order they finished."""
    import numpy as np

    # [update, time, env], in order of time
    finished = np.asarray(info["returned_episode"][seed]).reshape(-1)
    returns = np.asarray(info["returned_episode_returns"][seed]).reshape(-1)
    return returns[finished], np.flatnonzero(finished) + 1


def step_reached(returns, steps, until: float) -> float | None:
    """The env step at which the mean of the last 100 finished episodes first was `until`."""
    import numpy as np

    if len(returns) < WINDOW:
        return None
    means = np.convolve(returns.astype(np.float64), np.full(WINDOW, 1 / WINDOW), mode="valid")
    reached = np.flatnonzero(means >= until - 1e-6)
    return float(steps[WINDOW - 1 + reached[0]]) if reached.size else None


def measure(args) -> Outcome:
    clock = ProcessClock(args.started)
    if args.devices > 1:
        if args.seeds % args.devices:
            sys.exit(f"error: --devices={args.devices} does not divide --seeds={args.seeds}")
        os.environ["XLA_FLAGS"] = (  # jax reads it when it starts
            f"--xla_force_host_platform_device_count={args.devices}"
            " --xla_cpu_multi_thread_eigen=false"
        )
    from benchmarks.peers.compiled import time_program

    module, version = load(args.source)
    env_steps = whole_updates(args.env_steps)
    train = module.make_train(settings(env_steps) | args.settings)
    # PureJaxRL returns its every step's metrics; a program that returned less would do less work.
    result, timing = time_program(train, args.seeds, args.repeats, clock, args.devices)
    episodes = [finished_episodes(result["metrics"], seed) for seed in range(args.seeds)]
    until = float("inf") if args.until is None else args.until
    marks = [step_reached(*episode, until) for episode in episodes]
    return Outcome(
        version=version,
        env_steps=env_steps,
        **timing._asdict(),
        final_return=sum(float(returns[-WINDOW:].mean()) for returns, _ in episodes) / args.seeds,
        reached_seconds=None if None in marks else timing.process_start_to_done_seconds,
        reached_note=(
            "the run is seen only at its end: its time, if every seed reached the threshold in it; "
        )
        + reached_summary(marks, "env steps"),
        notes=NOTES,
    )


if __name__ == "__main__":
    args = arguments(
        __doc__,
        (
            "--source",
            {"type": Path, "required": True, "help": "a checkout of luchris429/purejaxrl"},
        ),
        (
            "--settings",
            {
                "type": json.loads,
                "default": {},
                "help": "a JSON object of its settings, in place of the shared ones",
            },
        ),
        (
            "--devices",
            {
                "type": int,
                "default": 1,
                "help": "CPU devices that the seeds are put over, in turn on each (1: vmapped)",
            },
        ),
    )
    report("purejaxrl_devices" if args.devices > 1 else "purejaxrl", args, measure(args))
