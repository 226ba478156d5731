"""Jokers, bosses and stages by name: selections, and errors."""

import numpy as np
import pytest

from elsinore.worlds.balatro.rules.bosses import FINISHER, NUM_BOSSES, enabled_bosses
from elsinore.worlds.balatro.rules.jokers import (
    COST,
    JOKER_NAMES,
    NUM_JOKERS,
    enabled_jokers,
    joker_id,
)
from elsinore.worlds.balatro.rules.jokers.joker import Per
from elsinore.worlds.balatro.rules.jokers.table import JOKERS
from elsinore.worlds.balatro.rules.money import SELL_PRICE
from elsinore.worlds.balatro.rules.stages import Stage, check_stage


def names(enabled):
    return [JOKER_NAMES[i] for i in np.flatnonzero(enabled)]


def test_there_are_ninety_one_jokers_of_ninety_one_names():
    assert NUM_JOKERS == len(set(JOKER_NAMES)) == 1 + 91
    assert all(1 <= joker.cost <= 9 for joker in JOKERS[1:])


def test_every_multiplier_is_used_by_some_joker():
    counted = {joker.hand.per for joker in JOKERS} | {joker.before.per for joker in JOKERS}
    assert counted == set(Per)


def test_jokers_are_chosen_by_name_in_any_case_and_by_number():
    assert names(enabled_jokers(["the duo", 1, "Splash"], Stage.JOKERS)) == [
        "Joker",
        "Splash",
        "The Duo",
    ]


def test_every_stage_has_its_jokers():
    assert not enabled_jokers(None, Stage.HANDS).any()
    assert names(enabled_jokers(None, Stage.JOKERS)) == list(JOKER_NAMES[1:86])
    assert names(enabled_jokers(None, Stage.CHANCE)) == list(JOKER_NAMES[1:])


def test_bosses_are_chosen_by_name_and_none_is_no_boss():
    assert np.flatnonzero(enabled_bosses(["The Club", "the wall"])).tolist() == [1, 14]
    assert enabled_bosses().sum() == NUM_BOSSES - 1
    assert FINISHER.sum() == 3


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (
            lambda: enabled_jokers(["Jokr"], Stage.JOKERS),
            "jokers has 'Jokr', which is unknown; did you mean 'Joker'",
        ),
        (
            lambda: enabled_jokers([92], Stage.JOKERS),
            "jokers has 92, which is unknown; known are 1 to 91: Joker, ",
        ),
        (
            lambda: enabled_jokers([], Stage.JOKERS),
            r"jokers=\[\] leaves the shops of stage=2 without jokers; ",
        ),
        (lambda: enabled_jokers([0], Stage.JOKERS), "jokers has 0"),
        (lambda: enabled_jokers(["none"], Stage.JOKERS), "jokers has 'none'"),
        (lambda: enabled_jokers([True], Stage.JOKERS), "jokers has True"),
        (lambda: enabled_jokers("Joker", Stage.JOKERS), r"jokers='Joker' is no list; give one"),
        (
            lambda: enabled_jokers(["Misprint"], Stage.BOSSES),
            "jokers has 'Misprint', which stage=3 does not have; use stage=4",
        ),
        (
            lambda: enabled_jokers(["Joker"], Stage.HANDS),
            "jokers has 'Joker', which stage=0 does not have; use stage=2",
        ),
        (
            lambda: enabled_bosses(["The Clubs"]),
            "bosses has 'The Clubs', which is unknown; did you mean 'The Club'",
        ),
        (lambda: enabled_bosses(["The Wall"]), "leaves ante 1 without a boss; add one of The Club"),
        (lambda: check_stage(5), "stage=5 is no stage of Balatro; choose one of 0: "),
        (lambda: check_stage("1"), "stage='1' is no stage"),
    ],
)
def test_a_mistake_is_refused_with_a_remedy(choose, message):
    with pytest.raises(ValueError, match=message):
        choose()


def test_a_joker_sells_for_half_its_price_but_at_least_a_dollar():
    assert SELL_PRICE[joker_id("Credit Card")] == 1
    assert SELL_PRICE[joker_id("Campfire")] == COST[joker_id("Campfire")] // 2 == 4
