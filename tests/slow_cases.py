"""Cases that are slow by measurement: `slow_cases.txt` has their ids, and `conftest.py` gives them
the marker `slow`. Nearly all of their time is compilation, so they are many and each is short.

    make test ARGS='-n 0 --durations=0 --durations-min=0.5' > log    # with an empty cache
    python -m tests.slow_cases log                                   # adds the slow ones

To measure all of them again, empty the list before: `: > tests/slow_cases.txt`.

The log is of the cases that are not slow by hand, for one of those is what is kept. Of a function
with several of them those above `SECONDS` are slow, all but the cheapest; a function of one case is
slow above `SECONDS_OF_ONE`, unless a law of docs/architecture.md names it. A function with
parameters always keeps a case (tests/test_slow_cases.py); one whose cases are all dear is marked
by hand.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

RECORD = Path(__file__).with_suffix(".txt")
SECONDS, SECONDS_OF_ONE = 0.6, 1.2  # of a machine with two cores and an empty cache
WHOLE = "tests/cli/test_bad_inputs.py::"  # a file with a test that needs the others
LINE = re.compile(r"^\s*([0-9.]+)s (?:setup|call|teardown)\s+(tests/.+)$", re.MULTILINE)
BY_HAND = pytest.StashKey[dict[str, bool]]()  # of each case that was collected; also if skipped


def recorded() -> frozenset[str]:
    """The ids of the slow cases."""
    return frozenset(filter(None, RECORD.read_text().splitlines()))


def durations(log: str) -> dict[str, float]:
    """Seconds of each case in the output of pytest with `--durations=0`."""
    found: dict[str, float] = defaultdict(float)
    for seconds, case in LINE.findall(log):
        found[case.strip()] += float(seconds)
    return found


def laws() -> frozenset[str]:
    """The functions that docs/architecture.md names as the proof of a law."""
    page = (RECORD.parents[1] / "docs" / "architecture.md").read_text()
    return frozenset(f"tests/{name}" for name in re.findall(r"`(\S+\.py::\w+)`", page))


def quick_laws() -> frozenset[str]:
    """Those of them that the page does not call slow."""
    page = (RECORD.parents[1] / "docs" / "architecture.md").read_text()
    return frozenset(f"tests/{x}" for x in re.findall(r"`(\S+\.py::\w+)`(?! \(slow\))", page))


def is_slow_by_hand(case: pytest.Item) -> bool:
    """True for a case with the marker `slow`, and for one that is skipped here in any event."""
    skipped = any(mark.args and mark.args[0] is True for mark in case.iter_markers("skipif"))
    return skipped or any(case.get_closest_marker(name) for name in ("slow", "skip"))


def slow_among(seconds: Mapping[str, float], kept: Collection[str] = ()) -> list[str]:
    """The ids of the slow cases, in order. The cheapest of several is none, nor is that of a
    function in `kept`."""
    cases = defaultdict(list)
    for case, taken in seconds.items():
        if case.startswith(WHOLE):
            continue
        cases[case.partition("[")[0]].append((taken, case))
    slow = []
    for function, found in cases.items():
        cheapest, *rest = sorted(found)
        alone = cheapest[1] == function  # without parameters
        if alone and cheapest[0] >= SECONDS_OF_ONE and function not in kept:
            slow.append(cheapest[1])
        slow += [case for taken, case in rest if taken >= SECONDS]
    return sorted(slow)


def by_function(cases: Collection[str]) -> dict[str, set[str]]:
    """The cases of each function."""
    found = defaultdict(set)
    for case in cases:
        found[case.partition("[")[0]].add(case)
    return found


def without_a_quick_case(by_hand: Mapping[str, bool], listed: Collection[str]) -> list[str]:
    """The functions with parameters of which the list takes the last quick case. Each case is given
    with whether it is slow by hand; a function whose listed cases are not all given is left out."""
    cases = by_function(by_hand)
    taken = defaultdict(set)
    for case in listed:
        if "[" in case:
            taken[case.partition("[")[0]].add(case)
    return sorted(
        function
        for function, gone in taken.items()
        if gone <= cases[function] and all(by_hand[case] for case in cases[function] - gone)
    )


def slow_laws(
    by_hand: Mapping[str, bool], listed: Collection[str], quick: Collection[str]
) -> list[str]:
    """The functions in `quick` of which every case that is given is slow."""
    cases = by_function(by_hand)
    return sorted(
        law
        for law in quick
        if law in cases and all(by_hand[case] or case in listed for case in cases[law])
    )


if __name__ == "__main__":
    found = slow_among(durations(Path(sys.argv[1]).read_text()), laws())
    RECORD.write_text("\n".join(sorted({*recorded(), *found})) + "\n")
