"""Action spaces that gymnax does not have."""

import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.spaces import Space
from jaxtyping import Array, Bool, Int, Key


class MultiDiscrete(Space):
    """Several discrete choices: number i is in 0 .. nvec[i] - 1.

    An observation's `action_mask` concatenates the masks of all choices, [sum(nvec)].

    Raises:
        ValueError: if `nvec` is empty or has anything but integers of at least 1.
    """

    def __init__(self, nvec: Sequence[int]):
        try:
            self.nvec = tuple(operator.index(n) for n in nvec)
        except TypeError as error:
            raise ValueError(
                f"nvec={nvec!r} must be a list of integers, such as [3, 2]."
            ) from error
        if not self.nvec or min(self.nvec) < 1:
            raise ValueError(f"nvec={list(self.nvec)} must give each choice at least 1 option.")
        self.shape = (len(self.nvec),)
        self.dtype = jnp.dtype(jnp.int32)

    def __repr__(self) -> str:
        return f"MultiDiscrete({list(self.nvec)})"

    def sample(self, key: Key[Array, ""]) -> Int[Array, "choice"]:
        return jax.random.randint(key, self.shape, 0, np.array(self.nvec, np.int32))

    def contains(self, x: Array) -> Bool[Array, ""]:
        """True if every number of `x` is in the range of its choice."""
        x = jnp.asarray(x)
        return jnp.all((x >= 0) & (x < np.array(self.nvec, np.int32)))
