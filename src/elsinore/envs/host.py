"""`HostEnv`: an environment in Python or C++, which JAX cannot compile, as data about it.

It has spaces and a time limit like any other; `open_rows` makes the environments themselves, which
`runs/host` steps. Its `reset_env` and `step_env` give shapes only: a compiled program that steps it
fails, and says why.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

from elsinore.envs.host_spaces import Space
from elsinore.envs.picture import picture, shrunk
from elsinore.envs.plain_scene import plain_scene
from elsinore.envs.scene import Scene
from elsinore.errors import RunError

LARGEST_FRAME, SMALLEST_FRAME = 160, 16  # pixels of the longer side of a recorded frame
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
        return state.obs, replace(state, time=state.time + 1), reward, reward > 0.0, {}

    def filmed(self, state: HostState) -> HostState:
        """The shapes of a recorded state: with a frame, where the environment draws one."""
        shape = self._frame_shape
        return replace(state, frame=jax.ShapeDtypeStruct(shape, np.uint8)) if shape else state

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
        return shrunk(pixels, min(max(most, SMALLEST_FRAME), LARGEST_FRAME))

    def is_truncated(self, state: HostState, params: PyTree) -> Bool[Array, ""]:
        limit = params.max_steps_in_episode
        return (state.time >= limit) & (limit > 0)

    def scene(self, params: PyTree, state: HostState) -> Scene:
        """The environment's own drawing, if it has one; the observation's numbers and small
        pictures."""
        scene = plain_scene(self, params, {"time": state.time, "observation": state.obs})
        if not np.size(state.frame):
            return scene
        return Scene(scene.title, (picture("drawn by the environment", state.frame), *scene.panels))


def blank_tape(env: HostEnv, steps: int) -> Tape:
    """A tape before the first episode, with room for `steps` steps; for one where they are 0, since
    a checkpoint cannot hold an array without numbers."""
    return Tape(np.int32(0), np.zeros((max(steps, 1), *env.action.space.shape), env.action.dtype))
