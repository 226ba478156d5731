"""The frame of PPO and A2C: a rollout of the current policy, its advantages, then learning."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from elsinore import validation
from elsinore.algos.common import (
    LearningConfig,
    init_state,
    learning_rewards,
    observation_of,
    update_of,
)
from elsinore.algos.optimise import Learner, LossAndMetrics, LossFn, gradient_step, init_learner
from elsinore.algos.sequences import episode_starts
from elsinore.experience.joint_observations import critic_view, example_of, has_joint_critic
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import (
    Normalisers,
    normalise_obs,
    standardise_over_shards,
)
from elsinore.hyperparameters import numbers_of, settings, traced
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import for_use
from elsinore.nets.build import actor_critic_network
from elsinore.nets.centralised import decentralised
from elsinore.nets.distributions import Distribution
from elsinore.nets.heads import CONTINUOUS_KINDS, Head, head_for
from elsinore.nets.network import Network
from elsinore.nets.popart import rescaled, value_unit, with_popart
from elsinore.ops.advantages import explained_variance, gae, vtrace
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
    UpdateParts,
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
    # normal | squashed | beta | gsde: the distribution of continuous actions.
    action_distribution: str = "normal"
    noise_period: int = 4  # Steps for which the noise of gsde is held.
    # Learn the value in units of its targets' deviation (PopArt).
    popart: bool = False
    popart_step: float = 0.01  # Step of the targets' mean and variance per rollout.

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.one_of(self, "action_distribution", *CONTINUOUS_KINDS)
        validation.at_least(self, 1, "noise_period")
        validation.in_unit_interval(self, "gae_lambda", "popart_step")
        validation.positive(self, "popart_step")
        validation.not_negative(self, "vf_coef", "ent_coef", "ent_coef_final")


View = Callable[[PyTree], PyTree]  # from observations to what the network reads of them


def as_it_is(obs: PyTree) -> PyTree:
    """The view of a network that reads the observation."""
    return obs


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


def standardised_rollout(learn: Callable) -> Callable:
    """`learn` of a batch whose advantages are standardised over the rollout, of all shards."""

    def learn_standardised(
        key: Key[Array, ""], learner: Learner, batch: OnPolicyBatch, *rest: Any
    ) -> tuple[Learner, dict[str, Mean]]:
        batch = batch._replace(advantage=standardise_over_shards(batch.advantage))
        return learn(key, learner, batch, *rest)

    return learn_standardised


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
    vtrace_passes: int = 0,
) -> Algorithm:
    """An algorithm that learns from each rollout once, made of what is its own:

    `loss(distribution, value, batch, hyper) -> (scalar, metrics)`; `make_optimiser(max_grad_norm)`;
    the hyperparameters `annealed`, which move linearly to their `_final` values; `learn(key,
    learner, batch, hyper, loss_fn, optimiser) -> (learner, metrics)`, which minimises
    `loss_fn(params, batch)`. With `vtrace_passes` it learns so many times from a rollout, each time
    with advantages by V-trace. `config` is an `OnPolicyConfig`, or has the fields that are read.

    Raises:
        ValueError: where the env's action space has no head, or the network cannot read its
            observations.
    """
    kind, space = config.action_distribution, env.action_space(env_params)
    head = head_for(space, kind, config.network.features, config.noise_period)
    one, centralised = observation_of(env, env_params), has_joint_critic(env)
    net = actor_critic_network(config.network, head, one, network, joint=centralised)
    net, view = (
        decentralised(net, example_of(env, one)) if centralised else net,
        critic_view(env, one),
    )
    net = with_popart(net) if config.popart else net

    def init(key: Key[Array, ""], env_params: PyTree, hyper: Any) -> TrainState:
        def learner(params: PyTree, actor: Actor) -> Learner:
            return init_learner(params, make_optimiser(hyper.max_grad_norm))

        return init_state(config, env, net, learner, key, env_params, hyper)

    def prepare(state: TrainState, key: Key[Array, ""]) -> tuple[Any, PyTree]:
        hyper = anneal(state.hyper, state.update / state.hyper.num_updates, *annealed)
        size = (config.rollout_length, config.num_envs)
        return hyper, shards.apart(lambda key: head.noise(key, size))(key)

    def act(state: TrainState, hyper: Any, noise: PyTree, carry: PyTree, obs: PyTree) -> Decision:
        return decide(net, head, state.learner.params, state.stats, noise, carry, obs, view)

    def learn_rollout(
        key: Key[Array, ""],
        before: TrainState,
        state: TrainState,
        experience: Transition,
        hyper: Any,
    ) -> tuple[TrainState, dict[str, Mean]]:
        def loss_fn(params: PyTree, batch: OnPolicyBatch) -> LossAndMetrics:
            policy, value = apply(net, head, params, batch)
            value = value / value_unit(params) if config.popart else value
            return loss(policy, value, batch, hyper)

        stats, carry = before.stats, before.actor.carry
        optimiser = make_optimiser(hyper.max_grad_norm)

        def learn_from(learner: Learner, key: Key[Array, ""]) -> tuple[Learner, dict[str, Mean]]:
            """One learning phase, with the advantages of the parameters so far."""

            def judged(carry: PyTree, experience: Transition) -> tuple[OnPolicyBatch, Array]:
                passes = head if vtrace_passes else None
                batch = with_advantages(
                    net, learner.params, stats, carry, experience, hyper, passes, view
                )
                return batch, explained_variance(batch.value, batch.target)

            batch, quality = shards.apart(judged)(carry, experience)
            if config.popart:
                params = rescaled(learner.params, batch.target, config.popart_step)
                learner, batch = (
                    learner._replace(params=params),
                    in_units(value_unit(params), batch),
                )
            learner, metrics = learn(key, learner, batch, hyper, loss_fn, optimiser)
            return learner, {"value/explained_variance": Mean.of(quality)} | metrics

        if vtrace_passes:
            keys = jax.random.split(key, vtrace_passes)
            learner, metrics = jax.lax.scan(learn_from, state.learner, keys)
            metrics = jax.tree.map(lambda x: jnp.sum(x, axis=0), metrics)
        else:
            learner, metrics = learn_from(state.learner, key)
        schedules = {f"schedule/{name}": Mean.of(getattr(hyper, name)) for name in annealed}
        explained = {"value/explained_variance": metrics["value/explained_variance"]}
        state = state._replace(update=state.update + 1, learner=learner)
        return state, explained | schedules | metrics

    uses = ("act", "rollout", "minibatches")
    parts = UpdateParts(uses, prepare, act, partial(learning_rewards, config), learn_rollout)
    update, policy = (
        update_of(config, env, parts, net.initial_carry),
        actor_critic_policy(net, head, valued=not centralised),
    )
    hyper = numbers_of(config, num_updates=num_updates)
    return Algorithm(init, update, policy, hyper, config.num_envs * config.rollout_length, parts)


def decide(
    net: Network,
    head: Head,
    params: PyTree,
    stats: Normalisers,
    noise: PyTree,
    carry: PyTree,
    obs: PyTree,
    view: View = as_it_is,
) -> Decision:
    """Sampled actions of a batch of envs, with their log-probabilities."""
    obs = view(normalise_obs(stats, obs))
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
    head: Head | None = None,
    view: View = as_it_is,
) -> OnPolicyBatch:
    """A rollout, [time, env, ...], as a batch with advantages (GAE) and value targets; with the
    `head` of the policy by V-trace, for parameters that have changed since. The network reads
    the `view` of observations."""
    seen = experience.obs, experience.final_obs
    obs, final_obs = (view(normalise_obs(stats, x)) for x in seen)
    terminated, truncated = experience.terminated, experience.truncated
    episode_start = episode_starts(terminated | truncated)
    carries, outputs, value = net.unroll(params, carry, obs, episode_start)
    next_value = bootstrap_values(net, params, carries, final_obs, experience.reward.shape)
    steps = (experience.reward, value, next_value, terminated, truncated)
    if head is None:
        advantage = gae(*steps, hyper.gamma, hyper.gae_lambda)
        target = advantage + value
    else:
        now = head.distribution(outputs, obs).log_prob(experience.action)
        ratio = jnp.exp(now - experience.log_prob)
        advantage, target = vtrace(*steps, ratio, hyper.gamma, hyper.gae_lambda)
    batch = OnPolicyBatch(obs, experience.action, experience.log_prob, value, advantage, target)
    if not net.recurrent:
        return merge_time_and_env(batch)
    batch = batch._replace(episode_start=episode_start)
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), batch)._replace(carry=carry)


def in_units(unit: Float[Array, ""], batch: OnPolicyBatch) -> OnPolicyBatch:
    """A batch in other units: of a loss in PopArt's (Hessel 2018, arXiv:1809.04474 section 3, of
    the advantage too)."""
    names = ("value", "advantage", "target")
    return batch._replace(**{name: getattr(batch, name) / unit for name in names})


def bootstrap_values(
    net: Network, params: PyTree, carries: PyTree, final_obs: PyTree, shape: tuple[int, ...]
) -> Float[Array, "time env"]:
    """V(s'_t) of the true next observation, from the recurrent state after step t."""
    carries, final_obs = merge_time_and_env((carries, final_obs))
    return net.step(params, carries, final_obs)[2].reshape(shape)


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


def actor_critic_policy(net: Network, head: Head, valued: bool = True) -> PolicyFunctions:
    """The policy of an actor-critic network; without a value where the critic reads more than it
    is given here."""

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

    return PolicyFunctions(act, net.initial_carry, value if valued else None, action_scores)
