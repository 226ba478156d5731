"""Fair choices from 32 random bits each, by counting bits: cheaper than a random number for everything on offer."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

_WORD = 32


def below(bits: Int[Array, "*draw"], n: Int[Array, "*draw"]) -> Int[Array, "*draw"]:
    """A whole number from 0 to n - 1, with n below 2^16 (0 for n = 0): floor(bits * n / 2^32).

    In two halves, because there are no products of 64 bits. Chances differ by at most n / 2^32.
    """
    n = n.astype(jnp.uint32)
    return (((bits >> 16) * n + ((bits & 0xFFFF) * n >> 16)) >> 16).astype(jnp.int32)


def one_of(bits: Int[Array, ""], allowed: Bool[Array, "choice"]) -> Int[Array, ""]:
    """The number of one of the allowed choices; what it is when none is allowed means nothing."""
    padded = jnp.pad(allowed, (0, -allowed.size % _WORD)).reshape(-1, _WORD)
    words = jnp.sum(padded.astype(jnp.uint32) << jnp.arange(_WORD, dtype=jnp.uint32), axis=1)
    sizes = jax.lax.population_count(words).astype(jnp.int32)
    if len(words) == 1:
        return nth_bit(words[0], below(bits, sizes[0]))
    place = jnp.arange(sizes.size)
    before = jnp.sum(jnp.where(place < place[:, None], sizes, 0), axis=1)
    rank = below(bits, jnp.sum(sizes))
    word = jnp.sum(before <= rank) - 1
    return _WORD * word + nth_bit(words[word], rank - before[word])


@jax.jit  # traced once for all draws of a shape
def nth_bit(word: Int[Array, "*draw"], n: Int[Array, "*draw"]) -> Int[Array, "*draw"]:
    """The place of the n-th set bit, 31 if there are not so many: halve the word, go on in the half that holds it."""
    place = jnp.zeros_like(n)
    for width in (16, 8, 4, 2, 1):
        lower = jax.lax.population_count(word & jnp.uint32((1 << width) - 1)).astype(jnp.int32)
        above = n >= lower
        n = jnp.where(above, n - lower, n)
        word = jnp.where(above, word >> width, word)
        place = place + jnp.where(above, width, 0)
    return place
