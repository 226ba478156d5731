"""The last transitions of every env, kept on the device, and n-step samples of them.

A circle of slots: each holds one step of all envs, and the newest overwrites the oldest. Nothing here costs more
in a large buffer than in a small one: writing touches the slots written, sampling the rows sampled.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore.ops.n_step import n_step_return
from elsinore.types import Transition


class Replay(NamedTuple):
    """What is remembered; each leaf of the experience is [slot, env, ...] in the dtype it came in, without extras."""

    experience: Transition
    position: Int[Array, ""]  # the slot to be written next
    filled: Int[Array, ""]  # slots that hold something, at most all: neither counter can overflow


class Batch(NamedTuple):
    """What to learn from: the target of `action` in `obs` is reward + discount x value of `next_obs`."""

    obs: PyTree
    action: Array
    reward: Float[Array, "batch"]  # summed over up to n steps, discounted
    discount: Float[Array, "batch"]  # gamma^m after m steps, 0 where the world ended
    next_obs: PyTree  # what the last of those steps truly led to, before any reset


class Where(NamedTuple):
    """Which transitions a batch begins with."""

    slot: Int[Array, "batch"]
    env: Int[Array, "batch"]


class Memory(NamedTuple):
    """A way of remembering, as functions that close over its sizes; `uniform` and `prioritised` make one.

    `begin(like) -> buffer`; `add(buffer, experience) -> buffer`; `num_starts(buffer)`, how many n-step windows can
    be sampled; `sample(buffer, key, batch_size, gamma, beta) -> (batch, where, weights)`;
    `reprioritise(buffer, where, td_error, alpha) -> buffer`; `bytes_of(like)`. All but `bytes_of` are jittable;
    `like`, one transition of one env (arrays or shapes), says what will be stored.

    Within one compiled step, add before you sample: a write that the compiler may put before an earlier read has it
    keep a copy of the whole buffer (3 ms for 1M CartPole transitions under XLA's defaults).
    """

    begin: Callable[..., Any]
    add: Callable[..., Any]
    num_starts: Callable[..., Int[Array, ""]]
    sample: Callable[..., tuple[Batch, Where, Float[Array, "batch"]]]
    reprioritise: Callable[..., Any]
    bytes_of: Callable[..., int]


def uniform(capacity: int, num_envs: int, n_step: int = 1) -> Memory:
    """All transitions alike: weights are 1, and priorities are nobody's business."""
    slots_for(capacity, num_envs, n_step)

    def sample_(buffer: Replay, key, batch_size: int, gamma, beta=None):
        batch, where = sample(buffer, key, batch_size, n_step, gamma)
        return batch, where, jnp.ones(batch_size)

    return Memory(
        begin=partial(begin, capacity, num_envs),
        add=add,
        num_starts=partial(num_starts, n_step=n_step),
        sample=sample_,
        reprioritise=lambda buffer, where, td_error, alpha=None: buffer,
        bytes_of=partial(bytes_of, capacity, num_envs),
    )


def slots_for(capacity: int, num_envs: int, n_step: int = 1) -> int:
    """How many steps of all envs fit in `capacity` transitions, rounded down.

    Raises:
        ValueError: where that would leave no whole n-step window, or transitions could not be numbered in 31 bits.
    """
    if n_step < 1:
        raise ValueError(f"n_step={n_step} is no number of steps; use 1 or more.")
    if num_envs < 1:
        raise ValueError(f"num_envs={num_envs} leaves nothing to remember; use 1 or more.")
    if capacity // num_envs < n_step:
        raise ValueError(
            f"capacity={capacity} holds {capacity // num_envs} steps of num_envs={num_envs} envs, fewer than "
            f"n_step={n_step}; use a capacity of at least {n_step * num_envs}."
        )
    if capacity >= 2**31:
        raise ValueError(f"capacity={capacity} cannot be numbered in 31 bits; use at most {2**31 - 1}.")
    return capacity // num_envs


def begin(capacity: int, num_envs: int, like: Transition) -> Replay:
    """An empty buffer of `capacity // num_envs` slots for transitions like this one of one env."""
    slots = slots_for(capacity, num_envs)
    like = like._replace(reward=jnp.float32(0), terminated=jnp.bool_(False), truncated=jnp.bool_(False), extras=())
    experience = jax.tree.map(lambda x: jnp.zeros((slots, num_envs, *x.shape), x.dtype), like)
    return Replay(experience, jnp.int32(0), jnp.int32(0))


def bytes_of(capacity: int, num_envs: int, like: Transition) -> int:
    """What `begin` will hold on the device, exactly."""
    return size_in_bytes(jax.eval_shape(partial(begin, capacity, num_envs), like))


def size_in_bytes(tree: PyTree) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def size_of(buffer: Replay) -> tuple[int, int]:
    """(slots, num_envs)."""
    return buffer.experience.reward.shape


def add(buffer: Replay, experience: Transition) -> Replay:
    """Remember [time, env, ...] more, over the oldest. In place where the buffer is donated or carried by a scan."""
    slots, _ = size_of(buffer)
    experience = _fitting(buffer, experience)
    time = experience.reward.shape[0]
    rows = (buffer.position + jnp.arange(time)) % slots

    def write(old: Array, new: Array) -> Array:
        return old.at[rows].set(new, unique_indices=True, mode="promise_in_bounds")

    return Replay(
        experience=jax.tree.map(write, buffer.experience, experience),
        position=(buffer.position + time) % slots,
        filled=jnp.minimum(buffer.filled + time, slots),
    )


def _fitting(buffer: Replay, experience: Transition) -> Transition:
    """The experience as it is stored, if it is of the kind and size that the buffer was begun for."""
    slots, num_envs = size_of(buffer)
    experience = experience._replace(reward=experience.reward.astype(jnp.float32), extras=())
    time = experience.reward.shape[0]
    if time > slots:
        raise ValueError(
            f"{time} steps at once would overwrite themselves in a replay buffer of {slots} slots; "
            f"use a capacity of at least {time * num_envs}, or a shorter rollout."
        )
    if jax.tree.structure(experience) != jax.tree.structure(buffer.experience):
        raise ValueError(
            f"experience has the structure {jax.tree.structure(experience)} and the replay buffer was begun for "
            f"{jax.tree.structure(buffer.experience)}; begin it with `like` from the same env."
        )
    jax.tree_util.tree_map_with_path(partial(_refuse_other_kind, time), experience, buffer.experience)
    return experience


def _refuse_other_kind(time: int, path: tuple, new: Array, held: Array) -> None:
    shape = (time, *held.shape[1:])
    if (new.shape, new.dtype) != (shape, held.dtype):
        raise ValueError(
            f"experience{jax.tree_util.keystr(path)} is {new.dtype}{list(new.shape)} and the replay buffer takes "
            f"{held.dtype}{list(shape)}; begin it with `like` from the same env, or convert before adding."
        )


def num_starts(buffer: Replay, n_step: int) -> Int[Array, ""]:
    """How many transitions have all their n steps remembered. Sample only once there are some."""
    _, num_envs = size_of(buffer)
    return jnp.maximum(buffer.filled - (n_step - 1), 0) * num_envs


def sample(
    buffer: Replay, key: Key[Array, ""], batch_size: int, n_step: int, gamma: Float[Array, ""] | float
) -> tuple[Batch, Where]:
    """Draw n-step transitions, each as likely, with replacement.

    The newest n - 1 slots are never drawn: their window is not whole, and would run on into the oldest. Where
    `num_starts` is 0 the batch is of zeros or of windows that are not whole, and nothing should be learnt from it.
    """
    slots, num_envs = size_of(buffer)
    number = jax.random.randint(key, (batch_size,), 0, jnp.maximum(num_starts(buffer, n_step), 1))  # oldest first
    oldest = buffer.position - buffer.filled + slots
    where = Where(slot=(oldest + number // num_envs) % slots, env=number % num_envs)
    return batch_at(buffer, where, n_step, gamma), where


def batch_at(buffer: Replay, where: Where, n_step: int, gamma: Float[Array, ""] | float) -> Batch:
    """The n-step transitions that begin there."""
    slots, _ = size_of(buffer)
    stored = buffer.experience
    window = Where((where.slot[:, None] + jnp.arange(n_step)) % slots, where.env[:, None])
    reward, terminated, truncated = (_take(x, window) for x in (stored.reward, stored.terminated, stored.truncated))
    reward, discount, last = n_step_return(reward, terminated, truncated, gamma)
    end = Where((where.slot + last) % slots, where.env)
    return Batch(
        obs=jax.tree.map(partial(_take, where=where), stored.obs),
        action=_take(stored.action, where),
        reward=reward,
        discount=discount,
        next_obs=jax.tree.map(partial(_take, where=end), stored.final_obs),
    )


def _take(x: Array, where: Where) -> Array:
    return x.at[where.slot, where.env].get(mode="promise_in_bounds")
