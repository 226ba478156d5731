"""The compiled parts of a run on the host: acting in all rows, and learning from their rollout."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.algos.common import update_keys
from elsinore.experience.rollout import finished_episodes
from elsinore.jaxtools.compiler_options import compiler_options
from elsinore.nets.network import reset_carry
from elsinore.runs.host.vector import HostStep, HostVector
from elsinore.training.schedule import Schedule
from elsinore.types import Actor, Algorithm, Metrics, TrainState, Transition, names_of


class HostRollout(NamedTuple):
    """A rollout, [time, env, ...], numpy but for what the policy gave."""

    experience: Transition
    episode_return: Float[np.ndarray, "time env"]
    episode_length: Int[np.ndarray, "time env"]
    actor: Actor  # after it, without the state of the environments
    ended: Bool[np.ndarray, "env"]  # by the last step


class ActingAndLearning:
    """`UpdateParts` of an algorithm, jitted."""

    def __init__(self, algo: Algorithm, length: int, schedule: Schedule):
        """`length` is the steps of a rollout."""
        assert algo.parts is not None, "refused by the plan"
        self._algo, self._parts, self._length = algo, algo.parts, length
        self._schedule = schedule
        jit = partial(jax.jit, compiler_options=compiler_options())
        self.begin = jit(self._begin)
        self.begin_ahead = jit(self._begin_ahead)
        self._act = jit(self._one_step)
        self.learn = jit(self._learn, donate_argnums=(0, 1))
        self._names: tuple = ()

    def _begin(self, state: TrainState) -> tuple[PyTree, PyTree]:
        """Inputs of acting throughout a rollout, and noise of its steps, [time, env, ...]."""
        key, _, _ = update_keys(self._parts, state)
        context, noise = self._parts.prepare(state, key)
        return (_for_acting(state), context), noise

    def _begin_ahead(self, state: TrainState) -> tuple[PyTree, PyTree]:
        """`begin` of the next update, before this one is learnt from; its arrays are copies, since
        learning takes the memory of the state."""
        begun = self._begin(state._replace(update=state.update + 1))
        return jax.tree.map(jnp.copy, begun)

    def _one_step(
        self,
        inputs: PyTree,
        noise: PyTree,
        time: Int[Array, ""],
        carry: PyTree,
        ended: Bool[Array, "env"],
        obs: PyTree,
    ) -> tuple[Array, Array, PyTree, PyTree]:
        carry = reset_carry(ended, self._algo.policy.initial_carry, carry)
        now = jax.tree.map(lambda x: x[time], noise)
        decision = self._parts.decide(*inputs, now, carry, obs)
        return decision.env_action, decision.action, decision.log_prob, decision.carry

    def rollout(
        self, vector: HostVector, begun: tuple[PyTree, PyTree], carry: PyTree
    ) -> HostRollout:
        """Step every row `length` times. `carry` is the recurrent state at the first step."""
        inputs, noise = begun
        ended, steps, decided, seen = np.zeros(len(vector.episode_length), bool), [], [], []
        for time in range(self._length):
            seen.append(vector.obs)
            env_action, action, log_prob, carry = self._act(
                inputs, noise, np.int32(time), carry, ended, vector.obs
            )
            decided.append((action, log_prob))
            step = vector.step(np.asarray(env_action))
            steps.append(step)
            ended = step.done
        return _stacked(seen, decided, steps, vector, carry)

    def _learn(
        self, state: TrainState, rows: Float[Array, "row metric"], row: Any, rollout: HostRollout
    ) -> tuple[TrainState, Float[Array, "row metric"]]:
        """All the learning from a rollout; its metrics are added to that row."""
        state, means = self.learnt(state, rollout)
        means = dict(sorted(means.items()))  # as `eval_shape` names them
        return state, rows.at[row].add(Metrics.of(means).table)

    def learnt(self, state: TrainState, rollout: HostRollout) -> tuple[TrainState, dict[str, Any]]:
        """The state after learning from a rollout, and the metrics of both."""
        experience, initial = rollout.experience, self._algo.policy.initial_carry
        done = experience.terminated | experience.truncated
        own = {"return": rollout.episode_return, "length": rollout.episode_length}
        metrics = finished_episodes(done, own)
        carry = reset_carry(rollout.ended, initial, rollout.actor.carry)
        actor = rollout.actor._replace(carry=carry)
        prepare_key, _, learn_key = update_keys(self._parts, state)
        context, _ = self._parts.prepare(state, prepare_key)
        after, learnt = self._parts.learn(learn_key, state, actor, experience, context)
        return after, metrics | learnt

    def no_rows(self, state: TrainState, rollout: HostRollout) -> Float[Array, "row metric"]:
        """Rows of metrics of a chunk, empty; `metrics` names them."""
        if not self._names:
            self._names = tuple(names_of(jax.eval_shape(self.learnt, state, rollout)[1]))
        return jnp.zeros((self._schedule.rows_per_chunk, 2 * len(self._names)))

    def metrics(self, rows: Float[Array, "row metric"]) -> Metrics:
        """Those rows as the metrics of a chunk."""
        return Metrics(rows, self._names)


def _for_acting(state: TrainState) -> TrainState:
    """The state without what only learning reads, which would be handed over at each step."""
    learner = state.learner
    if hasattr(learner, "buffer"):
        learner = learner._replace(buffer=())
    return state._replace(learner=learner, actor=(), rnd=None)


def _stacked(
    seen: list[PyTree],
    decided: list[tuple[Any, PyTree]],
    steps: list[HostStep],
    vector: HostVector,
    carry: PyTree,
) -> HostRollout:
    stack = lambda trees: jax.tree.map(lambda *x: np.stack(x), *trees)  # noqa: E731
    action, log_prob = jax.tree.map(lambda *x: np.stack([np.asarray(y) for y in x]), *decided)
    step: HostStep = stack(steps)
    experience = Transition(
        stack(seen),
        action,
        step.reward,
        step.terminated,
        step.truncated,
        step.final_obs,
        log_prob,
    )
    # Copies: jax may use numpy's memory as it is, and learning takes the memory of the state.
    now = (vector.obs, vector.episode_return, vector.episode_length)
    obs, episode_return, episode_length = jax.tree.map(np.copy, now)
    after = Actor((), obs, carry, episode_return, episode_length)
    return HostRollout(experience, step.episode_return, step.episode_length, after, steps[-1].done)


def key_words(key: Key[Array, ""]) -> tuple[int, ...]:
    """A PRNG key as numbers from which seeds of environments are made."""
    return tuple(int(word) for word in np.asarray(jax.random.key_data(key)).ravel())
