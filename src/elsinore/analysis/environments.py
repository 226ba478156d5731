"""The registered environments as data: spaces, time limits, reference returns, presets."""

from typing import Any, NamedTuple

import gymnax.environments.spaces as gymnax_spaces
import numpy as np

from elsinore import envs
from elsinore.analysis.compare.thresholds import KNOWN_REFERENCES
from elsinore.config.presets import PRESETS
from elsinore.envs.spaces import MultiDiscrete

# Building these needs a download.
FETCHED = ("MNISTBandit-bsuite",)


class EnvInfo(NamedTuple):
    """One registered environment."""

    name: str
    observation: str | None  # None for an environment that needs arguments or a download
    actions: str | None
    time_limit: int | None  # steps
    random_return: float | None  # mean return of random actions, where it was measured
    best_return: float | None  # the maximum, or the best that was reached
    source: str | None  # of the two returns
    presets: tuple[str, ...]  # algorithms that have a preset


def list_envs() -> list[EnvInfo]:
    """Every environment that `train` knows by name."""
    return [env_info(name) for name in envs.names()]


def env_info(name: str) -> EnvInfo:
    """Facts about the environment of that name, with its default arguments."""
    observation = actions = limit = None
    try:
        env, params = envs.make(name) if name not in FETCHED else (None, None)
    except ValueError:  # needs arguments
        env, params = None, None
    if env is not None:
        observation = described(env.observation_space(params))
        actions = described(env.action_space(params))
        steps = getattr(params, "max_steps_in_episode", None)
        limit = None if steps is None else int(np.max(steps))
    reference = KNOWN_REFERENCES.get(name)
    low, high, source = reference if reference is not None else (None, None, None)
    presets = tuple(x.split("/", 1)[0] for x in PRESETS if x.split("/", 1)[1] == name)
    return EnvInfo(name, observation, actions, limit, low, high, source, presets)


def described(space: Any) -> str:
    """A space in a few words: `2 actions`-like counts, or the shape of numbers."""
    if isinstance(space, gymnax_spaces.Discrete):
        return f"one of {int(space.n)}"
    if isinstance(space, MultiDiscrete):
        return f"one of {' x '.join(map(str, space.nvec))}"
    if isinstance(space, gymnax_spaces.Dict):
        return ", ".join(f"{name} {described(part)}" for name, part in space.spaces.items())
    return f"{np.dtype(space.dtype).name} {'x'.join(map(str, space.shape))}"
