"""Munchausen reinforcement learning (Vieillard 2020, arXiv:2007.14430): Q-learning of a softmax
policy, whose reward holds the log-probability of the action taken.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from elsinore.ops.exploration import Legal, chosen_value, legal_values
from elsinore.ops.schedules import Scalar


def softmax_policy(
    q: Float[Array, "batch action"], legal: Legal, temperature: Scalar
) -> tuple[Float[Array, "batch action"], Float[Array, "batch action"]]:
    """Pi = softmax(q / temperature) and temperature x log pi; both are 0 for an illegal action."""
    log_prob = jax.nn.log_softmax(legal_values(q, legal) / temperature)
    probability = jnp.exp(log_prob)
    return probability, temperature * jnp.where(jnp.isneginf(log_prob), 0.0, log_prob)


def soft_expectation(
    value: Float[Array, "batch action"] | Float[Array, "batch action number"],
    probability: Float[Array, "batch action"],
    scaled_log_prob: Float[Array, "batch action"],
) -> Float[Array, "batch"] | Float[Array, "batch number"]:
    """sum_a pi(a) (z(a) - temperature log pi(a)), also of each number of a distribution.

    Source: arXiv:2007.14430 eq. 2; of quantiles: its appendix on M-IQN.
    """
    if value.ndim > 2:
        probability, scaled_log_prob = probability[..., None], scaled_log_prob[..., None]
    return jnp.sum(probability * (value - scaled_log_prob), axis=1)


def munchausen_term(
    scaled_log_prob: Float[Array, "batch action"],
    action: Int[Array, "batch"],
    weight: Scalar,
    least: Scalar,
) -> Float[Array, "batch"]:
    """Weight x clip(temperature log pi(a), least, 0), to be added to the reward of `action`.

    Source: arXiv:2007.14430 eq. 2 (alpha), section 3.1 (the clipping at l_0).
    """
    return weight * jnp.clip(chosen_value(scaled_log_prob, action), least, 0.0)
