"""Networks for Hamlet with `observation: places`: attention over the places.

Which place to go to depends on the meters, and the way there on its position. A dense layer over
all inputs learns the second anew for each place; here the meters put weights on the places
(attention: Bahdanau 2014, arXiv:1409.0473), and the next layers read the weighted features.

    algo.network.custom: elsinore.worlds.hamlet.nets:PlacesActorCritic      sees every place
    algo.network.custom: elsinore.worlds.hamlet.nets:MappingActorCritic     remembers those seen
"""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from elsinore.nets.actor_critic import OutputsAndValue, actor_critic_heads
from elsinore.nets.encoders import MLP, dense

SEEN, COLUMN, ROW = range(3)  # columns of a place


class PlacesEncoder(nn.Module):
    """Features of the agent's own state, of the place it is at, and of the places it attends to."""

    hidden: Sequence[int] = (128, 128)
    heads: int = 4  # sets of weights over the places
    activation: str = "relu"

    @nn.compact
    def __call__(
        self, own: Float[Array, "own"], places: Float[Array, "place 3"]
    ) -> Float[Array, "features"]:
        seen = places[:, SEEN]
        # own begins with the column and the row, as places do
        offset = (places[:, COLUMN:] - own[:2]) * seen[:, None]
        here = seen * (jnp.abs(offset).sum(axis=1) < 1e-3)
        looks = jnp.concatenate(
            [places[:, :1], here[:, None], offset, jnp.sign(jnp.round(offset, 3)), jnp.abs(offset)],
            axis=1,
        )
        state = jnp.concatenate([own, here])
        wanted = dense(self.heads * len(places), 1.0)(
            MLP((self.hidden[0],), self.activation)(state)
        )
        wanted = wanted.reshape(self.heads, -1) + dense(self.heads, 1.0)(looks).T
        # Not `softmax`: XLA compiles the divisions of its gradient to products with the reciprocal
        # on one device, and only one of them on several, where seeds then differ by rounding.
        log_weights = jax.nn.log_softmax(jnp.where(seen > 0, wanted, -1e9), axis=1)
        weights = jnp.exp(log_weights) * seen
        return MLP(self.hidden, self.activation)(
            jnp.concatenate([state, (weights @ looks).ravel(), weights.ravel()])
        )


class PlacesActorCritic(nn.Module):
    """Policy and critic, each with its own encoder."""

    num_outputs: int
    hidden: Sequence[int] = (128, 128)
    continuous: bool = False

    @nn.compact
    def __call__(self, obs: Mapping[str, Array]) -> OutputsAndValue:
        actor, critic = (PlacesEncoder(self.hidden)(obs["own"], obs["places"]) for _ in range(2))
        return actor_critic_heads(self, actor, critic)


class MappingActorCritic(nn.Module):
    """Recurrent actor-critic for partial views: it remembers each seen place and its position.

    A gated recurrent unit (Cho 2014, arXiv:1406.1078) keeps what else it learns to remember, such
    as failed searches.
    """

    num_outputs: int
    num_places: int = 14
    hidden: Sequence[int] = (128, 128)
    width: int = 32  # of the recurrent unit
    continuous: bool = False

    def initial_carry(self) -> tuple[Float[Array, "place 3"], Float[Array, "width"]]:
        """No place seen, and a zero recurrent state."""
        return jnp.zeros((self.num_places, 3)), jnp.zeros(self.width)

    @nn.compact
    def __call__(self, carry: tuple, obs: Mapping[str, Array]) -> tuple[tuple, OutputsAndValue]:
        known, state = carry
        known = jnp.where(obs["places"][:, :1] > 0, obs["places"], known)
        state, recalled = nn.GRUCell(self.width)(
            state, jnp.concatenate([obs["own"], obs["places"][:, SEEN]])
        )
        own = jnp.concatenate([obs["own"], recalled])
        actor, critic = (PlacesEncoder(self.hidden)(own, known) for _ in range(2))
        return (known, state), actor_critic_heads(self, actor, critic)
