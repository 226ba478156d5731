"""Hints for names of other libraries: each leads to something that exists."""

import re

import pytest

from elsinore.algos.registry import ALGORITHMS
from elsinore.config import hints
from elsinore.config.load import load_experiment
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
        ("learning-rate", "algo.learning_rate"),
        ("GAMMA", "algo.gamma"),
        ("Num-Envs", "algo.num_envs"),
        ("Env-Steps", "env_steps"),
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
