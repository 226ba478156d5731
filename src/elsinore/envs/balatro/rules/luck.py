"""All that chance decides in the scoring of one hand."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

NUM_SLOTS = 5
MOST_TRIGGERS = 6  # of a scored card: 1, Hanging Chad 2, Hack or Sock and Buskin 1, Dusk 1, Seltzer 1


class Luck(NamedTuple):
    """What the jokers of chance draw; as it stands by default, nothing."""

    triggers: Bool[Array, "joker card trigger"] | None = None  # chance 1/2
    to_23: Int[Array, "joker"] | int = 0
    level_up: Bool[Array, "joker"] | bool = False  # chance 1/4


def draw_luck(key: Key[Array, ""]) -> Luck:
    """Draw it all for one hand, for every slot apart."""
    trigger_key, misprint_key, space_key = jax.random.split(key, 3)
    coins = jax.random.bits(trigger_key, (NUM_SLOTS, MOST_TRIGGERS), jnp.uint8)  # [card, trigger], a bit a joker
    slots = jnp.arange(NUM_SLOTS, dtype=jnp.uint8)
    return Luck(
        triggers=coins >> slots[:, None, None] & 1 == 1,
        to_23=jax.random.randint(misprint_key, (NUM_SLOTS,), 0, 24),
        level_up=jax.random.bernoulli(space_key, 0.25, (NUM_SLOTS,)),
    )
