"""The passes of scoring with jokers, in the game's order: before, played cards, held cards, jokers in turn, after."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from elsinore.envs.balatro.rules import jokers
from elsinore.envs.balatro.rules.cards import chips_of, rank_of
from elsinore.envs.balatro.rules.counting import counts, purse
from elsinore.envs.balatro.rules.hands import Hand, hand_value
from elsinore.envs.balatro.rules.jokers.columns import Effects
from elsinore.envs.balatro.rules.jokers.joker import UNCOMMON, Per
from elsinore.envs.balatro.rules.luck import MOST_TRIGGERS, Luck
from elsinore.envs.balatro.rules.meddling import Terms
from elsinore.envs.balatro.rules.play import Play
from elsinore.envs.balatro.rules.triggers import trigger

_BASEBALL = jokers.joker_id("Baseball Card")
_BASEBALL_XMULT = 1.5
_MOST_HELD_TRIGGERS = 2  # with Mime


class Tally(NamedTuple):
    """What a hand has come to so far."""

    chips: Float[Array, ""]
    mult: Float[Array, ""]
    money: Int[Array, ""]
    counters: Float[Array, "joker"]


def before(play: Play, hand: Hand, terms: Terms, effects: Effects, known: dict[Per, Array]) -> Tally:
    """The base value, and the counters that grow before a hand."""
    chips, mult = hand_value(hand.type, terms.level)
    chips = jnp.where(terms.halved, (chips + 1) >> 1, chips)
    mult = jnp.where(terms.halved, jnp.maximum((mult + 1) >> 1, 1), mult)
    number = counts(effects.before.per, known | purse(terms.money), play.joker_state, play.joker_sell)
    kept = jnp.where(effects.before.or_reset & (number == 0), 0.0, play.joker_state)
    return Tally(jnp.float32(chips), jnp.float32(mult), terms.money, kept + effects.before.by * number)


def played_cards(
    tally: Tally, cards: Int[Array, "5"], card_marks: Int[Array, "5"], effects: Effects, luck: Luck
) -> Tally:
    """Each scoring card from left to right: its chips, then the jokers that look for it."""
    worth = chips_of(rank_of(cards))
    given = trigger(tally.mult, card_marks, worth, effects.card, MOST_TRIGGERS, luck.triggers)
    return Tally(
        chips=tally.chips + (given.times * worth).sum() + given.chips,
        mult=given.mult,
        money=tally.money + given.dollars,
        counters=tally.counters + given.growth,
    )


def held_cards(tally: Tally, cards: Int[Array, "8"], card_marks: Int[Array, "8"], effects: Effects) -> Tally:
    """Each card held in hand, which gives nothing of its own."""
    given = trigger(tally.mult, card_marks, chips_of(rank_of(cards)), effects.card, _MOST_HELD_TRIGGERS)
    return tally._replace(mult=given.mult)


def jokers_in_turn(tally: Tally, effects: Effects, number: Float[Array, "joker"], play: Play, terms: Terms) -> Tally:
    """Each joker's own step from left to right, `number` times; after an uncommon one, every Baseball Card's."""
    uncommon = jnp.asarray(jokers.RARITY)[play.joker_ids] == UNCOMMON
    baseball = jnp.prod(jnp.where(terms.jokers == _BASEBALL, _BASEBALL_XMULT, 1.0))
    added = effects.hand.mult * number
    factor = (1 + (effects.hand.xmult - 1) * number) * jnp.where(uncommon, baseball, 1.0)
    mult = tally.mult
    for joker in range(len(factor)):
        mult = (mult + added[joker]) * factor[joker]
    return tally._replace(chips=tally.chips + (effects.hand.chips * number).sum(), mult=mult)


def after(counters: Float[Array, "joker"], effects: Effects, ids: Int[Array, "joker"]) -> tuple[Array, Array]:
    """The counters, and whether each slot still holds its joker, when every hand's toll is taken."""
    counters = counters + effects.after
    alive = (ids != 0) & ~((effects.after < 0) & (counters <= 0))
    return jnp.where(alive, counters, 0.0), alive
