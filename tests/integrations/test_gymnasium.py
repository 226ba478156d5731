"""Our envs as Gymnasium's."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnax.environments import spaces

from elsinore.envs.scene import Bar, Bars, Scene
from elsinore.envs.spaces import MultiDiscrete
from elsinore.errors import ConfigError
from elsinore.integrations.frames import Frames
from elsinore.integrations.gymnasium import gymnasium_env
from elsinore.integrations.spaces import action_of, gymnasium_space
from elsinore.worlds.balatro.env import Balatro
from tests.envs.broken_envs import Pair
from tests.integrations.worlds import DescribedBandit, DescribedScripted


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "Catch-bsuite"])
def test_gymnasium_finds_no_fault(name):
    check_env(gymnasium_env(name, render_mode="rgb_array"))


BALATROS = {
    "cards": {},
    "one vector": {"flatten": True},
    "toggling": {"action_mode": "toggle"},
    "everything": {"stage": 4, "play_scores": True, "auto_select_blind": False},
}


@pytest.mark.parametrize(
    "kwargs",
    [
        pytest.param(kwargs, marks=() if name == "cards" else pytest.mark.slow)
        for name, kwargs in BALATROS.items()
    ],
    ids=BALATROS,
)
def test_balatro_passes_gymnasiums_checks_and_its_mask_is_the_legal_actions(kwargs):
    env = gymnasium_env(Balatro(**kwargs), params={"max_ante": 1})
    check_env(env, skip_render_check=True)
    env.reset(seed=1)
    for action in range(0, env.action_space.n, 5):
        legal = env.action_masks()[action]
        _, _, terminated, _, info = env.step(action)
        assert info["illegal_action"] != legal
        if terminated:
            env.reset()


def test_a_frame_shows_the_present_state_and_all_have_one_size():
    env = gymnasium_env("CartPole-v1", render_mode="rgb_array")
    assert env.metadata["render_modes"] == ["rgb_array"] and env.metadata["render_fps"] == 50.0
    with pytest.raises(ValueError, match="call reset"):
        env.render()
    env.reset(seed=1)
    first = env.render()
    assert first.dtype == np.uint8 and first.shape[2] == 3 and min(first.shape[:2]) > 100
    np.testing.assert_array_equal(first, env.render())
    env.step(0)
    assert env.render().shape == first.shape and (env.render() != first).any()
    assert gymnasium_env("CartPole-v1").render() is None
    with pytest.raises(ConfigError, match="render_mode='human' is not known; choose 'rgb_array'"):
        gymnasium_env("CartPole-v1", render_mode="human")


def test_a_larger_scene_is_scaled_to_the_size_of_the_first_frame():
    bars = [Bar(str(i), 0.5, "half") for i in range(9)]
    small, large = (Scene("bars", (Bars("needs", tuple(bars[:n])),)) for n in (1, 9))
    frames = Frames()
    shapes = [frames.draw("rgb_array", lambda x=x: x).shape for x in (small, large, small)]
    assert len({*shapes}) == 1
    bottom = frames.draw("rgb_array", lambda: large)[-40:].reshape(-1, 3)
    assert len({*map(tuple, bottom.tolist())}) > 1  # the last bar is not cut off


def test_it_is_the_same_env():
    env = gymnasium_env(DescribedScripted())
    first, _ = env.reset(seed=1)
    _, reward, terminated, truncated, _ = env.step(0)
    assert (reward, terminated, truncated) == (1.0, False, False)
    _, reward, terminated, truncated, _ = env.step(1)
    assert (reward, terminated, truncated) == (2.0, True, False)
    again, _ = env.reset(seed=1)
    np.testing.assert_array_equal(first, again)


def test_masks_are_given_as_maskable_ppo_asks_for_them():
    env = gymnasium_env(DescribedBandit())
    env.reset(seed=0)
    mask = env.action_masks()
    assert (
        mask.dtype == bool and mask.shape == (env.action_space.n,) and mask.any() and not mask.all()
    )
    assert isinstance(env.observation_space["action_mask"], gymnasium.spaces.MultiBinary)
    plain = gymnasium_env("CartPole-v1")
    plain.reset()
    with pytest.raises(ValueError, match="no illegal actions"):
        plain.action_masks()


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(ValueError, match="call reset"):
        gymnasium_env("CartPole-v1").step(0)


@pytest.mark.parametrize(
    ("name", "action", "sound"),
    [
        ("CartPole-v1", 2, 1),
        ("CartPole-v1", -1, np.int32(0)),
        ("CartPole-v1", 1.5, True),
        ("CartPole-v1", "left", np.array(1)),
        ("CartPole-v1", None, 0),
        ("CartPole-v1", [0], 0),
        ("Pendulum-v1", [np.nan], [0.0]),
        ("Pendulum-v1", [1.0, 2.0], [3.0]),  # beyond its bounds, where Pendulum clips
        ("Pendulum-v1", [[1.0], []], np.ones(1)),
    ],
)
def test_what_is_no_action_is_refused_and_the_episode_goes_on(name, action, sound):
    env = gymnasium_env(name)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="is no action of "):
        env.step(action)
    assert np.isfinite(env.step(sound)[1])


@pytest.mark.parametrize("action", [[0, 1, 2], [0], 1, [[0, 1]]])
def test_an_action_of_another_length_is_refused(action):
    with pytest.raises(ConfigError, match=r"^act=.* is no action of MultiDiscrete"):
        action_of(action, gymnasium.spaces.MultiDiscrete([3, 2]), "act")


def test_an_environment_on_the_host_needs_no_conversion():
    with pytest.raises(ConfigError, match="gym/CartPole-v1' is stepped on the host, and needs no"):
        gymnasium_env("gym/CartPole-v1")


def test_an_environment_of_several_agents_is_refused():
    with pytest.raises(ConfigError, match=r"has 2 agents.*parallel_env\('Pair', agents=2\)"):
        gymnasium_env(Pair())


def test_spaces_have_their_counterparts():
    several = gymnasium_space(spaces.Tuple([MultiDiscrete([3, 2]), spaces.Discrete(4)]))
    assert several == gymnasium.spaces.Tuple(
        (gymnasium.spaces.MultiDiscrete([3, 2]), gymnasium.spaces.Discrete(4))
    )
    with pytest.raises(ValueError, match="no counterpart in Gymnasium"):
        gymnasium_space(object())


def test_gymnasium_makes_a_vector_of_it():
    envs = gymnasium.vector.SyncVectorEnv([lambda: gymnasium_env("CartPole-v1")] * 8)
    first, _ = envs.reset(seed=[*range(8)])
    obs, reward, terminated, truncated, _ = envs.step(np.array([0, 1] * 4))
    assert obs.shape == first.shape == (8, 4) and len(np.unique(first, axis=0)) == 8
    assert (reward == 1).all() and not (terminated | truncated).any()
    alone = gymnasium_env("CartPole-v1")
    alone.reset(seed=3)
    np.testing.assert_array_equal(obs[3], alone.step(1)[0])
    envs.close()
