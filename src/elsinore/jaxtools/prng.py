"""Random keys addressed by update and use, not threaded; no key is used twice."""

import math
import zlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Key

from elsinore.jaxtools import shards


def for_update(seed_key: Key[Array, ""], update: Int[ArrayLike, ""]) -> Key[Array, ""]:
    """The key of one update of one seed, and of its shard; any update can be replayed alone."""
    # below 2^31, where no use's constant is
    return shards.own_key(jax.random.fold_in(seed_key, update))


def for_use(key: Key[Array, ""], name: str) -> Key[Array, ""]:
    """The key of one named use; the name's CRC-32 is the same on every machine and Python."""
    return jax.random.fold_in(key, _constant(name))


def for_uses(key: Key[Array, ""], *names: str) -> Key[Array, "use"]:
    """`for_use` of several names in one draw: each draw of its own costs the compiler 0.07 s."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(
        key, np.array([_constant(n) for n in names], np.uint32)
    )


def draw(sampler: Callable[..., Array], key: Key[Array, ""], shape: tuple[int, ...]) -> Array:
    """`sampler(key, shape)`, drawn in one row and folded afterwards.

    The numbers are the same. XLA unrolls the short axes of a many-axed draw into a kernel that LLVM
    needs 0.2 to 0.8 s for; as one row it needs 0.02 s.
    """
    return sampler(key, (math.prod(shape),)).reshape(shape)


def split(key: Key[Array, ""], shape: tuple[int, ...]) -> Key[Array, "..."]:
    """Keys of any shape, likewise."""
    return draw(jax.random.split, key, shape)


def over_keys(function: Callable[..., Any], keys: Key[Array, "..."], *args: Any) -> Any:
    """`function(key, *args)` of each key, by the `args` in its place."""
    for _ in range(keys.ndim):
        function = jax.vmap(function)
    return function(keys, *args)


def _constant(name: str) -> int:
    return zlib.crc32(name.encode()) | 2**31


def permutations(key: Key[Array, ""], num: int, size: int) -> Int[Array, "num size"]:
    """`num` random orders of 0 .. size-1, all from one sort.

    For sizes up to 2^16 each index rides in the low bits of its own random number, so one operand
    is sorted instead of two (5 % of a small PPO update became 2 %, on one CPU core). Ties among the
    random high bits then keep their order: at most one pair in 2^16 is so bound, which no minibatch
    can feel.
    """
    random = draw(jax.random.bits, key, (num, size))
    index = jax.lax.broadcasted_iota("uint32", (num, size), 1)
    if size > 2**16:
        return jax.lax.sort((random, index), dimension=1, num_keys=1)[1].astype("int32")
    low_bits = (1 << (size - 1).bit_length()) - 1
    packed = jax.lax.sort(
        (random & ~jax.numpy.uint32(low_bits)) | index, dimension=1, is_stable=False
    )
    return (packed & low_bits).astype("int32")
