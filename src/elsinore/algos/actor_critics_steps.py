"""Gradient steps on batches from a replay buffer: of the critics towards their targets, of the
actor up the critics' values, and of the target networks behind both."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.algos.actor_critics import (
    Actions,
    ContinuousQLearner,
    ContinuousQRule,
    Metrics,
    Networks,
    Values,
)
from elsinore.algos.optimise import Learner, gradient_step
from elsinore.algos.replay import buffer_for, first_training, train_if
from elsinore.experience.normalisation import Normalisers, normalise_obs
from elsinore.experience.replay_buffer import ReplayBatch, ReplayBuffer
from elsinore.jaxtools.prng import draw, for_uses
from elsinore.ops.continuous_q import bootstrapped
from elsinore.ops.losses import td_error_loss
from elsinore.ops.schedules import linear
from elsinore.types import Mean, TrainState, Transition

Step = tuple[ContinuousQLearner, dict[str, Mean]]  # the learner after a step, and its metrics


class Learning(NamedTuple):
    """One update's learning: what is fixed while it takes its gradient steps."""

    config: Any
    nets: Networks
    rule: ContinuousQRule
    buffer: ReplayBuffer
    stats: Normalisers  # before the rollout
    hyper: Any
    beta: Float[Array, ""]
    optimiser: optax.GradientTransformation


def learn(
    config: Any,
    nets: Networks,
    rule: ContinuousQRule,
    key: Key[Array, ""],
    experience: Transition,
    before: TrainState,
    hyper: Any,
    optimiser: optax.GradientTransformation,
) -> Step:
    """Store a rollout, [time, env, ...]; once the buffer holds enough, take `gradient_steps`."""
    buffer = buffer_for(config)
    learner = before.learner._replace(buffer=buffer.add(before.learner.buffer, experience))
    beta = linear(hyper.priority_beta, 1.0, before.update / hyper.num_updates)
    now = Learning(config, nets, rule, buffer, before.stats, hyper, beta, optimiser)
    turns = actors_turns(before.update, config.gradient_steps, rule.delay)

    def one(learner: ContinuousQLearner, inputs: tuple[Key[Array, ""], Bool[Array, ""]]) -> Step:
        return train(now, learner, *inputs)

    def training(learner: ContinuousQLearner) -> Step:
        keys = jax.random.split(key, config.gradient_steps)
        learner, metrics = jax.lax.scan(one, learner, (keys, turns))
        return learner, jax.tree.map(lambda x: jnp.sum(x, axis=0), metrics)

    due = (before.update >= first_training(config)) & (buffer.num_starts(learner.buffer) > 0)
    return train_if(due, training, learner)


def actors_turns(update: Int[Array, ""], steps: int, delay: int) -> Bool[Array, "step"]:
    """True for every `delay`-th of all gradient steps, of which an update has `steps`; no product
    can overflow."""
    earlier = (update % delay) * (steps % delay)
    return (earlier + jnp.arange(steps)) % delay == delay - 1


def train(
    now: Learning, learner: ContinuousQLearner, key: Key[Array, ""], actors_turn: Bool[Array, ""]
) -> Step:
    """One gradient step of the critics, and in the actor's turn one of the actor."""
    config, buffer = now.config, now.buffer
    sample_key, noise_key = for_uses(key, "sample", "noise")
    batch, indices, weight = buffer.sample(
        learner.buffer, sample_key, config.batch_size, now.hyper.gamma, now.beta
    )
    obs, next_obs = (normalise_obs(now.stats, x) for x in (batch.obs, batch.next_obs))
    batch = batch._replace(obs=obs, next_obs=next_obs)
    noise = draw(jax.random.normal, noise_key, (2, config.batch_size, now.nets.num_actions))
    learner, td_error, metrics = critics_step(now, learner, batch, weight, noise[0])
    error = jnp.mean(jnp.abs(td_error), axis=0)
    kept = buffer.reprioritise(learner.buffer, indices, error, now.hyper.priority_alpha)

    def actors(learner: ContinuousQLearner) -> Step:
        return actor_step(now, learner, obs, noise[1])

    without = learner._replace(buffer=())  # under vmap a choice would copy the buffer
    every_time = now.rule.delay == 1
    without, more = actors(without) if every_time else train_if(actors_turn, actors, without)
    return without._replace(buffer=kept), means(metrics) | more


def critics_step(
    now: Learning,
    learner: ContinuousQLearner,
    batch: ReplayBatch,
    weight: Float[Array, "batch"],
    noise: Actions,
) -> tuple[ContinuousQLearner, Values, Metrics]:
    """One step of the critics towards the target, with the TD errors before it."""
    next_value = now.rule.next_value(learner, batch.next_obs, noise, now.hyper)
    target = jax.lax.stop_gradient(bootstrapped(batch.reward, batch.discount, next_value))

    def loss(
        critics: PyTree, batch: ReplayBatch
    ) -> tuple[Float[Array, ""], tuple[Values, Metrics]]:
        q = now.nets.q(critics, batch.obs, batch.action)
        # of all critics together: a mean over the batch, and a sum over the critics
        each = td_error_loss(q - target, jnp.broadcast_to(weight, q.shape), "mse")
        total = now.config.num_critics * each
        return total, (q - target, {"loss/value": total, "value/q": jnp.mean(q)})

    begun = Learner(learner.params.critics, learner.opt_state.critics)
    (critics, opt_state), (td_error, metrics), norm = gradient_step(
        loss, now.optimiser, begun, batch, now.hyper.learning_rate
    )
    learner = learner._replace(
        params=learner.params._replace(critics=critics),
        opt_state=learner.opt_state._replace(critics=opt_state),
    )
    metrics |= {"loss/td_error": jnp.mean(jnp.abs(td_error)), "learner/gradient_norm": norm}
    return learner, td_error, metrics


def actor_step(now: Learning, learner: ContinuousQLearner, obs: PyTree, noise: Actions) -> Step:
    """One step of the actor, and of the target networks."""

    def loss(actor: PyTree, obs: PyTree) -> tuple[Float[Array, ""], Metrics]:
        return now.rule.actor_loss(actor, learner, obs, noise, now.hyper)

    begun = Learner(learner.params.actor, learner.opt_state.actor)
    (actor, opt_state), metrics, _ = gradient_step(
        loss, now.optimiser, begun, obs, now.hyper.learning_rate
    )
    after = learner._replace(
        params=learner.params._replace(actor=actor),
        opt_state=learner.opt_state._replace(actor=opt_state),
    )
    after = now.rule.after_actor(after, metrics, now.hyper, now.optimiser)
    online = now.rule.followed(after.params)
    target_params = optax.incremental_update(online, after.target_params, now.hyper.tau)
    return after._replace(target_params=target_params), means(metrics)


def means(metrics: Metrics) -> dict[str, Mean]:
    """Each metric as a mean of one value."""
    return {name: Mean.of(value) for name, value in metrics.items()}
