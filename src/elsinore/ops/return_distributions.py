"""Distributions of returns: probabilities of fixed atoms (C51), or quantiles (QR-DQN, IQN)."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float


def project(
    value: Float[Array, "batch value"],
    mass: Float[Array, "batch value"],
    atoms: Float[Array, "atom"],
) -> Float[Array, "batch atom"]:
    """Distribution on evenly spaced atoms in place of one on other values, of the same mean.

        p_i = sum_j [1 - |clip(v_j, z_0, z_n) - z_i| / (z_1 - z_0)]_0^1 m_j

    Each value's mass goes to the two atoms beside it, to the nearer one more; beyond the first and
    the last atom it goes to that one.

    Source: Bellemare 2017, arXiv:1707.06887 eq. 7.
    """
    inside = jnp.clip(value, atoms[0], atoms[-1])
    distance = jnp.abs(inside[:, None, :] - atoms[:, None]) / (atoms[1] - atoms[0])
    return jnp.sum(jnp.clip(1.0 - distance, 0.0, 1.0) * mass[:, None, :], axis=-1)


def mass_beyond(
    value: Float[Array, "batch value"],
    mass: Float[Array, "batch value"],
    atoms: Float[Array, "atom"],
) -> Float[Array, ""]:
    """Share of the mass that `project` has to move to the first or the last atom."""
    beyond = (value < atoms[0]) | (value > atoms[-1])
    return jnp.mean(jnp.sum(jnp.where(beyond, mass, 0.0), axis=-1))


def categorical_divergence(
    logits: Float[Array, "batch atom"], target: Float[Array, "batch atom"]
) -> Float[Array, "batch"]:
    """KL(target, softmax(logits)): its gradient is that of the cross-entropy, and its least is 0.

    Source: Bellemare 2017, arXiv:1707.06887 section 4.1; as the priority: Hessel 2018,
    arXiv:1710.02298.
    """
    return optax.losses.kl_divergence(jax.nn.log_softmax(logits), target)


def midpoints(number: int) -> Float[Array, "quantile"]:
    """The fractions (2 i + 1) / (2 n), whose quantiles stand for a distribution best.

    Source: Dabney 2018, arXiv:1710.10044 lemma 2.
    """
    return (jnp.arange(number, dtype=jnp.float32) + 0.5) / number


def quantile_huber(
    quantile: Float[Array, "batch quantile"],
    fraction: Float[Array, "batch quantile"],
    sample: Float[Array, "batch sample"],
) -> Float[Array, "batch"]:
    """Huber loss of quantile regression, sum_i mean_j |tau_i - [u_ij < 0]| H(u_ij), with u_ij =
    y_j - theta_i.

    Theta_i is the quantile at the fraction tau_i, y_j a sample of the target, H Huber's loss with
    delta 1.

    Source: Dabney 2018, arXiv:1710.10044 eq. 9 and 10; IQN's, arXiv:1806.06923 eq. 3.
    """
    error = sample[:, None, :] - quantile[:, :, None]
    weight = jnp.abs(fraction[..., None] - (error < 0.0))
    return jnp.sum(jnp.mean(weight * optax.losses.huber_loss(error), axis=2), axis=1)


def cosine_embedding(
    fraction: Float[Array, "*batch"], number: int
) -> Float[Array, "*batch cosine"]:
    """cos(pi i tau) for i = 0 .. n-1.

    Source: Dabney 2018, arXiv:1806.06923 eq. 4.
    """
    return jnp.cos(jnp.pi * jnp.arange(number) * fraction[..., None])
