"""Exploration bonus: random network distillation (RND; Burda 2018, arXiv:1810.12894).

A fixed random network, the target, maps an observation to features; a predictor learns to output
the same features. Its error is small where the agent has often been and large elsewhere: that error
is the intrinsic reward. `add_intrinsic_reward` adds it to the reward that learning uses; logged
rewards stay raw.

Choices that differ from the paper's:
* One critic for both rewards, so the intrinsic one shares gamma and ends with the episode; the
  paper has two. The bonus is never negative, so it also pays for staying alive: where reaching
  the goal ends the episode, a large weight makes agents wait before it. PPO in a corridor of 40
  cells and 80 steps, paid 1 at its end: 0 of 4 seeds learn it in 200,000 steps without a bonus and
  at weight 1 (one does for a while), 6 of 6 at weight 0.1.
* The bonus of a step is that of its true next observation, `final_obs`, and the predictor learns
  from the same. If it learnt from the acting observations, the last one of an episode would stay
  new for ever, and terminating would be rewarded.
* Both networks have one shape. The paper's predictor is deeper, so that it can match the target.
* Observations are whitened, and errors scaled, by statistics of all observations so far, this
  rollout included; the paper collects them with a random agent first.

The shards of a seed share all of it but the observations that wait: each has a part of every group.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.config_records import record
from elsinore.experience.annealing import (
    RecentEpisodes,
    Steadiness,
    anneal_while_steady,
    episode_lengths,
    no_episodes,
)
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import Normalisers, init_normalisers, observe, scale_rewards
from elsinore.hyperparameters import traced
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import for_uses
from elsinore.nets.encoders import CNN, MLP, check_layers, dense, flatten
from elsinore.nets.initialisation import initialise
from elsinore.ops import running_statistics
from elsinore.ops.losses import rnd_error
from elsinore.ops.running_statistics import RunningStats
from elsinore.ops.schedules import Scalar
from elsinore.types import Mean, Transition


@record
class RNDConfig:
    """Settings of the exploration bonus. At weight 0 nothing of it is compiled."""

    weight: float = traced(0.0, off=0.0)  # The weight of the intrinsic reward; 0 turns it off.
    hidden: tuple[int, ...] = (256, 128)  # The widths of the dense layers of both networks.
    # The channels of the convolutions, where observations are [height, width, channel].
    channels: tuple[int, ...] = (16,)
    features: int = 128  # The number of features that the predictor predicts.
    activation: str = "relu"  # tanh | relu | silu | gelu: the activation function.
    learning_rate: float = 1e-4  # The step size of the predictor's Adam.
    # Observations of a gradient step; those that fill none wait for the next rollout.
    batch_size: int = 128
    # The discount of the return whose deviation scales the errors; 0: the errors' own deviation.
    return_gamma: float = 0.99
    # The weight's factor per finished episode once survival is steady; 1 keeps the weight.
    anneal: float = 1.0
    anneal_window: int = 100  # The last episodes by which steadiness is judged.
    anneal_min_episodes: int = 2  # Episodes that must have finished before it is judged.
    anneal_variance: float = 100.0  # Steady is a variance of their lengths below this.
    # The share of the longest possible episode that the mean length must exceed, too.
    anneal_share: float = 0.4

    def __post_init__(self) -> None:
        check_layers(self)
        validation.counts(self, 1, "features", "batch_size")
        validation.counts(self, 2, "anneal_window", "anneal_min_episodes")
        validation.not_negative(self, "weight")
        validation.positive(self, "learning_rate")
        if not 0.0 <= self.return_gamma < 1.0:
            raise ValueError(
                f"return_gamma={self.return_gamma} must lie in [0, 1): errors are never negative,"
                " and their undiscounted sum has no bound."
            )
        self._check_annealing()

    @property
    def annealed_by_length(self) -> bool:
        """True if it is annealed once episodes are a share of the longest possible one."""
        return self.anneal < 1.0 and self.anneal_share > 0.0

    def _check_annealing(self):
        if not 0.0 < self.anneal <= 1.0:
            raise ValueError(
                f"anneal={self.anneal} must lie in (0, 1]; 1 keeps the weight, .99 takes off a"
                " hundredth."
            )
        if self.anneal_min_episodes > self.anneal_window:
            raise ValueError(
                f"anneal_min_episodes={self.anneal_min_episodes} are never in a window of"
                f" anneal_window={self.anneal_window}; take as many or fewer."
            )
        validation.positive(self, off={"anneal_variance": math.inf})
        if not 0.0 <= self.anneal_share < 1.0:
            raise ValueError(
                f"anneal_share={self.anneal_share} must lie in [0, 1): no mean is above the"
                " longest."
            )


class RNDState(NamedTuple):
    """State of the exploration bonus, arrays only."""

    left: Float[Array, ""]  # of the weight: 1 until it is annealed
    target: PyTree  # drawn once, never changed
    predictor: PyTree
    opt_state: PyTree  # of the predictor raveled into one vector
    stats: Normalisers  # of flattened observations, and of the errors' discounted return
    waiting: Float[Array, "batch obs"]  # whitened observations that have not filled a group yet
    num_waiting: Int[Array, ""]  # valid rows of `waiting`
    recent: RecentEpisodes | None  # None where the weight is never annealed


class Features(nn.Module):
    """Network of target and predictor: one flat observation to `features` numbers."""

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


def init_rnd(config: RNDConfig, key: Key[Array, ""], obs: PyTree) -> RNDState | None:
    """Initial state, None if off. `key` is the seed's, `obs` a batch of observations [env, ...]."""
    if config.weight == 0.0:
        return None
    flat = jax.vmap(flatten)(obs)
    net = _network(config, obs, batch_axes=1)
    # One loop: the networks are compiled once for both, and their decompositions are not batched.
    both = jax.lax.map(
        lambda key: initialise(net, key, flat[0]), for_uses(key, "rnd target", "rnd predictor")
    )
    target, predictor = (jax.tree.map(lambda x, i=i: x[i], both) for i in range(2))
    return RNDState(
        left=jnp.float32(1.0),
        target=target,
        predictor=predictor,
        opt_state=optax.scale_by_adam().init(ravel_pytree(predictor)[0]),
        stats=init_normalisers(flat, normalise_obs=True, normalise_rewards=True),
        waiting=jnp.zeros((config.batch_size, flat.shape[1])),
        num_waiting=jnp.int32(0),
        recent=no_episodes(config.anneal_window) if config.anneal < 1.0 else None,
    )


def add_intrinsic_reward(
    config: RNDConfig,
    rnd: RNDState | None,
    experience: Transition,
    reward: Float[Array, "time env"],
    weight: Scalar,
    episode_length: Int[Array, "env"],
    max_steps: Int[Array, ""] | Scalar | int,
) -> tuple[RNDState | None, Float[Array, "time env"], dict[str, Mean]]:
    """Add the weighted bonus of each step to `reward`, then train the predictor on the rollout.

        error_t = mean((predictor(o) - target(o))^2),  o = final_obs_t
        bonus_t = error_t / std(running discounted return of the error)

    The return never ends with an episode, and the bonus is at most 10. `reward` may be scaled
    already; the bonus is. `weight` is the traced one, of which annealing leaves a part.
    `episode_length` is the actor's as the rollout began, `max_steps` the most an episode can take:
    the episodes that finish here anneal the weight of the next rollout. With `rnd` None nothing
    changes.
    """
    if rnd is None:
        return None, reward, {}
    flat = jax.vmap(flatten)(merge_time_and_env(experience.final_obs))
    stats = observe(rnd.stats, flat)
    net = _network(config, experience.final_obs, batch_axes=2)
    judged = shards.per_shard(partial(_judged, net))
    seen, error = judged(rnd.predictor, rnd.target, stats.obs, flat)
    error, never = error.reshape(reward.shape), jnp.zeros(reward.shape, bool)
    stats, bonus = scale_rewards(stats, error, never, config.return_gamma)
    metrics = {
        "rnd/bonus": Mean(shards.per_shard(jnp.sum)(bonus), jnp.float32(bonus.size)),
        "rnd/weight": Mean.of(weight * rnd.left),
    }
    # The weight that is left is read here, and not in the loop of what is apart: see `_anneal`.
    reward = shards.per_shard(_with_bonus)(reward, weight * rnd.left, bonus)
    rnd, metrics["rnd/loss"] = _learn(config, net, rnd._replace(stats=stats), seen)
    return _anneal(config, rnd, experience, episode_length, max_steps), reward, metrics


def _judged(
    net: nn.Module, predictor: PyTree, target: PyTree, stats: RunningStats, flat: Array
) -> tuple[Float[Array, "batch obs"], Float[Array, "batch"]]:
    """Whitened observations, and their prediction errors."""
    seen = running_statistics.normalise(stats, flat, clip=5.0)
    return seen, prediction_error(net, predictor, target, seen)


def _with_bonus(reward: Array, weight: Scalar, bonus: Array) -> Array:
    return reward + weight * bonus


def prediction_error(
    net: nn.Module, predictor: PyTree, target: PyTree, seen: Float[Array, "batch obs"]
) -> Float[Array, "batch"]:
    """Mean squared error of the predictor over features. Source: Burda 2018, section 2.2."""
    features: Callable = jax.vmap(net.apply, in_axes=(None, 0))
    return rnd_error(features(predictor, seen), features(target, seen))


def _learn(
    config: RNDConfig, net: nn.Module, rnd: RNDState, seen: Float[Array, "batch obs"]
) -> tuple[RNDState, Mean]:
    """One Adam step per full group of observations, in order of arrival; the rest waits.

    So a step is always over `batch_size` observations, for long rollouts (PPO) and short (DQN);
    with shards over as many of each shard, by the mean of their gradients.
    """
    size, (new, width) = config.batch_size, seen.shape
    # room to cut a whole group anywhere
    queue = jnp.concatenate([rnd.waiting, jnp.zeros((size + new, width))])
    queue = jax.lax.dynamic_update_slice(queue, seen, (rnd.num_waiting, 0))
    num_groups, num_left = jnp.divmod(rnd.num_waiting + new, size)
    vector, unravel = ravel_pytree(rnd.predictor)

    def loss(vector, group):
        return jnp.mean(prediction_error(net, unravel(vector), rnd.target, group))

    def stepped(vector, gradient, opt_state):
        step, opt_state = optax.scale_by_adam().update(gradient, opt_state)
        return vector - config.learning_rate * cast(Array, step), opt_state

    def gradient_step(i, carry):
        vector, opt_state, total = carry
        group = jax.lax.dynamic_slice_in_dim(queue, i * size, size)
        found = shards.per_shard(jax.value_and_grad(loss))(vector, group)
        value, gradient = shards.mean(found)
        vector, opt_state = shards.per_shard(stepped)(vector, gradient, opt_state)
        return vector, opt_state, total + value

    vector, opt_state, total = jax.lax.fori_loop(
        0, num_groups, gradient_step, (vector, rnd.opt_state, jnp.float32(0.0))
    )
    waiting = jax.lax.dynamic_slice_in_dim(queue, num_groups * size, size)
    rnd = rnd._replace(
        predictor=unravel(vector),
        opt_state=opt_state,
        waiting=waiting,
        num_waiting=num_left.astype(jnp.int32),
    )
    return rnd, Mean(total, num_groups.astype(jnp.float32))


def _anneal(
    config: RNDConfig,
    rnd: RNDState,
    experience: Transition,
    before: Int[Array, "env"],
    max_steps: Scalar | int | Int[Array, ""],
) -> RNDState:
    """The state with the weight for the next rollout, after the episodes of all shards.

    It depends on nothing that the old weight is read for. XLA for CPUs (jaxlib 0.11.2) then wrote
    the new weight over the old one, in the carry of the updates, before a loop had read that.
    """
    if rnd.recent is None:
        return rnd
    # without a time limit `max_steps` is infinite, and 0 of it is not a number
    least = config.anneal_share * max_steps if config.anneal_share else 0.0
    bar = Steadiness(config.anneal_variance, least, config.anneal_min_episodes)
    done = experience.terminated | experience.truncated
    done, lengths = shards.gather_envs((done, episode_lengths(done, before)))
    annealed = shards.per_shard(partial(anneal_while_steady, bar=bar, factor=config.anneal))
    left, recent = annealed(rnd.left, rnd.recent, done, lengths)
    return rnd._replace(left=left, recent=recent)


def _network(config: RNDConfig, obs: Any, batch_axes: int) -> Features:
    """The network: convolutional if an observation is [height, width, channel] and large enough."""
    shape = () if isinstance(obs, dict) else getattr(obs, "shape", ())[batch_axes:]
    room = 2 * len(config.channels)  # what the convolutions take off each side
    is_image = len(shape) == 3 and min(shape[:2]) > room
    return Features(config, tuple(shape) if is_image else None)
