"""Complex numbers as pairs of real ones, which ONNX's operations are of.

A linear recurrence (`algo.network.lru`) has them: it makes complex numbers of two real ones, adds
and multiplies them, and reads their parts.
"""

from typing import Any

import jax
import numpy as np
from jax import lax

from elsinore.runs.export.onnx.program import Equation, UnknownOperation, Value

# Operations that do the same to the real and to the imaginary part.
ALIKE = {"add", "sub", "neg", "copy", "stop_gradient"}
ALIKE |= {"broadcast_in_dim", "reshape", "squeeze", "expand_dims", "slice", "split", "transpose"}
ALIKE |= {"concatenate", "stack"}


def in_pairs(steps: list[Equation]) -> list[Equation]:
    """The steps of a program with two real values for each complex one.

    Raises:
        UnknownOperation: for an operation on complex numbers that a linear recurrence has not.
    """
    pairs = _Pairs()
    return [real for step in steps for real in pairs.of_step(step)]


def is_complex(value: Value) -> bool:
    return value.dtype.kind == "c"


class _Pairs:
    """The real and the imaginary part of each complex value."""

    def __init__(self):
        self._of: dict[Value, tuple[Value, Value]] = {}

    def of_step(self, step: Equation) -> list[Equation]:
        """The steps of real values that a step becomes."""
        if not any(map(is_complex, (*step.inputs, *step.outputs))):
            return [step]
        name = step.primitive.name
        if name == "complex":
            self._of[step.outputs[0]] = step.inputs[0], step.inputs[1]
            return []
        if name in ("real", "imag"):
            part = self._pair(step.inputs[0])[name == "imag"]
            return [Equation(lax.copy_p, {}, [part], step.outputs)]
        inputs, outputs = list(map(self._pair, step.inputs)), list(map(self._pair, step.outputs))
        if name == "mul":
            return _product(*inputs, *outputs)
        if name in ALIKE:
            parts = zip(zip(*inputs, strict=True), zip(*outputs, strict=True), strict=True)
            return [step._replace(inputs=list(ins), outputs=list(outs)) for ins, outs in parts]
        raise UnknownOperation(
            f"this policy computes {name!r} of complex numbers, which the ONNX export has no"
            " operation for; export it with --format jax (in Python, form='jax')."
        )

    def _pair(self, value: Value) -> tuple[Value, Value]:
        if value not in self._of:
            number = value.constant
            real, imag = (None, None) if number is None else (np.real(number), np.imag(number))
            self._of[value] = _part(value, real), _part(value, imag)
        return self._of[value]


def _part(value: Value, constant: Any = None) -> Value:
    dtype = np.real(np.zeros((), value.dtype)).dtype
    return Value(jax.ShapeDtypeStruct(value.shape, dtype), constant)


def _product(a: tuple, b: tuple, product: tuple) -> list[Equation]:
    """(a0 + i a1) (b0 + i b1) = a0 b0 - a1 b1 + i (a0 b1 + a1 b0)."""
    factors = (a[0], b[0]), (a[1], b[1]), (a[0], b[1]), (a[1], b[0])
    terms = [_part(product[0]) for _ in factors]
    times = [Equation(lax.mul_p, {}, list(f), [x]) for f, x in zip(factors, terms, strict=True)]
    real = Equation(lax.sub_p, {}, terms[:2], [product[0]])
    return [*times, real, Equation(lax.add_p, {}, terms[2:], [product[1]])]
