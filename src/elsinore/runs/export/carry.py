"""The carry of an exported policy: arrays that are all zeros when an episode begins."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.nets.network import reset_carry


class ExportedCarry(NamedTuple):
    """A carry as a list of arrays, of which zeros stand for the initial one."""

    start: list[np.ndarray]  # zeros, of one episode
    read: Callable[[list[Any]], PyTree]  # the policy's carry, [batch, ...]
    write: Callable[[PyTree], list[Any]]


def exported_carry(initial: PyTree) -> ExportedCarry:
    """The carry that an exported policy takes in place of one that begins as `initial`.

    Where `initial` is not all zeros, one more number for each episode follows its arrays: 0 where
    the episode begins, and 1 afterwards.
    """
    given, tree = jax.tree.flatten(initial)
    first = [np.asarray(x, jnp.result_type(x)) for x in given]  # numpy: also inside `jax.jit`
    start = [np.zeros_like(x) for x in first]
    if not any(map(np.any, first)):
        return ExportedCarry(start, tree.unflatten, jax.tree.leaves)

    def read(given: list[Any]) -> PyTree:
        *carry, begun = given
        return tree.unflatten(reset_carry(begun == 0, list(map(jnp.asarray, first)), carry))

    def write(carry: PyTree) -> list[Any]:
        arrays = jax.tree.leaves(carry)
        return [*arrays, jnp.ones(arrays[0].shape[:1], jnp.float32)]

    return ExportedCarry([*start, np.zeros((), np.float32)], read, write)
