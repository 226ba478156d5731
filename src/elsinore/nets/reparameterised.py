"""Actors' heads of SAC and TD3. Samples have gradients in the network's outputs, since critics
are climbed through them; actions are in [-1, 1], in every dimension."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from elsinore.jaxtools.prng import draw, for_use, over_keys, split
from elsinore.nets.distributions import Beta, Normal, StateNoise
from elsinore.nets.heads import beta_of, keys_held_for, spread_of
from elsinore.ops.continuous_q import correlated_noise, squashed_log_prob, uniform_action
from elsinore.ops.schedules import Scalar

LOG_STD = (-20.0, 2.0)  # of the squashed normals, as published, and of a feature's weight in noise
LARGEST_MEAN = 2.0  # of the normals with noise of the state, as in Stable-Baselines3
REPARAMETERISED = ("squashed", "beta", "gsde")
Actions = Float[Array, "*batch action"]


class Squashed(NamedTuple):
    """The hyperbolic tangent of independent normals: actions in [-1, 1] (Haarnoja 2018,
    arXiv:1801.01290 appendix C). Noise that is a function of the state (Raffin 2020,
    arXiv:2005.05719) is held for several steps in `sample`, which explores; in learning, where each
    row has noise of its own, they are the normals of one step."""

    unsquashed: Normal | StateNoise

    def sample(self, noise: Array) -> Float[Array, "... action"]:
        """With noise of `unsquashed`."""
        return jnp.tanh(self.unsquashed.sample(noise))

    def sample_with_log_prob(
        self, noise: Float[Array, "... action"]
    ) -> tuple[Float[Array, "... action"], Float[Array, "..."]]:
        """A sample and its log-density, which is not computed from the action: an action that
        rounds to 1 has lost its normal's value."""
        normal = self.unsquashed.marginal()
        unsquashed = normal.sample(noise)
        return jnp.tanh(unsquashed), squashed_log_prob(unsquashed, *normal)

    def mode(self) -> Float[Array, "... action"]:
        """The median: tanh of the means."""
        return jnp.tanh(self.unsquashed.mode())


class CentredBeta(NamedTuple):
    """Independent beta distributions, stretched from (0, 1) to (-1, 1).

    A sample is x / (x + y) of two gamma variables, and has their gradient by implicit
    reparameterisation, as in `jax.random.beta`: a change of its parameter moves a gamma variable so
    that it keeps its quantile (Figurnov 2018, arXiv:1805.08498).
    """

    unit: Beta

    def sample(self, noise: Key[Array, "..."]) -> Float[Array, "... action"]:
        """With a key for each action vector."""
        return 2.0 * self.unit.sample(noise) - 1.0

    def sample_with_log_prob(
        self, noise: Key[Array, "..."]
    ) -> tuple[Float[Array, "... action"], Float[Array, "..."]]:
        unit = self.unit.sample(noise)
        log_prob = self.unit.log_prob(unit) - unit.shape[-1] * np.float32(np.log(2.0))
        return 2.0 * unit - 1.0, log_prob

    def mode(self) -> Float[Array, "... action"]:
        """The mean, as of `Beta`."""
        return 2.0 * self.unit.mode() - 1.0


class ActionNoise(NamedTuple):
    """The noise of actions: `of_learning(key, shape)`, an independent draw for each row, is that of
    `sample_with_log_prob`; `of_exploring(key, shape, correlation)`, [time, env, ...], is that of
    `sample`, in which successive steps may be alike, and `uniform` makes uniform actions of it."""

    of_learning: Callable[[Key[Array, ""], tuple[int, ...]], Array]
    of_exploring: Callable[[Key[Array, ""], tuple[int, ...], Scalar], Array]
    uniform: Callable[[Array], Actions]


class ActorHead(NamedTuple):
    """The outputs, policy and noise of an actor."""

    num_outputs: int  # of the network
    # outputs -> a distribution, or the action itself of an actor that is not random
    policy: Callable[[Float[Array, "... outputs"]], Any]
    noise: ActionNoise
    features: int = 0  # of the network, that the noise of the state is a function of


def normal_noise(size: int) -> ActionNoise:
    """Standard normals, in exploring those of an Ornstein-Uhlenbeck process."""

    def independent(key: Key[Array, ""], shape: tuple[int, ...]) -> Actions:
        return draw(jax.random.normal, key, (*shape, size))

    def correlated(key: Key[Array, ""], shape: tuple[int, ...], correlation: Scalar) -> Actions:
        """Noise [time, env, action], of the `shape` (time, env), correlated in time."""
        return correlated_noise(independent(key, shape), correlation)

    return ActionNoise(independent, correlated, uniform_action)


def deterministic_actor_head(size: int) -> ActorHead:
    """Tanh of the outputs, to which exploring adds noise."""
    return ActorHead(size, jnp.tanh, normal_noise(size))


def squashed_actor_head(size: int, initial_log_std: float) -> ActorHead:
    """Outputs are means, then log standard deviations."""

    def policy(outputs: Float[Array, "... outputs"]) -> Squashed:
        mean, log_std = jnp.split(outputs, 2, axis=-1)
        return Squashed(Normal(mean, jnp.clip(log_std + initial_log_std, *LOG_STD)))

    return ActorHead(2 * size, policy, normal_noise(size))


def beta_actor_head(size: int) -> ActorHead:
    """Outputs are those of `heads.bounded_head`; noise is a key for each action vector."""
    noise = ActionNoise(split, lambda key, shape, correlation: split(key, shape), _uniform(size))
    return ActorHead(2 * size, lambda outputs: CentredBeta(beta_of(outputs)), noise)


def state_noise_actor_head(size: int, features: int, noise_period: int) -> ActorHead:
    """Outputs are those of `heads.state_noise_head`, with means from -2 to 2."""

    def policy(outputs: Float[Array, "... outputs"]) -> Squashed:
        mean = jnp.clip(outputs[..., :size], -LARGEST_MEAN, LARGEST_MEAN)
        return Squashed(StateNoise(mean, spread_of(outputs, features, size)))

    def of_exploring(
        key: Key[Array, ""], shape: tuple[int, ...], correlation: Scalar
    ) -> Key[Array, "..."]:
        return keys_held_for(key, shape, noise_period)

    noise = ActionNoise(normal_noise(size).of_learning, of_exploring, _uniform(size))
    return ActorHead((1 + features) * size, policy, noise, features)


def _uniform(size: int) -> Callable[[Key[Array, "..."]], Actions]:
    """From the keys of exploring noise to uniform actions."""

    def one(key: Key[Array, ""]) -> Float[Array, "action"]:
        return jax.random.uniform(for_use(key, "uniform"), (size,), minval=-1.0, maxval=1.0)

    return partial(over_keys, one)
