"""The frame of PPO and A2C: a rollout of the current policy, its advantages, then learning."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key, PyTree

from elsinore import validation
from elsinore.algos.actor_critic_policy import actor_critic_policy, decide
from elsinore.algos.common import (
    LearningConfig,
    algorithm_from,
    observation_of,
)
from elsinore.algos.on_policy_batch import OnPolicyBatch, evaluate_batch, in_units, with_advantages
from elsinore.algos.optimise import Learner, LossAndMetrics, LossFn, gradient_step, init_learner
from elsinore.config_records import inherited, settings
from elsinore.experience.joint_observations import critic_view, example_of, has_joint_critic
from elsinore.experience.normalisation import standardise_over_shards
from elsinore.hyperparameters import traced
from elsinore.jaxtools import shards
from elsinore.nets.build import actor_critic_network
from elsinore.nets.centralised import decentralised
from elsinore.nets.distributions import Distribution
from elsinore.nets.heads import CONTINUOUS_KINDS, head_for
from elsinore.nets.popart import per_unit, rescaled, with_popart
from elsinore.ops.advantages import explained_variance
from elsinore.ops.schedules import anneal
from elsinore.types import (
    Actor,
    Algorithm,
    Decision,
    Mean,
    TrainState,
    Transition,
    means,
)


@settings
class OnPolicyConfig(LearningConfig):
    """Settings of the algorithms that learn from a rollout and then drop it."""

    learning_rate_final: float | None = inherited()
    gamma: float = inherited()
    # Of generalised advantage estimation: 0 trusts the critic, 1 the observed returns.
    gae_lambda: float = traced(0.95)
    vf_coef: float = traced(0.5)  # The weight of the value loss.
    ent_coef: float = traced(0.0)  # The weight of the entropy bonus.
    # The weight of the entropy at the end of the run, approached linearly; null: constant.
    ent_coef_final: float | None = traced(None, absent="ent_coef")
    # normal | squashed | beta | gsde: the distribution of continuous actions.
    action_distribution: str = "normal"
    noise_period: int = 4  # Steps for which the noise of gsde is held.
    # Learn the value in units of its targets' deviation (PopArt).
    popart: bool = False
    popart_step: float = 0.01  # Step of the targets' mean and variance per rollout.

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.one_of(self, "action_distribution", *CONTINUOUS_KINDS)
        validation.counts(self, 1, "noise_period")
        validation.held_noise(self)
        validation.in_unit_interval(self, "gae_lambda")
        validation.above_zero_to_one(self, "popart_step")
        validation.not_negative(self, "vf_coef", "ent_coef", "ent_coef_final")


def one_gradient_step(
    key: Key[Array, ""],
    learner: Learner,
    batch: OnPolicyBatch,
    hyper: Any,
    loss_fn: LossFn,
    optimiser: optax.GradientTransformation,
) -> tuple[Learner, dict[str, Mean]]:
    """Learning by one gradient step over the whole rollout."""
    learner, metrics, norm = gradient_step(loss_fn, optimiser, learner, batch, hyper.learning_rate)
    metrics["learner/gradient_norm"] = norm
    return learner, means(metrics)


def actor_critic_loss(
    policy_loss: Float[Array, ""],
    critic_loss: Float[Array, ""],
    policy: Distribution,
    hyper: Any,
) -> LossAndMetrics:
    """Sum of the losses of policy and critic, less the policy's entropy, each by its weight."""
    entropy = jnp.mean(policy.entropy())
    total = policy_loss + hyper.vf_coef * critic_loss - hyper.ent_coef * entropy
    return total, {
        "loss/total": total,
        "loss/policy": policy_loss,
        "loss/value": critic_loss,
        "policy/entropy": entropy,
    }


def on_policy(
    config: Any,
    env: Any,
    env_params: PyTree,
    num_updates: int,
    network: Any,
    *,
    loss: Callable[..., LossAndMetrics],
    make_optimiser: Callable[[Any], optax.GradientTransformation],
    annealed: tuple[str, ...],
    standardise: bool = False,
    minimise: Callable[..., tuple[Learner, dict[str, Mean]]] = one_gradient_step,
    vtrace_passes: int = 0,
) -> Algorithm:
    """An algorithm that learns from a rollout and then drops it, made of what is its own:

    `loss(distribution, value, batch, hyper) -> (scalar, metrics)`; `make_optimiser(max_grad_norm)`;
    the hyperparameters `annealed`, which move linearly to their `_final` values; `standardise`,
    whether advantages are standardised over the whole rollout; `minimise(key, learner, batch,
    hyper, loss_fn, optimiser) -> (learner, metrics)` minimises `loss_fn(params, batch)`. With
    `vtrace_passes` it learns so many times from a rollout, each time with advantages by V-trace.
    `config` is an `OnPolicyConfig`, or has the fields that are read.

    Raises:
        ValueError: where the env's action space has no head, or the network cannot read its
            observations.
    """
    kind, space = config.action_distribution, env.action_space(env_params)
    head = head_for(space, kind, config.network.features, config.noise_period)
    example_obs, centralised = observation_of(env, env_params), has_joint_critic(env)
    net = actor_critic_network(config.network, head, example_obs, network, joint=centralised)
    if centralised:
        net = decentralised(net, example_of(env, example_obs))
    if config.popart:
        net = with_popart(net)
    view = critic_view(env, example_obs)

    def begin(hyper: Any, params: PyTree, actor: Actor) -> Learner:
        return init_learner(params, make_optimiser(hyper.max_grad_norm))

    def prepare(state: TrainState, key: Key[Array, ""]) -> tuple[Any, PyTree]:
        """The annealed hyperparameters, and the noise of a rollout's actions."""
        hyper = anneal(state.hyper, state.update / state.hyper.num_updates, *annealed)
        size = (config.rollout_length, config.num_envs)
        return hyper, shards.per_shard(lambda key: head.noise(key, size))(key)

    def act(state: TrainState, hyper: Any, noise: PyTree, carry: PyTree, obs: PyTree) -> Decision:
        return decide(net, head, state.learner.params, state.stats, noise, carry, obs, view)

    def learn(
        key: Key[Array, ""],
        before: TrainState,
        state: TrainState,
        experience: Transition,
        hyper: Any,
    ) -> tuple[Learner, dict[str, Mean]]:
        """Learn from a rollout once or `vtrace_passes` times."""
        once = partial(learn_once, before, experience, hyper)
        if vtrace_passes:
            keys = jax.random.split(key, vtrace_passes)
            is_first = jnp.arange(vtrace_passes) == 0
            learner, metrics = jax.lax.scan(once, state.learner, (keys, is_first))
            metrics = jax.tree.map(lambda x: jnp.sum(x, axis=0), metrics)
        else:
            learner, metrics = once(state.learner, (key, jnp.bool_(True)))
        schedules = {f"schedule/{name}": Mean.of(getattr(hyper, name)) for name in annealed}
        return learner, metrics | schedules

    def learn_once(
        before: TrainState,
        experience: Transition,
        hyper: Any,
        learner: Learner,
        inputs: tuple[Key[Array, ""], Bool[Array, ""]],
    ) -> tuple[Learner, dict[str, Mean]]:
        """One learning phase, with the advantages of the parameters so far; `inputs` are its key,
        and whether it is the rollout's first."""
        (key, is_first), params = inputs, learner.params
        vtrace_head = head if vtrace_passes else None

        def with_quality(carry: PyTree, experience: Transition) -> tuple[OnPolicyBatch, Array]:
            batch = with_advantages(
                net, params, before.stats, carry, experience, hyper, vtrace_head, view
            )
            return batch, explained_variance(batch.value, batch.target)

        batch, quality = shards.per_shard(with_quality)(before.actor.carry, experience)
        if config.popart:
            step = jnp.where(is_first, config.popart_step, 0.0)
            params = rescaled(params, batch.target, step)
            batch = in_units(per_unit(params), batch)
        if standardise:
            batch = batch._replace(advantage=standardise_over_shards(batch.advantage))

        def loss_of(params: PyTree, batch: OnPolicyBatch) -> LossAndMetrics:
            policy, value = evaluate_batch(net, head, params, batch)
            value = value * per_unit(params) if config.popart else value
            return loss(policy, value, batch, hyper)

        optimiser = make_optimiser(hyper.max_grad_norm)
        learner = learner._replace(params=params)
        learner, metrics = minimise(key, learner, batch, hyper, loss_of, optimiser)
        return learner, {"value/explained_variance": Mean.of(quality)} | metrics

    return algorithm_from(
        config,
        env,
        net,
        num_updates,
        uses=("act", "rollout", "minibatches"),
        init_learner=begin,
        prepare=prepare,
        decide=act,
        learn=learn,
        policy=actor_critic_policy(net, head, valued=not centralised),
    )
