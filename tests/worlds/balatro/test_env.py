"""The environment: observations, rewards, metrics, and refused settings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.checks.env import check_env
from elsinore.envs import make, names
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rewards import REWARDS
from elsinore.worlds.balatro.rules import blinds
from elsinore.worlds.balatro.rules.deck import all_cards, count
from elsinore.worlds.balatro.rules.game import DONE, PLAY, SELECT, SHOP
from elsinore.worlds.balatro.state import BalatroParams
from tests.worlds.balatro.games import KEY, a_game, random_games

PLAY_FIVE, DISCARD_FIVE = 162, 218 + 162  # the first five cards

# The keys of an older environment, and those added here.
SEED_KEYS = {"hand", "joker_ids", "chips_scored", "chips_needed", "progress_ratio", "money", "ante",
             "round", "hands_left", "discards_left", "hand_levels", "phase",
             "action_mask"}  # fmt: skip
MORE_KEYS = {"joker_state", "joker_sell", "blind_kind", "boss_id", "deck_seen", "hand_plays_round",
             "shop_kind", "shop_item", "shop_price", "reroll_price", "max_ante"}  # fmt: skip


@pytest.fixture(scope="module")
def stage0():
    env = Balatro(stage=0)
    return env, jax.jit(env.reset_env), jax.jit(env.step_env)


def test_the_five_stages_have_names():
    assert {f"Balatro-stage{stage}" for stage in range(5)} <= set(names())
    env, params = make("Balatro-stage2", {"shop_moves": 4}, {"max_ante": 3})
    assert (env.name, env.stage, env.shop_moves, params.max_ante) == ("Balatro-stage2", 2, 4, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stage": 5}, "stage=5 is no stage of Balatro; choose one of 0: "),
        (
            {"action_mode": "factored"},
            "action_mode='factored' is unknown; choose one of subset, toggle",
        ),
        (
            {"reward": "dense"},
            "reward='dense' is unknown; choose one of progress, log-progress, sparse, blind",
        ),
        ({"shop_moves": -1}, "shop_moves=-1 must be 0"),
        (
            {"stage": 2, "jokers": ["Jokre"]},
            "jokers has 'Jokre', which is unknown; did you mean 'Joker'",
        ),
        ({"stage": 1, "jokers": ["Joker"]}, "'Joker', which stage=1 does not have; use stage=2"),
        ({"stage": 3, "bosses": ["The Hok"]}, "did you mean 'The Hook'"),
        (
            {"stage": 3, "bosses": [22]},
            "bosses has 22, which is unknown; known are 1 to 21: The Club, ",
        ),
        (
            {"stage": 2, "jokers": "Joker"},
            r"jokers='Joker' is no list; give one .* such as \['Joker'\]",
        ),
        ({"stage": 2, "jokers": 3}, r"jokers=3 is no list; give one .* such as \[3\]"),
    ],
)
def test_bad_settings_are_refused_with_a_remedy(given, message):
    with pytest.raises(ValueError, match=message):
        Balatro(**given)


@pytest.mark.parametrize("max_ante", [0, 9, 40])
def test_an_ante_that_no_run_has_is_refused(max_ante):
    with pytest.raises(ValueError, match=f"max_ante={max_ante} must be a whole number from 1 to 8"):
        make("Balatro-stage0", params={"max_ante": max_ante})


def test_half_an_ante_is_refused_before_the_env_is_asked():
    with pytest.raises(ValueError, match=r"env_params.max_ante=1.5 must be like its default, 8"):
        make("Balatro-stage0", params={"max_ante": 1.5})


def test_a_stage_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="env='Balatro-full' is unknown"):
        make("Balatro-full")


def test_a_stage_in_env_kwargs_is_refused():
    with pytest.raises(
        ValueError, match="env_kwargs.stage=5 contradicts env='Balatro-stage0', whose name"
    ):
        make("Balatro-stage0", {"stage": 5})


def test_jokers_and_bosses_may_be_lists():
    env = Balatro(stage=3, jokers=["Joker", 2], bosses=["The Hook", "Violet Vessel"])
    assert hash(env) and np.flatnonzero(env.rules.jokers).tolist() == [1, 2]


def test_every_stage_has_all_parts_of_the_observation(stage0):
    obs, _ = stage0[1](KEY, BalatroParams())
    assert set(obs) == SEED_KEYS | MORE_KEYS == set(stage0[0].observation_space().spaces)


def test_a_run_begins_with_eight_cards_and_all_436_choices(stage0):
    obs, state = stage0[1](KEY, BalatroParams(max_ante=2))
    assert (obs["chips_needed"], obs["money"], obs["round"], obs["max_ante"]) == (300, 4, 1, 2)
    assert obs["deck_seen"].sum() == 8 and (obs["hand"] >= 0).all()
    assert obs["action_mask"].tolist() == [True] * 436 + [False] * 12
    assert count(state.game.round.pile) == 44 and count(all_cards()) == 52


def test_different_keys_deal_different_hands_and_draw_different_cards(stage0):
    _, reset, step = stage0
    hands = {
        tuple(reset(jax.random.key(i), BalatroParams())[0]["hand"].tolist()) for i in range(20)
    }
    assert len(hands) == 20
    state = reset(KEY, BalatroParams())[1]
    drawn = {
        tuple(
            step(jax.random.key(i), state, jnp.int32(DISCARD_FIVE), BalatroParams())[0][
                "hand"
            ].tolist()
        )
        for i in range(20)
    }
    assert len(drawn) == 20


@pytest.mark.parametrize("action", [436, 447, 448, -1])
def test_an_illegal_action_changes_only_the_time_and_is_in_info(stage0, action):
    _, reset, step = stage0
    before, state = reset(KEY, BalatroParams())
    obs, after, reward, terminated, info = step(KEY, state, jnp.int32(action), BalatroParams())
    assert info["illegal_action"] and not terminated and reward == 0.0
    assert after.time == 1
    jax.tree.map(np.testing.assert_array_equal, (before, state.game), (obs, after.game))


def test_max_ante_is_fixed_at_reset(stage0):
    _, reset, step = stage0
    state = reset(KEY, BalatroParams(max_ante=1))[1]
    obs = step(KEY, state, jnp.int32(PLAY_FIVE), BalatroParams(max_ante=5))[0]
    assert obs["max_ante"] == 1


def test_the_time_limit_truncates_and_does_not_terminate(stage0):
    env, reset, step = stage0
    params = BalatroParams(max_steps_in_episode=2)
    state = reset(KEY, params)[1]
    for last in (False, True):
        _, state, _, terminated, _ = step(KEY, state, jnp.int32(DISCARD_FIVE), params)
        assert env.is_truncated(state, params) == last and not terminated


def test_info_has_the_metrics_of_the_episode_so_far(stage0):
    _, reset, step = stage0
    state, total = reset(KEY, BalatroParams(max_ante=1))[1], 0.0
    for length in range(1, 5):
        obs, state, reward, terminated, info = step(
            KEY, state, jnp.int32(PLAY_FIVE), BalatroParams(max_ante=1)
        )
        total += reward
        logged = (info["reward"], info["length"], info["ante"], info["won"])
        assert logged == (pytest.approx(float(total), rel=1e-6), length, 1, False)
    assert terminated and info["score"] == obs["chips_scored"]
    # there is always something to choose
    assert obs["action_mask"].tolist() == [False] * 446 + [True, False]


def paid(name, before, after):
    return float(REWARDS[name](before, after))


def test_each_reward_function_pays_as_defined():
    start = a_game(number=1, max_ante=2, target=300)
    half = start._replace(round=start.round._replace(score=jnp.float32(150)))
    beaten = half._replace(beaten=jnp.int32(1), number=jnp.int32(2), round=start.round)
    won = beaten._replace(
        beaten=jnp.int32(6), number=jnp.int32(6), won=jnp.bool_(True), phase=jnp.int32(DONE)
    )
    last = won._replace(beaten=jnp.int32(5), won=jnp.bool_(False))
    logs = np.log1p(150) / np.log1p(300) / 6
    expected = {
        "progress": (0.5 / 6, 0.5 / 6, 1 / 6 + 1),
        "log-progress": (logs, 1 / 6 - logs, 1 / 6 + 1),
        "sparse": (0, 0, 1),
        "blind": (0, 1, 1 + 2),
    }
    for name, pay in expected.items():
        assert paid(name, start, half) == pytest.approx(pay[0]), name
        assert paid(name, half, beaten) == pytest.approx(pay[1]), name
        assert paid(name, last, won) == pytest.approx(pay[2]), name


def test_losing_pays_the_progress_so_far():
    start = a_game(number=1, max_ante=1, target=300)
    lost = start._replace(phase=jnp.int32(DONE), round=start.round._replace(score=jnp.float32(270)))
    assert paid("progress", start, lost) == pytest.approx(0.9 / 3)


def test_a_blind_may_wait_for_an_action():
    env = Balatro(stage=0, auto_select_blind=False)
    obs, state = env.reset_env(KEY, BalatroParams())
    assert obs["phase"] == SELECT and np.flatnonzero(obs["action_mask"]).tolist() == [447]
    assert (obs["hand"] == -1).all() and obs["chips_needed"] == 300
    obs, *_ = env.step_env(KEY, state, jnp.int32(447), BalatroParams())
    assert obs["phase"] == PLAY and (obs["hand"] >= 0).all()


def test_cards_can_be_toggled_and_confirmed():
    env = Balatro(stage=0, action_mode="toggle")
    obs, state = env.reset_env(KEY, BalatroParams())
    assert env.action_space().n == obs["action_mask"].size == 22
    for action in (0, 3, 0, 1):
        obs, state, *_ = env.step_env(KEY, state, jnp.int32(action), BalatroParams())
    assert np.flatnonzero(obs["selected"]).tolist() == [1, 3]
    obs, state, *_ = env.step_env(KEY, state, jnp.int32(9), BalatroParams())
    assert obs["discards_left"] == 2 and not obs["selected"].any()


def test_the_scores_of_all_plays_can_be_shown(stage0):
    env = Balatro(stage=0, play_scores=True)
    obs, state = jax.jit(env.reset_env)(KEY, BalatroParams())
    for action in (0, 40, 217):
        played = stage0[2](KEY, state, jnp.int32(action), BalatroParams())[0]
        assert np.expm1(obs["play_scores"][action]) == pytest.approx(
            float(played["chips_scored"]), rel=1e-5
        )


def test_the_flat_observation_is_one_vector_beside_the_mask():
    env = Balatro(stage=4, flatten=True, play_scores=True)
    obs, _ = jax.jit(env.reset_env)(KEY, BalatroParams())
    space = env.observation_space().spaces
    assert set(obs) == {"features", "action_mask"}
    assert obs["features"].shape == space["features"].shape and obs["features"].dtype == jnp.float32
    assert np.abs(obs["features"]).max() <= 10.0
    assert obs["features"][: 8 * 13].sum() == 8  # a rank for each card


def test_a_shop_opens_after_a_blind_from_stage_one_on():
    env = Balatro(stage=1)
    state = env.reset_env(KEY, BalatroParams())[1]
    rich = state.replace(
        game=state.game._replace(round=state.game.round._replace(target=jnp.int32(1)))
    )
    obs, *_ = jax.jit(env.step_env)(KEY, rich, jnp.int32(PLAY_FIVE), BalatroParams())
    assert obs["phase"] == SHOP and obs["money"] == 4 + 3 + 3
    assert obs["shop_kind"].tolist() == [2, 2, 0, 0] and obs["shop_price"].tolist() == [3, 3, 0, 0]
    assert np.flatnonzero(obs["action_mask"]).tolist() == [436, 437, 445, 446]


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [{"stage": stage} for stage in range(5)]
    + [
        {"action_mode": "toggle"},
        {"flatten": True},
        {"auto_select_blind": False},
        {"play_scores": True},
        {"stacked_decks": True},
    ],
    ids=str,
)
def test_it_passes_every_check_of_environments(given):
    # nothing drawn
    meant = (
        {"resets"} if given in ({"auto_select_blind": False}, {"stacked_decks": True}) else set()
    )
    broken = [result for result in check_env(Balatro(**given), num_steps=600) if not result.passed]
    assert {result.check for result in broken} == meant, broken


def assert_invariants(seen) -> None:
    """Assert the invariants of every game."""
    game, obs, after = seen["before"], seen["obs"], np.asarray(seen["info"]["length"])
    hand, pile = jax.vmap(jax.vmap(lambda g: (g.round.hand, g.round.pile)))(game)
    sizes = [jax.vmap(jax.vmap(count))(cards) for cards in (hand, pile, hand & pile)]
    assert (sizes[2] == 0).all() and (sizes[0] + sizes[1] <= 52).all() and (sizes[0] <= 8).all()
    assert obs["action_mask"].any(axis=-1).all()
    assert (
        not seen["info"]["illegal_action"].any()
        and not seen["truncated"].any()
        and after.max() < 512
    )
    assert (obs["hands_left"] >= 0).all() and (obs["discards_left"] >= 0).all()
    assert (obs["hand_levels"] >= 1).all() and (obs["joker_sell"] >= 0).all()
    ids = np.asarray(obs["joker_ids"])
    assert ((ids[..., :-1] != 0) | (ids[..., 1:] == 0)).all()  # no gaps
    assert (np.asarray(obs["joker_state"])[ids == 0] == 0).all()
    poor = np.asarray(obs["money"]) < 0
    # $20 of credit, and 25 cards for The Tooth
    assert (np.asarray(obs["money"])[poor] >= -45).all()
    for name, value in obs.items():
        assert np.isfinite(np.asarray(value, np.float64)).all(), name


@pytest.fixture
def easy(monkeypatch):
    """Targets so low that random play reaches shops and bosses."""
    monkeypatch.setattr(blinds, "_BASE", blinds._BASE // 20)


@pytest.mark.slow
def test_invariants_hold_in_ten_thousand_random_steps():
    seen = random_games(Balatro(stage=0), BalatroParams(max_ante=2), 64, 160)
    assert_invariants(seen)
    assert seen["terminated"].sum() > 500


@pytest.mark.slow
def test_invariants_hold_with_shops_jokers_and_bosses(easy):
    seen = random_games(Balatro(stage=4, shop_moves=7), BalatroParams(max_ante=8), 64, 160)
    assert_invariants(seen)
    obs = seen["obs"]
    assert (
        (obs["phase"] == SHOP).sum() > 1_000
        and (obs["ante"] > 3).any()
        and seen["terminated"].any()
    )
    assert len(np.unique(obs["joker_ids"])) > 60 and len(np.unique(obs["boss_id"])) > 15
    assert np.asarray(seen["before"].vouchers).any() and (obs["shop_kind"] == 3).any()


@pytest.mark.slow
@pytest.mark.parametrize("stage", range(5))
def test_invariants_hold_in_a_million_random_steps(stage, easy):
    env = Balatro(stage=stage, shop_moves=6)
    for i in range(5):
        assert_invariants(random_games(env, BalatroParams(max_ante=8), 128, 320, jax.random.key(i)))


def test_info_agrees_with_the_game(stage0):
    env, reset, step = stage0
    state = reset(KEY, BalatroParams(max_ante=1))[1]
    for hand in range(1, 4):
        _, state, _, _, info = step(KEY, state, jnp.int32(PLAY_FIVE), BalatroParams(max_ante=1))
        assert set(env.episode_facts) <= set(info)
        logged = (info["hands"], info["score"], info["blinds"], info["ante"], info["won"])
        assert logged == (hand, state.game.total_score, state.game.beaten, 1, False)
