"""Soft Actor-Critic (Haarnoja 2018, arXiv:1801.01290; with a temperature that is learnt:
arXiv:1812.05905), from top to bottom: config, actions, target, losses.

A random actor maximises its value and, weighed by the temperature, its entropy. The critics' values
hold the entropy of later steps, so that exploring early for a reward that comes late is worth it.
"""

from dataclasses import field
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from elsinore import validation
from elsinore.algos.actor_critics import (
    Actions,
    ContinuousQLearner,
    ContinuousQRule,
    Metrics,
    actor_critics,
)
from elsinore.algos.continuous_q import ContinuousQConfig, continuous_q
from elsinore.algos.optimise import Learner, gradient_step, init_learner
from elsinore.hyperparameters import settings, traced
from elsinore.nets.distributions import SquashedNormal
from elsinore.ops.continuous_q import soft_value, temperature_loss
from elsinore.types import Algorithm

LOG_STD = (-20.0, 2.0)  # of the normals, as published


@settings
class SACConfig(ContinuousQConfig):
    """Settings of SAC beside those of `ContinuousQConfig`."""

    name: str = field(default="sac", init=False)
    num_critics: int = 2
    temperature: float = traced(1.0)  # weight of the entropy; the initial one where it is tuned
    tune_temperature: bool = True  # towards the target entropy
    # nats for each action dimension, of actions in [-1, 1]: uniform ones have 0.69
    target_entropy: float = traced(-1.0)

    def __post_init__(self):
        super().__post_init__()
        validation.not_negative(self, "temperature")
        if self.tune_temperature and self.temperature == 0.0:
            raise ValueError(
                "temperature=0.0 cannot be tuned, since its logarithm is; choose one above 0, or"
                " tune_temperature: false."
            )


def sac(
    config: SACConfig, env: Any, env_params: Any, num_updates: int, network: Any = None
) -> Algorithm:
    """SAC for one gymnax env.

    Raises:
        ValueError: for an action space that is not a bounded Box, or where the network cannot read
            the env's observations.
    """
    nets = actor_critics(config, env, env_params, network, outputs_per_action=2)

    def policy(actor: PyTree, obs: PyTree) -> SquashedNormal:
        mean, log_std = jnp.split(nets.outputs(actor, obs), 2, axis=-1)
        return SquashedNormal(mean, jnp.clip(log_std + config.network.initial_log_std, *LOG_STD))

    def temperature(learner: ContinuousQLearner, hyper: Any) -> Float[Array, ""]:
        return jnp.exp(learner.temperature.params) if config.tune_temperature else hyper.temperature

    def next_value(
        learner: ContinuousQLearner, obs: PyTree, noise: Actions, hyper: Any
    ) -> Float[Array, "batch"]:
        """The soft value of an action of the actor, by the target critics."""
        action, log_prob = policy(learner.params.actor, obs).sample_with_log_prob(noise)
        q = nets.q(learner.target_params.critics, obs, action)
        return soft_value(q, log_prob, temperature(learner, hyper))

    def actor_loss(
        actor: PyTree, learner: ContinuousQLearner, obs: PyTree, noise: Actions, hyper: Any
    ) -> tuple[Float[Array, ""], Metrics]:
        """Minus the soft value of an action of the actor, by the critics (arXiv:1812.05905 eq.
        9)."""
        action, log_prob = policy(actor, obs).sample_with_log_prob(noise)
        q, alpha = nets.q(learner.params.critics, obs, action), temperature(learner, hyper)
        loss = -jnp.mean(soft_value(q, log_prob, alpha))
        entropy = -jnp.mean(log_prob)
        return loss, {
            "loss/policy": loss, "policy/entropy": entropy, "policy/temperature": alpha
        }  # fmt: skip

    def init_temperature(hyper: Any, optimiser: optax.GradientTransformation) -> PyTree:
        if not config.tune_temperature:
            return ()
        return init_learner(jnp.log(hyper.temperature), optimiser)

    def tune(
        learner: ContinuousQLearner,
        metrics: Metrics,
        hyper: Any,
        optimiser: optax.GradientTransformation,
    ) -> ContinuousQLearner:
        """One step of the temperature towards the target entropy."""
        if not config.tune_temperature:
            return learner
        target = nets.num_actions * hyper.target_entropy
        tuned: Learner = gradient_step(
            lambda log_alpha, entropy: (temperature_loss(log_alpha, entropy, target), ()),
            optimiser,
            learner.temperature,
            metrics["policy/entropy"],
            hyper.learning_rate,
        )[0]
        return learner._replace(temperature=tuned)

    rule = ContinuousQRule(
        explore=lambda actor, obs, noise, numbers: policy(actor, obs).sample(noise),
        best=lambda actor, obs: policy(actor, obs).mode(),
        next_value=next_value,
        actor_loss=actor_loss,
        init_temperature=init_temperature,
        after_actor=tune,
    )
    return continuous_q(config, env, num_updates, nets, rule)
