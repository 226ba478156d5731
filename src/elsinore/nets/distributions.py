"""Distributions over actions. A sample is a function of noise drawn beforehand, so that all the random numbers
of a rollout can be drawn at once, outside its loop."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from elsinore.ops.randomness import draw

LOG_2PI = float(np.log(2.0 * np.pi))


class Categorical(NamedTuple):
    """One of n actions. Build it with `categorical`, which applies the mask and normalises."""

    log_probs: Float[Array, "... action"]  # normalised; -inf never appears: masked ones are at float's lowest
    legal: Bool[Array, "... action"] | None  # None: every action is legal

    @staticmethod
    def noise(key: Key[Array, ""], shape: tuple[int, ...], num_actions: int) -> Float[Array, "... action"]:
        """Gumbel noise: the argmax of log-probabilities plus it is a sample."""
        return draw(jax.random.gumbel, key, (*shape, num_actions))

    def sample(self, noise: Float[Array, "... action"]) -> Int[Array, "..."]:
        return jnp.argmax(self._masked(self.log_probs + noise), axis=-1)

    def mode(self) -> Int[Array, "..."]:
        return jnp.argmax(self.log_probs, axis=-1)

    def log_prob(self, action: Int[Array, "..."]) -> Float[Array, "..."]:
        return jnp.take_along_axis(self.log_probs, action[..., None], axis=-1)[..., 0]

    def entropy(self) -> Float[Array, "..."]:
        """In nats; an illegal action contributes exactly 0, and no NaN to the gradient."""
        terms = jnp.exp(self.log_probs) * self.log_probs
        return -jnp.sum(terms if self.legal is None else jnp.where(self.legal, terms, 0.0), axis=-1)

    def _masked(self, x: Float[Array, "... action"]) -> Float[Array, "... action"]:
        return x if self.legal is None else jnp.where(self.legal, x, -jnp.inf)


def categorical(logits: Float[Array, "... action"], legal: Bool[Array, "... action"] | None = None) -> Categorical:
    """The softmax of `logits` over the legal actions; an illegal one has probability exactly 0.

    Where no action at all is legal (a state no one acts in) all are treated as legal, so nothing becomes NaN.
    """
    if legal is None:
        return Categorical(jax.nn.log_softmax(logits), None)
    legal = legal | ~legal.any(axis=-1, keepdims=True)
    lowest = jnp.finfo(logits.dtype).min
    log_probs = jax.nn.log_softmax(jnp.where(legal, logits, lowest))
    return Categorical(jnp.where(legal, log_probs, lowest), legal)


class Normal(NamedTuple):
    """Independent normals, one for each action dimension. Not squashed: the env's bounds clip what it is sent,
    and the log-probability stays that of what was drawn (detail 4 of the continuous details of Huang 2022)."""

    mean: Float[Array, "... action"]
    log_std: Float[Array, "... action"]

    @staticmethod
    def noise(key: Key[Array, ""], shape: tuple[int, ...], num_actions: int) -> Float[Array, "... action"]:
        return draw(jax.random.normal, key, (*shape, num_actions))

    def sample(self, noise: Float[Array, "... action"]) -> Float[Array, "... action"]:
        return self.mean + jnp.exp(self.log_std) * noise

    def mode(self) -> Float[Array, "... action"]:
        return self.mean

    def log_prob(self, action: Float[Array, "... action"]) -> Float[Array, "..."]:
        z = (action - self.mean) * jnp.exp(-self.log_std)
        return -jnp.sum(0.5 * jnp.square(z) + self.log_std + 0.5 * LOG_2PI, axis=-1)

    def entropy(self) -> Float[Array, "..."]:
        """In nats: sum of log std + (1 + log 2 pi) / 2."""
        return jnp.sum(self.log_std + 0.5 * (1.0 + LOG_2PI), axis=-1)
