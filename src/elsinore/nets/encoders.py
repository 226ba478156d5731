"""Encoders of an observation. Each takes one observation; callers `vmap` over batches."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree, Shaped

from elsinore import validation
from elsinore.nets.initialisation import orthogonal

ACTIVATIONS: dict[str, Callable] = {
    "tanh": nn.tanh,
    "relu": nn.relu,
    "silu": nn.silu,
    "gelu": nn.gelu,
}
DTYPES = {"float32": None, "bfloat16": jnp.bfloat16}
MAX_LAYERS, MAX_WIDTH = 64, 65_536


def check_layers(config: Any) -> None:
    """Refuse an unknown `activation`, and layers without a size in `hidden`, `critic_hidden` or
    `channels`.

    Raises:
        ValueError: naming the field, its value and a remedy.
    """
    validation.one_of(config, "activation", *ACTIVATIONS)
    for name in ("hidden", "critic_hidden", "channels"):
        sizes = getattr(config, name, None)
        if sizes is None:
            continue
        if not sizes or min(sizes) < 1:
            raise ValueError(f"{name}={list(sizes)} must be one or more layer sizes of at least 1.")
        if len(sizes) > MAX_LAYERS or max(sizes) > MAX_WIDTH:
            raise ValueError(
                f"{name}={list(sizes)} must be at most {MAX_LAYERS} layers of at most {MAX_WIDTH}"
                " units."
            )


def check_image(channels: Sequence[int], shape: tuple[int, ...]) -> None:
    """Check that convolutions with these channels leave something of an image.

    Raises:
        ValueError: naming the setting, its value and a remedy.
    """
    if min(shape[:2]) <= 2 * len(channels) or not shape[2]:
        raise ValueError(
            f"algo.network.channels={list(channels)} leaves nothing of this environment's"
            f" observations {list(shape)}, since each convolution takes 2 off height and width; use"
            " encoder: mlp, or fewer channels."
        )


def check_not_empty(obs: PyTree) -> None:
    """Check that a network has something to read.

    Raises:
        ValueError: for an observation without numbers.
    """
    if not any(leaf.size for leaf in _leaves(obs)):
        raise ValueError(
            "this environment's observations hold no numbers beside an action_mask, and a network"
            " needs at least one; add a constant to them."
        )


def dense(features: int, scale: float, name: str | None = None, dtype: Any = None) -> nn.Dense:
    """A dense layer with orthogonal weights of gain `scale` and zero biases (detail 2 of Huang
    2022).

    `initialise` makes the weights. With a `dtype` their product with the input is of numbers of
    that type, summed in float32 (Micikevicius 2018, arXiv:1710.03740); the weights are float32.
    """
    init = orthogonal(scale)
    if dtype is None:
        return nn.Dense(features, kernel_init=init, name=name)
    product = partial(jax.lax.dot_general, preferred_element_type=jnp.float32)
    return nn.Dense(features, kernel_init=init, name=name, dtype=dtype, dot_general=product)


def flatten(obs: PyTree) -> Float[Array, "features"]:
    """Concatenate an observation to one float32 vector, without its `action_mask`."""
    return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in _leaves(obs)])


def _leaves(obs: PyTree) -> list[Any]:
    """The parts that a network reads."""
    if isinstance(obs, dict):
        obs = {name: part for name, part in obs.items() if name != "action_mask"}
    return jax.tree.leaves(obs)


class MLP(nn.Module):
    """Dense layers over the flattened observation."""

    hidden: Sequence[int] = (64, 64)
    activation: str = "tanh"
    layer_norm: bool = False  # before each activation
    dtype: Any = None  # of the products, see `dense`
    dropout: float = 0.0  # share of units set to 0, where `apply` has a key for it

    @nn.compact
    def __call__(self, obs: PyTree) -> Float[Array, "features"]:
        x = flatten(obs)
        for width in self.hidden:
            x = dense(width, np.sqrt(2), dtype=self.dtype)(x)
            if self.dropout and self.has_rng("dropout"):
                x = nn.Dropout(self.dropout, deterministic=False)(x)
            x = ACTIVATIONS[self.activation](nn.LayerNorm()(x) if self.layer_norm else x)
        return x


def patches(
    x: Float[Array, "height width channel"], size: int = 3
) -> Float[Array, "rows columns patch"]:
    """Every patch of `size` x `size`, flattened: shifted views side by side.

    A dense layer on them is a convolution without padding, as one matrix product. XLA's
    convolutions have slow gradients in a CPU's loops: 200,000 steps of PPO on MinAtar's Breakout
    take 220 s with them, and 23 s with patches.
    """
    height, width = x.shape[0] - size + 1, x.shape[1] - size + 1
    views = [x[i : i + height, j : j + width] for i in range(size) for j in range(size)]
    return jnp.concatenate(views, axis=-1)


def blocks(
    x: Float[Array, "height width channel"], size: int
) -> Float[Array, "rows columns block"]:
    """The image as blocks of `size` x `size`, flattened; what fills none at its ends is left out.

    Patches of k x k blocks are those of k `size` x k `size` pixels, `size` apart.
    """
    rows, columns = x.shape[0] // size, x.shape[1] // size
    x = x[: rows * size, : columns * size].reshape(rows, size, columns, size, -1)
    return x.swapaxes(1, 2).reshape(rows, columns, -1)


class CNN(nn.Module):
    """3x3 convolutions over a [height, width, channel] observation, then dense layers (as MinAtar's
    networks: Young & Tian 2019, arXiv:1903.03176)."""

    channels: Sequence[int] = (16,)
    hidden: Sequence[int] = (128,)
    activation: str = "relu"
    layer_norm: bool = False  # before each activation
    dtype: Any = None

    def patches_of(self) -> Sequence[tuple[int, int]]:
        """(size, stride) of each convolution's patches; a size is a multiple of its stride."""
        return [(3, 1)] * len(self.channels)

    def read(self, obs: Shaped[Array, "height width channel"]) -> Float[Array, "..."]:
        return obs.astype(jnp.float32)

    @nn.compact
    def __call__(self, obs: Shaped[Array, "height width channel"]) -> Float[Array, "features"]:
        x = self.read(obs)
        for width, (size, stride) in zip(self.channels, self.patches_of(), strict=True):
            seen = patches(blocks(x, stride) if stride > 1 else x, size // stride)
            x = dense(width, np.sqrt(2), dtype=self.dtype)(seen)
            x = ACTIVATIONS[self.activation](nn.LayerNorm()(x) if self.layer_norm else x)
        return MLP(self.hidden, self.activation, self.layer_norm, self.dtype)(x)


class NatureCNN(CNN):
    """The convolutions that learnt Atari (Mnih 2015, Nature 518, "Model architecture"): 32 channels
    of 8x8 patches, 4 apart, 64 of 4x4, 2 apart, and 64 of 3x3.

    Images of uint8 are read as 0 to 1, of another dtype as they are.
    """

    channels: Sequence[int] = (32, 64, 64)

    def patches_of(self) -> Sequence[tuple[int, int]]:
        return [(8, 4), (4, 2), (3, 1)]

    def read(self, obs: Shaped[Array, "height width channel"]) -> Float[Array, "..."]:
        x = obs.astype(jnp.float32)
        return x / 255.0 if obs.dtype == jnp.uint8 else x


SMALLEST = 36  # height and width of an image of which these leave 1 x 1


def check_large_image(shape: tuple[int, ...]) -> None:
    """Check that the convolutions of `NatureCNN` leave something of an image.

    Raises:
        ValueError: naming the setting, its value and a remedy.
    """
    if min(shape[:2]) < SMALLEST or not shape[2]:
        raise ValueError(
            f"algo.network.encoder='nature' needs images of at least {SMALLEST} x {SMALLEST}, and"
            f" this environment's observations are {list(shape)}; use encoder: cnn."
        )
