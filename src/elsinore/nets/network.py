"""Networks over batches: one interface for feed-forward and recurrent modules."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from elsinore.nets.initialisation import initialise


class Network(NamedTuple):
    """A flax module as functions of parameters.

    `init(key, obs) -> params`, for one observation. `step(params, carry, obs) -> (carry, outputs,
    value)`, over [batch]. `unroll(params, carry, obs, episode_start) -> (carries, outputs,
    values)`, over [time, batch]: `carry` ([batch]) is that before the first step, it is reset where
    `episode_start` is True, and `carries` are those after each step.
    """

    init: Callable[[Key[Array, ""], PyTree], PyTree]
    initial_carry: PyTree  # of one env at the start of an episode; () if feed-forward
    step: Callable[..., tuple[PyTree, Float[Array, "batch outputs"], Float[Array, "batch"]]]
    unroll: Callable[
        ..., tuple[PyTree, Float[Array, "time batch outputs"], Float[Array, "time batch"]]
    ]

    @property
    def recurrent(self) -> bool:
        return bool(jax.tree.leaves(self.initial_carry))


def network_of(module: Any) -> Network:
    """Wrap a flax module.

    With `initial_carry`, a module maps (carry, obs) to (carry, (outputs, value)); without, obs to
    (outputs, value). One that is `linear` also maps (carry, obs, episode_start), the last two
    [time, ...], to the same of each step, and is unrolled without a loop.
    """
    return _recurrent(module) if hasattr(module, "initial_carry") else _feed_forward(module)


def _feed_forward(module: Any) -> Network:
    forward = jax.vmap(module.apply, in_axes=(None, 0))

    def step(
        params: PyTree, carry: PyTree, obs: PyTree
    ) -> tuple[PyTree, Float[Array, "batch outputs"], Float[Array, "batch"]]:
        return carry, *forward(params, obs)

    def unroll(
        params: PyTree, carry: PyTree, obs: PyTree, episode_start: Bool[Array, "time batch"]
    ) -> tuple[PyTree, Float[Array, "time batch outputs"], Float[Array, "time batch"]]:
        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), obs)
        outputs, value = jax.tree.map(
            lambda x: x.reshape(*episode_start.shape, *x.shape[1:]), forward(params, rows)
        )
        return carry, outputs, value

    return Network(lambda key, obs: initialise(module, key, obs), (), step, unroll)


def _recurrent(module: Any) -> Network:
    forward = jax.vmap(module.apply, in_axes=(None, 0, 0))
    initial = module.initial_carry()

    def step(
        params: PyTree, carry: PyTree, obs: PyTree
    ) -> tuple[PyTree, Float[Array, "batch outputs"], Float[Array, "batch"]]:
        carry, (outputs, value) = forward(params, carry, obs)
        return carry, outputs, value

    def unroll(
        params: PyTree, carry: PyTree, obs: PyTree, episode_start: Bool[Array, "time batch"]
    ) -> tuple[PyTree, Float[Array, "time batch outputs"], Float[Array, "time batch"]]:
        def one(
            carry: PyTree, now: tuple[PyTree, Bool[Array, "batch"]]
        ) -> tuple[PyTree, tuple[PyTree, Array, Array]]:
            obs, episode_start = now
            carry = reset_carry(episode_start, initial, carry)
            carry, outputs, value = step(params, carry, obs)
            return carry, (carry, outputs, value)

        return jax.lax.scan(one, carry, (obs, episode_start))[1]

    def unroll_at_once(
        params: PyTree, carry: PyTree, obs: PyTree, episode_start: Bool[Array, "time batch"]
    ) -> tuple[PyTree, Float[Array, "time batch outputs"], Float[Array, "time batch"]]:
        each_env = jax.vmap(module.apply, in_axes=(None, 0, 1, 1), out_axes=1)
        carries, (outputs, value) = each_env(params, carry, obs, episode_start)
        return carries, outputs, value

    unroll = unroll_at_once if getattr(module, "linear", False) else unroll
    return Network(lambda key, obs: initialise(module, key, initial, obs), initial, step, unroll)


def reset_carry(episode_start: Bool[Array, "*batch"], initial: PyTree, carry: PyTree) -> PyTree:
    """`initial`, one agent's carry, where an episode starts; `carry` ([*batch, ...]) elsewhere."""

    def pick(initial: Array, carry: Array) -> Array:
        start = episode_start.reshape(
            episode_start.shape + (1,) * (carry.ndim - episode_start.ndim)
        )
        return jnp.where(start, initial, carry)

    return jax.tree.map(pick, initial, carry)
