"""What a few steps of the past are worth, up to where one bootstraps."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def n_step_return(
    reward: Float[Array, "batch step"],
    terminated: Bool[Array, "batch step"],
    truncated: Bool[Array, "batch step"],
    gamma: Float[Array, ""] | float,
) -> tuple[Float[Array, "batch"], Float[Array, "batch"], Int[Array, "batch"]]:
    """The return of m steps, what the value after them counts for, and the index m - 1 of the last of them.

        R = sum_{k < m} gamma^k r_k,    discount = gamma^m (1 - terminated_{m-1})

    where m is the number of steps, or fewer: up to and with the first at which an episode ended, since what
    follows belongs to another. R + discount V(s_m) is the target. A time limit (truncated) keeps its future, a
    death does not; s_m must be what step m - 1 truly led to, before any auto-reset.

    Source: Sutton 1988; in DQN: Hessel 2018, arXiv:1710.02298; time limits: Pardo 2018, arXiv:1712.00378.
    """
    last = jnp.full(reward.shape[:1], reward.shape[1] - 1, jnp.int32)
    total, discount = jnp.zeros_like(reward[:, 0]), jnp.ones_like(reward[:, 0])
    for k in reversed(range(reward.shape[1])):  # backward, as R_k = r_k + gamma R_{k+1}: one fused loop
        done = terminated[:, k] | truncated[:, k]
        total = reward[:, k] + gamma * jnp.where(done, 0.0, total)
        discount = gamma * jnp.where(done, ~terminated[:, k], discount)
        last = jnp.where(done, k, last)
    return total, discount, last
