"""The passes of scoring with jokers, in the game's order: before scoring, played cards, held cards,
jokers in turn, after scoring."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from elsinore.worlds.balatro.rules import jokers
from elsinore.worlds.balatro.rules.boss_effects import ScoringTerms
from elsinore.worlds.balatro.rules.cards import chips_of, rank_of
from elsinore.worlds.balatro.rules.counting import effect_counts, money_counts
from elsinore.worlds.balatro.rules.hands import Hand, hand_value
from elsinore.worlds.balatro.rules.joker_rng import MOST_TRIGGERS, JokerDraws
from elsinore.worlds.balatro.rules.jokers.columns import Effects
from elsinore.worlds.balatro.rules.jokers.joker import UNCOMMON, Per
from elsinore.worlds.balatro.rules.play import Play
from elsinore.worlds.balatro.rules.triggers import trigger

_BASEBALL = jokers.joker_id("Baseball Card")
_BASEBALL_XMULT = 1.5
_MOST_HELD_TRIGGERS = 2  # with Mime


class Totals(NamedTuple):
    """Running totals of a hand."""

    chips: Float[Array, ""]
    mult: Float[Array, ""]
    money: Int[Array, ""]
    counters: Float[Array, "joker"]


def before_scoring(
    play: Play, hand: Hand, terms: ScoringTerms, effects: Effects, known: dict[Per, Array]
) -> Totals:
    """The base value, and the counters that change before scoring."""
    chips, mult = hand_value(hand.type, terms.level)
    chips = jnp.where(terms.halved, (chips + 1) >> 1, chips)
    mult = jnp.where(terms.halved, jnp.maximum((mult + 1) >> 1, 1), mult)
    number = effect_counts(
        effects.before.per, known | money_counts(terms.money), play.joker_state, play.joker_sell
    )
    kept = jnp.where(effects.before.or_reset & (number == 0), 0.0, play.joker_state)
    return Totals(
        jnp.float32(chips), jnp.float32(mult), terms.money, kept + effects.before.by * number
    )


def played_cards(
    totals: Totals,
    cards: Int[Array, "5"],
    flags: Int[Array, "5"],
    effects: Effects,
    draws: JokerDraws,
) -> Totals:
    """Score each card from left to right: its chips, then the jokers that match it."""
    worth = chips_of(rank_of(cards))
    given = trigger(totals.mult, flags, worth, effects.card, MOST_TRIGGERS, draws.triggers)
    return Totals(
        chips=totals.chips + (given.times * worth).sum() + given.chips,
        mult=given.mult,
        money=totals.money + given.dollars,
        counters=totals.counters + given.growth,
    )


def held_cards(
    totals: Totals, cards: Int[Array, "8"], flags: Int[Array, "8"], effects: Effects
) -> Totals:
    """Trigger each card held in hand, which has no chips."""
    given = trigger(totals.mult, flags, chips_of(rank_of(cards)), effects.card, _MOST_HELD_TRIGGERS)
    return totals._replace(mult=given.mult)


def jokers_in_turn(
    totals: Totals, effects: Effects, number: Float[Array, "joker"], play: Play, terms: ScoringTerms
) -> Totals:
    """Apply each joker from left to right with its multiplier; after an uncommon one, every
    Baseball Card."""
    uncommon = jnp.asarray(jokers.RARITY)[play.joker_ids] == UNCOMMON
    baseball = jnp.prod(jnp.where(terms.jokers == _BASEBALL, _BASEBALL_XMULT, 1.0))
    added = effects.hand.mult * number
    factor = (1 + (effects.hand.xmult - 1) * number) * jnp.where(uncommon, baseball, 1.0)
    mult = totals.mult
    for joker in range(len(factor)):
        mult = (mult + added[joker]) * factor[joker]
    return totals._replace(chips=totals.chips + (effects.hand.chips * number).sum(), mult=mult)


def after_scoring(
    counters: Float[Array, "joker"], effects: Effects, ids: Int[Array, "joker"]
) -> tuple[Array, Array]:
    """Counters after the effect of every hand, and True for slots that keep their joker."""
    counters = counters + effects.after
    alive = (ids != 0) & ~((effects.after < 0) & (counters <= 0))
    return jnp.where(alive, counters, 0.0), alive
