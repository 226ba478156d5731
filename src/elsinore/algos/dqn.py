"""Deep Q-learning (Mnih 2015, Nature 518), and the refinements that are options of it, from top to
bottom.

Double (van Hasselt 2016, arXiv:1509.06461), dueling (Wang 2016, arXiv:1511.06581), n-step targets
and prioritised replay (Schaul 2016, arXiv:1511.05952), each alone or together as in Rainbow (Hessel
2018, arXiv:1710.02298).
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.optimise import Learner, gradient_step, init_learner
from elsinore.algos.replay import (
    buffer_for,
    check_buffer,
    first_training,
    train_if,
    transition_like,
)
from elsinore.algos.value_based import (
    ActionValues,
    RolloutData,
    ValueBasedConfig,
    action_values,
    linear_epsilon,
    value_based,
)
from elsinore.experience.normalisation import normalise_obs
from elsinore.experience.replay_buffer import ReplayBatch, ReplayBuffer
from elsinore.hyperparameters import settings, traced
from elsinore.nets.build import NetworkConfig
from elsinore.nets.heads import action_mask
from elsinore.ops.advantages import td_target
from elsinore.ops.exploration import best_action, chosen_value
from elsinore.ops.losses import td_error_loss
from elsinore.ops.schedules import exponential, linear
from elsinore.types import Actor, Algorithm, Mean


@settings
class DQNConfig(ValueBasedConfig):
    """Settings of DQN beside those of every `ValueBasedConfig`."""

    name: str = field(default="dqn", init=False)
    num_envs: int = 10  # Environments that run in parallel.
    # Steps of each environment between two trainings.
    rollout_length: int = 1
    gradient_steps: int = 1  # Gradient steps in each training.
    # Double DQN: the online network chooses the next action, the target network values it.
    double: bool = False
    dueling: bool = False  # Separate outputs of the network for state value and advantages.
    n_step: int = 1  # Rewards in a target before it bootstraps.
    buffer_size: int = 10_000  # Transitions that the replay buffer holds.
    batch_size: int = 128  # Transitions of one gradient step.
    learning_starts: int = 1_000  # Env steps before the first training.
    target_period: int = 500  # Env steps between updates of the target network.
    tau: float = traced(1.0)  # Step of the target network towards the online one; 1 is a copy.
    prioritized: bool = False  # Sample transitions by their TD error.
    priority_alpha: float = traced(0.6)  # Exponent of the TD error in sampling; 0 is uniform.
    # Initial exponent of the importance weights; it is 1 at the end.
    priority_beta: float = traced(0.4)
    epsilon_final: float = traced(0.05)
    # linear | episodes: falls over epsilon_fraction of the run, or by epsilon_decay per episode.
    epsilon_schedule: str = "linear"
    epsilon_fraction: float = traced(0.5)
    epsilon_decay: float = traced(0.995)  # Factor of epsilon per finished episode (episodes).
    loss: str = "mse"  # mse | huber: the loss of the TD error.
    network: NetworkConfig = NetworkConfig(hidden=(120, 84), activation="relu")

    def __post_init__(self):
        validation.at_least(self, 1, "gradient_steps", "n_step", "batch_size", "target_period")
        validation.at_least(self, 0, "learning_starts")
        super().__post_init__()
        validation.in_unit_interval(self, "tau", "epsilon_decay", "priority_alpha", "priority_beta")
        validation.positive(self, "tau")
        validation.one_of(self, "epsilon_schedule", "linear", "episodes")
        validation.one_of(self, "loss", "mse", "huber")
        check_buffer(self)


class DQNLearner(NamedTuple):
    """Learner with a target network and a replay buffer."""

    params: PyTree
    opt_state: PyTree
    target_params: PyTree  # of the network that targets are computed with
    buffer: PyTree
    episodes: Int[Array, ""]  # finished, for the schedule that counts them


class Aux(NamedTuple):
    """Outputs of the loss besides its value."""

    metrics: dict[str, Float[Array, ""]]
    td_error: Float[Array, "batch"]


@dataclass(frozen=True, eq=False)
class _Parts:
    """The functions of DQN, and what they are made from."""

    config: DQNConfig
    values: ActionValues
    buffer: ReplayBuffer

    def init(
        self, params: PyTree, actor: Actor, optimiser: optax.GradientTransformation
    ) -> DQNLearner:
        empty = self.buffer.init(transition_like(actor.obs, jnp.int32(0)))
        return DQNLearner(*init_learner(params, optimiser), params, empty, jnp.int32(0))

    def targets(
        self, params: PyTree, target_params: PyTree, batch: ReplayBatch
    ) -> Float[Array, "batch"]:
        """TD targets; an illegal next action is never the best one."""
        q = self.values.q
        next_q, legal = q(target_params, batch.next_obs), action_mask(batch.next_obs)
        chooser = q(params, batch.next_obs) if self.config.double else next_q
        return td_target(batch.reward, batch.discount, next_q, best_action(chooser, legal))

    def loss(
        self,
        weight: Float[Array, "batch"],
        target_params: PyTree,
        params: PyTree,
        batch: ReplayBatch,
    ) -> tuple[Float[Array, ""], Aux]:
        q = chosen_value(self.values.q(params, batch.obs), batch.action)
        td_error = q - jax.lax.stop_gradient(self.targets(params, target_params, batch))
        total = td_error_loss(td_error, weight, self.config.loss)
        return total, Aux({"loss/value": total, "value/q": jnp.mean(q)}, td_error)

    def train(
        self, data: RolloutData, beta: Float[Array, ""], learner: DQNLearner, key: Key[Array, ""]
    ) -> tuple[DQNLearner, dict[str, Float[Array, ""]]]:
        """One gradient step on a batch from the buffer, whose priorities change."""
        config, hyper = self.config, data.hyper
        batch, indices, weight = self.buffer.sample(
            learner.buffer, key, config.batch_size, hyper.gamma, beta
        )
        obs, next_obs = (normalise_obs(data.before.stats, x) for x in (batch.obs, batch.next_obs))
        (params, opt_state), aux, norm = gradient_step(
            partial(self.loss, weight, learner.target_params),
            data.optimiser,
            Learner(learner.params, learner.opt_state),
            batch._replace(obs=obs, next_obs=next_obs),
            hyper.learning_rate,
        )
        kept = self.buffer.reprioritise(learner.buffer, indices, aux.td_error, hyper.priority_alpha)
        error = {"loss/td_error": jnp.mean(jnp.abs(aux.td_error)), "learner/gradient_norm": norm}
        learner = learner._replace(params=params, opt_state=opt_state, buffer=kept)
        return learner, aux.metrics | error

    def learn(
        self, key: Key[Array, ""], learner: DQNLearner, data: RolloutData
    ) -> tuple[DQNLearner, dict[str, Mean]]:
        """Store the rollout; once the buffer holds enough, take `gradient_steps`."""
        config, buffer, (experience, before, hyper, _) = self.config, self.buffer, data
        ended = jnp.sum(experience.terminated | experience.truncated)
        learner = learner._replace(
            buffer=buffer.add(learner.buffer, experience), episodes=learner.episodes + ended
        )
        beta = linear(hyper.priority_beta, 1.0, before.update / hyper.num_updates)

        def training(learner: DQNLearner) -> tuple[DQNLearner, dict[str, Mean]]:
            keys = jax.random.split(key, config.gradient_steps)
            learner, metrics = jax.lax.scan(partial(self.train, data, beta), learner, keys)
            count = jnp.float32(config.gradient_steps)
            return learner, jax.tree.map(lambda x: Mean(jnp.sum(x), count), metrics)

        due = (before.update >= first_training(config)) & (buffer.num_starts(learner.buffer) > 0)
        learner, metrics = train_if(due, training, learner)
        return self.with_target(learner, before.update + 1, hyper), metrics

    def with_target(self, learner: DQNLearner, update: Int[Array, ""], hyper: Any) -> DQNLearner:
        """The target network moved by `tau` towards the online one, every `target_period`."""

        def moved() -> PyTree:
            return optax.incremental_update(learner.params, learner.target_params, hyper.tau)

        period = max(1, round(self.config.target_period / self.config.steps_per_update))
        target_params = jax.lax.cond(update % period == 0, moved, lambda: learner.target_params)
        return learner._replace(target_params=target_params)

    def epsilon(
        self, hyper: Any, progress: Float[Array, ""], learner: DQNLearner
    ) -> Float[Array, ""]:
        if self.config.epsilon_schedule == "linear":
            return linear_epsilon(hyper, progress, learner)
        return exponential(
            hyper.epsilon, hyper.epsilon_final, hyper.epsilon_decay, learner.episodes
        )


def dqn(
    config: DQNConfig, env: Any, env_params: Any, num_updates: int, network: Any = None
) -> Algorithm:
    """DQN for one gymnax env.

    Raises:
        ValueError: for an action space that is not discrete, or where the network cannot read the
            env's observations.
    """
    values = action_values(config, env, env_params, network, config.dueling)
    parts = _Parts(config, values, buffer_for(config))
    own = {"init_learner": parts.init, "epsilon": parts.epsilon, "learn": parts.learn}
    return value_based(config, env, num_updates, values, learn_key="train", **own)
