"""A trained policy replayed over a whole trace, as the classic ones are."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from elsinore.config.build import ConfigError
from elsinore.envs.cache.trace import Counts, Trace, TraceCache
from elsinore.envs.cache.trace.env import PAGE

CHUNK = 4_096  # requests of one launch
KEPT = ("decide", "candidates", "fallback")  # of what a world was made of, in one of another trace and capacity
NAMES = ("Cache-trace", f"{TraceCache.__module__}:{TraceCache.__qualname__}")  # by name, or trained as an object


def replay_learned(run: Any, trace: Trace, capacity: int, unit: str) -> Counts:
    """What a run's policy hits, greedy, from the first request on a cold cache.

    Raises:
        ConfigError: where the run was not trained in Cache-trace, or the capacity holds nothing of the trace.
    """
    if run.experiment.env not in NAMES:
        raise ConfigError(
            f"--run {run.path} was trained in {run.experiment.env}; a run in Cache-trace can be replayed."
        )
    told = {name: value for name, value in dict(run.experiment.env_kwargs).items() if name in KEPT}
    try:
        env = TraceCache(trace, capacity, unit, **told)
    except ValueError as error:
        raise ConfigError(f"--run {run.path} at capacity {capacity}: {error}") from None
    return replayed(run.policy(), env, trace)


def replayed(policy: Any, env: TraceCache, trace: Trace) -> Counts:
    """Counts of a policy in a world of the trace, chunk after chunk."""
    params = env.default_params.replace(random_start=False, max_steps_in_episode=trace.num_requests)
    launch = jax.jit(partial(_chunk, policy._algo, env, params))
    obs, state = env.reset_env(jax.random.key(policy.seed), params)
    carried = (obs, state, jax.tree.map(jnp.asarray, policy._algo.memory))
    for begin in range(0, trace.num_requests, CHUNK):  # beyond the trace's end nothing is served
        carried = launch(policy.acting, jax.random.fold_in(jax.random.key(policy.seed), begin), carried)
    state = carried[1]
    asked = int(trace.weights(env.unit)[trace.obj_id].sum())
    return Counts(trace.num_requests, int(state.hits), asked, int(state.hit_pages) * PAGE + int(state.hit_rest))


def _chunk(algo: Any, env: TraceCache, params: Any, acting: Any, key: Any, carried: tuple) -> tuple:
    def step(carried, key):
        obs, state, memory = carried
        act_key, env_key = jax.random.split(key)
        action, memory = algo.act(act_key, acting, memory, obs, True)
        obs, state, *_ = env.step_env(env_key, state, action, params)
        return (obs, state, memory), None

    return jax.lax.scan(step, carried, jax.random.split(key, CHUNK))[0]
