"""Parallelised Q-learning (Gallici 2024, arXiv:2407.04811), from top to bottom: config, loss, update.

Q-learning without a replay buffer and without a target network: many envs make the data, layer normalisation makes
the learning stable, and lambda-returns carry rewards back through a rollout.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from elsinore.algos import checks
from elsinore.algos.action_values import action_values
from elsinore.algos.descent import OPTIMISERS, begin_learning, minibatch_epochs, scaler
from elsinore.algos.experience import begin_state
from elsinore.experience.curiosity import RNDConfig
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import normalise_obs
from elsinore.nets.build import NetworkConfig
from elsinore.nets.heads import action_mask
from elsinore.ops.advantages import lambda_returns
from elsinore.ops.exploration import best_value, value_of
from elsinore.ops.losses import value_loss
from elsinore.ops.randomness import for_update, for_uses
from elsinore.ops.schedules import linear
from elsinore.traced import numbers_of, traced
from elsinore.types import Algorithm, Mean, TrainState, Transition


@dataclass(frozen=True, kw_only=True)
class PQNConfig:
    """What PQN is run with. What is `traced` may differ between seeds of one compiled program."""

    name: str = field(default="pqn", init=False)
    num_envs: int = 32
    rollout_length: int = 64  # steps per env per update
    num_minibatches: int = 16
    num_epochs: int = 4
    optimiser: str = "radam"  # radam | adam | rmsprop
    optimiser_eps: float = 1e-8
    learning_rate: float = traced(1e-4)
    learning_rate_final: float | None = traced(0.0, absent="learning_rate")  # approached linearly; null: constant
    max_grad_norm: float = traced(10.0)  # of all gradients together; .inf: no clipping
    gamma: float = traced(0.99)
    q_lambda: float = traced(0.95)  # of the returns that action values are drawn to
    epsilon: float = traced(1.0)  # the share of random actions at first
    epsilon_final: float = traced(0.2)  # and at last
    epsilon_fraction: float = traced(0.2)  # of the run, over which it goes from one to the other
    normalize_obs: bool = False
    normalize_rewards: bool = False
    network: NetworkConfig = NetworkConfig(hidden=(256, 256), activation="relu", layer_norm=True)
    rnd: RNDConfig = RNDConfig()  # a reward for what is new

    def __post_init__(self):
        checks.at_least(self, 1, "num_envs", "rollout_length", "num_minibatches", "num_epochs")
        checks.divides(self, "num_minibatches")
        checks.in_unit_interval(self, "gamma", "q_lambda", "epsilon", "epsilon_final")
        checks.positive(self, "learning_rate", "optimiser_eps", "epsilon_fraction", off={"max_grad_norm": float("inf")})
        checks.not_negative(self, "learning_rate_final")
        checks.one_of(self, "optimiser", *OPTIMISERS)


class Sample(NamedTuple):
    """What the loss reads of one transition."""

    obs: Any
    action: Array
    target: Float[Array, "batch"]


def pqn(config: PQNConfig, env: Any, env_params: Any, num_updates: int, network: Any = None) -> Algorithm:
    """PQN for one gymnax env: pure functions over `TrainState`, to be jitted together with it.

    Raises:
        ValueError: where actions are not one of n, or the network cannot read the env's observations.
    """
    values = action_values(config, env, env_params, network)

    def scale(hyper):
        return scaler(config.optimiser, config.optimiser_eps, hyper.max_grad_norm)

    def init(key, env_params, hyper) -> TrainState:
        def learner(params, actor):
            return begin_learning(params, scale(hyper))

        return begin_state(config, env, values.net, learner, key, env_params, hyper)

    def hindsight(params, stats, experience: Transition, hyper) -> Sample:
        """Every step of the rollout with the lambda-return it turned out to have."""
        flat = merge_time_and_env(experience)
        led_to = normalise_obs(stats, flat.final_obs)
        next_value = best_value(values.q(params, led_to), action_mask(led_to)).reshape(experience.reward.shape)
        target = lambda_returns(
            experience.reward, next_value, experience.terminated, experience.truncated, hyper.gamma, hyper.q_lambda
        )
        return Sample(normalise_obs(stats, flat.obs), flat.action, target.reshape(-1))

    def loss(params, batch: Sample):
        q = value_of(values.q(params, batch.obs), batch.action)
        total = value_loss(q, batch.target)
        return total, {"loss/value": total, "value/q": jnp.mean(q)}

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        """One rollout, and all the learning from it."""
        params, stats, hyper = state.learner.params, state.stats, state.hyper
        progress = state.update / hyper.num_updates
        act_key, rollout_key, learn_key = for_uses(for_update(state.key, state.update), "act", "rollout", "minibatches")
        learning_rate = linear(hyper.learning_rate, hyper.learning_rate_final, progress)
        epsilon = linear(hyper.epsilon, hyper.epsilon_final, progress / hyper.epsilon_fraction)

        state, experience, lived = values.live(state, act_key, rollout_key, epsilon)
        batch = hindsight(params, stats, experience, hyper)
        learner, learnt = minibatch_epochs(
            loss, scale(hyper), state.learner, batch, learn_key, learning_rate,
            num_epochs=config.num_epochs, num_minibatches=config.num_minibatches,
        )  # fmt: skip
        schedules = {"schedule/epsilon": Mean.of(epsilon), "schedule/learning_rate": Mean.of(learning_rate)}
        return state._replace(update=state.update + 1, learner=learner), lived | learnt | schedules

    hyper = numbers_of(config, num_updates=num_updates)
    steps = config.num_envs * config.rollout_length
    return Algorithm(init, update, values.act, hyper, steps, value=values.value, preferences=values.preferences)
