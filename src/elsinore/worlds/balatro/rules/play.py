"""Inputs and outputs of scoring a played hand."""

from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float, Int, Key

_LEFT_OUT: Any = None


class Play(NamedTuple):
    """The inputs of scoring, after the cards have left the hand and `hands_left` is reduced.

    Integers may have any dtype. Fields that a stage does not read may be left out.
    """

    played: Int[Array, "5"]  # card ids in table order, -1: empty; as `held`
    levels: Int[Array, "12"]
    held: Int[Array, "8"] = _LEFT_OUT
    joker_ids: Int[Array, "5"] = _LEFT_OUT  # from left to right, 0: empty
    joker_state: Float[Array, "5"] = _LEFT_OUT  # each one's counter, 0 if it has none
    joker_sell: Int[Array, "5"] = _LEFT_OUT  # dollars
    money: Int[Array, ""] = _LEFT_OUT  # may be negative
    hands_left: Int[Array, ""] = _LEFT_OUT
    discards_left: Int[Array, ""] = _LEFT_OUT
    deck_left: Int[Array, ""] = _LEFT_OUT  # cards in the draw pile
    ancient_suit: Int[Array, ""] = _LEFT_OUT  # -1: none
    # of each type, without this hand; as `plays_round`
    plays_run: Int[Array, "12"] = _LEFT_OUT
    plays_round: Int[Array, "12"] = _LEFT_OUT
    boss_id: Int[Array, ""] = _LEFT_OUT  # index of BOSSES; 0 unless in a boss blind
    played_this_ante: Bool[Array, "52"] = _LEFT_OUT  # for The Pillar
    eye_used: Bool[Array, "12"] = _LEFT_OUT  # types The Eye saw this round
    mouth_type: Int[Array, ""] | int = -1  # the only type The Mouth allows, -1: none yet
    ox_type: Int[Array, ""] | int = -1  # the type that costs all money, -1: none
    disabled_joker: Int[Array, ""] | int = -1  # the slot that Crimson Heart disables, -1: none
    key: Key[Array, ""] = _LEFT_OUT  # for stage 4's jokers of chance; None: no effect


class ScoredHand(NamedTuple):
    """The results of scoring; fields that the stage does not change equal the inputs."""

    type: Int[Array, ""]
    scoring: Bool[Array, "5"]
    blocked: Bool[Array, ""]  # by the boss: chips, mult and score are 0
    played_debuffed: Bool[Array, "5"]
    held_debuffed: Bool[Array, "8"] | None
    chips: Float[Array, ""]
    mult: Float[Array, ""]
    score: Float[Array, ""]  # floor(chips * mult), exact below 2**24
    joker_state: Float[Array, "5"] | None
    # by their slots before; the caller removes the others
    joker_alive: Bool[Array, "5"] | None
    money: Int[Array, ""] | None
    levels: Int[Array, "12"]
