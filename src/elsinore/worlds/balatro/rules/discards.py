"""Effects of a discard on jokers, money and levels."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.jaxtools.barrier import barrier
from elsinore.worlds.balatro.rules import card_flags
from elsinore.worlds.balatro.rules.cards import EMPTY, JACK
from elsinore.worlds.balatro.rules.hands import NUM_HANDS, classify
from elsinore.worlds.balatro.rules.jokers import joker_id

_GREEN, _HIT_THE_ROAD, _RAMEN, _FACELESS, _BURNT = (
    joker_id(name)
    for name in ("Green Joker", "Hit the Road", "Ramen", "Faceless Joker", "Burnt Joker")
)
_FACELESS_FACES, _FACELESS_DOLLARS = 3, 5


class DiscardResult(NamedTuple):
    """The results of a discard."""

    type: Int[Array, ""]  # of the hand that the discarded cards would have made
    money: Int[Array, ""]
    levels: Int[Array, "12"]
    joker_state: Float[Array, "5"]
    joker_alive: Bool[Array, "5"]  # by their slots before


def discard_effects(
    cards: Int[Array, "5"],
    debuffed: Bool[Array, "5"],
    discards_used: Int[Array, ""],  # this round, before this one
    money: Int[Array, ""],
    levels: Int[Array, "12"],
    joker_ids: Int[Array, "5"],
    joker_state: Float[Array, "5"],
) -> DiscardResult:
    """Discard one to five cards (-1: empty slot) by choice, not by The Hook."""
    kind = barrier(classify(cards)).type
    seen = jnp.where((cards != EMPTY) & ~debuffed, card_flags.of_card(cards), 0)
    faces = ((seen & card_flags.FACES) != 0).sum()
    faceless = (joker_ids == _FACELESS).sum() * (faces >= _FACELESS_FACES)
    ups = (joker_ids == _BURNT).sum() * (discards_used == 0)
    state = _counters(
        joker_ids,
        joker_state,
        (cards != EMPTY).sum(),
        ((seen & card_flags.rank_mask(JACK)) != 0).sum(),
    )
    alive = (joker_ids != 0) & ~((joker_ids == _RAMEN) & (state <= 1))
    return DiscardResult(
        type=kind,
        money=money + _FACELESS_DOLLARS * faceless,
        levels=levels + ups * (jnp.arange(NUM_HANDS) == kind),
        joker_state=jnp.where(alive, state, 0.0),
        joker_alive=alive,
    )


def _counters(
    ids: Int[Array, "5"],
    state: Float[Array, "5"],
    num_cards: Int[Array, ""],
    num_jacks: Int[Array, ""],
) -> Float[Array, "5"]:
    """The counters after a discard, in integer hundredths, so that Ramen lasts exactly 100
    cards."""
    hundredths = jnp.round(100 * state).astype(jnp.int32)
    hundredths += jnp.where(ids == _GREEN, -jnp.minimum(hundredths, 100), 0)
    hundredths += jnp.where(ids == _HIT_THE_ROAD, 50 * num_jacks, 0)
    hundredths -= jnp.where(ids == _RAMEN, num_cards, 0)
    return jnp.float32(hundredths) / 100
