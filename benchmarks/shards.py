"""One seed on two cores: two shards on two devices beside one shard of the same work on one.

    python -m benchmarks.shards [--hidden 64,256] [--turns 5] [--updates 40] [--again]

PPO on CartPole-v1 with 64 envs of 128 steps, 4 epochs of 4 minibatches; training only, compiled
before, all in one process. The placements are run in turn, and ratios of their steps/s are taken
within a turn; the medians are those of the turns:

* `core`: one shard on one device, all threads of the process pinned to one core;
* `one`: one shard on one device, whose XLA threads use all cores where a product is large enough;
* `turns`: two shards on one device, in turn, with the bits of the next;
* `two`: two shards on two devices.

Stopped, it continues.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.record import FOLDER, Results
from benchmarks.work import TRAINING_ONLY, launch_all

PLACEMENTS = {  # shards, devices, pinned to a core
    "core": (1, 1, True),
    "one": (1, 1, False),
    "turns": (2, 1, False),
    "two": (2, 2, False),
}
WORK = {
    "algo.num_envs": 64,
    "algo.rollout_length": 128,
    "algo.num_minibatches": 4,
    "algo.num_epochs": 4,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden", default="64,256", help="widths of both hidden layers")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--updates", type=int, default=40, help="of a measurement")
    parser.add_argument("--num-envs", type=int, default=WORK["algo.num_envs"])
    parser.add_argument("--out", type=Path, default=FOLDER / "shards.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = WORK | {"algo.num_envs": args.num_envs}
    results = Results(args.out, work | {"turns": args.turns, "updates": args.updates}, args.again)
    for width in map(int, args.hidden.split(",")):
        measure = partial(measured, work, width, args.turns, args.updates)
        print(described(results.measure(measure, hidden=width)), flush=True)
    results.save()


def described(row: dict) -> str:
    """A measurement for people."""
    rates = ", ".join(
        f"{name} {median(row['steps_per_second'][name]):,.0f} steps/s"
        f" ({row['update_ms'][name]:.1f} ms an update)"
        for name in PLACEMENTS
    )
    return (
        f"hidden {row['hidden']}: {rates}; two/core {row['two_over_core']:.2f},"
        f" two/one {row['two_over_one']:.2f},"
        f" two/turns {row['two_over_turns']:.2f}, core seconds {row['core_ratio']:.2f}"
    )


def measured(work: dict, width: int, turns: int, updates: int) -> dict:
    """Steps/s of the placements, in turn."""
    placed = {
        name: Ready(work, width, updates, *placement) for name, placement in PLACEMENTS.items()
    }
    for each in placed.values():
        each.seconds()  # the first launch finds cold caches
    found = [{name: each.seconds() for name, each in placed.items()} for _ in range(turns)]
    env_steps = placed["one"].plan.env_steps
    walls = {name: [turn[name][0] for turn in found] for name in PLACEMENTS}
    ratio = lambda a, b: median(y / x for x, y in zip(walls[a], walls[b], strict=True))  # noqa: E731
    return {
        "env_steps": env_steps,
        "steps_per_second": {name: [env_steps / s for s in walls[name]] for name in PLACEMENTS},
        "update_ms": {name: 1e3 * median(walls[name]) / updates for name in PLACEMENTS},
        "compile_seconds": {name: each.compiled.seconds for name, each in placed.items()},
        "two_over_core": ratio("two", "core"),
        "two_over_one": ratio("two", "one"),
        "two_over_turns": ratio("two", "turns"),
        "turns_over_one": ratio("turns", "one"),
        "core_ratio": median(turn["two"][1] / turn["one"][1] for turn in found),
    }


class Ready:
    """The work with so many shards on so many devices, compiled."""

    def __init__(self, work: dict, width: int, updates: int, shards: int, devices: int, pin: bool):
        import jax

        from benchmarks.programs import all_compiled
        from elsinore.config.load import load_experiment
        from elsinore.config.plan import plan_for
        from elsinore.training.layout import layout_for

        episodes = {"evaluation.episodes": 2, "evaluation.final_episodes": 2}
        settings = {
            "shards": shards,
            "algo.network.hidden": [width, width],
            "env_steps": updates * work["algo.num_envs"] * work["algo.rollout_length"],
            "evaluation.period": max(1, updates // 4),
        }
        overrides = TRAINING_ONLY | episodes | work | settings
        self.plan = plan_for(load_experiment("CartPole-v1", "ppo", overrides=overrides))
        layout = layout_for(1, shards=shards, devices=jax.devices()[:devices])
        if layout.devices_per_seed != devices:
            raise SystemExit(f"{devices} devices are needed; set JAX_NUM_CPU_DEVICES={devices}")
        self.compiled = all_compiled(self.plan, layout.for_program(self.plan.program))
        self.pin = pin

    def seconds(self) -> tuple[float, float]:
        """Of the clock, and of cores at work added up."""
        import jax

        with pinned(self.pin):
            state = jax.block_until_ready(self.compiled.init())
            began = time.process_time()
            return launch_all(self.plan, self.compiled, state), time.process_time() - began


@contextmanager
def pinned(pin: bool) -> Iterator[None]:
    """With `pin`, all threads of this process run on one core meanwhile."""
    cores = os.sched_getaffinity(0)
    run_threads_on({min(cores)} if pin else cores)
    yield
    run_threads_on(cores)


def run_threads_on(cores: set[int]) -> None:
    for thread in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(thread), cores)


if __name__ == "__main__":
    os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")
    main()
