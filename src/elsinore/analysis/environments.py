"""The registered environments as data: spaces, time limits, reference returns, presets."""

from typing import Any, NamedTuple

import gymnax.environments.spaces as gymnax_spaces
import numpy as np

from elsinore import envs
from elsinore.analysis.compare.thresholds import KNOWN_REFERENCES
from elsinore.arguments import checked
from elsinore.config.presets import PRESETS
from elsinore.envs import suites
from elsinore.envs.elsewhere import env_hint
from elsinore.envs.registry import FETCHED
from elsinore.envs.spaces import MultiDiscrete
from elsinore.errors import ConfigError
from elsinore.runs.files.natural import natural
from elsinore.validation import did_you_mean


class EnvInfo(NamedTuple):
    """One registered environment."""

    name: str
    observation: str | None  # None where it needs arguments, a download or a wrapper
    actions: str | None
    time_limit: int | None  # steps
    random_return: float | None  # mean return of random actions, where it was measured
    best_return: float | None  # the maximum, or the reference return that scores are scaled by
    source: str | None  # of the two returns
    presets: tuple[str, ...]  # algorithms that have a preset


class SuiteInfo(NamedTuple):
    """Another library whose environments are known by name, `<suite>/<id>`."""

    name: str
    installed: bool
    install: str  # the command that installs it
    licence: str


@checked
def list_envs(suite: str | None = None) -> list[EnvInfo]:
    """Every environment that `train` knows by name; with a `suite`, those of that library, or the
    one environment of that name.

    Each is made, which takes seconds for some of a library; `env_names` makes none.

    Raises:
        ConfigError: as `env_names`.
    """
    return [env_info(name) for name in env_names(suite)]


@checked
def env_names(suite: str | None = None) -> tuple[str, ...]:
    """The names of the environments that `list_envs` describes; those of a suite in the order of
    their names, in which numbers count.

    Raises:
        ConfigError: for a suite or an environment that is unknown, or one that is not installed.
    """
    if suite is None:
        return envs.names()
    if suite in suites.SUITES:
        return tuple(f"{suite}/{env_id}" for env_id in sorted(suites.ids(suite), key=natural))
    if not envs.is_known(suite):
        if hint := env_hint(suite):
            raise ConfigError(f"suite={suite!r} is not here: {hint}.")
        close = did_you_mean(suite, [*suites.SUITES, *envs.names()])
        known = did_you_mean(suite, suites.SUITES, label="known") if close == "." else close
        raise ConfigError(f"suite={suite!r} is unknown{known}")
    if suites.is_suite_name(suite):
        suites.factory(suite)  # which knows the ids of its library
    return (suite,)


def list_suites() -> list[SuiteInfo]:
    """The libraries that have adapters here, installed or not."""
    return [
        SuiteInfo(name, suites.is_installed(name), suites.install(name), suite.licence)
        for name, suite in suites.SUITES.items()
    ]


def env_info(name: str) -> EnvInfo:
    """Facts about the environment of that name, with its default arguments."""
    observation = actions = limit = None
    try:
        env, params = envs.make(name) if name not in FETCHED else (None, None)
    except ValueError:  # needs arguments
        env, params = None, None
    if env is not None:
        observation = describe_space(env.observation_space(params))
        actions = describe_space(env.action_space(params))
        steps = getattr(params, "max_steps_in_episode", None)
        limit = None if steps is None else int(np.max(steps)) or None  # 0 is none
    reference = KNOWN_REFERENCES.get(name)
    low, high, source = reference if reference is not None else (None, None, None)
    presets = tuple(x.split("/", 1)[0] for x in PRESETS if x.split("/", 1)[1] == name)
    return EnvInfo(name, observation, actions, limit, low, high, source, presets)


def describe_space(space: Any) -> str:
    """A space in a few words: `2 actions`-like counts, or the shape of numbers."""
    if isinstance(space, gymnax_spaces.Discrete):
        return f"one of {int(space.n)}"
    if isinstance(space, MultiDiscrete):
        return f"one of {' x '.join(map(str, space.nvec))}"
    if isinstance(space, gymnax_spaces.Dict):
        return ", ".join(f"{name} {describe_space(part)}" for name, part in space.spaces.items())
    return f"{np.dtype(space.dtype).name} {'x'.join(map(str, space.shape))}"
