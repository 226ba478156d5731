"""Actor and critics of continuous actions, as flax modules of one observation each."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from elsinore.nets.actor_critic import OutputsAndValue
from elsinore.nets.encoders import dense
from elsinore.nets.initialisation import initialise


class Actor(nn.Module):
    """Outputs for a distribution or an action; its value is 0, since the critics have values."""

    encoder: Callable[[], nn.Module]
    num_outputs: int

    @nn.compact
    def __call__(self, obs: PyTree) -> OutputsAndValue:
        # the small gain of `ActorCritic`: the first actions are near the middle
        outputs = dense(self.num_outputs, 0.01, name="policy")(self.encoder()(obs))
        return outputs, jnp.float32(0.0)


class Critics(nn.Module):
    """Q(s, a) by several critics that share nothing."""

    encoder: Callable[[], nn.Module] | None  # of the observation alone; None: the trunk reads it
    trunk: Callable[[], nn.Module]  # of the observation, or of its features, and the action
    number: int

    @nn.compact
    def __call__(self, obs: PyTree, action: Float[Array, "action"]) -> Float[Array, "critic"]:
        each = []
        for i in range(self.number):
            seen = obs if self.encoder is None else self.encoder()(obs)
            features = self.trunk()({"action": action, "obs": seen})
            each.append(dense(1, 1.0, name=f"q_{i}")(features)[0])
        return jnp.stack(each)


class ValueCritics(NamedTuple):
    """`Critics` as functions of parameters.

    `init(key, obs, action) -> params`, for one observation and action. `q(params, obs, action) ->
    [critic, batch]`, for batches of both.
    """

    init: Callable[[Key[Array, ""], PyTree, Float[Array, "action"]], PyTree]
    q: Callable[[PyTree, PyTree, Float[Array, "batch action"]], Float[Array, "critic batch"]]


def critics_of(module: Critics) -> ValueCritics:
    """The functions of a module."""
    return ValueCritics(
        init=lambda key, obs, action: initialise(module, key, obs, action),
        q=jax.vmap(module.apply, in_axes=(None, 0, 0), out_axes=1),
    )
