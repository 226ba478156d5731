"""Replay of a trained policy over a whole trace."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from elsinore.arguments import plain
from elsinore.errors import ConfigError, shown
from elsinore.worlds.cache.trace import Counts, Trace, TraceCache
from elsinore.worlds.cache.trace.env import PAGE

REQUESTS_PER_LAUNCH = 4_096  # requests of one launch
# constructor arguments of the run, kept for another trace and capacity
COPIED_KWARGS = ("decide", "candidates", "fallback")
# by name, or trained as an object
NAMES = ("Cache-trace", f"{TraceCache.__module__}:{TraceCache.__qualname__}")


def replay_learned(run: Any, trace: Trace, capacity: int, unit: str) -> Counts:
    """Hits of a run's greedy policy on the whole trace, from a cold cache.

    Raises:
        ConfigError: for a run of another environment, or with custom wrappers or others that give
            its policy other observations; or a capacity in which nothing of the trace fits.
    """
    if run.experiment.env not in NAMES:
        raise ConfigError(
            f"--run {shown(run.path)} was trained in {run.experiment.env}; a run in Cache-trace can"
            " be replayed."
        )
    custom = [x for x in plain(run.experiment.wrappers) if isinstance(x, str) and ":" in x]
    if custom:
        raise ConfigError(
            f"--run {shown(run.path)} has wrappers={[*plain(run.experiment.wrappers)]}; {custom[0]}"
            " may change observations or actions, and a replay leaves it out. Train one without"
            " custom wrappers."
        )
    kwargs = {
        name: value
        for name, value in dict(run.experiment.env_kwargs).items()
        if name in COPIED_KWARGS
    }
    try:
        env = TraceCache(trace, capacity, unit, **kwargs)
    except ValueError as error:
        raise ConfigError(f"--run {shown(run.path)} at capacity {capacity}: {error}") from None
    policy = run.policy()
    seen, _ = jax.eval_shape(env.reset_env, jax.random.key(0), env.default_params)
    given, learnt = (jax.tree.map(lambda x: x.shape, obs) for obs in (seen, policy.obs_like))
    if given != learnt:
        raise ConfigError(
            f"--run {shown(run.path)} has wrappers={[*plain(run.experiment.wrappers)]}, which give"
            f" its policy observations {learnt}; a replay gives {given}. Train one without them."
        )
    return replay_policy(policy, env, trace)


def replay_policy(policy: Any, env: TraceCache, trace: Trace) -> Counts:
    """Counts of a policy on the env's trace, chunk after chunk."""
    params = env.default_params.replace(random_start=False, max_steps_in_episode=trace.num_requests)
    act, policy_state, carry = policy.as_function()
    launch = jax.jit(partial(_chunk, act, env, params))
    obs, state = env.reset_env(jax.random.key(policy.seed), params)
    carried = (obs, state, jax.tree.map(jnp.asarray, carry))
    for begin in range(
        0, trace.num_requests, REQUESTS_PER_LAUNCH
    ):  # steps past the trace's end serve nothing
        carried = launch(
            policy_state, jax.random.fold_in(jax.random.key(policy.seed), begin), carried
        )
    state = carried[1]
    requested = int(trace.weights(env.unit)[trace.obj_id].sum())
    return Counts(
        trace.num_requests,
        int(state.hits),
        requested,
        int(state.hit_pages) * PAGE + int(state.hit_rest),
    )


def _chunk(
    act: Any, env: TraceCache, params: Any, policy_state: Any, key: Any, carried: tuple
) -> tuple:
    def step(carried, key):
        obs, state, carry = carried
        act_key, env_key = jax.random.split(key)
        action, carry = act(act_key, policy_state, carry, obs)
        obs, state, *_ = env.step_env(env_key, state, action, params)
        return (obs, state, carry), None

    return jax.lax.scan(step, carried, jax.random.split(key, REQUESTS_PER_LAUNCH))[0]
