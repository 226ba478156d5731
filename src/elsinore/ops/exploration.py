"""Action selection from action values. Illegal actions are masked out."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from elsinore.jaxtools.prng import draw

Legal = Bool[Array, "... action"] | None  # None: every action is legal


def legal_values(q: Float[Array, "... action"], legal: Legal) -> Float[Array, "... action"]:
    """`q` with -inf for illegal actions; unchanged where no action is legal."""
    if legal is None:
        return q
    return jnp.where(legal | ~legal.any(axis=-1, keepdims=True), q, -jnp.inf)


def best_action(q: Float[Array, "... action"], legal: Legal) -> Int[Array, "..."]:
    """The legal action with the highest value, the first of several."""
    return jnp.argmax(legal_values(q, legal), axis=-1)


def best_value(q: Float[Array, "... action"], legal: Legal) -> Float[Array, "..."]:
    """The highest value of a legal action."""
    return jnp.max(legal_values(q, legal), axis=-1)


def chosen_value(
    q: Float[Array, "..."], action: Int[Array, "*batch"]
) -> Float[Array, "*batch"] | Float[Array, "*batch number"]:
    """The value of the chosen action of q [*batch, action], or the numbers of its distribution of q
    [*batch, action, number]."""
    axis = action.ndim
    index = jnp.expand_dims(action, tuple(range(axis, q.ndim)))
    return jnp.squeeze(jnp.take_along_axis(q, index, axis=axis), axis)


def exploration_noise(
    key: Key[Array, ""], shape: tuple[int, ...], num_actions: int
) -> Float[Array, "... noise"]:
    """Uniform numbers for `epsilon_greedy`: one decides whether to explore, then one per action."""
    size = (*shape, num_actions + 1)
    return draw(jax.random.uniform, key, size)


def epsilon_greedy(
    q: Float[Array, "... action"],
    legal: Legal,
    noise: Float[Array, "... noise"],
    epsilon: float | Float[Array, ""],
) -> Int[Array, "..."]:
    """With probability epsilon any legal action, each as likely; otherwise the best."""
    explores = noise[..., :1] < epsilon
    return jnp.argmax(legal_values(jnp.where(explores, noise[..., 1:], q), legal), axis=-1)


def factorised_noise(
    inputs: Float[Array, "inputs"], outputs: Float[Array, "outputs"]
) -> tuple[Float[Array, "inputs outputs"], Float[Array, "outputs"]]:
    """Noise of a dense layer's weights and biases, f(e_i) f(e_j) and f(e_j), with f(x) = sgn(x)
    sqrt(|x|); e is standard normal.

    Source: Fortunato 2018, arXiv:1706.10295 eq. 10 and 11.
    """
    inputs, outputs = (jnp.sign(x) * jnp.sqrt(jnp.abs(x)) for x in (inputs, outputs))
    return inputs[:, None] * outputs, outputs
