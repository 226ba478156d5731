"""The frame of off-policy actor-critics (SAC, discrete SAC, TD3): an exploring rollout, then
gradient steps on batches from a replay buffer."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from elsinore import validation
from elsinore.algos.common import LearningConfig, RolloutData, algorithm_from
from elsinore.algos.off_policy_learner import ActorCritics, OffPolicyLearner, followed_by_targets
from elsinore.algos.off_policy_steps import learn
from elsinore.algos.optimise import init_learner, optimiser
from elsinore.algos.replay import buffer_for, check_buffer, transition_like
from elsinore.config_records import inherited, settings
from elsinore.experience.normalisation import normalise_obs, unscaled
from elsinore.hyperparameters import traced
from elsinore.jaxtools.prng import for_use
from elsinore.nets.config import NetworkConfig
from elsinore.ops.continuous_q import critics_value
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
class OffPolicyConfig(LearningConfig):
    """Settings of off-policy actor-critics."""

    # Steps per env between trainings; one training follows every num_envs x rollout_length env
    # steps.
    rollout_length: int = inherited()
    gradient_steps: int = 1  # Gradient steps in each training.
    num_critics: int = 2  # Critics, of whose values the least counts.
    critic_dropout: float = 0.0  # Share of the critics' units that learning sets to 0 (DroQ).
    n_step: int = 1  # Rewards in a target before it bootstraps.
    buffer_size: int = 1_000_000  # Transitions in the replay buffer.
    batch_size: int = 256  # Transitions in a batch.
    # Env steps of uniform actions; the first training is after more than these.
    learning_starts: int = 1_000
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

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.counts(self, 1, "gradient_steps", "num_critics", "n_step", "batch_size")
        validation.counts(self, 0, "learning_starts")
        validation.in_unit_interval(self, "noise_correlation", "priority_alpha", "priority_beta")
        validation.positive(self, "adam_eps")
        validation.above_zero_to_one(self, "tau")
        if not 0.0 <= self.critic_dropout < 1.0:
            raise ValueError(
                f"critic_dropout={self.critic_dropout} must be at least 0 and below 1."
            )
        check_buffer(self)
        self._check_correlation()

    def _check_correlation(self) -> None:
        if self.noise_correlation and self.rollout_length == 1:
            raise ValueError(
                f"noise_correlation={self.noise_correlation} applies between the steps of a"
                " rollout, and rollout_length=1 has one; raise rollout_length, and gradient_steps"
                " with it, or leave it out."
            )


def off_policy(config: Any, env: Any, num_updates: int, nets: Any, rule: Any) -> Algorithm:
    """An algorithm of action values and an actor, made of its networks (`Networks`, or what has its
    functions) and equations (`OffPolicyRule`, or what has its functions); `config` is an
    `OffPolicyConfig`."""

    def optimiser_of(hyper: Any) -> optax.GradientTransformation:
        return optimiser("adam", config.adam_eps, hyper.max_grad_norm)

    buffer = buffer_for(config)

    def begin(hyper: Any, params: ActorCritics, actor: Actor) -> OffPolicyLearner:
        like, adam = transition_like(actor.obs, nets.like_action()), optimiser_of(hyper)
        return OffPolicyLearner(
            params=params,
            opt_state=ActorCritics(*(init_learner(x, adam).opt_state for x in params)),
            target_params=followed_by_targets(rule, params),
            buffer=buffer.init(like),
            temperature=rule.init_temperature(hyper, adam),
        )

    def prepare(state: TrainState, key: Key[Array, ""]) -> tuple[Any, Array]:
        hyper = anneal(state.hyper, state.update / state.hyper.num_updates, "learning_rate")
        size = (config.rollout_length, config.num_envs)
        return hyper, nets.exploring_noise(key, size, hyper.noise_correlation)

    def decide(
        before: TrainState,
        hyper: Any,
        noise: Array,
        carry: PyTree,
        obs: PyTree,
    ) -> Decision:
        """Exploring actions, [env, ...], of observations [env, ...]; uniform ones in the first
        `learning_starts` env steps."""
        explores = before.update >= -(-config.learning_starts // config.steps_per_update)
        obs = normalise_obs(before.stats, obs)
        explored = rule.explore(before.learner.params.actor, obs, noise, hyper)
        action = jnp.where(explores, explored, nets.random_action(noise, obs))
        return Decision(action, nets.env_action(action), ())

    def learn_rollout(
        key: Key[Array, ""],
        before: TrainState,
        state: TrainState,
        experience: Transition,
        hyper: Any,
    ) -> tuple[OffPolicyLearner, dict[str, Mean]]:
        data = RolloutData(experience, before, hyper, optimiser_of(hyper), state)
        learner, loss_metrics = learn(config, nets, rule, buffer, key, data)
        return learner, loss_metrics | {"schedule/learning_rate": Mean.of(hyper.learning_rate)}

    return algorithm_from(
        config,
        env,
        nets.net,
        num_updates,
        uses=("act", "rollout", "train"),
        init_learner=begin,
        prepare=prepare,
        decide=decide,
        learn=learn_rollout,
        policy=actor_policy(config, nets, rule),
    )


def actor_policy(config: Any, nets: Any, rule: Any) -> PolicyFunctions:
    """The policy of an actor, greedy or as it explores in training."""

    def batched(policy_state: PolicyState, obs: PyTree) -> PyTree:
        """One observation, normalised, as a batch of one."""
        return jax.tree.map(lambda x: jnp.asarray(x)[None], normalise_obs(policy_state.stats, obs))

    def act(
        key: Key[Array, ""], policy_state: PolicyState, carry: PyTree, obs: PyTree, greedy: bool
    ) -> tuple[Array, PyTree]:
        obs, actor = batched(policy_state, obs), policy_state.params.actor
        if greedy:
            return nets.env_action(rule.best(actor, obs))[0], carry
        noise = nets.exploring_noise(for_use(key, "act"), (1, 1), 0.0)[0]
        return nets.env_action(rule.explore(actor, obs, noise, config))[0], carry

    def value(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> Float[Array, ""]:
        """The least of the critics' values of the greedy action."""
        obs, params = batched(policy_state, obs), policy_state.params
        q = critics_value(nets.q(params.critics, obs, rule.best(params.actor, obs)))[0]
        return unscaled(policy_state.stats, q)

    def action_scores(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> dict[str, Array]:
        obs, actor = batched(policy_state, obs), policy_state.params.actor
        return nets.scores(actor, obs, rule.best(actor, obs))

    return PolicyFunctions(act, (), value, action_scores)
