"""A rollout as the batch of a policy-gradient loss: advantages, value targets, and the outputs of
the network for it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from elsinore.algos.actor_critic_policy import View
from elsinore.algos.sequences import episode_starts
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import Normalisers, normalise_obs
from elsinore.nets.distributions import Distribution
from elsinore.nets.heads import Head
from elsinore.nets.network import Network
from elsinore.ops.advantages import gae, vtrace
from elsinore.types import Transition


class OnPolicyBatch(NamedTuple):
    """Input of a policy-gradient loss: each leaf [transition, ...], or [env, time, ...] of a
    recurrent policy."""

    obs: PyTree
    action: Array
    log_prob: Float[Array, "*batch"]  # under the policy that acted
    value: Float[Array, "*batch"]  # of the critic at that time
    advantage: Float[Array, "*batch"]
    target: Float[Array, "*batch"]  # of the value
    carry: PyTree = ()  # recurrent state at the rollout's first step, [env, ...]
    episode_start: PyTree = ()  # whether an episode starts at the step, [env, time]


def with_advantages(
    net: Network,
    params: PyTree,
    stats: Normalisers,
    carry: PyTree,
    experience: Transition,
    hyper: Any,
    head: Head | None,
    view: View,
) -> OnPolicyBatch:
    """A rollout, [time, env, ...], as a batch with advantages (GAE) and value targets; with the
    `head` of the policy by V-trace, for parameters that have changed since. The network reads
    the `view` of observations."""
    seen = experience.obs, experience.final_obs
    obs, final_obs = (view(normalise_obs(stats, x)) for x in seen)
    terminated, truncated = experience.terminated, experience.truncated
    episode_start = episode_starts(terminated | truncated)
    carries, outputs, value = net.unroll(params, carry, obs, episode_start)
    next_value = bootstrap_values(net, params, carries, final_obs, experience.reward.shape)
    steps = (experience.reward, value, next_value, terminated, truncated)
    if head is None:
        advantage = gae(*steps, hyper.gamma, hyper.gae_lambda)
        target = advantage + value
    else:
        now = head.distribution(outputs, obs).log_prob(experience.action)
        ratio = jnp.exp(now - experience.log_prob)
        advantage, target = vtrace(*steps, ratio, hyper.gamma, hyper.gae_lambda)
    batch = OnPolicyBatch(obs, experience.action, experience.log_prob, value, advantage, target)
    if not net.recurrent:
        return merge_time_and_env(batch)
    batch = batch._replace(episode_start=episode_start)
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), batch)._replace(carry=carry)


def in_units(per_unit: Float[Array, ""], batch: OnPolicyBatch) -> OnPolicyBatch:
    """A batch in other units: of a loss in PopArt's (Hessel 2018, arXiv:1809.04474 section 3, of
    the advantage too)."""
    names = ("value", "advantage", "target")
    return batch._replace(**{name: getattr(batch, name) * per_unit for name in names})


def bootstrap_values(
    net: Network, params: PyTree, carries: PyTree, final_obs: PyTree, shape: tuple[int, ...]
) -> Float[Array, "time env"]:
    """V(s'_t) of the true next observation, from the recurrent state after step t."""
    carries, final_obs = merge_time_and_env((carries, final_obs))
    return net.step(params, carries, final_obs)[2].reshape(shape)


def evaluate_batch(
    net: Network, head: Head, params: PyTree, batch: OnPolicyBatch
) -> tuple[Distribution, Float[Array, "*batch"]]:
    """Action distribution and value of every step of a batch, with these parameters."""
    if not net.recurrent:
        _, outputs, value = net.step(params, (), batch.obs)
    else:  # through time from the carry of the rollout; [env, time] there and back
        obs, episode_start = jax.tree.map(
            lambda x: jnp.swapaxes(x, 0, 1), (batch.obs, batch.episode_start)
        )
        found = net.unroll(params, batch.carry, obs, episode_start)[1:]
        outputs, value = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)
    return head.distribution(outputs, batch.obs), value
