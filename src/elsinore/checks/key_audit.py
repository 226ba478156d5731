"""Counts of how often a program consumes each PRNG key."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl
from jaxtyping import Array, Key


class KeyAudit:
    """A log of the keys that a program consumes, from `key(seed)` and the keys derived from it.

    Sampling and splitting consume a key; `fold_in` does not. The numbers drawn are those of an
    ordinary threefry key.
    """

    def __init__(self):
        self._consumed: list[bytes] = []
        self._impl = define_prng_impl(
            key_shape=(2,),
            seed=_seed,
            split=self._split,
            random_bits=self._bits,
            fold_in=_fold_in,
            name="audited",
        )

    def key(self, seed: int) -> Key[Array, ""]:
        return jax.random.key(seed, impl=self._impl)

    def count(self, key: Key[Array, ""]) -> int:
        """The number of times this key was consumed."""
        jax.effects_barrier()
        return self._consumed.count(np.asarray(jax.random.key_data(key)).tobytes())

    def reused(self) -> tuple[int, int]:
        """The number of keys consumed more than once, and the number consumed at all."""
        jax.effects_barrier()
        _, counts = np.unique(np.array(self._consumed), return_counts=True)
        return int((counts > 1).sum()), len(counts)

    def _record(self, data: Array) -> None:
        jax.debug.callback(lambda data: self._consumed.append(np.asarray(data).tobytes()), data)

    def _bits(self, data: Array, bit_width: int, shape: tuple[int, ...]) -> Array:
        self._record(data)
        return jax.random.bits(_threefry(data), shape, jnp.dtype(f"uint{bit_width}"))

    def _split(self, data: Array, shape: tuple[int, ...]) -> Array:
        self._record(data)
        return jax.random.key_data(jax.random.split(_threefry(data), shape))


def _threefry(data: Array) -> Key[Array, ""]:
    return jax.random.wrap_key_data(data, impl="threefry2x32")


def _seed(seed: Array) -> Array:
    return jax.random.key_data(jax.random.key(seed, impl="threefry2x32"))


def _fold_in(data: Array, number: Array) -> Array:
    return jax.random.key_data(jax.random.fold_in(_threefry(data), number))
