"""The table of operations, and the step that is written by it."""

from elsinore.runs.export.onnx.arrays import ARRAYS
from elsinore.runs.export.onnx.elementwise import ELEMENTWISE
from elsinore.runs.export.onnx.graph import Graph
from elsinore.runs.export.onnx.program import Equation, UnknownOperation

OPERATIONS = ELEMENTWISE | ARRAYS


def add(g: Graph, step: Equation) -> None:
    """Add the nodes of a step to a graph.

    Raises:
        UnknownOperation: for a primitive without an entry in the table.
    """
    if (name := step.primitive.name) not in OPERATIONS:
        raise UnknownOperation(
            f"this policy computes {name!r}, which the ONNX export has no operation for; export"
            " it with --format jax (in Python, form='jax')."
        )
    found = OPERATIONS[name](g, step)
    g.name_outputs(step.outputs, [found] if isinstance(found, str) else found)
