"""Functions without repeats: an operation on the same values is computed once.

XLA also removes repeats, but in a program for several devices before it simplifies divisions, and
in one for a single device after it. It makes x / y a product with 1 / y where only one operation
reads the scalar y (jaxlib 0.11.2), and the product rounds otherwise. So whether a quotient is left
depends on the devices where y is computed twice, and where two operations spread y over an array,
each for itself. A function that repeats nothing is simplified alike in both.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

CALLS = {"jit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr"}
# Operations that spread a scalar operand over the other one's shape when they are lowered.
ARITHMETIC = ("add", "sub", "mul", "div", "rem", "pow", "atan2", "max", "min")
ELEMENTWISE = (*ARITHMETIC, "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor")
MARK = "xla_metadata_value"  # marks the call that made its argument, which so has to stay a call


def without_repeats(closed: ClosedJaxpr) -> Callable[..., list]:
    """The function of a jaxpr, of leaves, as one that evaluates each operation on the same values
    once, inside loops and branches, too. Results are equal, but for how XLA rounds quotients by a
    scalar."""
    return partial(_evaluated, closed.jaxpr, closed.consts, known={})


def _evaluated(jaxpr: Jaxpr, consts: Sequence, *args: Any, known: dict) -> list:
    """Outputs of a jaxpr. `known` has the operations so far, with their inputs and outputs: while
    an input is there no other value has its identity."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))
    marked = any(eqn.primitive.name == MARK for eqn in jaxpr.eqns)

    def value_of(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for eqn in jaxpr.eqns:
        inputs, name = [value_of(x) for x in eqn.invars], eqn.primitive.name
        if name in ELEMENTWISE:
            inputs = [_spread(x, np.shape(eqn.outvars[0].aval), known) for x in inputs]
        if name in CALLS and not marked:
            inner = eqn.params[CALLS[name]]
            outputs = _evaluated(inner.jaxpr, inner.consts, *inputs, known=known)
        else:
            operation = (eqn.primitive, _identity(eqn.params), *map(_identity, inputs))
            if operation not in known or eqn.effects:
                known[operation] = (eqn, inputs, _outputs_of(eqn, inputs))
            outputs = known[operation][-1]
        values.update(zip(eqn.outvars, outputs, strict=True))
    return [value_of(x) for x in jaxpr.outvars]


def _spread(x: Any, shape: tuple[int, ...], known: dict) -> Any:
    """A scalar as an array of that shape, one for all operations that need it; arrays, and numbers
    that are written in the program, as they are."""
    if not isinstance(x, jax.Array) or x.shape == shape:
        return x
    params = {"shape": shape, "broadcast_dimensions": (), "sharding": None}  # as in a jaxpr
    operation = (jax.lax.broadcast_in_dim_p, _identity(params), _identity(x))
    if operation not in known:
        known[operation] = (None, [x], [jax.lax.broadcast_in_dim(x, shape, ())])
    return known[operation][-1][0]


def _outputs_of(eqn: JaxprEqn, inputs: list) -> list:
    """Outputs of one operation, whose own functions repeat nothing."""
    params = {name: _map(x) for name, x in eqn.params.items()}
    with eqn.ctx.manager:
        found = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(params))
    return list(found) if eqn.primitive.multiple_results else [found]


def _map(parameter: Any) -> Any:
    """A parameter of an operation, with functions that repeat nothing in place of functions."""
    if isinstance(parameter, tuple):
        mapped = [_map(x) for x in parameter]
        same = all(x is y for x, y in zip(parameter, mapped, strict=True))
        return parameter if same else tuple(mapped)
    if not isinstance(parameter, ClosedJaxpr):
        return parameter
    avals: list[Any] = list(parameter.in_avals)
    inputs = [jax.ShapeDtypeStruct(x.shape, x.dtype, weak_type=x.weak_type) for x in avals]
    return jax.make_jaxpr(without_repeats(parameter))(*inputs)


def _identity(x: Any) -> Any:
    """A key by which two values are the same: equal for no others."""
    if isinstance(x, dict):
        return tuple((name, _identity(value)) for name, value in sorted(x.items()))
    if isinstance(x, bool | int | float | np.generic | np.ndarray):
        number = np.asarray(x, jax.dtypes.canonicalize_dtype(np.result_type(x)))
        return number.dtype, number.shape, number.tobytes()  # whether or not its type is weak
    try:
        return id(x) if isinstance(x, jax.Array) else (type(x), x, hash(x))[:2]
    except TypeError:  # of what has no hash
        return id(x)
