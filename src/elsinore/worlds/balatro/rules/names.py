"""Selections of jokers and bosses by name or number."""

from collections.abc import Iterable, Sequence

import numpy as np

from elsinore.validation import did_you_mean


def enabled_by_name(
    field: str, choice: Iterable[str | int] | None, names: Sequence[str]
) -> np.ndarray:
    """Resolve names (in any case) and numbers to bool [len(names)]; None: all.

    Number 0 means none and is never enabled.

    Raises:
        ValueError: for an unknown name or number, with the field and a remedy.
    """
    if isinstance(choice, str) or not isinstance(choice, Iterable | None):
        raise ValueError(
            f"{field}={choice!r} is no list; give one of names or numbers, such as [{choice!r}]."
        )
    enabled = np.zeros(len(names), bool)
    enabled[
        (
            list(range(1, len(names)))
            if choice is None
            else [_number(field, one, names) for one in choice]
        )
    ] = True
    return enabled


def _number(field: str, one: str | int, names: Sequence[str]) -> int:
    """The index of a name or number in `names`."""
    folded = [name.casefold() for name in names]
    if isinstance(one, str) and one.casefold() in folded[1:]:
        return folded.index(one.casefold())
    if isinstance(one, int | np.integer) and not isinstance(one, bool) and 1 <= one < len(names):
        return int(one)
    hint = did_you_mean(str(one).title(), names[1:], 0.5, f"known are 1 to {len(names) - 1}")
    raise ValueError(f"{field} has {one!r}, which is unknown{hint}")
