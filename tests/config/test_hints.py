"""Hints for names of other libraries: each leads to something that exists."""

import re

import pytest

from elsinore.algos.registry import ALGORITHMS
from elsinore.config import hints
from elsinore.config.load import load_experiment
from elsinore.envs import is_known, make, names
from elsinore.errors import ConfigError
from elsinore.hyperparameters import value_of


def refusal(**settings):
    with pytest.raises(ConfigError) as caught:
        load_experiment(**settings)
    return str(caught.value)


EXPERIMENTS = [load_experiment(algo=name) for name in ALGORITHMS]


def exists(name):
    *groups, last = name.split(".")
    owners = [value_of(x, ".".join(groups)) if groups else x for x in EXPERIMENTS]
    return groups == ["env_params"] or any(
        last in getattr(owner, "__dataclass_fields__", ()) for owner in owners
    )


@pytest.mark.parametrize("meant", sorted(set(hints.SETTINGS.values())))
def test_every_setting_that_is_hinted_at_exists(meant):
    assert exists(meant)


@pytest.mark.parametrize(
    "name, meant",
    [
        ("lr", "algo.learning_rate"),
        ("algo.lr", "algo.learning_rate"),
        ("total_timesteps", "env_steps"),
        ("algo.total_timesteps", "env_steps"),
        ("algo.env_steps", "env_steps"),
        ("algo.seeds", "seeds"),
        ("gamma", "algo.gamma"),
        ("buffer_size", "algo.buffer_size"),
        ("n_steps", "algo.rollout_length"),
        ("algo.num_steps", "algo.rollout_length"),
        ("algo.n_envs", "algo.num_envs"),
        ("algo.entropy_coef", "algo.ent_coef"),
        ("algo.ent", "algo.ent_coef"),
        ("max_steps", "env_steps"),
        ("hidden_sizes", "algo.network.hidden"),
        ("algo.network.net_arch", "algo.network.hidden"),
        ("algo.gama", "algo.gamma"),
        ("critic", "agents.critic"),
        ("sharing", "agents.sharing"),
        ("patience", "convergence.patience"),
        ("algo.layer_norm", "algo.network.layer_norm"),
        ("sinks.tracking_uri", "sinks.mlflow.tracking_uri"),
    ],
)
def test_an_unknown_setting_is_answered_by_its_meaning(name, meant):
    assert refusal(overrides={name: 1}) == f"{name} is not a setting; did you mean '{meant}'?"


def test_a_hint_is_not_at_a_setting_that_the_algorithm_lacks():
    assert "num_epochs" not in refusal(algo="a2c", overrides={"algo.update_epochs": 3})


def test_what_is_nearly_spelt_goes_before_what_others_mean():
    message = refusal(algo="dqn", overrides={"algo.n_steps": 3})
    assert message == "algo.n_steps is not a setting; did you mean 'algo.n_step'?"


def test_a_batch_size_leads_to_minibatches_where_there_are_some():
    message = refusal(overrides={"algo.batch_size": 64})
    assert "is a setting of dqn and sac and sac_discrete and td3, not of ppo" in message
    assert "algo.num_minibatches is near it." in message


@pytest.mark.parametrize("name", ["PPO", "Dqn", "ppo2"])
def test_an_algorithm_in_capitals_is_recognised(name):
    assert f"did you mean '{name.lower().rstrip('2')}'?" in refusal(algo=name)


@pytest.mark.parametrize(
    "name", ["ddpg", "TQC", "Double-DQN", "recurrent_ppo", "QR-DQN", "MAPPO", "vdn"]
)
def test_an_algorithm_that_is_elsewhere_gets_a_sentence_and_no_guess(name):
    message = refusal(algo=name)
    assert message.startswith(f"algo={name!r} is not here: ") and "did you mean" not in message
    assert "Known: ppo, a2c, dqn, pqn" in message


@pytest.mark.parametrize("name", sorted(hints.ALGORITHM_HINTS))
def test_the_settings_that_stand_for_an_algorithm_exist(name):
    for setting in re.findall(r"\b((?:algo|agents)\.[a-z_.]+)=", hints.ALGORITHM_HINTS[name]):
        assert exists(setting)


def test_no_algorithm_of_ours_is_hidden_by_a_hint():
    assert not any(hints.algorithm_hint(name) for name in ALGORITHMS)
    assert load_experiment(algo="dqn", overrides={"algo.double": True}).algo.double


@pytest.mark.parametrize(
    "name",
    [
        "HalfCheetah-v4",
        "Hopper",
        "ALE/Pong-v5",
        "PongNoFrameskip-v4",
        "LunarLander-v3",
        "CartPole-v0",
    ],
)
def test_an_env_that_is_elsewhere_gets_a_sentence_about_what_is_here(name):
    message = refusal(env=name)
    assert message.startswith(f"env={name!r} is not here: ") and "did you mean" not in message
    assert any(known in message for known in names())


def test_a_library_before_a_colon_gets_the_form_of_its_names():
    message = refusal(env="brax:ant")
    assert message.startswith("env='brax:ant' is not here: ") and "such as brax/ant" in message


def test_every_env_that_is_hinted_at_exists_and_none_is_hidden():
    said = " ".join(text for _, text in hints.ENVS)
    of_libraries = r"\b[a-z]+/[\w-]+"
    assert all(map(is_known, re.findall(of_libraries, said)))
    mentioned = re.findall(r"\b[A-Z]\w*-(?:v\d|MinAtar|misc)", re.sub(of_libraries, "", said))
    assert len(mentioned) >= 10 and set(mentioned) <= set(names())
    assert not any(hints.env_hint(name) for name in names())


def test_the_short_cartpole_is_the_long_one_with_another_limit():
    experiment = load_experiment("CartPole-v1", overrides={"env_params.max_steps_in_episode": 200})
    _, params = make(experiment.env, experiment.env_kwargs, experiment.env_params)
    assert params.max_steps_in_episode == 200


@pytest.mark.parametrize(
    "name, meant",
    [("cartpole", "CartPole-v1"), ("CartPole-v2", "CartPole-v1"), ("pendulum", "Pendulum-v1")],
)
def test_another_version_or_other_capitals_are_recognised(name, meant):
    assert f"env={name!r} is unknown; did you mean '{meant}'?" in refusal(env=name)


@pytest.mark.parametrize("name", ["Taxi-v3", "Blackjack-v1", "my_world"])
def test_an_env_like_no_other_gets_no_guess(name):
    assert refusal(env=name).startswith(f"env={name!r} is unknown. `elsinore envs` lists")
