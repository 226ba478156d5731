"""Diagnosis of a run: its metrics and facts are read, and each rule is asked."""

from pathlib import Path
from typing import Any

import numpy as np

from elsinore.analysis.doctor_checks import Curves, RunFacts, finite
from elsinore.analysis.doctor_rules import Finding, findings_of
from elsinore.arguments import checked
from elsinore.config.experiment import Experiment
from elsinore.envs.spaces import MultiDiscrete
from elsinore.errors import ConfigError, shown
from elsinore.experience.multi_agent import num_agents_in
from elsinore.runs.api import load
from elsinore.runs.checkpoints.choice import evaluated_stages
from elsinore.runs.files.natural import natural
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import reading
from elsinore.runs.summary import has_ended
from elsinore.runs.trust.trust import Trust


@checked
def doctor(
    run: str | Path | Run, *, runs_dir: str | Path = "runs", trust: Trust = False
) -> list[Finding]:
    """Findings about a run, finished or not.

    Args:
        run: a `Run`, its folder or its name in `runs_dir`.
        trust: as for `elsinore.load`.

    Raises:
        ConfigError: for an unknown run, one without metrics, or a population, whose members are
            not alike.
    """
    run = run if isinstance(run, Run) else load(run, runs_dir=runs_dir, trust=trust)
    return findings_of(*evidence(run))


def evidence(run: Run) -> tuple[Curves, RunFacts]:
    """The curves and facts of a run that the rules read.

    Raises:
        ConfigError: as `doctor`.
    """
    if run.experiment.vary:
        raise ConfigError(
            f"{shown(run.path)} is a population, whose members have different settings; train one"
            " of them alone."
        )
    folder = RunDir(run.path)
    folder.refuse_without_metrics("diagnosed")
    curves = curves_of(run)
    if not curves:
        folder.refuse_before_its_first_chunk()
    return curves, run_facts(run, curves)


def curves_of(run: Run) -> Curves:
    """The metrics of a run's learners, each over all agents."""
    with reading(run.path / "metrics.sqlite") as store:
        rows = store.rows(agent="")
    found: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        found.setdefault(row.name, {}).setdefault(row.seed, []).append(row.value)
    return {
        name: [np.array(values) for values in seeds.values()]
        for name, seeds in sorted(found.items(), key=lambda x: natural(x[0]))
    }


def extent_of(run: Run, summary: dict[str, Any]) -> tuple[int, float]:
    """The updates of a run and 1 if it has ended by itself; otherwise the updates that its budget
    takes at most, and the share of them that is done."""
    if has_ended(summary):
        return summary["updates"], 1.0
    planned = run.plan.schedule.num_updates
    with reading(run.path / "metrics.sqlite") as store:
        chunks = store.chunks()
    return planned, chunks[-1][0] / planned if chunks else 0.0


def run_facts(run: Run, curves: Curves) -> RunFacts:
    """The facts that rules need, from a run's settings, environment and summary."""
    experiment, plan, summary = run.experiment, run.plan, run.summary
    updates, progress = extent_of(run, summary)
    limit = getattr(plan.env_params, "max_steps_in_episode", None)
    on_stage = plan.on_stage or evaluated_stages(RunDir(run.path).checkpoints, experiment)
    return RunFacts(
        first_seed=experiment.seed,
        updates=updates,
        progress=progress,
        transitions=plan.steps_per_update,
        target=experiment.convergence.target,
        solved=summary.get("stopped_by") == "converged",
        max_grad_norm=getattr(experiment.algo, "max_grad_norm", None),
        time_limit=None if limit is None else int(np.max(limit)),
        max_entropy=_entropy_of_uniform(plan.env.action_space(plan.env_params)),
        eval_episodes=experiment.evaluation.episodes,
        eval_agents=num_agents_in(plan.env),
        max_return=_largest_return(experiment, curves),
        untrained=not (experiment.start or experiment.imitation or experiment.self_play),
        comparable=not on_stage,
    )


def _largest_return(experiment: Experiment, curves: Curves) -> float | None:
    """The largest absolute return; None where action values are of more than rewards as they
    come."""
    if any(map(_values_more, experiment.learners)):
        return None
    returns = [np.abs(x).max() for x in finite(curves, "episode/return")]
    return float(max(returns)) if returns else None


def _values_more(algo: Any) -> bool:
    """True if action values are of scaled rewards, of a bonus, or of log-probabilities."""
    bonus = getattr(getattr(algo, "rnd", None), "weight", 0.0)
    scaled, soft = (getattr(algo, name, False) for name in ("normalize_rewards", "munchausen"))
    return bool(scaled or bonus or soft or algo.name == "sac")


def _entropy_of_uniform(space: object) -> float | None:
    if isinstance(space, MultiDiscrete):
        return float(np.log(space.nvec).sum())
    num = getattr(space, "n", None)
    return float(np.log(num)) if num is not None and num > 1 else None
