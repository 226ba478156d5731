"""summary.json: what came of a run, for machines."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.members import number_of
from elsinore.config.plan import Plan
from elsinore.experience.facts import facts_of
from elsinore.host.checkpoints import params_sha256
from elsinore.host.statistics import ci95, iqm
from elsinore.host.versions import versions
from elsinore.training.evaluation import Episodes
from elsinore.types import RunState


def stopped_by(state: RunState, plan: Plan, interrupted: bool) -> str:
    """`converged`: every seed did, but for those that a population gave up; `plateau`: every seed was frozen, not all
    of them converged; else `budget`."""
    convergence = state.convergence
    converged, pruned = convergence.converged_at >= 0, convergence.pruned_at >= 0
    if converged.any() and (converged | pruned).all():
        return "converged"
    if np.asarray(convergence.frozen).all():
        return "plateau"
    return "interrupted" if interrupted and state.train.update.max() < plan.schedule.num_updates else "budget"


def summarise(plan: Plan, state: RunState, final: Episodes, clock: dict[str, float], how: str) -> dict[str, Any]:
    """The summary of a run from its final state ([seed, ...] numpy arrays) and evaluation ([seed, episode] each).

    Lists are by seed, of a population by replica.
    `env_steps` is of one seed, the one that went furthest; `ci95` is of the interquartile mean.
    """
    steps, convergence, agents = plan.steps_per_update, state.convergence, plan.experiment.agents.number
    updates = np.asarray(state.train.update)
    means = final.returns.mean(axis=1)
    taken = [int(u) * steps for u in updates]
    return {
        "env": plan.env_name,
        "algo": plan.experiment.algo.name,
        "seeds": plan.experiment.seeds,
        "first_seed": plan.experiment.seed,
        "env_steps": max(taken),
        "env_steps_per_seed": taken,
        "updates": int(updates.max()),
        "compile_seconds": clock["compile"],
        "train_seconds": clock["train"],
        "steps_per_second": sum(taken) / clock["train"] if clock["train"] else 0.0,
        "evaluation_seconds": clock["evaluate"],
        "converged": [bool(x >= 0) for x in convergence.converged_at],
        "converged_at_env_steps": _steps_at(convergence.converged_at, steps),
        "plateau_at_env_steps": _steps_at(convergence.plateau_at, steps),
        "diverged_at_env_steps": _steps_at(convergence.diverged_at, steps),
        "eval_return": {
            "mean": _finite(np.mean(means)),
            "iqm": _finite(iqm(means)),
            "ci95": ci95(means),
            "per_seed": [_finite(x) for x in means],
            **({"per_agent": returns_by_agent(final.returns, agents)} if agents > 1 else {}),
        },
        "eval_episodes": int(final.returns.shape[1]),
        **({"eval_facts": facts_summary(facts_of(plan.env), final)} if final.facts else {}),
        "best_return": {
            "per_seed": [_finite(x) for x in state.best.score],
            "env_steps": [int(u) * steps for u in state.best.update],
        },
        "stopped_by": how,
        "versions": versions(),
        "params_sha256": params_sha256(state.train.learner.params),
        **(_population(plan, state) if plan.experiment.vary else {}),
    }


def facts_summary(called: Mapping[str, str], final: Episodes) -> dict[str, dict[str, Any]]:
    """What the world tells of the final evaluation's episodes beside their return, by name: what it is called, and
    each seed's mean."""
    means = {name: final.facts[name].astype(np.float64).mean(axis=1) for name in called}
    return {
        name: {"called": words, "mean": _finite(np.mean(means[name])), "per_seed": [_finite(x) for x in means[name]]}
        for name, words in called.items()
    }


def returns_by_agent(returns: np.ndarray, agents: int) -> list[list[float | None]]:
    """Each agent's mean return, [seed, agent], of [seed, episode x agent]."""
    means = returns.reshape(len(returns), -1, agents).mean(axis=1)
    return [[_finite(x) for x in row] for row in means]


def _population(plan: Plan, state: RunState) -> dict[str, Any]:
    """What the members are, in the order of the lists: `seeds` of the first, then of the second. Numbers that evolve
    are told as they were in the end as well."""
    experiment = plan.experiment
    facts: dict[str, Any] = {
        "members": experiment.member_values,
        "pruned_at_env_steps": _steps_at(state.convergence.pruned_at, plan.steps_per_update),
    }
    if experiment.population.pbt is not None:
        names = dict.fromkeys((*experiment.vary, *experiment.population.pbt.space))
        finals = {n: number_of(n, state.train.hyper)[:: experiment.seeds] for n in names}
        facts["members_final"] = [{n: float(x[i]) for n, x in finals.items()} for i in range(experiment.members)]
    return facts


def replica_names(first_seed: int, seeds: int, members: list[dict[str, Any]]) -> list[str]:
    """Whose each number in a list by replica is, for people: `members` are their settings, of a plain run `[{}]`."""
    return [
        ", ".join((f"seed {seed}", *(f"{name}={value:.4g}" for name, value in member.items())))
        for member in members
        for seed in range(first_seed, first_seed + seeds)
    ]


def _steps_at(updates: Any, steps: int) -> list[int | None]:
    return [int(u) * steps if u >= 0 else None for u in updates]


def _finite(x: Any) -> float | None:
    """JSON has no NaN."""
    return float(x) if np.isfinite(x) else None


def write_json(path: Path, data: Any) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
    unfinished.replace(path)
