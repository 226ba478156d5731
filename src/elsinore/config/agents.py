"""How many agents live in each world, what sets them apart, and who learns from whom."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.algos.contract import algorithm_of
from elsinore.experience.bodies import Together
from elsinore.training.agents import evaluate_each, independent
from elsinore.training.evaluation import Episodes, evaluate
from elsinore.types import Algorithm

SHARING = ("auto", "independent", "shared")


@dataclass(frozen=True, kw_only=True)
class AgentsConfig:
    """Agents of one world. With more than one, `algo.num_envs` counts worlds and `env_steps` every agent's steps."""

    number: int = 1  # from 1 to 100
    sharing: str = "auto"  # independent: each its own learner | shared: one on everyone's experience | auto
    threshold: int = 10  # auto: shared from so many agents on
    params: dict[str, list[Any]] = field(default_factory=dict)  # of the world, by name: a value for each agent

    def __post_init__(self):
        if not 1 <= self.number <= 100:
            raise ValueError(f"number={self.number} must be from 1 to 100.")
        if self.sharing not in SHARING:
            raise ValueError(f"sharing={self.sharing!r} is unknown; choose {', '.join(SHARING[:-1])} or {SHARING[-1]}.")
        if self.threshold < 1:
            raise ValueError(f"threshold={self.threshold} must be at least 1.")
        for name, values in self.params.items():
            if not isinstance(values, list | tuple) or len(values) != self.number:
                raise ValueError(
                    f"params.{name}={values!r} must be a list of a value for each of {self.number} agents."
                )

    @property
    def shared(self) -> bool:
        """Whether one learner has everyone's experience."""
        return self.sharing == "shared" or (self.sharing == "auto" and self.number >= self.threshold)

    def described(self) -> str:
        """For people."""
        return f"{self.number} in each world, {'one learner for all' if self.shared else 'each its own learner'}"


def together(config: AgentsConfig, env: Any, env_params: PyTree) -> tuple[Together, PyTree]:
    """The world with its agents in it, and its parameters with what differs between them.

    Raises:
        ValueError: for a parameter that the world does not have, or values unlike its default.
    """
    changed = {}
    for name, values in config.params.items():
        if not hasattr(env_params, name):
            known = ", ".join(vars(env_params))
            raise ValueError(f"agents.params.{name} is no parameter of {env.name}; it has: {known}.")
        default = np.asarray(getattr(env_params, name))
        try:
            each = np.stack([np.broadcast_to(np.asarray(value, float), default.shape) for value in values])
        except (TypeError, ValueError) as error:
            raise ValueError(f"agents.params.{name}={values!r} must be like its default, {default!r}.") from error
        changed[name] = jnp.asarray(each, jnp.result_type(getattr(env_params, name)))
    return Together(env, config.number, frozenset(changed)), env_params.replace(**changed) if changed else env_params


def learner_for(experiment: Any, world: Any, env_params: PyTree, num_updates: int, network: Any = None) -> Algorithm:
    """The experiment's algorithm, as one learner: of the only agent, of each of them, or of all together.

    Raises:
        ValueError: as the algorithm does itself, or where it cannot have several agents.
    """
    config, agents = experiment.algo, experiment.agents
    if agents.number == 1:
        return algorithm_of(config, world, env_params, num_updates, network)
    if not agents.shared:
        return algorithm_of(config, world.env, world.params_of(env_params, 0), num_updates, network)
    if not hasattr(config, "num_envs"):
        raise ValueError(f"algo={config.name!r} has no num_envs to put agents in; use agents.sharing: independent.")
    bodies = replace(config, num_envs=config.num_envs * agents.number)
    return algorithm_of(bodies, world, env_params, num_updates, network)


def with_everyone(config: AgentsConfig, learner: Algorithm, world: Any) -> tuple[Algorithm, Callable[..., Episodes]]:
    """One learner's algorithm as that of all learners, and how they are evaluated."""
    if config.number == 1 or config.shared:
        return learner, evaluate
    return independent(learner, world), evaluate_each(evaluate, learner, world)
