"""The agents of another run that those of a new run begin from, where each has its own learner."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Shaped

from elsinore.config.agents import AgentsConfig
from elsinore.config.learners import program_of
from elsinore.errors import ConfigError


def agents_from(there: AgentsConfig, here: AgentsConfig) -> dict[int, int] | None:
    """The place of the agent there that each agent here begins from, by its place; the others begin
    anew. None where arrays are taken as they are: one learner for all agents, the same agents in
    the same order, as many of other names, or agents of several programs.

    An agent takes what the agent of its name has learnt, and all take what a single agent has.
    """
    alone = there.number == 1
    one_learner = here.number == 1 or here.shared or (there.shared and not alone)
    several = _several_programs(here) or _several_programs(there)
    if one_learner or several or there.names == here.names:
        return None
    if alone:
        return dict.fromkeys(range(here.number), 0)
    known = {i: there.names.index(name) for i, name in enumerate(here.names) if name in there.names}
    return known if known or there.number != here.number else None


def refuse_other_agents(there: AgentsConfig, here: AgentsConfig, source: str) -> None:
    """Raises:
    ConfigError: for agents that could only be taken by their places, and stand in others, or learn
        together with others; or of which none has a name that is known there.
    """
    if agents_from(there, here) == {}:
        raise ConfigError(
            f"agents: none of {', '.join(here.names)} is an agent of {source}, which has"
            f" {', '.join(there.names)}; name those that continue as they are named there."
        )
    several = _several_programs(here) or _several_programs(there)
    by_place = here.ids or (several and not here.shared)
    for old, new in zip(there.names, here.names, strict=False) if by_place else ():
        if old != new and (old in here.names or new in there.names):
            raise ConfigError(
                f"agents: {new} stands where {source} has {old}, and would begin with what {old}"
                f" has learnt; list them in its order: {', '.join(there.names)}."
            )
    if several and here.number != there.number and not (here.shared or there.shared):
        raise ConfigError(
            f"agents: with several algorithms, or other settings that need a program of their own,"
            f" agents begin from as many: {source} has {there.number} and these are {here.number};"
            " list as many, in its order."
        )
    both = here.differ and there.differ and here.number == there.number
    if several and both and _groups(here) != _groups(there):
        raise ConfigError(
            f"agents: those that {source} trains together are not those here, and would begin with"
            f" what others have learnt: {described_algos(there)} there and {described_algos(here)}"
            " here; list the algorithms in its order."
        )


def _several_programs(agents: AgentsConfig) -> bool:
    """True for agents whose arrays are not one: they differ in more than traced numbers."""
    return agents.differ and len({*_groups(agents)}) > 1


def _groups(agents: AgentsConfig) -> list[int]:
    """For each agent the first one with the same program; the arrays of these are one."""
    programs = [program_of(each.algo) for each in agents.each]
    return [programs.index(program) for program in programs]


def described_algos(agents: AgentsConfig) -> str:
    """The agents with their algorithms, for people."""
    return ", ".join(f"{each.id}: {each.algo.name}" for each in agents.each)


def placed(
    x: Shaped[np.ndarray, "replica agent *any"], found: np.ndarray, agents: Mapping[int, int]
) -> np.ndarray:
    """`x` with what `agents` take of an array of the other run, [replica, agent, ...], or
    [replica, ...] of a single agent."""
    found = found[:, None] if found.ndim < x.ndim else found
    new = np.array(x)
    for here, there in agents.items():
        new[:, here] = found[:, there]
    return new


def described_agents(
    there: AgentsConfig, here: AgentsConfig, agents: Mapping[int, int] | None
) -> str:
    """The agents that begin from another run, and those that begin anew, for people; empty where
    each takes what the agent in its place has."""
    if agents is None:
        return ""
    names: dict[bool, list[str]] = {True: [], False: []}
    for i, name in enumerate(here.names):
        names[i in agents].append(name)
    if there.number == 1:
        return f"; each of {here.number} agents that of its only one"
    anew = f", anew: {', '.join(names[False])}" if names[False] else ""
    return f"; by their names: {', '.join(names[True])}{anew}"
