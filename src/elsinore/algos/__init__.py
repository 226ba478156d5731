"""Algorithms, by name. Each file shows only what makes it that algorithm, and is imported when it is asked for."""

import difflib
from collections.abc import Callable
from typing import Any

from elsinore.envs import imported

ALGORITHMS = {
    "ppo": "elsinore.algos.ppo:ppo",
    "a2c": "elsinore.algos.a2c:a2c",
    "dqn": "elsinore.algos.dqn:dqn",
    "pqn": "elsinore.algos.pqn:pqn",
}


def algorithm(name: Any) -> Callable[..., Any]:
    """The function behind a known name, or behind anyone's `"module:function"`: it makes an `Algorithm` of a config and
    an env (see `elsinore.algos.contract`).

    Raises:
        ValueError: naming what is unknown or cannot be imported, and what would do.
    """
    if not isinstance(name, str) or (name not in ALGORITHMS and ":" not in name):
        close = difflib.get_close_matches(str(name), ALGORITHMS, n=1, cutoff=0.5)
        meant = f"did you mean {close[0]!r}? Known" if close else "known"
        raise ValueError(
            f"algo={name!r} is unknown; {meant}: {', '.join(ALGORITHMS)}; one of your own is given as "
            "'module:function'."
        )
    return imported(ALGORITHMS.get(name, name), "algo")
