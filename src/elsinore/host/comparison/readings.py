"""What a report is told from outside its runs: what counts as reached, and what counts as nothing and all."""

import difflib
from collections.abc import Collection, Iterable
from typing import Any

from elsinore.config.build import ConfigError


def parse_readings(thresholds: list[str], references: list[str]) -> dict[str, Any]:
    """`["475", "Acrobot-v1=-100"]` and `["Acrobot-v1=-500:-72"]` as mappings; "" stands for every environment.

    Raises:
        ConfigError: for a text of another form.
    """
    return {
        "thresholds": dict(map(_threshold, thresholds)),
        "references": dict(map(_reference, references)),
    }


def check_readings(envs: Iterable[str], thresholds: Collection[str], references: Collection[str]) -> None:
    """Every environment that a threshold or a reference is for is one of `envs`; "" stands for all.

    Raises:
        ConfigError: naming the one that is not, and the closest that is.
    """
    known = list(dict.fromkeys(envs))
    for option, named in (("--threshold", thresholds), ("--reference", references)):
        for env in named:
            if env and env not in known:
                close = difflib.get_close_matches(env, known, n=1, cutoff=0.5)
                meant = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}."
                raise ConfigError(f"{option} names the environment {env!r}, which is not compared in; {meant}")


def _threshold(text: str) -> tuple[str, float]:
    env, _, value = text.rpartition("=")
    try:
        return env, float(value)
    except ValueError:
        raise ConfigError(f"--threshold {text!r} must be a return, or ENV=RETURN such as CartPole-v1=475.") from None


def _reference(text: str) -> tuple[str, tuple[float, float]]:
    env, _, bounds = text.rpartition("=")
    try:
        low, high = map(float, bounds.split(":"))
    except ValueError:
        low = high = 0.0
    if not env or not low < high:
        raise ConfigError(f"--reference {text!r} must be ENV=LOW:HIGH with LOW < HIGH, such as CartPole-v1=22:500.")
    return env, (low, high)
