"""Balatro's rules against recordings that were confirmed by public engines of the game.

A failure names the jokers and bosses of the rows that differ: one wrong joker shows up in some 500
of them.
"""

import csv
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.balatro.rules import bosses
from elsinore.worlds.balatro.rules.discards import discard_effects
from elsinore.worlds.balatro.rules.hands import classify
from elsinore.worlds.balatro.rules.jokers import JOKER_NAMES, joker_id
from elsinore.worlds.balatro.rules.money import WonRound, cash_out
from elsinore.worlds.balatro.rules.scoring import Play, ScoredHand, score
from elsinore.worlds.balatro.rules.stages import Stage

DATA = Path(__file__).resolve().parents[1] / "data" / "balatro"


def recording(name):
    """The arrays of one file, with counters in the floats that the rules use."""
    with np.load(DATA / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file if "confirmed" not in key}
    return {k: v.astype(np.float32) if k == "joker_state" else v for k, v in arrays.items()}


def inputs(arrays):
    return {key: array for key, array in arrays.items() if not key.startswith("out_")}


HANDS, DISCARDS, MONEY = (recording(name) for name in ("hands", "discards", "money"))
_PARTS = [recording(name) for name in ("jokers", "boss")]
PLAYS = {key: np.concatenate([part[key] for part in _PARTS]) for key in _PARTS[0]}


def assert_same(got, recorded, rows, near=0.0):
    """Equality of arrays [case, ...], up to `near` [case], else the jokers and bosses where they
    differ."""
    off = np.abs(np.asarray(got, np.float64) - recorded).reshape(len(recorded), -1).max(axis=1)
    wrong = ~(off <= near)  # NaN, too
    bosses_there = rows.get("boss_id", np.zeros(len(recorded), np.int8))
    assert not wrong.any(), (
        f"{wrong.sum()} of {len(wrong)} rows differ, first {np.flatnonzero(wrong)[:3]}; jokers"
        " there:"
        f" {Counter(JOKER_NAMES[i] for i in rows['joker_ids'][wrong].ravel() if i).most_common(5)};"
        " bosses there:"
        f" {Counter(bosses.BOSS_NAMES[i] for i in bosses_there[wrong]).most_common(3)}"
    )


# Hands without jokers


@pytest.fixture(scope="module")
def classified():
    return jax.device_get(jax.jit(jax.vmap(classify))(HANDS["cards"]))


def test_every_type_of_hand_was_recorded():
    assert (np.bincount(HANDS["type"]) >= 170).all()


@pytest.mark.parametrize("what", ["type", "contains", "scoring"])
def test_cards_make_the_recorded_hand(classified, what):
    np.testing.assert_array_equal(getattr(classified, what), HANDS[what])


@pytest.mark.parametrize("what", ["chips", "mult", "score"])
def test_a_hand_without_jokers_scores_as_recorded(what):
    bare = jax.vmap(lambda cards, levels: score(Play(cards, levels), Stage.HANDS))
    np.testing.assert_array_equal(
        getattr(jax.jit(bare)(HANDS["cards"], HANDS["levels"]), what), HANDS[what]
    )


# Hands with jokers and bosses


@pytest.fixture(scope="module")
def scored():
    return jax.device_get(
        jax.jit(jax.vmap(lambda row: score(Play(**row), Stage.BOSSES)))(inputs(PLAYS))
    )


def allowance():
    """Tolerances of float32: 0, except for very high scores and fractional counters."""
    counts_in_fractions = np.isin(
        PLAYS["joker_ids"], [joker_id("Constellation"), joker_id("Ramen")]
    ).any(axis=1)
    relative = np.where(counts_in_fractions | (PLAYS["out_score"] >= 2**24), 2e-6, 0.0)
    return {
        "score": (relative > 0) + relative * PLAYS["out_score"],
        "mult": 2e-6 * PLAYS["out_mult"],
        "joker_state": 1e-4,
    }


def test_every_joker_that_scores_and_every_boss_were_recorded():
    times = np.bincount(PLAYS["joker_ids"].ravel())
    assert (times[1:72] >= 491).all()
    assert times[joker_id("Rough Gem")] >= 491
    assert (np.bincount(PLAYS["boss_id"]) >= 215).all()


@pytest.mark.parametrize("what", ScoredHand._fields)
def test_a_hand_with_jokers_and_a_boss_comes_out_as_recorded(scored, what):
    assert_same(getattr(scored, what), PLAYS[f"out_{what}"], PLAYS, near=allowance().get(what, 0.0))


# Between hands


@pytest.mark.parametrize("what", ["type", "money", "levels", "joker_state", "joker_alive"])
def test_a_discard_comes_out_as_recorded(what):
    def run(row):
        debuffed = bosses.debuffed(row["cards"], row.pop("boss_id"), row.pop("played_this_ante"))
        return discard_effects(debuffed=debuffed, **row)

    got = jax.jit(jax.vmap(run))(inputs(DISCARDS))
    assert_same(
        getattr(got, what), DISCARDS[f"out_{what}"], DISCARDS, near=1e-4 * (what == "joker_state")
    )


@pytest.mark.parametrize(
    "what",
    [
        "blind_reward",
        "joker_dollars",
        "interest",
        "total",
        "money",
        "joker_state",
        "joker_sell",
        "joker_alive",
    ],
)
def test_a_beaten_blind_pays_as_recorded(what):
    def run(row):
        boss = jnp.where(row.pop("finisher"), bosses.VIOLET_VESSEL, bosses.THE_CLUB)
        return cash_out(WonRound(boss_id=boss, **row), Stage.JOKERS)

    got = jax.jit(jax.vmap(run))(inputs(MONEY))
    assert_same(getattr(got, what), MONEY[f"out_{what}"], MONEY)


LEFT_OUT = {  # recorded bosses that the env has not
    "The Fish", "The House", "The Mark", "The Serpent", "The Wheel", "Amber Acorn", "Verdant Leaf",
}  # fmt: skip


def test_the_table_of_bosses_is_the_recorded_one():
    rows = {
        row["name"]: row for row in csv.DictReader((DATA / "bosses.csv").read_text().splitlines())
    }
    assert rows.keys() == {boss.name for boss in bosses.BOSSES[1:]} | LEFT_OUT
    for number, boss in enumerate(bosses.BOSSES[1:], start=1):
        row = rows[boss.name]
        assert int(row["golden_id"]) in (0, number)
        recorded = (int(row["min_ante"]), int(row["factor"]), bool(int(row["finisher"])))
        assert (boss.min_ante, boss.factor, boss.finisher) == recorded
