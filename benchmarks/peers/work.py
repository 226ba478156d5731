"""The work every peer is given, its options, and its result as one line of JSON.

An adapter runs inside its peer's environment, so this file may import the standard library only.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean
from typing import Any

WINDOW = 100  # finished episodes in the mean that must reach the threshold
STANDARD_UNTIL = 475.0  # CartPole-v1's own threshold for "solved"

# For trainers that run seeds one after another: an option for `arguments`.
MAX_TOTAL_STEPS = (
    "--max-total-steps",
    {
        "type": int,
        "default": 500_000,
        "help": "of a repeat's seeds together; each runs fewer rather than pass this (0: no bound)",
    },
)


@dataclass(frozen=True)
class PPOSettings:
    """PureJaxRL's settings for CartPole-v1, which are CleanRL's."""

    env: str = "CartPole-v1"
    num_envs: int = 4
    rollout_length: int = 128
    num_minibatches: int = 4
    num_epochs: int = 4
    learning_rate: float = 2.5e-4  # falls linearly to 0
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_eps: float = 0.2  # of the policy ratio, and of the value where a peer clips it
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    adam_eps: float = 1e-5
    hidden_sizes: tuple[int, ...] = (64, 64)  # twice: policy and value share nothing
    activation: str = "tanh"

    @property
    def steps_per_update(self) -> int:
        return self.num_envs * self.rollout_length

    @property
    def minibatch_size(self) -> int:
        return self.steps_per_update // self.num_minibatches

    @property
    def gradients_per_update(self) -> int:
        return self.num_minibatches * self.num_epochs


P1 = PPOSettings()
# MinAtar's Breakout from its 10 x 10 x 4 booleans as one vector, which rejax's networks read
P2 = PPOSettings(env="Breakout-MinAtar", num_envs=64, num_minibatches=8)
# Navix and Brax, both with networks of two layers over the observation as one vector
NAVIX = PPOSettings(
    env="navix/Navix-DoorKey-5x5-v0", num_envs=64, rollout_length=64, num_minibatches=8
)
BRAX = PPOSettings(
    env="brax/inverted_pendulum", num_envs=32, rollout_length=64, num_minibatches=8, ent_coef=0.0
)
# JaxMARL's own settings of its IPPO
TEAM = PPOSettings(env="jaxmarl/MPE_simple_spread_v3", num_envs=16)
TEAM_SIZE = 3  # agents of that env
ENV_KWARGS = {BRAX.env: {"backend": "spring"}}
PPO_WORKS = {"cartpole": P1, "breakout": P2, "navix": NAVIX, "brax": BRAX}
# MuJoCo at CleanRL's settings, its 2,048 steps a rollout taken by eight environments
P3 = PPOSettings(
    env="HalfCheetah-v4",
    num_envs=8,
    rollout_length=256,
    num_minibatches=32,
    num_epochs=10,
    learning_rate=3e-4,
    ent_coef=0.0,
)
HOST_WORKS = {"cartpole": P1, "cheetah": P3}  # environments that are stepped in Python


@dataclass(frozen=True)
class DQNSettings:
    """CleanRL's settings for CartPole-v1: one gradient step for every `num_envs` env steps, a hard
    copy as target."""

    env: str = "CartPole-v1"
    num_envs: int = 10
    buffer_size: int = 10_000
    batch_size: int = 128
    learning_starts: int = 1_000  # env steps
    target_period: int = 500  # env steps
    learning_rate: float = 2.5e-4
    gamma: float = 0.99
    epsilon: float = 1.0
    epsilon_final: float = 0.05
    epsilon_fraction: float = 0.5  # of the run
    hidden_sizes: tuple[int, ...] = (120, 84)
    activation: str = "relu"

    def gradient_steps(self, env_steps: int) -> int:
        """In a run of so many env steps a seed."""
        return max(0, env_steps - self.learning_starts) // self.num_envs


Q1 = DQNSettings()
Q2 = DQNSettings(env="Breakout-MinAtar", hidden_sizes=(128, 128))
DQN_WORKS = {"cartpole": Q1, "breakout": Q2}


@dataclass(frozen=True)
class ContinuousSettings:
    """CleanRL's settings for SAC and TD3 but for one learning rate and a smaller buffer: one env, a
    gradient step of each network for every env step."""

    env: str = "Pendulum-v1"
    num_envs: int = 1
    buffer_size: int = 20_000
    batch_size: int = 256
    learning_starts: int = 1_000  # env steps
    learning_rate: float = 3e-4
    gamma: float = 0.99
    tau: float = 0.005
    policy_delay: int = 2  # of TD3, as are the noises
    exploration_noise: float = 0.1
    target_noise: float = 0.2
    target_noise_clip: float = 0.5
    hidden_sizes: tuple[int, ...] = (256, 256)
    activation: str = "relu"

    def gradient_steps(self, env_steps: int) -> int:
        """In a run of so many env steps a seed."""
        return max(0, env_steps - self.learning_starts)


S1 = ContinuousSettings()
CONTINUOUS = ("--work", {"choices": ("sac", "td3"), "default": "sac"})  # an option for `arguments`


@dataclass
class Outcome:
    """What an adapter measured. Seconds are the wall's; a list holds one number a repeat."""

    version: str
    device: str
    env_steps: int  # a seed, as done: whole updates only
    trace_seconds: float | None
    compile_seconds: float | None
    run_seconds: list[float]
    # to the end of the first repeat: what one run makes a user wait
    process_start_to_done_seconds: float
    final_return: float
    # from process start until every seed had reached the threshold
    reached_seconds: float | None = None
    reached_note: str | None = None
    notes: Sequence[str] = ()
    # a seed, in each repeat, where that is what was to be measured
    gradient_steps: int | None = None


def arguments(
    description: str | None, *extra: tuple[str, dict], least: int = P1.steps_per_update
) -> argparse.Namespace:
    """Read the options all adapters share, and the `extra` ones of this adapter; `least` env steps
    do something."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=positive, default=1)
    parser.add_argument(
        "--env-steps", type=positive, default=500_000, help="environment steps a seed"
    )
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument(
        "--until", type=float, help=f"time the mean of {WINDOW} episodes reaching this return"
    )
    parser.add_argument(
        "--started",
        type=float,
        help="epoch seconds when the process began; else asked of the system",
    )
    for flag, options in extra:
        parser.add_argument(flag, **options)
    args = parser.parse_args()
    if args.env_steps < least:
        parser.error(
            f"--env-steps={args.env_steps} is less than one update; ask for {least} or more"
        )
    return args


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def whole_updates(env_steps: int, work: PPOSettings = P1) -> int:
    """The steps PureJaxRL takes when asked for `env_steps`: a last part of an update is dropped."""
    return env_steps // work.steps_per_update * work.steps_per_update


class ProcessClock:
    """Seconds since the process began, so that imports and compiling count as the waiting they
    are."""

    def __init__(self, started: float | None = None):
        age = time.time() - started if started is not None else process_age()
        self._start = time.perf_counter() - age

    def __call__(self) -> float:
        return time.perf_counter() - self._start


def process_age() -> float:
    """Seconds since the kernel started this process (Linux), to the 10 ms of its clock tick."""
    try:
        with open("/proc/self/stat") as file:
            fields = file.read().rpartition(")")[2].split()  # a process's name may hold spaces
    except FileNotFoundError:
        sys.exit(
            "error: no /proc/self/stat here to tell when the process began; pass --started EPOCH"
        )
    start_ticks = int(fields[19])  # field 22 of proc(5), counted from the one after the name
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK")


def report(peer: str, args: argparse.Namespace, outcome: Outcome, **more: Any) -> None:
    """Print the outcome, and `more` of this adapter, as one line of JSON, the last on stdout."""
    found = asdict(outcome)
    threshold = f"seconds_to_{STANDARD_UNTIL if args.until is None else args.until:g}"
    found[threshold] = found.pop("reached_seconds")
    note = found.pop("reached_note")
    if args.until is not None:
        found[f"{threshold}_note"] = note
    total_steps = args.seeds * outcome.env_steps
    steps_per_second = [total_steps / seconds for seconds in outcome.run_seconds]
    gradient_steps = found.pop("gradient_steps")
    if gradient_steps is not None:
        rates = [args.seeds * gradient_steps / seconds for seconds in outcome.run_seconds]
        found |= {"gradient_steps": gradient_steps, "gradient_steps_per_second": rates}
    first = {
        "peer": peer,
        "version": found.pop("version"),
        "jax": installed("jax"),
        "seeds": args.seeds,
    }
    rest = {
        "env_steps_asked": args.env_steps,
        "steps_per_second": steps_per_second,
        "notes": list(found.pop("notes")),
    }
    row = first | found | rest | more | machine()
    print(json.dumps(rounded(row), allow_nan=False), flush=True)


def machine() -> dict:
    """What else a reader needs to judge a speed."""
    libraries = {name: installed(name) for name in ("jaxlib", "torch", "gymnax", "gymnasium")}
    # Linux: the cores this process was given, not all
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return {"python": platform.python_version(), "libraries": libraries, "cores": cores}


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def rounded(value):
    """Drop digits that no clock here can vouch for."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return (
        {name: rounded(each) for name, each in value.items()} if isinstance(value, dict) else value
    )


def slowest(seconds: Sequence[float | None]) -> float | None:
    """When the last seed got there; None while any has not."""
    return None if None in seconds else max(s for s in seconds if s is not None)


def reached_summary(marks: Sequence[float | None], unit: str) -> str:
    """How many seeds reached the threshold and where, for a note."""
    reached = [mark for mark in marks if mark is not None]
    count = f"{len(reached)} of {len(marks)} seeds reached it"
    if not reached:
        return count
    return (
        f"{count}, at {min(reached):,.0f} to {max(reached):,.0f} {unit} (mean"
        f" {fmean(reached):,.0f})"
    )
