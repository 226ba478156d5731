"""Action distributions. A sample is a function of noise drawn in advance, so that all random
numbers of a rollout are drawn before its scan."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betaln, digamma, erf
from jaxtyping import Array, Bool, Float, Int, Key

from elsinore.jaxtools.prng import draw, over_keys
from elsinore.ops.continuous_q import LOG_2PI, squashed_log_prob


class Categorical(NamedTuple):
    """One of n actions. Build it with `categorical`, which applies the mask and normalises."""

    # normalised; illegal actions have the lowest float, never -inf
    log_probs: Float[Array, "... action"]
    legal: Bool[Array, "... action"] | None  # None: every action is legal

    @staticmethod
    def noise(
        key: Key[Array, ""], shape: tuple[int, ...], num_actions: int
    ) -> Float[Array, "... action"]:
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

    def action_scores(self) -> dict[str, Float[Array, "... action"]]:
        """The probabilities, for replays."""
        return {"probability": jnp.exp(self.log_probs)}

    def _masked(self, x: Float[Array, "... action"]) -> Float[Array, "... action"]:
        return x if self.legal is None else jnp.where(self.legal, x, -jnp.inf)


def categorical(
    logits: Float[Array, "... action"], legal: Bool[Array, "... action"] | None = None
) -> Categorical:
    """The softmax of `logits` over the legal actions; an illegal one has probability exactly 0.

    Where no action is legal (after the end of an episode) all count as legal, which avoids NaN.
    """
    if legal is None:
        return Categorical(jax.nn.log_softmax(logits), None)
    legal = legal | ~legal.any(axis=-1, keepdims=True)
    lowest = jnp.finfo(logits.dtype).min
    log_probs = jax.nn.log_softmax(jnp.where(legal, logits, lowest))
    return Categorical(jnp.where(legal, log_probs, lowest), legal)


class Joint(NamedTuple):
    """Independent categoricals, one for each choice of an action. Build it with `joint`."""

    # [..., choice, option]; options beyond a choice's own are illegal
    choices: Categorical

    @staticmethod
    def noise(
        key: Key[Array, ""], shape: tuple[int, ...], sizes: tuple[int, ...]
    ) -> Float[Array, "... choice option"]:
        return Categorical.noise(key, (*shape, len(sizes)), max(sizes))

    def sample(self, noise: Float[Array, "... choice option"]) -> Int[Array, "... choice"]:
        return self.choices.sample(noise)

    def mode(self) -> Int[Array, "... choice"]:
        return self.choices.mode()

    def log_prob(self, action: Int[Array, "... choice"]) -> Float[Array, "..."]:
        return jnp.sum(self.choices.log_prob(action), axis=-1)

    def entropy(self) -> Float[Array, "..."]:
        return jnp.sum(self.choices.entropy(), axis=-1)

    def action_scores(self) -> dict[str, Float[Array, "... choice option"]]:
        return self.choices.action_scores()


def joint(
    logits: Float[Array, "... outputs"],
    sizes: tuple[int, ...],
    legal: Bool[Array, "... outputs"] | None = None,
) -> Joint:
    """Independent choices, choice i with `sizes[i]` options; `logits` and `legal` are concatenated.

    Where no option of a choice is legal, all of its options count as legal. The choices are padded
    to one table, so ten choices take as many operations as one.
    """
    option = np.arange(max(sizes))
    real = option < np.array(sizes)[:, None]  # [choice, option]
    flat = np.where(real, np.cumsum((0, *sizes[:-1]))[:, None] + option, 0)
    allowed = jnp.broadcast_to(real, (*logits.shape[:-1], *real.shape))
    if legal is not None:
        allowed = legal[..., flat] & real
        allowed = jnp.where(allowed.any(axis=-1, keepdims=True), allowed, real)
    return Joint(categorical(logits[..., flat], allowed))


class Normal(NamedTuple):
    """Independent normals, one for each action dimension, not squashed.

    The head clips the action for the env; the log-probability is that of the unclipped sample
    (detail 5 of the continuous details of Huang 2022).
    """

    mean: Float[Array, "... action"]
    log_std: Float[Array, "... action"]

    @staticmethod
    def noise(
        key: Key[Array, ""], shape: tuple[int, ...], num_actions: int
    ) -> Float[Array, "... action"]:
        return draw(jax.random.normal, key, (*shape, num_actions))

    def marginal(self) -> "Normal":
        """The normal of one step, as of `StateNoise`."""
        return self

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

    def action_scores(self) -> dict[str, Float[Array, "... action"]]:
        return {"mean": self.mean, "standard deviation": jnp.exp(self.log_std)}


class TanhNormal(Normal):
    """The hyperbolic tangent of independent normals, for algorithms that need the probability of
    an old action: an action is the normals' number u, and the head gives tanh(u), scaled to its
    bounds, to the env. So no density is computed from a tanh that has rounded to 1. Its mode is
    the median.

    Source: Haarnoja 2018, arXiv:1801.01290 appendix C.
    """

    def log_prob(self, action: Float[Array, "... action"]) -> Float[Array, "..."]:
        """Log-density of tanh(action) in [-1, 1]."""
        return squashed_log_prob(action, self.mean, self.log_std)

    def entropy(self) -> Float[Array, "..."]:
        """In nats, of tanh(action) in [-1, 1]: that of the normals and E[log(1 - tanh(u)^2)]."""
        return super().entropy() + jnp.sum(_log_slope(self.mean, self.log_std), axis=-1)

    def action_scores(self) -> dict[str, Float[Array, "... action"]]:
        return {"median": jnp.tanh(self.mean), "standard deviation": jnp.exp(self.log_std)}


_HERMITE, _HERMITE_WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_HERMITE = _HERMITE.astype(np.float32)
_HERMITE_WEIGHTS = (_HERMITE_WEIGHTS / np.sqrt(2.0 * np.pi)).astype(np.float32)
# The integral of log(1 + exp(-2u)) f(u) from 0, with 2u for Laguerre's variable, on both sides
_LAGUERRE, _LAGUERRE_WEIGHTS = np.polynomial.laguerre.laggauss(8)
_LAGUERRE_WEIGHTS = 0.5 * _LAGUERRE_WEIGHTS * np.exp(_LAGUERRE) * np.log1p(np.exp(-_LAGUERRE))
_BEND = np.concatenate([0.5 * _LAGUERRE, -0.5 * _LAGUERRE]).astype(np.float32)
_BEND_WEIGHTS = np.tile(_LAGUERRE_WEIGHTS / np.sqrt(2.0 * np.pi), 2).astype(np.float32)


def _log_slope(mean: Float[Array, "..."], log_std: Float[Array, "..."]) -> Float[Array, "..."]:
    """E[log(1 - tanh(u)^2)] of a normal u, by quadrature to 2e-6; no formula is known.

    Up to a deviation of 1 the density is narrow and the logarithm smooth across it: a sum over 32
    points of the density (Gauss-Hermite). Beyond, the density is smooth across the logarithm's bend
    at 0. There log(1 - tanh(u)^2) = 2 log 2 - 2|u| - 2 log(1 + exp(-2|u|)), of which E|u| has a
    formula, and the last part is a sum over 8 points on each side of 0 (Gauss-Laguerre).
    """
    narrow = log_std <= 0.0
    std = jnp.exp(jnp.where(narrow, log_std, 0.0))  # each rule is given what it can hold
    points = mean[..., None] + std[..., None] * _HERMITE
    by_density = 2.0 * (np.log(2.0) - points - jax.nn.softplus(-2.0 * points))
    by_density = jnp.sum(_HERMITE_WEIGHTS * by_density, axis=-1)

    std = jnp.exp(jnp.where(narrow, 0.0, log_std))
    z = mean / std
    size = std * np.sqrt(2.0 / np.pi) * jnp.exp(-0.5 * jnp.square(z)) + mean * erf(z / np.sqrt(2.0))
    density = jnp.exp(-0.5 * jnp.square(_BEND / std[..., None] - z[..., None]))
    bend = jnp.sum(_BEND_WEIGHTS * density, axis=-1) / std
    by_bend = 2.0 * (np.log(2.0) - size - bend)
    return jnp.where(narrow, by_density, by_bend)


class Beta(NamedTuple):
    """Independent beta distributions: actions in (0, 1), without mass at the bounds (Chou 2017,
    "Improving Stochastic Policy Gradients in Continuous Control with ... the Beta Distribution").

    Both parameters are above 1, so each density has one peak.
    """

    alpha: Float[Array, "... action"]
    beta: Float[Array, "... action"]

    def sample(self, noise: Key[Array, "..."]) -> Float[Array, "... action"]:
        """With a key for each action vector, since a beta is drawn by rejection."""
        drawn = over_keys(jax.random.beta, noise, self.alpha, self.beta)
        return jnp.clip(drawn, 1e-6, 1.0 - 1e-6)

    def mode(self) -> Float[Array, "... action"]:
        """The mean, which the greedy policy takes: near alpha = beta = 1 the peak is anywhere."""
        return self.alpha / (self.alpha + self.beta)

    def log_prob(self, action: Float[Array, "... action"]) -> Float[Array, "..."]:
        """Log-density in (0, 1)."""
        log_density = (self.alpha - 1.0) * jnp.log(action) + (self.beta - 1.0) * jnp.log1p(-action)
        return jnp.sum(log_density - betaln(self.alpha, self.beta), axis=-1)

    def entropy(self) -> Float[Array, "..."]:
        """In nats, by its formula; 0 is uniform, and no more is possible."""
        a, b = self.alpha, self.beta
        each = betaln(a, b) - (a - 1.0) * digamma(a) - (b - 1.0) * digamma(b)
        return jnp.sum(each + (a + b - 2.0) * digamma(a + b), axis=-1)

    def action_scores(self) -> dict[str, Float[Array, "... action"]]:
        return {"mean": self.mode(), "alpha": self.alpha, "beta": self.beta}


class StateNoise(NamedTuple):
    """Normals whose noise is a linear function of the state's features, drawn for several steps at
    once: generalised state-dependent exploration (Raffin 2020, arXiv:2005.05719)."""

    mean: Float[Array, "... action"]
    spread: Float[Array, "... features action"]  # a feature times the deviation of its weight

    def marginal(self) -> Normal:
        """The normal of one step: variances of independent weights add up."""
        variance = jnp.sum(jnp.square(self.spread), axis=-2) + 1e-6
        return Normal(self.mean, 0.5 * jnp.log(variance))

    def sample(self, noise: Key[Array, "..."]) -> Float[Array, "... action"]:
        """With a key for each action vector: the same key is the same function of the state."""
        shape = self.spread.shape[noise.ndim :]
        weights = over_keys(lambda key: jax.random.normal(key, shape), noise)
        return self.mean + jnp.sum(self.spread * weights, axis=-2)

    def mode(self) -> Float[Array, "... action"]:
        return self.mean

    def log_prob(self, action: Float[Array, "... action"]) -> Float[Array, "..."]:
        return self.marginal().log_prob(action)

    def entropy(self) -> Float[Array, "..."]:
        """In nats, by the formula of the normal of one step."""
        return self.marginal().entropy()

    def action_scores(self) -> dict[str, Float[Array, "... action"]]:
        return self.marginal().action_scores()


Distribution = Categorical | Joint | Normal | TanhNormal | Beta | StateNoise
