"""Proportional prioritised replay: transitions with a larger TD error are sampled more often.

    P(i) = p_i / sum_k p_k,  p_i = (|td_i| + eps)^alpha,  w_i = (N P(i))^-beta / max_j w_j

Source: Schaul 2016, arXiv:1511.05952. A transition from which no whole n-step window starts yet has
p = 0 in the sum tree, and is given the largest priority seen when its window has become whole: what
can be drawn is exactly what has mass. The maximum of w is over the batch, which the paper leaves
open: there N and the sum of priorities cancel, w_i = (min_j p_j / p_i)^beta, and no second tree is
needed; the price is that a batch without rare transitions weighs a little more than it would
against the buffer's minimum.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from elsinore.experience import replay_buffer, sum_tree
from elsinore.experience.replay_buffer import (
    BatchIndices,
    BufferState,
    ReplayBatch,
    ReplayBuffer,
    size_of,
    slots_for,
)
from elsinore.experience.sum_tree import SumTree
from elsinore.jaxtools import shards
from elsinore.jaxtools.barrier import barrier
from elsinore.ops.losses import importance_weight
from elsinore.ops.schedules import Scalar
from elsinore.types import Transition

EPS = 1e-6  # added to the TD error, in its units
# of a priority: above 0, and 2^31 of them still add up to a finite float32
LEAST, MOST = 1e-20, 1e28


class PrioritisedState(NamedTuple):
    """Contents of a prioritised buffer, with the priorities of its transitions."""

    replay: BufferState
    # leaf slot x num_envs + env: that transition's priority, 0 where no whole window starts
    tree: SumTree
    largest: Float[Array, ""]  # the largest priority ever given: what a new transition gets


def prioritised(capacity: int, num_envs: int, n_step: int = 1) -> ReplayBuffer:
    """Sampling by priority; `alpha` and `beta` are traced, so they may vary.

    Raises:
        ValueError: as `slots_for` does.
    """
    slots_for(capacity, num_envs, n_step)
    return ReplayBuffer(
        init=partial(init, capacity, num_envs),
        add=partial(add, n_step=n_step),
        num_starts=lambda buffer: replay_buffer.num_starts(buffer.replay, n_step),
        sample=lambda buffer, key, batch_size, *numbers: sample(
            buffer, key, batch_size, n_step, *numbers
        ),
        reprioritise=reprioritise,
        windows=lambda buffer, *where: replay_buffer.windows(buffer.replay, *where),
        priorities=lambda buffer: (buffer.tree, buffer.largest),
        with_priorities=lambda buffer, new: buffer._replace(tree=new[0], largest=new[1]),
    )


def init(capacity: int, num_envs: int, like: Transition) -> PrioritisedState:
    """An empty buffer: no mass, and a first priority of 1."""
    tree = sum_tree.init(slots_for(capacity, num_envs) * num_envs)
    return PrioritisedState(replay_buffer.init(capacity, num_envs, like), tree, jnp.float32(1))


def add(buffer: PrioritisedState, experience: Transition, n_step: int) -> PrioritisedState:
    """Add [time, env, ...]; windows that become whole get the largest priority so far.

    `n_step` is that of `sample`. The newest n - 1 slots lose the mass of what they held before.
    """
    stored = replay_buffer.add(buffer.replay, experience)
    slots, num_envs = size_of(stored)
    age = jnp.arange(min(experience.reward.shape[0] + n_step - 1, slots))  # 0 is the newest slot
    whole = (age >= n_step - 1) & (age < stored.filled)
    slot = (stored.position - 1 - age + slots) % slots
    leaves = slot[:, None] * num_envs + jnp.arange(num_envs)
    priority = jnp.broadcast_to(jnp.where(whole, buffer.largest, 0.0)[:, None], leaves.shape)
    tree = sum_tree.update(buffer.tree, leaves.reshape(-1), priority.reshape(-1))
    return buffer._replace(replay=stored, tree=tree)


def sample(
    buffer: PrioritisedState,
    key: Key[Array, ""],
    batch_size: int,
    n_step: int,
    gamma: Scalar,
    beta: Scalar,
    steps: Int[Array, ""] | None = None,
) -> tuple[ReplayBatch, BatchIndices, Float[Array, "batch"]]:
    """Draw n-step transitions by priority, one from each of `batch_size` equal segments of the
    mass.

    Where `num_starts` is 0 (no mass) the batch is invalid and must not be trained on.
    """
    segment = jnp.arange(batch_size) + jax.random.uniform(key, (batch_size,))
    mass = sum_tree.total_mass(buffer.tree)
    target = shards.per_shard(lambda segment, mass: segment * (mass / batch_size))(segment, mass)
    leaves = sum_tree.find(buffer.tree, target)
    # Read the priorities before the caller can change them.
    leaves, priority = barrier((leaves, sum_tree.mass_of(buffer.tree, leaves)))
    indices = indices_of(buffer, leaves)
    return (
        replay_buffer.batch_at(buffer.replay, indices, n_step, gamma, steps),
        indices,
        weights(jnp.maximum(priority, LEAST), mass, beta),
    )


def weights(
    priority: Float[Array, "batch"], mass: Float[Array, ""], beta: Scalar
) -> Float[Array, "batch"]:
    """Importance weights of the drawn transitions, against the rarest one of the whole batch.

    Each of S shards draws as many from its own buffer, so that P(i) = p_i / (S sum_k p_k) with the
    sum over that shard: sums differ between shards and do not cancel, as they do in one.
    """
    if shards.number() == 1:
        return importance_weight(priority, beta)
    probability = shards.per_shard(jnp.divide)(priority, mass)
    return shards.per_shard(importance_weight)(
        probability, beta, shards.minimum(jnp.min(probability))
    )


def reprioritise(
    buffer: PrioritisedState,
    indices: BatchIndices,
    td_error: Float[Array, "batch"],
    alpha: Scalar,
) -> PrioritisedState:
    """Set priorities from TD errors; for a transition drawn twice, the larger error counts.

    A transition without mass gets none. An infinite error or NaN counts as the largest so far.
    """
    leaves = indices.slot * size_of(buffer.replay)[1] + indices.env
    priority = shards.per_shard(_priority)(td_error, alpha)
    priority = jnp.clip(jnp.where(jnp.isfinite(td_error), priority, buffer.largest), LEAST, MOST)
    kept = jnp.where(sum_tree.mass_of(buffer.tree, leaves) > 0.0, priority, 0.0)
    return buffer._replace(
        tree=sum_tree.update(buffer.tree, leaves, kept),
        largest=jnp.maximum(buffer.largest, shards.maximum(jnp.max(kept))),
    )


def _priority(td_error: Float[Array, "batch"], alpha: Scalar) -> Float[Array, "batch"]:
    return (jnp.abs(td_error).astype(jnp.float32) + EPS) ** alpha


def indices_of(buffer: PrioritisedState, leaves: Int[Array, "batch"]) -> BatchIndices:
    num_envs = size_of(buffer.replay)[1]
    return BatchIndices(slot=leaves // num_envs, env=leaves % num_envs)
