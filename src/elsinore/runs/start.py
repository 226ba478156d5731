"""A run that begins with what another one learnt: parameters, normalisers, or all of its state."""

import logging
import re
import uuid
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from elsinore.config.experiment import Experiment
from elsinore.config.parse import ConfigError, as_dict
from elsinore.config.plan import Plan
from elsinore.config.start import StartConfig
from elsinore.runs import checkpoints
from elsinore.runs.checkpoints import Checkpoint
from elsinore.runs.lengthen import with_budget
from elsinore.runs.redaction import redacted
from elsinore.runs.restored import best_replica, host_shapes
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.shipped import HOLDS
from elsinore.runs.store import Store, refused_if_broken
from elsinore.runs.summary import read_summary
from elsinore.runs.trust import Trust
from elsinore.types import RunState

log = logging.getLogger("elsinore")

NORMALISERS = (".train.stats.obs", ".train.stats.returns")
TAKEN = {  # by --from-parts: paths of the state
    "policy": (".train.learner.params", *NORMALISERS),
    "learner": (".train.learner", ".train.rnd", *NORMALISERS),
    "all": (".train.learner", ".train.rnd", *NORMALISERS),
}
# of the learner, but not for a new run: counts of episodes belong to a schedule
NOT_TAKEN = {"learner": (".train.learner.buffer", ".train.learner.episodes")}
NOT_TAKEN["all"] = NOT_TAKEN["learner"][1:]
HEADS = ("policy", "q", "advantage", "log_std")  # layers as wide as there are actions
# of agents that learn by different algorithms, paths name the group: `.learner.groups[0].params`
GROUP = re.compile(r"(\.train\.learner|\.train\.stats)(?:\.groups)?\[\d+\]")
TARGET = re.compile(r"(\.learner(?:\.groups\[\d+\])?)\.target_params")
# settings that do not change what a run computes up to a checkpoint
APART = ("env_steps", "earlier_env_steps", "start", "checkpoints", "replays", "sinks")


class Source(NamedTuple):
    """The checkpoint that a run begins from, read as data: none of its code is imported."""

    folder: RunDir
    checkpoint: Checkpoint
    experiment: Experiment

    @property
    def name(self) -> str:
        return f"{self.folder.path}@{self.checkpoint.name}"


def source_of(start: StartConfig) -> Source:
    """The checkpoint that the settings name.

    Raises:
        ConfigError: if the run or the checkpoint is gone, or its files have changed.
    """
    folder = RunDir.open(start.run)
    found = Run(folder).checkpoint(start.checkpoint)
    checkpoints.verify(found)
    if start.parts != "policy" and found.manifest.get("holds") == HOLDS:
        raise ConfigError(
            f"--from-parts {start.parts} needs more of {start.run} than the policy that it holds;"
            " take --from-parts policy."
        )
    return Source(folder, found, folder.recorded())


def parse_source(text: str, runs_dir: Path) -> tuple[RunDir, str | None]:
    """The run and the checkpoint, if one is named, in `RUN`, `RUN@best`, `RUN@best/0000000390`,
    `RUN/best/0000000390` or the path of a checkpoint's folder.

    Raises:
        ConfigError: if there is no such run.
    """
    run, at, which = text.rpartition("@")
    if at:
        return RunDir.open(run, runs_dir), which
    if found := re.fullmatch(r"(.+?)(?:/checkpoints)?/([a-z]+/\d{10})/?", text):
        with suppress(ConfigError):
            return RunDir.open(found[1], runs_dir), found[2]
    return RunDir.open(text, runs_dir), None


def start_settings(
    run: str | Path | Run | None, parts: str, leave: Iterable[str], seed: int | None
) -> dict[str, Any]:
    """The settings, by dotted name, of a run that begins from another; none without one.

    Raises:
        ConfigError: for parts or a seed of no run.
    """
    if run is None:
        if parts != "policy" or [*leave] or seed is not None:
            raise ConfigError(
                "--from-parts, --from-leave and --from-seed choose what a run takes from another;"
                " name that with --from RUN."
            )
        return {}
    text = str(run.path if isinstance(run, Run) else run)
    names = {"run": text, "parts": parts, "leave": [*leave], "seed": seed}
    return {f"start.{name}": value for name, value in names.items()}


def with_source(experiment: Experiment, runs_dir: Path) -> Experiment:
    """The experiment with the run and the checkpoint that it begins from by their full names; one
    that goes on where the other stood has its chunks.

    Raises:
        ConfigError: if the run or the checkpoint is gone.
    """
    start = experiment.start
    if start is None:
        return experiment
    folder, which = parse_source(start.run, runs_dir)
    which = which or start.checkpoint or ("latest" if start.parts == "all" else None)
    name = Run(folder).checkpoint(which).name
    start = replace(start, run=str(folder.path.resolve()), checkpoint=name)
    experiment = replace(experiment, start=start)
    if not continues(experiment):
        return experiment
    other = source_of(start).experiment
    earlier = with_budget(other, experiment.env_steps).earlier_env_steps
    return replace(experiment, earlier_env_steps=earlier)


def settings_of_source(text: str, runs_dir: Path, trust: Trust) -> dict[str, Any]:
    """All settings of the run in `text`, for a new one; without its budgets of before.

    Raises:
        ConfigError: if they name code that is neither this user's nor trusted.
    """
    folder, _ = parse_source(text, runs_dir)
    settings = as_dict(folder.experiment(trust)) | {"earlier_env_steps": []}
    settings.pop("start")
    return settings


# The whole state, where nothing is different


def continues(experiment: Experiment) -> bool:
    """True for a run that takes all of another's state and has its settings, so that it goes on at
    the other's update, as a resumed run does."""
    start = experiment.start
    if start is None or start.parts != "all" or start.leave or start.seed is not None:
        return False
    return _alike(source_of(start).experiment) == _alike(experiment)


def _alike(experiment: Experiment) -> dict[str, Any]:
    config = redacted(as_dict(experiment))
    return {name: value for name, value in config.items() if name not in APART}


def adopted(folder: RunDir, plan: Plan) -> Checkpoint | None:
    """The checkpoint that a new run goes on from, copied into it with the metrics up to it and the
    best checkpoints so far; None for a run that begins at its own first update."""
    experiment = plan.experiment
    if not continues(experiment):
        return None
    source = source_of(_start(experiment))
    update = source.checkpoint.update
    with (
        refused_if_broken(folder.database),
        closing(Store(source.folder.database, read_only=True)) as old,
        closing(Store(folder.database)) as new,
    ):
        old.copy_to(new)
        new.forget_after(update)
        new.describe(run_id=uuid.uuid4().hex)
        new.add_event(update, "from", f"goes on from {source.name}, as that run resumed would")
    facts = {
        "config": redacted(as_dict(experiment)),
        "config_sha256": checkpoints.config_digest(experiment),
    }
    for best in checkpoints.list_checkpoints(source.folder.checkpoints, ("best",)):
        if best.update <= update and checkpoints.is_whole(best):
            checkpoints.adopt(best, folder.checkpoints, "best", facts)
    checkpoints.adopt(source.checkpoint, folder.checkpoints, "latest", facts)
    return checkpoints.list_checkpoints(folder.checkpoints, ("latest",))[0]


# Parts of the state


class Transfer(NamedTuple):
    """Leaves of a new run's state and the leaves of the source that they are taken from."""

    taken: dict[str, str]  # path here -> path there
    misfits: list[str]  # paths and shapes, for people
    first: str  # the first misfit's layer, dotted


def check_start(plan: Plan) -> None:
    """Refuse a start that cannot be made, before anything is compiled or written.

    Raises:
        ConfigError: for parts that do not fit, by name and shape; a seed that the other run does
            not have; a budget below what is done; or metrics that are needed and missing.
    """
    start = plan.experiment.start
    if start is None:
        return
    source = source_of(start)
    if continues(plan.experiment):
        return _check_continuation(plan, source)
    replicas_of(source, start, plan.experiment.replicas)
    for part in start.leave:
        if not any(
            is_of_parts(name, start.parts) and _is_named(name, part) for name in _here(plan)
        ):
            raise ConfigError(
                f"--from-leave {part!r} is no part of what is taken ({start.parts}); parts are"
                f" network.head, {', '.join(_layers(plan, start.parts))}."
            )
    transfer = transfer_of(plan, source)
    if transfer.misfits:
        more = len(transfer.misfits) - 1
        raise ConfigError(
            f"--from {source.name} does not fit: {transfer.misfits[0]}"
            f"{f' (and {more} more)' if more else ''}{_observations(plan, source)}. Leave out what"
            f" is to begin anew with --from-leave {transfer.first}, or give the settings of"
            f" {source.folder.path}/config.yaml (algo.network, algo.normalize_obs ...)."
        )


def _check_continuation(plan: Plan, source: Source) -> None:
    update = source.checkpoint.update
    if update > plan.schedule.num_updates:
        raise ConfigError(
            f"env_steps={plan.experiment.env_steps} is below the"
            f" {update * plan.steps_per_update:,} env steps of {source.name}, which --from-parts"
            " all goes on from; give more, or take --from-parts learner, which begins anew."
        )
    covered = 0
    if source.folder.database.exists():
        with (
            refused_if_broken(source.folder.database),
            closing(Store(source.folder.database, read_only=True)) as store,
        ):
            covered = store.covered()
    if covered < update:
        raise ConfigError(
            f"--from {source.name}: its metrics.sqlite holds the chunks up to update {covered}"
            " only; restore it with `elsinore repair`, or take --from-parts learner."
        )


def _observations(plan: Plan, source: Source) -> str:
    """The observations there and here, where they differ."""
    leaves = [checkpoints.arrays_in(source.checkpoint), _here(plan)]
    of_one = [
        [_one(_one(x)) for name, x in each.items() if name.startswith(".train.actor.obs")]
        for each in leaves
    ]
    there, here = (", ".join(map(str, shapes)) for shapes in of_one)
    return "" if there == here else f"; an observation is {there} there and {here} here"


def replicas_of(source: Source, start: StartConfig, number: int) -> list[int]:
    """For each of `number` replicas, the source's that it begins from: the chosen seed, its own
    where both runs have as many, or else the best.

    Raises:
        ConfigError: for a seed that the source does not have.
    """
    experiment = source.experiment
    seeds = range(experiment.seed, experiment.seed + experiment.replicas)
    if start.seed is None and len(seeds) == number:
        return list(range(number))
    if start.seed is None:
        history = checkpoints.read_arrays(source.checkpoint)[".convergence.history"]
        summary = read_summary(source.folder.summary)
        return [best_replica(source.checkpoint, history, summary)] * number
    if start.seed not in seeds:
        raise ConfigError(
            f"--from-seed {start.seed} is not of {source.folder.path}; it has {seeds.start} to"
            f" {seeds.stop - 1}."
        )
    return [seeds.index(start.seed)] * number


def transfer_of(plan: Plan, source: Source) -> Transfer:
    """The leaves that a run takes from its source, and those that do not fit."""
    start = _start(plan.experiment)
    here, there = _here(plan), checkpoints.arrays_in(source.checkpoint)
    taken, misfits, layers = {}, [], []
    for name in dict.fromkeys((*here, *there)):
        if not _is_taken(name, start):
            continue
        if _one(here.get(name)) == _one(there.get(name)):
            taken[name] = name
            continue
        shapes = (_one(leaves.get(name)) or "missing" for leaves in (there, here))
        misfits.append("{} is {} there and {} here".format(dotted_name(name), *shapes))
        layers.append(_layer(dotted_name(name)))
    if start.parts == "policy":  # target networks begin as copies of the parameters
        for name in here:
            twin = TARGET.sub(r"\1.params", name, count=1)
            if twin != name and twin in taken:
                taken[name] = twin
    return Transfer(taken, misfits, layers[0] if layers else "")


def _is_taken(name: str, start: StartConfig) -> bool:
    return is_of_parts(name, start.parts) and not any(_is_named(name, x) for x in start.leave)


def is_of_parts(name: str, parts: str) -> bool:
    """True for a leaf that the parts hold; of agents that differ, one of any group."""
    name = GROUP.sub(r"\1", name)
    return name.startswith(TAKEN[parts]) and not name.startswith(NOT_TAKEN.get(parts, ("-",)))


def _is_named(name: str, part: str) -> bool:
    """True for a leaf of a part: its dotted name has the part's words, in their order."""
    words = dotted_name(name).split(".")
    if part == "network.head":
        return bool({*HEADS} & {*words})
    rest = iter(words)
    return all(word in rest for word in part.split("."))


def _layer(name: str) -> str:
    """The part to leave out so that a leaf of that dotted name begins anew."""
    words = name.removeprefix("params.").split(".")
    return "network.head" if {*HEADS} & {*words} else ".".join(words[:-1] or words)


def dotted_name(path: str) -> str:
    """A leaf's path as `--from-leave` takes it: `params.policy.kernel`, `stats.obs.mean`."""
    words = re.findall(r"\w+", path)[1:]  # without "train"
    words = words[1:] if words[0] == "learner" else words
    return ".".join(word for i, word in enumerate(words) if i == 0 or word != "params")


def _layers(plan: Plan, parts: str) -> list[str]:
    names = (dotted_name(name) for name in _here(plan) if is_of_parts(name, parts))
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))[:8]


def _here(plan: Plan) -> dict[str, str]:
    return checkpoints.described(host_shapes(plan))


def _one(described: str | None) -> str | None:
    """Type and shape of a leaf of one replica, from those of all."""
    return described and re.sub(r"\[\d+(, )?", "[", described)


def begun_from_source(plan: Plan, state: RunState) -> RunState:
    """The first state of a run ([replica, ...] in host memory) with what it takes from its
    source."""
    start = _start(plan.experiment)
    source = source_of(start)
    arrays, taken = checkpoints.read_arrays(source.checkpoint), transfer_of(plan, source).taken
    index = replicas_of(source, start, plan.experiment.replicas)

    def moved(path: Any, x: np.ndarray) -> np.ndarray:
        name = jax.tree_util.keystr(path)
        return arrays[taken[name]][index] if name in taken else x

    state = jax.tree_util.tree_map_with_path(moved, state)
    best = state.best._replace(policy_state=state.train.policy_state)
    log.info("%s", described_start(plan, source))
    return state._replace(best=best)


def described_start(plan: Plan, source: Source) -> str:
    """The start of a run, for people."""
    start = _start(plan.experiment)
    index = replicas_of(source, start, plan.experiment.replicas)
    whose = (
        "each seed its own"
        if len(set(index)) == len(index) > 1
        else (f"all of seed {source.experiment.seed + index[0]}")
    )
    left = f", without {', '.join(start.leave)}" if start.leave else ""
    return f"begins with the {start.parts} of {source.name} ({whose}){left}"


def _start(experiment: Experiment) -> StartConfig:
    assert experiment.start is not None, "only a run that begins from another one comes here"
    return experiment.start
