"""summary.json: the results of a run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from elsinore.config.plan import Plan
from elsinore.config.population import number_of
from elsinore.errors import ConfigError, quoted
from elsinore.experience.episode_stats import facts_of
from elsinore.runs.budgets import BUDGET
from elsinore.runs.checkpoints.manifest import params_sha256, versions
from elsinore.runs.files.durable import replacing
from elsinore.runs.files.plain_files import text_of
from elsinore.runs.members import best_index, writable
from elsinore.runs.run_dir import RunDir
from elsinore.runs.statistics import ci95, iqm
from elsinore.runs.store.store import reading
from elsinore.runs.summary_shape import unusable_part
from elsinore.training.evaluation import Episodes
from elsinore.types import RunState


def stopped_by(state: RunState, plan: Plan, interrupted: bool, ended: str) -> str:
    """The reason why a run ended: `converged` (every seed, except those pruned from a population),
    `diverged` (every seed but those pruned), `plateau` (every seed is frozen, in several of these
    ways or on a plateau), `interrupted`, `ended` (`callback`, say) or `budget`."""
    convergence = state.convergence
    pruned = convergence.pruned_at >= 0
    for how in ("converged", "diverged"):
        stopped = getattr(convergence, f"{how}_at") >= 0
        if stopped.any() and (stopped | pruned).all():
            return how
    if np.asarray(convergence.frozen).all():
        return "plateau"
    if interrupted and state.train.update.max() < plan.schedule.num_updates:
        return "interrupted"
    return ended or BUDGET


def has_ended(summary: Mapping[str, Any]) -> bool:
    """True for the summary of a run that ended by itself; an empty one is of a run that did not."""
    return summary.get("stopped_by") not in (None, "interrupted")


def summarise(
    plan: Plan, state: RunState, final: Episodes, clock: dict[str, float], how: str
) -> dict[str, Any]:
    """The summary of a run from its final state ([seed, ...] numpy arrays) and evaluation ([seed,
    episode] each). Lists are by seed, or by replica of a population; `env_steps` is the greatest.
    """
    steps, convergence = plan.steps_per_update, state.convergence
    updates = np.asarray(state.train.update)
    taken = [int(u) * steps for u in updates]
    return {
        "env": plan.experiment.env,
        "algo": plan.experiment.algorithms,
        "seeds": plan.experiment.seeds,
        "first_seed": plan.experiment.seed,
        "env_steps": max(taken),
        "env_steps_per_seed": taken,
        "updates": int(updates.max()),
        "compile_seconds": clock["compile"],
        "train_seconds": clock["train"],
        "steps_per_second": clock["timed_steps"] / clock["train"] if clock["train"] else 0.0,
        "evaluation_seconds": clock["evaluate"],
        "converged": [bool(x >= 0) for x in convergence.converged_at],
        "converged_at_env_steps": _steps_at(convergence.converged_at, steps),
        "plateau_at_env_steps": _steps_at(convergence.plateau_at, steps),
        "diverged_at_env_steps": _steps_at(convergence.diverged_at, steps),
        **_evaluation(plan, final),
        "best_return": {
            "per_seed": [_finite(x) for x in state.best.score],
            "env_steps": [int(u) * steps for u in state.best.update],
        },
        "stopped_by": how,
        "versions": versions(),
        "params_sha256": params_sha256(state.train.learner.params),
        **(_population(plan, state, final) if plan.experiment.vary else {}),
    }


def _evaluation(plan: Plan, final: Episodes) -> dict[str, Any]:
    agents, means = plan.experiment.agents.number, final.returns.mean(axis=1)
    members = plan.experiment.members
    return {
        "eval_return": _over_seeds(means, members)
        | ({"per_agent": returns_by_agent(final.returns, agents)} if agents > 1 else {}),
        "eval_episodes": int(final.returns.shape[1]),
        **(
            {"eval_facts": stats_summary(facts_of(plan.env), final, members)} if final.facts else {}
        ),
    }


def _over_seeds(means: np.ndarray, members: int = 1) -> dict[str, Any]:
    """Statistics of the mean return of each seed; null over several members, which differ in their
    settings and share their seeds."""
    alone = members == 1
    return {
        "mean": _finite(np.mean(means)) if alone else None,
        "iqm": _finite(iqm(means)) if alone else None,
        "ci95": ci95(means) if alone else None,
        "per_seed": [_finite(x) for x in means],
    }


def stats_summary(
    labels: Mapping[str, str], final: Episodes, members: int
) -> dict[str, dict[str, Any]]:
    """The environment's own statistics of the final evaluation, by name: label and means; no mean
    over several members."""
    means = {name: final.facts[name].astype(np.float64).mean(axis=1) for name in labels}
    return {
        name: {
            "called": label,
            "mean": _finite(np.mean(means[name])) if members == 1 else None,
            "per_seed": [_finite(x) for x in means[name]],
        }
        for name, label in labels.items()
    }


def returns_by_agent(returns: np.ndarray, agents: int) -> list[list[float | None]]:
    """Each agent's mean return, [seed, agent], from [seed, episode x agent]."""
    means = returns.reshape(len(returns), -1, agents).mean(axis=1)
    return [[_finite(x) for x in row] for row in means]


def _population(plan: Plan, state: RunState, final: Episodes) -> dict[str, Any]:
    """The members of a population with their returns, the best of those that have not diverged, and
    the final values of numbers that evolve. Lists by replica have the `seeds` of the first member
    first."""
    experiment, diverged = plan.experiment, state.convergence.diverged_at >= 0
    returns = final.returns.mean(axis=1).reshape(experiment.members, -1)  # [member, seed]
    known = np.where(diverged.reshape(returns.shape), np.nan, returns)
    best = best_index(known.mean(axis=1).tolist(), experiment.population.mode)
    facts: dict[str, Any] = {
        "members": [writable(member) for member in experiment.member_values],
        "members_eval_return": (each := [_over_seeds(means) for means in returns]),
        "best_member": {"member": best, "eval_return": each[best]},
        "pruned_at_env_steps": _steps_at(state.convergence.pruned_at, plan.steps_per_update),
    }
    if experiment.population.pbt is not None:
        names = dict.fromkeys((*experiment.vary, *experiment.population.pbt.space))
        finals = {n: number_of(n, state.train.hyper)[:: experiment.seeds] for n in names}
        facts["members_final"] = [
            writable({n: as_decimal(x[i]) for n, x in finals.items()})
            for i in range(experiment.members)
        ]
    return facts


def as_decimal(number: Any) -> float:
    """The shortest decimal that float32 rounds to this number: 0.999, not 0.9990000128746033."""
    return float(str(np.float32(number)))


def _steps_at(updates: Any, steps: int) -> list[int | None]:
    return [int(u) * steps if u >= 0 else None for u in updates]


def _finite(x: Any) -> float | None:
    """JSON has no NaN."""
    return float(x) if np.isfinite(x) else None


def final_return(summary: Mapping[str, Any], statistic: Literal["mean", "iqm"]) -> float | None:
    """The return of the final evaluation, of the best member of a population; None without one."""
    found: Any = summary.get("best_member") if "members" in summary else summary
    for name in ("eval_return", statistic):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


def finals_of_seeds(
    summary: Mapping[str, Any], agents: Sequence[str]
) -> list[dict[str, float | None]]:
    """The returns of the final evaluation as sinks name them, for each seed: `final/return`, and of
    several `agents` also `bob/final/return`."""
    found = summary["eval_return"]
    of_agents = found.get("per_agent") or [()] * len(found["per_seed"])
    names = ["final/return", *(f"{agent}/final/return" for agent in agents)]
    return [
        dict(zip(names, (mean, *each), strict=False))
        for mean, each in zip(found["per_seed"], of_agents, strict=True)
    ]


def means_of_finals(summary: Mapping[str, Any], agents: Sequence[str]) -> dict[str, float | None]:
    """The means over seeds of `finals_of_seeds`, of a population those of its best member; None for
    one with a seed whose return is not finite."""
    seeds, best = finals_of_seeds(summary, agents), summary.get("best_member")
    if "members" in summary and best:
        first = best["member"] * summary["seeds"]
        seeds = seeds[first : first + summary["seeds"]]
    means: dict[str, float | None] = {}
    for name in seeds[0]:
        values = [value for seed in seeds if (value := seed[name]) is not None]
        means[name] = float(np.mean(values)) if len(values) == len(seeds) else None
    return means | {"final/return": final_return(summary, "mean")}


def read_summary(path: Path) -> dict[str, Any]:
    """The contents of summary.json; empty until the run is finished.

    Raises:
        ConfigError: if it is no JSON object, or lacks what readers need.
    """
    if not path.exists():
        return {}
    found = object_in(path)
    unusable = unusable_part(found)
    if unusable is not None:
        why = f"it has no usable {unusable}" if found else "a JSON object"
        raise ConfigError(
            f"{path} is not a summary ({why}); remove it, and make it again with `elsinore"
            f" train --resume {quoted(path.parent)}`."
        )
    return found


def object_in(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        found = json.loads(text_of(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_finished(folder: RunDir) -> bool:
    """True for a run with a final summary whose store holds every chunk up to it.

    Raises:
        ConfigError: if summary.json or metrics.sqlite cannot be read.
    """
    summary = read_summary(folder.summary)
    if not has_ended(summary) or not folder.database.exists():
        return False
    with reading(folder.database) as store:
        store.check()
        return store.format() is not None and store.covered() >= summary["updates"]


def write_json(path: Path, data: Any) -> None:
    """Write JSON under another name, then rename it."""
    with replacing(path, synced=True) as unfinished:
        unfinished.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
