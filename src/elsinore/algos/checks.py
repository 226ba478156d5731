"""What the numbers of an algorithm's config must be. Each refusal names the field, its value and what would do."""

import math
from typing import Any


def at_least(config: Any, least: int, *names: str) -> None:
    for name in names:
        if (value := getattr(config, name)) < least:
            raise ValueError(f"{name}={value} must be at least {least}.")


def in_unit_interval(config: Any, *names: str) -> None:
    for name in names:
        if not 0.0 <= (value := getattr(config, name)) <= 1.0:
            raise ValueError(f"{name}={value} must lie in [0, 1].")


def positive(config: Any, *names: str, off: dict[str, float | None] | None = None) -> None:
    """Above 0 and finite; `off` holds, for some of the names, the one other value that turns the thing off."""
    off = off or {}
    for name in (*names, *off):
        value, remedy = getattr(config, name), ""
        if name in off:
            remedy = f" ({'null' if off[name] is None else '.inf'} turns it off)"
            if value == off[name]:
                continue
        if value is None or not value > 0.0:
            raise ValueError(f"{name}={value} must be above 0{remedy}.")
        if value == math.inf:
            raise ValueError(f"{name}={value} must be finite{remedy}.")


def not_negative(config: Any, *names: str) -> None:
    """Finite and at least 0; None passes."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= 0.0:
            raise ValueError(f"{name}={value} must not be negative.")
        if value == math.inf:
            raise ValueError(f"{name}={value} must be finite.")


def one_of(config: Any, name: str, *choices: str) -> None:
    if (value := getattr(config, name)) not in choices:
        raise ValueError(f"{name}={value!r} is unknown; choose {', '.join(choices[:-1])} or {choices[-1]}.")


def divides(config: Any, name: str) -> None:
    """`name` minibatches can be made of a rollout."""
    transitions, parts = config.num_envs * config.rollout_length, getattr(config, name)
    if transitions % parts:
        raise ValueError(
            f"{name}={parts} does not divide the {transitions} transitions of a rollout (num_envs={config.num_envs} "
            f"x rollout_length={config.rollout_length}); choose a divisor, or change either factor."
        )
