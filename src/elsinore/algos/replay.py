"""Learning from a replay buffer, as DQN, SAC and TD3 do: the buffer, and when to learn from it."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from elsinore.errors import counted
from elsinore.experience import prioritised, replay_buffer
from elsinore.experience.normalisation import Normalisers, normalise_obs
from elsinore.experience.replay_buffer import ReplayBatch, ReplayBuffer
from elsinore.jaxtools import shards
from elsinore.ops.schedules import Scalar, linear
from elsinore.types import Mean, TrainState, Transition

L = TypeVar("L", bound=Any)
Training = Callable[[L], tuple[L, dict[str, Mean]]]
GradientStep = Callable[[L, Any], tuple[L, dict[str, Mean]]]  # of a learner and one input


def buffer_for(config: Any, window: int | None = None, team: int = 1) -> ReplayBuffer:
    """The buffer of a config with `prioritized`, `buffer_size`, `num_envs` and `n_step`; `window`
    is the number of steps that are drawn together, `n_step` unless it is given, and `team` the
    agents whose transitions are one."""
    kind = prioritised.prioritised if config.prioritized else replay_buffer.replay_buffer
    return kind(config.buffer_size // team, config.num_envs // team, window or config.n_step)


def check_buffer(config: Any, window: int | None = None) -> None:
    """Check that the buffer of a config holds what is put into it and drawn from it.

    Raises:
        ValueError: naming the setting, with the value that would do.
    """
    slots = config.buffer_size // config.num_envs
    if config.buffer_size >= 2**31:
        raise ValueError(
            f"buffer_size={config.buffer_size} transitions cannot be numbered in 31 bits; use at"
            f" most {2**31 - 1}."
        )
    if config.buffer_size < config.batch_size:
        raise ValueError(
            f"buffer_size={config.buffer_size} holds less than one batch of"
            f" batch_size={config.batch_size} transitions; raise it, or lower batch_size."
        )
    held = counted(slots, "step")
    if slots < max(config.rollout_length, config.n_step):
        name = "rollout_length" if config.rollout_length >= config.n_step else "n_step"
        raise ValueError(
            f"buffer_size={config.buffer_size} holds {held} of num_envs={config.num_envs}"
            f" envs, fewer than {name}={getattr(config, name)}; raise it to at least"
            f" {getattr(config, name) * config.num_envs}."
        )
    if window and slots < window:
        raise ValueError(
            f"buffer_size={config.buffer_size} holds {held} of num_envs={config.num_envs}"
            f" envs, fewer than the {window} of a sequence (burn_in + sequence_length + n_step -"
            f" 1); raise it to at least {window * config.num_envs}, or shorten the sequence."
        )
    if config.learning_starts > config.buffer_size:
        raise ValueError(
            f"learning_starts={config.learning_starts} is more than"
            f" buffer_size={config.buffer_size} can remember; lower it, or raise buffer_size."
        )


def first_training(config: Any) -> int:
    """The update, from 0, whose rollout is the first to be learnt from: with it more than
    `learning_starts` env steps have been taken."""
    return config.learning_starts // config.steps_per_update


def updates_per(period: int, config: Any) -> int:
    """The updates whose env steps are nearest to a `period` of env steps; at least 1."""
    return max(1, round(period / config.steps_per_update))


def learning_is_due(
    config: Any, buffer: ReplayBuffer, filled: PyTree, after: TrainState, counts: PyTree = ()
) -> Bool[Array, ""]:
    """True where the `filled` buffer holds enough to learn from, in an update whose rollout ended
    with the state `after`; `counts` are what shards have added up since."""
    due = (after.update >= first_training(config)) & (buffer.num_starts(filled) > 0)
    met = (after.stats, after.rnd, after.actor.episode_stats, after.actor.episode_log, counts)
    return shards.after(met, due)


def truncate_running(learner: L, rows: Any = True) -> L:
    """A learner whose replay buffer takes the running episodes of the envs in `rows`, bool
    [..., env], as truncated, where other episodes follow in their place. A learner without a buffer
    stays as it is; of agents that learn by different algorithms each one's buffer changes.

    Without this, n-step returns and sequences run on from one episode into another (Pardo 2018,
    arXiv:1712.00378, on what a truncated step is worth).
    """
    if hasattr(learner, "groups"):
        return learner._replace(groups=tuple(truncate_running(x, rows) for x in learner.groups))
    buffer = getattr(learner, "buffer", ())
    if isinstance(buffer, prioritised.PrioritisedState):
        replay = replay_buffer.truncate_newest(buffer.replay, rows)
        return learner._replace(buffer=buffer._replace(replay=replay))
    if isinstance(buffer, replay_buffer.BufferState):
        return learner._replace(buffer=replay_buffer.truncate_newest(buffer, rows))
    return learner


def transition_like(obs: PyTree, action: Array) -> Transition:
    """One transition as the buffer stores it; `obs` is [env, ...], `action` that of one env."""
    obs = jax.tree.map(lambda x: x[0], obs)
    no, zero = jnp.bool_(False), jnp.float32(0.0)
    return Transition(obs, action, zero, terminated=no, truncated=no, final_obs=obs, log_prob=())


def gradient_steps(
    buffer: ReplayBuffer, due: Bool[Array, ""], step: GradientStep[L], learner: L, inputs: PyTree
) -> tuple[L, dict[str, Mean]]:
    """`step(learner, input)` for each of `inputs`, [step, ...], in turn where it is due; metrics
    are summed.

    Steps read the buffer's contents and carry its priorities only: under `vmap` a condition is a
    choice between two results, which copies all that is carried.
    """
    contents = learner.buffer

    def whole(learner: L) -> L:
        return learner._replace(buffer=buffer.with_priorities(contents, learner.buffer))

    def carried(learner: L) -> L:
        return learner._replace(buffer=buffer.priorities(learner.buffer))

    def one(learner: L, x: PyTree) -> tuple[L, dict[str, Mean]]:
        learner, metrics = step(whole(learner), x)
        return carried(learner), metrics

    def training(learner: L) -> tuple[L, dict[str, Mean]]:
        learner, metrics = jax.lax.scan(one, learner, inputs)
        return learner, shards.per_shard(_summed)(metrics)

    learner, metrics = train_if(due, training, carried(learner))
    return whole(learner), metrics


def _summed(metrics: dict[str, Mean]) -> dict[str, Mean]:
    """The sums over all gradient steps."""
    return jax.tree.map(lambda x: jnp.sum(x, axis=0), metrics)


def train_if(due: Bool[Array, ""], training: Training, learner: L) -> tuple[L, dict[str, Mean]]:
    """`training(learner)` where it is due; otherwise the learner as it is, and metrics of
    nothing."""

    def waiting(learner: L) -> tuple[L, dict[str, Mean]]:
        shapes = jax.eval_shape(training, learner)[1]
        return learner, jax.tree.map(jnp.zeros_like, shapes)

    return jax.lax.cond(due, training, waiting, learner)


def normalised(stats: Normalisers, batch: ReplayBatch) -> ReplayBatch:
    """A batch with normalised observations."""
    if stats.obs is None:
        return batch

    def both(obs: PyTree, next_obs: PyTree) -> tuple[PyTree, PyTree]:
        return normalise_obs(stats, obs), normalise_obs(stats, next_obs)

    obs, next_obs = shards.per_shard(both)(batch.obs, batch.next_obs)
    return batch._replace(obs=obs, next_obs=next_obs)


def mean_error(td_error: Float[Array, "*batch"]) -> Float[Array, ""]:
    """The mean size of TD errors."""
    return shards.per_shard(lambda x: jnp.mean(jnp.abs(x)))(td_error)


def annealed_beta(update: Int[Array, ""], hyper: Any) -> Float[Array, ""]:
    """The exponent of importance weights: from `priority_beta` to 1 over the run."""

    def beta(update: Array, initial: Array, num_updates: Array) -> Array:
        return linear(initial, 1.0, update / num_updates)

    return shards.per_shard(beta)(update, hyper.priority_beta, hyper.num_updates)


def soft_update(online: PyTree, target: PyTree, tau: Scalar) -> PyTree:
    """Target parameters moved by `tau` towards the online ones, (1 - tau) target + tau online.

    Source: Lillicrap 2016, arXiv:1509.02971 algorithm 1; a copy where `tau` is 1, as in DQN.
    """
    return shards.per_shard(optax.incremental_update)(online, target, tau)
