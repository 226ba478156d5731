"""The frame of SAC and TD3: an exploring rollout, then gradient steps on what a replay buffer
remembers."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from elsinore import validation
from elsinore.algos.actor_critics import ActorCritics, ContinuousQLearner, ContinuousQRule, Networks
from elsinore.algos.actor_critics_steps import learn
from elsinore.algos.common import LearningConfig, collect, init_state
from elsinore.algos.optimise import init_learner, optimiser
from elsinore.algos.replay import buffer_for, check_buffer, first_training, transition_like
from elsinore.experience.normalisation import normalise_obs
from elsinore.hyperparameters import numbers_of, settings, traced
from elsinore.jaxtools.prng import draw, for_update, for_use, for_uses
from elsinore.nets.build import NetworkConfig
from elsinore.ops.continuous_q import correlated_noise, least_value, uniform_action
from elsinore.ops.schedules import anneal
from elsinore.types import (
    Actor,
    Algorithm,
    Decision,
    Mean,
    PolicyFunctions,
    PolicyState,
    TrainState,
)


@settings
class ContinuousQConfig(LearningConfig):
    """Settings of SAC and TD3."""

    # Steps per env between trainings: one for every num_envs x rollout_length env steps.
    rollout_length: int = 1
    gradient_steps: int = 1  # Gradient steps in each training.
    num_critics: int = 2  # Critics, of whose values the least counts.
    n_step: int = 1  # Rewards in a target before it bootstraps.
    buffer_size: int = 1_000_000  # Transitions in the replay buffer.
    batch_size: int = 256  # Transitions in a batch.
    learning_starts: int = 1_000  # Env steps, of uniform actions, before training.
    # Correlation of the noise of successive steps in a rollout.
    noise_correlation: float = traced(0.0)
    tau: float = traced(0.005)  # Step of the targets towards the online networks.
    prioritized: bool = False  # Sample by TD error.
    priority_alpha: float = traced(0.6)  # Exponent of the TD error; 0 is uniform.
    # Initial exponent of the importance weights; 1 at the end.
    priority_beta: float = traced(0.4)
    learning_rate: float = traced(3e-4)  # Learning rate of Adam.
    adam_eps: float = 1e-8  # Epsilon of Adam.
    max_grad_norm: float = traced(math.inf)  # Largest norm of a gradient.
    network: NetworkConfig = NetworkConfig(hidden=(256, 256), activation="relu")  # Networks.

    def __post_init__(self):
        super().__post_init__()
        validation.at_least(self, 1, "gradient_steps", "num_critics", "n_step", "batch_size")
        validation.at_least(self, 0, "learning_starts")
        validation.in_unit_interval(
            self, "tau", "noise_correlation", "priority_alpha", "priority_beta"
        )
        validation.positive(self, "adam_eps", "tau")
        check_buffer(self)


def continuous_q(
    config: Any, env: Any, num_updates: int, nets: Networks, rule: ContinuousQRule
) -> Algorithm:
    """An algorithm of continuous action values, made of its networks and equations; `config` is a
    `ContinuousQConfig`."""

    def optimiser_of(hyper: Any) -> optax.GradientTransformation:
        return optimiser("adam", config.adam_eps, hyper.max_grad_norm)

    def init(key: Key[Array, ""], env_params: PyTree, hyper: Any) -> TrainState:
        def learner(params: ActorCritics, actor: Actor) -> ContinuousQLearner:
            like = transition_like(actor.obs, jnp.zeros(nets.num_actions))
            adam = optimiser_of(hyper)
            return ContinuousQLearner(
                params=params,
                opt_state=ActorCritics(*(init_learner(x, adam).opt_state for x in params)),
                target_params=rule.followed(params),
                buffer=buffer_for(config).init(like),
                temperature=rule.init_temperature(hyper, adam),
            )

        return init_state(config, env, nets.net, learner, key, env_params, hyper)

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        """One exploring rollout, and all the learning from the buffer that follows it."""
        before, progress = state, state.update / state.hyper.num_updates
        hyper = anneal(state.hyper, progress, "learning_rate")
        act_key, rollout_key, key = for_uses(
            for_update(state.key, state.update), "act", "rollout", "train"
        )
        learning_has_begun = state.update >= first_training(config)

        def policy(noise: Float[Array, "env action"], carry: PyTree, obs: PyTree) -> Decision:
            obs = normalise_obs(before.stats, obs)
            explored = rule.explore(before.learner.params.actor, obs, noise, hyper)
            action = jnp.where(learning_has_begun, explored, uniform_action(noise))
            return Decision(action, nets.env_action(action), ())

        size = (config.rollout_length, config.num_envs, nets.num_actions)
        noise = draw(jax.random.normal, act_key, size)
        noise = correlated_noise(noise, hyper.noise_correlation)
        state, experience, rollout_metrics = collect(config, env, state, policy, rollout_key, noise)
        learner, loss_metrics = learn(
            config, nets, rule, key, experience, before, hyper, optimiser_of(hyper)
        )
        metrics = {"schedule/learning_rate": Mean.of(hyper.learning_rate)}
        state = state._replace(update=state.update + 1, learner=learner)
        return state, rollout_metrics | loss_metrics | metrics

    hyper = numbers_of(config, num_updates=num_updates)
    policy = continuous_policy(config, nets, rule)
    return Algorithm(init, update, policy, hyper, config.steps_per_update)


def continuous_policy(config: Any, nets: Networks, rule: ContinuousQRule) -> PolicyFunctions:
    """The greedy policy of an actor, or as it explores in training."""

    def batched(policy_state: PolicyState, obs: PyTree) -> PyTree:
        """One observation, normalised, as a batch of one."""
        return jax.tree.map(lambda x: jnp.asarray(x)[None], normalise_obs(policy_state.stats, obs))

    def act(
        key: Key[Array, ""], policy_state: PolicyState, carry: PyTree, obs: PyTree, greedy: bool
    ) -> tuple[Float[Array, "action"], PyTree]:
        obs, actor = batched(policy_state, obs), policy_state.params.actor
        if greedy:
            return nets.env_action(rule.best(actor, obs))[0], carry
        noise = draw(jax.random.normal, for_use(key, "act"), (1, nets.num_actions))
        return nets.env_action(rule.explore(actor, obs, noise, config))[0], carry

    def value(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> Float[Array, ""]:
        """The least of the critics' values of the greedy action."""
        obs, params = batched(policy_state, obs), policy_state.params
        return least_value(nets.q(params.critics, obs, rule.best(params.actor, obs)))[0]

    def action_scores(
        policy_state: PolicyState, carry: PyTree, obs: PyTree
    ) -> dict[str, Float[Array, "action"]]:
        best = rule.best(policy_state.params.actor, batched(policy_state, obs))
        return {"mean": nets.env_action(best)[0]}

    return PolicyFunctions(act, (), value, action_scores)
