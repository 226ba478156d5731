"""Random draws for the jokers in the scoring of one hand."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

NUM_SLOTS = 5
# of a scored card: 1, Hanging Chad 2, Hack or Sock and Buskin 1, Dusk 1, Seltzer 1
MOST_TRIGGERS = 6


class JokerDraws(NamedTuple):
    """Random numbers of the jokers of chance; the defaults mean no effect."""

    triggers: Bool[Array, "joker card trigger"] | None = None  # chance 1/2
    to_23: Int[Array, "joker"] | int = 0
    level_up: Bool[Array, "joker"] | bool = False  # chance 1/4


def draw_for_jokers(key: Key[Array, ""]) -> JokerDraws:
    """Draw all random numbers of one hand, independent for each slot."""
    trigger_key, misprint_key, space_key = jax.random.split(key, 3)
    # [card, trigger], one bit for each joker
    coins = jax.random.bits(trigger_key, (NUM_SLOTS, MOST_TRIGGERS), jnp.uint8)
    slots = jnp.arange(NUM_SLOTS, dtype=jnp.uint8)
    return JokerDraws(
        triggers=coins >> slots[:, None, None] & 1 == 1,
        to_23=jax.random.randint(misprint_key, (NUM_SLOTS,), 0, 24),
        level_up=jax.random.bernoulli(space_key, 0.25, (NUM_SLOTS,)),
    )
