"""A program as a list: the operations of a jaxpr and of all that it calls, on arrays."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


class UnknownOperation(ValueError):
    """A primitive that the graph has no operation for."""


class Value:
    """An array of the program: a constant, or the output of an operation."""

    def __init__(self, aval: Any, constant: np.ndarray | None = None):
        self.shape, self.dtype = tuple(aval.shape), np.dtype(aval.dtype)
        self.constant = constant


class Equation(NamedTuple):
    """One operation on values."""

    primitive: Any
    params: dict[str, Any]
    inputs: list[Value]
    outputs: list[Value]


def inlined(
    jaxpr: Jaxpr, consts: Sequence[Any], arguments: list[Value]
) -> tuple[list[Equation], list[Value]]:
    """The operations of a jaxpr and of all that it calls, in order, and its results."""
    known: dict[Any, Value] = dict(zip(jaxpr.invars, arguments, strict=True))
    for var, const in zip(jaxpr.constvars, consts, strict=True):
        # a key is no array; what is drawn with it is not needed by a greedy policy
        is_key = jax.dtypes.issubdtype(const.dtype, jax.dtypes.prng_key)
        known[var] = Value(
            jax.random.key_data(const) if is_key else var.aval,
            np.asarray(jax.random.key_data(const) if is_key else const),
        )
    steps: list[Equation] = []

    def value_of(atom: Any) -> Value:
        return Value(atom.aval, np.asarray(atom.val)) if isinstance(atom, Literal) else known[atom]

    for eqn in jaxpr.eqns:
        inputs = [value_of(atom) for atom in eqn.invars]
        called = _called(eqn)
        if called is not None:
            inner, results = inlined(called.jaxpr, called.consts, inputs)
            steps += inner
        else:
            results = [_value_like(var.aval) for var in eqn.outvars]
            steps.append(Equation(eqn.primitive, dict(eqn.params), inputs, results))
        known |= dict(zip(eqn.outvars, results, strict=True))
    return steps, [value_of(atom) for atom in jaxpr.outvars]


def _value_like(aval: Any) -> Value:
    if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.extended):
        return Value(jax.ShapeDtypeStruct(aval.shape, np.uint32))
    return Value(aval)


def _called(eqn: Any) -> ClosedJaxpr | None:
    """The program that an equation calls once, such as that of a `jit` inside; None for others."""
    if eqn.primitive.name in ("scan", "while", "cond"):
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        found = eqn.params.get(name)
        if isinstance(found, ClosedJaxpr):
            return found
        if isinstance(found, Jaxpr):
            return ClosedJaxpr(found, ())
    return None


def needed(steps: list[Equation], results: list[Value]) -> list[Equation]:
    """The steps that the results depend on."""
    wanted, kept = {id(value) for value in results}, []
    for step in reversed(steps):
        if wanted & {id(value) for value in step.outputs}:
            wanted |= {id(value) for value in step.inputs}
            kept.append(step)
    return kept[::-1]


def computed(step: Equation) -> bool:
    """Compute a step of constants now; False for one that depends on the inputs."""
    sizes = [size for value in step.outputs for size in value.shape]
    if any(value.constant is None for value in step.inputs) or not all(
        isinstance(size, int) for size in sizes
    ):
        return False
    constants = [jnp.asarray(value.constant, value.dtype) for value in step.inputs]
    found = step.primitive.bind(*constants, **step.params)
    results = found if step.primitive.multiple_results else [found]
    for value, x in zip(step.outputs, results, strict=True):
        value.constant = np.asarray(x)
    return True
