"""Whole episodes of the API cache, compiled once for all tests."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.worlds.cache.api import ApiCache, ApiCacheParams, ApiCacheState, generate_stream

ENV = ApiCache()
STEPS = 512


class Episode(NamedTuple):
    """Row 0 is after the reset, row t + 1 after action t; `reward[t]` is of the step between."""

    obs: Any
    state: ApiCacheState
    reward: Any


@partial(jax.jit, static_argnums=0)
def played_in(env, key, actions, params) -> Episode:
    obs, state = env.reset_env(key, params)
    return followed(env, obs, state, actions, params)


@partial(jax.jit, static_argnums=0)
def replayed_in(env, stream, actions) -> Episode:
    """An episode of the recorded stream of that number."""
    params = ApiCacheParams()
    source, request = env.source.at(env.source.first(stream))
    obs, state = env.begin(source, request, params)
    return followed(env, obs, state, actions, params)


def followed(env, obs, state, actions, params) -> Episode:
    """An episode of the given actions."""

    def seen(obs, state):
        # the counts of all objects in every row would be megabytes
        return obs, state.replace(source=())

    def step(state, action):
        obs, state, reward, *_ = env.step_env(jax.random.key(0), state, action, params)
        return state, (seen(obs, state), reward)

    _, (later, rewards) = jax.lax.scan(step, state, actions)
    rows = jax.tree.map(lambda x, xs: jnp.concatenate([x[None], xs]), seen(obs, state), later)
    obs, state = rows
    return Episode(obs, state, rewards)


def played(seed, actions, **numbers) -> Episode:
    """An episode of the generated stream of that seed; `numbers` are parameters."""
    params = jax.tree.map(jnp.asarray, ApiCacheParams(**numbers))
    return jax.device_get(
        played_in(ENV, jax.random.key(seed), jnp.asarray(actions, jnp.int32), params)
    )


@jax.jit
def drawn(key):
    return generate_stream(key)


def rows_of(seed):
    """The requests of that episode."""
    return jax.device_get(drawn(jax.random.key(seed)))


def always(action):
    return np.full(STEPS, action)


def random_actions(seed):
    return np.random.default_rng(seed).integers(0, 7, STEPS)
