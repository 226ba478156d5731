"""Soft Actor-Critic (Haarnoja 2018, arXiv:1801.01290; with a temperature that is learnt:
arXiv:1812.05905), from top to bottom: config, actions, target, losses.

A random actor maximises its value and, weighed by the temperature, its entropy. The critics' values
hold the entropy of later steps, so that exploring early for a reward that comes late is worth it.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from elsinore import validation
from elsinore.algos.off_policy import OffPolicyConfig, off_policy
from elsinore.algos.off_policy_learner import (
    Loss,
    LossMetrics,
    OffPolicyLearner,
    Value,
    actor_critics,
)
from elsinore.algos.optimise import gradient_step, init_learner
from elsinore.config_records import inherited, settings
from elsinore.hyperparameters import traced
from elsinore.nets.reparameterised import (
    REPARAMETERISED,
    Actions,
    ActorHead,
    beta_actor_head,
    squashed_actor_head,
    state_noise_actor_head,
)
from elsinore.ops.continuous_q import soft_value, temperature_loss, truncated_mixture
from elsinore.types import Algorithm

Noise = Array  # of the actor's head, [batch, ...]
Chosen = Actions | Int[Array, "batch"]  # of a Box, or of n actions


@settings
class TemperatureConfig(OffPolicyConfig):
    """Settings of SAC's forms, for continuous and n actions: those of `OffPolicyConfig`, and of a
    temperature, the weight of the entropy."""

    num_critics: int = inherited()  # Critics, of whose values the least counts.
    temperature: float = traced(1.0)  # Weight of the entropy, at first.
    tune_temperature: bool = True  # Tune it towards the target entropy.

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.not_negative(self, "temperature")
        if self.tune_temperature and self.temperature == 0.0:
            raise ValueError(
                "temperature=0.0 cannot be tuned, since its logarithm is; choose one above 0, or"
                " tune_temperature: false."
            )


@settings
class SACConfig(TemperatureConfig):
    """Settings of SAC beside those of `TemperatureConfig`."""

    name: str = field(default="sac", init=False)
    num_critics: int = inherited()  # Critics, of whose values the least counts.
    # Quantiles of the return that each critic learns (TQC); 1: its mean.
    quantiles: int = 1
    # Quantiles dropped per critic from the top of the target (TQC).
    dropped_quantiles: int = 2
    tune_temperature: bool = inherited()  # Tune it towards the target entropy.
    # Nats for each action dimension, of actions in [-1, 1]; uniform ones have 0.69.
    target_entropy: float = traced(-1.0)
    # squashed | beta | gsde: the distribution of actions.
    action_distribution: str = "squashed"
    noise_period: int = 4  # Steps for which the noise of gsde is held, within a rollout.

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.counts(self, 1, "quantiles")
        validation.counts(self, 0, "dropped_quantiles")
        if 1 < self.quantiles <= self.dropped_quantiles:
            raise ValueError(
                f"dropped_quantiles={self.dropped_quantiles} leaves nothing of"
                f" quantiles={self.quantiles}; choose fewer than quantiles."
            )
        if not -math.inf < self.target_entropy < math.inf:
            raise ValueError(
                f"target_entropy={self.target_entropy} must be finite; -1 is usual, and uniform"
                " actions have 0.69."
            )
        validation.one_of(self, "action_distribution", *REPARAMETERISED)
        validation.counts(self, 1, "noise_period")
        validation.held_noise(self)

    def _check_correlation(self) -> None:
        if self.noise_correlation and self.action_distribution != "squashed":
            raise ValueError(
                f"noise_correlation={self.noise_correlation} applies to normal noise only, and that"
                f" of action_distribution={self.action_distribution!r} is drawn otherwise; leave it"
                " out, or use action_distribution: squashed."
            )
        super()._check_correlation()


@dataclass(frozen=True, eq=False)
class SACEquations:
    """The functions of SAC, an `OffPolicyRule`, and what they are made from."""

    delay = 1
    target_actor = False
    config: Any
    nets: Any

    def policy(self, actor: PyTree, obs: PyTree) -> Any:
        """pi(.|s), the distribution of actions, for observations [batch, ...]."""
        return self.nets.policy(actor, obs)

    def explore(self, actor: PyTree, obs: PyTree, noise: Noise, hyper: Any) -> Chosen:
        """Actions drawn from the policy by its head's `noise`: [batch, action], or [batch] of n
        actions."""
        return self.policy(actor, obs).sample(noise)

    def best(self, actor: PyTree, obs: PyTree) -> Chosen:
        """The greedy actions, the mode of the policy: [batch, action], or [batch] of n actions."""
        return self.policy(actor, obs).mode()

    def temperature(self, learner: OffPolicyLearner, hyper: Any) -> Float[Array, ""]:
        """alpha, the weight of the entropy: as it is tuned, or a setting."""
        tuned = self.config.tune_temperature
        return jnp.exp(learner.temperature.params) if tuned else hyper.temperature

    def next_value(
        self, learner: OffPolicyLearner, obs: PyTree, noise: Noise, hyper: Any
    ) -> Value | Float[Array, "batch kept"]:
        """The soft value of an action a of the actor, by the target critics (arXiv:1812.05905 eq.
        3, the minimum as in its section 6):

            V(s) = min_k Q_k(s, a) - alpha log pi(a|s)

        Of quantiles, all that TQC keeps (arXiv:2005.04269), each less alpha log pi(a|s).
        """
        action, log_prob = self.policy(learner.params.actor, obs).sample_with_log_prob(noise)
        q = self.nets.q(learner.target_params.critics, obs, action)
        alpha = self.temperature(learner, hyper)
        if self.config.quantiles == 1:
            return soft_value(q, log_prob, alpha)
        dropped = self.config.num_critics * self.config.dropped_quantiles
        return truncated_mixture(q, dropped) - alpha * log_prob[:, None]

    def actor_loss(
        self, actor: PyTree, learner: OffPolicyLearner, obs: PyTree, noise: Noise, hyper: Any
    ) -> Loss:
        """Minus the soft value of an action of the actor, by the critics (arXiv:1812.05905 eq.
        9)."""
        action, log_prob = self.policy(actor, obs).sample_with_log_prob(noise)
        q = self.nets.q(learner.params.critics, obs, action)
        alpha = self.temperature(learner, hyper)
        loss = -jnp.mean(soft_value(q, log_prob, alpha))
        names = ("loss/policy", "policy/entropy", "policy/temperature")
        return loss, dict(zip(names, (loss, -jnp.mean(log_prob), alpha), strict=True))

    def init_temperature(self, hyper: Any, optimiser: optax.GradientTransformation) -> PyTree:
        """The `Learner` of log alpha, which keeps alpha above 0; () where it is not tuned."""
        if not self.config.tune_temperature:
            return ()
        return init_learner(jnp.log(hyper.temperature), optimiser)

    def target_entropy(self, metrics: LossMetrics, hyper: Any) -> Float[Array, ""]:
        """Target of the policy's entropy, in nats: the setting times the action dimensions."""
        return self.nets.num_actions * hyper.target_entropy

    def after_actor(
        self,
        learner: OffPolicyLearner,
        metrics: LossMetrics,
        hyper: Any,
        optimiser: optax.GradientTransformation,
    ) -> OffPolicyLearner:
        """One step of the temperature towards the target entropy."""
        if not self.config.tune_temperature:
            return learner
        target = self.target_entropy(metrics, hyper)
        tuned = gradient_step(
            lambda log_alpha, entropy: (temperature_loss(log_alpha, entropy, target), ()),
            optimiser,
            learner.temperature,
            metrics["policy/entropy"],
            hyper.learning_rate,
        )[0]
        return learner._replace(temperature=tuned)


def sac(
    config: SACConfig,
    env: Any,
    env_params: Any,
    num_updates: int,
    network: Any = None,
    *,
    equations: type[SACEquations] = SACEquations,
) -> Algorithm:
    """SAC for one gymnax env; a variant of it has `equations` of its own. Raises as `actor_critics`
    does."""

    def make_head(size: int) -> ActorHead:
        if config.action_distribution == "beta":
            return beta_actor_head(size)
        if config.action_distribution == "gsde":
            return state_noise_actor_head(size, config.network.features, config.noise_period)
        return squashed_actor_head(size, config.network.initial_log_std)

    nets = actor_critics(config, env, env_params, network, make_head, config.quantiles)
    return off_policy(config, env, num_updates, nets, equations(config, nets))
