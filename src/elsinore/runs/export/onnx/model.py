"""Write a function of arrays as an ONNX graph, operation by operation of its jaxpr.

Every greedy policy of ours is a feed-forward program of some forty primitives (dense layers,
convolutions as products, a recurrent cell, masks, arg max), so a table of them does what a library
of its own would. Loops and sorting have no entry and are refused by name. The batch is symbolic: a
size that depends on it is read from the first input as the graph runs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jaxtyping import PyTree

from elsinore.runs.export.onnx.graph import BATCH, Graph
from elsinore.runs.export.onnx.operations import add
from elsinore.runs.export.onnx.pairs import in_pairs, is_complex
from elsinore.runs.export.onnx.program import UnknownOperation, Value, computed, inlined, needed


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
        UnknownOperation: for a primitive without an entry in the table, types that ONNX does not
            mix, or complex numbers of which the function is or that it returns.
    """
    from jax import export

    (batch,) = export.symbolic_shape(BATCH)
    like = [jax.ShapeDtypeStruct((batch, *shape), dtype) for _, shape, dtype in inputs]
    closed = jax.make_jaxpr(function)(*like)
    given = [Value(x) for x in closed.in_avals]
    steps, results = inlined(closed.jaxpr, closed.consts, given)
    if any(map(is_complex, [*given, *results])):
        raise UnknownOperation(
            "this policy takes or returns complex numbers, such as a custom network's carry; keep"
            " their two parts instead, or export it with --format jax (in Python, form='jax')."
        )
    graph = Graph([name for name, *_ in inputs], given)
    for step in in_pairs([step for step in needed(steps, results) if not computed(step)]):
        add(graph, step)
    return graph.model(outputs, results, facts)
