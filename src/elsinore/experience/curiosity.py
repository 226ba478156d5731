"""A reward for what is new: random network distillation (Burda 2018, arXiv:1810.12894).

A network that is never trained, the target, turns an observation into features; a predictor learns to foretell
them from what is seen. Its error is small where the agent has often been and large where it has not, and that
error is the intrinsic reward. `wonder` adds it to the reward that learning uses; what is logged stays the raw one.

Choices, beside the paper's:
* One critic for both rewards, so the intrinsic one shares gamma and ends with the episode. The paper has two.
  The bonus is never negative, so it also pays for staying alive: where reaching the goal ends the episode, a large
  weight makes agents wait before it. PPO in a corridor of 40 cells and 80 steps, paid 1 at its end: 0 of 4 seeds
  learn it in 200,000 steps without a bonus and at weight 1 (one does for a while), 6 of 6 at weight 0.1.
* A step is paid for what it truly led to, `final_obs`, and the predictor learns from the same. Were it to learn from
  what the agent acts on, the last sight of an episode would stay new for ever, and dying be a reward.
* Both networks have one shape. The paper's predictor is deeper, so that it can match the target exactly.
* Observations are whitened, and errors scaled, by all that was seen so far, this rollout included; the paper
  spends the first steps of a random agent on it instead.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import Normalisers, init_normalisers, observe, scale_rewards
from elsinore.experience.steadiness import RecentEpisodes, Steadiness, anneal, episode_lengths, no_episodes
from elsinore.nets.encoders import ACTIVATIONS, CNN, MLP, dense, flatten
from elsinore.nets.initialisation import initialise
from elsinore.ops import running
from elsinore.ops.randomness import for_uses
from elsinore.traced import traced
from elsinore.types import Mean, Transition


@dataclass(frozen=True, kw_only=True)
class RNDConfig:
    """What is paid for novelty, and by which networks. At weight 0 nothing of it is compiled."""

    weight: float = traced(0.0, off=0.0)  # of the intrinsic reward; 0: off
    hidden: tuple[int, ...] = (256, 128)
    channels: tuple[int, ...] = (16,)  # of the convolutions, where observations are [height, width, channel]
    features: int = 128  # what the predictor has to foretell
    activation: str = "relu"  # tanh | relu | silu | gelu
    learning_rate: float = 1e-4  # of the predictor, by Adam
    batch_size: int = 128  # observations a gradient step; those that fill none wait for the next rollout
    return_gamma: float = 0.99  # errors are divided by the deviation of their discounted return; 0: by their own
    anneal: float = 1.0  # the weight's factor per finished episode once survival is steady; 1: never
    anneal_window: int = 100  # episodes, the last, that tell how steady
    anneal_min_episodes: int = 2  # and so many must have finished
    anneal_variance: float = 100.0  # steady: their lengths' sample variance is below this
    anneal_share: float = 0.4  # and their mean above this share of the most steps an episode can take

    def __post_init__(self):
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation={self.activation!r} is unknown; choose one of {', '.join(ACTIVATIONS)}.")
        for name in ("hidden", "channels"):
            sizes = getattr(self, name)
            if not sizes or min(sizes) < 1:
                raise ValueError(f"{name}={list(sizes)} must be one or more layer sizes of at least 1.")
        for name, least in (("features", 1), ("batch_size", 1), ("anneal_window", 2), ("anneal_min_episodes", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}.")
        if not 0.0 <= self.weight < math.inf:
            raise ValueError(f"weight={self.weight} must be finite and not negative; 0 turns curiosity off.")
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate={self.learning_rate} must be above 0 and finite.")
        if not 0.0 <= self.return_gamma < 1.0:
            raise ValueError(f"return_gamma={self.return_gamma} must lie in [0, 1): errors are never negative, and "
                             "their undiscounted sum has no bound.")  # fmt: skip
        self._check_annealing()

    def _check_annealing(self):
        if not 0.0 < self.anneal <= 1.0:
            raise ValueError(f"anneal={self.anneal} must lie in (0, 1]; 1 keeps the weight, .99 takes off a hundredth.")
        if self.anneal_min_episodes > self.anneal_window:
            raise ValueError(f"anneal_min_episodes={self.anneal_min_episodes} are never in a window of anneal_window="
                             f"{self.anneal_window}; take as many or fewer.")  # fmt: skip
        if not self.anneal_variance > 0.0:
            raise ValueError(f"anneal_variance={self.anneal_variance} must be above 0 (.inf: any will do).")
        if not 0.0 <= self.anneal_share < 1.0:
            raise ValueError(f"anneal_share={self.anneal_share} must lie in [0, 1): no mean is above the longest.")


class Curiosity(NamedTuple):
    """All that curiosity needs to go on, arrays only; part of a learner's state."""

    left: Float[Array, ""]  # of the weight: 1 until it is annealed
    target: PyTree  # drawn once, never changed
    predictor: PyTree
    opt_state: PyTree  # of the predictor raveled into one vector
    stats: Normalisers  # of flattened observations, and of the errors' discounted return
    waiting: Float[Array, "batch obs"]  # whitened observations that have not filled a group yet
    num_waiting: Int[Array, ""]  # the first so many of them; the others are nothing
    recent: RecentEpisodes | None  # None where the weight is never annealed


class Features(nn.Module):
    """What the target and the predictor are: one flat observation to `features` numbers."""

    config: RNDConfig
    image: tuple[int, ...] | None = None  # the shape to give it back, for convolutions

    @nn.compact
    def __call__(self, seen: Float[Array, "obs"]) -> Float[Array, "features"]:
        hidden, activation = self.config.hidden, self.config.activation
        if self.image is None:
            x = MLP(hidden, activation)(seen)
        else:
            x = CNN(self.config.channels, hidden, activation)(seen.reshape(self.image))
        return dense(self.config.features, 1.0)(x)


def begin_curiosity(config: RNDConfig, key: Key[Array, ""], obs: PyTree) -> Curiosity | None:
    """Nothing seen yet; None where it is off. `key` is the seed's, `obs` a batch of observations [env, ...]."""
    if config.weight == 0.0:
        return None
    flat = jax.vmap(flatten)(obs)
    net = _network(config, obs, batch_axes=1)
    # One loop: the networks are compiled once for both, and their decompositions are not batched.
    both = jax.lax.map(lambda key: initialise(net, key, flat[0]), for_uses(key, "rnd target", "rnd predictor"))
    target, predictor = (jax.tree.map(lambda x, i=i: x[i], both) for i in range(2))
    return Curiosity(
        left=jnp.float32(1.0),
        target=target,
        predictor=predictor,
        opt_state=optax.scale_by_adam().init(ravel_pytree(predictor)[0]),
        stats=init_normalisers(flat, normalise_obs=True, normalise_rewards=True),
        waiting=jnp.zeros((config.batch_size, flat.shape[1])),
        num_waiting=jnp.int32(0),
        recent=no_episodes(config.anneal_window) if config.anneal < 1.0 else None,
    )


def wonder(
    config: RNDConfig,
    curiosity: Curiosity | None,
    experience: Transition,
    reward: Float[Array, "time env"],
    weight: Float[Array, ""],
    episode_length: Int[Array, "env"],
    max_steps: Int[Array, ""] | int,
) -> tuple[Curiosity | None, Float[Array, "time env"], dict[str, Mean]]:
    """`reward` with the weighted bonus of each step, and a predictor that has learnt from the rollout afterwards.

        bonus_t = mean((predictor(o) - target(o))^2) / std(running discounted return of it),  o = final_obs_t

    The return never ends with an episode, and the bonus is at most 10. `reward` may be scaled already; the bonus is.
    `weight` is the traced one, of which annealing leaves a part.
    `episode_length` is the actor's as the rollout began, `max_steps` the most an episode can take: the episodes
    that finish here anneal the weight of the next rollout. Where curiosity is off all stays as it is.
    """
    if curiosity is None:
        return None, reward, {}
    flat = jax.vmap(flatten)(merge_time_and_env(experience.final_obs))
    stats = observe(curiosity.stats, flat)
    seen = running.normalise(stats.obs, flat, clip=5.0)
    net = _network(config, experience.final_obs, batch_axes=2)
    error = prediction_error(net, curiosity.predictor, curiosity.target, seen).reshape(reward.shape)
    stats, bonus = scale_rewards(stats, error, jnp.zeros(reward.shape, bool), config.return_gamma)
    metrics = {
        "rnd/bonus": Mean(jnp.sum(bonus), jnp.float32(bonus.size)),
        "rnd/weight": Mean.of(weight * curiosity.left),
    }
    reward = reward + weight * curiosity.left * bonus
    curiosity, metrics["rnd/loss"] = _learn(config, net, curiosity._replace(stats=stats), seen)
    return _anneal(config, curiosity, experience, episode_length, max_steps), reward, metrics


def prediction_error(
    net: nn.Module, predictor: PyTree, target: PyTree, seen: Float[Array, "batch obs"]
) -> Float[Array, "batch"]:
    """How far off the predictor is, the mean square over features. Source: Burda 2018, section 2.2."""
    features = jax.vmap(net.apply, in_axes=(None, 0))
    return jnp.mean(jnp.square(features(predictor, seen) - features(target, seen)), axis=-1)


def _learn(config: RNDConfig, net: nn.Module, curiosity: Curiosity, seen: Array) -> tuple[Curiosity, Mean]:
    """One Adam step for every full group of observations, in the order they came; the rest waits.

    So a step is always over `batch_size` of them, be the rollout long (PPO) or a few steps (DQN).
    """
    size, (new, width) = config.batch_size, seen.shape
    queue = jnp.concatenate([curiosity.waiting, jnp.zeros((size + new, width))])  # room to cut a whole group anywhere
    queue = jax.lax.dynamic_update_slice(queue, seen, (curiosity.num_waiting, 0))
    num_groups, num_left = jnp.divmod(curiosity.num_waiting + new, size)
    vector, unravel = ravel_pytree(curiosity.predictor)

    def gradient_step(i, carry):
        vector, opt_state, total = carry
        group = jax.lax.dynamic_slice_in_dim(queue, i * size, size)

        def loss(vector):
            return jnp.mean(prediction_error(net, unravel(vector), curiosity.target, group))

        value, gradient = jax.value_and_grad(loss)(vector)
        step, opt_state = optax.scale_by_adam().update(gradient, opt_state)
        return vector - config.learning_rate * step, opt_state, total + value

    vector, opt_state, total = jax.lax.fori_loop(
        0, num_groups, gradient_step, (vector, curiosity.opt_state, jnp.float32(0.0))
    )
    waiting = jax.lax.dynamic_slice_in_dim(queue, num_groups * size, size)
    learnt = curiosity._replace(
        predictor=unravel(vector), opt_state=opt_state, waiting=waiting, num_waiting=num_left.astype(jnp.int32)
    )
    return learnt, Mean(total, num_groups.astype(jnp.float32))


def _anneal(config: RNDConfig, curiosity: Curiosity, experience: Transition, before: Array, max_steps) -> Curiosity:
    if curiosity.recent is None:
        return curiosity
    bar = Steadiness(config.anneal_variance, config.anneal_share * max_steps, config.anneal_min_episodes)
    done = experience.terminated | experience.truncated
    lengths = episode_lengths(done, before)
    left, recent = anneal(curiosity.left, curiosity.recent, done, lengths, bar, config.anneal)
    return curiosity._replace(left=left, recent=recent)


def _network(config: RNDConfig, obs: Any, batch_axes: int) -> Features:
    """The networks' shape: convolutions where an observation is [height, width, channel] and large enough."""
    shape = () if isinstance(obs, dict) else getattr(obs, "shape", ())[batch_axes:]
    room = 2 * len(config.channels)  # what the convolutions take off each side
    is_image = len(shape) == 3 and min(shape[:2]) > room
    return Features(config, tuple(shape) if is_image else None)
