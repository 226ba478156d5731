"""The table of operations: the nodes of an ONNX graph for each primitive of jax."""

from collections.abc import Callable

import numpy as np

from elsinore.runs.onnx.graph import Graph
from elsinore.runs.onnx.program import Equation, UnknownOperation

Operation = Callable[[Graph, Equation], str | list[str]]


def add(g: Graph, step: Equation) -> None:
    """Add the nodes of a step to a graph.

    Raises:
        UnknownOperation: for a primitive without an entry in the table.
    """
    if (name := step.primitive.name) not in OPERATIONS:
        raise UnknownOperation(
            f"this policy computes {name!r}, which the ONNX export has no operation for; export"
            " it with --format jax."
        )
    found = OPERATIONS[name](g, step)
    g.name_outputs(step.outputs, [found] if isinstance(found, str) else found)


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
    return g.op("Where", g.name(which), g.name(cases[1]), g.name(cases[0]))


def _convert(g: Graph, step: Equation) -> str:
    return g.cast(g.name(step.inputs[0]), step.outputs[0].dtype)


def _reshape(g: Graph, step: Equation) -> str:
    return g.reshaped(g.name(step.inputs[0]), step.outputs[0].shape)


def _broadcast(g: Graph, step: Equation) -> str:
    shape, axes = step.outputs[0].shape, step.params["broadcast_dimensions"]
    name = g.name(step.inputs[0])
    new = [i for i in range(len(shape)) if i not in axes]
    if new:
        name = g.op("Unsqueeze", name, g.constant(np.array(new, np.int64)))
    before = dict(zip(axes, step.inputs[0].shape, strict=True))
    if all(str(before.get(i, 1)) == str(size) for i, size in enumerate(shape)):
        return name
    return g.op("Expand", name, g.size(shape))


def _transpose(g: Graph, step: Equation) -> str:
    return g.op("Transpose", g.name(step.inputs[0]), perm=list(step.params["permutation"]))


def _concatenate(g: Graph, step: Equation) -> str:
    return g.op("Concat", *map(g.name, step.inputs), axis=step.params["dimension"])


def _stack(g: Graph, step: Equation) -> str:
    axis = step.params["axis"]
    place = g.constant(np.array([axis], np.int64))
    return g.op("Concat", *(g.op("Unsqueeze", g.name(x), place) for x in step.inputs), axis=axis)


def _slice(g: Graph, step: Equation) -> str:
    begin, end = step.params["start_indices"], step.params["limit_indices"]
    strides = step.params["strides"] or (1,) * len(begin)
    whole = step.inputs[0].shape
    axes = [i for i, size in enumerate(whole) if (begin[i], str(end[i])) != (0, str(size))]
    axes = [i for i in range(len(whole)) if i in axes or strides[i] != 1]
    if not axes:
        return g.name(step.inputs[0])
    bounds = [[each[i] for i in axes] for each in (begin, end)]
    parts = [g.constant(np.array(x, np.int64)) for x in (*bounds, axes, [strides[i] for i in axes])]
    return g.op("Slice", g.name(step.inputs[0]), *parts)


def _split(g: Graph, step: Equation) -> list[str]:
    sizes = g.constant(np.array(step.params["sizes"], np.int64))
    inputs = (g.name(step.inputs[0]), sizes)
    return g.ops("Split", inputs, len(step.outputs), axis=step.params["axis"])


def _pad(g: Graph, step: Equation) -> str:
    low, high, inside = zip(*step.params["padding_config"], strict=True)
    if any(inside) or min(*low, *high) < 0:
        raise UnknownOperation("this policy pads inside of an array; export it as jax.")
    sizes = g.constant(np.array([*low, *high], np.int64))
    return g.op("Pad", g.name(step.inputs[0]), sizes, g.name(step.inputs[1]))


def _iota(g: Graph, step: Equation) -> str:
    shape, axis = step.outputs[0].shape, step.params["dimension"]
    if not isinstance(shape[axis], int):
        raise UnknownOperation("this policy numbers its batch; export it as jax.")
    sizes = [shape[i] if i == axis else 1 for i in range(len(shape))]
    numbers = np.arange(shape[axis], dtype=step.outputs[0].dtype).reshape(sizes)
    name = g.constant(numbers)
    return name if list(shape) == sizes else g.op("Expand", name, g.size(shape))


def _dot(g: Graph, step: Equation) -> str:
    """A product as MatMul if it is one of rows and a matrix, else as Einsum."""
    (left, right), (left_batch, right_batch) = step.params["dimension_numbers"]
    a, b = step.inputs
    last = len(a.shape) - 1
    if not left_batch and (tuple(left), tuple(right), len(b.shape)) == ((last,), (0,), 2):
        return g.op("MatMul", g.name(a), g.name(b))
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    one = [next(letters) for _ in a.shape]
    two = [next(letters) for _ in b.shape]
    for i, j in (*zip(left, right, strict=True), *zip(left_batch, right_batch, strict=True)):
        two[j] = one[i]
    free = [one[i] for i in range(len(one)) if i not in (*left, *left_batch)]
    free += [two[j] for j in range(len(two)) if j not in (*right, *right_batch)]
    result = "".join([one[i] for i in left_batch] + free)
    equation = f"{''.join(one)},{''.join(two)}->{result}"
    return g.op("Einsum", g.name(a), g.name(b), equation=equation)


def _gather(g: Graph, step: Equation) -> str:
    """Whole slices taken along one axis, or one part at a constant place."""
    x, index = step.inputs
    numbers, sizes = step.params["dimension_numbers"], step.params["slice_sizes"]
    axes = tuple(numbers.start_index_map)
    rank = len(x.shape)
    cut = [i for i in range(rank) if str(sizes[i]) != str(x.shape[i])]
    if index.constant is not None and len(index.shape) == 1 and set(cut) <= set(axes):
        begin = dict(zip(axes, index.constant.tolist(), strict=True))
        bounds = [begin[i] for i in cut], [begin[i] + sizes[i] for i in cut], cut
        name = g.op("Slice", g.name(x), *(g.constant(np.array(b, np.int64)) for b in bounds))
        gone = np.array(numbers.collapsed_slice_dims, np.int64)
        return g.op("Squeeze", name, g.constant(gone)) if len(gone) else name
    whole = not set(cut) - set(axes)
    if len(axes) == 1 and whole and tuple(numbers.collapsed_slice_dims) == axes:
        axis, extra = axes[0], len(index.shape) - 1
        places = tuple(i if i < axis else i + extra for i in range(rank - 1))
        if tuple(numbers.offset_dims) == places:
            flat = g.op("Squeeze", g.name(index), g.constant(np.array([-1], np.int64)))
            return g.op("Gather", g.name(x), flat, axis=axis)
    raise UnknownOperation("this policy gathers along several axes; export it as jax.")


def _reduced(kind: str) -> Operation:
    def add(g: Graph, step: Equation) -> str:
        axes = g.constant(np.array(step.params["axes"], np.int64))
        return g.op(kind, g.name(step.inputs[0]), axes, keepdims=0)

    return add


def _reduced_truth(kind: str) -> Operation:
    def add(g: Graph, step: Equation) -> str:
        axes = g.constant(np.array(step.params["axes"], np.int64))
        numbers = g.cast(g.name(step.inputs[0]), np.int32)
        return g.cast(g.op(kind, numbers, axes, keepdims=0), np.bool_)

    return add


def _arg(kind: str) -> Operation:
    def add(g: Graph, step: Equation) -> str:
        (axis,) = step.params["axes"]
        found = g.op(kind, g.name(step.inputs[0]), axis=axis, keepdims=0)
        return g.cast(found, step.outputs[0].dtype)

    return add


OPERATIONS: dict[str, Operation] = {
    "abs": _simple("Abs"),
    "add": _simple("Add"),
    "add_any": _simple("Add"),
    "and": _logical("And", "BitwiseAnd"),
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "broadcast_in_dim": _broadcast,
    "ceil": _simple("Ceil"),
    "clamp": _clamp,
    "concatenate": _concatenate,
    "convert_element_type": _convert,
    "copy": _same,
    "cos": _simple("Cos"),
    "div": _simple("Div"),
    "dot_general": _dot,
    "eq": _simple("Equal"),
    "erf": _simple("Erf"),
    "exp": _simple("Exp"),
    "expand_dims": _reshape,
    "floor": _simple("Floor"),
    "gather": _gather,
    "ge": _simple("GreaterOrEqual"),
    "gt": _simple("Greater"),
    "integer_pow": _integer_power,
    "iota": _iota,
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
    "pad": _pad,
    "pow": _simple("Pow"),
    "reduce_and": _reduced_truth("ReduceMin"),
    "reduce_max": _reduced("ReduceMax"),
    "reduce_min": _reduced("ReduceMin"),
    "reduce_or": _reduced_truth("ReduceMax"),
    "reduce_sum": _reduced("ReduceSum"),
    "rem": _remainder,
    "reshape": _reshape,
    "rsqrt": _chain("Sqrt", "Reciprocal"),
    "select_n": _select,
    "sign": _simple("Sign"),
    "sin": _simple("Sin"),
    "slice": _slice,
    "split": _split,
    "sqrt": _simple("Sqrt"),
    "square": _square,
    "squeeze": _reshape,
    "stack": _stack,
    "stop_gradient": _same,
    "sub": _simple("Sub"),
    "tanh": _simple("Tanh"),
    "transpose": _transpose,
}
