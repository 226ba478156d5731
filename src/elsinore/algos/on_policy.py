"""The frame of PPO and A2C: a rollout of the current policy, its advantages, then learning."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key, PyTree

from elsinore import validation
from elsinore.algos.common import LearningConfig, collect, init_state, observation_of
from elsinore.algos.optimise import Learner, LossAndMetrics, LossFn, gradient_step, init_learner
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import Normalisers, normalise_obs
from elsinore.hyperparameters import numbers_of, settings, traced
from elsinore.jaxtools.prng import for_update, for_use, for_uses
from elsinore.nets.build import actor_critic_network
from elsinore.nets.distributions import Distribution
from elsinore.nets.heads import Head, head_for
from elsinore.nets.network import Network
from elsinore.ops.advantages import explained_variance, gae
from elsinore.ops.schedules import anneal
from elsinore.types import (
    Actor,
    Algorithm,
    Decision,
    Mean,
    PolicyFunctions,
    PolicyState,
    TrainState,
    Transition,
)


@settings
class OnPolicyConfig(LearningConfig):
    """Settings of the algorithms that learn from each rollout once."""

    learning_rate_final: float | None = traced(None, absent="learning_rate")
    gamma: float = traced(0.99)
    # Of generalised advantage estimation: 0 trusts the critic, 1 the observed returns.
    gae_lambda: float = traced(0.95)
    vf_coef: float = traced(0.5)  # The weight of the value loss.
    ent_coef: float = traced(0.0)  # The weight of the entropy bonus.
    # The weight of the entropy at the end of the run, approached linearly; null: constant.
    ent_coef_final: float | None = traced(None, absent="ent_coef")
    max_grad_norm: float = traced(0.5)

    def __post_init__(self):
        super().__post_init__()
        validation.in_unit_interval(self, "gae_lambda")
        validation.not_negative(self, "vf_coef", "ent_coef", "ent_coef_final")


class OnPolicyBatch(NamedTuple):
    """Input of a policy-gradient loss: each leaf [transition, ...], or [env, time, ...] of a
    recurrent policy."""

    obs: PyTree
    action: Array
    log_prob: Float[Array, "*batch"]  # under the policy that acted
    value: Float[Array, "*batch"]  # of the critic at that time
    advantage: Float[Array, "*batch"]
    target: Float[Array, "*batch"]  # of the value
    carry: PyTree = ()  # recurrent state at the rollout's first step, [env, ...]
    episode_start: PyTree = ()  # whether an episode starts at the step, [env, time]


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
    return learner, {name: Mean.of(x) for name, x in metrics.items()}


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
    learn: Callable[..., tuple[Learner, dict[str, Mean]]] = one_gradient_step,
) -> Algorithm:
    """An algorithm that learns from each rollout once, made of what is its own:

    `loss(distribution, value, batch, hyper) -> (scalar, metrics)`; `make_optimiser(max_grad_norm)`;
    the hyperparameters `annealed`, which move linearly to their `_final` values; `learn(key,
    learner, batch, hyper, loss_fn, optimiser) -> (learner, metrics)`, which minimises
    `loss_fn(params, batch)`. `config` is an `OnPolicyConfig`, or has the fields that are read.

    Raises:
        ValueError: where the env's action space has no head, or the network cannot read its
            observations.
    """
    head = head_for(env.action_space(env_params))
    net = actor_critic_network(config.network, head, observation_of(env, env_params), network)

    def init(key: Key[Array, ""], env_params: PyTree, hyper: Any) -> TrainState:
        def learner(params: PyTree, actor: Actor) -> Learner:
            return init_learner(params, make_optimiser(hyper.max_grad_norm))

        return init_state(config, env, net, learner, key, env_params, hyper)

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        """One rollout, and all the learning from it."""
        hyper = anneal(state.hyper, state.update / state.hyper.num_updates, *annealed)
        act_key, rollout_key, learn_key = for_uses(
            for_update(state.key, state.update), "act", "rollout", "minibatches"
        )

        def loss_fn(params: PyTree, batch: OnPolicyBatch) -> LossAndMetrics:
            return loss(*apply(net, head, params, batch), batch, hyper)

        params, stats, carry = state.learner.params, state.stats, state.actor.carry
        policy = partial(decide, net, head, params, stats)
        noise = head.noise(act_key, (config.rollout_length, config.num_envs))
        state, experience, rollout_metrics = collect(
            config, env, state, policy, rollout_key, noise, net.initial_carry
        )
        batch = with_advantages(net, params, stats, carry, experience, hyper)
        quality = explained_variance(batch.value, batch.target)
        optimiser = make_optimiser(hyper.max_grad_norm)
        learner, loss_metrics = learn(learn_key, state.learner, batch, hyper, loss_fn, optimiser)
        schedules = {f"schedule/{name}": Mean.of(getattr(hyper, name)) for name in annealed}
        metrics = rollout_metrics | {"value/explained_variance": Mean.of(quality)} | schedules
        return state._replace(update=state.update + 1, learner=learner), metrics | loss_metrics

    steps = config.num_envs * config.rollout_length
    hyper = numbers_of(config, num_updates=num_updates)
    return Algorithm(init, update, actor_critic_policy(net, head), hyper, steps)


def decide(
    net: Network,
    head: Head,
    params: PyTree,
    stats: Normalisers,
    noise: PyTree,
    carry: PyTree,
    obs: PyTree,
) -> Decision:
    """Sampled actions of a batch of envs, with their log-probabilities."""
    obs = normalise_obs(stats, obs)
    carry, outputs, _ = net.step(params, carry, obs)
    distribution = head.distribution(outputs, obs)
    action = distribution.sample(noise)
    return Decision(action, head.env_action(action), distribution.log_prob(action), carry)


def with_advantages(
    net: Network,
    params: PyTree,
    stats: Normalisers,
    carry: PyTree,
    experience: Transition,
    hyper: Any,
) -> OnPolicyBatch:
    """A rollout, [time, env, ...], as a batch with advantages (GAE) and value targets."""
    obs, final_obs = (normalise_obs(stats, x) for x in (experience.obs, experience.final_obs))
    terminated, truncated = experience.terminated, experience.truncated
    episode_start = episode_starts(terminated | truncated)
    carries, _, value = net.unroll(params, carry, obs, episode_start)
    next_value = bootstrap_values(net, params, carries, final_obs, experience.reward.shape)
    advantage = gae(
        experience.reward, value, next_value, terminated, truncated, hyper.gamma, hyper.gae_lambda
    )
    batch = OnPolicyBatch(
        obs, experience.action, experience.log_prob, value, advantage, advantage + value
    )
    if not net.recurrent:
        return merge_time_and_env(batch)
    batch = batch._replace(episode_start=episode_start)
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), batch)._replace(carry=carry)


def bootstrap_values(
    net: Network, params: PyTree, carries: PyTree, final_obs: PyTree, shape: tuple[int, ...]
) -> Float[Array, "time env"]:
    """V(s'_t) of the true next observation, from the recurrent state after step t."""
    carries, final_obs = merge_time_and_env((carries, final_obs))
    return net.step(params, carries, final_obs)[2].reshape(shape)


def episode_starts(done: Bool[Array, "time env"]) -> Bool[Array, "time env"]:
    """Steps at which an episode starts inside a rollout: those after a step that was `done`. The
    carry at the first step is already that of a new episode where one starts there."""
    return jnp.concatenate([jnp.zeros_like(done[:1]), done[:-1]])


def apply(
    net: Network, head: Head, params: PyTree, batch: OnPolicyBatch
) -> tuple[Distribution, Float[Array, "*batch"]]:
    """Action distribution and value of every step of a batch, with these parameters."""
    if not net.recurrent:
        _, outputs, value = net.step(params, (), batch.obs)
    else:  # through time from the carry of the rollout; [env, time] there and back
        obs, episode_start = jax.tree.map(
            lambda x: jnp.swapaxes(x, 0, 1), (batch.obs, batch.episode_start)
        )
        found = net.unroll(params, batch.carry, obs, episode_start)[1:]
        outputs, value = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)
    return head.distribution(outputs, batch.obs), value


def actor_critic_policy(net: Network, head: Head) -> PolicyFunctions:
    """The policy of an actor-critic network."""

    def one(
        policy_state: PolicyState, carry: PyTree, obs: PyTree
    ) -> tuple[PyTree, Distribution, Float[Array, ""]]:
        """Carry, distribution and value for one observation, in a batch of one."""
        obs, carry = jax.tree.map(
            lambda x: jnp.asarray(x)[None], (normalise_obs(policy_state.stats, obs), carry)
        )
        carry, outputs, value = net.step(policy_state.params, carry, obs)
        return jax.tree.map(lambda x: x[0], carry), head.distribution(outputs, obs), value[0]

    def act(
        key: Key[Array, ""], policy_state: PolicyState, carry: PyTree, obs: PyTree, greedy: bool
    ) -> tuple[Array, PyTree]:
        """The mode of the distribution, or a sample."""
        carry, distribution, _ = one(policy_state, carry, obs)
        if greedy:
            action = distribution.mode()
        else:
            action = distribution.sample(head.noise(for_use(key, "act"), (1,)))
        return head.env_action(action)[0], carry

    def value(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> Float[Array, ""]:
        return one(policy_state, carry, obs)[2]

    def action_scores(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> dict[str, Array]:
        return jax.tree.map(lambda x: x[0], one(policy_state, carry, obs)[1].action_scores())

    return PolicyFunctions(act, net.initial_carry, value, action_scores)
