"""Sets of cards: sorted in table order, and drawn uniformly."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elsinore.worlds.balatro.rules.deck import (
    all_cards,
    card_at,
    cards_in_slots,
    count,
    dealt,
    draw_from,
    held,
    no_cards,
    position_of,
    set_of,
    slots_of,
)
from elsinore.worlds.balatro.rules.sampling import below, choose_one
from tests.worlds.balatro.plays import in_order

some_cards = st.lists(st.integers(0, 51), max_size=8, unique=True)


def padded(ids, size=8):
    return np.array([*ids, *[-1] * (size - len(ids))], np.int32)


sets = jax.jit(set_of)
slots = jax.jit(slots_of)


def test_positions_and_cards_are_a_bijection():
    ids = jnp.arange(52)
    assert sorted(position_of(ids).tolist()) == list(range(52))
    np.testing.assert_array_equal(card_at(position_of(ids)), ids)
    assert position_of(jnp.int32(-1)) == 52 and card_at(jnp.int32(52)) == -1
    assert card_at(jnp.int32(0)) == 12  # the ace of spades is leftmost


@given(some_cards)
def test_a_hand_as_a_set_is_sorted(ids):
    assert slots(sets(padded(ids))).tolist() == padded(in_order(ids)).tolist()
    assert count(sets(padded(ids))) == len(ids)


@given(some_cards, some_cards)
def test_set_operations_agree_with_python(one, other):
    a, b = sets(padded(one)), sets(padded(other))
    for found, expected in ((a & b, {*one} & {*other}), (a - b, {*one} - {*other})):
        assert slots(found).tolist() == padded(in_order(expected)).tolist()
    np.testing.assert_array_equal(held(a | b), [card in {*one, *other} for card in range(52)])


@given(some_cards, st.integers(0, 255))
def test_cards_in_slots_are_those_of_the_sorted_hand(ids, bits):
    expected = [card for slot, card in enumerate(in_order(ids)) if bits >> slot & 1]
    assert (
        slots(jax.jit(cards_in_slots)(sets(padded(ids)), jnp.int32(bits))).tolist()
        == padded(expected).tolist()
    )


def test_a_deck_is_drawn_whole_and_no_card_twice():
    pile, seen = all_cards(), no_cards()
    for i in range(7):
        drawn = draw_from(jax.random.key(i), pile, jnp.int32(8))
        assert count(drawn) == min(8, count(pile)) and count(drawn & seen) == 0
        pile, seen = pile - drawn, seen | drawn
    assert count(pile) == 0 and count(seen) == 52


def test_every_card_of_the_pile_is_drawn_equally_often():
    pile = all_cards() - set_of(jnp.asarray(padded(range(8))))
    drawn = jax.vmap(lambda key: held(draw_from(key, pile, jnp.int32(5))))(
        jax.random.split(jax.random.key(0), 44_000)
    )
    times = drawn.sum(axis=0)
    assert (times[:8] == 0).all()
    assert abs(times[8:] - 5_000).max() < 5 * np.sqrt(5_000)


def test_a_stacked_deck_is_dealt_from_its_beginning():
    order = jnp.asarray(np.random.default_rng(0).permutation(52))
    first = dealt(order, all_cards(), jnp.int32(8))
    assert slots_of(first).tolist() == in_order(order[:8].tolist())
    second = dealt(order, all_cards() - first, jnp.int32(3))
    assert slots_of(second)[:3].tolist() == in_order(order[8:11].tolist()) and count(second) == 3


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**16 - 1))
def test_a_number_below_n_is_the_upper_half_of_a_product(bits, n):
    assert int(jax.jit(below)(jnp.uint32(bits), jnp.int32(n))) == bits * n >> 32


@given(st.integers(0, 2**32 - 1), st.lists(st.booleans(), min_size=70, max_size=70))
def test_choose_one_is_the_allowed_option_of_its_rank(bits, allowed):
    places = np.flatnonzero(allowed)
    if len(places):
        assert (
            int(jax.jit(choose_one)(jnp.uint32(bits), jnp.array(allowed)))
            == places[bits * len(places) >> 32]
        )


def test_all_possible_hands_are_drawn_equally_often():
    """Ten hands of three out of five cards in both halves of the order."""
    pile = set_of(jnp.asarray(padded([0, 12, 25, 31, 51])))
    drawn = jax.vmap(lambda key: held(draw_from(key, pile, jnp.int32(3))))(
        jax.random.split(jax.random.key(1), 20_000)
    )
    hands, times = np.unique(np.asarray(drawn), axis=0, return_counts=True)
    assert len(hands) == 10 and (hands.sum(axis=1) == 3).all()
    assert abs(times - 2_000).max() < 5 * np.sqrt(2_000)
