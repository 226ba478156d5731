"""Actor and critics of off-policy algorithms, of continuous or n actions, as flax modules of one
observation each."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from elsinore.nets.actor_critic import OutputsAndValue, state_spread
from elsinore.nets.encoders import dense
from elsinore.nets.initialisation import initialise
from elsinore.nets.reparameterised import LOG_STD


class ContinuousActor(nn.Module):
    """Outputs for a distribution or an action; its value is 0, since the critics have values."""

    encoder: Callable[[], nn.Module]
    num_outputs: int
    state_noise: bool = False  # outputs are means, then the spread of noise of the features
    initial_log_std: float = 0.0  # of that noise

    @nn.compact
    def __call__(self, obs: PyTree) -> OutputsAndValue:
        features = self.encoder()(obs)
        means = self.num_outputs // (1 + features.size) if self.state_noise else self.num_outputs
        # the small gain of `ActorCritic`: the first actions are near the middle
        outputs = dense(means, 0.01, name="policy")(features)
        if self.state_noise:
            spread = state_spread(self, features, means, LOG_STD)
            outputs = jnp.concatenate([outputs, spread])
        return outputs, jnp.float32(0.0)


class Critics(nn.Module):
    """Q(s, a) by several critics that share nothing; or `num_outputs` by each: quantiles of the
    return, or the values of n actions, where the action is ()."""

    encoder: Callable[[], nn.Module] | None  # of the observation alone; None: the trunk reads it
    trunk: Callable[[], nn.Module]  # of the observation, or of its features, and the action
    num_critics: int
    num_outputs: int = 1  # of each

    @nn.compact
    def __call__(
        self, obs: PyTree, action: Float[Array, "action"] | tuple[()]
    ) -> Float[Array, "critic"] | Float[Array, "critic output"]:
        each = []
        for i in range(self.num_critics):
            seen = obs if self.encoder is None else self.encoder()(obs)
            features = self.trunk()({"action": action, "obs": seen})
            q = dense(self.num_outputs, 1.0, name=f"q_{i}")(features)
            each.append(q[0] if self.num_outputs == 1 else q)
        return jnp.stack(each)


class ValueCritics(NamedTuple):
    """`Critics` as functions of parameters.

    `init(key, obs, action) -> params`, for one observation and action. `q(params, obs, action) ->
    [critic, batch, ...]`, for batches of both. With parameters of `with_dropout` units are dropped.
    """

    init: Callable[[Key[Array, ""], PyTree, PyTree], PyTree]
    q: Callable[[PyTree, PyTree, PyTree], Float[Array, "critic batch ..."]]


def critics_of(module: Critics) -> ValueCritics:
    """The functions of a module."""
    every = jax.vmap(module.apply, in_axes=(None, 0, 0), out_axes=1)

    def q(params: PyTree, obs: PyTree, action: PyTree) -> Float[Array, "critic batch ..."]:
        if "dropout" not in params:
            return every(params, obs, action)
        params = dict(params)
        keys = jax.random.split(params.pop("dropout"), len(jax.tree.leaves(obs)[0]))
        one = lambda key, *inputs: module.apply(params, *inputs, rngs={"dropout": key})  # noqa: E731
        return jax.vmap(one, out_axes=1)(keys, obs, action)

    return ValueCritics(lambda key, *inputs: initialise(module, key, *inputs), q)


def with_dropout(params: PyTree, key: Key[Array, ""]) -> PyTree:
    """Parameters of critics that drop units, by a draw of their own for each row of a batch."""
    return params | {"dropout": key}
