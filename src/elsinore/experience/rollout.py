"""Rollouts: experience collected in many environments at once."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

from elsinore.experience.autoreset import batched_autoreset_step, batched_reset
from elsinore.experience.episode_stats import count_episodes_of_all_shards, facts_of
from elsinore.experience.multi_agent import agent_of_rows, num_agents_in, of_all_agents
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import for_use, split
from elsinore.nets.network import reset_carry
from elsinore.types import PER_AGENT, Actor, Decision, EnvStep, Mean, Transition


def init_actor(
    env: Any, key: Key[Array, ""], env_params: PyTree, num_envs: int, initial_carry: PyTree = ()
) -> Actor:
    """Every env at the start of an episode; `initial_carry` is the recurrent state of one env."""
    keys = jax.random.split(shards.own_key(for_use(key, "begin")), num_envs)
    obs, env_state = batched_reset(env, keys, env_params)
    carry = jax.tree.map(lambda x: jnp.broadcast_to(x, (num_envs, *x.shape)), initial_carry)
    return Actor(env_state, obs, carry, jnp.zeros(num_envs), jnp.zeros(num_envs, jnp.int32))


def rollout(
    env: Any,
    env_params: PyTree,
    policy: Callable[[PyTree, PyTree, PyTree], Decision],
    actor: Actor,
    key: Key[Array, ""],
    noise: PyTree,
    initial_carry: PyTree = (),
) -> tuple[Actor, Transition, dict[str, Any]]:
    """Step every env once for each row of `noise`; experience leaves are [time, env, ...].

    `policy(noise, carry, obs)` decides for all envs at once; its noise ([time, env, ...]) and all
    the envs' keys are drawn before the loop, which is cheaper than drawing them in it. Where an
    episode ends, the carry is reset to `initial_carry`. The metrics are of the episodes that ended
    here, as sums and counts: an unfinished one is not counted. `actor.episode_stats` and
    `actor.episode_log`, where there are any, are updated.
    """
    episode_stats, episode_log = actor.episode_stats, actor.episode_log
    actor = actor._replace(episode_stats=None, episode_log=None)
    wanted = {*facts_of(env), *(() if episode_stats is None else episode_stats.info_names)}
    length, num_envs = jax.tree.leaves(noise)[0].shape[:2]
    step_keys, reset_keys = split(key, (2, length, num_envs))

    def env_step(actor: Actor, inputs):
        noise, step_keys, reset_keys = inputs
        decision = policy(noise, actor.carry, actor.obs)
        out = batched_autoreset_step(
            env, step_keys, reset_keys, actor.env_state, decision.env_action, env_params
        )
        experience = _transition(actor.obs, decision, out)
        actor, episode_return, episode_length = _next_actor(
            actor, out, decision.carry, initial_carry
        )
        info = {name: out.info[name] for name in sorted(wanted)}
        return actor, (experience, episode_return, episode_length, info)

    played = shards.per_shard(partial(jax.lax.scan, env_step))
    actor, (experience, returns, lengths, info) = played(actor, (noise, step_keys, reset_keys))
    done = experience.terminated | experience.truncated
    own = {"return": returns, "length": lengths}
    if episode_stats is not None:
        episode_stats = count_episodes_of_all_shards(
            episode_stats, *of_all_agents((done, info | own))
        )
    if episode_log is not None:
        agent = {"agent": agent_of_rows(env, done.shape)}
        episode_log = count_episodes_of_all_shards(episode_log, *of_all_agents((done, own | agent)))
    facts = {name: info[name] for name in facts_of(env)} | own
    counted = shards.per_shard(partial(finished_episodes, agents=num_agents_in(env)))
    metrics = counted(done, facts)
    actor = actor._replace(episode_stats=episode_stats, episode_log=episode_log)
    return actor, experience, metrics


def _transition(obs: PyTree, decision: Decision, out: EnvStep) -> Transition:
    return Transition(
        obs,
        decision.action,
        out.reward,
        out.terminated,
        out.truncated,
        out.final_obs,
        decision.log_prob,
    )


def _next_actor(
    actor: Actor, out: EnvStep, carry: PyTree, initial_carry: PyTree
) -> tuple[Actor, Float[Array, "env"], Int[Array, "env"]]:
    """The actor after a step; return and length of the episodes so far, also of those that ended.

    `carry` is the recurrent state after the step.
    """
    episode_return = actor.episode_return + out.reward
    episode_length = actor.episode_length + 1
    done = out.terminated | out.truncated
    after = Actor(
        env_state=out.state,
        obs=out.obs,
        carry=reset_carry(done, initial_carry, carry),
        episode_return=jnp.where(done, 0.0, episode_return),
        episode_length=jnp.where(done, 0, episode_length),
    )
    return after, episode_return, episode_length


def finished_episodes(
    done: Bool[Array, "time env"], values: dict[str, Shaped[Array, "time env"]], agents: int = 1
) -> dict[str, Any]:
    """Means of `values`, by name, over the episodes that ended, where `done`.

    With several agents in each env, means of each agent are added below `PER_AGENT`.
    """

    def means(over: Callable[[Array], Array]) -> dict[str, Mean]:
        count = over(done.astype(jnp.float32))
        return {
            f"episode/{name}": Mean(over(jnp.where(done, value, 0).astype(jnp.float32)), count)
            for name, value in values.items()
        }

    if agents == 1:
        return means(jnp.sum)
    by_agent = means(lambda x: jnp.sum(x.reshape(-1, agents), axis=0))
    return means(jnp.sum) | {PER_AGENT: by_agent}
