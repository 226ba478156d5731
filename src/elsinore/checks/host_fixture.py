"""An environment on the host and the episodes that several of its checks share."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.checks.env_fixture import random_legal_action

NUM_SEEDS = 8
LONGEST_WALK = 5_000  # steps; a longer episode is not waited for
ROW = np.array([0])


class HostWalk(NamedTuple):
    """One episode of random legal actions, or the beginning of one."""

    actions: list[Any]
    obs: list[PyTree]  # the first to the last: one more than the actions
    reward: list[float]
    terminated: bool
    cut: bool  # truncated by the environment itself
    found: list[Any]  # what `reset` and each `step` returned; None where rows are stepped as one


class HostFixture:
    """A `HostEnv`, with the values that several checks share, each made at its first use.

    `walks` take `num_steps`, or as many as the longest `episodes` have if those are more.
    """

    def __init__(
        self, env: Any, params: PyTree | None, seed: int, num_steps: int, episodes: int = 3
    ):
        self.env, self._num_steps, self._key = env, num_steps, jax.random.key(seed)
        self._episodes = episodes
        given = env.default_params if params is None else params
        self.limit = int(given.max_steps_in_episode)
        self.seeds = (np.random.SeedSequence(seed).generate_state(NUM_SEEDS) >> 1).tolist()
        self.space = env.action_space(given)
        self._opened: list[Any] = []
        self._draw: Callable = jax.jit(
            lambda key, obs: random_legal_action(key, self.space, obs)[0]
        )

    def rows(self, number: int) -> Any:
        """That many environments, made anew."""
        opened = self.env.open_rows(number)
        opened.any_shape = True  # the check `spaces` looks at them
        self._opened.append(opened)
        return opened

    @property
    def num_trials(self) -> int:
        """Episodes that must be alike where one can be repeated; several without seeds, where two
        may be alike by chance."""
        return 1 if self.env.seeded else NUM_SEEDS

    def close(self) -> None:
        for opened in self._opened:
            opened.close()

    def action(self, number: int, obs: PyTree) -> np.ndarray:
        return np.asarray(self._draw(jax.random.fold_in(self._key, number), obs))

    def play(self, rows: Any, seed: int, steps: int, actions: list[Any] | None = None) -> HostWalk:
        """An episode of the first row, for that many steps at most; of these actions, if given."""
        found = lambda: getattr(rows, "found", None)  # noqa: E731
        obs = rows.reset(ROW, [seed])
        walk = HostWalk([], [one(obs)], [], False, False, [found()])
        for i in range(steps if actions is None else len(actions)):
            action = self.action(seed + i, walk.obs[-1]) if actions is None else actions[i]
            obs, reward, terminated, cut = rows.step(ROW, action[None])
            walk.actions.append(action)
            walk.obs.append(one(obs))
            walk.reward.append(float(reward[0]))
            walk.found.append(found())
            if terminated[0] or cut[0]:
                return walk._replace(terminated=bool(terminated[0]), cut=bool(cut[0]))
        return walk

    @cached_property
    def first(self) -> HostWalk:
        """The beginning of an episode of new environments."""
        return self.play(self.rows(1), self.seeds[0], 3)

    @cached_property
    def walks(self) -> list[HostWalk]:
        """Episodes of one environment, each up to its end or the limit."""
        rows, walks, taken = self.rows(1), [], 0
        total = max(self._num_steps, min(self._episodes * self.limit, LONGEST_WALK))
        while taken < total:
            most = min(self.limit, total - taken) if self.limit > 0 else total - taken
            seed = self.seeds[len(walks) % NUM_SEEDS] + len(walks)
            walks.append(self.play(rows, seed, most))
            taken += max(len(walks[-1].actions), 1)
        return walks

    @property
    def ended(self) -> list[HostWalk]:
        """The walks that the environment itself ended."""
        return [walk for walk in self.walks if walk.terminated or walk.cut]


def one(obs: PyTree) -> PyTree:
    """A copy of the first row of observations."""
    return jax.tree.map(lambda x: np.array(x[0]), obs)


def seen(walk: HostWalk) -> PyTree:
    """All that an episode shows, to be compared."""
    return {"obs": walk.obs, "reward": walk.reward, "ends": [walk.terminated, walk.cut]}
