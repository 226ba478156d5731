"""Advantage actor-critic, the synchronous form of A3C (Mnih 2016, arXiv:1602.01783), from top to
bottom.

The published form and defaults: short rollouts, n-step returns (`gae_lambda` 1; less is GAE), one
gradient step an update over the whole rollout, RMSprop as TensorFlow's.
"""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from elsinore import validation
from elsinore.algos.on_policy import OnPolicyBatch, on_policy
from elsinore.algos.optimise import OPTIMISERS, Learner, LossAndMetrics, LossFn, gradient_step
from elsinore.experience.rnd import RNDConfig
from elsinore.hyperparameters import traced
from elsinore.nets.build import NetworkConfig
from elsinore.nets.distributions import Distribution
from elsinore.ops.losses import policy_gradient_loss, standardise, value_loss
from elsinore.types import Algorithm, Mean


@dataclass(frozen=True, kw_only=True)
class A2CConfig:
    """Settings of A2C (`traced`: see `PPOConfig`)."""

    name: str = field(default="a2c", init=False)
    num_envs: int = 8
    rollout_length: int = 5  # steps per env per update: the n of its n-step returns
    optimiser: str = "rmsprop"  # rmsprop | adam | radam
    optimiser_eps: float = 1e-5
    learning_rate: float = traced(7e-4)
    # approached linearly; null: constant
    learning_rate_final: float | None = traced(None, absent="learning_rate")
    gamma: float = traced(0.99)
    gae_lambda: float = traced(1.0)
    vf_coef: float = traced(0.5)
    ent_coef: float = traced(0.0)
    ent_coef_final: float | None = traced(None, absent="ent_coef")  # likewise
    max_grad_norm: float = traced(0.5)  # of all gradients together; .inf: no clipping
    normalize_advantage: bool = False
    normalize_obs: bool = False
    normalize_rewards: bool = False
    network: NetworkConfig = NetworkConfig()
    rnd: RNDConfig = RNDConfig()  # exploration bonus

    def __post_init__(self):
        validation.at_least(self, 1, "num_envs", "rollout_length")
        validation.one_of(self, "optimiser", *OPTIMISERS)
        validation.in_unit_interval(self, "gamma", "gae_lambda")
        validation.positive(
            self, "learning_rate", "optimiser_eps", off={"max_grad_norm": float("inf")}
        )
        validation.not_negative(
            self, "learning_rate_final", "vf_coef", "ent_coef", "ent_coef_final"
        )


def a2c(
    config: A2CConfig, env: Any, env_params: Any, num_updates: int, network: Any = None
) -> Algorithm:
    """A2C for one gymnax env; the rest is `on_policy`.

    Raises:
        ValueError: as `on_policy`.
    """

    def loss(
        policy: Distribution, value: Float[Array, "*batch"], batch: OnPolicyBatch, hyper: Any
    ) -> LossAndMetrics:
        advantage = standardise(batch.advantage) if config.normalize_advantage else batch.advantage
        actor_loss = policy_gradient_loss(policy.log_prob(batch.action), advantage)
        critic_loss = value_loss(value, batch.target)
        entropy = jnp.mean(policy.entropy())
        total = actor_loss + hyper.vf_coef * critic_loss - hyper.ent_coef * entropy
        names = ("loss/total", "loss/policy", "loss/value", "policy/entropy")
        return total, dict(zip(names, (total, actor_loss, critic_loss, entropy), strict=True))

    def learn(
        key: Key[Array, ""],
        learner: Learner,
        batch: OnPolicyBatch,
        hyper: Any,
        loss_fn: LossFn,
        optimiser: optax.GradientTransformation,
    ) -> tuple[Learner, dict[str, Mean]]:
        """One gradient step over the whole rollout."""
        learner, metrics, norm = gradient_step(
            loss_fn, optimiser, learner, batch, hyper.learning_rate
        )
        metrics["learner/gradient_norm"] = norm
        return learner, {name: Mean.of(x) for name, x in metrics.items()}

    own = {"loss": loss, "learn": learn, "annealed": ("learning_rate", "ent_coef")}
    own |= {"optimiser_name": config.optimiser, "optimiser_eps": config.optimiser_eps}
    return on_policy(config, env, env_params, num_updates, network, **own)
