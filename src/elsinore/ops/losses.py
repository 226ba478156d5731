"""Losses and errors; a `Batch` is [transition], or [env, time] of a recurrent policy."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from elsinore.ops.schedules import Scalar

Batch = Float[Array, "*batch"]


def clipped_surrogate(ratio: Batch, advantage: Batch, clip_eps: Scalar) -> Float[Array, ""]:
    """PPO's policy loss, -mean(min(r A, clip(r, 1 - eps, 1 + eps) A)), with r = pi(a|s) /
    pi_old(a|s).

    Moving past the clip range earns nothing, moving back always does.

    Source: Schulman 2017, arXiv:1707.06347 eq. 7.
    """
    clipped = jnp.clip(ratio, 1.0 - clip_eps, 1.0 + clip_eps)
    return -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))


def penalised_surrogate(ratio: Batch, advantage: Batch, eps: Scalar) -> Float[Array, ""]:
    """SPO's policy loss, -mean(r A - |A| (r - 1)^2 / (2 eps)), with r as in `clipped_surrogate`.

    Its best ratio is 1 + eps for a good action and 1 - eps for a bad one, and beyond it the
    gradient leads back, where that of the clipped one is 0.

    Source: Xie 2024, arXiv:2401.16025 (simple policy optimisation).
    """
    penalty = jnp.abs(advantage) * jnp.square(ratio - 1.0) / (2.0 * eps)
    return -jnp.mean(ratio * advantage - penalty)


def value_loss(value: Batch, target: Batch) -> Float[Array, ""]:
    """Half the mean squared error."""
    return 0.5 * jnp.mean(jnp.square(value - target))


def clipped_value_loss(
    value: Batch, old_value: Batch, target: Batch, clip_eps: Scalar
) -> Float[Array, ""]:
    """Half the mean of the larger squared error: of V, or of V clipped to old V +- `clip_eps`.

    `clip_eps` is in units of value, so the right size depends on the scale of rewards.

    Source: baselines ppo2; detail 9 of Huang 2022, "The 37 Implementation Details of PPO".
    """
    near = old_value + jnp.clip(value - old_value, -clip_eps, clip_eps)
    return 0.5 * jnp.mean(jnp.maximum(jnp.square(value - target), jnp.square(near - target)))


def standardise(x: Batch) -> Batch:
    """Zero mean and unit standard deviation; a constant batch becomes zeros."""
    return standardise_by(x, jnp.mean(x), jnp.std(x))


def standardise_by(x: Batch, mean: Float[Array, ""], std: Float[Array, ""]) -> Batch:
    """(x - mean) / std, or zeros where the deviation is nothing but rounding; NaN stays NaN."""
    return jnp.where(std <= 1e-5 * jnp.abs(mean), 0.0, (x - mean) / (std + 1e-8))


def approximate_kl(log_ratio: Batch) -> Float[Array, ""]:
    """KL(old, new) from samples of old: mean((r - 1) - log r), unbiased, never negative, low
    variance.

    Source: Schulman 2020, "Approximating KL Divergence", estimator k3.
    """
    return jnp.mean(jnp.expm1(log_ratio) - log_ratio)


def policy_gradient_loss(log_prob: Batch, advantage: Batch) -> Float[Array, ""]:
    """Loss whose gradient is the policy gradient, -mean(A log pi(a|s)).

    Source: Mnih 2016, arXiv:1602.01783 section 4 (advantage actor-critic).
    """
    return -jnp.mean(advantage * log_prob)


def td_error_loss(td_error: Batch, weight: Batch, kind: str) -> Float[Array, ""]:
    """Weighted mean of half the squared TD error ("mse"), or of its Huber loss ("huber").

    Source: Mnih 2015, Nature 518 (clipped errors are Huber's loss with delta 1).
    """
    losses = 0.5 * jnp.square(td_error) if kind == "mse" else optax.huber_loss(td_error)
    return jnp.mean(weight * losses)


def importance_weight(
    priority: Float[Array, "batch"], beta: Scalar, least: Float[Array, ""] | None = None
) -> Float[Array, "batch"]:
    """Weights that correct for prioritised sampling, (min_j p_j / p_i)^beta, at most 1.

    The equation of the paper, w_i = (N P(i))^-beta / max_j w_j, with the maximum over the batch;
    `least` is the minimum where this is a part of a batch.

    Source: Schaul 2016, arXiv:1511.05952 section 3.4.
    """
    return ((jnp.min(priority) if least is None else least) / priority) ** beta


def rnd_error(
    prediction: Float[Array, "batch features"], target: Float[Array, "batch features"]
) -> Float[Array, "batch"]:
    """Mean squared error of a predictor of random features: the exploration bonus.

    Source: Burda 2018, arXiv:1810.12894 section 2.2.
    """
    return jnp.mean(jnp.square(prediction - target), axis=-1)
