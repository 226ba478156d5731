"""The learners of a run with one agent or several: the environment of all agents, each learner's
algorithm, and the function that evaluates them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.algos.precision import with_precision
from elsinore.algos.registry import algorithm_of
from elsinore.config.agents import AgentsConfig
from elsinore.config.mappings import dotted
from elsinore.config.parse import as_dict
from elsinore.envs.make import check_params
from elsinore.envs.time_limit import LIMIT
from elsinore.errors import ConfigError
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.hyperparameters import varies
from elsinore.training.agent_groups import AgentGroup, grouped
from elsinore.training.evaluation import EXPLORING, Episodes, evaluate
from elsinore.training.independent_learners import evaluate_each, independent
from elsinore.types import Algorithm
from elsinore.validation import fits


def check_number(config: AgentsConfig, env: Any) -> None:
    """Check that an environment with a fixed number of agents gets that many.

    Raises:
        ValueError: naming their number.
    """
    fixed = getattr(env, "fixed_agents", None)
    if fixed is not None and fixed != config.number:
        raise ValueError(
            f"agents.number={config.number} does not fit env={env.name!r}, which has {fixed}"
            f" agents; set agents.number: {fixed}."
        )


def multi_agent_env(
    config: AgentsConfig, env: Any, env_params: PyTree
) -> tuple[MultiAgentEnv, PyTree]:
    """The multi-agent environment, and its parameters: [agent, ...] where they differ.

    Raises:
        ValueError: for a parameter that the environment does not have, or values of another shape
            than its default; for another number of agents than it has.
    """
    check_number(config, env)
    changed = {}
    for name, values in config.params.items():
        if not hasattr(env_params, name):
            known = ", ".join(vars(env_params))
            raise ValueError(
                f"agents.params.{name} is no parameter of {env.name}; it has: {known}."
            )
        default = np.asarray(getattr(env_params, name))
        if not all(fits(x, default) or (default.size and fits(x, default.flat[0])) for x in values):
            raise ValueError(
                f"agents.params.{name}={values!r} must be like its default, {default.tolist()!r}."
            )
        if name == LIMIT and np.min(values) < 1:
            raise ValueError(f"agents.params.{name}={values!r} must be at least 1 step each.")
        each = np.stack([np.broadcast_to(np.asarray(x, float), default.shape) for x in values])
        changed[name] = jnp.asarray(each, jnp.result_type(getattr(env_params, name)))
    team = {"critic": config.critic, "ids": config.ids, "mixing": config.mixing}
    made = MultiAgentEnv(env, config.number, frozenset(changed), **team)
    if not changed:
        return made, env_params
    env_params = env_params.replace(**changed)
    check_params(env, env_params, "agents.params")
    return made, env_params


def learner_for(
    experiment: Any, env: Any, env_params: PyTree, num_updates: int, network: Any = None
) -> Algorithm:
    """The algorithm of one learner: of the single agent, of each agent, or of all agents together.

    Raises:
        ValueError: as the algorithm does itself, or where it cannot train several agents.
    """
    config, agents = config_of(experiment, 0), experiment.agents

    def made(config: Any, env: Any, env_params: PyTree) -> Algorithm:
        algo = algorithm_of(config, env, env_params, num_updates, network)
        return with_precision(algo, experiment.matmul_precision)

    if agents.number == 1:
        return made(config, env, env_params)
    if not agents.shared:
        return made(config, env.env, env.params_of(env_params, 0))
    if not hasattr(config, "num_envs"):
        raise ValueError(
            f"algo={config.name!r} has no setting num_envs, which a shared learner needs; use"
            " agents.sharing: independent."
        )
    # here, so that older runs, which had more env steps, can be read
    experiment.check_equal_rollouts()
    all_agents = replace(config, num_envs=config.num_envs * agents.number)
    return made(all_agents, env, env_params)


def config_of(experiment: Any, agent: int) -> Any:
    """The algorithm's config of one agent."""
    each = experiment.agents.each
    return each[agent].algo if each else experiment.algo


@contextmanager
def refusals_of_agent(experiment: Any, agent: int) -> Iterator[None]:
    """Name the agent in a refusal that begins with a setting of `algo`, where its settings are not
    those of `algo` itself."""
    try:
        yield
    except ValueError as error:
        text = re.sub(r"^algo\b", f"agents[{agent}].algo", str(error))
        if text == str(error) or config_of(experiment, agent) == experiment.algo:
            raise
        raise ConfigError(text) from error


def groups_for(
    experiment: Any,
    env: MultiAgentEnv,
    env_params: PyTree,
    num_updates: int,
    network_of: Callable[[Any], Any],
) -> tuple[AgentGroup, ...]:
    """The agents that differ, in groups of one compiled program each; () where none differ.

    Raises:
        ValueError: as the algorithms do, or for one that cannot train beside others.
    """
    agents = experiment.agents
    if not agents.differ:
        return ()

    def made(agent: int) -> Algorithm:
        config, params = agents.each[agent].algo, env.params_of(env_params, 0)
        with refusals_of_agent(experiment, agent):
            algo = algorithm_of(config, env.env, params, num_updates, network_of(config))
        return with_precision(algo, experiment.matmul_precision)

    programs: dict[Any, list[int]] = {}
    for i, each in enumerate(agents.each):
        programs.setdefault(program_of(each.algo), []).append(i)
    groups = []
    for members in programs.values():
        algos = [made(i) for i in members]
        hyper = jax.tree.map(lambda *x: jnp.stack(x), *(algo.hyper for algo in algos))
        groups.append(AgentGroup(algos[0], tuple(members), hyper))
        if algos[0].parts is None and len(programs) > 1:
            name = agents.each[members[0]].algo.name
            raise ValueError(
                f"agents.each[{members[0]}].algo={name!r} cannot train beside other algorithms: its"
                " Algorithm has no parts (elsinore.types.UpdateParts); give all agents this one."
            )
    return tuple(groups)


def program_configs(experiment: Any) -> list[Any]:
    """An algorithm's config for each compiled learner, in the order of `groups_for`."""
    number = experiment.agents.number
    configs = [config_of(experiment, agent) for agent in range(number)]
    return list({program_of(each): each for each in configs}.values())


def program_of(config: Any) -> Any:
    """The settings that the compiled program depends on, hashable: agents for whom it is the same
    differ in traced numbers only, and not in those that a sampled evaluation acts by."""
    settings = dotted(as_dict(config))
    return tuple(
        (name, "traced" if varies(config, name, value) and name not in EXPLORING else repr(value))
        for name, value in settings.items()
    )


def with_all_learners(
    config: AgentsConfig,
    learner: Algorithm,
    env: Any,
    groups: Sequence[AgentGroup] = (),
    num_envs: int = 1,
) -> tuple[Algorithm, Callable[..., Episodes]]:
    """The algorithm of all learners, and the function that evaluates them; `groups` are those of
    agents that differ, in `num_envs` envs."""
    if config.number == 1 or config.shared:
        return learner, evaluate
    if len(groups) > 1:
        return grouped(groups, env, num_envs), partial(evaluate, joint_policy=True)
    hyper = groups[0].hyper if groups else None
    return independent(learner, env, hyper), evaluate_each(evaluate, learner, env)
