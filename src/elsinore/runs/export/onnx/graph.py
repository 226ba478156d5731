"""Nodes and constants of an ONNX graph under construction.

A number of bfloat16 is one of float32 that is rounded to bfloat16 where it is made: onnxruntime has
no operations on bfloat16 but casts, and a product of two such numbers is exact in float32, in which
jax sums them too.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from elsinore.errors import one_line
from elsinore.runs.export.onnx.program import UnknownOperation, Value

OPSET, IR_VERSION = 18, 9  # onnxruntime since 1.15
BATCH = "batch"
BFLOAT16 = np.dtype(jnp.bfloat16)


class Graph:
    """Nodes and constants of an ONNX graph under construction. Their names begin with a slash, so
    that no input's is among them."""

    def __init__(self, names: list[str], inputs: list[Value]):
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs = list(zip(names, inputs, strict=True))
        self._names = {id(value): name for name, value in self._inputs}
        self._held: list[Value] = list(inputs)  # ids stay theirs
        self._sizes: dict[tuple, str] = {}

    def name_outputs(self, values: Sequence[Value], names: Sequence[str]) -> None:
        """Say which of the graph's names the outputs of an operation have; round those of
        bfloat16."""
        for value, name in zip(values, names, strict=True):
            if value.dtype == BFLOAT16:
                name = self.cast(self.op("Cast", name, to=_onnx_type(BFLOAT16)), BFLOAT16)
            self._names[id(value)] = name
            self._held.append(value)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Add a node; returns the names of its outputs."""
        from onnx import helper

        names = [f"/{kind}_{len(self._nodes)}_{i}" for i in range(count)]
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
        array = array.astype(held_as(array.dtype), copy=False)
        name = f"/constant_{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def size(self, shape: Sequence[Any]) -> str:
        """The name of a shape, [dimension]; the batch is read from the first input."""
        key = tuple(map(str, shape))
        if key not in self._sizes:
            parts = [self._one_size(x) for x in shape] or [self.constant(np.zeros(0, np.int64))]
            self._sizes[key] = self.op("Concat", *parts, axis=0)
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
        return self.op("Cast", name, to=_onnx_type(held_as(dtype)))

    def model(self, outputs: Sequence[str], results: list[Value], facts: dict[str, str]) -> Any:
        """The model with these results under these names.

        Raises:
            UnknownOperation: for a graph that ONNX does not allow, such as one of a custom network
                with a product of mixed types.
        """
        from onnx import checker, helper, shape_inference

        for name, value in zip(outputs, results, strict=True):
            self._nodes.append(helper.make_node("Identity", [self.name(value)], [name]))

        def info(name: str, value: Value) -> Any:
            sizes = [x if isinstance(x, int) else BATCH for x in value.shape]
            return helper.make_tensor_value_info(name, _onnx_type(held_as(value.dtype)), sizes)

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
        try:
            checker.check_model(model, full_check=True)
        except (checker.ValidationError, shape_inference.InferenceError) as error:
            raise UnknownOperation(
                f"this policy's graph is none that ONNX allows ({one_line(error)});"
                " export it with --format jax (in Python, form='jax')."
            ) from error
        return model


def held_as(dtype: Any) -> np.dtype:
    """The type in which a graph holds numbers of a type."""
    return np.dtype(np.float32) if dtype == BFLOAT16 else np.dtype(dtype)


def _onnx_type(dtype: Any) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
