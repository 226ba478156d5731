"""Acting in many worlds at once, and remembering what happened."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from elsinore.experience.autoreset import autoreset_steps, resets
from elsinore.experience.bodies import agents_in
from elsinore.experience.facts import facts_of
from elsinore.experience.outcomes import record
from elsinore.nets.network import renew
from elsinore.ops.randomness import for_use, split
from elsinore.types import EACH, Actor, Decision, Mean, Transition


def begin(env: Any, key: Key[Array, ""], env_params: PyTree, num_envs: int, memory: PyTree = ()) -> Actor:
    """Every env at the start of an episode of its own; `memory` is what one agent remembers there."""
    keys = jax.random.split(for_use(key, "begin"), num_envs)
    obs, env_state = resets(env, keys, env_params)
    memories = jax.tree.map(lambda x: jnp.broadcast_to(x, (num_envs, *x.shape)), memory)
    return Actor(env_state, obs, memories, jnp.zeros(num_envs), jnp.zeros(num_envs, jnp.int32))


def rollout(
    env: Any,
    env_params: PyTree,
    policy: Callable[[PyTree, PyTree, PyTree], Decision],
    actor: Actor,
    key: Key[Array, ""],
    noise: PyTree,
    memory: PyTree = (),
) -> tuple[Actor, Transition, dict[str, Mean]]:
    """Act once in every env for each row of `noise`; each leaf of the experience is [time, env, ...].

    `policy(noise, memory, obs)` decides for all envs at once; its noise ([time, env, ...]) and all the envs' keys
    are drawn before the loop, which is cheaper than drawing them in it. Where an episode ends, what the policy
    remembers goes back to `memory`, one agent's at a beginning. The metrics tell of the episodes that ended
    here, as sums and counts: an unfinished one is not counted. Where the actor has `outcomes`, they take them in.
    """
    outcomes, actor = actor.outcomes, actor._replace(outcomes=None)
    wanted = {*facts_of(env), *(() if outcomes is None else outcomes.info_names)}
    length, num_envs = jax.tree.leaves(noise)[0].shape[:2]
    step_keys, reset_keys = split(key, (2, length, num_envs))

    def env_step(actor: Actor, inputs):
        noise, step_keys, reset_keys = inputs
        decision = policy(noise, actor.memory, actor.obs)
        out = autoreset_steps(env, step_keys, reset_keys, actor.env_state, decision.sent, env_params)
        experience = Transition(actor.obs, decision.action, out.reward, out.terminated, out.truncated,
                                out.final_obs, decision.extras)  # fmt: skip
        episode_return = actor.episode_return + out.reward
        episode_length = actor.episode_length + 1
        done = out.terminated | out.truncated
        actor = Actor(
            env_state=out.state,
            obs=out.obs,
            memory=renew(done, memory, decision.memory),
            episode_return=jnp.where(done, 0.0, episode_return),
            episode_length=jnp.where(done, 0, episode_length),
        )
        return actor, (experience, episode_return, episode_length, {name: out.info[name] for name in sorted(wanted)})

    actor, (experience, returns, lengths, info) = jax.lax.scan(env_step, actor, (noise, step_keys, reset_keys))
    done = experience.terminated | experience.truncated
    if outcomes is not None:
        actor = actor._replace(outcomes=record(outcomes, done, {**info, "return": returns, "length": lengths}))
    facts = {name: info[name] for name in facts_of(env)} | {"return": returns, "length": lengths}
    return actor, experience, finished_episodes(done, facts, agents_in(env))


def finished_episodes(done: Array, facts: dict[str, Array], agents: int = 1) -> dict[str, Mean]:
    """Means of the episodes that ended, where `done`, of numbers [time, env]; what others do at that time counts 0.

    Of several agents in each world it is told for each, too.
    """

    def means(over: Callable[[Array], Array]) -> dict[str, Mean]:
        count = over(done.astype(jnp.float32))
        return {
            f"episode/{name}": Mean(over(jnp.where(done, value, 0).astype(jnp.float32)), count)
            for name, value in facts.items()
        }

    if agents == 1:
        return means(jnp.sum)
    of_each = means(lambda x: jnp.sum(x.reshape(-1, agents), axis=0))
    return means(jnp.sum) | {EACH + name: mean for name, mean in of_each.items()}
