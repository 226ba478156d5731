"""Write a function of arrays as an ONNX graph, operation by operation of its jaxpr.

Every greedy policy of ours is a feed-forward program of some forty primitives (dense layers,
convolutions as products, a recurrent cell, masks, arg max), so a table of them does what a library
of its own would. Loops and sorting have no entry and are refused by name. The batch is symbolic: a
size that depends on it is read from the first input as the graph runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jaxtyping import PyTree

OPSET, IR_VERSION = 18, 9  # onnxruntime since 1.15
BATCH = "batch"


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


def model_of(
    function: Callable[..., PyTree],
    inputs: Sequence[tuple[str, tuple[int, ...], Any]],
    outputs: Sequence[str],
    facts: dict[str, str],
) -> Any:
    """The `onnx.ModelProto` of a function.

    Args:
        function: of batches [batch, ...], one for each input; returns a flat list of batches.
        inputs: name, shape without the batch, and dtype of each.
        outputs: a name for each.
        facts: written into the model's metadata.

    Raises:
        UnknownOperation: for a primitive without an entry in the table.
    """
    from jax import export

    (batch,) = export.symbolic_shape(BATCH)
    like = [jax.ShapeDtypeStruct((batch, *shape), dtype) for _, shape, dtype in inputs]
    closed = jax.make_jaxpr(function)(*like)
    given = [Value(x) for x in closed.in_avals]
    steps, results = inlined(closed.jaxpr, closed.consts, given)
    graph = _Graph([name for name, *_ in inputs], given)
    for step in needed(steps, results):
        if not computed(step):
            graph.add(step)
    return graph.model(outputs, results, facts)


# The program as a list


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


# The graph


class _Graph:
    """Nodes and constants of an ONNX graph under construction."""

    def __init__(self, names: list[str], inputs: list[Value]):
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs = list(zip(names, inputs, strict=True))
        self._names = {id(value): name for name, value in self._inputs}
        self._held: list[Value] = list(inputs)  # ids stay theirs
        self._sizes: dict[tuple, str] = {}

    def add(self, step: Equation) -> None:
        """The nodes of a step.

        Raises:
            UnknownOperation: for a primitive without an entry in the table.
        """
        if (name := step.primitive.name) not in OPERATIONS:
            raise UnknownOperation(
                f"this policy computes {name!r}, which the ONNX export has no operation for; export"
                " it with --format jax."
            )
        found = OPERATIONS[name](self, step)
        names = [found] if isinstance(found, str) else found
        for value, name in zip(step.outputs, names, strict=True):
            self._names[id(value)] = name
            self._held.append(value)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Add a node; returns the names of its outputs."""
        from onnx import helper

        names = [f"{kind}_{len(self._nodes)}_{i}" for i in range(count)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def name(self, value: Value) -> str:
        """The name of a value; a constant gets one when it is first used."""
        if id(value) not in self._names:
            assert value.constant is not None, "every other value is the output of a node"
            self._held.append(value)
            self._names[id(value)] = self.constant(value.constant.astype(value.dtype))
        return self._names[id(value)]

    def constant(self, array: Any) -> str:
        """The name of a constant."""
        from onnx import numpy_helper

        array = np.asarray(array, order="C")  # ascontiguousarray would make a scalar [1]
        name = f"constant_{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def size(self, shape: Sequence[Any]) -> str:
        """The name of a shape, [dimension]; the batch is read from the first input."""
        key = tuple(map(str, shape))
        if key not in self._sizes:
            parts = [self._one_size(x) for x in shape]
            empty = self.constant(np.zeros(0, np.int64))
            self._sizes[key] = self.op("Concat", *parts, axis=0) if parts else empty
        return self._sizes[key]

    def _one_size(self, size: Any) -> str:
        if isinstance(size, int | np.integer):
            return self.constant(np.array([size], np.int64))
        if str(size) != BATCH:
            raise UnknownOperation(f"this policy has an array of {size}; export it as jax.")
        return self.op("Shape", self._inputs[0][0], start=0, end=1)

    def reshaped(self, name: str, shape: Sequence[Any]) -> str:
        """A reshape; at most one size of `shape` is symbolic."""
        sizes = [x if isinstance(x, int | np.integer) else -1 for x in shape]
        if sizes.count(-1) > 1 or 0 in sizes:
            return self.op("Reshape", name, self.size(shape))
        return self.op("Reshape", name, self.constant(np.array(sizes, np.int64)))

    def cast(self, name: str, dtype: Any) -> str:
        return self.op("Cast", name, to=_onnx_type(dtype))

    def model(self, outputs: Sequence[str], results: list[Value], facts: dict[str, str]) -> Any:
        """The model with these results under these names."""
        from onnx import checker, helper

        for name, value in zip(outputs, results, strict=True):
            self._nodes.append(helper.make_node("Identity", [self.name(value)], [name]))

        def info(name: str, value: Value) -> Any:
            sizes = [x if isinstance(x, int) else BATCH for x in value.shape]
            return helper.make_tensor_value_info(name, _onnx_type(value.dtype), sizes)

        graph = helper.make_graph(
            self._nodes,
            "policy",
            [info(name, value) for name, value in self._inputs],
            [info(name, value) for name, value in zip(outputs, results, strict=True)],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="elsinore"
        )
        helper.set_model_props(model, facts)
        checker.check_model(model, full_check=True)
        return model


def _onnx_type(dtype: Any) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


# The table of operations

Operation = Callable[[_Graph, Equation], str | list[str]]


def _simple(kind: str) -> Operation:
    return lambda g, step: g.op(kind, *map(g.name, step.inputs))


def _chain(*kinds: str) -> Operation:
    """Operations of one input, one after another."""

    def add(g: _Graph, step: Equation) -> str:
        name = g.name(step.inputs[0])
        for kind in kinds:
            name = g.op(kind, name)
        return name

    return add


def _same(g: _Graph, step: Equation) -> list[str]:
    return [g.name(value) for value in step.inputs]


def _not_equal(g: _Graph, step: Equation) -> str:
    return g.op("Not", g.op("Equal", *map(g.name, step.inputs)))


def _logical(kind: str, bits: str) -> Operation:
    def add(g: _Graph, step: Equation) -> str:
        is_bool = step.inputs[0].dtype == np.bool_
        return g.op(kind if is_bool else bits, *map(g.name, step.inputs))

    return add


def _square(g: _Graph, step: Equation) -> str:
    return g.op("Mul", *[g.name(step.inputs[0])] * 2)


def _integer_power(g: _Graph, step: Equation) -> str:
    if step.params["y"] == 2:
        return _square(g, step)
    exponent = g.constant(np.array(step.params["y"], step.inputs[0].dtype))
    return g.op("Pow", g.name(step.inputs[0]), exponent)


def _log_plus_one(g: _Graph, step: Equation) -> str:
    one = g.constant(np.ones((), step.inputs[0].dtype))
    return g.op("Log", g.op("Add", g.name(step.inputs[0]), one))


def _is_finite(g: _Graph, step: Equation) -> str:
    name = g.name(step.inputs[0])
    return g.op("Not", g.op("Or", g.op("IsInf", name), g.op("IsNaN", name)))


def _remainder(g: _Graph, step: Equation) -> str:
    return g.op("Mod", *map(g.name, step.inputs), fmod=1)


def _clamp(g: _Graph, step: Equation) -> str:
    low, x, high = map(g.name, step.inputs)
    return g.op("Min", g.op("Max", x, low), high)


def _select(g: _Graph, step: Equation) -> str:
    which, *cases = step.inputs
    if which.dtype != np.bool_ or len(cases) != 2:
        raise UnknownOperation("this policy chooses among more than two arrays; export it as jax.")
    return g.op("Where", g.name(which), g.name(cases[1]), g.name(cases[0]))


def _convert(g: _Graph, step: Equation) -> str:
    return g.cast(g.name(step.inputs[0]), step.outputs[0].dtype)


def _reshape(g: _Graph, step: Equation) -> str:
    return g.reshaped(g.name(step.inputs[0]), step.outputs[0].shape)


def _broadcast(g: _Graph, step: Equation) -> str:
    shape, axes = step.outputs[0].shape, step.params["broadcast_dimensions"]
    name = g.name(step.inputs[0])
    new = [i for i in range(len(shape)) if i not in axes]
    if new:
        name = g.op("Unsqueeze", name, g.constant(np.array(new, np.int64)))
    before = dict(zip(axes, step.inputs[0].shape, strict=True))
    if all(str(before.get(i, 1)) == str(size) for i, size in enumerate(shape)):
        return name
    return g.op("Expand", name, g.size(shape))


def _transpose(g: _Graph, step: Equation) -> str:
    return g.op("Transpose", g.name(step.inputs[0]), perm=list(step.params["permutation"]))


def _concatenate(g: _Graph, step: Equation) -> str:
    return g.op("Concat", *map(g.name, step.inputs), axis=step.params["dimension"])


def _slice(g: _Graph, step: Equation) -> str:
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


def _split(g: _Graph, step: Equation) -> list[str]:
    sizes = g.constant(np.array(step.params["sizes"], np.int64))
    inputs = (g.name(step.inputs[0]), sizes)
    return g.ops("Split", inputs, len(step.outputs), axis=step.params["axis"])


def _pad(g: _Graph, step: Equation) -> str:
    low, high, inside = zip(*step.params["padding_config"], strict=True)
    if any(inside) or min(*low, *high) < 0:
        raise UnknownOperation("this policy pads inside of an array; export it as jax.")
    sizes = g.constant(np.array([*low, *high], np.int64))
    return g.op("Pad", g.name(step.inputs[0]), sizes, g.name(step.inputs[1]))


def _iota(g: _Graph, step: Equation) -> str:
    shape, axis = step.outputs[0].shape, step.params["dimension"]
    if not isinstance(shape[axis], int):
        raise UnknownOperation("this policy numbers its batch; export it as jax.")
    sizes = [shape[i] if i == axis else 1 for i in range(len(shape))]
    numbers = np.arange(shape[axis], dtype=step.outputs[0].dtype).reshape(sizes)
    name = g.constant(numbers)
    return name if list(shape) == sizes else g.op("Expand", name, g.size(shape))


def _dot(g: _Graph, step: Equation) -> str:
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


def _gather(g: _Graph, step: Equation) -> str:
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
    def add(g: _Graph, step: Equation) -> str:
        axes = g.constant(np.array(step.params["axes"], np.int64))
        return g.op(kind, g.name(step.inputs[0]), axes, keepdims=0)

    return add


def _reduced_truth(kind: str) -> Operation:
    def add(g: _Graph, step: Equation) -> str:
        axes = g.constant(np.array(step.params["axes"], np.int64))
        numbers = g.cast(g.name(step.inputs[0]), np.int32)
        return g.cast(g.op(kind, numbers, axes, keepdims=0), np.bool_)

    return add


def _arg(kind: str) -> Operation:
    def add(g: _Graph, step: Equation) -> str:
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
    "stop_gradient": _same,
    "sub": _simple("Sub"),
    "tanh": _simple("Tanh"),
    "transpose": _transpose,
}
