"""Replay buffer on the device, with n-step samples.

A ring of slots: each holds one step of all envs, and the newest overwrites the oldest. Costs do not
grow with the capacity: writing touches the slots written, sampling the rows sampled.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped

from elsinore.jaxtools import shards
from elsinore.ops.advantages import n_step_return
from elsinore.ops.schedules import Scalar
from elsinore.types import Transition


class BufferState(NamedTuple):
    """Contents of a buffer; each leaf of the experience is [slot, env, ...] in its own dtype."""

    experience: Transition
    position: Int[Array, ""]  # the slot to be written next
    filled: Int[Array, ""]  # slots that hold something, at most all: neither counter can overflow


class ReplayBatch(NamedTuple):
    """n-step transitions; the target of `action` is reward + discount x value of `next_obs`."""

    obs: PyTree
    action: Array
    reward: Float[Array, "batch"]  # summed over up to n steps, discounted
    discount: Float[Array, "batch"]  # gamma^m after m steps, 0 where the episode terminated
    next_obs: PyTree  # true observation after the last of those steps, before any reset


class BatchIndices(NamedTuple):
    """Indices of the first transitions of a batch."""

    slot: Int[Array, "batch ..."]
    env: Int[Array, "batch ..."]


class ReplayBuffer(NamedTuple):
    """A replay buffer as functions that close over its sizes.

    `init(like) -> buffer`; `add(buffer, experience) -> buffer`; `num_starts(buffer)`, how many
    n-step windows can be sampled; `sample(buffer, key, batch_size, gamma, beta, steps=None) ->
    (batch, indices, weights)`, where `steps` may shorten the windows; `windows(buffer, indices,
    length)`, the steps that follow [batch, length, ...]; `reprioritise(buffer, indices, td_error,
    alpha) -> buffer`; `priorities(buffer)`, the part that `reprioritise` changes, and
    `with_priorities(buffer, priorities) -> buffer`. All are jittable; `like` is one transition of
    one env.

    Within one compiled step, add before you sample: a write that the compiler may put before an
    earlier read has it keep a copy of the whole buffer (3 ms for 1M CartPole transitions under
    XLA's defaults).
    """

    init: Callable[..., Any]
    add: Callable[..., Any]
    num_starts: Callable[..., Int[Array, ""]]
    sample: Callable[..., tuple[ReplayBatch, BatchIndices, Float[Array, "batch"]]]
    reprioritise: Callable[..., Any]
    windows: Callable[..., Transition]
    priorities: Callable[[Any], PyTree]
    with_priorities: Callable[[Any, PyTree], Any]


def replay_buffer(capacity: int, num_envs: int, n_step: int = 1) -> ReplayBuffer:
    """A replay buffer of `capacity` transitions that is sampled uniformly: weights are 1, and
    priorities are ignored.

    Raises:
        ValueError: if no whole n-step window fits, or transitions need more than 31 bits.
    """
    slots_for(capacity, num_envs, n_step)

    def sample_(
        buffer: BufferState,
        key: Key[Array, ""],
        batch_size: int,
        gamma: Scalar,
        beta: Scalar | None = None,
        steps: Int[Array, ""] | None = None,
    ) -> tuple[ReplayBatch, BatchIndices, Float[Array, "batch"]]:
        batch, indices = sample(buffer, key, batch_size, n_step, gamma, steps)
        return batch, indices, jnp.ones(batch_size)

    return ReplayBuffer(
        init=partial(init, capacity, num_envs),
        add=add,
        num_starts=partial(num_starts, n_step=n_step),
        sample=sample_,
        reprioritise=lambda buffer, indices, td_error, alpha=None: buffer,
        windows=windows,
        priorities=lambda buffer: (),
        with_priorities=lambda buffer, priorities: buffer,
    )


def slots_for(capacity: int, num_envs: int, n_step: int = 1) -> int:
    """Steps of all envs that fit in `capacity` transitions, rounded down.

    Raises:
        ValueError: if no whole n-step window fits, or transitions need more than 31 bits.
    """
    if n_step < 1:
        raise ValueError(f"n_step={n_step} is no number of steps; use 1 or more.")
    if num_envs < 1:
        raise ValueError(f"num_envs={num_envs} leaves nothing to remember; use 1 or more.")
    if capacity // num_envs < n_step:
        raise ValueError(
            f"capacity={capacity} holds {capacity // num_envs} steps of num_envs={num_envs} envs,"
            f" fewer than n_step={n_step}; use a capacity of at least {n_step * num_envs}."
        )
    if capacity >= 2**31:
        raise ValueError(
            f"capacity={capacity} cannot be numbered in 31 bits; use at most {2**31 - 1}."
        )
    return capacity // num_envs


def init(capacity: int, num_envs: int, like: Transition) -> BufferState:
    """An empty buffer of `capacity // num_envs` slots for transitions like this one of one env."""
    slots = slots_for(capacity, num_envs)
    like = like._replace(
        reward=jnp.float32(0), terminated=jnp.bool_(False), truncated=jnp.bool_(False), log_prob=()
    )
    experience = jax.tree.map(lambda x: jnp.zeros((slots, num_envs, *x.shape), x.dtype), like)
    return BufferState(experience, jnp.int32(0), jnp.int32(0))


def size_of(buffer: BufferState) -> tuple[int, ...]:
    """(slots, num_envs)."""
    return buffer.experience.reward.shape


def add(buffer: BufferState, experience: Transition) -> BufferState:
    """Add [time, env, ...] over the oldest; in place if the buffer is donated or a scan's carry."""
    slots, _ = size_of(buffer)
    experience = _fitting(buffer, experience)
    time = experience.reward.shape[0]
    rows = (buffer.position + jnp.arange(time)) % slots

    def write(old: Array, new: Array) -> Array:
        return old.at[rows].set(new, unique_indices=True, mode="promise_in_bounds")

    return BufferState(
        experience=jax.tree.map(write, buffer.experience, experience),
        position=(buffer.position + time) % slots,
        filled=jnp.minimum(buffer.filled + time, slots),
    )


def truncate_newest(buffer: BufferState, rows: Any = True) -> BufferState:
    """Mark the newest step of the envs in `rows`, bool [..., env], truncated, unless it terminated:
    what is added next is not what it led to, and no window may run on into it.

    Its `final_obs` is the true next observation already. Works on stacked buffers, too:
    [..., slot, env].
    """
    stored = buffer.experience
    slots = stored.reward.shape[-2]
    newest = (jnp.arange(slots) == (buffer.position[..., None] - 1) % slots) & (
        buffer.filled[..., None] > 0
    )
    left = jnp.broadcast_to(rows, (*stored.reward.shape[:-2], stored.reward.shape[-1]))
    last = newest[..., None] & left[..., None, :] & ~stored.terminated
    truncated = stored.truncated | last
    return buffer._replace(experience=stored._replace(truncated=truncated))


def _fitting(buffer: BufferState, experience: Transition) -> Transition:
    """The experience as it is stored; raises ValueError if its structure or size differ."""
    slots, num_envs = size_of(buffer)
    experience = experience._replace(reward=experience.reward.astype(jnp.float32), log_prob=())
    time = experience.reward.shape[0]
    if time > slots:
        raise ValueError(
            f"{time} steps at once would overwrite themselves in a replay buffer of {slots} slots; "
            f"use a capacity of at least {time * num_envs}, or a shorter rollout."
        )
    if jax.tree.structure(experience) != jax.tree.structure(buffer.experience):
        raise ValueError(
            f"experience has the structure {jax.tree.structure(experience)} and the replay buffer"
            f" was begun for {jax.tree.structure(buffer.experience)}; begin it with `like` from the"
            " same env."
        )
    jax.tree_util.tree_map_with_path(
        partial(_refuse_other_kind, time), experience, buffer.experience
    )
    return experience


def _refuse_other_kind(time: int, path: tuple, new: Array, held: Array) -> None:
    shape = (time, *held.shape[1:])
    if (new.shape, new.dtype) != (shape, held.dtype):
        raise ValueError(
            f"experience{jax.tree_util.keystr(path)} is {new.dtype}{list(new.shape)} and the replay"
            f" buffer takes {held.dtype}{list(shape)}; begin it with `like` from the same env, or"
            " convert before adding."
        )


def num_starts(buffer: BufferState, n_step: int) -> Int[Array, ""]:
    """Number of transitions with a whole n-step window; sample only when there are some."""
    _, num_envs = size_of(buffer)
    return jnp.maximum(buffer.filled - (n_step - 1), 0) * num_envs


def sample(
    buffer: BufferState,
    key: Key[Array, ""],
    batch_size: int,
    n_step: int,
    gamma: Scalar,
    steps: Int[Array, ""] | None = None,
) -> tuple[ReplayBatch, BatchIndices]:
    """Draw n-step transitions uniformly, with replacement.

    The newest n - 1 slots are never drawn: their window would run on into the oldest. Where
    `num_starts` is 0 the batch is invalid and must not be trained on.
    """
    slots, num_envs = size_of(buffer)
    # oldest first
    number = jax.random.randint(key, (batch_size,), 0, jnp.maximum(num_starts(buffer, n_step), 1))
    oldest = buffer.position - buffer.filled + slots
    indices = BatchIndices(slot=(oldest + number // num_envs) % slots, env=number % num_envs)
    return batch_at(buffer, indices, n_step, gamma, steps), indices


def batch_at(
    buffer: BufferState,
    indices: BatchIndices,
    n_step: int,
    gamma: Scalar,
    steps: Int[Array, ""] | None = None,
) -> ReplayBatch:
    """The n-step transitions that begin there; `steps` makes them shorter, 1 to n_step."""
    slots, _ = size_of(buffer)
    stored = buffer.experience
    window = BatchIndices(
        (indices.slot[:, None] + jnp.arange(n_step)) % slots, indices.env[:, None]
    )
    reward, terminated, truncated = (
        _take(x, window) for x in (stored.reward, stored.terminated, stored.truncated)
    )
    if steps is not None:
        truncated = truncated | (jnp.arange(n_step) >= steps - 1)
    returns = shards.per_shard(n_step_return)
    reward, discount, last = returns(reward, terminated, truncated, gamma)
    end = BatchIndices((indices.slot + last) % slots, indices.env)
    return ReplayBatch(
        obs=jax.tree.map(partial(_take, indices=indices), stored.obs),
        action=_take(stored.action, indices),
        reward=reward,
        discount=discount,
        next_obs=jax.tree.map(partial(_take, indices=end), stored.final_obs),
    )


def windows(buffer: BufferState, indices: BatchIndices, length: int) -> Transition:
    """So many steps of one env from each of the indices, [batch, length, ...]."""
    slots, _ = size_of(buffer)
    rows = BatchIndices((indices.slot[:, None] + jnp.arange(length)) % slots, indices.env[:, None])
    return jax.tree.map(partial(_take, indices=rows), buffer.experience)


def _take(x: Shaped[Array, "slot env ..."], indices: BatchIndices) -> Shaped[Array, "batch ..."]:
    return x.at[indices.slot, indices.env].get(mode="promise_in_bounds")
