"""Network for Cache-trace with `decide: sampled`: one scorer shared by all candidates and the
newcomer.

An entry's age or count has meaning only beside the others': a hundred requests are long for a cache
of sixteen and short for one of a thousand. So each row comes with its difference from the mean of
all rows, and what is learned at one capacity holds at another.
"""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from elsinore.nets.actor_critic import OutputsAndValue
from elsinore.nets.encoders import dense

# of the newcomer, among the globals (see worlds/cache/trace/features.py)
SIZE, SEEN, SINCE, _, CLASS = range(5)
ONE_USE = np.log(2.0) / 8.0  # `freq` feature of an object stored now


class CandidateScorer(nn.Module):
    """Scores `num_outputs` - 1 candidates and, last, the newcomer: the higher, the better to evict.

    Chosen by `algo.network.custom: elsinore.worlds.cache.nets:CandidateScorer`.
    """

    num_outputs: int
    hidden: Sequence[int] = (64, 32)

    @nn.compact
    def __call__(self, obs: Mapping[str, Array]) -> OutputsAndValue:
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
    """[8]: features of the pending object, as if it had just been stored."""
    seen = jnp.log1p(jnp.exp(12.0 * globals_[SEEN])) / 12.0
    none, rest = jnp.zeros(()), (globals_[SIZE], seen, globals_[SINCE], globals_[CLASS])
    return jnp.stack([none, none, jnp.full((), ONE_USE), *rest, jnp.ones(())])
