"""Proximal Policy Optimisation (Schulman 2017, arXiv:1707.06347), read from top to bottom: config,
loss, update.

Of the published "37 implementation details" (Huang 2022) each one that applies is a choice here,
with its reference setting as the default; `docs/ppo.md` lists them one by one.
"""

import math
from collections.abc import Callable
from dataclasses import field
from functools import partial
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.on_policy import OnPolicyConfig, actor_critic_loss, on_policy
from elsinore.algos.on_policy_batch import OnPolicyBatch
from elsinore.algos.optimise import Learner, LossAndMetrics, LossFn, minibatch_epochs, optimiser
from elsinore.config_records import inherited, settings
from elsinore.experience.normalisation import of_all_shards
from elsinore.hyperparameters import traced
from elsinore.jaxtools import shards
from elsinore.nets.distributions import Distribution
from elsinore.ops.losses import (
    approximate_kl,
    clipped_surrogate,
    clipped_value_loss,
    penalised_surrogate,
    standardise,
    standardise_by,
    value_loss,
)
from elsinore.types import Algorithm, Mean

SURROGATES = {"clip": clipped_surrogate, "spo": penalised_surrogate}


@settings
class PPOConfig(OnPolicyConfig):
    """Settings of PPO; those that are `traced` may differ between runs of one compiled program."""

    name: str = field(default="ppo", init=False)
    num_envs: int = 4
    rollout_length: int = 128
    num_minibatches: int = 4  # Gradient steps of an epoch; each learns from an equal share.
    num_epochs: int = 4  # Passes over each rollout.
    learning_rate_final: float | None = traced(0.0, absent="learning_rate")
    adam_eps: float = 1e-5  # The epsilon of Adam, which bounds the step of small gradients.
    gae_lambda: float = inherited()
    # gae | vtrace: advantages once a rollout, or anew for each epoch by V-trace.
    advantage: str = "gae"
    # clip | spo: past the clip range the ratio earns nothing, or is penalised (SPO).
    surrogate: str = "clip"
    clip_eps: float = traced(0.2)  # The clip range of the probability ratio.
    # The clip range at the end of the run, approached linearly; null keeps it constant.
    clip_eps_final: float | None = traced(None, absent="clip_eps")
    # The clip range of the value, in its own units; null is the plain squared error.
    value_clip_eps: float | None = traced(None, absent=math.inf)
    ent_coef: float = traced(0.01)
    # An update (with vtrace an epoch) stops once the KL divergence of a minibatch passes 1.5 times
    # this; null: never.
    target_kl: float | None = traced(None, absent=math.inf)
    # minibatch | batch | none: the transitions over which advantages are standardised.
    normalize_advantage: str = "minibatch"

    def __post_init__(self) -> None:
        validation.counts(self, 1, "num_minibatches", "num_epochs")
        super().__post_init__()
        validation.positive(
            self, "clip_eps", "adam_eps", off={"value_clip_eps": None, "target_kl": None}
        )
        validation.not_negative(self, "clip_eps_final")
        validation.one_of(self, "surrogate", *SURROGATES)
        validation.one_of(self, "advantage", "gae", "vtrace")
        validation.one_of(self, "normalize_advantage", "minibatch", "batch", "none")
        self._check_minibatches()
        if self.advantage == "vtrace" and self.num_epochs == 1:
            raise ValueError(
                "advantage='vtrace' corrects for what earlier epochs have changed, and"
                " num_epochs=1 has none; use advantage: gae, or more epochs."
            )

    def _check_minibatches(self) -> None:
        validation.whole_envs(self, self.network.memory is not None)
        validation.divides(self, "num_minibatches")


def ppo_loss(
    config: PPOConfig,
    policy: Distribution,
    value: Float[Array, "*batch"],
    batch: OnPolicyBatch,
    hyper: Any,
) -> LossAndMetrics:
    """Surrogate of the policy, squared error of the value, and entropy, of one minibatch."""
    log_ratio = policy.log_prob(batch.action) - batch.log_prob
    ratio = jnp.exp(log_ratio)
    policy_loss = SURROGATES[config.surrogate](ratio, batch.advantage, hyper.clip_eps)
    if config.value_clip_eps is None:
        critic_loss = value_loss(value, batch.target)
    else:
        critic_loss = clipped_value_loss(value, batch.value, batch.target, hyper.value_clip_eps)
    total, metrics = actor_critic_loss(policy_loss, critic_loss, policy, hyper)
    clipped = jnp.abs(ratio - 1.0) > hyper.clip_eps
    return total, metrics | {
        "policy/kl": approximate_kl(log_ratio),
        "policy/clip_fraction": jnp.mean(clipped, dtype=jnp.float32),
    }


def advantages_of_all_shards(
    batch: OnPolicyBatch, rows: Int[Array, "minibatch row"]
) -> tuple[Float[Array, "minibatch"], Float[Array, "minibatch"]]:
    """Mean and variance of the advantages of each minibatch, of which every shard has a part."""
    stats = of_all_shards(batch.advantage[rows].reshape(len(rows), -1).T)
    return stats.mean, stats.var


def standardised_minibatches(loss_fn: LossFn) -> tuple[LossFn, Callable[..., Any] | None]:
    """The loss of a minibatch whose advantages are standardised first; and, where shards have a
    part of it each, the `minibatch_stats_fn` of the statistics that it takes beside its part."""

    def alone(params: PyTree, batch: OnPolicyBatch) -> LossAndMetrics:
        return loss_fn(params, batch._replace(advantage=standardise(batch.advantage)))

    def together(params: PyTree, part: tuple[OnPolicyBatch, tuple[Array, Array]]) -> LossAndMetrics:
        batch, (mean, var) = part
        advantage = standardise_by(batch.advantage, mean, jnp.sqrt(var))
        return loss_fn(params, batch._replace(advantage=advantage))

    return (alone, None) if shards.number() == 1 else (together, advantages_of_all_shards)


def ppo(
    config: PPOConfig,
    env: Any,
    env_params: Any,
    num_updates: int,
    network: Any = None,
    *,
    loss: Callable[..., LossAndMetrics] = ppo_loss,
) -> Algorithm:
    """PPO for one gymnax env; a variant of it has a `loss` of its own, with `ppo_loss`'s arguments.

    Raises:
        ValueError: where the env's action space has no head, or the network cannot read its
            observations.
    """
    vtrace = config.advantage == "vtrace"

    def minimise(
        key: Key[Array, ""],
        learner: Learner,
        batch: OnPolicyBatch,
        hyper: Any,
        loss_fn: LossFn,
        optimiser: optax.GradientTransformation,
    ) -> tuple[Learner, dict[str, Mean]]:
        """Several epochs of minibatches, until the KL divergence passes 1.5 x `target_kl`; by
        V-trace one, since the frame asks again for each."""

        def too_far(metrics: dict[str, Array]) -> Bool[Array, ""]:
            return metrics["policy/kl"] > 1.5 * hyper.target_kl

        minibatch_stats_fn = None
        if config.normalize_advantage == "minibatch":
            loss_fn, minibatch_stats_fn = standardised_minibatches(loss_fn)
        return minibatch_epochs(
            loss_fn,
            optimiser,
            learner,
            batch,
            key,
            hyper.learning_rate,
            num_epochs=1 if vtrace else config.num_epochs,
            num_minibatches=config.num_minibatches,
            stop_fn=None if config.target_kl is None else too_far,
            minibatch_stats_fn=minibatch_stats_fn,
        )

    algo = on_policy(
        config,
        env,
        env_params,
        num_updates,
        network,
        loss=partial(loss, config),
        make_optimiser=partial(optimiser, "adam", config.adam_eps),
        annealed=("learning_rate", "clip_eps", "ent_coef"),
        standardise=config.normalize_advantage == "batch",
        minimise=minimise,
        vtrace_passes=config.num_epochs if vtrace else 0,
    )
    validation.whole_envs(config, algo.policy.recurrent)  # a custom network may be recurrent too
    return algo
