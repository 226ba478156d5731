"""Parallelised Q-learning (Gallici 2024, arXiv:2407.04811), from top to bottom: config, loss,
update.

Q-learning without a replay buffer and without a target network: many envs make the data, layer
normalisation makes the learning stable, and lambda-returns carry rewards back through a rollout.
"""

from dataclasses import field, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.common import RolloutData
from elsinore.algos.optimise import Learner, LossAndMetrics, minibatch_epochs
from elsinore.algos.sequences import Sequences, rollout_sequences
from elsinore.algos.value_based import (
    ActionValues,
    ValueBasedConfig,
    action_values,
    value_based,
)
from elsinore.algos.vdn import as_rows, by_team, team_of, team_transitions
from elsinore.config_records import inherited, settings
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import normalise_obs
from elsinore.hyperparameters import traced
from elsinore.jaxtools import shards
from elsinore.nets.config import NetworkConfig
from elsinore.nets.heads import action_mask
from elsinore.ops.advantages import lambda_returns
from elsinore.ops.exploration import best_value, chosen_value
from elsinore.ops.losses import value_loss
from elsinore.types import Algorithm, Mean, Transition


@settings
class PQNConfig(ValueBasedConfig):
    """Settings of PQN beside those of every `ValueBasedConfig`."""

    name: str = field(default="pqn", init=False)
    num_envs: int = 32
    rollout_length: int = 64
    num_minibatches: int = 16  # Gradient steps of an epoch; each learns from an equal share.
    num_epochs: int = 4  # Passes over each rollout.
    optimiser: str = "radam"
    learning_rate: float = traced(1e-4)
    learning_rate_final: float | None = traced(0.0, absent="learning_rate")
    gamma: float = inherited()
    # Of the lambda-returns: 0 bootstraps after one step, 1 at the end of the rollout.
    q_lambda: float = traced(0.95)
    epsilon: float = inherited()
    epsilon_final: float = traced(0.2)
    epsilon_fraction: float = traced(0.2)
    network: NetworkConfig = NetworkConfig(hidden=(256, 256), activation="relu", layer_norm=True)

    def __post_init__(self) -> None:
        validation.counts(self, 1, "num_minibatches", "num_epochs")
        super().__post_init__()
        validation.divides(self, "num_minibatches")
        validation.whole_envs(self, self.network.memory is not None)
        validation.in_unit_interval(self, "q_lambda")


class PQNBatch(NamedTuple):
    """Input of the loss, each leaf [transition, ...], or [env, time, ...] with a memory; of a team
    observations and actions are [transition, agent, ...], or [team, agent, time, ...]."""

    obs: PyTree | Sequences
    action: Int[Array, "*batch"]
    target: Float[Array, "*transition"]


def with_lambda_returns(
    values: ActionValues, data: RolloutData, team: int | None = None
) -> PQNBatch:
    """A rollout as a batch with lambda-returns of the network's values; `team` is the number of
    agents whose values are summed, which are adjacent envs of the rollout."""
    batch = _lambda_returns_of_rows(values, data, team)
    if team is None:
        return batch
    return batch._replace(obs=by_team(batch.obs, team, 0), action=by_team(batch.action, team, 0))


def _lambda_returns_of_rows(values: ActionValues, data: RolloutData, team: int | None) -> PQNBatch:
    """The batch with observations and actions [row, ...], and the targets of envs or of teams."""
    experience, stats, hyper = data.experience, data.before.stats, data.hyper
    params = data.before.learner.params
    paid = experience if team is None else team_transitions(experience, team)

    def returns(next_value: Float[Array, "time row"]) -> Float[Array, "time env"]:
        if team is not None:
            next_value = jnp.sum(by_team(next_value, team, axis=1), axis=2)
        done = paid.terminated, paid.truncated
        return lambda_returns(paid.reward, next_value, *done, hyper.gamma, hyper.q_lambda)

    if values.net.recurrent:  # a row is a whole env, from the carry of the rollout's first step
        obs, after = rollout_sequences(experience, stats, data.before.actor.carry)
        next_value = best_value(values.q(params, after), values.legal(after))
        target = returns(next_value.reshape(experience.reward.T.shape).T)
        return PQNBatch(obs, experience.action.T, target.T)
    flat = merge_time_and_env(experience)
    final_obs = normalise_obs(stats, flat.final_obs)
    next_value = best_value(values.q(params, final_obs), action_mask(final_obs))
    target = returns(next_value.reshape(experience.reward.shape))
    return PQNBatch(normalise_obs(stats, flat.obs), flat.action, target.reshape(-1))


def pqn(
    config: PQNConfig, env: Any, env_params: Any, num_updates: int, network: Any = None
) -> Algorithm:
    """PQN for one gymnax env.

    Raises:
        ValueError: as `action_values`, or for minibatches that cut through envs or teams.
    """
    values = action_values(config, env, env_params, network)
    team = team_of(env)
    learnt = config if team is None else replace(config, num_envs=config.num_envs // team)
    validation.whole_envs(learnt, values.net.recurrent)  # a custom network may have a memory too

    def loss(params: PyTree, batch: PQNBatch) -> LossAndMetrics:
        obs = batch.obs if team is None else as_rows(batch.obs)
        q = chosen_value(values.q(params, obs), batch.action.reshape(-1))
        if team is not None:
            q = jnp.sum(q.reshape(batch.action.shape), axis=1).reshape(-1)
        total = value_loss(q, batch.target.reshape(-1))
        return total, {"loss/value": total, "value/q": jnp.mean(q)}

    def learn(
        key: Key[Array, ""], learner: Learner, data: RolloutData
    ) -> tuple[Learner, dict[str, Mean]]:
        """Several epochs of minibatches over the rollout."""

        def batch_of(experience: Transition) -> PQNBatch:
            return with_lambda_returns(values, data._replace(experience=experience), team)

        return minibatch_epochs(
            loss,
            data.optimiser,
            learner,
            shards.per_shard(batch_of)(data.experience),
            key,
            data.hyper.learning_rate,
            num_epochs=config.num_epochs,
            num_minibatches=config.num_minibatches,
        )

    return value_based(config, env, num_updates, values, learn=learn, learn_key="minibatches")
