"""The parameter of an environment that bounds its episodes, read without gymnax."""

from typing import Any

LIMIT = "max_steps_in_episode"


def time_limits(params: Any, default: Any = None) -> Any:
    """The time limit of an episode in steps, or the limits between which it is drawn; `default`
    where there is none."""
    return getattr(params, f"{LIMIT}_range", getattr(params, LIMIT, default))
