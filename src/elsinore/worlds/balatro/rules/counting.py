"""Multipliers of joker effects in a hand: a number for each `Per`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.jaxtools.barrier import barrier
from elsinore.jaxtools.integers import quotient, remainder
from elsinore.worlds.balatro.rules import card_flags, hands, jokers
from elsinore.worlds.balatro.rules.cards import EMPTY, suit_of
from elsinore.worlds.balatro.rules.hands import Hand
from elsinore.worlds.balatro.rules.jokers.joker import Per
from elsinore.worlds.balatro.rules.play import Play

_STENCIL = jokers.joker_id("Joker Stencil")
_CONTAINED = {
    Per.PAIR: hands.PAIR,
    Per.TWO_PAIR: hands.TWO_PAIR,
    Per.THREE: hands.THREE,
    Per.STRAIGHT: hands.STRAIGHT,
    Per.FLUSH: hands.FLUSH,
    Per.FOUR: hands.FOUR,
}


def effect_counts(
    per: Int[Array, "5"],
    shared: dict[Per, Array],
    counter: Float[Array, "5"],
    sell: Int[Array, "5"],
    chance: Int[Array, "5"] | int = 0,
) -> Float[Array, "5"]:
    """The multiplier of each of five jokers, `shared` by all or its own, [5]."""
    own = {
        Per.DOLLAR_OF_OTHERS: sell.sum() - sell,
        Per.COUNTER: counter,
        Per.COUNTER_ABOVE_ONE: counter - 1,
        Per.EVERY_SIXTH: remainder(counter.astype(jnp.int32), 6) == 5,
        Per.CHANCE_TO_23: chance,
    }
    count = jnp.zeros_like(counter)
    for one, value in (shared | own).items():
        count = jnp.where(per == one, value, count)
    return barrier(count)


def shared_counts(play: Play, hand: Hand, scored_flags: Int[Array, "5"]) -> dict[Per, Array]:
    """Multipliers that all jokers share, without money. `hand.scoring` includes Splash."""
    return {
        Per.ONCE: jnp.int32(1),
        **{per: hand.found >> kind & 1 for per, kind in _CONTAINED.items()},
        **_of_cards(play, hand.scoring, scored_flags),
        **_of_round(play, hand.type),
    }


def money_counts(money: Int[Array, ""]) -> dict[Per, Array]:
    """Multipliers of money, which a hand may earn while it scores; debts count 0."""
    owned = jnp.maximum(money, 0)
    return {Per.DOLLAR: owned, Per.FIVE_DOLLARS: quotient(owned, 5)}


def _of_cards(
    play: Play, scoring: Bool[Array, "5"], scored_flags: Int[Array, "5"]
) -> dict[Per, Array]:
    num_played = (play.played != EMPTY).sum()
    dark = (play.held == EMPTY) | (suit_of(play.held) & 1 == 0)
    return {
        Per.AT_MOST_THREE_PLAYED: num_played <= 3,
        Per.FOUR_PLAYED: num_played == 4,
        Per.HELD_ARE_DARK: dark.all(),
        Per.FOUR_SUITS: (
            _union(jnp.where(scoring, card_flags.of_card(play.played), 0)) & card_flags.ANY_SUIT
            == card_flags.ANY_SUIT
        ),
        Per.CLUB_AND_ANOTHER: (
            _any(scored_flags, card_flags.CLUBS)
            & _any(scored_flags, card_flags.ANY_SUIT & ~card_flags.CLUBS)
        ),
        Per.NO_FACE_SCORED: ~_any(scored_flags, card_flags.FACES),
    }


def _of_round(play: Play, kind: Int[Array, ""]) -> dict[Per, Array]:
    num_jokers = (play.joker_ids != 0).sum()
    num_stencils = (play.joker_ids == _STENCIL).sum()
    return {
        Per.NO_DISCARDS_LEFT: play.discards_left == 0,
        Per.LAST_HAND: play.hands_left == 0,
        Per.PLAYED_THIS_ROUND: play.plays_round[kind] > 0,
        Per.TIME_PLAYED: play.plays_run[kind] + 1,
        Per.DISCARD_LEFT: play.discards_left,
        Per.CARD_IN_DECK: play.deck_left,
        Per.JOKER: num_jokers,
        Per.FREE_SLOT: jnp.maximum(play.joker_ids.size - num_jokers + num_stencils - 1, 0),
    }


def _union(masks: Int[Array, "slot"]) -> Int[Array, ""]:
    return jax.lax.reduce_or(masks, (0,))


def _any(masks: Int[Array, "slot"], wanted: int) -> Bool[Array, ""]:
    """True if any card has any of the wanted flags."""
    return _union(masks) & wanted != 0
