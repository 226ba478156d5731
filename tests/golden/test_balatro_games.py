"""Balatro against recordings that were confirmed by public engines of the game."""

import csv
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rules.blinds import BIG_BLIND, BOSS_BLIND, SMALL_BLIND, reward, target
from elsinore.worlds.balatro.rules.bosses import (
    CRIMSON_HEART,
    THE_CLUB,
    THE_NEEDLE,
    THE_WALL,
    VIOLET_VESSEL,
)
from elsinore.worlds.balatro.state import BalatroParams

DATA = Path(__file__).resolve().parents[1] / "data" / "balatro"


# Whole games at stage 0: 240 of them, of several policies, some with stacked decks.

TRACES = np.load(DATA / "traces.npz")
BLINDS = list(csv.DictReader((DATA / "blinds.csv").read_text().splitlines()))


@pytest.fixture(scope="module")
def replayed():
    """The outputs of the env after every recorded action, each [game, time, ...]."""
    env = Balatro(stage=0, stacked_decks=True)

    def play(max_ante, decks, actions):
        params = BalatroParams(max_ante=max_ante, decks=decks)
        first = env.reset_env(jax.random.key(0), params)

        def step(carry, action):
            obs, state = carry
            after = env.step_env(jax.random.key(1), state, action, params)
            return after[:2], (obs["action_mask"][action], *after)

        return first, jax.lax.scan(step, first, actions)[1]

    recorded = (TRACES[name] for name in ("max_ante", "decks", "action"))
    first, (legal, obs, state, reward, terminated, info) = jax.jit(jax.vmap(play))(*recorded)
    return jax.device_get(
        {
            "first": first[0],
            "legal": legal,
            "obs": obs,
            "game": state.game,
            "reward": reward,
            "terminated": terminated,
            "info": info,
        }
    )


# steps that were taken
DURING = np.arange(TRACES["action"].shape[1]) < TRACES["num_steps"][:, None]
LAST = np.arange(TRACES["action"].shape[1]) == TRACES["num_steps"][:, None] - 1


def test_a_recorded_game_begins_with_the_same_hand_and_target(replayed):
    np.testing.assert_array_equal(replayed["first"]["hand"], TRACES["first_hand"])
    np.testing.assert_array_equal(replayed["first"]["chips_needed"], TRACES["first_target"])


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("hands_left", "hands_left"),
        ("discards_left", "discards_left"),
        ("chips_scored", "round_score"),
        ("chips_needed", "target"),
        ("phase", "phase"),
        ("ante", "ante"),
        ("blind_kind", "blind_kind"),
    ],
)
def test_observations_agree_after_every_recorded_action(replayed, name, recorded):
    np.testing.assert_array_equal(replayed["obs"][name][DURING], TRACES[recorded][DURING])


def test_the_hand_agrees_after_every_action_but_the_last(replayed):
    before_the_end = DURING & ~LAST
    np.testing.assert_array_equal(
        replayed["obs"]["hand"][before_the_end], TRACES["hand"][before_the_end]
    )


def test_every_play_scores_what_was_recorded_and_a_discard_nothing(replayed):
    total = replayed["game"].total_score
    points = np.diff(total, axis=1, prepend=0.0)
    np.testing.assert_array_equal(points[DURING], TRACES["points"][DURING])


def test_blinds_are_beaten_and_games_won_and_lost_as_recorded(replayed):
    game = replayed["game"]
    np.testing.assert_array_equal(game.beaten[DURING], TRACES["blinds_beaten"][DURING])
    np.testing.assert_array_equal(game.won[DURING], TRACES["won"][DURING])
    np.testing.assert_array_equal(
        replayed["terminated"][DURING], (TRACES["won"] | TRACES["lost"])[DURING]
    )


def test_actions_are_legal_as_recorded_and_illegal_ones_change_nothing(replayed):
    np.testing.assert_array_equal(replayed["legal"][DURING], TRACES["valid"][DURING])
    np.testing.assert_array_equal(
        replayed["info"]["illegal_action"][DURING], ~TRACES["valid"][DURING]
    )
    assert (~TRACES["valid"] & DURING).sum() > 100
    assert (replayed["reward"][DURING & ~TRACES["valid"]] == 0.0).all()


def test_the_rewards_of_a_game_sum_to_its_progress_and_one_for_a_win(replayed):
    ends = np.flatnonzero(LAST.ravel())
    game = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[ends], replayed["game"])
    share = np.where(game.won, 0.0, np.minimum(game.round.score / game.round.target, 1.0))
    expected = (game.beaten + share) / (3 * TRACES["max_ante"]) + game.won
    np.testing.assert_allclose((replayed["reward"] * DURING).sum(axis=1), expected, rtol=1e-5)
    np.testing.assert_allclose(replayed["info"]["reward"].ravel()[ends], expected, rtol=1e-5)


BOSS_OF = {"boss": THE_CLUB, "boss_wall": THE_WALL, "boss_needle": THE_NEEDLE,
           "finisher_violet_vessel": VIOLET_VESSEL, "finisher": CRIMSON_HEART}  # fmt: skip


@pytest.mark.parametrize(
    "row", BLINDS, ids=[f"ante-{row['ante']}-{row['blind']}" for row in BLINDS]
)
def test_targets_and_rewards_of_blinds_agree(row):
    kind, boss = (
        {"small": SMALL_BLIND, "big": BIG_BLIND}.get(row["blind"], BOSS_BLIND),
        BOSS_OF.get(row["blind"], THE_CLUB),
    )
    assert target(jnp.int32(int(row["ante"])), jnp.int32(kind), jnp.int32(boss)) == int(
        row["target"]
    )
    assert reward(jnp.int32(kind), jnp.int32(boss)) == int(row["reward"])
