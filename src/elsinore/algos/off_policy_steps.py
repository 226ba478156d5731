"""Gradient steps on batches from a replay buffer: the critics' towards their targets, the actor's
towards higher Q values, and the update of the target networks."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.algos.common import RolloutData
from elsinore.algos.off_policy_learner import (
    CriticValues,
    Loss,
    LossMetrics,
    OffPolicyLearner,
    followed_by_targets,
)
from elsinore.algos.optimise import Learner, OfRows, gradient_step
from elsinore.algos.replay import (
    annealed_beta,
    gradient_steps,
    learning_is_due,
    mean_error,
    normalised,
    soft_update,
    train_if,
)
from elsinore.experience.replay_buffer import ReplayBatch, ReplayBuffer
from elsinore.jaxtools.prng import for_use, for_uses
from elsinore.nets.continuous_q import with_dropout
from elsinore.ops.advantages import bellman
from elsinore.ops.losses import td_error_loss
from elsinore.ops.return_distributions import midpoints, quantile_huber
from elsinore.types import Mean, means

Step = tuple[OffPolicyLearner, dict[str, Mean]]  # the learner after a step, and its metrics


class Learning(NamedTuple):
    """One update's learning: what is fixed while it takes its gradient steps."""

    config: Any
    nets: Any
    rule: Any
    buffer: ReplayBuffer
    data: RolloutData
    beta: Float[Array, ""]


def learn(
    config: Any,
    nets: Any,
    rule: Any,
    buffer: ReplayBuffer,
    key: Key[Array, ""],
    data: RolloutData,
) -> Step:
    """Store the rollout; once the buffer holds enough, take `gradient_steps`."""
    before = data.before
    learner = before.learner._replace(buffer=buffer.add(before.learner.buffer, data.experience))
    now = Learning(config, nets, rule, buffer, data, annealed_beta(before.update, data.hyper))
    turns = actors_turns(before.update, config.gradient_steps, rule.delay)

    def one(learner: OffPolicyLearner, inputs: tuple[Key[Array, ""], Bool[Array, ""]]) -> Step:
        return train_step(now, learner, *inputs)

    due = learning_is_due(config, buffer, learner.buffer, data.after)
    keys = jax.random.split(key, config.gradient_steps)
    return gradient_steps(buffer, due, one, learner, (keys, turns))


def actors_turns(update: Int[Array, ""], steps: int, delay: int) -> Bool[Array, "step"]:
    """True for every `delay`-th of all gradient steps, of which an update has `steps`; no product
    can overflow."""
    earlier = (update % delay) * (steps % delay)
    return (earlier + jnp.arange(steps)) % delay == delay - 1


def train_step(
    now: Learning, learner: OffPolicyLearner, key: Key[Array, ""], actors_turn: Bool[Array, ""]
) -> Step:
    """One gradient step of the critics, and in the actor's turn one of the actor."""
    config, buffer, hyper = now.config, now.buffer, now.data.hyper
    sample_key, noise_key = for_uses(key, "sample", "noise")
    batch, indices, weight = buffer.sample(
        learner.buffer, sample_key, config.batch_size, hyper.gamma, now.beta
    )
    batch = normalised(now.data.before.stats, batch)
    noise = now.nets.noise(noise_key, (2, config.batch_size))
    drops = jax.random.split(for_use(key, "dropout"), 3) if config.critic_dropout else [None] * 3
    learner, td_error, metrics = critics_step(now, learner, batch, weight, noise[0], *drops[:2])
    error = jnp.mean(jnp.abs(td_error), axis=0)
    kept = buffer.reprioritise(learner.buffer, indices, error, hyper.priority_alpha)

    def actors(learner: OffPolicyLearner) -> Step:
        return actor_step(now, learner, batch.obs, noise[1], drops[2])

    without = learner._replace(buffer=())  # under vmap a choice would copy the buffer
    every_time = now.rule.delay == 1
    without, more = actors(without) if every_time else train_if(actors_turn, actors, without)
    return without._replace(buffer=kept), means(metrics) | more


def dropping(critics: PyTree, key: Key[Array, ""] | None) -> PyTree:
    """Parameters of critics that drop units, where there is a key for it (Hiraoka 2022,
    arXiv:2110.02034: in targets and losses alike)."""
    return critics if key is None else with_dropout(critics, key)


def critics_step(
    now: Learning,
    learner: OffPolicyLearner,
    batch: ReplayBatch,
    weight: Float[Array, "batch"],
    noise: Array,
    drop_target: Key[Array, ""] | None,
    drop: Key[Array, ""] | None,
) -> tuple[OffPolicyLearner, CriticValues, LossMetrics]:
    """One step of the critics towards the target, with the TD errors before it; of quantiles, with
    the loss of each row."""
    hyper = now.data.hyper
    older = learner.target_params._replace(
        critics=dropping(learner.target_params.critics, drop_target)
    )
    next_value = now.rule.next_value(
        learner._replace(target_params=older), batch.next_obs, noise, hyper
    )
    target = jax.lax.stop_gradient(bellman(batch.reward, batch.discount, next_value))

    def loss(
        critics: PyTree, batch: ReplayBatch
    ) -> tuple[Float[Array, ""], tuple[OfRows, LossMetrics]]:
        q = now.nets.q(dropping(critics, drop), batch.obs, batch.action)
        # of all critics together: a mean over the batch, and a sum over the critics
        if q.ndim == 2:
            error = q - target
            each = td_error_loss(error, jnp.broadcast_to(weight, q.shape), "mse")
        else:
            fraction = jnp.broadcast_to(midpoints(q.shape[-1]), q.shape[1:])
            error = jax.vmap(quantile_huber, in_axes=(0, None, None))(q, fraction, target)
            each = jnp.mean(weight * error) / q.shape[-1]
        total = now.config.num_critics * each
        return total, (OfRows(error), {"loss/value": total, "value/q": jnp.mean(q)})

    begun = Learner(learner.params.critics, learner.opt_state.critics)
    critics, (of_rows, metrics), norm = gradient_step(
        loss, now.data.optimiser, begun, batch, hyper.learning_rate
    )
    learner = learner._replace(
        params=learner.params._replace(critics=critics.params),
        opt_state=learner.opt_state._replace(critics=critics.opt_state),
    )
    td_error = of_rows.values
    metrics |= {"loss/td_error": mean_error(td_error), "learner/gradient_norm": norm}
    return learner, td_error, metrics


def actor_step(
    now: Learning,
    learner: OffPolicyLearner,
    obs: PyTree,
    noise: Array,
    drop: Key[Array, ""] | None,
) -> Step:
    """One step of the actor, and of the target networks."""
    hyper, optimiser = now.data.hyper, now.data.optimiser
    critics = learner._replace(
        params=learner.params._replace(critics=dropping(learner.params.critics, drop))
    )

    def loss(actor: PyTree, obs: PyTree) -> Loss:
        return now.rule.actor_loss(actor, critics, obs, noise, hyper)

    begun = Learner(learner.params.actor, learner.opt_state.actor)
    actor, metrics, _ = gradient_step(loss, optimiser, begun, obs, hyper.learning_rate)
    after = learner._replace(
        params=learner.params._replace(actor=actor.params),
        opt_state=learner.opt_state._replace(actor=actor.opt_state),
    )
    after = now.rule.after_actor(after, metrics, hyper, optimiser)
    online = followed_by_targets(now.rule, after.params)
    target_params = soft_update(online, after.target_params, hyper.tau)
    return after._replace(target_params=target_params), means(metrics)
