"""Parallelised Q-learning (Gallici 2024, arXiv:2407.04811), from top to bottom: config, loss,
update.

Q-learning without a replay buffer and without a target network: many envs make the data, layer
normalisation makes the learning stable, and lambda-returns carry rewards back through a rollout.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.optimise import (
    OPTIMISERS,
    Learner,
    LossAndMetrics,
    init_learner,
    minibatch_epochs,
)
from elsinore.algos.value_based import action_values, value_based
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import Normalisers, normalise_obs
from elsinore.experience.rnd import RNDConfig
from elsinore.hyperparameters import traced
from elsinore.nets.build import NetworkConfig
from elsinore.nets.heads import action_mask
from elsinore.ops.advantages import lambda_returns
from elsinore.ops.exploration import best_value, value_of
from elsinore.ops.losses import value_loss
from elsinore.ops.schedules import linear
from elsinore.types import Algorithm, Mean, TrainState, Transition


@dataclass(frozen=True, kw_only=True)
class PQNConfig:
    """Settings of PQN (`traced`: see `PPOConfig`)."""

    name: str = field(default="pqn", init=False)
    num_envs: int = 32
    rollout_length: int = 64  # steps per env per update
    num_minibatches: int = 16
    num_epochs: int = 4
    optimiser: str = "radam"  # radam | adam | rmsprop
    optimiser_eps: float = 1e-8
    learning_rate: float = traced(1e-4)
    # approached linearly; null: constant
    learning_rate_final: float | None = traced(0.0, absent="learning_rate")
    max_grad_norm: float = traced(10.0)  # of all gradients together; .inf: no clipping
    gamma: float = traced(0.99)
    q_lambda: float = traced(0.95)  # of the lambda-returns
    epsilon: float = traced(1.0)  # initial probability of a random action
    epsilon_final: float = traced(0.2)
    epsilon_fraction: float = traced(0.2)  # of the run, in which epsilon falls
    normalize_obs: bool = False
    normalize_rewards: bool = False
    network: NetworkConfig = NetworkConfig(hidden=(256, 256), activation="relu", layer_norm=True)
    rnd: RNDConfig = RNDConfig()  # exploration bonus

    def __post_init__(self):
        validation.at_least(self, 1, "num_envs", "rollout_length", "num_minibatches", "num_epochs")
        validation.divides(self, "num_minibatches")
        validation.in_unit_interval(self, "gamma", "q_lambda", "epsilon", "epsilon_final")
        validation.positive(
            self,
            "learning_rate",
            "optimiser_eps",
            "epsilon_fraction",
            off={"max_grad_norm": float("inf")},
        )
        validation.not_negative(self, "learning_rate_final")
        validation.one_of(self, "optimiser", *OPTIMISERS)


class PQNBatch(NamedTuple):
    """Input of the loss, each leaf [transition, ...]."""

    obs: PyTree
    action: Int[Array, "batch"]
    target: Float[Array, "batch"]


def pqn(
    config: PQNConfig, env: Any, env_params: Any, num_updates: int, network: Any = None
) -> Algorithm:
    """PQN for one gymnax env.

    Raises:
        ValueError: for an action space that is not discrete, or where the network cannot read the
            env's observations.
    """
    values = action_values(config, env, env_params, network)

    def with_returns(
        params: PyTree, stats: Normalisers, experience: Transition, hyper: Any
    ) -> PQNBatch:
        """A rollout, [time, env, ...], as a batch with lambda-returns of the network's values."""
        flat = merge_time_and_env(experience)
        final_obs = normalise_obs(stats, flat.final_obs)
        next_value = best_value(values.q(params, final_obs), action_mask(final_obs))
        target = lambda_returns(
            experience.reward,
            next_value.reshape(experience.reward.shape),
            experience.terminated,
            experience.truncated,
            hyper.gamma,
            hyper.q_lambda,
        )
        return PQNBatch(normalise_obs(stats, flat.obs), flat.action, target.reshape(-1))

    def loss(params: PyTree, batch: PQNBatch) -> LossAndMetrics:
        q = value_of(values.q(params, batch.obs), batch.action)
        total = value_loss(q, batch.target)
        return total, {"loss/value": total, "value/q": jnp.mean(q)}

    def learn(
        key: Key[Array, ""],
        learner: Learner,
        experience: Transition,
        before: TrainState,
        hyper: Any,
        optimiser: optax.GradientTransformation,
    ) -> tuple[Learner, dict[str, Mean]]:
        """Several epochs of minibatches over the rollout."""
        return minibatch_epochs(
            loss,
            optimiser,
            learner,
            with_returns(before.learner.params, before.stats, experience, hyper),
            key,
            hyper.learning_rate,
            num_epochs=config.num_epochs,
            num_minibatches=config.num_minibatches,
        )

    return value_based(
        config,
        env,
        num_updates,
        values,
        init_learner=lambda params, actor, optimiser: init_learner(params, optimiser),
        epsilon=lambda hyper, progress, learner: linear(
            hyper.epsilon, hyper.epsilon_final, progress / hyper.epsilon_fraction
        ),
        learn=learn,
        learn_key="minibatches",
    )
