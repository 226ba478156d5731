"""A head for choosing some cards of a hand: what is learnt of one card and one poker hand serves every choice of cards.

    logit(S) = sum over the slots in S of w[slot] + c[size of S] (+ u[type of S] + p . what S would score, if played)

Where 218 choices would each have weights of their own, a choice that is seldom made would be learnt seldom.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from elsinore.nets.encoders import dense
from elsinore.nets.hands import INCIDENCE, MOST, NUM_SUBSETS, NUM_TYPES, SIZE, hand_types

_BY_SLOT = INCIDENCE.T  # [slot, subset]
_BY_SIZE = (np.arange(1, MOST + 1)[:, None] == SIZE).astype(np.float32)  # [size, subset]


class SubsetHead(nn.Module):
    """Numbers for playing each choice of cards, for discarding each, and for each of the other actions."""

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
        """`cards` is what is seen of each card, `scores` what each choice would score if that is shown."""
        context = dense(self.width, np.sqrt(2), name="context")(features)
        slots = nn.relu(dense(self.width, np.sqrt(2), name="cards")(cards) + context)
        by_slot = dense(2, self.scale, name="slots")(slots)  # [slot, play or discard]
        by_size = dense(2 * MOST, self.scale, name="sizes")(features).reshape(2, MOST)
        by_type = dense(NUM_TYPES, self.scale, name="types")(features)
        plays, discards = by_slot.T @ _BY_SLOT + by_size @ _BY_SIZE
        plays += by_type[hand_types(hand)]
        if scores is not None:
            plays += scores @ dense(scores.shape[1], self.scale, name="scores")(features)
        others = dense(self.num_outputs - 2 * NUM_SUBSETS, self.scale, name="others")(features)
        return jnp.concatenate([plays, discards, others])
