"""Replay that goes back more often to what surprised more: proportional prioritisation.

    P(i) = p_i / sum_k p_k,  p_i = (|td_i| + eps)^alpha,  w_i = (N P(i))^-beta / max_j w_j

Source: Schaul 2016, arXiv:1511.05952. A transition from which no whole n-step window starts yet has p = 0 in the
sum tree, and is given the largest priority seen when its window has become whole: what can be drawn is exactly what
has mass. The maximum of w is over the batch, which the paper leaves open: there N and the sum of priorities cancel,
w_i = (min_j p_j / p_i)^beta, and no second tree is needed; the price is that a batch without rare transitions
weighs a little more than it would against the buffer's minimum.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from elsinore.experience import replay, sum_tree
from elsinore.experience.replay import Batch, Memory, Replay, Where, size_of, slots_for
from elsinore.experience.sum_tree import SumTree
from elsinore.ops.once import once
from elsinore.types import Transition

EPS = 1e-6  # what no surprise at all is worth, in units of the TD error
LEAST, MOST = 1e-20, 1e28  # of a priority: above 0, and 2^31 of them still add up to a finite float32


class PrioritisedReplay(NamedTuple):
    replay: Replay
    tree: SumTree  # leaf slot x num_envs + env: that transition's priority, 0 where no whole window starts
    largest: Float[Array, ""]  # the largest priority ever given: what a new transition gets


def prioritised(capacity: int, num_envs: int, n_step: int = 1) -> Memory:
    """Transitions by their priorities; `alpha` and `beta` are traced, so a sweep or a schedule may vary them."""
    slots_for(capacity, num_envs, n_step)
    return Memory(
        begin=partial(begin, capacity, num_envs),
        add=partial(add, n_step=n_step),
        num_starts=lambda buffer: replay.num_starts(buffer.replay, n_step),
        sample=lambda buffer, key, batch_size, gamma, beta: sample(buffer, key, batch_size, n_step, gamma, beta),
        reprioritise=reprioritise,
        bytes_of=partial(bytes_of, capacity, num_envs),
    )


def begin(capacity: int, num_envs: int, like: Transition) -> PrioritisedReplay:
    """An empty buffer: no mass, and 1 for the first priority."""
    tree = sum_tree.begin(slots_for(capacity, num_envs) * num_envs)
    return PrioritisedReplay(replay.begin(capacity, num_envs, like), tree, jnp.float32(1))


def bytes_of(capacity: int, num_envs: int, like: Transition) -> int:
    """What `begin` will hold on the device, exactly."""
    return replay.size_in_bytes(jax.eval_shape(partial(begin, capacity, num_envs), like))


def add(buffer: PrioritisedReplay, experience: Transition, n_step: int) -> PrioritisedReplay:
    """Remember [time, env, ...] more; windows that have become whole get the largest priority seen so far.

    `n_step` is that of `sample`. The newest n - 1 slots lose the mass of what they held before.
    """
    remembered = replay.add(buffer.replay, experience)
    slots, num_envs = size_of(remembered)
    age = jnp.arange(min(experience.reward.shape[0] + n_step - 1, slots))  # 0 is the newest slot
    whole = (age >= n_step - 1) & (age < remembered.filled)
    slot = (remembered.position - 1 - age + slots) % slots
    leaves = slot[:, None] * num_envs + jnp.arange(num_envs)
    priority = jnp.broadcast_to(jnp.where(whole, buffer.largest, 0.0)[:, None], leaves.shape)
    tree = sum_tree.update(buffer.tree, leaves.reshape(-1), priority.reshape(-1))
    return buffer._replace(replay=remembered, tree=tree)


def sample(
    buffer: PrioritisedReplay,
    key: Key[Array, ""],
    batch_size: int,
    n_step: int,
    gamma: Float[Array, ""] | float,
    beta: Float[Array, ""] | float,
) -> tuple[Batch, Where, Float[Array, "batch"]]:
    """Draw n-step transitions by priority, one from each of `batch_size` equal segments of the mass.

    Where nothing has mass (`num_starts` is 0) the batch means nothing, and nothing should be learnt from it.
    """
    segment = jnp.arange(batch_size) + jax.random.uniform(key, (batch_size,))
    leaves = sum_tree.find(buffer.tree, segment * (sum_tree.total(buffer.tree) / batch_size))
    # The priorities are read before anything is done with the draw, which may be to change them.
    leaves, priority = once((leaves, sum_tree.mass_of(buffer.tree, leaves)))
    where = _where(buffer, leaves)
    return replay.batch_at(buffer.replay, where, n_step, gamma), where, importance(priority, beta)


def importance(priority: Float[Array, "batch"], beta: Float[Array, ""] | float) -> Float[Array, "batch"]:
    """What makes up for being drawn more often: (min_j p_j / p_i)^beta, at most 1."""
    priority = jnp.maximum(priority, LEAST)
    return (jnp.min(priority) / priority) ** beta


def reprioritise(
    buffer: PrioritisedReplay, where: Where, td_error: Float[Array, "batch"], alpha: Float[Array, ""] | float
) -> PrioritisedReplay:
    """Transitions matter as much as they surprised just now; of one that is there twice, the larger error counts.

    A transition that has no mass gets none, though it was drawn when it had. An error that is infinite or no number
    counts as the largest so far, and so spoils no other priority.
    """
    leaves = where.slot * size_of(buffer.replay)[1] + where.env
    priority = (jnp.abs(td_error).astype(jnp.float32) + EPS) ** alpha
    priority = jnp.clip(jnp.where(jnp.isfinite(td_error), priority, buffer.largest), LEAST, MOST)
    kept = jnp.where(sum_tree.mass_of(buffer.tree, leaves) > 0.0, priority, 0.0)
    return buffer._replace(
        tree=sum_tree.update(buffer.tree, leaves, kept),
        largest=jnp.maximum(buffer.largest, jnp.max(kept)),
    )


def _where(buffer: PrioritisedReplay, leaves: Int[Array, "batch"]) -> Where:
    num_envs = size_of(buffer.replay)[1]
    return Where(slot=leaves // num_envs, env=leaves % num_envs)
