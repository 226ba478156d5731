"""Equations of SAC, TD3 and DDPG: continuous actions are in [-1, 1], in every dimension."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from elsinore.ops.schedules import Scalar

_LOG_2, LOG_2PI = float(np.log(2.0)), float(np.log(2.0 * np.pi))


def squashed_log_prob(
    unsquashed: Float[Array, "*batch action"],
    mean: Float[Array, "*batch action"],
    log_std: Float[Array, "*batch action"],
) -> Float[Array, "*batch"]:
    """Log-density of the action tanh(u), u being normal in every dimension, in nats.

        log pi(tanh u) = sum_i log N(u_i; mean_i, std_i) - log(1 - tanh(u_i)^2)

    with log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u)), which is finite for every u.

    Source: Haarnoja 2018, arXiv:1801.01290 appendix C (eq. 21).
    """
    z = (unsquashed - mean) * jnp.exp(-log_std)
    normal = -0.5 * jnp.square(z) - log_std - 0.5 * LOG_2PI
    slope = 2.0 * (_LOG_2 - unsquashed - jax.nn.softplus(-2.0 * unsquashed))
    return jnp.sum(normal - slope, axis=-1)


def min_over_critics(q: Float[Array, "critic batch"]) -> Float[Array, "batch"]:
    """The smallest of the critics' values, which overestimates less than each does.

    Source: Fujimoto 2018, arXiv:1802.09477 eq. 10 (clipped double Q-learning).
    """
    return jnp.min(q, axis=0)


def soft_value(
    q: Float[Array, "critic batch ..."], log_prob: Float[Array, "batch"], temperature: Scalar
) -> Float[Array, "batch"]:
    """V(s) of a sampled action, min_k Q_k(s, a) - alpha log pi(a|s), with `critics_value` in place
    of the minimum.

    Source: Haarnoja 2018, arXiv:1812.05905 eq. 3, with the minimum of its section 6.
    """
    return critics_value(q) - temperature * log_prob


def truncated_mixture(
    quantiles: Float[Array, "critic batch quantile"], dropped: int
) -> Float[Array, "batch kept"]:
    """The quantiles of all critics together, less the `dropped` largest, which overestimate.

    Source: Kuznetsov 2020, arXiv:2005.04269 (with d quantiles of each of n critics,
    `dropped` is d n).
    """
    pooled = jnp.moveaxis(quantiles, 0, 1).reshape(quantiles.shape[1], -1)
    return jnp.sort(pooled, axis=1)[:, : pooled.shape[1] - dropped]


def critics_value(q: Float[Array, "critic batch ..."]) -> Float[Array, "batch"]:
    """The least value of the critics; of quantiles the mean over all of them
    (arXiv:2005.04269)."""
    return min_over_critics(q) if q.ndim == 2 else jnp.mean(q, axis=(0, 2))


def expected_soft_value(
    q: Float[Array, "critic batch action"],
    probability: Float[Array, "batch action"],
    entropy: Float[Array, "batch"],
    temperature: Scalar,
) -> Float[Array, "batch"]:
    """V(s) of a policy over n actions, sum_a pi(a|s) min_k Q_k(s, a) + alpha H(pi(.|s)): exact, not
    of a sampled action. An illegal action has probability 0.

    Source: Christodoulou 2019, arXiv:1910.07207 eq. 10 and 12.
    """
    return jnp.sum(probability * jnp.min(q, axis=0), axis=-1) + temperature * entropy


def temperature_loss(
    log_temperature: Float[Array, ""], entropy: Float[Array, ""], target_entropy: Scalar
) -> Float[Array, ""]:
    """Loss of the temperature alpha, alpha (entropy - target entropy): alpha rises where the
    policy's entropy, the mean of -log pi, is below its target.

    Source: Haarnoja 2018, arXiv:1812.05905 eq. 18.
    """
    return jnp.exp(log_temperature) * (entropy - target_entropy)


def explored_action(
    action: Float[Array, "*batch action"], noise: Float[Array, "*batch action"], deviation: Scalar
) -> Float[Array, "*batch action"]:
    """The action with normal noise of that standard deviation, within [-1, 1].

    Source: Fujimoto 2018, arXiv:1802.09477 algorithm 1; DDPG's noise was correlated in time
    (Lillicrap 2016, arXiv:1509.02971).
    """
    return jnp.clip(action + deviation * noise, -1.0, 1.0)


def correlated_noise(
    noise: Float[Array, "time env action"], correlation: Scalar
) -> Float[Array, "time env action"]:
    """Standard normal noise, each step of which has that correlation with the one before it:
    x_t = c x_{t-1} + sqrt(1 - c^2) noise_t.

    Source: Lillicrap 2016, arXiv:1509.02971 section 7 (a stationary Ornstein-Uhlenbeck process, of
    which this is the discrete form).
    """

    def step(
        x: Float[Array, "env action"], noise: Float[Array, "env action"]
    ) -> tuple[Float[Array, "env action"], Float[Array, "env action"]]:
        x = correlation * x + jnp.sqrt(1.0 - jnp.square(correlation)) * noise
        return x, x

    _, later = jax.lax.scan(step, noise[0], noise[1:])
    return jnp.concatenate([noise[:1], later])


def smoothed_action(
    action: Float[Array, "*batch action"],
    noise: Float[Array, "*batch action"],
    deviation: Scalar,
    limit: Scalar,
) -> Float[Array, "*batch action"]:
    """The action near a target policy's at which the next state is valued, within [-1, 1]:
    a + clip(deviation x noise, -limit, limit).

    Source: Fujimoto 2018, arXiv:1802.09477 eq. 14 (target policy smoothing).
    """
    return jnp.clip(action + jnp.clip(deviation * noise, -limit, limit), -1.0, 1.0)


def uniform_action(noise: Float[Array, "*batch action"]) -> Float[Array, "*batch action"]:
    """Uniform in [-1, 1] from standard normal noise, by its distribution function."""
    return jax.lax.erf(noise * np.float32(np.sqrt(0.5)))


def scaled_action(
    action: Float[Array, "*batch action"],
    low: Float[Array, "action"] | np.ndarray,
    high: Float[Array, "action"] | np.ndarray,
) -> Float[Array, "*batch action"]:
    """From [-1, 1] to the bounds of an environment, which rounding does not cross."""
    return jnp.clip(low + 0.5 * (action + 1.0) * (high - low), low, high)
