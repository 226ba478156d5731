"""A small world in which everything is known, to examine algorithms in."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Bool, Int

PLACES, ACTIONS = 4, 4


@struct.dataclass
class Params(EnvParams):
    max_steps_in_episode: int = 7
    pay: float = 3.0  # of every step
    toll: float = 1_000.0  # of an illegal action
    mortal: bool = True  # half of the episodes end by themselves, at their fifth step


@struct.dataclass
class State(EnvState):
    place: Int[Array, ""]
    legal: Bool[Array, "action"]
    short: Bool[Array, ""]  # is this an episode that ends by itself?


@dataclass(frozen=True)
class Vigil(Environment):
    """A sentry is paid the same every step wherever it goes; which ways are open changes with chance.

    So an episode of n legal steps returns n x pay, and one in which time alone sets an end is worth
    pay / (1 - gamma) at every step.
    """

    @property
    def default_params(self) -> Params:
        return Params()

    def action_space(self, params: Params) -> Any:
        return spaces.Discrete(ACTIONS)

    def observation_space(self, params: Params) -> Any:
        return spaces.Dict({"action_mask": spaces.Box(0, 1, (ACTIONS,), jnp.bool_),
                            "sight": spaces.Box(0.0, 1.0, (PLACES,))})  # fmt: skip

    def reset_env(self, key, params: Params):
        place_key, legal_key, short_key = jax.random.split(key, 3)
        place = jax.random.randint(place_key, (), 0, PLACES)
        state = State(jnp.int32(0), place, open_ways(legal_key), jax.random.bernoulli(short_key))
        return self.look(state), state

    def step_env(self, key, state: State, action, params: Params):
        reward = jnp.where(state.legal[action], params.pay, -params.toll)
        drift_key, legal_key = jax.random.split(key)
        place = (state.place + action + jax.random.randint(drift_key, (), 0, 2)) % PLACES
        state = state.replace(time=state.time + 1, place=place, legal=open_ways(legal_key))
        over = params.mortal & state.short & (state.time >= 5)
        return self.look(state), state, reward, jnp.asarray(over, bool), {}

    def look(self, state: State) -> dict[str, Array]:
        return {"action_mask": state.legal, "sight": jax.nn.one_hot(state.place, PLACES)}


def open_ways(key) -> Bool[Array, "action"]:
    """Each with an even chance, and one for certain."""
    some_key, one_key = jax.random.split(key)
    some = jax.random.bernoulli(some_key, 0.5, (ACTIONS,))
    return some.at[jax.random.randint(one_key, (), 0, ACTIONS)].set(True)
