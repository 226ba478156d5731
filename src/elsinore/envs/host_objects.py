"""Environment objects in Python, of Gymnasium's form or an older one, as rows that are stepped."""

import contextlib
import copy
import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from gymnax.environments import spaces
from jaxtyping import Int, PyTree, Shaped

from elsinore.envs.host import HostEnv, HostEnvError, Stepped
from elsinore.envs.host_layers import limit_of, object_name, refuse_own_statistics
from elsinore.envs.host_spaces import Space, action_space_of, observation_space_of
from elsinore.envs.object_names import name_of_object
from elsinore.errors import ConfigError, on_error, one_line, reason_of, shortened

log = logging.getLogger("elsinore")


class OneByOne:
    """Rows of single environments with Gymnasium's `reset` and `step`, or those of older ones.

    `reset(seed=...)` or `reset()` returns the observation, alone or with `info`; `step(action)`
    returns (obs, reward, terminated, truncated, info), or (obs, reward, done[, info]).
    """

    def __init__(self, make: Callable[[], Any], rows: int, observation: Space, action: Space):
        self._envs: list[Any] = []
        self._observation, self._action = observation, action
        self._shapes = shapes(observation.zeros())
        self.any_shape = False  # observations of other shapes are read, too
        with on_error(self.close):
            for _ in range(rows):
                self._envs.append(make())
        self.seeded = takes_seed(self._envs[0])
        self.found: Any = None  # what an environment returned last, as it was

    def reset(self, rows: Int[np.ndarray, "row"], seeds: list[int]) -> PyTree:
        seen = []
        for i, seed in zip(rows.tolist(), seeds, strict=True):
            with naming(i, "reset"):
                found = self._envs[i].reset(**({"seed": seed} if self.seeded else {}))
                self.found = found
                seen.append(self._read(first_obs(found)))
        return self._observation.stack(seen)

    def step(self, rows: Int[np.ndarray, "row"], actions: Shaped[np.ndarray, "row ..."]) -> Stepped:
        seen, rewards, terminated, truncated = [], [], [], []
        for i, action in zip(rows.tolist(), actions, strict=True):
            with naming(i, "step"):
                self.found = self._envs[i].step(self._action.write(action))
                obs, reward, died, cut = stepped(self.found)
                seen.append(self._read(obs))
                rewards.append(_number(reward))
            terminated.append(died)
            truncated.append(cut)
        return (
            self._observation.stack(seen),
            np.asarray(rewards, np.float32),
            np.asarray(terminated, bool),
            np.asarray(truncated, bool),
        )

    def _read(self, obs: Any) -> PyTree:
        """An observation as the learner has it; numpy would repeat one that is too small."""
        seen = self._observation.read(obs)
        if not self.any_shape and (found := shapes(seen)) != self._shapes:
            raise ValueError(
                f"an observation of shape {found} is not in its space of {self._shapes}"
            )
        return seen

    def frame(self) -> np.ndarray | None:
        if getattr(self._envs[0], "render_mode", None) != "rgb_array":
            return None
        with naming(0, "render"):
            pixels = self._envs[0].render()
            shape = np.shape(pixels)
            if len(shape) != 2 and (len(shape) != 3 or shape[2] not in (1, 3, 4)):
                given = None if pixels is None else shape
                raise ValueError(
                    f"rgb_array needs an image [height, width, 3], and it gave {given}"
                )
            return np.asarray(pixels, np.uint8)

    def close(self) -> None:
        close(*self._envs)


class naming:
    """A context that names the environment in the errors of its code. (A generator would cost three
    times as much.)"""

    def __init__(self, row: int, what: str):
        self._row, self._what = row, what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, ConfigError | HostEnvError):
            reason = one_line(error, 300)
            raise HostEnvError(
                f"environment {self._row} failed in {self._what}: {type(error).__name__}: {reason}"
            ) from error


def shapes(obs: PyTree) -> Any:
    """The shapes of an observation's arrays."""
    return obs.shape if isinstance(obs, np.ndarray) else jax.tree.map(np.shape, obs)


def first_obs(found: Any) -> Any:
    """The observation of what `reset` returned: (obs, info) or obs alone."""
    pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)
    return found[0] if pair else found


def stepped(found: Any) -> tuple[Any, Any, bool, bool]:
    """(obs, reward, terminated, truncated) of what `step` returned, with five values or fewer."""
    if not isinstance(found, tuple) or not 3 <= len(found) <= 5:
        raise ConfigError(
            f"step returned {type(found).__name__} of"
            f" {len(found) if hasattr(found, '__len__') else 1} values; it must return (obs,"
            " reward, terminated, truncated, info), or (obs, reward, done, info)."
        )
    if len(found) == 5:
        return found[0], found[1], bool(found[2]), bool(found[3])
    if len(found) == 4 and isinstance(found[3], bool | np.bool_):
        raise ConfigError(
            "step returned four values, of which the last is a flag: (obs, reward, terminated,"
            " truncated) has no info, and (obs, reward, done, info) no second flag; let it return"
            " (obs, reward, terminated, truncated, {})."
        )
    info = found[3] if len(found) == 4 and isinstance(found[3], dict) else {}
    cut = bool(info.get("TimeLimit.truncated", False)) and bool(found[2])
    return found[0], found[1], bool(found[2]) and not cut, cut


def _number(reward: Any) -> float:
    if isinstance(reward, str | bytes):  # Python would read "1.0" as a number
        raise ValueError(f"the reward is the text {reward!r}")
    return float(reward)


def takes_seed(env: Any) -> bool:
    """True if `reset` has an argument `seed`, or hands on all that it is given, as wrappers do, to
    one that has."""
    try:
        parameters = inspect.signature(env.reset).parameters
    except (AttributeError, TypeError, ValueError):
        return False
    if "seed" in parameters or not any(x.kind is x.VAR_KEYWORD for x in parameters.values()):
        return "seed" in parameters
    return takes_seed(env.env) if hasattr(env, "env") else hasattr(type(env), "np_random")


def is_host_object(env: Any) -> bool:
    """True for an object with `reset` and `step`, or a function that makes one."""
    if isinstance(env, type | str) or hasattr(env, "reset_env") or hasattr(env, "step_env"):
        return False
    steps = callable(getattr(env, "step", None)) and callable(getattr(env, "reset", None))
    return steps or inspect.isroutine(env) or isinstance(env, functools.partial)


def host_env_of(
    env: Any, named: str | None = None, made_by: Callable[[], Any] | None = None
) -> Any:
    """The description of an environment object, of which copies are made, or of a function without
    arguments that makes one; an environment of gymnax that a function makes, as it is.

    Args:
        named: its name; by default that of its class or of the function.
        made_by: makes others like `env`, which is closed.

    Raises:
        ConfigError: for spaces that cannot be read, an object that cannot be copied, or one that
            normalises by statistics of its own.
    """
    if made_by is None and not hasattr(env, "step"):
        made_by, named, env = env, named or name_of_object(env), env()
    if hasattr(env, "reset_env"):
        return env
    name = named or object_name(env)
    recorded = named or name_of_object(env)

    make = made_by or functools.partial(_copied, env, name)
    is_users = made_by is None
    if is_users and getattr(env, "observation_space", None) is None:
        env, is_users = make(), False  # it is reset, which would change the user's object
    try:
        refuse_own_statistics(env, name)
        observation, action = spaces_of(env, name)
        limit, seeded = limit_of(env), takes_seed(env)
    finally:
        if not is_users:
            close(env)

    def rows(number: int) -> OneByOne:
        return OneByOne(make, number, observation, action)

    return HostEnv(recorded, observation, action, limit, rows, seeded)


def _copied(env: Any, name: str) -> Any:
    try:
        return copy.deepcopy(env)
    except Exception as error:
        raise ConfigError(
            f"env={name!r} cannot be copied ({type(error).__name__}: {error}), and a run needs"
            " several; give a function that makes one: elsinore.train(lambda: ...)."
        ) from error


def close(*envs: Any) -> None:
    """Close environments that have a `close`; all of them, though that of one fails. Such a failure
    is logged and not raised: it would hide why the run stopped, or end a run that is complete."""
    with contextlib.ExitStack() as stack:
        for env in envs:
            stack.callback(_close, env)


def _close(env: Any) -> None:
    try:
        getattr(env, "close", lambda: None)()
    except Exception as error:
        log.warning("env=%r failed in close: %s", object_name(env), reason_of(error))


def spaces_of(native: Any, name: str) -> tuple[Space, Space]:
    """The spaces of an object: its own, or of `num_actions` and the first observation.

    Raises:
        ConfigError: for a space that cannot be read, or none; for a vector environment.
    """
    if hasattr(native, "single_action_space"):
        raise ConfigError(
            f"env={name!r} makes a vector environment, which steps all its environments as one, so"
            " an episode cannot begin where another ends; make the single one. algo.num_envs is"
            " their number."
        )
    action = getattr(native, "action_space", None)
    if action is None and (number := getattr(native, "num_actions", None)) is not None:
        if not isinstance(number, int | np.integer):
            raise ConfigError(f"env={name!r}: its num_actions={number!r} must be a whole number.")
        action = spaces.Discrete(int(number))
    if action is None:
        raise ConfigError(
            f"env={name!r} has no action_space; give it one of gymnasium.spaces, or num_actions."
        )
    observation = getattr(native, "observation_space", None)
    if observation is None:
        observation = _space_seen(native, name)
    return observation_space_of(observation, name), action_space_of(action, name)


def _space_seen(native: Any, name: str) -> spaces.Box:
    """The space of the first observation, where an object has none of its own."""
    seen = first_obs(native.reset(**({"seed": 0} if takes_seed(native) else {})))
    try:
        numbers = np.asarray(seen)
    except ValueError:  # rows of several lengths
        numbers = np.asarray(None)
    if numbers.dtype.kind not in "biuf":
        raise ConfigError(
            f"env={name!r} has no observation_space, and reset returned {shortened(repr(seen))},"
            " which is no array of numbers; give it one of gymnasium.spaces."
        )
    return spaces.Box(-np.inf, np.inf, numbers.shape, numbers.dtype)


def limit_given(given: Any, own: Any) -> int:
    """The time limit that `env_kwargs.max_episode_steps` asks for, or the environment's `own`; 0
    for none, which Gymnasium writes as -1.

    Raises:
        ConfigError: for other than a whole number of steps.
    """
    if given is None:
        return max(int(own or 0), 0)
    if not isinstance(given, int | np.integer) or isinstance(given, bool) or given < -1:
        raise ConfigError(
            f"env_kwargs.max_episode_steps={given!r} must be a whole number of steps, or -1 for no"
            " limit."
        )
    return max(int(given), 0)
