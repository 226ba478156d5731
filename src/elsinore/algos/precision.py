"""The precision of an algorithm's products of matrices."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax

from elsinore.types import Algorithm

# Those of `jax.default_matmul_precision` that each platform has; the last three are jax's other
# names of the first.
PRECISIONS = ("default", "high", "highest", "bfloat16", "tensorfloat32", "float32")


def with_precision(algo: Algorithm, precision: str | None) -> Algorithm:
    """The algorithm whose functions are traced with products of matrices of this precision, with
    all that they call: networks, their gradients, the env. None: those of jax's own setting, and
    the algorithm as it is."""
    if precision is None:
        return algo

    def at(function: Callable) -> Callable:
        @wraps(function)
        def traced(*args: Any, **how: Any) -> Any:
            with jax.default_matmul_precision(precision):
                return function(*args, **how)

        return traced

    def at_each(functions: Any) -> Any:
        """A record whose functions are `at`; its other fields are as they were."""
        there = functions._asdict().items()
        return functions._replace(**{name: at(x) for name, x in there if callable(x)})

    parts = None if algo.parts is None else at_each(algo.parts)
    return at_each(algo)._replace(policy=at_each(algo.policy), parts=parts)
