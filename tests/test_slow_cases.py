"""The cases that are slow by measurement: which they are, and that each in the list exists."""

import ast
from pathlib import Path

import pytest

from tests.slow_cases import BY_HAND, durations, recorded, slow_among, without_a_quick_case

ROOT = Path(__file__).parents[1]
LOG = """
============================= slowest durations ==============================
9.00s call     tests/a.py::test_one
2.50s setup    tests/a.py::test_many[x of y]
0.50s call     tests/a.py::test_many[x of y]
1.30s call     tests/a.py::test_many[z]
1.20s call     tests/a.py::test_many[quick]
1.10s call     tests/b.py::test_other
4.00s call     tests/b.py::test_dear[one]
3.50s call     tests/b.py::test_dear[two]
"""


def test_dear_cases_are_slow_and_a_function_of_several_keeps_one():
    assert durations(LOG)["tests/a.py::test_many[x of y]"] == 3.0
    slow = slow_among(durations(LOG))
    assert slow == [
        "tests/a.py::test_many[x of y]",
        "tests/a.py::test_many[z]",
        "tests/a.py::test_one",
        "tests/b.py::test_dear[one]",
    ]
    assert slow_among(durations(LOG), kept={"tests/a.py::test_one"}) == [*slow[:2], slow[3]]


def test_a_function_that_the_list_leaves_no_quick_case_is_found():
    by_hand = {"a::x[1]": False, "a::x[2]": True, "a::y": False, "b::z[1]": False}
    assert without_a_quick_case(by_hand, {"a::x[1]", "a::y"}) == ["a::x"]
    assert without_a_quick_case(by_hand | {"a::x[3]": False}, {"a::x[1]", "a::y"}) == []
    assert without_a_quick_case(by_hand, {"b::z[1]", "b::z[2]"}) == []  # [2] was not collected


def test_every_function_with_parameters_keeps_a_quick_case(request):
    """Of those that were collected with this test."""
    assert without_a_quick_case(request.config.stash[BY_HAND], recorded()) == []


@pytest.mark.parametrize("file", sorted({case.partition("::")[0] for case in recorded()}))
def test_each_is_a_test_that_there_is(file):
    tree = ast.parse((ROOT / file).read_text())
    here = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    listed = {case.partition("[")[0] for case in recorded() if case.startswith(f"{file}::")}
    assert {name.rpartition("::")[2] for name in listed} <= here
