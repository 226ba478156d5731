"""Jokers, bosses and stages by name: what may be chosen, and how a mistake is told."""

import numpy as np
import pytest

from elsinore.envs.balatro.rules.bosses import FINISHER, NUM_BOSSES, enabled_bosses
from elsinore.envs.balatro.rules.jokers import COST, JOKER_NAMES, NUM_JOKERS, enabled_jokers, joker_id
from elsinore.envs.balatro.rules.jokers.joker import Per
from elsinore.envs.balatro.rules.jokers.table import JOKERS
from elsinore.envs.balatro.rules.money import SELL
from elsinore.envs.balatro.rules.stages import BOSSES, CHANCE, HANDS, check_stage
from elsinore.envs.balatro.rules.stages import JOKERS as JOKER_STAGE


def names(enabled):
    return [JOKER_NAMES[i] for i in np.flatnonzero(enabled)]


def test_there_are_ninety_one_jokers_of_ninety_one_names():
    assert NUM_JOKERS == len(set(JOKER_NAMES)) == 1 + 91
    assert all(1 <= joker.cost <= 9 for joker in JOKERS[1:])


def test_every_way_of_counting_is_some_jokers():
    counted = {joker.hand.per for joker in JOKERS} | {joker.before.per for joker in JOKERS}
    assert counted == set(Per)


def test_jokers_are_chosen_by_name_in_any_case_and_by_number():
    assert names(enabled_jokers(["the duo", 1, "Splash"], JOKER_STAGE)) == ["Joker", "Splash", "The Duo"]


def test_every_stage_has_its_jokers():
    assert not enabled_jokers(None, HANDS).any()
    assert names(enabled_jokers(None, JOKER_STAGE)) == list(JOKER_NAMES[1:86])
    assert names(enabled_jokers(None, CHANCE)) == list(JOKER_NAMES[1:])


def test_bosses_are_chosen_too_and_none_is_no_boss():
    assert np.flatnonzero(enabled_bosses(["The Club", "the wall"])).tolist() == [1, 14]
    assert enabled_bosses().sum() == NUM_BOSSES - 1
    assert FINISHER.sum() == 3


@pytest.mark.parametrize(
    ("choose", "told"),
    [
        (lambda: enabled_jokers(["Jokr"], JOKER_STAGE), "jokers has 'Jokr', which is unknown; did you mean 'Joker'"),
        (lambda: enabled_jokers([92], JOKER_STAGE), "jokers has 92, which is unknown; known are 1 to 91: Joker, "),
        (lambda: enabled_jokers([], JOKER_STAGE), r"jokers=\[\] leaves the shops of stage=2 without any; "),
        (lambda: enabled_jokers([0], JOKER_STAGE), "jokers has 0"),
        (lambda: enabled_jokers(["none"], JOKER_STAGE), "jokers has 'none'"),
        (lambda: enabled_jokers([True], JOKER_STAGE), "jokers has True"),
        (lambda: enabled_jokers("Joker", JOKER_STAGE), r"jokers='Joker' is no list; give one"),
        (lambda: enabled_jokers(["Misprint"], BOSSES), "jokers has 'Misprint', which stage=3 has not; use stage=4"),
        (lambda: enabled_jokers(["Joker"], HANDS), "jokers has 'Joker', which stage=0 has not; use stage=2"),
        (lambda: enabled_bosses(["The Clubs"]), "bosses has 'The Clubs', which is unknown; did you mean 'The Club'"),
        (lambda: enabled_bosses(["The Wall"]), "leaves ante 1 without a boss; add one of The Club"),
        (lambda: check_stage(5), "stage=5 is no stage of Balatro; choose one of 0: "),
        (lambda: check_stage("1"), "stage='1' is no stage"),
    ],
)
def test_a_mistake_is_told_with_what_would_do(choose, told):
    with pytest.raises(ValueError, match=told):
        choose()


def test_a_joker_sells_for_half_its_price_but_at_least_a_dollar():
    assert SELL[joker_id("Credit Card")] == 1
    assert SELL[joker_id("Campfire")] == COST[joker_id("Campfire")] // 2 == 4
