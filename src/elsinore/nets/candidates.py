"""A network for Cache-trace with `decide: sampled`: one judgement, made of each candidate and of the newcomer alike.

What an entry's age or count means depends on the others': a hundred requests are long for a cache of sixteen and an
instant for one of a thousand. So each is also shown by how it differs from the mean of all, and what is learnt at one
capacity holds at another.
"""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from elsinore.nets.actor_critic import Answer
from elsinore.nets.encoders import dense

SIZE, SEEN, SINCE, _, CLASS = range(5)  # of the newcomer, among the globals (see envs/cache/trace/features.py)
ONE_USE = np.log(2.0) / 8.0  # the `freq` of what is stored now


class CandidateScorer(nn.Module):
    """`num_outputs` - 1 candidates and, last, the newcomer: how well each could be done without.

    `algo.network.custom: elsinore.nets.candidates:CandidateScorer` asks for it.
    """

    num_outputs: int
    hidden: Sequence[int] = (64, 32)

    @nn.compact
    def __call__(self, obs: Mapping[str, Array]) -> Answer:
        rows = jnp.concatenate([obs["candidates"], newcomer(obs["globals"])[None]])
        weight = obs["action_mask"] / jnp.sum(obs["action_mask"])
        differs = rows - weight @ rows
        is_newcomer = (jnp.arange(len(rows)) == len(rows) - 1)[:, None]
        around = jnp.broadcast_to(obs["globals"], (len(rows), obs["globals"].size))
        x = jnp.concatenate([4.0 * rows, 12.0 * differs, is_newcomer, 4.0 * around], axis=1)
        for width in self.hidden:
            x = nn.relu(dense(width, np.sqrt(2))(x))
        score = dense(1, 0.01, name="score")(x)[:, 0]
        return score, dense(1, 1.0, name="value")(weight @ x)[0]


def newcomer(globals_: Float[Array, "12"]) -> Float[Array, "8"]:
    """The pending object as an entry would be seen that was stored this instant."""
    seen = jnp.log1p(jnp.exp(12.0 * globals_[SEEN])) / 12.0
    none, rest = jnp.zeros(()), (globals_[SIZE], seen, globals_[SINCE], globals_[CLASS])
    return jnp.stack([none, none, jnp.full((), ONE_USE), *rest, jnp.ones(())])
