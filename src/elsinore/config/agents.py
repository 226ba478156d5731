"""Settings of several agents in one environment: their number, their parameters, and the learners
they share."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.algos.registry import algorithm_of
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.training.evaluation import Episodes, evaluate
from elsinore.training.independent_learners import evaluate_each, independent
from elsinore.types import Algorithm
from elsinore.validation import at_least, fits, one_of

SHARING = ("auto", "independent", "shared")


@dataclass(frozen=True, kw_only=True)
class AgentsConfig:
    """Agents of one environment. With more than one, `env_steps` counts the steps of all agents and
    `algo.num_envs` counts environments."""

    number: int = 1  # Agents in each environment, from 1 to 100.
    # auto | independent | shared: a learner for each agent, or one for all; auto: by `threshold`.
    sharing: str = "auto"
    threshold: int = 10  # With `auto`, one shared learner from this number of agents on.
    # Environment parameters that differ between agents: name -> one value for each agent.
    params: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self):
        if not 1 <= self.number <= 100:
            raise ValueError(f"number={self.number} must be from 1 to 100.")
        one_of(self, "sharing", *SHARING)
        at_least(self, 1, "threshold")
        for name, values in self.params.items():
            if not isinstance(values, list | tuple) or len(values) != self.number:
                raise ValueError(
                    f"params.{name}={values!r} must be a list of a value for each of {self.number}"
                    " agents."
                )

    @property
    def shared(self) -> bool:
        """True if one learner is trained on the experience of all agents."""
        return self.sharing == "shared" or (
            self.sharing == "auto" and self.number >= self.threshold
        )

    def described(self) -> str:
        """The number of agents and their learners, as text."""
        return (
            f"{self.number} in each environment,"
            f" {'one learner for all' if self.shared else 'each its own learner'}"
        )


def multi_agent_env(
    config: AgentsConfig, env: Any, env_params: PyTree
) -> tuple[MultiAgentEnv, PyTree]:
    """The multi-agent environment, and its parameters: [agent, ...] where they differ.

    Raises:
        ValueError: for a parameter that the environment does not have, or values of another shape
            than its default.
    """
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
                f"agents.params.{name}={values!r} must be like its default, {default!r}."
            )
        each = np.stack([np.broadcast_to(np.asarray(x, float), default.shape) for x in values])
        changed[name] = jnp.asarray(each, jnp.result_type(getattr(env_params, name)))
    return MultiAgentEnv(env, config.number, frozenset(changed)), (
        env_params.replace(**changed) if changed else env_params
    )


def learner_for(
    experiment: Any, env: Any, env_params: PyTree, num_updates: int, network: Any = None
) -> Algorithm:
    """The algorithm of one learner: of the single agent, of each agent, or of all agents together.

    Raises:
        ValueError: as the algorithm does itself, or where it cannot train several agents.
    """
    config, agents = experiment.algo, experiment.agents
    if agents.number == 1:
        return algorithm_of(config, env, env_params, num_updates, network)
    if not agents.shared:
        return algorithm_of(config, env.env, env.params_of(env_params, 0), num_updates, network)
    if not hasattr(config, "num_envs"):
        raise ValueError(
            f"algo={config.name!r} has no setting num_envs, which a shared learner needs; use"
            " agents.sharing: independent."
        )
    all_agents = replace(config, num_envs=config.num_envs * agents.number)
    return algorithm_of(all_agents, env, env_params, num_updates, network)


def with_all_learners(
    config: AgentsConfig, learner: Algorithm, env: Any
) -> tuple[Algorithm, Callable[..., Episodes]]:
    """The algorithm of all learners, and the function that evaluates them."""
    if config.number == 1 or config.shared:
        return learner, evaluate
    return independent(learner, env), evaluate_each(evaluate, learner, env)
