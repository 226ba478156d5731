"""Numbers of observations, in the dtype of their space.

Without gymnax: what reads a policy imports this before a platform is chosen.
"""

from typing import Any

import numpy as np


def read_numbers(value: Any, dtype: np.dtype, exact: bool) -> np.ndarray:
    """`value` in the dtype; where `exact`, ValueError for what is no real number and for numbers
    that an integer dtype would change (300 or 0.5 in uint8, NaN)."""
    given = np.asarray(value)
    if not exact or given.dtype == dtype:
        return np.asarray(value, dtype)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{given.dtype} is no type of real numbers")
    with np.errstate(all="ignore"):
        kept = given.astype(dtype)
    if dtype.kind != "f" and (changed := kept != given).any():
        raise ValueError(f"{given[changed][0]} is out of bounds for {dtype}, or no whole number")
    return kept
