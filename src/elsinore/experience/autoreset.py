"""Reset and step any gymnax env, alone or batched; autoreset keeps the true final observation."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key, PyTree

from elsinore.experience.multi_agent import (
    has_others,
    kept_where,
    num_agents_in,
    over_agents,
)
from elsinore.jaxtools.agents import gather_agents
from elsinore.jaxtools.compile_units import cache_by_types, compile_unit
from elsinore.types import EnvStep

RESETS_AT_ONCE = 8  # envs reset at once
KeyOrShape = Key[Array, ""] | jax.ShapeDtypeStruct


@cache_by_types
def _types_after_a_step(env: Any, key: KeyOrShape, params: PyTree) -> tuple[PyTree, PyTree]:
    """(obs, state) after the first step of an episode, as the env gives them."""
    _, state = jax.eval_shape(env.reset_env, key, params)
    action = jax.eval_shape(lambda key, params: env.action_space(params).sample(key), key, params)
    return jax.eval_shape(env.step_env, key, state, action, params)[:2]


@cache_by_types
def _types(env: Any, key: KeyOrShape, params: PyTree) -> tuple[PyTree, PyTree]:
    """(obs, state) as `reset` gives them."""
    return jax.eval_shape(partial(reset, env), key, params)


def reset(env: Any, key: Key[Array, ""], params: PyTree) -> tuple[PyTree, PyTree]:
    """Reset any gymnax 1.x env: (obs, state), every leaf an array of the dtype that steps keep.

    Envs may reset to Python numbers (`time=0`) and step to arrays; a loop needs one type for both.
    """
    later = _types_after_a_step(env, key, params)
    return jax.tree.map(
        lambda x, later: jnp.asarray(x, jnp.result_type(x, later)),
        env.reset_env(key, params),
        later,
    )


def batched_reset(env: Any, keys: Key[Array, "env"], params: PyTree) -> tuple[PyTree, PyTree]:
    """A fresh episode in each of many envs."""
    return over_agents(env, partial(reset, env), params)(keys)


def env_step(
    env: Any, key: Key[Array, ""], state: PyTree, action: Array, params: PyTree
) -> EnvStep:
    """One step without any reset: `obs` is `final_obs`, in the types that `reset` gives.

    An env that ends and runs out of time in one step has terminated: the flags never both hold.
    """
    final_obs, stepped, reward, terminated, info = env.step_env(key, state, action, params)
    like = _types(env, key, params)
    final_obs, stepped = jax.tree.map(
        lambda x, like: jnp.asarray(x, like.dtype), (final_obs, stepped), like
    )
    terminated = jnp.asarray(terminated, bool)
    truncated = jnp.asarray(env.is_truncated(stepped, params), bool) & ~terminated
    return EnvStep(
        final_obs, stepped, jnp.asarray(reward, jnp.float32), terminated, truncated, final_obs, info
    )


@compile_unit
def batched_env_step(
    env: Any, keys: Key[Array, "env"], state: PyTree, action: Array, params: PyTree
) -> EnvStep:
    """`env_step` in many envs at once."""
    return over_agents(env, partial(env_step, env), params)(keys, state, action)


def autoreset_step(
    env: Any,
    step_key: Key[Array, ""],
    reset_key: Key[Array, ""],
    state: PyTree,
    action: Array,
    params: PyTree,
) -> EnvStep:
    """Step any gymnax env, and reset it where the episode ended.

    `final_obs` is the true next observation, `obs` the one the agent acts on next; they differ only
    where the episode ended.
    """
    out = env_step(env, step_key, state, action, params)
    return _restarted(out, reset(env, reset_key, params))


def batched_autoreset_step(
    env: Any,
    step_keys: Key[Array, "env"],
    reset_keys: Key[Array, "env"],
    state: PyTree,
    action: Array,
    params: PyTree,
) -> EnvStep:
    """`autoreset_step` in many envs at once, which resets only if an episode has ended.

    Most steps end no episode, and skipping their resets saves 13 % of a PPO update on CartPole on a
    CPU core. Of many envs some end at nearly every step, so a few are reset at a time:
    `RESETS_AT_ONCE`, or the env's own `draw_at_once` where a reset costs much more than a step.
    Under `vmap` the branch becomes a selection, as for a single env. The numbers are the same each
    way.
    """
    out = batched_env_step(env, step_keys, state, action, params)
    few = getattr(env, "draw_at_once", RESETS_AT_ONCE)
    if len(out.reward) > 2 * few and num_agents_in(env) == 1:
        obs, state = _few_by_few(
            env, few, out.terminated | out.truncated, out.obs, out.state, reset_keys, params
        )
        return out._replace(obs=obs, state=state)

    def restart(out: EnvStep) -> EnvStep:
        return jax.vmap(_restarted)(out, batched_reset(env, reset_keys, params))

    return jax.lax.cond((out.terminated | out.truncated).any(), restart, lambda out: out, out)


def _few_by_few(
    env: Any,
    few: int,
    ended: Bool[Array, "env"],
    obs: PyTree,
    state: PyTree,
    keys: Key[Array, "env"],
    params: PyTree,
) -> tuple[PyTree, PyTree]:
    """(obs, state), with the envs that `ended` reset, `few` of them at a time.

    Agents along their axis reset the same envs together, as a reset may gather from all of an env;
    an agent whose episode continues keeps its own.
    """
    among_others = has_others(env)

    def any_due(carry):
        return carry[0].any()

    def reset_few(carry):
        due, *obs_and_state = carry
        (rows,) = jnp.nonzero(due, size=few, fill_value=len(due))  # beyond the last: dropped
        fresh = jax.vmap(partial(reset, env), in_axes=(0, None))(keys[rows], params)
        if among_others:
            own = jax.tree.map(lambda x: x[rows], tuple(obs_and_state))
            fresh = kept_where(~ended[rows], own, fresh)
        put = lambda x, new: x.at[rows].set(new, mode="drop")  # noqa: E731
        return put(due, False), *jax.tree.map(put, tuple(obs_and_state), fresh)

    due = gather_agents(ended)[0].any(axis=0) if among_others else ended
    _, obs, state = jax.lax.while_loop(any_due, reset_few, (due, obs, state))
    return obs, state


def _restarted(out: EnvStep, fresh: tuple[PyTree, PyTree]) -> EnvStep:
    done = out.terminated | out.truncated
    obs, state = jax.tree.map(partial(jnp.where, done), fresh, (out.final_obs, out.state))
    return out._replace(obs=obs, state=state)
