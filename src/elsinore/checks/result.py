"""The result of a check, and running checks in order."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from elsinore.checks.tree_differences import one_line

Level = Literal["error", "warning"]


class CheckResult(NamedTuple):
    """One check's result. A check that could not run is `skipped`, and counts as passed."""

    check: str  # its name
    passed: bool
    detail: str = ""  # what was seen, and a remedy
    level: Level = "error"  # a warning: training works, but something looks wrong
    skipped: bool = False


class Failure(NamedTuple):
    """The reason why a check fails."""

    detail: str
    level: Level = "error"


class SkipCheck(Exception):
    """Raised by a check that does not apply to its subject; the text says why."""


class Check(NamedTuple):
    """A check, and the checks that must pass before it can run."""

    run: Callable[[Any], Failure | None]
    needs: tuple[str, ...] = ()


def run_checks(checks: Mapping[str, Check], subject: Any) -> list[CheckResult]:
    """One result for each check, in order. Nothing raises here, and a check that needs a failed one
    is skipped, so that only the root cause is reported."""
    results: dict[str, CheckResult] = {}
    for name, check in checks.items():
        results[name] = run_check(name, check, subject, results)
    return list(results.values())


def run_check(
    name: str, check: Check, subject: Any, earlier: Mapping[str, CheckResult]
) -> CheckResult:
    """Run one check; an exception becomes a failure."""
    for need in check.needs:
        before = earlier[need]
        if before.skipped or (not before.passed and before.level == "error"):
            return CheckResult(name, True, f"not checked: it needs {need!r} to pass.", skipped=True)
    try:
        failure = check.run(subject)
    except SkipCheck as reason:
        return CheckResult(name, True, f"not checked: {reason}", skipped=True)
    except (Exception, SystemExit) as error:
        failure = Failure(f"checking it raised {one_line(error)}")
    return CheckResult(name, failure is None, *(failure or ()))
