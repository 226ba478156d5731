"""A small env in which agents are paid as a team, so that what each can learn is known."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

from elsinore.jaxtools.agents import gather_agents


@struct.dataclass
class Params(EnvParams):
    max_steps_in_episode: int = 1
    luck: float = 6.0  # reward for each agent's number, whatever anyone does


@struct.dataclass
class Dealt(EnvState):
    number: jax.Array  # 0 or 1, of one agent


@dataclass(frozen=True)
class Orchestra(Environment):
    """Each agent sees its own number, 0 or 1; one step pays all of them the share of agents whose
    action was their number, and `luck` times the mean of the numbers.

    The best return is 1 more than the luck, and chance 0.5 more. The luck is known to who sees all
    numbers; beside it, one agent's share of the reward is small.
    """

    @property
    def default_params(self) -> Params:
        return Params()

    def action_space(self, params: Any) -> spaces.Discrete:
        return spaces.Discrete(2)

    def observation_space(self, params: Any) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (2,))

    def reset_env(self, key: Any, params: Params) -> Any:
        state = Dealt(time=jnp.int32(0), number=jax.random.randint(key, (), 0, 2))
        return self.observe(state), state

    def step_env(self, key: Any, state: Dealt, action: Any, params: Params) -> Any:
        (numbers, actions), _ = gather_agents((state.number, action))
        right = jnp.mean(numbers == actions, dtype=jnp.float32)
        luck = params.luck * jnp.mean(2.0 * numbers - 1.0)
        after = state.replace(time=state.time + 1)
        return self.observe(after), after, right + luck, jnp.bool_(True), {"right": right}

    def observe(self, state: Dealt) -> Any:
        return jax.nn.one_hot(state.number, 2)
