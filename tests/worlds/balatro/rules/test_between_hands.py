"""Effects of discards and cash-outs beyond the recordings."""

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.worlds.balatro.rules import bosses
from elsinore.worlds.balatro.rules.discards import discard_effects
from elsinore.worlds.balatro.rules.jokers import START, joker_id
from elsinore.worlds.balatro.rules.money import WonRound, cash_out
from elsinore.worlds.balatro.rules.stages import Stage
from tests.worlds.balatro.plays import cards

discarded = jax.jit(discard_effects)
paid = jax.jit(lambda won: cash_out(won, Stage.CHANCE))


def a_round(*jokers, **changes):
    ids = np.array([joker_id(name) for name in jokers] + [0] * (5 - len(jokers)), np.int32)
    won = WonRound(
        blind_kind=np.int32(0),
        boss_id=np.int32(0),
        hands_left=np.int32(0),
        discards_left=np.int32(0),
        discards_used=np.int32(0),
        money=np.int32(0),
        joker_ids=ids,
        joker_state=START[ids],
        joker_sell=np.ones(5, np.int32),
        planets_used=np.zeros(12, bool),
        key=jax.random.key(0),
    )
    return won._replace(**changes)


def test_a_small_blind_pays_three_and_a_dollar_for_each_hand_left():
    assert int(paid(a_round(hands_left=np.int32(2))).total) == 3 + 2


def test_interest_is_a_dollar_for_every_five_up_to_five():
    interest = [
        int(paid(a_round(money=np.int32(money))).interest) for money in (-7, 4, 5, 24, 25, 99)
    ]
    assert interest == [0, 0, 1, 4, 5, 5]


def test_to_the_moon_doubles_interest():
    assert int(paid(a_round("To the Moon", money=np.int32(99))).interest) == 10


def test_a_rocket_grows_before_it_pays_for_a_boss():
    won = a_round("Rocket", blind_kind=np.int32(2), boss_id=np.int32(bosses.VIOLET_VESSEL))
    out = paid(won)
    assert (int(out.blind_reward), int(out.joker_dollars), float(out.joker_state[0])) == (8, 3, 3.0)


def test_gros_michel_dies_once_in_six_rounds_and_cavendish_hardly_ever():
    over = jax.jit(
        jax.vmap(
            lambda key: cash_out(
                a_round("Gros Michel", "Cavendish")._replace(key=key), Stage.CHANCE
            )
        )
    )
    alive = np.asarray(over(jax.random.split(jax.random.key(0), 20_000)).joker_alive)
    assert abs(alive[:, 0].mean() - 5 / 6) < 0.03
    assert abs(alive[:, 1].mean() - 999 / 1000) < 0.0008


def test_ramen_is_gone_after_exactly_a_hundred_cards():
    def throw(state, _):
        out = discard_effects(
            jnp.asarray(cards("Ks Qh 9c 3d", 5)),
            jnp.zeros(5, bool),
            jnp.int32(1),
            jnp.int32(0),
            jnp.ones(12, jnp.int32),
            jnp.full(5, joker_id("Ramen")),
            state,
        )
        return out.joker_state, out.joker_alive[0]

    _, alive = jax.lax.scan(throw, jnp.full(5, 2.0), length=25)
    np.testing.assert_array_equal(alive, [True] * 24 + [False])


def test_debuffed_faces_are_no_faces_for_discarders():
    jokers = np.int32([joker_id("Faceless Joker"), joker_id("Hit the Road"), 0, 0, 0])
    rest = (np.int32(1), np.int32(0), np.ones(12, np.int32), jokers, np.float32([0, 1, 0, 0, 0]))
    seen = discarded(cards("Ks Jh Jc", 5), np.zeros(5, bool), *rest)
    assert (int(seen.money), float(seen.joker_state[1])) == (5, 2.0)
    hidden = discarded(cards("Ks Jh Jc", 5), np.array([0, 1, 0, 0, 0], bool), *rest)
    assert (int(hidden.money), float(hidden.joker_state[1])) == (0, 1.5)


def test_the_eye_and_the_mouth_remember_only_hands_that_scored():
    remember = jax.jit(bosses.record_hand_type)
    eye, mouth = remember(np.int32(3), np.bool_(False), np.zeros(12, bool), np.int32(-1))
    assert (np.flatnonzero(eye).tolist(), int(mouth)) == ([3], 3)
    eye, mouth = remember(np.int32(5), np.bool_(True), eye, mouth)
    assert (np.flatnonzero(eye).tolist(), int(mouth)) == ([3], 3)
