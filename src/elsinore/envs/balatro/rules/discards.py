"""What discarding cards does to jokers, money and levels."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.balatro.rules import marks
from elsinore.envs.balatro.rules.cards import EMPTY, JACK
from elsinore.envs.balatro.rules.hands import NUM_HANDS, classify
from elsinore.envs.balatro.rules.jokers import joker_id
from elsinore.ops.once import once

_GREEN, _HIT_THE_ROAD, _RAMEN, _FACELESS, _BURNT = (
    joker_id(name) for name in ("Green Joker", "Hit the Road", "Ramen", "Faceless Joker", "Burnt Joker")
)
_FACELESS_FACES, _FACELESS_DOLLARS = 3, 5


class Discarded(NamedTuple):
    """What became of a discard."""

    type: Int[Array, ""]  # of the hand that the discarded cards would have made
    money: Int[Array, ""]
    levels: Int[Array, "12"]
    joker_state: Float[Array, "5"]
    joker_alive: Bool[Array, "5"]  # in the slots they came in


def discard(
    cards: Int[Array, "5"],
    debuffed: Bool[Array, "5"],
    discards_used: Int[Array, ""],  # this round, before this one
    money: Int[Array, ""],
    levels: Int[Array, "12"],
    joker_ids: Int[Array, "5"],
    joker_state: Float[Array, "5"],
) -> Discarded:
    """Discard one to five cards (-1 where empty), as a player does; what The Hook discards does not count."""
    kind = once(classify(cards)).type
    seen = jnp.where((cards != EMPTY) & ~debuffed, marks.of_card(cards), 0)
    faces = ((seen & marks.FACES) != 0).sum()
    faceless = (joker_ids == _FACELESS).sum() * (faces >= _FACELESS_FACES)
    ups = (joker_ids == _BURNT).sum() * (discards_used == 0)
    state = _counters(joker_ids, joker_state, (cards != EMPTY).sum(), ((seen & marks.ranks(JACK)) != 0).sum())
    alive = (joker_ids != 0) & ~((joker_ids == _RAMEN) & (state <= 1))
    return Discarded(
        type=kind,
        money=money + _FACELESS_DOLLARS * faceless,
        levels=levels + ups * (jnp.arange(NUM_HANDS) == kind),
        joker_state=jnp.where(alive, state, 0.0),
        joker_alive=alive,
    )


def _counters(
    ids: Int[Array, "5"], state: Float[Array, "5"], num_cards: Int[Array, ""], num_jacks: Int[Array, ""]
) -> Float[Array, "5"]:
    """The counters after a discard, counted in whole hundredths so that Ramen is gone after exactly 100 cards."""
    hundredths = jnp.round(100 * state).astype(jnp.int32)
    hundredths += jnp.where(ids == _GREEN, -jnp.minimum(hundredths, 100), 0)
    hundredths += jnp.where(ids == _HIT_THE_ROAD, 50 * num_jacks, 0)
    hundredths -= jnp.where(ids == _RAMEN, num_cards, 0)
    return jnp.float32(hundredths) / 100
