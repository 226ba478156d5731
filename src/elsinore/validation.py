"""Checks of settings: ranges, choices and closest names. Every refusal names the field, its value
and a remedy."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST_NAME = 250  # characters of a metric, as in MLflow
# what sinks write beside the metrics, in the same place
OF_SINKS = ("update", "env_steps", "seed", "agent", "steps_per_second", "final/return")
A_COUNT_OF_SEEDS = "It is how many there are; `seed` is the first of them."
# U+DC80 to U+DCFF stand for the bytes of a file's name that is no UTF-8
HALF_OF_A_PAIR = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def why_no_path(text: str) -> str:
    """The part of a text that no path can have; "" for a path."""
    if "\0" in text:
        return "NUL"
    return "half of a surrogate pair" if HALF_OF_A_PAIR.search(text) else ""


def is_metric_name(name: Any) -> bool:
    """True for a text of 1 to `LONGEST_NAME` printable characters that is not blank."""
    return (
        isinstance(name, str)
        and bool(name.strip())
        and name.isprintable()
        and len(name) <= LONGEST_NAME
    )


def did_you_mean(
    name: Any,
    known: Iterable[str],
    cutoff: float = 0.6,
    label: str | None = None,
    prefix: str = "",
) -> str:
    """The end of a sentence about an unknown name: `; did you mean 'x'?`, or a full stop.

    With a `label`, such as "known", the full stop becomes `; known: a, b, c.` The `prefix` stands
    before the suggested name. Capitals do not count; a name's beginning is close to it.
    """
    names, text = {each.lower(): each for each in known}, str(name).lower()
    close = difflib.get_close_matches(text, names, n=1, cutoff=cutoff)
    close = close or [each for each in names if len(text) > 2 and each.startswith(text)]
    if close:
        return f"; did you mean {prefix + names[close[0]]!r}?"
    return "." if label is None else f"; {label}: {', '.join(names.values())}."


def at_least(config: Any, least: int, *names: str, null: str = "turns it off") -> None:
    """None passes, where it is the default; `null` says what it does."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= least:
            remedy = f"; null {null}" if getattr(type(config), name, least) is None else ""
            raise ValueError(f"{name}={value} must be at least {least}{remedy}.")


def counts(config: Any, least: int, *names: str) -> None:
    """`at_least`, and at most what a compiled program counts to; None passes as there."""
    at_least(config, least, *names)
    for name in names:
        if (value := getattr(config, name)) is not None and value >= 2**31:
            raise ValueError(f"{name}={value} must be at most 2^31 - 1, which 32 bits can count.")


PERIOD = re.compile(r"\s*([\d_]+(?:\.\d+)?)\s*(chunk|update|env[ _]step|episode|second)s?\s*")


def period_of(value: int | str, unit: str) -> tuple[float, str] | None:
    """(number, unit) of a period: text such as "50 episodes", or a number of that `unit`; None for
    what is no period. Only seconds may be fractions."""
    if not isinstance(value, str):
        return value, unit
    found = PERIOD.fullmatch(value)
    if found is None or ("." in found[1] and found[2] != "second"):
        return None
    return float(found[1].replace("_", "")), f"{found[2].replace('_', ' ')}s"


def a_period(config: Any, name: str, unit: str) -> None:
    """A number of that unit, 0 for none, or text with another unit."""
    value = getattr(config, name)
    period = period_of(value, unit)
    if period is None:
        raise ValueError(
            f"{name}={value!r} must be a whole number, or text with a unit, such as '50 episodes'."
        )
    least = 1 if isinstance(value, str) and unit != period[1] else 0
    if period[1] == "seconds" and period[0] > 0:
        return
    if period[0] < least:
        raise ValueError(f"{name}={value} must be at least {least}.")


def in_unit_interval(config: Any, *names: str) -> None:
    for name in names:
        if not 0.0 <= (value := getattr(config, name)) <= 1.0:
            raise ValueError(f"{name}={value} must lie in [0, 1].")


def above_zero_to_one(config: Any, *names: str) -> None:
    for name in names:
        if not 0.0 < (value := getattr(config, name)) <= 1.0:
            raise ValueError(f"{name}={value} must be above 0 and at most 1.")


def positive(config: Any, *names: str, off: Mapping[str, float | None] | None = None) -> None:
    """Above 0 and finite; `off` holds, for some of the names, the one other value that turns the
    thing off."""
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


def finite(
    config: Any,
    *names: str,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
) -> None:
    """Numbers, or arrays of them, that are finite and within the bounds."""
    import numpy as np

    limits = {"at least": least, "above": above, "at most": most}
    bounds = [f"{word} {limit:g}" for word, limit in limits.items() if math.isfinite(limit)]
    for name in names:
        value = np.asarray(getattr(config, name))
        right = np.isfinite(value) & (value >= least) & (value > above) & (value <= most)
        if not right.all():
            raise ValueError(
                f"{name}={value.tolist()} must be {' and '.join(['finite', *bounds])}."
            )


def one_of(config: Any, name: str, *choices: str) -> None:
    if (value := getattr(config, name)) not in choices:
        raise ValueError(
            f"{name}={value!r} is unknown; choose {', '.join(choices[:-1])} or {choices[-1]}."
        )


def divides(config: Any, name: str) -> None:
    """`name` minibatches can be made of a rollout."""
    transitions, parts = config.num_envs * config.rollout_length, getattr(config, name)
    if transitions % parts:
        raise ValueError(
            f"{name}={parts} does not divide the {transitions} transitions of a rollout"
            f" (num_envs={config.num_envs} x rollout_length={config.rollout_length}); choose a"
            " divisor, or change either factor."
        )


def whole_envs(config: Any, recurrent: bool) -> None:
    """Minibatches do not cut through the time of a policy that remembers."""
    if recurrent and config.num_envs % config.num_minibatches:
        raise ValueError(
            f"num_minibatches={config.num_minibatches} does not divide num_envs={config.num_envs},"
            " and a recurrent policy learns from whole envs; choose a divisor, or more envs."
        )


def held_noise(config: Any) -> None:
    """The noise of gsde is drawn anew where a rollout begins, so no longer period can be."""
    if config.action_distribution == "gsde" and config.noise_period > config.rollout_length:
        more = ", and gradient_steps with it" if hasattr(config, "gradient_steps") else ""
        raise ValueError(
            f"noise_period={config.noise_period} is longer than"
            f" rollout_length={config.rollout_length}, at whose start the noise of gsde is drawn"
            f" anew; raise rollout_length{more}, or lower noise_period."
        )


def fits(value: Any, default: Any) -> bool:
    """True for a value of the shape and kind of `default`: no text or NaN for a number, whole and
    of 32 bits for an int, within float32 for a float."""
    import numpy as np

    try:
        given, own = np.asarray(value), np.asarray(default)
    except (TypeError, ValueError, OverflowError):  # lists of unequal lengths
        return False
    kind = own.dtype.kind
    if given.shape != own.shape or kind not in "biuf":
        return given.shape == own.shape and isinstance(value, type(default))
    if given.dtype.kind not in ("b" if kind == "b" else "iuf") or np.isnan(given).any():
        return False
    if kind in "iu":
        return bool(np.all((given == np.round(given)) & (np.abs(given) < 2.0**31)))
    return bool(np.all(np.isinf(given) | (np.abs(given) <= np.finfo(np.float32).max)))
