"""Uniform choices from 32 random bits, cheaper than a random number for each option."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, UInt32

_WORD = 32


def below(bits: UInt32[Array, "*draw"], n: Int[Array, "*draw"]) -> Int[Array, "*draw"]:
    """A random integer in 0 .. n - 1 for n < 2^16 (0 for n = 0): floor(bits * n / 2^32).

    Computed in two halves, without 64-bit products. Probabilities differ by at most n / 2^32.
    """
    n = n.astype(jnp.uint32)
    return (((bits >> 16) * n + ((bits & 0xFFFF) * n >> 16)) >> 16).astype(jnp.int32)


def choose_one(bits: UInt32[Array, ""], allowed: Bool[Array, "choice"]) -> Int[Array, ""]:
    """The index of a uniformly chosen allowed option; undefined if none is allowed."""
    padded = jnp.pad(allowed, (0, -allowed.size % _WORD)).reshape(-1, _WORD)
    words = jnp.sum(padded.astype(jnp.uint32) << jnp.arange(_WORD, dtype=jnp.uint32), axis=1)
    sizes = jax.lax.population_count(words).astype(jnp.int32)
    if len(words) == 1:
        return nth_bit(words[0], below(bits, sizes[0]))
    position = jnp.arange(sizes.size)
    before = jnp.sum(jnp.where(position < position[:, None], sizes, 0), axis=1)
    rank = below(bits, jnp.sum(sizes))
    word = jnp.sum(before <= rank) - 1
    return _WORD * word + nth_bit(words[word], rank - before[word])


@jax.jit  # traced once for all draws of a shape
def nth_bit(word: UInt32[Array, "*draw"], n: Int[Array, "*draw"]) -> Int[Array, "*draw"]:
    """The position of the n-th set bit by bisection of the word; 31 if there are fewer."""
    position = jnp.zeros_like(n)
    for width in (16, 8, 4, 2, 1):
        lower = jax.lax.population_count(word & jnp.uint32((1 << width) - 1)).astype(jnp.int32)
        above = n >= lower
        n = jnp.where(above, n - lower, n)
        word = jnp.where(above, word >> width, word)
        position = position + jnp.where(above, width, 0)
    return position
