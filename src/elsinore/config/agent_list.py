"""A list of agents, `agents: [{id: ann, learning_rate: 1e-3}, ...]`, as complete settings."""

from collections.abc import Mapping
from typing import Any

from elsinore.algos.registry import built_in_behind, known_steps
from elsinore.config.agents import AgentConfig
from elsinore.config.mappings import dotted, merge_settings, nested, set_dotted
from elsinore.config.parse import as_dict, build_algo
from elsinore.config.presets import algorithm_behind, preset
from elsinore.errors import ConfigError
from elsinore.types import agent_name

SHARED_BY_AGENTS = ("num_envs", "rollout_length")  # all agents of an environment step together
# settings that an agent with another algorithm has from `algo`
OF_ALGO = (*SHARED_BY_AGENTS, "gradient_steps")
ONE_LEARNER = ("sharing", "critic", "ids", "mixing")  # settings of a team that shares it
ELSEWHERE = {"agent_id": "id", "name": "id", "algorithm": "algo", "lr": "learning_rate"}


def with_complete_agents(data: Mapping[str, Any], written: Any = None) -> dict[str, Any]:
    """The settings with each of `agents.each` as its `id` and all settings of its algorithm.

    An agent has the settings of `algo`; one with another algorithm those of its preset, and as many
    gradient steps for each env step as there. `written` is the name that `algo` has where it was
    given: `rainbow` is another algorithm than `dqn`, with whose name it is built.

    Raises:
        ConfigError: for an agent that is no mapping, whose algorithm is unknown, or with a setting
            that is called otherwise here.
    """
    agents, rest = data.get("agents"), dict(data)
    agents = {"each": agents} if isinstance(agents, list | tuple) else agents
    if isinstance(agents, str):
        raise ConfigError(
            f"agents={agents!r} must be a list of agents, such as [{{id: ann}}, {{id: bob}}], or a"
            " mapping, such as {number: 2}."
        )
    if not isinstance(agents, Mapping) or not isinstance(agents.get("each"), list | tuple):
        return rest
    each = agents["each"]
    complete = [_complete(agent, i, data, written) for i, agent in enumerate(each)]
    number = {"number": len(each)} if each else {}
    return rest | {"agents": {**number, **agents, "each": complete}}


def with_own_learners(data: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """Complete settings without a preset's of one learner for all, where the agents differ: with
    those alone that are among the `given` ones of `agents`."""
    agents = data.get("agents")
    if not isinstance(agents, Mapping) or not isinstance(each := agents.get("each"), list | tuple):
        return dict(data)
    if all(agent["algo"] == each[0]["algo"] for agent in each):
        return dict(data)
    own = {*agents} - {*ONE_LEARNER} | {*(given or {})}
    return {**data, "agents": {name: x for name, x in agents.items() if name in own}}


def with_own_settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """Complete settings with each of `agents.each` as what differs from `algo`, so that it follows
    a change of `algo` in all else; the inverse of `with_complete_agents`."""
    agents, of_all = data.get("agents"), data.get("algo")
    if not isinstance(agents, Mapping) or not isinstance(agents.get("each"), list | tuple):
        return dict(data)

    def own(agent: Any) -> Any:
        settings = agent.get("algo") if isinstance(agent, Mapping) else None
        if not isinstance(settings, Mapping) or not isinstance(of_all, Mapping):
            return agent
        return {**agent, "algo": own_settings(settings, of_all, data.get("env"))}

    return {**data, "agents": {**agents, "each": [own(agent) for agent in agents["each"]]}}


def own_settings(
    settings: Mapping[str, Any], of_all: Mapping[str, Any], env: Any
) -> dict[str, Any]:
    """The settings of an agent that differ from those of all. With another algorithm, or without
    what all have, these are all but those that it would have from `algo`."""
    there = dotted(of_all)
    differing = {
        name: value
        for name, value in dotted(settings).items()
        if name not in there or there[name] != value
    }
    own = nested(differing)
    if "name" not in own and merge_settings(of_all, own) == settings:
        return own
    own = {name: value for name, value in settings.items() if name not in OF_ALGO}
    complete = _with_all_settings(own, build_algo(of_all), env, of_all.get("name"))
    return {n: x for n, x in settings.items() if n in own or complete.get(n) != x}


def with_built_agents(data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with each of `agents.each` built.

    Raises:
        ConfigError: naming the agent and the setting that is refused.
    """
    agents, rest = data.get("agents"), dict(data)
    if not isinstance(agents, Mapping) or not isinstance(agents.get("each"), list | tuple):
        return rest
    each = tuple(_built(agent, f"agents[{i}]") for i, agent in enumerate(agents["each"]))
    return rest | {"agents": {**agents, "each": each}}


def _built(agent: Any, path: str) -> AgentConfig:
    if isinstance(agent, AgentConfig):
        return agent
    try:
        return AgentConfig(id=agent["id"], algo=build_algo(agent["algo"], path))
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(path) else f"{path}.{text}") from error


def _complete(agent: Any, i: int, data: Mapping[str, Any], written: Any) -> dict[str, Any]:
    if not isinstance(agent, Mapping):
        raise ConfigError(
            f"agents[{i}]={agent!r} must be a mapping, such as {{id: ann, learning_rate: 1e-3}}."
        )
    for name in ELSEWHERE.keys() & agent.keys():
        raise ConfigError(f"agents[{i}].{name} is called {ELSEWHERE[name]} here; rename it.")
    own = agent.get("algo", {})
    if not isinstance(own, str | Mapping):
        raise ConfigError(f"agents[{i}].algo={own!r} must be an algorithm's name or a mapping.")
    settings: dict[str, Any] = {"name": own} if isinstance(own, str) else dict(own)
    for name, value in agent.items():
        if name not in ("id", "algo"):
            set_dotted(settings, str(name).removeprefix("algo."), value)
    of_all = build_algo(data["algo"])
    try:
        complete = _with_all_settings(settings, of_all, data.get("env"), written or of_all.name)
    except ConfigError as error:
        raise ConfigError(f"agents[{i}].{error}") from error
    return {"id": str(agent.get("id", agent_name(i))), "algo": complete}


def _with_all_settings(
    settings: dict[str, Any], of_all: Any, env: Any, written: Any
) -> dict[str, Any]:
    """An agent's settings on top of those of `algo`, or of another algorithm's preset."""
    name = settings.get("name", written)
    behind = algorithm_behind(name)
    if name == written:
        return merge_settings(as_dict(of_all), settings | {"name": of_all.name})
    own = merge_settings(preset(f"{built_in_behind(name)}/{env}").get("algo", {}), {"name": behind})
    config = build_algo(own)
    known = as_dict(of_all).keys() & as_dict(config).keys()
    shared = {part: getattr(of_all, part) for part in SHARED_BY_AGENTS if part in known}
    now, there = known_steps(of_all), known_steps(config)
    if hasattr(config, "gradient_steps") and now and there:
        shared["gradient_steps"] = max(1, round(config.gradient_steps * (now / there)))
    return merge_settings(own | shared, settings) | {"name": behind}
