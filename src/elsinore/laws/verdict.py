"""What is said of one law, and how many laws are asked in turn."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from elsinore.laws.compare import told

Level = Literal["error", "warning"]


class Verdict(NamedTuple):
    """What became of one law. One that could not be checked is `skipped`; nothing is held against it."""

    law: str
    holds: bool
    detail: str = ""  # what was seen, and a remedy
    level: Level = "error"  # a warning: training works, but something is not as it should be
    skipped: bool = False


class Broken(NamedTuple):
    """How a law is broken."""

    detail: str
    level: Level = "error"


class Unasked(Exception):
    """Raised by a law that cannot be asked about what it was given; its text says why."""


class Law(NamedTuple):
    """A law, and those without which it cannot be asked about."""

    check: Callable[[Any], Broken | None]
    needs: tuple[str, ...] = ()


def judge_all(laws: Mapping[str, Law], subject: Any) -> list[Verdict]:
    """One verdict for each law, in their order. Nothing raises here, and a law that rests on a broken one is
    skipped, so that the root cause stands alone."""
    verdicts: dict[str, Verdict] = {}
    for name, law in laws.items():
        verdicts[name] = judge(name, law, subject, verdicts)
    return list(verdicts.values())


def judge(name: str, law: Law, subject: Any, earlier: Mapping[str, Verdict]) -> Verdict:
    """One law's verdict; whatever it raises becomes one."""
    for need in law.needs:
        before = earlier[need]
        if before.skipped or (not before.holds and before.level == "error"):
            return Verdict(name, True, f"not checked: it needs {need!r} to hold.", skipped=True)
    try:
        broken = law.check(subject)
    except Unasked as reason:
        return Verdict(name, True, f"not checked: {reason}", skipped=True)
    except Exception as error:
        broken = Broken(f"checking it raised {told(error)}")
    return Verdict(name, broken is None, *(broken or ()))
