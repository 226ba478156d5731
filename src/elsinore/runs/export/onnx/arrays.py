"""Operations on whole arrays (shapes, parts, products, sums): the nodes of an ONNX graph for
primitives of jax."""

import numpy as np
from jax import lax

from elsinore.runs.export.onnx.elementwise import Operation
from elsinore.runs.export.onnx.graph import Graph
from elsinore.runs.export.onnx.program import Equation, UnknownOperation


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


def _unstack(g: Graph, step: Equation) -> list[str]:
    axis = step.params["axis"]
    ones = g.constant(np.ones(len(step.outputs), np.int64))
    place = g.constant(np.array([axis], np.int64))
    parts = g.ops("Split", (g.name(step.inputs[0]), ones), len(step.outputs), axis=axis)
    return [g.op("Squeeze", part, place) for part in parts]


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
    """Whole slices taken along one axis, numbers taken along one axis with an index for each place,
    or one part at a constant place."""
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
            return g.op("Gather", g.name(x), _places(g, step, axis), axis=axis)
    others = tuple(i for i in range(rank) if i not in axes)
    batching = numbers.operand_batching_dims, numbers.start_indices_batching_dims
    if len(axes) == 1 and len(index.shape) == rank + 1 and batching == (others, others):
        return g.op("GatherElements", g.name(x), _places(g, step, axes[0]), axis=axes[0])
    raise UnknownOperation("this policy gathers along several axes; export it as jax.")


def _places(g: Graph, step: Equation, axis: int) -> str:
    """The indices of a gather along one axis, clipped where jax clips them: ONNX counts those below
    0 from the end."""
    x, index = step.inputs
    name = g.op("Squeeze", g.name(index), g.constant(np.array([-1], np.int64)))
    if step.params["mode"] != lax.GatherScatterMode.CLIP:
        return name
    least, most = (g.constant(np.array(i, index.dtype)) for i in (0, x.shape[axis] - 1))
    return g.op("Min", g.op("Max", name, least), most)


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


ARRAYS: dict[str, Operation] = {
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dot_general": _dot,
    "expand_dims": _reshape,
    "gather": _gather,
    "iota": _iota,
    "pad": _pad,
    "reduce_and": _reduced_truth("ReduceMin"),
    "reduce_max": _reduced("ReduceMax"),
    "reduce_min": _reduced("ReduceMin"),
    "reduce_or": _reduced_truth("ReduceMax"),
    "reduce_sum": _reduced("ReduceSum"),
    "reshape": _reshape,
    "slice": _slice,
    "split": _split,
    "squeeze": _reshape,
    "stack": _stack,
    "transpose": _transpose,
    "unstack": _unstack,
}
