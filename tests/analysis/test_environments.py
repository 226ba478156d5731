"""The list of environments: what it says of each is what the environment itself says."""

import jax
import pytest
from gymnax.environments import spaces

import elsinore
from elsinore.analysis.environments import describe_space, env_info, env_names, list_envs
from elsinore.envs import make, names, suites
from elsinore.envs.spaces import MultiDiscrete


def test_every_name_is_listed_once():
    assert elsinore.list_envs is list_envs
    assert tuple(info.name for info in list_envs()) == names()


def test_in_the_order_of_a_suites_names_numbers_count(monkeypatch):
    monkeypatch.setattr(suites, "ids", lambda suite: ("Empty-16x16", "Empty-5x5", "DoorKey-8x8"))
    order = ("navix/DoorKey-8x8", "navix/Empty-5x5", "navix/Empty-16x16")
    assert env_names("navix") == order


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "Breakout-MinAtar"])
def test_a_time_limit_and_a_shape_are_the_environments_own(name):
    env, params = make(name)
    obs, _ = env.reset(jax.random.key(0), params)
    info = env_info(name)
    assert info.time_limit == params.max_steps_in_episode
    assert info.observation == f"float32 {'x'.join(map(str, obs.shape))}"


def test_cartpole_is_described():
    assert env_info("CartPole-v1") == (
        "CartPole-v1",
        "float32 4",
        "one of 2",
        500,
        22.5,
        500.0,
        "random actions; the maximum",
        ("ppo", "a2c", "dqn", "pqn", "rainbow", "c51", "qrdqn", "iqn", "sample_efficient"),
    )


def test_an_env_without_presets_or_reference_has_none():
    info = env_info("PointRobot-misc")
    assert info.presets == () and info.random_return is None and info.source is None


@pytest.mark.parametrize("name", ["Hamlet-custom", "MNISTBandit-bsuite"])
def test_an_env_that_cannot_be_made_from_its_name_alone_is_listed_without_spaces(name):
    assert env_info(name)[:4] == (name, None, None, None)


def test_spaces_are_described_in_a_few_words():
    inner = {"mask": spaces.Box(0, 1, (3,), bool), "id": spaces.Discrete(5)}
    assert describe_space(spaces.Dict(inner)) == "mask bool 3, id one of 5"
    assert describe_space(MultiDiscrete([3, 2])) == "one of 3 x 2"
