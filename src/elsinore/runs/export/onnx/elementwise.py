"""Operations on each number of an array: the nodes of an ONNX graph for primitives of jax."""

from collections.abc import Callable

import numpy as np
from jax import lax

from elsinore.runs.export.onnx.graph import Graph
from elsinore.runs.export.onnx.program import Equation, UnknownOperation

Operation = Callable[[Graph, Equation], str | list[str]]
CHOSEN = ("uint8", "int32", "int64")  # the integers that onnxruntime has Where of; no truth values


def _simple(kind: str) -> Operation:
    return lambda g, step: g.op(kind, *map(g.name, step.inputs))


def _chain(*kinds: str) -> Operation:
    """Operations of one input, one after another."""

    def add(g: Graph, step: Equation) -> str:
        name = g.name(step.inputs[0])
        for kind in kinds:
            name = g.op(kind, name)
        return name

    return add


def _same(g: Graph, step: Equation) -> list[str]:
    return [g.name(value) for value in step.inputs]


def _not_equal(g: Graph, step: Equation) -> str:
    return g.op("Not", g.op("Equal", *map(g.name, step.inputs)))


def _logical(kind: str, bits: str) -> Operation:
    def add(g: Graph, step: Equation) -> str:
        is_bool = step.inputs[0].dtype == np.bool_
        return g.op(kind if is_bool else bits, *map(g.name, step.inputs))

    return add


def _square(g: Graph, step: Equation) -> str:
    return g.op("Mul", *[g.name(step.inputs[0])] * 2)


def _integer_power(g: Graph, step: Equation) -> str:
    if step.params["y"] == 2:
        return _square(g, step)
    exponent = g.constant(np.array(step.params["y"], step.inputs[0].dtype))
    return g.op("Pow", g.name(step.inputs[0]), exponent)


def _log_plus_one(g: Graph, step: Equation) -> str:
    one = g.constant(np.ones((), step.inputs[0].dtype))
    return g.op("Log", g.op("Add", g.name(step.inputs[0]), one))


def _exp_minus_one(g: Graph, step: Equation) -> str:
    one = g.constant(np.ones((), step.inputs[0].dtype))
    return g.op("Sub", g.op("Exp", g.name(step.inputs[0])), one)


def _round(g: Graph, step: Equation) -> str:
    if step.params["rounding_method"] != lax.RoundingMethod.TO_NEAREST_EVEN:
        raise UnknownOperation("this policy rounds halves away from zero; export it as jax.")
    return g.op("Round", g.name(step.inputs[0]))


def _is_finite(g: Graph, step: Equation) -> str:
    name = g.name(step.inputs[0])
    return g.op("Not", g.op("Or", g.op("IsInf", name), g.op("IsNaN", name)))


def _remainder(g: Graph, step: Equation) -> str:
    return g.op("Mod", *map(g.name, step.inputs), fmod=1)


def _clamp(g: Graph, step: Equation) -> str:
    low, x, high = map(g.name, step.inputs)
    return g.op("Min", g.op("Max", x, low), high)


def _select(g: Graph, step: Equation) -> str:
    which, *cases = step.inputs
    if which.dtype != np.bool_ or len(cases) != 2:
        raise UnknownOperation("this policy chooses among more than two arrays; export it as jax.")
    names, dtype = [g.name(x) for x in reversed(cases)], cases[0].dtype
    if dtype.kind not in "biu" or dtype in CHOSEN:
        return g.op("Where", g.name(which), *names)
    wide = [g.cast(name, np.int64) for name in names]
    return g.cast(g.op("Where", g.name(which), *wide), dtype)


def _convert(g: Graph, step: Equation) -> str:
    return g.cast(g.name(step.inputs[0]), step.outputs[0].dtype)


ELEMENTWISE: dict[str, Operation] = {
    "abs": _simple("Abs"),
    "add": _simple("Add"),
    "add_any": _simple("Add"),
    "and": _logical("And", "BitwiseAnd"),
    "ceil": _simple("Ceil"),
    "clamp": _clamp,
    "convert_element_type": _convert,
    "copy": _same,
    "cos": _simple("Cos"),
    "div": _simple("Div"),
    "eq": _simple("Equal"),
    "erf": _simple("Erf"),
    "exp": _simple("Exp"),
    "expm1": _exp_minus_one,
    "floor": _simple("Floor"),
    "ge": _simple("GreaterOrEqual"),
    "gt": _simple("Greater"),
    "integer_pow": _integer_power,
    "is_finite": _is_finite,
    "le": _simple("LessOrEqual"),
    "log": _simple("Log"),
    "log1p": _log_plus_one,
    "logistic": _simple("Sigmoid"),
    "lt": _simple("Less"),
    "max": _simple("Max"),
    "min": _simple("Min"),
    "mul": _simple("Mul"),
    "ne": _not_equal,
    "neg": _simple("Neg"),
    "not": _logical("Not", "BitwiseNot"),
    "optimization_barrier": _same,
    "or": _logical("Or", "BitwiseOr"),
    "pow": _simple("Pow"),
    "rem": _remainder,
    "round": _round,
    "rsqrt": _chain("Sqrt", "Reciprocal"),
    "select_n": _select,
    "sign": _simple("Sign"),
    "sin": _simple("Sin"),
    "sqrt": _simple("Sqrt"),
    "square": _square,
    "stop_gradient": _same,
    "sub": _simple("Sub"),
    "tanh": _simple("Tanh"),
}
