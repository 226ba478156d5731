"""Action modes: the moves of actions, and masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.balatro.actions import ACTION_MODES, SUBSETS, TRADES, is_legal
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rules.bosses import CERULEAN_BELL
from elsinore.worlds.balatro.rules.deck import set_of, slots_of
from elsinore.worlds.balatro.rules.game import (
    BUY,
    DISCARD_CARDS,
    LEAVE,
    NO_OP,
    PLAY_CARDS,
    REROLL,
    SELL,
    SHOP,
)
from tests.worlds.balatro.games import a_game
from tests.worlds.balatro.plays import cards

HAND = "As Kh Qd 9s 7c 5h 3d 2s"
SUBSET, TOGGLE = ACTION_MODES["subset"], ACTION_MODES["toggle"]
RULES = Balatro(stage=3).rules


def slots(move):
    return [card for card in slots_of(move.cards).tolist() if card >= 0]


def test_subsets_are_ordered_by_size_and_then_by_slots():
    assert len(SUBSETS) == 218
    assert (SUBSETS[0], SUBSETS[8], SUBSETS[217]) == ((0,), (0, 1), (3, 4, 5, 6, 7))
    assert list(SUBSETS) == sorted(SUBSETS, key=lambda subset: (len(subset), subset))


@pytest.mark.parametrize(
    ("action", "kind", "chosen"),
    [
        (0, PLAY_CARDS, "As"),
        (8, PLAY_CARDS, "As Kh"),
        (217, PLAY_CARDS, "9s 7c 5h 3d 2s"),
        (218, DISCARD_CARDS, "As"),
        (435, DISCARD_CARDS, "9s 7c 5h 3d 2s"),
    ],
)
def test_an_action_plays_or_discards_the_cards_of_its_subset(action, kind, chosen):
    move, _ = SUBSET.move(a_game(HAND), jnp.int32(0), jnp.int32(action))
    assert move.kind == kind and slots(move) == cards(chosen, 5)[: len(chosen.split())].tolist()


@pytest.mark.parametrize(
    ("action", "kind", "slot"),
    [
        (436, BUY, 0),
        (439, BUY, 3),
        (440, SELL, 0),
        (444, SELL, 4),
        (445, REROLL, 0),
        (446, LEAVE, 0),
    ],
)
def test_the_last_twelve_actions_are_trades(action, kind, slot):
    assert TRADES[action - 436] == (kind, slot)
    move, _ = SUBSET.move(a_game(HAND), jnp.int32(0), jnp.int32(action))
    assert (move.kind, move.slot) == (kind, slot)


def test_only_filled_slots_can_be_selected():
    mask = SUBSET.mask(a_game("As Kh Qd"), jnp.int32(0), RULES)
    legal = [max(subset) < 3 for subset in SUBSETS]
    np.testing.assert_array_equal(mask, [*legal, *legal, *[False] * 12])


@pytest.mark.parametrize(
    ("left", "plays", "discards"), [((0, 3), False, True), ((4, 0), True, False)]
)
def test_without_hands_or_discards_left_nothing_is_played_or_discarded(left, plays, discards):
    mask = SUBSET.mask(a_game(HAND, hands_left=left[0], discards_left=left[1]), jnp.int32(0), RULES)
    assert mask[:218].all() == mask[:218].any() == plays
    assert mask[218:436].all() == mask[218:436].any() == discards


def test_the_card_forced_by_cerulean_bell_is_in_every_legal_subset():
    forced = set_of(jnp.asarray(cards("Qd", 5)))
    game = a_game(HAND, boss=CERULEAN_BELL)
    game = game._replace(round=game.round._replace(forced=forced))
    mask = SUBSET.mask(game, jnp.int32(0), RULES)
    np.testing.assert_array_equal(mask[:218], [2 in subset for subset in SUBSETS])
    # four others are taken up: the last place is its
    toggles = TOGGLE.mask(game, jnp.int32(0b11110000), RULES)
    assert toggles[:8].tolist() == [False, False, True, False, True, True, True, True]
    assert not toggles[8:10].any()
    assert TOGGLE.mask(game, jnp.int32(0b100), RULES)[8:10].all()


@pytest.mark.parametrize("action", [-1, 448, 10_000])
def test_a_number_that_is_no_action_is_not_legal(action):
    assert not is_legal(jnp.ones(448, bool), jnp.int32(action))


def test_cards_are_selected_and_put_back_one_at_a_time():
    game, selected = a_game(HAND), jnp.int32(0)
    for action, after in [(0, 0b1), (4, 0b10001), (0, 0b10000)]:
        assert TOGGLE.mask(game, selected, RULES)[action]
        move, selected = TOGGLE.move(game, selected, jnp.int32(action))
        assert (move.kind, selected) == (NO_OP, after)
    move, selected = TOGGLE.move(game, selected, jnp.int32(9))
    assert (move.kind, slots(move), selected) == (DISCARD_CARDS, cards("7c", 1).tolist(), 0)


def test_no_sixth_card_can_be_selected_and_no_play_is_legal_without_one():
    full = TOGGLE.mask(a_game(HAND), jnp.int32(0b11111), RULES)
    assert full[:10].tolist() == [True] * 5 + [False] * 3 + [True] * 2
    assert not TOGGLE.mask(a_game(HAND), jnp.int32(0), RULES)[8:10].any()


def test_in_the_shop_no_card_is_played():
    shopping = a_game(HAND, phase=SHOP)
    for mode in (SUBSET, TOGGLE):
        legal = np.flatnonzero(jax.jit(mode.mask, static_argnums=2)(shopping, jnp.int32(0), RULES))
        assert legal.tolist() == [mode.num_actions - 2]  # with $4 and nothing on offer: leave
