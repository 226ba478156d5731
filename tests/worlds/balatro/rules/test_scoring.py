"""Scoring of a played hand: known answers, properties, and agreement with a slow reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsinore.worlds.balatro.rules import bosses
from elsinore.worlds.balatro.rules.joker_rng import draw_for_jokers
from elsinore.worlds.balatro.rules.scoring import score
from elsinore.worlds.balatro.rules.stages import Stage
from tests.worlds.balatro.plays import a_play, any_play
from tests.worlds.balatro.slow_scorer import slow_score

scored = jax.jit(lambda play: score(play, Stage.CHANCE))
KEYS = jax.random.split(jax.random.key(0), 1_000)
DRAWS = jax.device_get(jax.jit(jax.vmap(draw_for_jokers))(KEYS))
KEY = KEYS[0]


def points(*args, key=KEY, **kwargs):
    return float(scored(a_play(*args, **kwargs)._replace(key=key)).score)


# A pair of kings at level 1 is worth (10 + 10 + 10) * 2.


def test_a_pair_of_kings_is_worth_sixty():
    assert points("Ks Kh") == 60


def test_only_the_cards_of_the_pair_score():
    assert points("Ks Kh 3c") == 60


def test_with_splash_every_card_scores():
    assert points("Ks Kh 3c", jokers=["Splash"]) == (30 + 3) * 2


def test_a_level_adds_to_chips_and_mult():
    assert points("Ks Kh", levels=[1, 3, *[1] * 10]) == (30 + 2 * 15) * (2 + 2)


def test_jokers_add_and_multiply_in_their_order():
    assert points("Ks Kh", jokers=["Joker", "The Duo"]) == 30 * (2 + 4) * 2
    assert points("Ks Kh", jokers=["The Duo", "Joker"]) == 30 * (2 * 2 + 4)


def test_a_retriggered_card_gives_everything_again():
    assert points("Ks Kh", jokers=["Sock and Buskin", "Smiley Face"]) == (10 + 4 * 10) * (2 + 4 * 5)


def test_held_kings_multiply_once_more_with_mime():
    assert points("2s", held="Ks Kh", jokers=["Baron", "Mime"]) == np.floor(7 * 1.5**4)


def test_the_rightmost_of_the_lowest_held_cards_counts_for_raised_fist():
    assert points("As", held="9h 4s 4h", jokers=["Raised Fist"]) == 16 * (1 + 2 * 4)
    debuffed = {"jokers": ["Raised Fist"], "boss_id": bosses.THE_HEAD}
    assert points("As", held="9s 4s 4h", **debuffed) == 16  # the rightmost is a debuffed heart


def test_baseball_card_counts_every_uncommon_joker():
    assert points("Ks Kh", jokers=["Baseball Card", "Splash", "Hack", "Dusk"]) == np.floor(
        60 * 1.5**2
    )


def test_money_earned_by_the_hand_counts_for_bull():
    assert points("Kd Qd Jd 9d 2d", jokers=["Rough Gem", "Bull"], money=3) == (35 + 41 + 2 * 8) * 4


def test_a_debt_counts_nothing_for_bull():
    assert points("Ks Kh", jokers=["Bull", "Bootstraps"], money=-7) == 60


def test_ice_cream_melts_away():
    out = scored(
        a_play("Ks", jokers=["Ice Cream", "Joker"], counters=[5, 0, 0, 0, 0])._replace(key=KEY)
    )
    assert float(out.score) == (5 + 10 + 5) * (1 + 4)
    np.testing.assert_array_equal(out.joker_alive, [False, True, False, False, False])
    np.testing.assert_array_equal(out.joker_state, np.zeros(5))


@pytest.mark.parametrize(
    ("boss", "changes"),
    [
        ("THE_PSYCHIC", {}),
        ("THE_EYE", {"eye_used": [False, True] + [False] * 10}),
        ("THE_MOUTH", {"mouth_type": 0}),
    ],
)
def test_a_blocked_hand_scores_nothing_and_only_its_after_effects_remain(boss, changes):
    play = a_play(
        "Ks Kh", jokers=["Green Joker", "Seltzer"], boss_id=getattr(bosses, boss), **changes
    )
    out = scored(play._replace(key=KEY))
    assert out.blocked
    assert float(out.score) == 0
    np.testing.assert_array_equal(out.joker_state, [0, 9, 0, 0, 0])


def test_the_flint_halves_the_base_value_upwards():
    assert points("As", boss_id=bosses.THE_FLINT) == (3 + 11) * 1


def test_the_arm_lowers_the_level_for_good_but_not_below_one():
    play = a_play("Ks Kh", boss_id=bosses.THE_ARM, levels=[1, 2, *[1] * 10])._replace(key=KEY)
    out = scored(play)
    assert float(out.score) == 60
    np.testing.assert_array_equal(out.levels, np.ones(12))
    np.testing.assert_array_equal(scored(play._replace(levels=out.levels)).levels, np.ones(12))


def test_the_tooth_bites_before_bull_counts():
    out = scored(
        a_play("Ks Kh 2c", jokers=["Bull"], money=10, boss_id=bosses.THE_TOOTH)._replace(key=KEY)
    )
    assert int(out.money) == 7
    assert float(out.score) == (30 + 14) * 2


def test_the_ox_takes_all_money_when_its_type_is_played():
    assert int(scored(a_play("Ks Kh", money=10, ox_type=1)._replace(key=KEY)).money) == 0
    assert int(scored(a_play("Ks", money=10, ox_type=1)._replace(key=KEY)).money) == 10


def test_a_disabled_joker_does_nothing_but_is_still_owned():
    assert points("Ks Kh", jokers=["Abstract Joker", "Joker"], disabled_joker=1) == 30 * (2 + 6)


# Chance


def test_without_a_key_random_effects_do_nothing():
    preview = jax.jit(lambda play: score(play, Stage.CHANCE))
    out = preview(
        a_play("Kh Ks", jokers=["Bloodstone", "Misprint", "Business Card", "Space Joker"])
    )
    assert (float(out.score), int(out.money)) == (60, 0)


def test_random_effects_have_their_probabilities():
    draws = np.arange(24)[:, None, None] == DRAWS.to_23
    np.testing.assert_allclose(draws.mean(axis=(1, 2)), 1 / 24, atol=0.01)
    np.testing.assert_allclose(DRAWS.level_up.mean(axis=0), 1 / 4, atol=0.07)
    np.testing.assert_allclose(DRAWS.triggers.mean(axis=0), 1 / 2, atol=0.08)


def test_random_effects_are_independent_for_each_joker_and_trigger():
    coins = DRAWS.triggers.reshape(len(DRAWS.triggers), -1)
    together = np.corrcoef(coins.T) - np.eye(coins.shape[1])
    assert np.abs(together).max() < 5 / np.sqrt(len(coins))


# Agreement with a slow and obvious scorer


@settings(max_examples=200)
@given(any_play(), st.integers(0, len(KEYS) - 1))
def test_it_agrees_with_the_slow_scorer(play, draw):
    got = jax.device_get(scored(play._replace(key=KEYS[draw])))
    draws = {name: values[draw].tolist() for name, values in DRAWS._asdict().items()}
    slow = slow_score(
        {k: v.tolist() for k, v in play._replace(key=jnp.zeros(()))._asdict().items()}, draws
    )
    for name in ("type", "blocked", "money", "joker_state", "joker_alive", "chips"):
        np.testing.assert_array_equal(getattr(got, name), getattr(slow, name), err_msg=name)
    assert got.levels[slow.type] == slow.level
    exact = np.float32(slow.mult) == slow.mult and slow.score < 2**24
    assert abs(got.score - slow.score) <= (0 if exact else 1 + 2e-6 * slow.score)
    np.testing.assert_allclose(got.mult, slow.mult, rtol=2e-6)
