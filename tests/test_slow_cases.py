"""The cases that are slow by measurement: which they are, and that each in the list exists."""

import ast
from pathlib import Path

import pytest

from tests.slow_cases import durations, recorded, slow_among

ROOT = Path(__file__).parents[1]
LOG = """
============================= slowest durations ==============================
9.00s call     tests/a.py::test_one
2.50s setup    tests/a.py::test_many[x of y]
0.50s call     tests/a.py::test_many[x of y]
1.30s call     tests/a.py::test_many[z]
1.20s call     tests/a.py::test_many[quick]
3.00s call     tests/b.py::test_other
"""


def test_dear_cases_are_slow_and_a_function_of_several_keeps_one():
    assert durations(LOG)["tests/a.py::test_many[x of y]"] == 3.0
    slow = slow_among(durations(LOG))
    assert slow == [
        "tests/a.py::test_many[x of y]",
        "tests/a.py::test_many[z]",
        "tests/a.py::test_one",
    ]
    assert slow_among(durations(LOG), kept={"tests/a.py::test_one"}) == slow[:2]


@pytest.mark.parametrize("file", sorted({case.partition("::")[0] for case in recorded()}))
def test_each_is_a_test_that_there_is(file):
    tree = ast.parse((ROOT / file).read_text())
    here = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    listed = {case.partition("[")[0] for case in recorded() if case.startswith(f"{file}::")}
    assert {name.rpartition("::")[2] for name in listed} <= here
