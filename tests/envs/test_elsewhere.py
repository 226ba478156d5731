"""Names that environments have elsewhere: each is answered with what stands for it here."""

import re

import pytest

from elsinore import cli
from elsinore.config.load import load_experiment
from elsinore.envs import check_name, elsewhere, is_known, make, names, suites
from elsinore.errors import ConfigError


def refusal(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_experiment(env=name)
    with pytest.raises(ConfigError) as again:
        make(name)
    assert str(again.value) == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "HalfCheetah-v4",
        "Hopper",
        "ALE/Pong-v5",
        "PongNoFrameskip-v4",
        "LunarLander-v3",
        "CartPole-v0",
        "lunarlander",
        "humanoid",
        "Atari/Pong",
        "crafter",
        "smac",
    ],
)
def test_an_env_that_is_elsewhere_gets_a_sentence_about_what_is_here(name):
    message = refusal(name)
    assert message.startswith(f"env={name!r} is not here: ") and "did you mean" not in message
    assert any(known in message for known in names()) or "`elsinore envs" in message


@pytest.mark.parametrize(
    "name, meant",
    [
        ("chess", "pgx/chess"),
        ("TicTacToe", "pgx/tic_tac_toe"),
        ("go", "pgx/go_9x9"),
        ("Snake-v1", "jumanji/Snake-v1"),
        ("snake", "jumanji/Snake-v1"),
        ("overcooked", "jaxmarl/overcooked"),
        ("walker-walk", "playground/WalkerWalk"),
    ],
)
def test_an_id_without_its_library_is_answered_with_both(name, meant):
    assert f"env={name!r} is not here: {meant} is of a library" in refusal(name)


@pytest.mark.parametrize("name, meant", [("chess", "pgx/chess"), ("lunarlander", "gym/Lunar")])
def test_play_and_envs_answer_as_train_does(name, meant, capsys):
    for command in ("play", "envs"):
        assert cli.main([command, name]) == 2
        assert meant in capsys.readouterr().err


@pytest.mark.parametrize("suite", elsewhere.IDS)
def test_the_ids_of_libraries_are_those_that_they_list(suite):
    if not suites.is_installed(suite):
        pytest.skip(f"{suite} is not installed")
    assert set(elsewhere.IDS[suite]) <= set(suites.ids(suite))


@pytest.mark.parametrize("name", ["Snake-v1", "2048"])
def test_a_name_with_its_library_is_as_it_was(name):
    check_name(f"jumanji/{name}")


@pytest.mark.parametrize(
    "name", ["simple_world:World", "lunarlander:Mine", "gym:make_env", "procgen_like:Env"]
)
def test_a_class_of_a_module_is_not_taken_for_an_env_of_elsewhere(name):
    assert elsewhere.env_hint(name) is None


def test_a_library_before_a_colon_gets_the_form_of_its_names():
    for name in ("brax:ant", "gym:CartPole-v1"):
        message = refusal(name)
        assert message.startswith(f"env={name!r} is not here: ") and "such as brax/ant" in message


def test_every_env_that_is_hinted_at_exists_and_none_is_hidden():
    said = " ".join(text for _, text in elsewhere.PATTERNS)
    of_libraries = r"\b[a-z]+/[\w-]+"
    assert all(map(is_known, re.findall(of_libraries, said)))
    mentioned = re.findall(r"\b[A-Z]\w*-(?:v\d|MinAtar|misc)", re.sub(of_libraries, "", said))
    assert len(mentioned) >= 10 and set(mentioned) <= set(names())
    assert not any(elsewhere.env_hint(name) for name in names())


def test_the_short_cartpole_is_the_long_one_with_another_limit():
    experiment = load_experiment("CartPole-v1", overrides={"env_params.max_steps_in_episode": 200})
    _, params = make(experiment.env, experiment.env_kwargs, experiment.env_params)
    assert params.max_steps_in_episode == 200


@pytest.mark.parametrize(
    "name, meant",
    [("cartpole", "CartPole-v1"), ("CartPole-v2", "CartPole-v1"), ("pendulum", "Pendulum-v1")],
)
def test_another_version_or_other_capitals_are_recognised(name, meant):
    assert f"env={name!r} is unknown; did you mean '{meant}'?" in refusal(name)


def test_an_env_like_no_other_gets_no_guess():
    assert refusal("my_world").startswith("env='my_world' is unknown. `elsinore envs` lists")


@pytest.mark.parametrize("name", ["Taxi-v3", "Blackjack-v1", "FrozenLake-v1"])
def test_a_name_with_a_version_is_answered_with_that_of_gymnasium(name):
    assert f" One of Gymnasium would be gym/{name}. " in refusal(name)
    assert "Gymnasium" not in refusal("CartPole-v2")
