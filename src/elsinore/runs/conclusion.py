"""The conclusion of a run: final evaluation, summary, curves and policy."""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elsinore.config.plan import Plan
from elsinore.errors import counted
from elsinore.runs.budgets import ending
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.restored import best_replica, policy_of, restore_state
from elsinore.runs.curriculum_log import STAGE_METRIC, curriculum_summary
from elsinore.runs.curves.run_curves import ARTIFACT_SECONDS, draw_run
from elsinore.runs.export.jax_function import write_jax
from elsinore.runs.loop import Outcome
from elsinore.runs.profile import phase
from elsinore.runs.programs import Compiled
from elsinore.runs.records import return_text
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import MORE_TIME, Stop, refuse_if_late
from elsinore.runs.store.store import Store
from elsinore.runs.summary import final_return, stopped_by, summarise, write_json
from elsinore.training.layout import Layout
from elsinore.types import RunState

log = logging.getLogger("elsinore")


def conclude(
    folder: RunDir,
    plan: Plan,
    layout: Layout,
    compiled: Compiled,
    outcome: Outcome,
    stop: Stop,
    finish: Callable[[], None],
) -> None:
    """Final evaluation, summary, curves and policy of a training that has ended.

    `finish` is called before the summary is written, after which a kill is the end of the run: what
    it waits for would not be made again.

    Raises:
        OutOfTime: if the deadline of `stop` is too near; the state is saved by now.
        FolderGone: if the run's folder was moved or removed meanwhile.
    """
    refuse_if_late(stop, _expected_seconds(folder, plan, compiled))
    began, state = time.perf_counter(), outcome.state
    with phase("evaluate"):
        final = compiled.evaluate(state)
    with contextlib.closing(Store(folder.database, read_only=True)) as store:
        chunks, stages = store.chunks(), store.rows(names=[STAGE_METRIC])
    trained, evaluated = sum(chunk[3] for chunk in chunks), time.perf_counter() - began
    clock = {"compile": compiled.seconds, "train": trained, "evaluate": evaluated}
    # of chunks whose seconds are known, unlike those that were restored from metrics.jsonl
    clock["timed_steps"] = sum(seconds * speed for *_, seconds, speed in chunks)
    how = stopped_by(state, plan, outcome.interrupted, outcome.ended)
    summary = summarise(plan, state, final, clock, how) | curriculum_summary(plan, stages)
    summary |= {"checkpoints": kept_checkpoints(folder, plan)}
    log.info(result_line(summary))
    folder.refuse_if_gone()
    for what, make in _artifacts(folder, plan, state, summary).items():
        if stop.seconds_left < 2 * ARTIFACT_SECONDS:
            log.warning("%s is left out: little time is left after the signal; %s", what, MORE_TIME)
            continue
        try:
            with phase("export"):
                make()
        except Exception as error:  # the run is worth more than its picture
            log.warning("%s could not be made: %s: %s", what, type(error).__name__, error)
    finish()
    folder.refuse_if_gone()
    write_json(folder.summary, summary)


def result_line(summary: dict[str, Any]) -> str:
    """The result in one line, before curves, policy and sinks are written."""
    mean = return_text(final_return(summary, "mean"))
    whose = " of the best member" if "best_member" in summary else ""
    return (
        f"{ending(summary['stopped_by'])} after {summary['env_steps']:,} env steps a seed; mean"
        f" return {mean}{whose} over {counted(summary['eval_episodes'], 'fresh episode')} a seed;"
        " writing curves and policy"
    )


def _artifacts(
    folder: RunDir, plan: Plan, state: RunState, summary: dict[str, Any]
) -> dict[str, Callable[[], None]]:
    """Functions that write what a finished run leaves besides its summary, by name."""
    how = summary["stopped_by"]
    return {
        "training_curves.png": lambda: draw_run(folder, plan, how),
        "policy": lambda: _export_best(folder, plan, state, summary),
    }


def kept_checkpoints(folder: RunDir, plan: Plan) -> dict[str, dict[str, Any] | None]:
    """The last checkpoint of a run and the best, with env steps and the value of
    the metric that ranks them; None for none."""
    last = checkpoints.list_checkpoints(folder.checkpoints, ("latest", "emergency"))
    best = checkpoints.list_checkpoints(folder.checkpoints, ("best",))
    found = {
        "last": next(iter(last), None),
        "best": checkpoint_choice.best_of(best, plan.experiment),
    }
    return {
        which: each
        and {
            "name": each.name,
            "env_steps": each.update * plan.steps_per_update,
            "value": (each.manifest.get("metric") or {}).get("value"),
        }
        for which, each in found.items()
    }


def _export_best(folder: RunDir, plan: Plan, state: RunState, summary: dict[str, Any]) -> None:
    """Export the policy of the best seed at the best checkpoint, or of the last where none is."""
    found = checkpoint_choice.by_default(folder.checkpoints, plan.experiment)
    assert found is not None, "the end of a run is saved before it is concluded"
    if found.update != summary["updates"]:
        state = restore_state(found, plan, buffers=False)
    mode = plan.experiment.population.mode
    best = best_replica(found, state.convergence.history, summary, mode)
    export_policies(plan, state, plan.experiment.seed + best, folder.policy, found.name)


def _expected_seconds(folder: RunDir, plan: Plan, compiled: Compiled) -> float:
    """The expected time of the final evaluation: it compiles no longer than the training did,
    unless it is compiled, and takes no longer an episode than a chunk with its evaluation."""
    evaluation = plan.experiment.evaluation
    with contextlib.closing(Store(folder.database, read_only=True)) as store:
        longest = max((chunk[3] for chunk in store.chunks()[-10:]), default=0.0)
    compiling = 0.0 if compiled.can_evaluate() else compiled.seconds
    return compiling + longest * evaluation.final_episodes / evaluation.episodes


def export_policies(plan: Plan, state: RunState, seed: int, folder: Path, checkpoint: str) -> None:
    """Export the policy of a seed at a checkpoint; of independent learners each agent's, in its own
    folder."""
    facts = {"env": plan.experiment.env, "checkpoint": checkpoint}
    if not plan.has_learners_of_their_own:
        policy = policy_of(plan, state, seed)
        return write_jax(policy, folder, facts)
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(plan.experiment.agents.names):
        policy = policy_of(plan, state, seed, i)
        write_jax(policy, folder / name, facts)
