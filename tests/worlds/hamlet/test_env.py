"""The Hamlet levels as environments: check_env, views, masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.checks.env import check_env
from elsinore.envs import make
from elsinore.errors import ConfigError
from elsinore.worlds.hamlet import LEVELS
from elsinore.worlds.hamlet.env import hamlet
from elsinore.worlds.hamlet.rules import INTERACT
from tests.worlds.hamlet.worlds import act, at, base6

MEANT = {"resets": "equal resets"}  # the standard start of the older worlds is always the same


def broken(env, params):
    results = [v for v in check_env(env, params) if not v.passed]
    return [v for v in results if MEANT.get(v.check, "-") not in v.detail]


@pytest.mark.slow
@pytest.mark.parametrize("world", LEVELS)
def test_a_world_passes_every_check(world):
    assert broken(*make(f"Hamlet-{world}")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "kwargs"),
    [
        (
            "mood6",
            {
                "reward": {"shaped": 1.0, "potential": 2.0},
                "view": "5x5",
                "mask": True,
                "occupancy": True,
            },
        ),
        ("L3", {"observation": "one_hot", "mask": False}),
        ("L3", {"observation": "places"}),
        ("L0_5", {"view": "5x5"}),
    ],
)
def test_a_world_passes_every_check_with_every_observation(world, kwargs):
    assert broken(*make(f"Hamlet-{world}", kwargs, {"random_start_share": 0.5})) == []


@pytest.mark.parametrize(
    ("world", "size"),
    [("classic4", 70), ("base6", 72), ("mood6", 72), ("L0_0", 66), ("L0_5", 82), ("L1", 121)],
)
def test_observations_have_the_sizes_of_the_original(world, size):
    env = hamlet(world, mask=False)
    assert env.observation_space(env.default_params).shape == (size,)
    assert jax.eval_shape(env.reset_env, jax.random.key(0), env.default_params)[0].shape == (size,)


@pytest.mark.parametrize(
    ("world", "params", "message"),
    [
        (
            "classic4",
            {"drain_multiplier": 0.001},
            "env_params.drain_multiplier=0.001 times the drain of meter energy, 0.5, is less than",
        ),
        (
            "base6",
            {"fail_cost": [0, 1e-4, 0, 0, 0, 0]},
            "env_params.fail_cost=0.0001 of meter hygiene is less than half a step of",
        ),
        ("base6", {"move_cost": [0, 0, -5e-4, 0, 0, 0]}, "move_cost=-0.0005 of meter satiation"),
    ],
)
def test_an_amount_that_would_be_rounded_to_0_is_refused(world, params, message):
    with pytest.raises(ConfigError, match=message):
        make(f"Hamlet-{world}", {}, params)


@pytest.mark.parametrize(("world", "number"), [("classic4", 0.0), ("classic4", 0.01), ("L1", 1e-6)])
def test_an_amount_that_is_not_lost_by_rounding_is_accepted(world, number):
    assert make(f"Hamlet-{world}", {}, {"drain_multiplier": number})[1].drain_multiplier == number


def test_the_agent_whose_amount_would_be_rounded_to_0_is_found():
    env = hamlet("classic4")
    params = env.default_params.replace(drain_multiplier=np.float32([1.0, 0.001]))
    with pytest.raises(ValueError, match="^drain_multiplier=0.001 times the drain of meter energy"):
        env.check_params(params)


def test_a_window_shows_what_is_near_and_nothing_beyond_the_walls():
    env = base6(view="5x5")
    obs = np.asarray(env.observe(None, at(env, 0, 0), None, env.default_params))
    window = obs[8:].reshape(5, 5)
    assert (window[:2] == 0).all() and (window[:, :2] == 0).all()
    assert (window[2, 2], window[3, 3], window[4, 4]) == (8, 1, 2)  # the agent, the bed, the shower


def test_one_hot_sees_the_cell_and_the_meters():
    env = base6(observation="one_hot")
    obs = np.asarray(env.observe(None, at(env, 3, 2, money=0), None, env.default_params))
    assert np.flatnonzero(obs[:64]).tolist() == [19]
    assert obs[64:] == pytest.approx([1, 1, 1, 0.5, 0, 0.5])


def test_one_hot_sees_where_drawn_things_are_if_they_are_in_view():
    cells = np.full((14, 2), -1)
    cells[[0, 3, 6, 10]] = (0, 0), (4, 4), (2, 3), (4, 0)
    seen = {}
    for view in ("full", "5x5"):
        env = hamlet("L0_5", observation="one_hot", view=view, mask=False)
        state = env.state_at((1, 2), jnp.ones(8), cells)
        seen[view] = np.asarray(env.observe(None, state, None, env.default_params))[25 + 8 :]
    assert seen["full"] == pytest.approx([1, 1, 1, 1, -0.2, -0.4, 0.6, 0.4, 0.2, 0.2, 0.6, -0.4])
    assert seen["5x5"] == pytest.approx([1, 0, 1, 0, -0.2, -0.4, 0, 0, 0.2, 0.2, 0, 0])


@pytest.mark.parametrize("form", ["original", "one_hot", "places"])
def test_a_long_use_is_observed_within_the_space(form):
    profile = {"extends": "L3", "affordances": [{"name": "Bed", "duration": 14, "cell": [0, 0]}]}
    env = hamlet("custom", profile=profile | {"name": "x", "start": [0, 0]}, observation=form)
    space = env.observation_space(env.default_params)
    _, state = env.reset_env(jax.random.key(0), env.default_params)
    used = act(env, state, *[INTERACT] * 12)
    assert max(int(state.progress) for _, state, *_ in used) > 10
    obs = used[10][0]
    spaces = space.spaces if isinstance(obs, dict) else {"all": space}
    for name, x in (obs if isinstance(obs, dict) else {"all": obs}).items():
        assert (spaces[name].low <= x).all() and (x <= spaces[name].high).all()


def test_places_are_seen_one_by_one_as_the_own_position_is():
    cells = np.full((14, 2), -1)
    cells[[0, 3, 6, 10]] = (0, 0), (4, 4), (2, 3), (4, 0)
    for view, seen in (("full", [1, 1, 1, 1]), ("5x5", [1, 0, 1, 0])):
        env = hamlet("L0_5", observation="places", view=view)
        obs = env.observe(
            None, env.state_at((1, 2), jnp.full(8, 0.75), cells), None, env.default_params
        )
        assert obs["own"] == pytest.approx([0.25, 0.5] + [0.75] * 8)
        where = np.array([(0, 0), (1, 1), (0.5, 0.75), (1, 0)]) * np.array(seen)[:, None]
        np.testing.assert_allclose(obs["places"], np.column_stack([seen, where]))
        assert obs["action_mask"].shape == (8,)


def test_the_mask_rules_out_walls_nothing_and_what_is_disabled():
    env = base6(mask=True)
    mask = env.observe(None, at(env, 0, 0), None, env.default_params)["action_mask"]
    assert mask.tolist() == [False, True, False, True, False]
    assert env.observe(None, at(env, 1, 1, money=-9), None, env.default_params)["action_mask"].all()
    small = hamlet("L0_5")
    _, state = small.reset_env(jax.random.key(0), small.default_params)
    mask = small.observe(None, state, None, small.default_params)["action_mask"]
    assert mask[5:].tolist() == [True, False, False]


def test_a_masked_action_is_executed_all_the_same():
    env, plain = base6(mask=True), base6()
    masked, open_ = (act(e, at(e, 0, 0), 0)[0] for e in (env, plain))
    assert not env.observe(None, at(env, 0, 0), None, env.default_params)["action_mask"][0]
    np.testing.assert_array_equal(masked[0]["vector"], open_[0])


def test_what_is_there_to_draw_can_be_asked_of_the_profile():
    profile = base6().profile
    assert profile.affordance_names[0] == "Bed"
    assert (profile.affordances[0].cell, profile.affordances[0].role) == ((1, 1), "rest")
    assert (profile.meters[3].low, profile.meters[3].high) == (-100, 100)
    assert profile.action_names == ("up", "down", "left", "right", "interact")
