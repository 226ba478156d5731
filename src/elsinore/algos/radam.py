"""RAdam's scaling of gradients, with the same bits on one device and on several."""

import jax
import jax.numpy as jnp
import optax

B1, B2 = 0.9, 0.999  # Decay of the first and of the second moment.
THRESHOLD = 5.0  # Length of the average from which steps are divided by the second moment's root.


def scale_by_radam(eps: float) -> optax.GradientTransformation:
    """Rectified Adam without a learning rate (Liu et al. 2020, arXiv:1908.03265, algorithm 2):
    the steps of `optax.scale_by_radam(eps=eps)`.

    optax divides twice by 1 - B2^t. XLA turns the division of an array into a product with the
    reciprocal in a program for one device, and not in one for several, where it has merged the two
    divisors. Here the products are written, so that both programs round in the same way.
    """
    longest = 2 / (1 - B2) - 1

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        del params
        assert isinstance(state, optax.ScaleByAdamState)
        mu = optax.tree.update_moment(updates, state.mu, B1, 1)
        nu = optax.tree.update_moment(updates, state.nu, B2, 2)
        count = optax.safe_increment(state.count)
        first, second = 1 / (1 - B1**count), 1 / (1 - B2**count)
        length = longest - 2 * count * B2**count / (1 - B2**count)
        rectifier = jnp.sqrt(
            (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        )

        def step(mu: jax.Array, nu: jax.Array) -> jax.Array:
            mean = mu * first
            adapted = rectifier * mean / (jnp.sqrt(nu * second) + eps)
            return jnp.where(jnp.greater_equal(length, THRESHOLD), adapted, mean)

        return jax.tree.map(step, mu, nu), optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(optax.scale_by_adam().init, update)
