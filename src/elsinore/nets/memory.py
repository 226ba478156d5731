"""Layers that remember. Each maps (carry, features) to (carry, features) for one step."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, PyTree

from elsinore.nets.centralised import read_by_trunks
from elsinore.nets.encoders import dense
from elsinore.nets.initialisation import orthogonal

MEMORIES = ("gru", "lstm", "lru")
# Initial eigenvalues of a linear recurrence, of all phases. Those up to pi / 10, which suit inputs
# of thousands of steps, cannot tell the step of four ago from its neighbours.
RADIUS, LARGEST_PHASE = (0.9, 0.999), 2 * np.pi


def initial_state(memory: str, width: int) -> PyTree:
    """Zeros: the carry of one layer at the start of an episode."""
    zeros = jnp.zeros(width)
    return {"gru": zeros, "lstm": (zeros, zeros), "lru": jnp.zeros((2, width))}[memory]


def remember(
    net: Any, carry: tuple, obs: PyTree, episode_start: Bool[Array, "time"] | None
) -> tuple[tuple, list[Any]]:
    """Carry and features [*time, feature] of a trunk for each part of `carry`: an encoder, then a
    memory; call it inside `net.__call__`. A critic that is not asked keeps its carry, and has no
    features.

    `net` has `encoder`, `memory` and `width`; the second trunk has its `critic_encoder`, if any.
    With `episode_start`, `obs` is [time, ...], and so are the carries returned.
    """
    after, features = [], []
    encoders = net.encoder, getattr(net, "critic_encoder", None) or net.encoder
    parts = zip(carry, read_by_trunks(obs, len(carry)), encoders, strict=False)
    for state, seen, make_encoder in parts:
        if seen is None:
            after.append(state)
            features.append(None)
            continue
        cell = _cell(net.memory, net.width)
        encoder = make_encoder()
        if episode_start is None:
            state, feature = cell(state, encoder(seen))
        else:
            encoded = over_time(lambda encoder, obs: encoder(obs))(encoder, seen)
            state, feature = cell(state, encoded, episode_start)
        after.append(state)
        features.append(feature)
    return tuple(after), features


def over_time(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(module, *inputs)` for inputs [time, ...], with the same parameters at each step."""
    return nn.vmap(function, variable_axes={"params": None}, split_rngs={"params": False})


def _cell(memory: str, width: int) -> nn.Module:
    own = {"kernel_init": orthogonal(1.0), "recurrent_kernel_init": orthogonal(1.0)}
    if memory == "lru":
        return LinearRecurrence(width)
    return {"gru": nn.GRUCell, "lstm": nn.OptimizedLSTMCell}[memory](width, **own)


class LinearRecurrence(nn.Module):
    """A linear recurrence of complex numbers, each by itself, and a layer that reads it.

        x_t = lambda x_{t-1} + sqrt(1 - |lambda|^2) (B u_t),   y_t = gelu(C [Re x_t, Im x_t, u_t])

    with lambda = exp(-exp(nu) + i exp(theta)), so that |lambda| < 1. Over time it is an associative
    scan, in which lambda is 0 where an episode starts.

    Source: Orvieto 2023, arXiv:2303.06349 (the LRU); resets inside the scan: Lu 2023,
    arXiv:2303.03982.
    """

    width: int

    @nn.compact
    def __call__(
        self,
        carry: Float[Array, "2 width"],
        inputs: Float[Array, "*time features"],
        episode_start: Bool[Array, "time"] | None = None,
    ) -> tuple[Float[Array, "*time 2 width"], Float[Array, "*time width"]]:
        nu = self.param("nu", _log_decay, (self.width,))
        theta = self.param("theta", _log_phase, (self.width,))
        factor = jnp.exp(-jnp.exp(nu) + 1j * jnp.exp(theta))
        gain = jnp.sqrt(-jnp.expm1(-2.0 * jnp.exp(nu)))
        drive = gain * dense(2 * self.width, 1.0, name="drive")(inputs).reshape(
            *inputs.shape[:-1], 2, self.width
        )
        before = jax.lax.complex(carry[0], carry[1])
        drive = jax.lax.complex(drive[..., 0, :], drive[..., 1, :])
        if episode_start is None:
            x = factor * before + drive
        else:
            x = scan_with_resets(factor, drive, before, episode_start)
        read = jnp.concatenate([x.real, x.imag, inputs], axis=-1)
        features = nn.gelu(dense(self.width, np.sqrt(2), name="read")(read))
        return jnp.stack([x.real, x.imag], axis=-2), features


def scan_with_resets(
    factor: Complex[Array, "width"],
    drive: Complex[Array, "time width"],
    before: Complex[Array, "width"],
    episode_start: Bool[Array, "time"],
) -> Complex[Array, "time width"]:
    """x_t = factor x_{t-1} + drive_t, where x_{t-1} is 0 if an episode starts at t, in a number of
    steps that grows with the logarithm of time.

    Two steps in one: x -> a2 (a1 x + b1) + b2 = (a1 a2) x + (a2 b1 + b2) (Blelloch 1990).
    """
    kept = jnp.where(episode_start[:, None], 0.0, factor)
    drive = drive.at[0].add(kept[0] * before)

    def join(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return first[0] * second[0], second[0] * first[1] + second[1]

    return jax.lax.associative_scan(join, (kept, drive))[1]


def _log_decay(key: Any, shape: tuple[int, ...]) -> Float[Array, "width"]:
    """Nu for |lambda|^2 uniform between the squares of `RADIUS`."""
    low, high = RADIUS
    squared = jax.random.uniform(key, shape, minval=low**2, maxval=high**2)
    return jnp.log(-0.5 * jnp.log(squared))


def _log_phase(key: Any, shape: tuple[int, ...]) -> Float[Array, "width"]:
    return jnp.log(jax.random.uniform(key, shape, minval=1e-4, maxval=LARGEST_PHASE))
