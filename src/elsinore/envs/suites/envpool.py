"""EnvPool (Weng 2022, arXiv:2206.10558): environments in C++ by name, stepped on the host.

EnvPool resets an environment in the step after its end, which ignores its action. Here it is reset
at once, by its number. Its own time limit is the default of `max_steps_in_episode`. It is lifted
where it only counts steps; elsewhere rewards or other ends depend on it, and it stays.
"""

from functools import partial
from typing import Any

import envpool
import jax
import numpy as np
from envpool.registration import registry  # pyright: ignore[reportMissingImports]
from jaxtyping import Int, PyTree, Shaped

from elsinore.envs.host import HostEnv, HostEnvError, Stepped
from elsinore.envs.host_objects import limit_given
from elsinore.envs.host_spaces import Space, action_space_of, observation_space_of
from elsinore.errors import ConfigError

FOREVER = 2**30  # steps
# Arguments by which ViZDoom starts a program (also by a config file), and writes files.
PLACES = {"base_path", "cfg_path", "game_args", "lmp_save_dir", "vzd_path"}
LIFTED = ("classic_control", "mujoco.gym", "mujoco.dmc", "box2d", "atari", "jumanji")  # families
# Games of Jumanji that end by a clock of their own, which EnvPool reports as a death.
CLOCKED = ("Maze-v0", "PacMan-v1", "SearchAndRescue-v0", "SlidingTilePuzzle-v0", "Snake-v1")


class EnvPool:
    """Environments of EnvPool as a `HostEnv`."""

    @staticmethod
    def ids() -> tuple[str, ...]:
        return tuple(sorted(envpool.list_all_envs()))

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> HostEnv:
        """The environment of that id; `kwargs` go to `envpool.make`.

        Raises:
            ConfigError: for several players, spaces that cannot be read, or a place of files.
        """
        name, limit = f"envpool/{env_id}", kwargs.pop("max_episode_steps", None)
        for place in sorted(PLACES & kwargs.keys()):
            raise ConfigError(
                f"env_kwargs.{place}={kwargs[place]!r} decides what EnvPool starts or writes, which"
                f" settings that come with a run must not choose; leave it out of {name}."
            )
        spec = envpool.make_spec(env_id, **kwargs)
        if int(getattr(spec.config, "max_num_players", 1)) > 1:
            raise ConfigError(f"env={name!r} has several players, and learners here have one.")
        observation = observation_space_of(spec.gymnasium_observation_space, name)
        action = action_space_of(spec.gymnasium_action_space, name)
        own = int(getattr(spec.config, "max_episode_steps", 0))
        limit = limit_given(limit, own)
        clock = own if env_id.removeprefix("Jumanji/") in CLOCKED else 0
        if not clock and registry.specs[env_id][0].removeprefix("envpool.") in LIFTED:
            kwargs["max_episode_steps"] = FOREVER
        elif 0 < own < FOREVER and not 0 < limit <= own:
            raise ConfigError(
                f"env={name!r} has a limit of {own} steps that its rules depend on, and"
                f" env_kwargs.max_episode_steps={limit or -1} would lift it; give at most {own}."
            )
        make = partial(envpool.make_gymnasium, env_id, **kwargs)

        def rows(number: int) -> PoolRows:
            return PoolRows(make, number, observation, action, name, clock)

        limit = limit if limit < FOREVER else 0
        return HostEnv(name, observation, action, limit, rows, seeded=False)

    @classmethod
    def of(cls, native: Any) -> HostEnv:
        """Refuse a pool in hand, whose number of environments is fixed."""
        raise ConfigError(
            f"env={type(native).__name__} is a pool of EnvPool; give its name, such as"
            " envpool/CartPole-v1: a run makes pools as large as algo.num_envs."
        )


class PoolRows:
    """One pool. Its environments are seeded once, when it is made at the first reset."""

    seeded = False  # an episode after the first cannot be begun again

    def __init__(
        self, make: Any, rows: int, observation: Space, action: Space, name: str, clock: int
    ):
        """`clock`: the steps after which an end is a time limit, though EnvPool reports a death; 0
        for none."""
        self._make, self._num, self._name, self._clock = make, rows, name, clock
        self._observation, self._action = observation, action
        self._pool: Any = None
        self._time = np.zeros(rows, int)  # steps of the running episodes
        self._ended = np.zeros(rows, bool)  # by EnvPool itself
        self._action_taken: Any = None

    def reset(self, rows: Int[np.ndarray, "row"], seeds: list[int]) -> PyTree:
        if self._pool is None:
            assert len(rows) == self._num, "all rows begin first"
            self._pool = self._make(num_envs=self._num, seed=seeds)
        over = self._ended[rows]
        begun = [
            self._observation.read_rows(begin(rows[which]))
            for begin, which in ((self._forced, ~over), (self._following, over))
            if which.any()
        ]
        self._time[rows], self._ended[rows] = 0, False
        order = np.argsort(np.argsort(over, kind="stable"))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[order], *begun)

    def _forced(self, rows: Int[np.ndarray, "row"]) -> Any:
        return self._pool.reset(rows.astype(np.int32))[0]

    def _following(self, rows: Int[np.ndarray, "row"]) -> Any:
        """The reset that EnvPool makes by itself in the step after an end, whatever the action: at
        the loss of a life (`episodic_life`) it continues the game, and a forced one does not."""
        actions = np.repeat(self._action_taken[None], len(rows), axis=0)
        return self._pool.step(actions, rows.astype(np.int32))[0]

    def step(self, rows: Int[np.ndarray, "row"], actions: Shaped[np.ndarray, "row ..."]) -> Stepped:
        assert self._pool is not None, "an episode begins with a reset"
        written = np.stack([np.asarray(self._action.write(action)) for action in actions])
        self._action_taken = written[0]
        try:
            obs, reward, terminated, truncated, _ = self._pool.step(written, rows.astype(np.int32))
        except Exception as error:
            raise HostEnvError(f"{self._name} failed in step: {error}") from error
        self._time[rows] += 1
        died, cut = np.asarray(terminated, bool), np.asarray(truncated, bool)
        self._ended[rows] = died | cut
        cut = (cut & ~died) | (died & (self._time[rows] == self._clock))
        return self._observation.read_rows(obs), np.asarray(reward, np.float32), died & ~cut, cut

    def frame(self) -> np.ndarray | None:
        if self._pool is None or getattr(self._pool, "render_mode", None) != "rgb_array":
            return None
        return np.asarray(self._pool.render()[0], np.uint8)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None
