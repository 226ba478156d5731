"""Memory that a program needs while it runs, judged from its matrix products before it is
compiled."""

from jax.core import AbstractValue, ShapedArray
from jax.extend.core import Jaxpr, Var, subjaxprs

PRODUCTS = ("dot_general", "conv_general_dilated")


def working_bytes(jaxpr: Jaxpr) -> int:
    """Bytes of the largest activations, at any depth: the largest array that a matrix product reads
    or writes, or a quarter of what all products of one nested program read, if that is more.

    A network applied to a whole rollout holds a layer at a time, a gradient what its forward pass
    read. The quarter is measured: with the arrays of its rollout, PPO with 65,536 envs comes to
    1,625 MiB (1,648 on a GPU), A2C with 16,384 to 334 (XLA plans 402 on a CPU), PPO with 4,096 on
    MinAtar to 2,950 (3,672).
    """
    products = [eqn for eqn in jaxpr.eqns if eqn.primitive.name in PRODUCTS]
    arrays = [x.aval for eqn in products for x in (*eqn.invars, *eqn.outvars)]
    read = {x: x.aval for eqn in products for x in eqn.invars if isinstance(x, Var)}
    largest = max(map(_bytes, arrays), default=0)
    inside = max(map(working_bytes, subjaxprs(jaxpr)), default=0)
    return max(largest, sum(map(_bytes, read.values())) // 4, inside)


def _bytes(array: AbstractValue) -> int:
    return array.size * array.dtype.itemsize if isinstance(array, ShapedArray) else 0
