"""A head over subsets of a hand that shares weights between subsets.

    logit(S) = sum over the slots in S of w[slot] + c[size of S] (+ u[type of S] + p . score terms
    of S, if played)

With separate weights for each of the 218 subsets, rarely chosen ones would be rarely trained.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from elsinore.nets.encoders import dense
from elsinore.worlds.balatro.actions import MOST_CARDS, NUM_SUBSETS
from elsinore.worlds.balatro.nets.hands import (
    INCIDENCE,
    NUM_TYPES,
    SUBSET_SIZE,
    hand_types,
)

_BY_SLOT = INCIDENCE.T  # [slot, subset]
_BY_SIZE = (np.arange(1, MOST_CARDS + 1)[:, None] == SUBSET_SIZE).astype(
    np.float32
)  # [size, subset]


class SubsetHead(nn.Module):
    """Outputs for playing each subset, for discarding each, and for the other actions."""

    num_outputs: int
    scale: float  # of the weights: small for the logits of a policy, 1 for values
    width: int = 32

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "features"],
        hand: Int[Array, "slot"],
        cards: Float[Array, "slot seen"],
        scores: Float[Array, "subset term"] | None,
    ) -> Float[Array, "outputs"]:
        """`cards` are the features of each card, `scores` the score terms of each subset."""
        context = dense(self.width, np.sqrt(2), name="context")(features)
        slots = nn.relu(dense(self.width, np.sqrt(2), name="cards")(cards) + context)
        by_slot = dense(2, self.scale, name="slots")(slots)  # [slot, play or discard]
        by_size = dense(2 * MOST_CARDS, self.scale, name="sizes")(features).reshape(2, MOST_CARDS)
        by_type = dense(NUM_TYPES, self.scale, name="types")(features)
        plays, discards = by_slot.T @ _BY_SLOT + by_size @ _BY_SIZE
        plays += by_type[hand_types(hand)]
        if scores is not None:
            plays += scores @ dense(scores.shape[1], self.scale, name="scores")(features)
        others = dense(self.num_outputs - 2 * NUM_SUBSETS, self.scale, name="others")(features)
        return jnp.concatenate([plays, discards, others])
