"""Played hands: one with chosen fields, and random ones for hypothesis."""

import numpy as np
from hypothesis import strategies as st

from elsinore.worlds.balatro.rules.bosses import NUM_BOSSES
from elsinore.worlds.balatro.rules.cards import RANKS
from elsinore.worlds.balatro.rules.hands import NUM_HANDS
from elsinore.worlds.balatro.rules.jokers import NUM_JOKERS, START, joker_id
from elsinore.worlds.balatro.rules.play import Play


def cards(text, slots):
    """Card ids from text such as "10h As", padded with empty slots."""
    ids = ["shcd".index(name[-1]) * 13 + RANKS.index(name[:-1]) for name in text.split()]
    return np.array(ids + [-1] * (slots - len(ids)), np.int8)


def a_play(played="Ks", held="", jokers=(), counters=None, **changes):
    """A hand at level 1 without boss or money in the middle of a round; `jokers` are names."""
    ids = [joker_id(name) for name in jokers] + [0] * (5 - len(jokers))
    calm = dict(
        played=cards(played, 5),
        held=cards(held, 8),
        levels=np.ones(12, np.int32),
        joker_ids=np.array(ids, np.int8),
        joker_state=np.float32([START[one] for one in ids] if counters is None else counters),
        joker_sell=np.zeros(5, np.int32),
        money=np.int32(0),
        hands_left=np.int32(2),
        discards_left=np.int32(2),
        deck_left=np.int32(40),
        ancient_suit=np.int32(-1),
        plays_run=np.zeros(12, np.int32),
        plays_round=np.zeros(12, np.int32),
        boss_id=np.int32(0),
        played_this_ante=np.zeros(52, bool),
        eye_used=np.zeros(12, bool),
        mouth_type=np.int32(-1),
        ox_type=np.int32(-1),
        disabled_joker=np.int32(-1),
    )
    return Play(
        **(calm | {name: np.asarray(value, calm[name].dtype) for name, value in changes.items()})
    )


# they count from 1
FACTORS = [joker_id(name) for name in ("Hit the Road", "Constellation", "Campfire", "Ramen")]


def in_order(ids):
    """Table order: rank descending, then suit ascending."""
    return sorted(ids, key=lambda card: (-(card % 13), card // 13))


@st.composite
def any_cards(draw, most):
    """Random cards of few ranks and suits."""
    low, suits = draw(st.integers(0, 12)), draw(st.integers(1, 4))
    high = draw(st.integers(low, 12))
    card = st.builds(
        lambda rank, suit: 13 * suit + rank, st.integers(low, high), st.integers(0, suits - 1)
    )
    ids = in_order(draw(st.lists(card, min_size=most == 5, max_size=most)))
    return ids + [-1] * (most - len(ids))


@st.composite
def any_play(draw):
    """Random inputs of scoring, with any jokers and any boss."""
    small, per_type = (
        st.integers(0, 4),
        st.lists(st.integers(0, 3), min_size=NUM_HANDS, max_size=NUM_HANDS),
    )
    ids = draw(st.lists(st.integers(1, NUM_JOKERS - 1), max_size=5, unique=True))
    ids += [0] * (5 - len(ids))
    quarters = [draw(st.integers(1, 30)) if one else 0 for one in ids]
    return a_play()._replace(
        played=np.int8(draw(any_cards(5))),
        held=np.int8(draw(any_cards(8))),
        joker_ids=np.int8(ids),
        joker_state=np.float32(
            [1 + n / 4 if one in FACTORS else n for one, n in zip(ids, quarters, strict=True)]
        ),
        joker_sell=np.int32([draw(st.integers(1, 9)) if one else 0 for one in ids]),
        levels=np.int32(draw(per_type)) + 1,
        money=np.int32(draw(st.integers(-20, 60))),
        hands_left=np.int32(draw(small)),
        discards_left=np.int32(draw(small)),
        deck_left=np.int32(draw(st.integers(0, 44))),
        ancient_suit=np.int32(draw(st.integers(-1, 3))),
        plays_run=np.int32(draw(per_type)),
        plays_round=np.int32(draw(per_type)),
        boss_id=np.int32(draw(st.integers(0, NUM_BOSSES - 1))),
        played_this_ante=np.random.default_rng(draw(st.integers(0, 9))).random(52) < 0.5,
        eye_used=np.int32(draw(per_type)) > 1,
        mouth_type=np.int32(draw(st.integers(-1, 5))),
        ox_type=np.int32(draw(st.integers(-1, 5))),
        disabled_joker=np.int32(draw(st.integers(-1, 4))),
    )
