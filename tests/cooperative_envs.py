"""Small envs in which agents are paid as a team, so that what each can learn is known."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments.environment import EnvState

from elsinore.experience.multi_agent import gather_agents
from tests.small_envs import World

LUCK = 6.0  # reward for each agent's number, whatever anyone does


@struct.dataclass
class Dealt(EnvState):
    number: jax.Array  # 0 or 1, of one agent


@dataclass(frozen=True)
class Orchestra(World):
    """Each agent sees its own number, 0 or 1; one step pays all of them the share of agents whose
    action was their number, and `LUCK` times the mean of the numbers.

    The best return is 1 more than the luck, and chance 0.5 more. The luck is known to who sees all
    numbers; beside it, one agent's share of the reward is small.
    """

    def reset_env(self, key, params):
        state = Dealt(time=jnp.int32(0), number=jax.random.randint(key, (), 0, 2))
        return self.sight(state), state

    def step_env(self, key, state, action, params):
        (numbers, actions), _ = gather_agents((state.number, action))
        right = jnp.mean(numbers == actions, dtype=jnp.float32)
        luck = LUCK * jnp.mean(2.0 * numbers - 1.0)
        after = state.replace(time=state.time + 1)
        return self.sight(after), after, right + luck, jnp.bool_(True), {"right": right}

    def sight(self, state):
        return jax.nn.one_hot(state.number, 2)
