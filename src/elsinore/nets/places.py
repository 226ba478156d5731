"""Networks for Hamlet with `observation: places`: they look at each place by itself, and choose which ones matter.

Where to go is a matter of the meters, and how to get there one of where the place lies. A dense layer over everything
has to learn the second anew for each place; here what is wanted puts weights on the places (attention: Bahdanau 2014,
arXiv:1409.0473), and what is seen of those wanted goes on.

    algo.network.custom: elsinore.nets.places:PlacesActorCritic      sees every place
    algo.network.custom: elsinore.nets.places:MappingActorCritic     remembers those that it has seen
"""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from elsinore.nets.actor_critic import Answer, answer
from elsinore.nets.encoders import MLP, dense

SEEN, COLUMN, ROW = range(3)  # of a place


class PlacesEncoder(nn.Module):
    """Features of the own state, of what is here, and of the places that are wanted."""

    hidden: Sequence[int] = (128, 128)
    heads: int = 4  # weights over the places, so many times
    activation: str = "relu"

    @nn.compact
    def __call__(self, own: Float[Array, "own"], places: Float[Array, "place 3"]) -> Float[Array, "features"]:
        seen = places[:, SEEN]
        offset = (places[:, COLUMN:] - own[:2]) * seen[:, None]  # own begins with the column and the row, as places do
        here = seen * (jnp.abs(offset).sum(axis=1) < 1e-3)
        looks = jnp.concatenate([places[:, :1], here[:, None], offset, jnp.sign(jnp.round(offset, 3)),
                                 jnp.abs(offset)], axis=1)  # fmt: skip
        state = jnp.concatenate([own, here])
        wanted = dense(self.heads * len(places), 1.0)(MLP((self.hidden[0],), self.activation)(state))
        wanted = wanted.reshape(self.heads, -1) + dense(self.heads, 1.0)(looks).T
        weights = jax.nn.softmax(jnp.where(seen > 0, wanted, -1e9), axis=1) * seen
        return MLP(self.hidden, self.activation)(jnp.concatenate([state, (weights @ looks).ravel(), weights.ravel()]))


class PlacesActorCritic(nn.Module):
    """A policy and its critic, an encoder each."""

    num_outputs: int
    hidden: Sequence[int] = (128, 128)
    continuous: bool = False

    @nn.compact
    def __call__(self, obs: Mapping[str, Array]) -> Answer:
        actor, critic = (PlacesEncoder(self.hidden)(obs["own"], obs["places"]) for _ in range(2))
        return answer(self, actor, critic)


class MappingActorCritic(nn.Module):
    """The same for an agent that sees what is near: a place that was seen once is remembered, and where it was.

    What it looks at in vain it remembers too, as well as a gated recurrent unit (Cho 2014, arXiv:1406.1078) learns to.
    """

    num_outputs: int
    num_places: int = 14
    hidden: Sequence[int] = (128, 128)
    width: int = 32  # of the recurrent unit
    continuous: bool = False

    def initial_memory(self) -> tuple[Float[Array, "place 3"], Float[Array, "width"]]:
        """Nothing."""
        return jnp.zeros((self.num_places, 3)), jnp.zeros(self.width)

    @nn.compact
    def __call__(self, memory: tuple, obs: Mapping[str, Array]) -> tuple[tuple, Answer]:
        known, state = memory
        known = jnp.where(obs["places"][:, :1] > 0, obs["places"], known)
        state, recalled = nn.GRUCell(self.width)(state, jnp.concatenate([obs["own"], obs["places"][:, SEEN]]))
        own = jnp.concatenate([obs["own"], recalled])
        actor, critic = (PlacesEncoder(self.hidden)(own, known) for _ in range(2))
        return (known, state), answer(self, actor, critic)
