"""How verdicts are shown."""

from collections.abc import Sequence
from typing import Any


def show(name: str, verdicts: Sequence[Any]) -> int:
    """A line for each law, and exit code 0.

    Raises:
        ConfigError: where a law is broken.
    """
    from elsinore.config.build import ConfigError

    for verdict in verdicts:
        mark = (
            "skip" if verdict.skipped else "ok  " if verdict.holds else "warn" if verdict.level == "warning" else "FAIL"
        )
        told = verdict.detail and (verdict.skipped or not verdict.holds)
        print(f"{mark} {verdict.law}{': ' + verdict.detail if told else ''}")
    broken = [v.law for v in verdicts if not v.holds and v.level == "error"]
    if broken:
        raise ConfigError(f"{name} breaks {len(broken)} law(s): {', '.join(broken)}.")
    return 0
