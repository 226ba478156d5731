"""`HostEnv`: an environment in Python or C++, which JAX cannot compile, as data about it.

It has spaces and a time limit like any other; `open_rows` makes the environments themselves, which
`runs/host` steps. Its `reset_env` and `step_env` give shapes only: a program that were to step it
fails with the reason.
"""

import copy
import functools
import inspect
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

from elsinore.envs.host_spaces import Space, action_space_of, observation_space_of
from elsinore.envs.picture import picture, shrunk
from elsinore.envs.scene import Scene
from elsinore.envs.views import plain_scene
from elsinore.errors import ConfigError, RunError

LARGEST_FRAME = 160  # pixels of the longer side of a recorded frame
FRAMES_BYTES = 2**26  # of the frames of an episode

Stepped = tuple[
    PyTree,  # next observations, [row, ...]: of a finished episode the last one
    Float[np.ndarray, "row"],
    Bool[np.ndarray, "row"],  # terminated
    Bool[np.ndarray, "row"],  # truncated by the environment itself
]


class HostRows(Protocol):
    """Environments that are stepped on the host, a row each. Nothing is reset by itself."""

    seeded: bool  # the same seed and actions make the same episode

    def reset(self, rows: Int[np.ndarray, "row"], seeds: list[int]) -> PyTree:
        """First observations of new episodes, [row, ...]."""
        ...

    def step(self, rows: Int[np.ndarray, "row"], actions: Shaped[np.ndarray, "row ..."]) -> Stepped:
        """One step of each of these rows."""
        ...

    def frame(self) -> np.ndarray | None:
        """An image of the first row, [height, width, 3]; None where it is made without
        `render_mode="rgb_array"`."""
        ...

    def close(self) -> None: ...


class HostEnvError(RunError):
    """An environment failed while it was stepped; the message names it."""


@struct.dataclass
class HostParams(EnvParams):
    max_steps_in_episode: int = 0  # none


@struct.dataclass
class HostState(EnvState):  # inherits `time`
    obs: PyTree = ()  # the last observation, which views show
    tape: PyTree = ()  # `Tape` of a run in training
    frame: PyTree = ()  # an image of a recorded episode, where its environment draws one


class Tape(NamedTuple):
    """The running episode of a row, from which it is repeated: its number and its actions so far.

    The number is 0 before the first episode; the actions are as many as the state's `time`.
    """

    episode: Int[Array, ""]
    actions: Shaped[Array, "time ..."]


class HostEnv(Environment):
    """An environment that is stepped on the host.

    Args:
        name: as a config has it.
        observation, action: its spaces, and how its own values are read and written.
        limit: the default of `max_steps_in_episode`; 0: none is known.
        open_rows: (number of rows) -> the environments.
        seeded: the same seed and actions make the same episode, as its rows say.
    """

    on_host = True

    def __init__(
        self,
        name: str,
        observation: Space,
        action: Space,
        limit: int,
        open_rows: Callable[[int], HostRows],
        seeded: bool,
    ):
        self._name, self.observation, self.action = name, observation, action
        self.limit, self.open_rows, self.seeded = limit, open_rows, seeded

    @property
    def name(self) -> str:
        return self._name

    @property
    def default_params(self) -> HostParams:
        return HostParams(max_steps_in_episode=self.limit)

    def observation_space(self, params: PyTree) -> spaces.Space:
        return self.observation.space

    def action_space(self, params: PyTree) -> spaces.Space:
        return self.action.space

    def blank(self) -> PyTree:
        """An observation of zeros."""
        return self.observation.zeros()

    def reset_env(self, key: Key[Array, ""], params: PyTree) -> tuple[PyTree, HostState]:
        """The shapes of an observation and a state, in zeros: an episode begins on the host."""
        obs = jax.tree.map(jnp.asarray, self.blank())
        return obs, HostState(time=jnp.int32(0), obs=obs)

    def step_env(
        self, key: Key[Array, ""], state: HostState, action: Array, params: PyTree
    ) -> tuple[PyTree, HostState, Array, Array, dict[str, Any]]:
        """The shapes of a step; it fails where it is run."""

        def refuse(*_: Any) -> Any:
            raise HostEnvError(
                f"env={self.name!r} is stepped on the host, and this program would step it itself."
            )

        shape = jax.ShapeDtypeStruct((), jnp.float32)
        reward = jax.pure_callback(refuse, shape, state.time, vmap_method="broadcast_all")
        return state.obs, state.replace(time=state.time + 1), reward, reward > 0.0, {}

    def filmed(self, state: HostState) -> HostState:
        """The shapes of a recorded state: with a frame, where the environment draws one."""
        shape = self._frame_shape
        return state.replace(frame=jax.ShapeDtypeStruct(shape, np.uint8)) if shape else state

    @cached_property
    def _frame_shape(self) -> tuple[int, ...]:
        rows = self.open_rows(1)
        try:
            rows.reset(np.array([0]), [0])
            frame = self.frame_of(rows)
            return np.shape(frame) if np.size(frame) else ()
        finally:
            rows.close()

    def frame_of(self, rows: HostRows) -> Any:
        """The frame of the first row, so small that those of a long episode fit a replay; ()
        without one."""
        if (pixels := rows.frame()) is None:
            return ()
        most = math.isqrt(FRAMES_BYTES // (3 * (self.limit or 1000)))
        return shrunk(pixels, min(most, LARGEST_FRAME))

    def is_truncated(self, state: HostState, params: PyTree) -> Bool[Array, ""]:
        return state.time >= params.max_steps_in_episode

    def scene(self, params: PyTree, state: HostState) -> Scene:
        """The environment's own drawing, if it has one; the observation's numbers and small
        pictures."""
        scene = plain_scene(self, params, {"time": state.time, "observation": state.obs})
        if not np.size(state.frame):
            return scene
        return Scene(scene.title, (picture("drawn by the environment", state.frame), *scene.panels))


class OneByOne:
    """Rows of single environments with Gymnasium's `reset` and `step`, or those of older ones.

    `reset(seed=...)` or `reset()` returns the observation, alone or with `info`; `step(action)`
    returns (obs, reward, terminated, truncated, info), or (obs, reward, done[, info]).
    """

    def __init__(self, make: Callable[[int], Any], rows: int, observation: Space, action: Space):
        self._envs = [make(i) for i in range(rows)]
        self._observation, self._action = observation, action
        self.seeded = takes_seed(self._envs[0])
        self.found: Any = None  # what an environment returned last, as it was

    def reset(self, rows: Int[np.ndarray, "row"], seeds: list[int]) -> PyTree:
        seen = []
        for i, seed in zip(rows.tolist(), seeds, strict=True):
            with naming(i, "reset"):
                found = self._envs[i].reset(**({"seed": seed} if self.seeded else {}))
                self.found = found
                seen.append(self._observation.read(first_obs(found)))
        return self._observation.stack(seen)

    def step(self, rows: Int[np.ndarray, "row"], actions: Shaped[np.ndarray, "row ..."]) -> Stepped:
        seen, rewards, terminated, truncated = [], [], [], []
        for i, action in zip(rows.tolist(), actions, strict=True):
            with naming(i, "step"):
                self.found = self._envs[i].step(self._action.write(action))
                obs, reward, died, cut = stepped(self.found)
                seen.append(self._observation.read(obs))
                rewards.append(float(reward))
            terminated.append(died)
            truncated.append(cut)
        return (
            self._observation.stack(seen),
            np.asarray(rewards, np.float32),
            np.asarray(terminated, bool),
            np.asarray(truncated, bool),
        )

    def frame(self) -> np.ndarray | None:
        if getattr(self._envs[0], "render_mode", None) != "rgb_array":
            return None
        with naming(0, "render"):
            return np.asarray(self._envs[0].render(), np.uint8)

    def close(self) -> None:
        for env in self._envs:
            getattr(env, "close", lambda: None)()


class naming:
    """Name the environment in whatever its code raises. (A generator costs three times as much.)"""

    def __init__(self, row: int, what: str):
        self._row, self._what = row, what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, ConfigError | HostEnvError):
            reason = " ".join(str(error).split())[:300]
            raise HostEnvError(
                f"environment {self._row} failed in {self._what}: {type(error).__name__}: {reason}"
            ) from error


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
    info = found[3] if len(found) == 4 and isinstance(found[3], dict) else {}
    cut = bool(info.get("TimeLimit.truncated", False)) and bool(found[2])
    return found[0], found[1], bool(found[2]) and not cut, cut


def takes_seed(env: Any) -> bool:
    """True if `reset` has an argument `seed`."""
    try:
        parameters = inspect.signature(env.reset).parameters
    except (TypeError, ValueError):
        return False
    return "seed" in parameters


def is_host_object(env: Any) -> bool:
    """True for an object with `reset` and `step`, or a function that makes one."""
    if isinstance(env, type | str) or hasattr(env, "reset_env") or hasattr(env, "step_env"):
        return False
    steps = callable(getattr(env, "step", None)) and callable(getattr(env, "reset", None))
    return steps or inspect.isroutine(env) or isinstance(env, functools.partial)


def host_env_of(env: Any, named: str | None = None) -> Any:
    """The description of an environment object, of which copies are made, or of a function without
    arguments that makes one; an environment of gymnax that a function makes, as it is.

    Raises:
        ConfigError: for spaces that cannot be read, or an object that cannot be copied.
    """
    made_by = env if not hasattr(env, "step") else None
    native = made_by() if made_by else env
    if hasattr(native, "reset_env"):
        return native
    name = named or object_name(env if made_by else native)
    observation, action = spaces_of(native, name)

    def make(row: int) -> Any:
        if made_by is not None:
            return made_by()
        try:
            return copy.deepcopy(native)
        except Exception as error:
            raise ConfigError(
                f"env={name!r} cannot be copied ({type(error).__name__}: {error}), and a run needs"
                " several; give a function that makes one: elsinore.train(lambda: ...)."
            ) from error

    def rows(number: int) -> OneByOne:
        return OneByOne(make, number, observation, action)

    return HostEnv(name, observation, action, limit_of(native), rows, takes_seed(native))


def spaces_of(native: Any, name: str) -> tuple[Space, Space]:
    """The spaces of an object: its own, or of `num_actions` and the first observation.

    Raises:
        ConfigError: for a space that cannot be read, or none.
    """
    action = getattr(native, "action_space", None)
    if action is None and (number := getattr(native, "num_actions", None)) is not None:
        action = spaces.Discrete(int(number))
    if action is None:
        raise ConfigError(
            f"env={name!r} has no action_space; give it one of gymnasium.spaces, or num_actions."
        )
    observation = getattr(native, "observation_space", None)
    if observation is None:
        seen = np.asarray(first_obs(native.reset()))
        observation = spaces.Box(-np.inf, np.inf, seen.shape, seen.dtype)
    return observation_space_of(observation, name), action_space_of(action, name)


def limit_of(native: Any) -> int:
    """The time limit of an object, in steps; 0 where none is known."""
    spec = getattr(native, "spec", None)
    known = (getattr(native, x, None) for x in ("max_steps_in_episode", "max_episode_steps"))
    limits = [getattr(spec, "max_episode_steps", None), *known]
    return next((int(x) for x in limits if isinstance(x, int) and x > 0), 0)


def object_name(env: Any) -> str:
    """The name by which a config records an object or a function."""
    kind = env if inspect.isroutine(env) else type(env)
    return f"{kind.__module__}:{kind.__qualname__}"


def blank_tape(env: HostEnv, steps: int) -> Tape:
    """A tape before the first episode, with room for so many steps."""
    return Tape(np.int32(0), np.zeros((steps, *env.action.space.shape), env.action.dtype))
