"""What a report is told from outside its runs: what counts as reached, and what counts as nothing and all."""

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
