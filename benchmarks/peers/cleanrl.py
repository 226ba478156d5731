"""CleanRL's PPO (PyTorch), read from a checkout, in EnvPool's environments.

    python benchmarks/peers/cleanrl.py --source DIR [--work cheetah] --env-steps 50000

The files are `cleanrl/ppo.py` and `cleanrl/ppo_continuous_action.py`, run as they are. Where they
make Gymnasium's vector env they get EnvPool's, as CleanRL's own files for EnvPool do, with the
wrappers of that file over all envs at once. Seconds are from the first reset to the end.
"""

import contextlib
import os
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository, for the shared files

from benchmarks.peers.work import (  # noqa: E402
    HOST_WORKS,
    Outcome,
    PPOSettings,
    ProcessClock,
    arguments,
    installed,
    report,
    whole_updates,
)

FILES = {"cartpole": "cleanrl/ppo.py", "cheetah": "cleanrl/ppo_continuous_action.py"}
NORMALISED = ("cheetah",)  # works whose file normalises and clips
NOTES = (
    "nothing is compiled; torch is held to one thread",
    "Gymnasium's vector env is replaced by EnvPool's; the file is not changed",
    "an episode cut by the time limit is treated as ended (CleanRL's own way)",
    "seconds are from the first reset to the end of training, TensorBoard's file included",
    "final_return is the mean of the last finished training episodes, at most 100, first repeat",
)


class Training(NamedTuple):
    seconds: float
    returns: list[float]  # of the last finished episodes


def vector_env(work: PPOSettings, seed: int, normalised: bool) -> Any:
    """EnvPool's envs with the interface and the wrappers that CleanRL's file has."""
    import envpool  # pyright: ignore[reportMissingImports]
    import gymnasium as gym
    import numpy as np

    pool = envpool.make(work.env, env_type="gymnasium", num_envs=work.num_envs, seed=seed)

    class Pooled(gym.Env):
        is_vector_env = True
        num_envs = work.num_envs
        observation_space = single_observation_space = pool.observation_space
        action_space = single_action_space = pool.action_space

        def reset(self, *, seed=None, options=None):
            return pool.reset()

        def step(self, action):
            return pool.step(action)

    env = gym.wrappers.RecordEpisodeStatistics(Pooled())
    if normalised:
        env = gym.wrappers.ClipAction(env)
        env = gym.wrappers.NormalizeObservation(env)
        env = gym.wrappers.TransformObservation(env, lambda obs: np.clip(obs, -10, 10))
        env = gym.wrappers.NormalizeReward(env, gamma=work.gamma)
        env = gym.wrappers.TransformReward(env, lambda reward: np.clip(reward, -10, 10))
    return env


def trained(source: Path, name: str, env_steps: int, seed: int) -> Training:
    """One run of CleanRL's file."""
    import gymnasium as gym

    work = HOST_WORKS[name]
    env = vector_env(work, seed, name in NORMALISED)
    marks = {}

    class Timed(gym.Wrapper):
        """Seconds from the first reset until the file closes its envs."""

        def reset(self, **options):
            marks["begun"] = time.perf_counter()
            return self.env.reset(**options)

        def close(self):
            marks["ended"] = time.perf_counter()

    gym.vector.SyncVectorEnv = lambda thunks: Timed(env)
    path = source / FILES[name]
    flags = [f"--{name}={value}" for name, value in options(work, env_steps, seed).items()]
    sys.argv = [str(path), *flags]
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),  # where the file writes for TensorBoard
        contextlib.redirect_stdout(sys.stderr),
    ):
        runpy.run_path(str(path), run_name="__main__")
    return Training(marks["ended"] - marks["begun"], [float(x) for x in returns_of(env)])


def options(work: PPOSettings, env_steps: int, seed: int) -> dict[str, Any]:
    """Of the file's command line."""
    return {
        "env-id": work.env,
        "seed": seed,
        "total-timesteps": env_steps,
        "learning-rate": work.learning_rate,
        "num-envs": work.num_envs,
        "num-steps": work.rollout_length,
        "gamma": work.gamma,
        "gae-lambda": work.gae_lambda,
        "num-minibatches": work.num_minibatches,
        "update-epochs": work.num_epochs,
        "clip-coef": work.clip_eps,
        "ent-coef": work.ent_coef,
        "vf-coef": work.vf_coef,
        "max-grad-norm": work.max_grad_norm,
    }


def returns_of(env: Any) -> Any:
    """The queue of RecordEpisodeStatistics, the innermost wrapper."""
    while not hasattr(env, "return_queue"):
        env = env.env
    return env.return_queue


def measure(args) -> Outcome:
    clock = ProcessClock(args.started)
    source = args.source.resolve()
    if not (source / FILES[args.work]).is_file():
        sys.exit(
            f"error: --source={source} holds no {FILES[args.work]}; give a checkout of CleanRL"
        )
    import torch

    torch.set_num_threads(1)  # as fast as two on quiet cores, and quicker on busy ones
    env_steps = whole_updates(args.env_steps, HOST_WORKS[args.work])
    runs = [trained(source, args.work, env_steps, seed=1)]
    done = clock()
    runs += [trained(source, args.work, env_steps, seed=1) for _ in range(args.repeats - 1)]
    return Outcome(
        version=version_of(source),
        device="cpu",
        env_steps=env_steps,
        trace_seconds=None,
        compile_seconds=0.0,
        run_seconds=[run.seconds for run in runs],
        process_start_to_done_seconds=done,
        final_return=fmean(runs[0].returns),
        notes=[*NOTES, f"EnvPool {installed('envpool')}"],
    )


def version_of(source: Path) -> str:
    """The checkout's commit."""
    command = ["git", "-C", str(source), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    args = arguments(
        __doc__,
        ("--work", {"choices": FILES, "default": "cartpole"}),
        ("--source", {"type": Path, "required": True, "help": "a checkout of vwxyzjn/cleanrl"}),
    )
    if args.seeds != 1:
        sys.exit("error: CleanRL's files train one seed a run; --seeds=1")
    report("cleanrl", args, measure(args))
