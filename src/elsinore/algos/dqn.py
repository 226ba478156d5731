"""Deep Q-learning (Mnih 2015, Nature 518), and the refinements that are options of it, from top to
bottom.

Double (van Hasselt 2016, arXiv:1509.06461), dueling (Wang 2016, arXiv:1511.06581), n-step targets,
prioritised replay (Schaul 2016, arXiv:1511.05952), noisy weights (Fortunato 2018, arXiv:1706.10295)
and C51's distribution (Bellemare 2017, arXiv:1707.06887), each alone or together as in Rainbow
(Hessel 2018, arXiv:1710.02298); the distributions of QR-DQN and IQN; Munchausen's reward.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.common import RolloutData
from elsinore.algos.optimise import Learner, OfRows, gradient_step, init_learner
from elsinore.algos.replay import (
    annealed_beta,
    buffer_for,
    check_buffer,
    gradient_steps,
    learning_is_due,
    mean_error,
    normalised,
    soft_update,
    transition_like,
    updates_per,
)
from elsinore.algos.resets import check_memory, check_resets, n_step_at, with_resets
from elsinore.algos.return_distributions import (
    DISTRIBUTIONS,
    Numbers,
    check_returns,
    return_distribution,
)
from elsinore.algos.sequences import (
    Remembered,
    carries_before,
    check_sequences,
    episode_starts,
    sequence_batch,
    sequence_error,
)
from elsinore.algos.value_based import (
    ActionValues,
    ValueBasedConfig,
    action_values,
    linear_epsilon,
    value_based,
)
from elsinore.algos.vdn import by_team, check_team, summed, team_of, team_transitions, with_rows
from elsinore.config_records import inherited, settings
from elsinore.experience.normalisation import Normalisers, normalise_obs
from elsinore.experience.replay_buffer import BatchIndices, ReplayBatch, ReplayBuffer
from elsinore.hyperparameters import traced
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import for_uses
from elsinore.nets.config import NetworkConfig
from elsinore.ops.exploration import best_action, chosen_value
from elsinore.ops.munchausen import munchausen_term, soft_expectation, softmax_policy
from elsinore.ops.schedules import exponential
from elsinore.types import Actor, Algorithm, Mean, Transition, means


@settings
class DQNConfig(ValueBasedConfig):
    """Settings of DQN beside those of every `ValueBasedConfig`."""

    name: str = field(default="dqn", init=False)
    num_envs: int = 10  # Environments that run in parallel.
    # Steps of each environment between two trainings.
    rollout_length: int = inherited()
    gradient_steps: int = 1  # Gradient steps in each training.
    # Double DQN: the online network chooses the next action, the target network values it.
    double: bool = False
    dueling: bool = False  # Separate outputs of the network for state value and advantages.
    n_step: int = 1  # Rewards in a target before it bootstraps.
    # Final value of n_step, which falls to it after learning starts and after each reset; null:
    # n_step is constant.
    n_step_final: int | None = None
    n_step_anneal: int = 10_000  # Env steps over which n_step falls, geometrically.
    # Env steps between resets of the network; the replay buffer stays. null: no resets.
    reset_period: int | None = None
    reset_share: float = 1.0  # Share of each weight that a reset draws anew; 1: all.
    reset_until: float = 1.0  # Share of the run after which the network is not reset any more.
    buffer_size: int = 10_000  # Transitions that the replay buffer holds.
    batch_size: int = 128  # Transitions of one gradient step; sequences, if recurrent.
    sequence_length: int = 16  # Steps of a sequence that are learnt; recurrent networks only.
    # Steps of a sequence before those, which only update its carry; recurrent networks only.
    burn_in: int = 0
    learning_starts: int = 1_000  # The first training is after more env steps than these.
    target_period: int = 500  # Env steps between updates of the target network.
    tau: float = traced(1.0)  # Step of the target network towards the online one; 1 is a copy.
    prioritized: bool = False  # Sample transitions by their TD error.
    priority_alpha: float = traced(0.6)  # Exponent of the TD error in sampling; 0 is uniform.
    # Initial exponent of the importance weights; it is 1 at the end.
    priority_beta: float = traced(0.4)
    epsilon_final: float = inherited()
    # linear | episodes: falls over epsilon_fraction of the run, or by epsilon_decay per episode.
    epsilon_schedule: str = "linear"
    epsilon_fraction: float = inherited()
    # Factor of epsilon per finished episode; for epsilon_schedule: episodes only.
    epsilon_decay: float = traced(0.995)
    loss: str = "mse"  # mse | huber: the loss of the TD error.
    # none | c51 | qr | iqn: learn the distribution of returns, by probabilities of atoms, by
    # quantiles, or by quantiles at random fractions.
    distribution: str = "none"
    atoms: int = 51  # Returns that have a probability (c51), evenly spaced from v_min to v_max.
    v_min: float = -10.0  # The least discounted return (c51).
    v_max: float = 10.0  # The greatest discounted return (c51).
    quantiles: int = 25  # Quantiles of a return (qr), or fractions drawn for a loss (iqn).
    # Noise on the weights, whose deviation is learnt, explores in place of epsilon.
    noisy: bool = False
    noisy_std: float = 0.5  # Its initial deviation, in units of 1 / sqrt(inputs of a layer).
    # Add the scaled log-probability of the action to the reward, and learn a softmax policy.
    munchausen: bool = False
    munchausen_weight: float = 0.9  # Factor of that term.
    munchausen_temperature: float = 0.03  # Temperature of the softmax policy.
    munchausen_clip: float = -1.0  # The least log-probability, scaled by the temperature.
    network: NetworkConfig = NetworkConfig(hidden=(120, 84), activation="relu")

    def __post_init__(self) -> None:
        validation.counts(self, 1, "gradient_steps", "n_step", "batch_size", "target_period")
        validation.counts(self, 0, "learning_starts")
        super().__post_init__()
        validation.in_unit_interval(self, "epsilon_decay", "priority_alpha", "priority_beta")
        validation.above_zero_to_one(self, "tau")
        validation.one_of(self, "epsilon_schedule", "linear", "episodes")
        validation.one_of(self, "loss", "mse", "huber")
        validation.one_of(self, "distribution", *DISTRIBUTIONS)
        validation.counts(self, 2, "atoms")
        validation.counts(self, 1, "quantiles")
        validation.positive(self, "munchausen_temperature")
        validation.not_negative(self, "noisy_std")
        validation.in_unit_interval(self, "munchausen_weight")
        check_returns(self)
        validation.counts(self, 1, "sequence_length")
        validation.counts(self, 0, "burn_in")
        check_buffer(self, self.window if self.network.memory else None)
        check_resets(self)

    @property
    def window(self) -> int:
        """Steps of a sequence in the buffer."""
        return self.burn_in + self.sequence_length + self.n_step - 1


class DQNLearner(NamedTuple):
    """Learner with a target network and a replay buffer."""

    params: PyTree
    opt_state: PyTree
    target_params: PyTree  # of the network that targets are computed with
    buffer: PyTree
    episodes: Int[Array, ""]  # finished, or about 2^30, for the schedule that counts them


class Aux(NamedTuple):
    """Outputs of the loss besides its value."""

    metrics: dict[str, Float[Array, ""]]
    td_error: OfRows  # [batch]


@dataclass(frozen=True, eq=False)
class DQNEquations:
    """The functions of DQN, and what they are made from."""

    config: DQNConfig
    values: ActionValues
    buffer: ReplayBuffer
    team: int | None = None  # agents whose values are summed

    def init(
        self, params: PyTree, actor: Actor, optimiser: optax.GradientTransformation
    ) -> DQNLearner:
        """A learner with an empty buffer, whose target network equals the online one."""
        like = transition_like(actor.obs, jnp.int32(0))
        if self.team is not None:
            obs = by_team(actor.obs, self.team, axis=0)
            like = transition_like(obs, jnp.zeros(self.team, jnp.int32))
        if self.values.net.recurrent:
            like = like._replace(obs=Remembered(like.obs, self.values.net.initial_carry))
        empty = self.buffer.init(like)
        return DQNLearner(
            params=params,
            opt_state=init_learner(params, optimiser).opt_state,
            target_params=params,
            buffer=empty,
            episodes=jnp.int32(0),
        )

    def targets(
        self, params: PyTree, target_params: PyTree, batch: ReplayBatch, key: Key[Array, ""]
    ) -> tuple[Numbers, dict[str, Float[Array, ""]]]:
        """Targets, and metrics of them; an illegal next action is never the best one."""
        values, legal, reward = self.values, self.values.legal(batch.next_obs), batch.reward
        fractions = values.returns.fractions(key, len(reward))
        next_z = values.z(target_params, batch.next_obs, fractions)
        if self.config.munchausen:
            policy = self.softmax(target_params, batch.next_obs)
            reward = reward + self.munchausen_reward(target_params, batch)
            return values.returns.target(reward, batch.discount, soft_expectation(next_z, *policy))
        chooser = values.returns.mean(next_z)
        if self.config.double or values.returns.implicit:
            chooser = values.q(params if self.config.double else target_params, batch.next_obs)
        best = summed(chosen_value(next_z, best_action(chooser, legal)), self.team)
        return values.returns.target(reward, batch.discount, best)

    def softmax(self, params: PyTree, obs: PyTree) -> tuple[Array, Array]:
        """Munchausen's policy: probabilities, and scaled log-probabilities, [batch, action]."""
        temperature = self.config.munchausen_temperature
        return softmax_policy(self.values.q(params, obs), self.values.legal(obs), temperature)

    def munchausen_reward(self, params: PyTree, batch: ReplayBatch) -> Float[Array, "batch"]:
        """Munchausen's term of the reward, from the log-probability of the action taken."""
        config, (_, log_prob) = self.config, self.softmax(params, batch.obs)
        return munchausen_term(
            log_prob, batch.action, config.munchausen_weight, config.munchausen_clip
        )

    def loss(
        self,
        weight: Float[Array, "batch"],
        target_params: PyTree,
        key: Key[Array, ""],
        params: PyTree,
        batch: ReplayBatch,
    ) -> tuple[Float[Array, ""], Aux]:
        """The weighted mean loss of the error between Q(s, a) and `targets`, which have no
        gradient; of the error between distributions of the return where they are learnt.

            L = mean_i w_i l(y_i - Q(s_i, a_i)),  l half the square or Huber's loss

        Leaves of `batch` are [batch, ...]. Source: Mnih 2015, Nature 518, algorithm 1; the weights
        w: Schaul 2016, arXiv:1511.05952 section 3.4.
        """
        values, returns = self.values, self.values.returns
        keys = for_uses(key, "weights", "target weights", "fractions", "target fractions")
        params, target_params = values.drawn(params, keys[0]), values.drawn(target_params, keys[1])
        fractions = returns.fractions(keys[2], len(weight))
        z = summed(chosen_value(values.z(params, batch.obs, fractions), batch.action), self.team)
        target, found = jax.lax.stop_gradient(self.targets(params, target_params, batch, keys[3]))
        error = returns.error(z, target, fractions)
        total, q = returns.loss(error, weight), returns.mean(z)
        return total, Aux({"loss/value": total, "value/q": jnp.mean(q)} | found, OfRows(error))

    def train(
        self, data: RolloutData, beta: Float[Array, ""], learner: DQNLearner, key: Key[Array, ""]
    ) -> tuple[DQNLearner, dict[str, Mean]]:
        """One gradient step on a batch from the buffer, whose priorities change."""
        hyper = data.hyper
        batch, indices, weight = self.sample(data, beta, learner, key)
        after, aux, norm = gradient_step(
            partial(self.loss, weight, learner.target_params, key),
            data.optimiser,
            Learner(learner.params, learner.opt_state),
            batch,
            hyper.learning_rate,
        )
        td_error = errors = aux.td_error.values
        if self.values.net.recurrent:
            priority_of = partial(sequence_error, batch=self.config.batch_size)
            td_error = shards.per_shard(priority_of)(td_error)
        kept = self.buffer.reprioritise(learner.buffer, indices, td_error, hyper.priority_alpha)
        error = {"loss/td_error": mean_error(errors), "learner/gradient_norm": norm}
        learner = learner._replace(params=after.params, opt_state=after.opt_state, buffer=kept)
        return learner, means(aux.metrics | error)

    def sample(
        self, data: RolloutData, beta: Float[Array, ""], learner: DQNLearner, key: Key[Array, ""]
    ) -> tuple[ReplayBatch, BatchIndices, Float[Array, "batch"]]:
        """A batch with normalised observations, its indices, and the weight of each row; with a
        memory the rows are the steps of sequences."""
        config, stats, gamma = self.config, data.before.stats, data.hyper.gamma
        n_step = n_step_at(config, data.before.update, data.before.hyper.num_updates)
        batch, indices, weight = self.buffer.sample(
            learner.buffer, key, config.batch_size, gamma, beta, n_step
        )
        if self.values.net.recurrent:
            window = self.buffer.windows(learner.buffer, indices, config.window)
            steps_of = partial(sequence_batch, n_step=config.n_step, burn_in=config.burn_in)
            steps = shards.per_shard(
                lambda window, stats, gamma: steps_of(window, stats, gamma=gamma)
            )
            batch = steps(window, stats, gamma)
            return batch, indices, jnp.repeat(weight, config.sequence_length)
        batch = normalised(stats, batch)
        return (batch if self.team is None else with_rows(batch)), indices, weight

    def stored(self, data: RolloutData) -> Transition:
        """A rollout as the buffer holds it, of agents or of teams; with a memory also the carry
        before each step."""
        experience, before, net = data.experience, data.before, self.values.net
        if self.team is not None:
            return team_transitions(experience, self.team)
        if not net.recurrent:
            return experience
        start = episode_starts(experience.terminated | experience.truncated)

        def carries(params: PyTree, stats: Normalisers, carry: PyTree, obs: PyTree) -> PyTree:
            return carries_before(net, params, carry, normalise_obs(stats, obs), start)

        parts = before.learner.params, before.stats, before.actor.carry, experience.obs
        carry = shards.per_shard(carries)(*parts)
        return experience._replace(obs=Remembered(experience.obs, carry))

    def learn(
        self, key: Key[Array, ""], learner: DQNLearner, data: RolloutData
    ) -> tuple[DQNLearner, dict[str, Mean]]:
        """Store the rollout; once the buffer holds enough, take `gradient_steps`."""
        config, buffer = self.config, self.buffer
        experience, before, hyper = data.experience, data.before, data.hyper
        ended = shards.total(jnp.sum(experience.terminated | experience.truncated))
        learner = learner._replace(
            buffer=buffer.add(learner.buffer, self.stored(data)),
            episodes=jnp.minimum(learner.episodes, 2**30) + ended,  # so that it never wraps
        )
        beta = annealed_beta(before.update, hyper)

        due = learning_is_due(config, buffer, learner.buffer, data.after, learner.episodes)
        keys = jax.random.split(key, config.gradient_steps)
        step = partial(self.train, data, beta)
        learner, metrics = gradient_steps(buffer, due, step, learner, keys)
        learner = self.with_target(learner, before.update + 1, hyper)
        init = self.values.net.init
        return with_resets(config, init, data.optimiser, learner, before, key), metrics

    def with_target(self, learner: DQNLearner, update: Int[Array, ""], hyper: Any) -> DQNLearner:
        """The target network moved by `tau` towards the online one, every `target_period`."""

        def moved() -> PyTree:
            return soft_update(learner.params, learner.target_params, hyper.tau)

        period = updates_per(self.config.target_period, self.config)
        target_params = jax.lax.cond(update % period == 0, moved, lambda: learner.target_params)
        return learner._replace(target_params=target_params)

    def epsilon(
        self, hyper: Any, progress: Float[Array, ""], learner: DQNLearner
    ) -> Float[Array, ""]:
        """The probability of a random action, by the schedule of the config."""
        if self.config.epsilon_schedule == "linear":
            return linear_epsilon(hyper, progress, learner)
        return exponential(
            hyper.epsilon, hyper.epsilon_final, hyper.epsilon_decay, learner.episodes
        )


def dqn(
    config: DQNConfig,
    env: Any,
    env_params: Any,
    num_updates: int,
    network: Any = None,
    *,
    equations: type[DQNEquations] = DQNEquations,
) -> Algorithm:
    """DQN for one gymnax env; a variant of it has `equations` of its own.

    Raises:
        ValueError: for an action space that is not discrete, or where the network cannot read the
            env's observations.
    """
    returns, noisy_std = return_distribution(config), config.noisy_std if config.noisy else None
    values = action_values(config, env, env_params, network, config.dueling, returns, noisy_std)
    check_sequences(config, values.net.recurrent)
    check_memory(config, values.net.recurrent)  # a custom network may have one, too
    window = config.window if values.net.recurrent else None
    check_buffer(config, window)
    values = values._replace(burn_in=config.burn_in)
    team = team_of(env)
    if team is not None:
        check_team(config, values.net.recurrent)
    parts = equations(config, values, buffer_for(config, window, team or 1), team)
    return value_based(
        config,
        env,
        num_updates,
        values,
        learn=parts.learn,
        learn_key="train",
        init_learner=parts.init,
        epsilon=parts.epsilon,
    )
