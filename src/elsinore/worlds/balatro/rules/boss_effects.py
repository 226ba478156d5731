"""Effects of the boss on the scoring of a hand."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from elsinore.worlds.balatro.rules import bosses
from elsinore.worlds.balatro.rules.cards import EMPTY
from elsinore.worlds.balatro.rules.hands import Hand
from elsinore.worlds.balatro.rules.play import Play


class ScoringTerms(NamedTuple):
    """Inputs of scoring that a boss can change."""

    blocked: Bool[Array, ""]  # the hand scores nothing
    halved: Bool[Array, ""]  # the base value is halved
    played_debuffed: Bool[Array, "5"]
    held_debuffed: Bool[Array, "8"]
    level: Int[Array, ""]  # of the played type
    money: Int[Array, ""]
    jokers: Int[Array, "5"]  # ids, 0 where disabled


def terms_without_boss(play: Play, hand: Hand) -> ScoringTerms:
    """Terms without a boss."""
    return ScoringTerms(
        blocked=jnp.bool_(False),
        halved=jnp.bool_(False),
        played_debuffed=jnp.zeros(play.played.shape, bool),
        held_debuffed=jnp.zeros(play.held.shape, bool),
        level=play.levels[hand.type].astype(jnp.int32),
        money=jnp.asarray(play.money, jnp.int32),
        jokers=play.joker_ids.astype(jnp.int32),
    )


def terms_with_boss(play: Play, hand: Hand) -> ScoringTerms:
    """Terms with the boss of `play`, which may be none."""
    free = terms_without_boss(play, hand)
    num_played = (play.played != EMPTY).sum()
    paid = free.money - jnp.where(play.boss_id == bosses.THE_TOOTH, num_played, 0)
    slots = jnp.arange(len(play.joker_ids))
    return ScoringTerms(
        blocked=bosses.blocked(play.boss_id, num_played, hand.type, play.eye_used, play.mouth_type),
        halved=play.boss_id == bosses.THE_FLINT,
        played_debuffed=bosses.debuffed(play.played, play.boss_id, play.played_this_ante),
        held_debuffed=bosses.debuffed(play.held, play.boss_id, play.played_this_ante),
        level=jnp.where(play.boss_id == bosses.THE_ARM, jnp.maximum(free.level - 1, 1), free.level),
        money=jnp.where(hand.type == play.ox_type, 0, paid),
        jokers=jnp.where(slots == play.disabled_joker, 0, free.jokers),
    )
