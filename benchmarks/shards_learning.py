"""Learning with four shards a seed beside one, with equally many envs: env steps to a return, or
the return at a fixed budget.

    python -m benchmarks.shards_learning [--cases CartPole-v1/ppo,...] [--seeds N] [--again]

Each case is its preset, on Breakout for 512,000 env steps; only `shards` differs. Env steps
to a return are those before the first greedy evaluation at or above it, of 16 episodes; a seed that
never gets there counts as infinite. Returns at a budget are those of the final policy, greedy, over
128 episodes. Intervals are 95 % bootstraps over the seeds of both sides. Stopped, it continues.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.few_episodes import QUIET
from benchmarks.record import FOLDER, Results

SHARDS = (1, 4)


class Case(NamedTuple):
    """A preset, with an evaluation every `period` updates."""

    env: str
    algo: str
    period: int
    to: float | None = None  # the return that it has to reach
    env_steps: int | None = None  # in place of the preset's
    seeds: int = 16

    @property
    def name(self) -> str:
        return f"{self.env}/{self.algo}"


CASES = {
    case.name: case
    for case in (
        Case("CartPole-v1", "ppo", 4, to=475.0, seeds=64),
        Case("Breakout-MinAtar", "pqn", 25, env_steps=512_000),
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--seeds", type=int, help="(default: the case's)")
    parser.add_argument("--env-steps", type=int, help="of a seed (default: the preset's)")
    parser.add_argument("--out", type=Path, default=FOLDER / "shards_learning.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = {"seeds": args.seeds, "env_steps": args.env_steps}
    results = Results(args.out, work, args.again)
    for name in args.cases.split(","):
        for shards in SHARDS:
            seeds = args.seeds or CASES[name].seeds
            measure = partial(measured, CASES[name], shards, seeds, args.env_steps)
            results.measure(measure, case=name, shards=shards)
        print(described(name, compared(results.rows, name)), flush=True)
    results.save()


def measured(case: Case, shards: int, seeds: int, env_steps: int | None) -> dict[str, Any]:
    """Train all seeds of a case and look at their evaluations."""
    import elsinore

    settings: dict[str, Any] = {"shards": shards, "evaluation.period": case.period}
    if budget := env_steps or case.env_steps:
        settings["env_steps"] = budget
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        run = elsinore.train(
            case.env, algo=case.algo, overrides=QUIET | settings, seeds=seeds, runs_dir=folder
        )
        evaluated, summary = run.metrics.query("name == 'eval/return'"), run.summary
    by_seed = evaluated.pivot_table(index="env_steps", columns="seed", values="value")
    return {
        "env_steps": run.plan.env_steps,
        "num_envs": run.plan.experiment.algo.num_envs,
        "seconds": time.time() - began,
        "to": case.to,
        "steps_to": None if case.to is None else [first(by_seed[i], case.to) for i in by_seed],
        "final": summary["eval_return"]["per_seed"],
    }


def first(returns: Any, to: float) -> int | None:
    """Env steps at the first evaluation of a seed at or above `to`."""
    there = returns.index[returns >= to]
    return int(there[0]) if len(there) else None


def compared(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Figures of one shard and of several, and their ratio with its 95 % interval: of env steps
    where the case has a return to reach, else of final returns."""
    from elsinore.runs.statistics import ci95, estimate, iqm

    one, many = (
        next(row for row in rows if (row["case"], row["shards"]) == (name, shards))
        for shards in SHARDS
    )
    by_steps = one["to"] is not None
    values = [
        np.array([np.inf if x is None else x for x in row["steps_to" if by_steps else "final"]])
        for row in (one, many)
    ]
    ratio = estimate(values, lambda strata: iqm(strata[1]) / iqm(strata[0]))
    return {
        "what": f"env steps to {one['to']:g}" if by_steps else "final return",
        "env_steps": one["env_steps"],
        "seeds": len(values[0]),
        "reached": [int(np.isfinite(x).sum()) for x in values] if by_steps else None,
        "iqm": [float(iqm(x)) for x in values],
        "ci95": [ci95(x) for x in values],
        "ratio": ratio.value,
        "ratio_ci95": ratio.ci95,
    }


def described(name: str, found: dict[str, Any]) -> str:
    """A comparison for people."""
    one, many = (
        f"{middle:,.6g} {interval(ci, ',.6g')}"
        for middle, ci in zip(found["iqm"], found["ci95"], strict=True)
    )
    return (
        f"{name}: {found['what']}, {found['seeds']} seeds: {one} with one shard, {many} with"
        f" {SHARDS[1]}; ratio {found['ratio']:.2f} {interval(found['ratio_ci95'], '.2f')}"
    )


def interval(ci: list[float] | None, form: str) -> str:
    """Both ends; none where resampled seeds did not reach the return."""
    return f"[{ci[0]:{form}}, {ci[1]:{form}}]" if ci else "[no interval]"


if __name__ == "__main__":
    main()
