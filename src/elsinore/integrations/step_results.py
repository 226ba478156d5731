"""Rewards and flags of a loop in Python, as the learner of an agent takes them."""

from typing import Any

import numpy as np

from elsinore.errors import ConfigError


def rewards_of(given: Any, envs: int) -> np.ndarray:
    """Rewards as float32 [env].

    Raises:
        ConfigError: for other than a finite number for each env.
    """
    try:
        is_text = np.asarray(given).dtype.kind in "SU"  # numpy would read "1.0" as a number
        # a copy: environments write over their arrays
        rewards = np.full(1, np.nan) if is_text else np.array(given, np.float32)
    except (TypeError, ValueError):
        rewards = np.full(1, np.nan)
    fits = rewards.shape == (envs,) or (envs == 1 and rewards.shape == ())
    if not fits or not np.isfinite(rewards).all():
        raise ConfigError(f"observe: reward={given!r} must be {_each(envs, 'a finite number')}.")
    return rewards.reshape(envs)


def flags_of(name: str, given: Any, envs: int) -> np.ndarray:
    """Flags as a new bool [env], of which one may stand for all; the text "False", which counts as
    true in Python, is refused. `name` says whose they are, such as "observe: truncated".

    Raises:
        ConfigError: for other than a bool, or 0 or 1, for each env.
    """
    try:
        flags = np.asarray(given)
    except ValueError:  # rows of several lengths
        flags = np.asarray("")
    fits = flags.shape in ((), (envs,)) and flags.dtype.kind in "biuf"
    if not fits or not np.isin(flags, (0, 1)).all():
        raise ConfigError(f"{name}={given!r} must be {_each(envs, 'True or False')}.")
    return np.broadcast_to(flags.astype(bool), envs)


def _each(envs: int, what: str) -> str:
    return what if envs == 1 else f"{what} for each of {envs} envs"
