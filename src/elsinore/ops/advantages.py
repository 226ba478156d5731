"""Advantages, returns and value targets."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.ops.schedules import Scalar


def gae(
    reward: Float[Array, "time env"],
    value: Float[Array, "time env"],
    next_value: Float[Array, "time env"],
    terminated: Bool[Array, "time env"],
    truncated: Bool[Array, "time env"],
    gamma: Scalar,
    lam: Scalar,
) -> Float[Array, "time env"]:
    """Generalised advantage estimation.

        delta_t = r_t + gamma * (1 - terminated_t) * V(s'_t) - V(s_t)
        A_t     = delta_t + gamma * lam * (1 - done_t) * A_{t+1}

    `next_value` is V of the next state before any auto-reset: a truncated step bootstraps from it,
    a terminated one does not; `done` is either, and ends the sum.

    Source: Schulman 2016, arXiv:1506.02438 eq. 16; time limits: Pardo 2018, arXiv:1712.00378.
    """
    delta = reward + gamma * next_value * ~terminated - value
    return decayed_sum(delta, gamma * lam * ~(terminated | truncated))


def decayed_sum(
    delta: Float[Array, "time env"], decay: Float[Array, "time env"]
) -> Float[Array, "time env"]:
    """S_t = delta_t + decay_t S_{t+1}, with S = 0 after the last step."""

    def backward(
        later: Float[Array, "env"], now: tuple[Float[Array, "env"], Float[Array, "env"]]
    ) -> tuple[Float[Array, "env"], Float[Array, "env"]]:
        delta, decay = now
        advantage = delta + decay * later
        return advantage, advantage

    _, advantage = jax.lax.scan(backward, jnp.zeros_like(delta[-1]), (delta, decay), reverse=True)
    return advantage


def vtrace(
    reward: Float[Array, "time env"],
    value: Float[Array, "time env"],
    next_value: Float[Array, "time env"],
    terminated: Bool[Array, "time env"],
    truncated: Bool[Array, "time env"],
    ratio: Float[Array, "time env"],
    gamma: Scalar,
    lam: Scalar,
) -> tuple[Float[Array, "time env"], Float[Array, "time env"]]:
    """V-trace: advantages and value targets of a policy from the steps of an older one.

        v_t - V(s_t) = rho_t delta_t + gamma lam c_t (1 - done_t) (v_{t+1} - V(s_{t+1}))
        A_t          =       delta_t + gamma lam     (1 - done_t) (v_{t+1} - V(s_{t+1}))

    with delta_t of `gae`, rho_t = c_t = min(1, `ratio`_t), and `ratio` = pi(a|s) / mu(a|s) of the
    policy over the one that acted. `A_t` lacks the factor rho_t, since a surrogate has the ratio
    already. Where `ratio` is 1 it is `gae`, and with `lam` = 1 also the n-step return.

    Source: Espeholt 2018, arXiv:1802.01561 eq. 1 and remark 1 (of `lam`: its remark 2).
    """
    clipped = jnp.minimum(1.0, ratio)
    delta = reward + gamma * next_value * ~terminated - value
    decay = gamma * lam * ~(terminated | truncated)
    error = decayed_sum(clipped * delta, clipped * decay)
    later = jnp.concatenate([error[1:], jnp.zeros_like(error[:1])])
    return delta + decay * later, value + error


def lambda_returns(
    reward: Float[Array, "time env"],
    next_value: Float[Array, "time env"],
    terminated: Bool[Array, "time env"],
    truncated: Bool[Array, "time env"],
    gamma: Scalar,
    lam: Scalar,
) -> Float[Array, "time env"]:
    """Lambda-returns: a mixture of all n-step returns.

        G_t = r_t + gamma * (1 - terminated_t) * ((1 - lam_t) * V(s'_t) + lam_t * G_{t+1})

    with lam_t = lam inside an episode and 0 at its last step and the rollout's, where only V(s'_t)
    is known. lam = 1 is the discounted return, lam = 0 the one-step target; G_t = A_t + V(s_t) with
    A_t of `gae`.

    Source: Sutton & Barto 2018, eq. 12.20.
    """
    lam_t = lam * ~(terminated | truncated)
    lam_t = lam_t.at[-1].set(0.0)

    def backward(
        later: Float[Array, "env"], now: tuple[Array, Array, Array, Array]
    ) -> tuple[Float[Array, "env"], Float[Array, "env"]]:
        reward, next_value, alive, lam_t = now
        g = reward + gamma * alive * ((1.0 - lam_t) * next_value + lam_t * later)
        return g, g

    inputs = (reward, next_value, ~terminated, lam_t)
    _, returns = jax.lax.scan(backward, jnp.zeros_like(reward[-1]), inputs, reverse=True)
    return returns


def explained_variance(
    prediction: Float[Array, "*batch"], target: Float[Array, "*batch"]
) -> Float[Array, ""]:
    """1 - Var(target - prediction) / Var(target): 1 is a perfect critic, 0 as good as the mean
    (or nothing to explain), below is worse; NaN of numbers that are not finite."""
    variance = jnp.var(target)
    constant = variance <= 1e-10 * jnp.mean(jnp.square(target))  # no more than rounding does
    return jnp.where(
        constant, 0.0, 1.0 - jnp.var(target - prediction) / jnp.where(constant, 1.0, variance)
    )


def n_step_return(
    reward: Float[Array, "batch step"],
    terminated: Bool[Array, "batch step"],
    truncated: Bool[Array, "batch step"],
    gamma: Scalar,
) -> tuple[Float[Array, "batch"], Float[Array, "batch"], Int[Array, "batch"]]:
    """Return of m steps, discount of the value after them, and index m - 1 of the last step.

        R = sum_{k < m} gamma^k r_k,    discount = gamma^m (1 - terminated_{m-1})

    where m counts the steps up to and including the first that ended an episode. The target is
    R + discount V(s_m). A truncated episode bootstraps, a terminated one does not; s_m must be the
    observation after step m - 1 before any auto-reset.

    Source: Sutton 1988; in DQN: Hessel 2018, arXiv:1710.02298; time limits: Pardo 2018,
    arXiv:1712.00378.
    """
    last = jnp.full(reward.shape[:1], reward.shape[1] - 1, jnp.int32)
    total, discount = jnp.zeros_like(reward[:, 0]), jnp.ones_like(reward[:, 0])
    # backward, as R_k = r_k + gamma R_{k+1}: one fused loop
    for k in reversed(range(reward.shape[1])):
        done = terminated[:, k] | truncated[:, k]
        total = reward[:, k] + gamma * jnp.where(done, 0.0, total)
        discount = gamma * jnp.where(done, ~terminated[:, k], discount)
        last = jnp.where(done, k, last)
    return total, discount, last


def bellman(
    reward: Float[Array, "batch"],
    discount: Float[Array, "batch"],
    next_value: Float[Array, "batch"] | Float[Array, "batch number"],
) -> Float[Array, "batch"] | Float[Array, "batch number"]:
    """R + discount x the next value, or each number of its distribution.

    `discount` is gamma^m after m steps and 0 where the environment terminated. With the value that
    the target network gives its best action this is the target of DQN; with its value of the online
    network's best action, that of Double DQN.

    Source: Mnih 2015, Nature 518; van Hasselt 2016, arXiv:1509.06461 eq. 4.
    """
    if next_value.ndim > 1:
        reward, discount = reward[:, None], discount[:, None]
    return reward + discount * next_value
