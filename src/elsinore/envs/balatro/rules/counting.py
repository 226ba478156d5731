"""How often the effects of jokers count in a hand: a number for each `Per`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.balatro.rules import hands, jokers, marks
from elsinore.envs.balatro.rules.cards import EMPTY, suit_of
from elsinore.envs.balatro.rules.hands import Hand
from elsinore.envs.balatro.rules.jokers.joker import Per
from elsinore.envs.balatro.rules.play import Play
from elsinore.ops.once import once
from elsinore.ops.whole import quotient, remainder

_STENCIL = jokers.joker_id("Joker Stencil")
_CONTAINED = {
    Per.PAIR: hands.PAIR,
    Per.TWO_PAIR: hands.TWO_PAIR,
    Per.THREE: hands.THREE,
    Per.STRAIGHT: hands.STRAIGHT,
    Per.FLUSH: hands.FLUSH,
    Per.FOUR: hands.FOUR,
}


def counts(
    per: Int[Array, "5"],
    shared: dict[Per, Array],
    counter: Float[Array, "5"],
    sell: Int[Array, "5"],
    chance: Int[Array, "5"] | int = 0,
) -> Float[Array, "5"]:
    """What each of five jokers counts: something `shared` by all, or something of its own."""
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
    return once(count)


def facts(play: Play, hand: Hand, scored_marks: Int[Array, "5"]) -> dict[Per, Array]:
    """What every joker counts alike, the money apart. The hand's `scoring` is with Splash."""
    return {
        Per.ONCE: jnp.int32(1),
        **{per: hand.found >> kind & 1 for per, kind in _CONTAINED.items()},
        **_of_cards(play, hand.scoring, scored_marks),
        **_of_round(play, hand.type),
    }


def purse(money: Int[Array, ""]) -> dict[Per, Array]:
    """What jokers count in money, which a hand may earn while it scores. Debts count nothing."""
    owned = jnp.maximum(money, 0)
    return {Per.DOLLAR: owned, Per.FIVE_DOLLARS: quotient(owned, 5)}


def _of_cards(play: Play, scoring: Bool[Array, "5"], scored_marks: Int[Array, "5"]) -> dict[Per, Array]:
    num_played = (play.played != EMPTY).sum()
    dark = (play.held == EMPTY) | (suit_of(play.held) & 1 == 0)
    return {
        Per.AT_MOST_THREE_PLAYED: num_played <= 3,
        Per.FOUR_PLAYED: num_played == 4,
        Per.HELD_ARE_DARK: dark.all(),
        Per.FOUR_SUITS: _union(jnp.where(scoring, marks.of_card(play.played), 0)) & marks.SUITS == marks.SUITS,
        Per.CLUB_AND_ANOTHER: _any(scored_marks, marks.CLUBS) & _any(scored_marks, marks.SUITS & ~marks.CLUBS),
        Per.NO_FACE_SCORED: ~_any(scored_marks, marks.FACES),
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
    """Whether any of the masks has any of the wanted marks."""
    return _union(masks) & wanted != 0
