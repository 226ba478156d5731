"""Deep Q-learning (Mnih 2015, Nature 518), and the refinements that are options of it, from top to bottom.

Double (van Hasselt 2016, arXiv:1509.06461), dueling (Wang 2016, arXiv:1511.06581), n-step targets and prioritised
replay (Schaul 2016, arXiv:1511.05952), each alone or together as in Rainbow (Hessel 2018, arXiv:1710.02298).
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from elsinore.algos import checks
from elsinore.algos.action_values import action_values
from elsinore.algos.descent import OPTIMISERS, Learner, begin_learning, gradient_step, scaler
from elsinore.algos.experience import begin_state
from elsinore.experience import prioritised, replay
from elsinore.experience.curiosity import RNDConfig
from elsinore.experience.normalisation import normalise_obs
from elsinore.experience.replay import Batch
from elsinore.nets.build import NetworkConfig
from elsinore.nets.heads import action_mask
from elsinore.ops.exploration import best_action, value_of
from elsinore.ops.randomness import for_update, for_uses
from elsinore.ops.schedules import exponential, linear
from elsinore.traced import numbers_of, traced
from elsinore.types import Actor, Algorithm, Mean, TrainState, Transition


@dataclass(frozen=True, kw_only=True)
class DQNConfig:
    """What DQN is run with. What is `traced` may differ between seeds of one compiled program."""

    name: str = field(default="dqn", init=False)
    num_envs: int = 10
    rollout_length: int = 1  # steps per env between trainings: one for every num_envs x rollout_length env steps
    gradient_steps: int = 1  # in each training
    double: bool = False  # the online network chooses the next action, the target network says what it is worth
    dueling: bool = False  # the worth of a state and the advantages of its actions are learnt apart
    n_step: int = 1  # rewards in a target before it bootstraps
    buffer_size: int = 10_000  # transitions remembered
    batch_size: int = 128
    learning_starts: int = 1_000  # env steps before the first training
    target_period: int = 500  # env steps between updates of the target network
    tau: float = traced(1.0)  # how far it then goes towards the online one; 1: a hard copy
    prioritized: bool = False  # go back more often to what surprised more
    priority_alpha: float = traced(0.6)  # how much more; 0 is uniform
    priority_beta: float = traced(0.4)  # how much of the bias is corrected at first; all of it at the end
    epsilon: float = traced(1.0)  # the share of random actions at first
    epsilon_final: float = traced(0.05)  # and at last
    epsilon_schedule: str = "linear"  # linear: over epsilon_fraction of the run | episodes: times epsilon_decay each
    epsilon_fraction: float = traced(0.5)
    epsilon_decay: float = traced(0.995)
    loss: str = "mse"  # mse | huber
    optimiser: str = "adam"  # adam | rmsprop | radam
    optimiser_eps: float = 1e-8
    learning_rate: float = traced(2.5e-4)
    learning_rate_final: float | None = traced(None, absent="learning_rate")  # approached linearly; null: constant
    max_grad_norm: float = traced(10.0)  # of all gradients together; .inf: no clipping
    gamma: float = traced(0.99)
    normalize_obs: bool = False
    normalize_rewards: bool = False
    network: NetworkConfig = NetworkConfig(hidden=(120, 84), activation="relu")
    rnd: RNDConfig = RNDConfig()  # a reward for what is new, as it was when it was remembered

    def __post_init__(self):
        checks.at_least(
            self, 1, "num_envs", "rollout_length", "gradient_steps", "n_step", "batch_size", "target_period"
        )
        checks.at_least(self, 0, "learning_starts")
        checks.in_unit_interval(
            self, "gamma", "tau", "epsilon", "epsilon_final", "epsilon_decay", "priority_alpha", "priority_beta"
        )
        checks.positive(self, "learning_rate", "optimiser_eps", "epsilon_fraction", "tau",
                        off={"max_grad_norm": float("inf")})  # fmt: skip
        checks.not_negative(self, "learning_rate_final")
        checks.one_of(self, "epsilon_schedule", "linear", "episodes")
        checks.one_of(self, "loss", "mse", "huber")
        checks.one_of(self, "optimiser", *OPTIMISERS)
        self._check_buffer()

    def _check_buffer(self):
        slots = self.buffer_size // self.num_envs
        if self.buffer_size >= 2**31:
            raise ValueError(
                f"buffer_size={self.buffer_size} transitions cannot be numbered in 31 bits; use at most {2**31 - 1}."
            )
        if self.buffer_size < self.batch_size:
            raise ValueError(
                f"buffer_size={self.buffer_size} holds less than one batch of batch_size={self.batch_size} "
                "transitions; raise it, or lower batch_size."
            )
        if slots < max(self.rollout_length, self.n_step):
            name = "rollout_length" if self.rollout_length >= self.n_step else "n_step"
            raise ValueError(
                f"buffer_size={self.buffer_size} holds {slots} steps of num_envs={self.num_envs} envs, fewer than "
                f"{name}={getattr(self, name)}; raise it to at least {getattr(self, name) * self.num_envs}."
            )
        if self.learning_starts > self.buffer_size:
            raise ValueError(
                f"learning_starts={self.learning_starts} is more than buffer_size={self.buffer_size} can remember; "
                "lower it, or raise buffer_size."
            )


class DQNLearner(NamedTuple):
    params: Any
    opt_state: Any
    target: Any  # the parameters that targets are computed with
    buffer: Any
    episodes: Int[Array, ""]  # finished, for the schedule that goes by them


def dqn(config: DQNConfig, env: Any, env_params: Any, num_updates: int, network: Any = None) -> Algorithm:
    """DQN for one gymnax env: pure functions over `TrainState`, to be jitted together with it.

    Raises:
        ValueError: where actions are not one of n, or the network cannot read the env's observations.
    """
    values = action_values(config, env, env_params, network, config.dueling)
    remembering = prioritised.prioritised if config.prioritized else replay.uniform
    memory = remembering(config.buffer_size, config.num_envs, config.n_step)
    steps = config.num_envs * config.rollout_length
    first_training = -(-config.learning_starts // steps)  # updates
    target_period = max(1, round(config.target_period / steps))

    def scale(hyper):
        return scaler(config.optimiser, config.optimiser_eps, hyper.max_grad_norm)

    def init(key, env_params, hyper) -> TrainState:
        def learner(params, actor: Actor) -> DQNLearner:
            buffer = memory.begin(a_transition(actor.obs))
            return DQNLearner(*begin_learning(params, scale(hyper)), params, buffer, jnp.int32(0))

        return begin_state(config, env, values.net, learner, key, env_params, hyper)

    def td_target(params, target, batch: Batch):
        """Reward + discount x what the best next action is worth, an illegal one never being the best."""
        next_q, legal = values.q(target, batch.next_obs), action_mask(batch.next_obs)
        chooser = values.q(params, batch.next_obs) if config.double else next_q
        return batch.reward + batch.discount * value_of(next_q, best_action(chooser, legal))

    def loss(params, batch, target):
        batch, weights = batch
        q = value_of(values.q(params, batch.obs), batch.action)
        error = q - jax.lax.stop_gradient(td_target(params, target, batch))
        losses = 0.5 * jnp.square(error) if config.loss == "mse" else optax.huber_loss(error)
        total = jnp.mean(weights * losses)
        return total, {"loss/value": total, "value/q": jnp.mean(q), "td_error": error}

    def train(learner: DQNLearner, stats, key, hyper, learning_rate, beta):
        """`gradient_steps` batches from memory."""

        def one(learner: DQNLearner, key):
            batch, where, weights = memory.sample(learner.buffer, key, config.batch_size, hyper.gamma, beta)
            obs, next_obs = (normalise_obs(stats, x) for x in (batch.obs, batch.next_obs))
            batch = batch._replace(obs=obs, next_obs=next_obs)
            (params, opt_state), metrics = gradient_step(
                lambda params, batch: loss(params, batch, learner.target), scale(hyper),
                Learner(learner.params, learner.opt_state), (batch, weights), learning_rate,
            )  # fmt: skip
            error = metrics.pop("td_error")
            buffer = memory.reprioritise(learner.buffer, where, error, hyper.priority_alpha)
            metrics["loss/td_error"] = jnp.mean(jnp.abs(error))
            return learner._replace(params=params, opt_state=opt_state, buffer=buffer), metrics

        learner, metrics = jax.lax.scan(one, learner, jax.random.split(key, config.gradient_steps))
        return learner, jax.tree.map(lambda x: Mean(jnp.sum(x), jnp.float32(config.gradient_steps)), metrics)

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        """One rollout, remembered; then, once there is enough to remember, a training."""
        hyper, stats, progress = state.hyper, state.stats, state.update / state.hyper.num_updates
        act_key, rollout_key, train_key = for_uses(for_update(state.key, state.update), "act", "rollout", "train")
        learning_rate = linear(hyper.learning_rate, hyper.learning_rate_final, progress)
        beta = linear(hyper.priority_beta, 1.0, progress)
        epsilon = epsilon_now(hyper, progress, state.learner.episodes)

        state, experience, metrics = values.live(state, act_key, rollout_key, epsilon)
        ended = jnp.sum(experience.terminated | experience.truncated)
        learner = state.learner._replace(
            buffer=memory.add(state.learner.buffer, experience), episodes=state.learner.episodes + ended
        )

        def training(learner):
            return train(learner, stats, train_key, hyper, learning_rate, beta)

        def waiting(learner):
            nothing = jax.eval_shape(training, learner)[1]
            return learner, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), nothing)

        due = (state.update >= first_training) & (memory.num_starts(learner.buffer) > 0)
        learner, learnt = jax.lax.cond(due, training, waiting, learner)
        learner = learner._replace(target=target_after(state.update + 1, learner, hyper))
        schedules = {"schedule/epsilon": Mean.of(epsilon), "schedule/learning_rate": Mean.of(learning_rate)}
        return state._replace(update=state.update + 1, learner=learner), metrics | learnt | schedules

    def epsilon_now(hyper, progress, episodes) -> Float[Array, ""]:
        if config.epsilon_schedule == "episodes":
            return exponential(hyper.epsilon, hyper.epsilon_final, hyper.epsilon_decay, episodes)
        return linear(hyper.epsilon, hyper.epsilon_final, progress / hyper.epsilon_fraction)

    def target_after(update, learner: DQNLearner, hyper):
        def nearer():
            return optax.incremental_update(learner.params, learner.target, hyper.tau)

        return jax.lax.cond(update % target_period == 0, nearer, lambda: learner.target)

    hyper = numbers_of(config, num_updates=num_updates)
    return Algorithm(init, update, values.act, hyper, steps, value=values.value, preferences=values.preferences)


def a_transition(obs: Any) -> Transition:
    """One env's transition, as it will be remembered; `obs` is [env, ...]."""
    obs = jax.tree.map(lambda x: x[0], obs)
    no, nothing = jnp.bool_(False), jnp.float32(0.0)
    return Transition(obs, jnp.int32(0), nothing, terminated=no, truncated=no, final_obs=obs, extras=())
