"""Training on the host: chunks of rollouts in Python and compiled learning, as `Program.chunk`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.algos.replay import truncate_running
from elsinore.config.host import tape_steps
from elsinore.config.plan import Plan
from elsinore.config.schedule import max_steps_of
from elsinore.experience.normalisation import restart_returns
from elsinore.jaxtools.compiler_options import compiler_options
from elsinore.jaxtools.prng import for_update, for_use
from elsinore.nets.network import reset_carry
from elsinore.runs.host.acting import ActingAndLearning, key_words
from elsinore.runs.host.evaluation import HostEvaluation
from elsinore.runs.host.vector import HostVector
from elsinore.training.chunk import ChunkReport, earliest_update, finite, with_score
from elsinore.training.early_stopping import Convergence, watched
from elsinore.training.evaluation import Episodes
from elsinore.training.layout import Layout
from elsinore.types import RunState, TrainState


class HostTraining:
    """The replicas of a run and their environments, which take turns.

    `chunk` and `evaluate` are called as the compiled ones of `Compiled`. States are [replica, ...].
    """

    def __init__(self, plan: Plan, layout: Layout):
        experiment = plan.experiment
        self._plan, self._layout, self._config = plan, layout, experiment.algo
        self._limit = int(np.max(plan.env_params.max_steps_in_episode))
        self._overlap = experiment.host.overlap
        algo = plan.program.algo
        self._parts = ActingAndLearning(algo, self._config.rollout_length, plan.schedule)
        most = max_steps_of(experiment, plan.env_params)
        greedy = experiment.evaluation.greedy
        self._play = HostEvaluation(plan.env, algo, self._limit, most, greedy)
        self._take, self._put = jax.jit(_taken), jax.jit(_put, donate_argnums=0)
        self._judge = jax.jit(self._judged, compiler_options=compiler_options())
        self._vectors: dict[int, HostVector] = {}

    def resume(self, states: RunState) -> str:
        """Repeat the episodes that ran at a checkpoint; returns a text about those that cannot be
        repeated, empty if there are none."""
        vectors = [self._vector(i, self._replica(states, i).train) for i in self._learning(states)]
        restarted = [vector.restarted for vector in vectors]
        if not (number := int(np.sum(restarted))):
            return ""
        return (
            f"{number} of {np.size(restarted)} environments begin a new episode, since the running"
            " one could not be repeated: the run continues from its checkpoint with fresh episodes,"
            " and is not bit for bit the one without a break"
        )

    def _learning(self, states: RunState) -> list[int]:
        """The replicas that are not frozen."""
        frozen = np.asarray(states.convergence.frozen)[: self._layout.num_seeds]
        return np.flatnonzero(~frozen).tolist()

    def _vector(self, i: int, train: TrainState) -> HostVector:
        """The environments of a replica; opened at first, where its episodes are repeated."""
        if i not in self._vectors:
            env, num = self._plan.env, self._config.num_envs
            key = key_words(for_use(train.key, "begin"))
            tape = tape_steps(env, self._plan.env_params)
            vector = HostVector(env, env.open_rows(num), num, key, self._limit, tape)
            self._vectors[i] = vector
            vector.restore(jax.device_get(train.actor))
        return self._vectors[i]

    def _replica(self, states: PyTree, i: int) -> Any:
        """A copy of the state of one replica."""
        return self._take(states, np.int32(i))

    def chunk(self, states: RunState, num_updates: Any) -> tuple[RunState, ChunkReport]:
        """`num_updates` updates of each replica that learns, its evaluation and the test of its
        convergence. The memory of `states` is taken once all have learnt: until then they can be
        saved."""
        learning = self._learning(states)
        done = {i: self._learnt(i, self._replica(states, i), int(num_updates)) for i in learning}
        # where the last that learnt was pruned before this chunk, one replica gives the shapes
        i = _last_sound(states.convergence)
        some = done or {i: self._learnt(i, self._replica(states, i), int(num_updates))}
        blank = jax.tree.map(jnp.zeros_like, next(iter(some.values()))[1])
        reports = []
        for i in range(self._layout.padded):
            convergence, update = self._replica((states.convergence, states.train.update), i)
            as_it_was = blank._replace(convergence=convergence, update=update)
            reports.append(done[i][1] if i in done else as_it_was)
        for i in learning:
            states = self._put(states, done.pop(i)[0], np.int32(i))
        return states, _stack(reports)

    def _learnt(self, i: int, state: RunState, num_updates: int) -> tuple[RunState, ChunkReport]:
        evaluation = self._plan.experiment.evaluation
        train, metrics = state.train, ()
        asked = num_updates == 0
        evaluated = jnp.bool_(True)
        if not (evaluation.on_request and asked):
            train, metrics = self._updates(self._vector(i, train), train, num_updates)
        state = state._replace(train=train)
        if evaluation.on_request and not asked:
            convergence = watched(state.convergence, finite(train), train.update)
            state, episodes = state._replace(convergence=convergence), ()
            evaluated = jnp.bool_(False)
        else:
            key = for_update(train.key, train.update)
            episodes = self._play(train.policy_state, key, episodes=evaluation.episodes)
            convergence, best = self._judge(state, jnp.mean(jnp.asarray(episodes.returns)))
            state = state._replace(convergence=convergence, best=best)
            episodes = jax.tree.map(jnp.asarray, episodes)
        report = ChunkReport(
            metrics=metrics,
            episodes=episodes,
            convergence=state.convergence,
            update=train.update,
            learning=jnp.bool_(True),
        )
        return state, report._replace(evaluated=evaluated if evaluation.on_request else ())

    def _updates(
        self, vector: HostVector, train: TrainState, num_updates: int
    ) -> tuple[TrainState, Any]:
        """Rollouts and the learning from them. With `overlap` the device learns from one while the
        host collects the next, with the policy before it."""
        parts, per_row, rows = self._parts, self._plan.schedule.updates_per_row, None
        train = _without_envs(train, vector, self._plan.program.algo.policy.initial_carry)
        carry, begun = train.actor.carry, parts.begin(train)
        for i in range(num_updates):
            rollout = parts.rollout(vector, begun, carry)
            rows = parts.no_rows(train, rollout) if rows is None else rows
            if self._overlap:
                begun = parts.begin_ahead(train)
            train, rows = parts.learn(train, rows, np.int32(i // per_row), rollout)
            carry = train.actor.carry
            if not self._overlap and i + 1 < num_updates:
                begun = parts.begin(train)
        actor = jax.tree.map(jnp.asarray, vector.actor(()))
        return train._replace(actor=actor._replace(carry=carry)), parts.metrics(rows)

    def _judged(self, state: RunState, score: Any) -> tuple[Convergence, PyTree]:
        """Convergence and best policy; the rest would be copied, replay buffers too."""
        config, algo = self._plan.experiment.convergence, self._plan.program.algo
        return with_score(
            config, state.convergence, state.best, state.train, score, earliest_update(config, algo)
        )

    def evaluate(self, states: RunState) -> Episodes:
        """The final evaluation, [replica, episode]."""
        number = self._plan.experiment.evaluation.final_episodes
        each = []
        for i in range(self._layout.num_seeds):
            train = self._replica(states, i).train
            each.append(self._play(train.policy_state, for_use(train.key, "final"), number))
        return jax.tree.map(lambda *x: np.stack(x), *each)

    def close(self) -> None:
        """Close the environments."""
        for vector in self._vectors.values():
            vector.close()
        self._vectors = {}
        self._play.close()


def _last_sound(convergence: Convergence) -> int:
    """The replica that was pruned last, of those with finite parameters."""
    sound = np.asarray(convergence.diverged_at) < 0
    return int(np.argmax(np.where(sound, convergence.pruned_at, -2)))


def _taken(states: PyTree, i: Any) -> PyTree:
    return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), states)


def _put(states: RunState, new: RunState, i: Any) -> RunState:
    """The states with that of replica `i`."""
    put = jax.lax.dynamic_update_index_in_dim
    return jax.tree.map(lambda x, y: put(x, y, i, 0), states, new)


def _stack(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)


def _without_envs(train: TrainState, vector: HostVector, initial_carry: PyTree) -> TrainState:
    """The state whose actor is as the vector, but for what repeats its episodes."""
    # a new array, since jax may read the old one later
    restarted, vector.restarted = vector.restarted, np.zeros_like(vector.restarted)
    carry = reset_carry(jnp.asarray(restarted), initial_carry, train.actor.carry)
    learner, stats = train.learner, train.stats
    if restarted.any():
        learner = truncate_running(learner, restarted)
        stats = restart_returns(stats, jnp.asarray(restarted))
    actor = train.actor._replace(
        env_state=(),
        obs=vector.obs,
        carry=carry,
        episode_return=vector.episode_return,
        episode_length=vector.episode_length,
    )
    return train._replace(actor=jax.tree.map(jnp.array, actor), learner=learner, stats=stats)
