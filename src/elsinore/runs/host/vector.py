"""`HostVector`: environments on the host, reset in the step that ends their episode.

It does for Python what `batched_autoreset_step` does in a compiled program: `obs` is the one to act
on next, `final_obs` the true next observation, and a time limit truncates.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PyTree, Shaped

from elsinore.envs.host import HostEnv, HostRows, HostState, Tape, blank_tape
from elsinore.types import Actor


class HostStep(NamedTuple):
    """One step of all rows."""

    reward: Float[np.ndarray, "env"]
    terminated: Bool[np.ndarray, "env"]
    truncated: Bool[np.ndarray, "env"]
    final_obs: PyTree
    episode_return: Float[np.ndarray, "env"]  # of the episodes so far, also of those that ended
    episode_length: Int[np.ndarray, "env"]

    @property
    def done(self) -> Bool[np.ndarray, "env"]:
        return self.terminated | self.truncated


class HostVector:
    """The environments of one seed.

    Each episode begins from a seed of its own, made of the numbers `key`, its row and its number.
    So a running episode is repeated from its seed and its actions, which a checkpoint has.
    """

    def __init__(
        self, env: HostEnv, rows: HostRows, num: int, key: tuple[int, ...], limit: int, tape: int
    ):
        """`limit`: steps of an episode; `tape`: actions of a running episode that are kept."""
        self.obs = jax.tree.map(lambda x: np.stack([x] * num), env.blank())
        self.episode_return = np.zeros(num, np.float32)
        self.episode_length = np.zeros(num, np.int32)
        self._rows, self._key, self._limit = rows, key, limit
        self._everyone = np.arange(num)
        self.restarted = np.zeros(num, bool)  # rows that `restore` could not repeat
        self._episode = np.zeros(num, np.int32)  # the number of each row's episode, from 1
        self._actions = np.stack([blank_tape(env, tape).actions] * num)

    def begin(self, rows: Int[np.ndarray, "row"] | None = None) -> None:
        """Begin a new episode in these rows; by default in all."""
        rows = self._everyone if rows is None else rows
        self._episode[rows] += 1
        seeds = [self._seed(int(i)) for i in rows]
        self._put(rows, self._rows.reset(rows, seeds))
        self.episode_return[rows], self.episode_length[rows] = 0.0, 0

    def step(self, actions: Shaped[np.ndarray, "env ..."]) -> HostStep:
        """One step of every row; those that end begin again."""
        last = self._actions.shape[1] - 1
        self._actions[self._everyone, np.minimum(self.episode_length, last)] = actions
        obs, reward, terminated, cut = self._rows.step(self._everyone, actions)
        self.episode_length = self.episode_length + 1
        self.episode_return = self.episode_return + reward
        truncated = (cut | (self.episode_length >= self._limit)) & ~terminated
        after = HostStep(
            reward, terminated, truncated, obs, self.episode_return, self.episode_length
        )
        self.obs = obs
        if (ended := np.flatnonzero(after.done)).size:
            self.obs = jax.tree.map(np.copy, obs)
            self.episode_return = self.episode_return.copy()
            self.episode_length = self.episode_length.copy()
            self.begin(ended)
        return after

    def actor(self, carry: PyTree) -> Actor:
        """The environments as a checkpoint holds them, [env, ...]."""
        tape = Tape(self._episode.copy(), self._actions.copy())
        obs = jax.tree.map(np.copy, self.obs)
        state = HostState(time=self.episode_length.copy(), obs=obs, tape=tape)
        return Actor(state, obs, carry, self.episode_return.copy(), self.episode_length.copy())

    def restore(self, actor: Actor) -> None:
        """Repeat the running episodes of `actor`, numpy arrays. A row that does not come out the
        same begins a new one, and is marked in `restarted`; a row without an episode begins one."""
        self._episode = np.array(actor.env_state.tape.episode)
        self._actions = np.array(actor.env_state.tape.actions)
        fits = self._actions.shape[1] >= self._limit and self._rows.seeded
        begun = self._episode > 0
        repeated = np.array([x and fits and self._repeat(i, actor) for i, x in enumerate(begun)])
        self.restarted = begun & ~repeated
        if (rows := np.flatnonzero(~repeated)).size:
            self.begin(rows)

    def _repeat(self, row: int, actor: Actor) -> bool:
        """Repeat one row's episode; False where its observation or its return is another."""
        at, length = np.array([row]), int(actor.episode_length[row])
        obs, total = self._rows.reset(at, [self._seed(row)]), np.float32(0.0)
        for action in self._actions[row, :length]:
            obs, reward, *_ = self._rows.step(at, action[None])
            total = total + reward[0]
        seen = jax.tree.map(lambda x: np.asarray(x)[row], actor.obs)
        same = jax.tree.map(lambda x, y: np.array_equal(x[0], y, equal_nan=True), obs, seen)
        if not all(jax.tree.leaves(same)) or total != actor.episode_return[row]:
            return False
        self._put(at, obs)
        self.episode_return[row], self.episode_length[row] = total, length
        return True

    def _seed(self, row: int) -> int:
        words = np.random.SeedSequence((*self._key, row, int(self._episode[row])))
        return int(words.generate_state(1)[0]) >> 1  # some libraries take 31 bits

    def _put(self, rows: Int[np.ndarray, "row"], obs: PyTree) -> None:
        for mine, new in zip(jax.tree.leaves(self.obs), jax.tree.leaves(obs), strict=True):
            mine[rows] = new

    def close(self) -> None:
        self._rows.close()
