"""The cases that are slow by measurement: which they are, and that each in the list exists;
and that the laws of docs/architecture.md have tests, which are as slow as the page says."""

import ast
from pathlib import Path

import pytest

from tests.slow_cases import (
    BY_HAND,
    durations,
    laws,
    quick_laws,
    recorded,
    slow_among,
    slow_laws,
    without_a_quick_case,
)

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


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {x.name for x in ast.walk(tree) if isinstance(x, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("file", sorted({case.partition("::")[0] for case in recorded()}))
def test_each_is_a_test_that_there_is(file):
    listed = {case.partition("[")[0] for case in recorded() if case.startswith(f"{file}::")}
    assert {name.rpartition("::")[2] for name in listed} <= names_in(file)


def test_each_is_a_case_that_there_is(request):
    """Of the files that were collected with this one."""
    if any("::" in argument for argument in request.config.args):
        pytest.skip("not all cases of a file were collected")
    collected = request.config.stash[BY_HAND]
    files = {case.partition("::")[0] for case in collected}
    assert [x for x in recorded() if x.partition("::")[0] in files and x not in collected] == []


def test_every_law_is_held_by_a_test_that_there_is():
    assert len(laws()) > 60
    assert [
        law for law in laws() if law.partition("::")[2] not in names_in(law.split("::")[0])
    ] == []


def test_a_law_of_slow_cases_alone_is_found():
    by_hand = {"a::x[1]": False, "a::x[2]": True, "b::z": False}
    assert slow_laws(by_hand, {"a::x[1]"}, {"a::x", "b::z", "c::y"}) == ["a::x"]
    assert slow_laws(by_hand, {"b::z"}, {"a::x"}) == []


def test_the_laws_that_the_page_does_not_call_slow_have_a_quick_case(request):
    """Of those that were collected with this test."""
    assert slow_laws(request.config.stash[BY_HAND], recorded(), quick_laws()) == []
