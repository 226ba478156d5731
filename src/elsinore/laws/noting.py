"""Which keys a program spends, told by the keys themselves."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl
from jaxtyping import Array, Key


class Spent:
    """What a program spends of the key `key(seed)` and all that comes of it: a key is spent by a draw and by a
    split, but not by `fold_in`. The numbers drawn are those of an ordinary key (threefry)."""

    def __init__(self):
        self._seen: list[bytes] = []
        self._impl = define_prng_impl(
            key_shape=(2,), seed=_seed, split=self._split, random_bits=self._bits, fold_in=_fold_in, name="noting"
        )

    def key(self, seed: int) -> Key[Array, ""]:
        return jax.random.key(seed, impl=self._impl)

    def times(self, key: Key[Array, ""]) -> int:
        """How often this key was spent."""
        jax.effects_barrier()
        return self._seen.count(np.asarray(jax.random.key_data(key)).tobytes())

    def repeated(self) -> tuple[int, int]:
        """How many keys were spent more than once, of how many."""
        jax.effects_barrier()
        _, counts = np.unique(np.array(self._seen), return_counts=True)
        return int((counts > 1).sum()), len(counts)

    def _note(self, data: Array) -> None:
        jax.debug.callback(lambda data: self._seen.append(np.asarray(data).tobytes()), data)

    def _bits(self, data: Array, bit_width: int, shape: tuple[int, ...]) -> Array:
        self._note(data)
        return jax.random.bits(_threefry(data), shape, jnp.dtype(f"uint{bit_width}"))

    def _split(self, data: Array, shape: tuple[int, ...]) -> Array:
        self._note(data)
        return jax.random.key_data(jax.random.split(_threefry(data), shape))


def _threefry(data: Array) -> Key[Array, ""]:
    return jax.random.wrap_key_data(data, impl="threefry2x32")


def _seed(seed: Array) -> Array:
    return jax.random.key_data(jax.random.key(seed, impl="threefry2x32"))


def _fold_in(data: Array, number: Array) -> Array:
    return jax.random.key_data(jax.random.fold_in(_threefry(data), number))
