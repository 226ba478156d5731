"""The leaves that a new run takes from the state of another one, by path and shape."""

import re
from typing import Any, NamedTuple

from elsinore.config.parse import as_dict
from elsinore.config.plan import Plan
from elsinore.config.start import StartConfig
from elsinore.runs.checkpoints.arrays import arrays_in
from elsinore.runs.checkpoints.manifest import described, differing
from elsinore.runs.checkpoints.restored import host_shapes
from elsinore.runs.lineage.agents_from import agents_from
from elsinore.runs.lineage.source import Source, start_of

NORMALISERS = (".train.stats.obs", ".train.stats.returns")
TAKEN = {  # by --from-parts: paths of the state
    "policy": (".train.learner.params", *NORMALISERS),
    "learner": (".train.learner", ".train.rnd", *NORMALISERS),
    "all": (".train.learner", ".train.rnd", *NORMALISERS),
}
# of the learner, but not for a new run: counts of episodes belong to a schedule
NOT_TAKEN = {"learner": (".train.learner.buffer", ".train.learner.episodes")}
NOT_TAKEN["all"] = NOT_TAKEN["learner"][1:]
OF_ENVS = ".running_return"  # of a normaliser: of each environment, which begins anew
HEADS = ("policy", "q", "advantage", "log_std")  # layers as wide as there are actions
# of agents that learn by different algorithms, paths name the group: `.learner.groups[0].params`
GROUP = re.compile(r"(\.train\.learner|\.train\.stats)(?:\.groups)?\[\d+\]")
TARGET = re.compile(r"(\.learner(?:\.groups\[\d+\])?)\.target_params")


class Transfer(NamedTuple):
    """Leaves of a new run's state and the leaves of the source that they are taken from."""

    taken: dict[str, str]  # path here -> path there
    misfits: list[str]  # paths and shapes, for people
    layers: list[str]  # what to leave out so that all of them begin anew, dotted


def transfer_of(plan: Plan, source: Source) -> Transfer:
    """The leaves that a run takes from its source, and those that do not fit."""
    start = start_of(plan.experiment)
    here, there = leaves_here(plan), arrays_in(source.checkpoint)
    teams = source.experiment.agents, plan.experiment.agents
    of_agents = agents_from(*teams) is not None
    axes = [1 + (of_agents and team.number > 1) for team in teams]  # replica, agent
    taken, misfits, layers = {}, [], []
    for name in dict.fromkeys((*here, *there)):
        if not _is_taken(name, start):
            continue
        both = zip((there, here), axes, strict=True)
        shapes = [_one(leaves.get(name), of) or "missing" for leaves, of in both]
        if shapes[0] == shapes[1]:
            taken[name] = name
            continue
        misfits.append("{} is {} there and {} here".format(dotted_name(name), *shapes))
        layers.append(_layer(dotted_name(name)))
    if start.parts == "policy":  # target networks begin as copies of the parameters
        for name in here:
            twin = TARGET.sub(r"\1.params", name, count=1)
            if twin != name and twin in taken:
                taken[name] = twin
    return Transfer(taken, misfits, list(dict.fromkeys(layers)))


def _is_taken(name: str, start: StartConfig) -> bool:
    return is_of_parts(name, start.parts) and not any(is_named(name, x) for x in start.leave)


def is_of_parts(name: str, parts: str) -> bool:
    """True for a leaf that the parts hold; of agents that differ, one of any group."""
    name = GROUP.sub(r"\1", name)
    if name.endswith(OF_ENVS):
        return False
    return name.startswith(TAKEN[parts]) and not name.startswith(NOT_TAKEN.get(parts, ("-",)))


def is_named(name: str, part: str) -> bool:
    """True for a leaf of a part: its dotted name has the part's words, in their order."""
    words = dotted_name(name).split(".")
    if part == "network.head":
        return bool({*HEADS} & {*words})
    rest = iter(words)
    return all(word in rest for word in part.split("."))


def whole_part_of(name: str) -> str:
    """The part that a leaf of that dotted name is in, if that is taken or begins anew as one: a
    replay buffer, an optimiser's moments and their count, a normaliser; or else empty."""
    words = name.split(".")
    if "buffer" in words:
        return ".".join(words[: words.index("buffer") + 1])
    if "opt_state" in words:
        return re.sub(r"(\.\d+)*\.\w+$", "", name)
    if words[0] == "stats":
        return ".".join(words[: 2 + words[1].isdigit()])
    return ""


def _value(x: Any) -> str:
    return "not set" if x is None else repr(x)


def torn_part(plan: Plan, start: StartConfig) -> str:
    """The first part that means nothing unless it is whole, and of which some leaves would be taken
    and some begin anew; dotted, or empty."""
    taken: dict[str, set[bool]] = {}
    for path in leaves_here(plan):
        if is_of_parts(path, start.parts) and (part := whole_part_of(dotted_name(path))):
            taken.setdefault(part, set()).add(_is_taken(path, start))
    return next((part for part, of_leaves in taken.items() if len(of_leaves) > 1), "")


def moments_of_others(plan: Plan, start: StartConfig) -> str:
    """The first optimiser's state that would be taken for parameters of which some begin anew;
    dotted, or empty."""
    anew, moments = [], {}
    for path in (path for path in leaves_here(plan) if is_of_parts(path, start.parts)):
        words = re.findall(r"\w+", path)
        if "params" in words and not _is_taken(path, start):
            own = words.index("params")
            anew.append([*words[:own], "opt_state", *words[own + 1 :]])
        if "opt_state" in words and _is_taken(path, start):
            part = whole_part_of(dotted_name(path))
            of_all = part.endswith("opt_state")  # or of a network: `opt_state.actor`
            moments[part] = words[: words.index("opt_state") + (1 if of_all else 2)]
    found = (part for part, of in moments.items() if any(x[: len(of)] == of for x in anew))
    return next(found, "")


def _layer(name: str) -> str:
    """The part to leave out so that a leaf of that dotted name begins anew."""
    if whole := whole_part_of(name):
        return whole
    words = name.removeprefix("params.").split(".")
    return "network.head" if {*HEADS} & {*words} else ".".join(words[:-1] or words)


def dotted_name(path: str) -> str:
    """A leaf's path as `--from-leave` takes it: `params.policy.kernel`, `stats.obs.mean`."""
    words = re.findall(r"\w+", path)[1:]  # without "train"
    words = words[1:] if words[0] == "learner" else words
    return ".".join(word for i, word in enumerate(words) if i == 0 or word != "params")


def layers_of(plan: Plan, parts: str) -> list[str]:
    """Dotted names of the layers that the parts hold; the first eight."""
    names = (dotted_name(name) for name in leaves_here(plan) if is_of_parts(name, parts))
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))[:8]


def leaves_here(plan: Plan) -> dict[str, str]:
    """Type and shape of each leaf of the new run's state, by path."""
    return described(host_shapes(plan))


def _one(described: str | None, axes: int) -> str | None:
    """Type and shape of a leaf of one replica, or of one agent of it, from those of all."""
    return described and re.sub(rf"\[(\d+(, )?){{{axes}}}", "[", described)


def observations_that_differ(plan: Plan, source: Source) -> str:
    """The first array of an observation that differs, there and here; empty where none does."""
    leaves = arrays_in(source.checkpoint), leaves_here(plan)
    there, here = (_observation_in(each) for each in leaves)
    names = dict.fromkeys((*there, *here))
    differing = [name for name in names if there.get(name) != here.get(name)]
    if not differing:
        return ""
    name, more = differing[0], len(differing) - 1
    shapes = (each.get(name, "missing") for each in (there, here))
    what = f"{name} of an observation" if name else "an observation"
    return "; {} is {} there and {} here{}".format(
        what, *shapes, f" (and {more} more of its arrays)" if more else ""
    )


def _observation_in(leaves: dict[str, str]) -> dict[str, str]:
    """Type and shape of each array of one env's observation, by its name, which is empty for the
    only one: those of all envs without the axes that the lengths of their episodes have, [replica,
    env] or [replica, agent, env]."""
    axes = leaves[".train.actor.episode_length"].count(",") + 1
    obs = ".train.actor.obs"
    return {
        ".".join(re.findall(r"\w+", name.removeprefix(obs))): _one(x, axes) or x
        for name, x in leaves.items()
        if name == obs or name.startswith((f"{obs}.", f"{obs}["))
    }


def settings_that_differ(plan: Plan, source: Source) -> list[str]:
    """The settings that give arrays their shapes and differ, with their values there and here: the
    environment's, and those of the algorithm that are no numbers."""
    pairs = differing(*(as_dict(each) for each in (source.experiment, plan.experiment)))
    return [
        f"{name} is {_value(there)} there and {_value(here)} here"
        for name, there, here in pairs
        if name.startswith(("env_kwargs", "wrappers", "algo."))
        and not any(type(x) in (int, float) for x in (there, here))
    ]
