"""The choice among a run's checkpoints: the best, the newest that a run can continue from."""

from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.experiment import Experiment
from elsinore.errors import ConfigError, quoted, shown
from elsinore.runs.checkpoints.directory import (
    CHECKPOINT_KINDS,
    BrokenCheckpoint,
    Checkpoint,
    clean,
    is_whole,
    list_checkpoints,
    verify,
)
from elsinore.runs.checkpoints.match import MAY_CHANGE, check_match
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import reading

# What a kind means as a choice: a run that was cut off saves its latest state as `emergency`.
KINDS = {kind: (kind,) for kind in CHECKPOINT_KINDS} | {"latest": ("latest", "emergency")}


def best_of(found: list[Checkpoint], experiment: Experiment) -> Checkpoint | None:
    """The checkpoint with the best value of the metric that ranks them; None of none."""
    sign = 1.0 if experiment.checkpoints.mode == "max" else -1.0

    def rank(checkpoint: Checkpoint) -> float:
        metric = checkpoint.manifest.get("metric")
        return sign * metric["value"] if metric else -np.inf

    return max(found, key=rank, default=None)


def named_checkpoint(folder: RunDir, experiment: Experiment, which: str | None) -> Checkpoint:
    """A checkpoint by kind or name, by default as `by_default`; see `Run.checkpoint`.

    Raises:
        ConfigError: for a checkpoint that does not exist.
    """
    found = list_checkpoints(folder.checkpoints)
    if which is None:
        if chosen := by_default(folder.checkpoints, experiment):
            return chosen
        raise _none_by_default(folder, found)
    kinds = KINDS.get(which, ())
    chosen = [c for c in found if c.kind in kinds or which in (c.name, c.path.name)]
    if not chosen:
        raise ConfigError(
            f"checkpoint {which!r} is not in {shown(folder.path)}; it has:"
            f" {', '.join(c.name for c in found) or 'none'}."
        )
    best = best_of(chosen, experiment) if which == "best" else None
    return best or chosen[0]


def _none_by_default(folder: RunDir, found: list[Checkpoint]) -> ConfigError:
    """The refusal of a run that has no checkpoint of its best or latest state."""
    if not found and _is_before_its_first_chunk(folder):
        folder.refuse_before_its_first_chunk("checkpoint")
    remedy = (
        "name another (--checkpoint, or --from RUN@NAME; in Python, checkpoint, policy or"
        f" from_run) of {', '.join(c.name for c in found)}"
        if found
        else f"bring {shown(folder.checkpoints)} back"
    )
    return ConfigError(
        f"{shown(folder.path)} has no checkpoint of its best or latest state; train it"
        f" further, or {remedy}."
    )


def _is_before_its_first_chunk(folder: RunDir) -> bool:
    if not folder.database.exists():
        return not folder.summary.exists()
    with reading(folder.database) as store:
        return not store.chunks()


def by_default(folder: Path, experiment: Experiment) -> Checkpoint | None:
    """The best checkpoint, or the latest where none was kept as best or a curriculum's stages were
    evaluated, whose scores cannot be compared; None if there is none."""
    best = list_checkpoints(folder, ("best",))
    if best and not evaluated_stages(folder, experiment):
        return best_of(best, experiment)
    return next(iter(list_checkpoints(folder, ("latest", "emergency"))), None)


def evaluated_stages(folder: Path, experiment: Experiment) -> bool:
    """True if evaluations were of the stages of a curriculum, by the settings or, where it was
    given as an object, by the checkpoints."""
    if experiment.evaluates_stages:
        return True
    return any(each.manifest.get("on_stage") for each in list_checkpoints(folder))


def resumable(folder: Path) -> list[Checkpoint]:
    """The checkpoints that a run can continue from, newest first."""
    return [checkpoint for checkpoint in list_checkpoints(folder) if checkpoint.has_all]


def newest(folder: Path, fall_back: bool = False) -> Checkpoint:
    """The newest checkpoint that a run can continue from, or with `fall_back` the newest of them
    that is not broken.

    Raises:
        ConfigError: if there is none.
        BrokenCheckpoint: if the newest is broken, without `fall_back`.
    """
    candidates = resumable(folder)
    for checkpoint in candidates:
        try:
            verify(checkpoint)
            return checkpoint
        except BrokenCheckpoint as error:
            if not fall_back:
                raise BrokenCheckpoint(
                    f"{error} Pass --fall-back (in Python, fall_back=True) to resume from the"
                    " newest checkpoint that is not broken."
                ) from error
    found = "only broken checkpoints" if candidates else "no checkpoint yet"
    raise ConfigError(f"{folder} holds {found}; {_again(folder)}{_or_from_best(folder)}.")


def _again(folder: Path) -> str:
    """The remedy for a run that cannot continue: a run of a sweep or a comparison has one place."""
    return f"move {folder.parent} away and start the run again, or start it under another name"


def _or_from_best(folder: Path) -> str:
    """A remedy where the best checkpoints, which may have no replay buffer, are all that is
    left."""
    best = next((c for c in list_checkpoints(folder, ("best",)) if not c.has_all), None)
    return (
        ""
        if best is None
        else (
            f", or begin one with what {best.name} has, which is all but a replay buffer:"
            f" `--from {quoted(f'{folder.parent}@best')} --from-parts learner`"
            " (in Python, from_run and from_parts)"
        )
    )


def matching(
    folder: RunDir, experiment: Experiment, fall_back: bool, accept_versions: bool
) -> Checkpoint | None:
    """The newest checkpoint that a locked run can continue from, made with these settings; None
    where there is none yet. What a kill left among the checkpoints is put in order first.

    Raises:
        ConfigError: if it is broken, or differs in what was not accepted; or if the run has ended
            once, and only checkpoints without a replay buffer are left.
    """
    clean(folder.checkpoints)
    if resumable(folder.checkpoints):
        checkpoint = newest(folder.checkpoints, fall_back)
        check_match(checkpoint, experiment, accept_versions)
        return checkpoint
    if folder.summary.exists() and (remedy := _or_from_best(folder.checkpoints)):
        raise ConfigError(
            f"{folder.checkpoints} holds no checkpoint that the run can continue from;"
            f" {_again(folder.checkpoints)}{remedy}."
        )
    return None


def newest_covered(folder: Path, newest: Checkpoint | None, covered: int) -> Checkpoint | None:
    """The newest whole checkpoint after at most `covered` updates, of the same config and versions
    as `newest`; None if there is none, so that the run begins anew."""
    if newest is None or newest.update <= covered:
        return newest
    for each in resumable(folder):
        like = _made_alike(each.manifest) == _made_alike(newest.manifest)
        if each.update <= covered and like and is_whole(each):
            return each
    return None


def _made_alike(manifest: dict[str, Any]) -> list[Any]:
    """The parts of a manifest that are equal in checkpoints that a run may continue from alike."""
    config = {k: v for k, v in manifest.get("config", {}).items() if k not in MAY_CHANGE}
    return [manifest.get("format"), config, manifest.get("versions")]
