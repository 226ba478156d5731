"""Recordings of episodes that are played on the host."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PyTree

from elsinore.envs.host import HostEnv, HostRows, HostState
from elsinore.jaxtools.prng import for_uses
from elsinore.runs.host.acting import key_words
from elsinore.training.recording import Recording
from elsinore.types import Algorithm, PolicyState


class HostPlayer:
    """Plays and records single episodes, as `training.recording.record` does."""

    def __init__(
        self, algo: Algorithm, env: HostEnv, max_steps: int, greedy: bool, observations: bool
    ):
        self._algo, self._env, self._max_steps = algo, env, max_steps
        self._greedy, self._observations = greedy, observations
        self._act = jax.jit(self._one_step)

    def _one_step(
        self,
        policy_state: PolicyState,
        key: Key[Array, ""],
        time: Int[Array, ""],
        carry: PyTree,
        obs: PyTree,
    ) -> tuple[Array, PyTree, dict[str, Array], Any]:
        policy, inputs = self._algo.policy, (policy_state, carry, obs)
        scores = {} if policy.action_scores is None else policy.action_scores(*inputs)
        value = None if policy.value is None else policy.value(*inputs)
        key = jax.random.fold_in(key, time)
        action, carry = policy.act(key, policy_state, carry, obs, self._greedy)
        return action, carry, scores, value

    def __call__(self, policy_state: PolicyState, params: PyTree, key: Key[Array, ""]) -> Recording:
        """One episode, numpy, until it ends or for `max_steps`; one that is cut has no ending."""
        reset_key, act_key = for_uses(key, "record", "act")
        seed = int(np.random.SeedSequence(key_words(reset_key)).generate_state(1)[0]) >> 1
        limit, rows, row = int(params.max_steps_in_episode), self._env.open_rows(1), np.array([0])
        try:
            obs = rows.reset(row, [seed])
            states, steps = [self._state(0, obs, rows)], []
            carry = jax.tree.map(jnp.asarray, self._algo.policy.initial_carry)
            while len(steps) < self._max_steps:
                seen = jax.tree.map(lambda x: x[0], obs)
                action, carry, scores, value = self._act(
                    policy_state, act_key, np.int32(len(steps)), carry, seen
                )
                obs, reward, died, cut = rows.step(row, np.asarray(action)[None])
                over = cut[0] or 0 < limit <= len(steps) + 1
                truncated = over and not died[0]
                shown = seen if self._observations else ()
                steps.append((action, reward[0], died[0], truncated, scores, value, shown))
                states.append(self._state(len(steps), obs, rows))
                if died[0] or over:
                    break
        finally:
            rows.close()
        stack: Any = partial(jax.tree.map, lambda *x: np.stack([np.asarray(y) for y in x]))
        *each, shown = stack(*steps)
        return Recording(stack(*states), *each, length=np.int32(len(steps)), observation=shown)

    def _state(self, time: int, obs: PyTree, rows: HostRows) -> HostState:
        seen = jax.tree.map(lambda x: np.array(x[0]), obs)
        return HostState(time=np.int32(time), obs=seen, frame=self._env.frame_of(rows))
