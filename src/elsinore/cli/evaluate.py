"""`elsinore evaluate`: returns of fresh episodes with a run's policies."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elsinore.cli.arguments import (
    add_checkpoint,
    add_run,
    add_runs_dir,
    add_trust,
    trust_of,
)
from elsinore.cli.streams import say
from elsinore.errors import counted, shown

if TYPE_CHECKING:
    from elsinore.config.experiment import Experiment


def add(commands) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="evaluate a run's policies on fresh episodes",
        description="Evaluate a run's policies on fresh episodes: a line for each seed, and for"
        " each agent with a learner of its own. --json has each agent of each seed, too.",
    )
    evaluate.set_defaults(function=evaluate_command)
    add_run(evaluate)
    evaluate.add_argument(
        "--episodes", type=int, default=128, metavar="N", help="episodes per seed (default: 128)"
    )
    add_checkpoint(evaluate)
    evaluate.add_argument(
        "--sample", action="store_true", help="sample actions as in training (default: greedy)"
    )
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    add_trust(evaluate)
    add_runs_dir(evaluate)


def evaluate_command(args: argparse.Namespace) -> int:
    from elsinore.experience.episode_stats import facts_of
    from elsinore.runs import api
    from elsinore.runs.files.plain_json import plain
    from elsinore.runs.members import learner_names
    from elsinore.runs.records import return_text
    from elsinore.runs.statistics import ci95, iqm
    from elsinore.runs.summary import returns_by_agent, stats_summary

    run = api.load(args.run, runs_dir=args.runs_dir, trust=trust_of(args))
    checkpoint = run.checkpoint(args.checkpoint).name
    found = run.episodes(args.episodes, checkpoint, args.sample)
    returns = found.returns
    per_seed = [float(x) for x in returns.mean(axis=1)]
    agents = run.experiment.agents.names
    per_agent = returns_by_agent(returns, len(agents))
    labels = facts_of(run.plan.env) if found.facts else {}
    statistics = stats_summary(labels, found, run.experiment.members)
    if args.json:
        diverged: Sequence[bool] = ()
        if run.experiment.vary:
            state = run.state(checkpoint, buffers=False)
            diverged = (state.convergence.diverged_at >= 0).tolist()
        counted_seeds, members = seeds_and_members(run.experiment, per_seed, diverged)
        answer = {
            "checkpoint": checkpoint,
            "episodes": args.episodes,
            "greedy": not args.sample,
            "mean": sum(counted_seeds) / len(counted_seeds),
            "iqm": float(iqm(counted_seeds)),
            "ci95": ci95(counted_seeds),
            "per_seed": per_seed,
            "length": {"per_seed": [float(x) for x in found.lengths.mean(axis=1)]},
            **({"eval_facts": statistics} if statistics else {}),
            **({"per_agent": per_agent} if len(agents) > 1 else {}),
            **members,
        }
        print(json.dumps(plain(answer), allow_nan=False))
        return 0
    of_all = f" of {len(agents)} agents each" if len(agents) > 1 else ""
    say(
        f"{shown(run.path)}, {checkpoint}: {counted(args.episodes, 'episode')} a seed{of_all},"
        f" {'sampled' if args.sample else 'greedy'}"
    )
    names = learner_names(run.experiment)
    rows = list(zip(names, returns, strict=True))
    if len(agents) > 1 and not run.experiment.agents.shared:
        rows += zip(agents, returns.reshape(-1, len(agents)).T, strict=True)
    for name, each in rows:
        low, high, deviation = map(return_text, (each.min(), each.max(), each.std()))
        say(f"  {name}: {return_text(float(each.mean())):>8} +- {deviation}  [{low}, {high}]")
    for each in statistics.values():
        say(f"  {each['called']}: {', '.join(map(return_text, each['per_seed']))}")
    return 0


def seeds_and_members(
    experiment: "Experiment", per_seed: list[float], diverged: Sequence[bool]
) -> tuple[list[float], dict[str, Any]]:
    """The returns that statistics are of, and facts about a population: members differ in settings,
    so statistics are of the best one. Its index and the names of all are the facts. A member with a
    seed that has diverged, whose actions mean nothing, is worse than all others."""
    import numpy as np

    from elsinore.runs.members import best_index, member_names

    if not experiment.vary:
        return per_seed, {}
    each = experiment.seeds
    known = np.where(diverged, np.nan, per_seed).reshape(-1, each)  # [member, seed]
    best = best_index(known.mean(axis=1).tolist(), experiment.population.mode)
    return per_seed[best * each : (best + 1) * each], {
        "best_member": best,
        "members": member_names(experiment),
    }
