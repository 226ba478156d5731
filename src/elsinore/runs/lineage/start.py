"""The start of a run with what another one learnt: parameters, normalisers, or all of its state."""

import logging
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from elsinore.algos.replay import truncate_running
from elsinore.config.agents import AgentsConfig
from elsinore.config.experiment import Experiment
from elsinore.config.plan import Plan
from elsinore.errors import ConfigError, counted, span
from elsinore.runs.checkpoints.arrays import arrays_in, read_arrays
from elsinore.runs.checkpoints.restored import best_replica
from elsinore.runs.lineage.agents_from import (
    agents_from,
    described_agents,
    described_algos,
    placed,
    refuse_other_agents,
)
from elsinore.runs.lineage.continuation import check_continuation, continues
from elsinore.runs.lineage.source import Source, source_of, start_of
from elsinore.runs.lineage.transfer import (
    is_named,
    is_of_parts,
    layers_of,
    leaves_here,
    moments_of_others,
    observations_that_differ,
    settings_that_differ,
    torn_part,
    transfer_of,
)
from elsinore.runs.run_dir import RunDir
from elsinore.runs.summary import read_summary
from elsinore.types import RunState

log = logging.getLogger("elsinore")


def check_start(plan: Plan) -> None:
    """Refuse a start that cannot be made, before anything is compiled or written.

    Raises:
        ConfigError: for parts that do not fit, by name and shape; a seed that the other run does
            not have; a budget below what is done; metrics that are needed and missing; or
            imitation, which is of a policy that begins anew.
    """
    start = plan.experiment.start
    if start is None:
        return
    source = source_of(start)
    refuse_other_agents(source.experiment.agents, plan.experiment.agents, source.name)
    if continues(plan.experiment):
        return check_continuation(plan, source)
    if plan.experiment.imitation is not None:
        raise ConfigError(
            f"imitation.teacher={plan.experiment.imitation.teacher!r} fits a policy that"
            f" --from {source.name} (in Python, from_run) replaces; leave out one of them, such as"
            " by --set imitation=null (in Python, overrides={'imitation': None})."
        )
    replicas_of(source, plan.experiment)
    # a layer that only the other run has is a part, too
    leaves = (*leaves_here(plan), *arrays_in(source.checkpoint))
    taken = [name for name in leaves if is_of_parts(name, start.parts)]
    for part in start.leave:
        if not any(is_named(name, part) for name in taken):
            raise ConfigError(
                f"from_leave={part!r} is no part of what is taken ({start.parts}); parts are"
                f" network.head, {', '.join(layers_of(plan, start.parts))}."
            )
    if part := torn_part(plan, start):
        raise ConfigError(
            f"from_leave={[*start.leave]} names some arrays of {part}, which mean"
            f" nothing without the others; give {_options([part])} to begin all of it anew."
        )
    if part := moments_of_others(plan, start):
        raise ConfigError(
            f"from_leave={[*start.leave]} begins parameters anew whose moments would be"
            f" taken with {part}; give {_options([part])}, too."
        )
    transfer = transfer_of(plan, source)
    if transfer.misfits:
        more = len(transfer.misfits) - 1
        others = settings_that_differ(plan, source)
        same = f"the settings of {source.folder.path}/config.yaml (algo.network ...)"
        if others:
            same = f"settings as they are there: {'; '.join(others)}"
        remedy = f"Leave out what is to begin anew with {_options(transfer.layers)}, or give {same}"
        if not any(".params" in name for name in transfer.taken):
            remedy = f"No layer fits. Train without it, or give {same}"
        raise ConfigError(
            f"--from {source.name} (in Python, from_run) does not fit: {transfer.misfits[0]}"
            f"{f' (and {more} more)' if more else ''}{observations_that_differ(plan, source)}"
            f"{_learners_that_differ(plan, source)}. {remedy}."
        )


def check_start_again(plan: Plan, folder: RunDir) -> None:
    """Refuse a start that can be made no more, for a run that was stopped before it was made.

    Raises:
        ConfigError: as `check_start`, with the way to begin from another checkpoint.
    """
    try:
        check_start(plan)
    except ConfigError as error:
        raise ConfigError(
            f"{folder.path} was stopped before it had taken anything of the run that it begins"
            f" from: {error} To begin from another checkpoint, remove {folder.path} and give the"
            " command again that began it."
        ) from error


def _options(leave: Iterable[str]) -> str:
    parts = [*leave]
    options = " ".join(f"--from-leave {part}" for part in parts)
    return f"{options} (in Python, from_leave={parts}; as a setting, start.leave={parts})"


def _learners_that_differ(plan: Plan, source: Source) -> str:
    """The shards of a seed, each of which has a tree of priorities, and the agents, there and here,
    where they differ."""
    there, here = source.experiment, plan.experiment
    texts = []
    if there.shards != here.shards:
        shards = (counted(each.shards, "shard") for each in (there, here))
        texts.append("; a seed has {} there and {} here".format(*shards))
    agents = [_described_agents(each.agents) for each in (there, here)]
    if agents[0] != agents[1]:
        texts.append("; an environment has {} there and {} here".format(*agents))
    return "".join(texts)


def _described_agents(agents: AgentsConfig) -> str:
    learners = "one learner" if agents.shared else "learners of their own"
    number = counted(agents.number, "agent") + (f" with {learners}" if agents.number > 1 else "")
    return f"{number} ({described_algos(agents)})" if agents.differ else number


def replicas_of(source: Source, here: Experiment) -> list[int]:
    """For each replica of a run, the source's that it begins from: the chosen seed, each its own
    where both runs have as many seeds, or else the best. All members of a population begin alike,
    unless the source is a population with the same members.

    Raises:
        ConfigError: for a seed that the source does not have.
    """
    there, chosen = source.experiment, start_of(here).seed
    seeds = there.replica_seeds
    if chosen is not None and chosen not in seeds:
        raise ConfigError(
            f"from_seed={chosen} is not of {source.folder.path}; it has {span(seeds)}."
        )
    if chosen is not None:
        return [seeds.index(chosen)] * here.replicas
    if there.seeds == here.seeds and there.vary == here.vary:
        return list(range(here.replicas))
    if there.seeds == here.seeds and not there.vary:
        return list(range(here.seeds)) * here.members
    name = ".convergence.history"
    history = read_arrays(source.checkpoint, name.__eq__)[name]
    summary, mode = read_summary(source.folder.summary), there.population.mode
    return [best_replica(source.checkpoint, history, summary, mode)] * here.replicas


def begun_from_source(plan: Plan, state: RunState) -> RunState:
    """The first state of a run ([replica, ...] in host memory) with what it takes from its
    source."""
    source = source_of(start_of(plan.experiment))
    taken = transfer_of(plan, source).taken
    arrays = read_arrays(source.checkpoint, set(taken.values()).__contains__)
    index = replicas_of(source, plan.experiment)
    agents = agents_from(source.experiment.agents, plan.experiment.agents)

    def moved(path: Any, x: np.ndarray) -> np.ndarray:
        name = jax.tree_util.keystr(path)
        if name not in taken:
            return x
        found = arrays[taken[name]][index]
        return found if agents is None else placed(x, found, agents)

    state = jax.tree_util.tree_map_with_path(moved, state)
    if any(".buffer" in name for name in taken):  # the environments begin anew
        learner = jax.tree.map(np.asarray, truncate_running(state.train.learner))
        state = state._replace(train=state.train._replace(learner=learner))
    best = state.best._replace(policy_state=state.train.policy_state)
    log.info("%s", described_start(plan, source))
    return state._replace(best=best)


def described_start(plan: Plan, source: Source) -> str:
    """The start of a run, for people."""
    start = start_of(plan.experiment)
    index = replicas_of(source, plan.experiment)
    one = f"all of seed {source.experiment.seed + index[0]}"
    whose = "each seed its own" if len(set(index)) > 1 else one
    left = f", without {', '.join(start.leave)}" if start.leave else ""
    parts = "all" if start.parts == "all" else f"the {start.parts}"
    teams = source.experiment.agents, plan.experiment.agents
    agents = described_agents(*teams, agents_from(*teams))
    return f"begins with {parts} of {source.name} ({whose}{agents}){left}"
