"""Thresholds and reference returns: read from the command line, checked, and the known ones."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from elsinore.errors import ConfigError
from elsinore.validation import did_you_mean


class Reference(NamedTuple):
    """The returns that are normalised to 0 (`low`) and 1 (`high`)."""

    low: float
    high: float
    source: str

    def normalised(self, returns: np.ndarray) -> np.ndarray:
        """0 at `low`, 1 at `high`; one half if the two are equal."""
        span = self.high - self.low
        return (returns - self.low) / span if span > 0 else np.full_like(returns, 0.5)


# Lows: mean over 4,096 episodes of uniformly random actions. Highs: the maximum of CartPole and
# Catch; on Acrobot and Pendulum the IQM of 16 seeds of the PPO preset when this scale was fixed,
# which stays as it is: presets have become better since (docs/results.md).
KNOWN_REFERENCES = {
    "CartPole-v1": Reference(22.5, 500.0, "random actions; the maximum"),
    "Catch-bsuite": Reference(-0.61, 1.0, "random actions; the maximum"),
    "Acrobot-v1": Reference(
        -498.9, -72.3, "random actions; the PPO preset when the scale was fixed"
    ),
    "Pendulum-v1": Reference(
        -1222.0, -170.7, "random actions; the PPO preset when the scale was fixed"
    ),
}


def reference_for(
    env: str, given: tuple[float, float] | None, returns: np.ndarray, changed: bool = False
) -> Reference:
    """The given reference, or else the known one of an environment that is not `changed` by
    settings, or else the range of the final `returns`."""
    if given is not None:
        return Reference(*given, "as given")
    if env in KNOWN_REFERENCES and not changed:
        return KNOWN_REFERENCES[env]
    finite = returns[np.isfinite(returns)]
    return Reference(
        float(finite.min()), float(finite.max()), "lowest and highest seed compared here"
    )


def parse_thresholds(thresholds: list[str], references: list[str]) -> dict[str, Any]:
    """`["475", "Acrobot-v1=-100"]` and `["Acrobot-v1=-500:-72"]` as mappings by environment; the
    key "" stands for every environment.

    Raises:
        ConfigError: for a text of another form.
    """
    return {
        "thresholds": dict(map(_threshold, thresholds)),
        "references": dict(map(_reference, references)),
    }


def check_thresholds(
    envs: Iterable[str],
    thresholds: Mapping[str, float],
    references: Mapping[str, Sequence[float]],
) -> None:
    """Check that every environment with a threshold or a reference is one of `envs`, or "" for a
    threshold of all; that thresholds are finite, and references two returns in order.

    Raises:
        ConfigError: naming an unknown environment and the closest known one, or a value.
    """
    known = list(dict.fromkeys(envs))
    single = [env for env in thresholds if env]
    for option, named in (("thresholds", single), ("references", references)):
        for env in named:
            if env not in known:
                raise ConfigError(
                    f"--{option[:-1]} (in Python, {option}) names the environment {env!r}, which is"
                    f" not compared; the environments are {', '.join(known)}"
                    f"{did_you_mean(env, known, 0.5)}"
                )
    for env, value in thresholds.items():
        if not math.isfinite(value):
            raise ConfigError(f"the threshold {env}={value} must be a finite return.")
    for env, bounds in references.items():
        finite = len(bounds) == 2 and all(map(math.isfinite, bounds))
        if not (finite and bounds[0] < bounds[1]):
            raise ConfigError(
                f"the reference {env}={bounds!r} must be two finite returns, the lower first,"
                " such as CartPole-v1=22:500 (in Python, {'CartPole-v1': (22, 500)})."
            )


def _threshold(text: str) -> tuple[str, float]:
    env, _, value = text.rpartition("=")
    try:
        return env, float(value)
    except ValueError:
        raise ConfigError(
            f"--threshold {text!r} must be a return, or ENV=RETURN such as CartPole-v1=475."
        ) from None


def _reference(text: str) -> tuple[str, tuple[float, float]]:
    env, _, bounds = text.rpartition("=")
    try:
        low, high = map(float, bounds.split(":"))
    except ValueError:
        low = high = 0.0
    if not env or not low < high:
        raise ConfigError(
            f"--reference {text!r} must be ENV=LOW:HIGH with LOW < HIGH, such as"
            " CartPole-v1=22:500."
        )
    return env, (low, high)
