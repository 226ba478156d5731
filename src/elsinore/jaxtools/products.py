"""Gradients whose matrix products are in the form that XLA's kernels on a CPU are quick in.

A layer's weights, [in, out], have the gradient `x.T @ g` of its inputs x and of the gradient g of
its outputs, [batch, ...]. XLA (jaxlib 0.11.2) gives products that add up rows to YNNPACK, but those
that add up columns, as this one, to Eigen, which takes 1.1 to 3 times as long. So `x` is transposed
first, behind a barrier without which XLA would put that back into the product. Where a layer has
many more inputs than outputs, `g.T @ x` is quicker, and the barrier keeps it as it is.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from jaxtyping import Array, Float

from elsinore.jaxtools.barrier import barrier

# Products that add up the first axis of two matrices; no other axis.
OF_COLUMNS = (((0,), (0,)), ((), ()))
NARROW = 2  # a layer with more than this many times as many inputs as outputs is narrow


def with_quick_products(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, with its own products of columns as products of rows, on a CPU; those in its
    loops and branches stay. Results are the same, or differ by rounding."""

    def replaced(*args: Any) -> Any:
        if jax.default_backend() != "cpu":
            return function(*args)
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        outputs = _evaluated(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), outputs)

    return replaced


def _evaluated(jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *inputs), strict=True))

    def value_of(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for eqn in jaxpr.eqns:
        found = _outputs_of(eqn, [value_of(x) for x in eqn.invars])
        values.update(zip(eqn.outvars, found, strict=True))
    return [value_of(x) for x in jaxpr.outvars]


def _outputs_of(eqn: JaxprEqn, inputs: list[Any]) -> list[Any]:
    with eqn.ctx.manager:
        if _is_of_columns(eqn):
            return [product_of_columns(*inputs)]
        found = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return list(found) if eqn.primitive.multiple_results else [found]


def _is_of_columns(eqn: JaxprEqn) -> bool:
    if eqn.primitive.name != "dot_general" or eqn.params["dimension_numbers"] != OF_COLUMNS:
        return False
    avals: list[Any] = [x.aval for x in (*eqn.invars, *eqn.outvars)]
    return all(aval.ndim == 2 and aval.dtype == "float32" for aval in avals)


def product_of_columns(
    g: Float[Array, "batch out"], x: Float[Array, "batch in"]
) -> Float[Array, "out in"]:
    """`g.T @ x`: the gradient of a layer's weights as differentiation writes it, which it then
    transposes; the two transpositions cancel."""
    if x.shape[1] > NARROW * g.shape[1]:
        return barrier(g.T @ x)
    return (barrier(x.T) @ g).T
