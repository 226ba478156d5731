"""Ten seeds beside one: what a second, a third, a tenth seed costs, for every algorithm.

    python -m benchmarks.replicas [--algos ppo,a2c,dqn,pqn] [--seeds 10] [--repeats 5] [--again]

CartPole-v1 at each algorithm's preset, or its defaults; training only, compiled before. One seed
and ten are run in turn, and the ratio of their times is taken within a turn. On two cores the least
is 5. `core_ratio` is the same of the seconds that cores were at work, which other processes on the
machine change less. Stopped, it continues.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.record import FOLDER, Results
from benchmarks.work import TRAINING_ONLY, launch_all

# a seed, for a second or so of work
ENV_STEPS = {"ppo": 100_000, "a2c": 800_000, "dqn": 50_000, "pqn": 200_000}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--algos", default=",".join(ENV_STEPS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the env steps")
    parser.add_argument("--out", type=Path, default=FOLDER / "replicas_cartpole.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = {"seeds": args.seeds, "repeats": args.repeats, "scale": args.scale}
    results = Results(args.out, work, args.again)
    for algo in args.algos.split(","):
        env_steps = int(ENV_STEPS[algo] * args.scale)
        measure = partial(measured, algo, env_steps, args.seeds, args.repeats)
        row = results.measure(measure, algo=algo)
        print(f"{algo}: {described(row)}", flush=True)
    results.save()


def described(row: dict) -> str:
    one, many = (
        row["env_steps"] * n / median(s) for n, s in ((1, row["one"]), (row["seeds"], row["many"]))
    )
    return (
        f"{row['seeds']} seeds take {row['ratio']:.2f} times as long as one and"
        f" {row['core_ratio']:.1f} times its core seconds; {one:,.0f} and {many:,.0f} env steps/s"
    )


def measured(algo: str, env_steps: int, seeds: int, repeats: int) -> dict:
    """Seconds of one seed and of many, in turn."""
    one, many = Ready(algo, env_steps, 1), Ready(algo, env_steps, seeds)
    for each in (one, many):
        each.seconds()  # the first launch finds cold caches
    turns = [(one.seconds(), many.seconds()) for _ in range(repeats)]
    ratios = [b.wall / a.wall for a, b in turns]
    return {
        "env_steps": one.plan.env_steps,
        "seeds": seeds,
        "one": [a.wall for a, _ in turns],
        "many": [b.wall for _, b in turns],
        "ratios": ratios,
        "ratio": median(ratios),
        "core_ratio": median(b.cores / a.cores for a, b in turns),
    }


class Seconds(NamedTuple):
    wall: float
    cores: float  # at work, added up


class Ready:
    """So many seeds of an algorithm, compiled and begun."""

    def __init__(self, algo: str, env_steps: int, seeds: int):
        from benchmarks.programs import all_compiled
        from elsinore.config.load import load_experiment
        from elsinore.config.plan import plan_for
        from elsinore.training.layout import layout_for

        overrides = TRAINING_ONLY | {"env_steps": env_steps, "seeds": seeds}
        self.plan = plan_for(load_experiment("CartPole-v1", algo, overrides=overrides))
        self.compiled = all_compiled(self.plan, layout_for(seeds))

    def seconds(self) -> Seconds:
        import jax

        state = jax.block_until_ready(self.compiled.init())
        began = time.process_time()
        return Seconds(launch_all(self.plan, self.compiled, state), time.process_time() - began)


if __name__ == "__main__":
    main()
