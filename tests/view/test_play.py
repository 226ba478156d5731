"""A run's untrained, best and latest policies play episodes."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

import elsinore
from elsinore.cli.play import _of_checkpoint
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.runs.run_dir import RunDir
from elsinore.view.play import _replica, _untrained, env_to_play, episodes_of

IMITATING = {
    "imitation.teacher": "tests.config.test_imitation:best_arm", "imitation.env_steps": 512,
    "imitation.num_envs": 4, "imitation.rollout_length": 32, "algo.num_envs": 2,
    "algo.rollout_length": 8, "algo.num_minibatches": 1, "env_steps": 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def latest(whole):
    """Two episodes of the latest policy of the tiny run."""
    return list(episodes_of(str(whole), policy="latest", episodes=2))


def test_a_runs_newest_policy_plays(whole, latest):
    about = latest[0].about
    assert (about["run"], about["algo"], about["env"], about["greedy"]) == (
        "whole",
        "ppo",
        "CartPole-v1",
        True,
    )
    assert about["update"] == 40 and about["env_steps"] == 5120
    assert about["return"] == about["length"] <= 50  # as long as its evaluations


def test_episodes_differ_by_number_and_are_reproducible(whole, latest):
    assert not np.array_equal(latest[0].recording.state.x[0], latest[1].recording.state.x[0])
    (again,) = episodes_of(str(whole), policy="latest", first_episode=1)
    np.testing.assert_array_equal(again.recording.state.x, latest[1].recording.state.x)


def test_an_untrained_policy_is_nearly_uniform(whole):
    (untrained,) = episodes_of(str(whole), policy="untrained", seed=1)
    assert untrained.about["update"] == 0 and untrained.about["seed"] == 1
    probability = untrained.recording.action_scores["probability"][: untrained.about["length"]]
    assert abs(probability - 0.5).max() < 0.1


def test_an_untrained_policy_has_not_imitated(tmp_path):
    experiment = load_experiment("tests.small_envs:MaskedBandit", "ppo", overrides=IMITATING)
    folder = RunDir.create(tmp_path, "run", experiment)
    folder.unlock()
    params = _untrained(elsinore.load(folder.path), 0)[0].params
    weights = jax.tree.leaves_with_path(params)
    biases = [x for path, x in weights if "bias" in jax.tree_util.keystr(path)]
    assert biases and not any(x.any() for x in biases)  # as they are initialised


def test_the_best_policy_is_that_of_the_best_checkpoint(whole):
    (best,) = episodes_of(str(whole), seed=0)
    assert best.about["checkpoint"] == f"best/{best.about['update']:010d}"
    names = [path.name for path in (whole / "checkpoints" / "best").iterdir()]
    assert f"{best.about['update']:010d}" in names


def test_a_seed_is_chosen_by_its_own_number():
    run = SimpleNamespace(experiment=elsinore.Experiment(seed=5, seeds=2))
    assert [_replica(run, seed) for seed in (5, 6)] == [0, 1]
    with pytest.raises(ConfigError, match="seed=0 is not of this run; it has 5 to 6"):
        _replica(run, 0)


def test_a_seed_that_is_not_of_the_run_is_refused(whole):
    with pytest.raises(ConfigError, match="seed=2 is not of this run; it has 0 to 1"):
        list(episodes_of(str(whole), seed=2))


def test_a_checkpoint_that_is_not_there_is_refused(whole):
    with pytest.raises(ConfigError, match="'worst' is not in"):
        list(episodes_of(str(whole), policy="worst"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///nowhere/run", "file:///nowhere/run is no copy of a run"),
        ("nothing://bucket/run", "nothing://bucket/run cannot be read: Protocol not known"),
    ],
)
def test_a_copy_that_cannot_be_read_is_not_taken_for_an_environment(tmp_path, url, said):
    with pytest.raises(ConfigError, match=said):
        episodes_of(url, runs_dir=tmp_path)
    with pytest.raises(ConfigError, match=said):  # by hand
        env_to_play(url, {}, tmp_path)


def test_an_episode_can_be_saved_and_loaded(latest, tmp_path):
    kept = latest[0]
    path = replays.write(
        tmp_path / "kept.npz",
        episode_recording.recording_of(kept.recording, kept.params, kept.about),
    )
    (again,) = episodes_of(str(path))
    assert len(again) == len(kept)
    assert again.scene(3) == kept.scene(3)


def test_random_actions_are_shown_up_to_a_limit_that_is_drawn():
    """The default limit, 200, cut episodes that were longer."""
    drawn = {"wrappers": [{"randomise": {"max_steps_in_episode": [250, 260]}}]}
    (episode,) = episodes_of("MountainCar-v0", settings=drawn)
    assert 250 <= len(episode) - 1 <= 260 and episode.outcome == "truncated"


def test_a_person_plays_the_environment_of_a_run(whole):
    env, params = env_to_play(str(whole), {})
    assert (env.name, params.max_steps_in_episode) == ("CartPole-v1", 500)
    with pytest.raises(
        ConfigError, match=r"--set \(in Python, settings\) applies to an environment by name"
    ):
        env_to_play(str(whole), {"env_params.max_steps_in_episode": 5})


def test_the_end_of_an_episode_names_the_learner_of_a_population():
    about = {"seed": 2, "checkpoint": "best/0000000010"}
    assert _of_checkpoint(about) == " (seed 2 of best/0000000010)"
    named = about | {"replica": "seed 0, algo.gamma=0.99"}
    assert _of_checkpoint(named) == " (seed 0, algo.gamma=0.99 of best/0000000010)"
    assert _of_checkpoint({"seed": 2}) == ""
