"""Triggers of cards: each card triggers once or more, and each trigger sets off matching jokers.

All effects on mult are affine, `m -> factor * m + gain`, so those of one trigger are composed to
one map. That changes only the rounding of floats.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.jaxtools.barrier import barrier
from elsinore.worlds.balatro.rules import card_flags
from elsinore.worlds.balatro.rules.jokers.joker import CardEffect


class TriggerTotals(NamedTuple):
    """The summed results of the triggers of some cards."""

    times: Int[Array, "card"]  # triggers of each card
    chips: Int[Array, ""]  # added by jokers
    mult: Float[Array, ""]  # afterwards
    dollars: Int[Array, ""]
    growth: Int[Array, "joker"]  # of the jokers' counters


def trigger(
    mult: Float[Array, ""],
    flags: Int[Array, "card"],
    card_chips: Int[Array, "card"],
    effects: CardEffect,
    most: int,
    draws: Bool[Array, "joker card trigger"] | None = None,
) -> TriggerTotals:
    """Trigger cards from left to right; those without flags have no effect.

    `most` bounds the triggers of a card; `draws` are the effects of chance that occur (None: none).
    """
    matches = (effects.marks[:, None] & flags) != 0
    times = (flags != 0) * (1 + (matches * effects.retriggers[:, None]).sum(axis=0))
    happens = (matches & ~effects.half_the_time[:, None])[..., None]
    if draws is not None:
        happens |= matches[..., None] & draws
    takes_place = jnp.arange(most) < times[:, None]  # [card, trigger]
    number = (happens & takes_place).sum(axis=(1, 2))
    factor, gain = _maps(happens, _mult_added(effects, flags, card_chips), effects.xmult)
    return TriggerTotals(
        times=times,
        chips=(number * effects.chips).sum(),
        mult=_apply(mult, jnp.where(takes_place, factor, 1.0), jnp.where(takes_place, gain, 0.0)),
        dollars=(number * effects.dollars).sum(),
        growth=number * effects.growth,
    )


def _mult_added(
    effects: CardEffect, flags: Int[Array, "card"], card_chips: Int[Array, "card"]
) -> Int[Array, "joker card"]:
    """Mult added by each joker at each card; at the lowest held card, times its chips."""
    each_chip = effects.marks[:, None] & flags & card_flags.HELD_LOWEST != 0
    return effects.mult[:, None] * jnp.where(each_chip, card_chips, 1)


def _maps(
    happens: Bool[Array, "joker card _"],
    added: Int[Array, "joker card"],
    xmult: Float[Array, "joker"],
) -> tuple[Float[Array, "card _"], Float[Array, "card _"]]:
    """Factor and gain of each trigger: jokers from left to right, each adds before it multiplies.

    Without effects of chance all triggers of a card are equal, and the last axis is 1.
    """
    factor, gain = jnp.float32(1), jnp.float32(0)
    for joker in range(len(xmult)):
        multiplied = jnp.where(happens[joker], xmult[joker], 1.0)
        gain = (gain + jnp.where(happens[joker], added[joker][:, None], 0)) * multiplied
        factor = factor * multiplied
    return factor, gain


def _apply(
    mult: Float[Array, ""], factor: Float[Array, "card trigger"], gain: Float[Array, "card trigger"]
) -> Float[Array, ""]:
    """Mult after all maps in order; triggers that do not take place are the identity."""
    factor, gain = barrier((factor, gain))
    for card in range(factor.shape[0]):
        for trigger in range(factor.shape[1]):
            mult = factor[card, trigger] * mult + gain[card, trigger]
    return mult
