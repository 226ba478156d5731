"""A small environment with known returns, to check algorithms in."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Bool, Int

PLACES, ACTIONS = 4, 4
LOW, HIGH = (-2.0, 0.5), (3.0, 0.75)  # bounds of continuous actions


@struct.dataclass
class ProbeParams(EnvParams):
    max_steps_in_episode: int = 7
    pay: float = 3.0  # of every step
    toll: float = 1_000.0  # of an illegal action
    mortal: bool = True  # half of the episodes terminate, at their fifth step


@struct.dataclass
class ProbeState(EnvState):
    place: Int[Array, ""]
    legal: Bool[Array, "action"]
    short: Bool[Array, ""]  # the episode terminates at its fifth step


@dataclass(frozen=True)
class ProbeEnv(Environment):
    """The same reward at every legal step; the legal actions change at random.

    An episode of n legal steps returns n x pay, and where only the time limit ends an episode,
    every state is worth pay / (1 - gamma). With `continuous` actions, those within the bounds are
    legal.
    """

    continuous: bool = False

    @property
    def default_params(self) -> ProbeParams:
        return ProbeParams()

    def action_space(self, params: ProbeParams) -> Any:
        if self.continuous:
            return spaces.Box(jnp.array(LOW), jnp.array(HIGH), (len(LOW),))
        return spaces.Discrete(ACTIONS)

    def observation_space(self, params: ProbeParams) -> Any:
        return spaces.Dict(
            {
                "action_mask": spaces.Box(0, 1, (ACTIONS,), jnp.bool_),
                "sight": spaces.Box(0.0, 1.0, (PLACES,)),
            }
        )

    def reset_env(self, key, params: ProbeParams):
        place_key, legal_key, short_key = jax.random.split(key, 3)
        place = jax.random.randint(place_key, (), 0, PLACES)
        state = ProbeState(
            jnp.int32(0), place, random_mask(legal_key), jax.random.bernoulli(short_key)
        )
        return self.look(state), state

    def step_env(self, key, state: ProbeState, action: Any, params: ProbeParams):
        if self.continuous:
            within = jnp.all((action >= jnp.array(LOW)) & (action <= jnp.array(HIGH)))
            moved = jnp.int32(action[0] > 0.0)
        else:
            within, moved = state.legal[action], action
        reward = jnp.where(within, params.pay, -params.toll)
        drift_key, legal_key = jax.random.split(key)
        place = (state.place + moved + jax.random.randint(drift_key, (), 0, 2)) % PLACES
        state = replace(state, time=state.time + 1, place=place, legal=random_mask(legal_key))
        over = params.mortal & state.short & (state.time >= 5)
        return self.look(state), state, reward, jnp.asarray(over, bool), {}

    def look(self, state: ProbeState) -> dict[str, Array]:
        return {"action_mask": state.legal, "sight": jax.nn.one_hot(state.place, PLACES)}


def random_mask(key) -> Bool[Array, "action"]:
    """Each action legal with chance 1/2, and one at random for certain."""
    some_key, one_key = jax.random.split(key)
    some = jax.random.bernoulli(some_key, 0.5, (ACTIONS,))
    return some.at[jax.random.randint(one_key, (), 0, ACTIONS)].set(True)
