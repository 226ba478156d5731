"""Classification and values of poker hands."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given

from elsinore.worlds.balatro.rules.hands import HANDS, NUM_HANDS, classify, hand_value
from tests.worlds.balatro.plays import any_cards, cards
from tests.worlds.balatro.slow_scorer import best, contained, makes_hand

classified = jax.jit(classify)


@pytest.mark.parametrize(
    ("text", "kind", "scoring"),
    [
        ("Kh", "High Card", "x"),
        ("Ah Ks Jd 9c 2s", "High Card", "x...."),
        ("Ks Kh 3c", "Pair", "xx."),
        ("Ks Qs Qh 3s 3d", "Two Pair", ".xxxx"),
        ("Ks Kh Kc 3c", "Three of a Kind", "xxx."),
        ("Ks Qh Jc 10c 9d", "Straight", "xxxxx"),
        ("As Kh Qh Jc 10c", "Straight", "xxxxx"),
        ("As 5h 4h 3c 2c", "Straight", "xxxxx"),
        ("As Kh 4h 3c 2c", "High Card", "x...."),
        ("As Kh Qh 3c 2c", "High Card", "x...."),
        ("Ks Qh Jc 10c", "High Card", "x..."),
        ("Ks Qs 7s 3s 2s", "Flush", "xxxxx"),
        ("Ks Qs 7s 3s", "High Card", "x..."),
        ("Ks Kh Kc 3c 3d", "Full House", "xxxxx"),
        ("As Kh Kc Ks Kd", "Four of a Kind", ".xxxx"),
        ("As Ks Qs Js 10s", "Straight Flush", "xxxxx"),
        ("Ks Ks Kh Kd Kc", "Five of a Kind", "xxxxx"),
        ("Ks Ks Ks 3s 3s", "Flush House", "xxxxx"),
        ("Ks Ks Ks Ks Ks", "Flush Five", "xxxxx"),
    ],
)
def test_cards_make_their_hand(text, kind, scoring):
    hand = classified(cards(text, 5))
    assert HANDS[int(hand.type)] == kind
    np.testing.assert_array_equal(hand.scoring, [mark == "x" for mark in scoring.ljust(5)])


def test_a_full_house_contains_pair_two_pair_and_three():
    found = {HANDS[i] for i in np.flatnonzero(classified(cards("Ks Kh Kc 3c 3d", 5)).contains)}
    assert found == {"High Card", "Pair", "Two Pair", "Three of a Kind", "Full House"}


def test_empty_slots_may_stand_anywhere():
    everywhere = list(itertools.permutations(cards("Ks Kh", 4)))
    hands = jax.jit(jax.vmap(classify))(np.array([[*slots, -1] for slots in everywhere], np.int8))
    assert (hands.type == HANDS.index("Pair")).all()


def test_every_level_adds_the_same():
    kinds, levels = np.arange(NUM_HANDS)[:, None], np.arange(1, 9)
    for value in jax.jit(hand_value)(kinds, levels):
        assert (np.diff(value, n=2) == 0).all()
        assert (np.diff(value) > 0).all()


@given(any_cards(5))
def test_it_agrees_with_counting_ranks_and_suits(ids):
    hand, there = classified(np.int8(ids)), [card for card in ids if card >= 0]
    found = contained(there)
    assert {HANDS[i] for i in np.flatnonzero(hand.contains)} == found
    assert HANDS[int(hand.type)] == best(found)
    np.testing.assert_array_equal(hand.scoring[: len(there)], makes_hand(there, best(found)))
