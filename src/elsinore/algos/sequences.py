"""Action values of a network with memory, learnt from sequences with the carry that was stored at
their first step (R2D2: Kapturowski 2019, "Recurrent Experience Replay in Distributed Reinforcement
Learning").

`Sequences` stand in place of a batch of observations: an equation that reads Q(s, a) of a batch
reads it of their steps, one after the other.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import Normalisers, normalise_obs
from elsinore.experience.replay_buffer import ReplayBatch
from elsinore.nets.network import Network, reset_carry
from elsinore.ops.advantages import n_step_return
from elsinore.ops.schedules import Scalar
from elsinore.types import Transition

LARGEST_ERROR = 0.9  # share of a sequence's largest error in its priority, beside the mean (R2D2)


class Remembered(NamedTuple):
    """An observation as the replay buffer holds it, with the carry before it."""

    obs: PyTree
    carry: PyTree


class Sequences(NamedTuple):
    """Sequences of observations, normalised; leaves are [batch, time, ...]."""

    carry: PyTree  # before the first step, [batch, ...]
    obs: PyTree
    episode_start: Bool[Array, "batch time"]
    steps: Int[Array, "batch step"]  # those that are valued
    after: PyTree = ()  # the true next observations: if given, they are valued instead of `obs`

    def valued(self) -> PyTree:
        """The observations that are valued, [batch x step, ...]."""
        seen = self.obs if _absent(self.after) else self.after
        return merge_time_and_env(at_steps(seen, self.steps))


def _absent(tree: PyTree) -> bool:
    return not jax.tree.leaves(tree)


def at_steps(tree: PyTree, steps: Int[Array, "batch step"]) -> PyTree:
    """Leaves [batch, time, ...] at those steps."""
    return jax.tree.map(lambda x: jax.vmap(lambda x, i: x[i])(x, steps), tree)


def outputs_of(
    net: Network, params: PyTree, sequences: Sequences, burn_in: int = 0
) -> Float[Array, "row outputs"]:
    """Outputs of the network at the valued steps, [batch x step, ...].

    No gradient goes through the first `burn_in` steps, which only bring the carry up to date.
    """
    obs, start, after = jax.tree.map(
        lambda x: jnp.swapaxes(x, 0, 1), (sequences.obs, sequences.episode_start, sequences.after)
    )
    carry, early = sequences.carry, []
    if burn_in:
        first, obs = _split(obs, burn_in)
        carries, outputs, _ = net.unroll(params, carry, first, start[:burn_in])
        carries, outputs = jax.lax.stop_gradient((carries, outputs))
        carry, start = jax.tree.map(lambda x: x[-1], carries), start[burn_in:]
        early.append((carries, outputs))
    carries, outputs, _ = net.unroll(params, carry, obs, start)
    carries, outputs = jax.tree.map(lambda *x: jnp.concatenate(x), *early, (carries, outputs))
    if not _absent(after):
        rows = merge_time_and_env((carries, after))
        outputs = net.step(params, *rows)[1].reshape(outputs.shape)
    return merge_time_and_env(at_steps(jnp.swapaxes(outputs, 0, 1), sequences.steps))


def _split(tree: PyTree, at: int) -> tuple[PyTree, PyTree]:
    return jax.tree.map(lambda x: x[:at], tree), jax.tree.map(lambda x: x[at:], tree)


def episode_starts(done: Bool[Array, "time env"]) -> Bool[Array, "time env"]:
    """Steps at which an episode starts inside a rollout: those after a step that was `done`. The
    carry at the first step is already that of a new episode where one starts there."""
    return jnp.concatenate([jnp.zeros_like(done[:1]), done[:-1]])


def carries_before(
    net: Network, params: PyTree, carry: PyTree, obs: PyTree, episode_start: Bool[Array, "time env"]
) -> PyTree:
    """The carry before each step of a rollout, [time, env, ...]."""
    after = net.unroll(params, carry, obs, episode_start)[0]
    before = jax.tree.map(lambda first, x: jnp.concatenate([first[None], x[:-1]]), carry, after)
    return reset_carry(episode_start, net.initial_carry, before)


def rollout_sequences(
    experience: Transition, stats: Normalisers, carry: PyTree
) -> tuple[Sequences, Sequences]:
    """A rollout, [time, env, ...], as a sequence of each env: its observations, and the true next
    ones. `carry` is that before the first step, [env, ...]."""
    done = experience.terminated | experience.truncated
    obs, after = (normalise_obs(stats, x) for x in (experience.obs, experience.final_obs))
    obs, after, start = jax.tree.map(
        lambda x: jnp.swapaxes(x, 0, 1), (obs, after, episode_starts(done))
    )
    steps = jnp.broadcast_to(jnp.arange(start.shape[1]), start.shape)
    return Sequences(carry, obs, start, steps), Sequences(carry, obs, start, steps, after)


def sequence_batch(
    window: Transition, stats: Normalisers, n_step: int, burn_in: int, gamma: Scalar
) -> ReplayBatch:
    """A batch of the steps of sequences that are learnt, from windows [batch, time, ...] of the
    buffer: all but the first `burn_in` and the last `n_step` - 1. Every leaf but the observations
    is [batch x step, ...].

    Targets bootstrap from the true next observation of their last step, with the carry after it.
    """
    batch, time = window.reward.shape
    learnt = jnp.arange(burn_in, time - n_step + 1)
    steps = jnp.broadcast_to(learnt, (batch, learnt.size))
    rewards = learnt[:, None] + jnp.arange(n_step)
    each = (window.reward, window.terminated, window.truncated)
    reward_of, terminated_of, truncated_of = (x[:, rewards].reshape(-1, n_step) for x in each)
    reward, discount, last = n_step_return(reward_of, terminated_of, truncated_of, gamma)
    obs, after = (normalise_obs(stats, x) for x in (window.obs.obs, window.final_obs))
    done = window.terminated | window.truncated
    start = jnp.swapaxes(episode_starts(jnp.swapaxes(done, 0, 1)), 0, 1)
    carry = jax.tree.map(lambda x: x[:, 0], window.obs.carry)
    return ReplayBatch(
        obs=Sequences(carry, obs, start, steps),
        action=merge_time_and_env(window.action[:, learnt]),
        reward=reward,
        discount=discount,
        next_obs=Sequences(carry, obs, start, steps + last.reshape(steps.shape), after),
    )


def sequence_error(td_error: Float[Array, "row"], batch: int) -> Float[Array, "batch"]:
    """The error of a sequence, which is its priority: 0.9 of the largest of its steps' and 0.1 of
    their mean (Kapturowski 2019, section 2.3)."""
    error = jnp.abs(td_error).reshape(batch, -1)
    return LARGEST_ERROR * jnp.max(error, axis=1) + (1.0 - LARGEST_ERROR) * jnp.mean(error, axis=1)


def check_sequences(config: Any, recurrent: bool) -> None:
    """Check settings of sequences against the network.

    Raises:
        ValueError: naming the setting, its value and a remedy.
    """
    if config.burn_in and not recurrent:
        raise ValueError(
            f"burn_in={config.burn_in} applies to recurrent networks only, and this one is not;"
            " leave it out, or set network.gru, lstm or lru."
        )
