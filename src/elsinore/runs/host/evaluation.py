"""Evaluation on the host: each episode is played once, whole, so that short ones count no more
often than long ones."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Int, Key, PyTree

from elsinore.envs.host import HostEnv, HostRows
from elsinore.jaxtools.compiler_options import compiler_options
from elsinore.jaxtools.prng import for_uses
from elsinore.nets.network import reset_carry
from elsinore.runs.host.acting import key_words
from elsinore.training.evaluation import Episodes
from elsinore.types import Algorithm, PolicyState

ROWS = 32  # environments at most that play an evaluation's episodes


class HostEvaluation:
    """Plays episodes of a policy; its environments are opened at the first call."""

    def __init__(self, env: HostEnv, algo: Algorithm, limit: int, max_steps: int, greedy: bool):
        """`limit` is the environment's, which truncates; `max_steps` cuts an episode short."""
        self._env, self._algo, self._greedy = env, algo, greedy
        self._limit, self._max_steps = limit, max_steps
        self._act = jax.jit(self._one_step, compiler_options=compiler_options())
        self._open: HostRows | None = None
        self._num = 0

    def _one_step(
        self,
        policy_state: PolicyState,
        key: Key[Array, ""],
        time: Int[Array, ""],
        carry: PyTree,
        begun: Bool[Array, "row"],
        obs: PyTree,
    ) -> tuple[Array, PyTree]:
        policy, rows = self._algo.policy, len(begun)
        carry = reset_carry(begun, policy.initial_carry, carry)
        keys = jax.random.split(jax.random.fold_in(key, time), rows)
        act = jax.vmap(partial(policy.act, greedy=self._greedy), in_axes=(0, None, 0, 0))
        return act(keys, policy_state, carry, obs)

    def __call__(self, policy_state: PolicyState, key: Key[Array, ""], episodes: int) -> Episodes:
        """`episodes` fresh episodes, until each has ended, or for `max_steps`."""
        reset_key, play_key = for_uses(key, "evaluate", "play")
        rows = self._rows(min(ROWS, episodes))
        seeds = np.random.SeedSequence(key_words(reset_key)).generate_state(episodes) >> 1
        result = _no_steps(episodes)
        playing = np.arange(self._num)  # the episode of each row; -1: none is left
        obs = rows.reset(playing, seeds[: self._num].tolist())
        carry = self._algo.policy.initial_carries(self._num)
        begun, following, time = np.ones(self._num, bool), self._num, 0
        while (active := np.flatnonzero(playing >= 0)).size:
            action, carry = self._act(policy_state, play_key, np.int32(time), carry, begun, obs)
            seen, reward, terminated, cut = rows.step(active, np.asarray(action)[active])
            over = self._count(result, playing[active], reward, terminated | cut)
            obs = _with_rows(obs, active, seen)
            begun, time = np.zeros(self._num, bool), time + 1
            for row in active[over]:
                playing[row] = following if following < episodes else -1
                if playing[row] >= 0:
                    at = np.array([row])
                    obs = _with_rows(obs, at, rows.reset(at, [int(seeds[following])]))
                    begun[row], following = True, following + 1
        return result

    def _count(
        self, result: Episodes, playing: Int[np.ndarray, "active"], reward: Any, ended: Any
    ) -> Bool[np.ndarray, "active"]:
        """Count one step of these episodes; True for those that are over."""
        result.returns[playing] += reward
        result.lengths[playing] += 1
        lengths: Any = result.lengths[playing]
        result.ended[playing] = ended | (lengths >= self._limit)
        return result.ended[playing] | (lengths >= self._max_steps)

    def _rows(self, num: int) -> HostRows:
        if self._open is None or self._num != num:
            self.close()
            self._open, self._num = self._env.open_rows(num), num
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _no_steps(episodes: int) -> Episodes:
    lengths = np.zeros(episodes, np.int32)
    ended: Any = np.zeros(episodes, bool)
    return Episodes(np.zeros(episodes, np.float32), lengths, ended, {})


def _with_rows(obs: PyTree, rows: Int[np.ndarray, "row"], new: PyTree) -> PyTree:
    def put(x: Any, y: Any) -> Any:
        x = np.array(x)
        x[rows] = y
        return x

    return jax.tree.map(put, obs, new)
