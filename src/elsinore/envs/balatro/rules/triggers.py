"""The pass over cards: each one triggers, perhaps more than once, and each joker that looks for it answers.

Mult only ever goes through maps `m -> factor * m + gain`, so the answers to one trigger are folded into one such map.
Folding changes nothing but the rounding of floats.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.balatro.rules import marks
from elsinore.envs.balatro.rules.jokers.joker import Card
from elsinore.ops.once import once


class Pass(NamedTuple):
    """What came of the triggers of some cards."""

    times: Int[Array, "card"]  # that each card triggered
    chips: Int[Array, ""]  # that jokers added
    mult: Float[Array, ""]  # afterwards
    dollars: Int[Array, ""]
    growth: Int[Array, "joker"]  # of the counters of jokers


def trigger(
    mult: Float[Array, ""],
    card_marks: Int[Array, "card"],
    card_chips: Int[Array, "card"],
    effects: Card,
    most: int,
    luck: Bool[Array, "joker card trigger"] | None = None,
) -> Pass:
    """Trigger cards from left to right; those without marks do not act.

    `most` is the most triggers that a card can have; `luck` tells which effects of chance come true (None: none).
    """
    answers = (effects.marks[:, None] & card_marks) != 0
    times = (card_marks != 0) * (1 + (answers * effects.retriggers[:, None]).sum(axis=0))
    happens = (answers & ~effects.half_the_time[:, None])[..., None]
    if luck is not None:
        happens |= answers[..., None] & luck
    takes_place = jnp.arange(most) < times[:, None]  # [card, trigger]
    number = (happens & takes_place).sum(axis=(1, 2))
    factor, gain = _maps(happens, _mult_added(effects, card_marks, card_chips), effects.xmult)
    return Pass(
        times=times,
        chips=(number * effects.chips).sum(),
        mult=_through(mult, jnp.where(takes_place, factor, 1.0), jnp.where(takes_place, gain, 0.0)),
        dollars=(number * effects.dollars).sum(),
        growth=number * effects.growth,
    )


def _mult_added(effects: Card, card_marks: Int[Array, "card"], card_chips: Int[Array, "card"]) -> Array:
    """Mult that each joker adds at each card. At the lowest held card it is for each of the card's chips."""
    each_chip = effects.marks[:, None] & card_marks & marks.HELD_LOWEST != 0
    return effects.mult[:, None] * jnp.where(each_chip, card_chips, 1)


def _maps(happens: Bool[Array, "joker card _"], added: Int[Array, "joker card"], xmult: Float[Array, "joker"]):
    """Factor and gain of each trigger: the jokers from left to right, each adding before it multiplies.

    Without chance all triggers of a card are alike, and the last axis is 1.
    """
    factor, gain = jnp.float32(1), jnp.float32(0)
    for joker in range(len(xmult)):
        multiplied = jnp.where(happens[joker], xmult[joker], 1.0)
        gain = (gain + jnp.where(happens[joker], added[joker][:, None], 0)) * multiplied
        factor = factor * multiplied
    return factor, gain


def _through(mult: Float[Array, ""], factor: Float[Array, "card trigger"], gain: Float[Array, "card trigger"]) -> Array:
    """Mult after every map in order; that of a trigger which does not take place changes nothing."""
    factor, gain = once((factor, gain))
    for card in range(factor.shape[0]):
        for trigger in range(factor.shape[1]):
            mult = factor[card, trigger] * mult + gain[card, trigger]
    return mult
