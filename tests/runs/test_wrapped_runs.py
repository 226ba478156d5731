"""A run in a wrapped environment records its wrappers: whatever looks at it or continues it has
them."""

import shutil

import numpy as np
import pytest
import yaml

import elsinore
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.runs.call import resolve_experiment
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import worker as replay_worker
from elsinore.view.play import episodes_of
from tests.runs.conftest import TINY, assert_same_run, rows_in, train_tiny

WRAPPERS = [
    {"randomise": {"force_mag": [8, 12]}},
    {"scale_reward": 0.5},
    {"frame_stack": 2},
    {"time_limit": 40},
]
SETTINGS = TINY | {
    "checkpoints.interval_seconds": 0,
    "replays.share": 1,
    "replays.every_seconds": 0,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that was given an environment in wrappers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay_worker, "FIRST_SECONDS", 0.0)
        world = elsinore.wrap("CartPole-v1", *WRAPPERS)
        return elsinore.train(
            world,
            overrides=SETTINGS,
            seeds=2,
            name="wrapped",
            runs_dir=tmp_path_factory.mktemp("w"),
        )


def test_a_run_records_the_wrappers_it_was_given(run):
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert (config["env"], config["wrappers"]) == ("CartPole-v1", WRAPPERS)


def test_settings_give_the_same_run(run, tmp_path):
    other = train_tiny(tmp_path, "set", {"checkpoints.interval_seconds": 0, "wrappers": WRAPPERS})
    assert rows_in(other.path) == rows_in(run.path)


def test_a_run_is_evaluated_and_acts_in_its_wrappers(run):
    loaded = elsinore.load(run.path)
    returns = loaded.evaluate(episodes=4)
    assert returns.max() <= 20.0  # 40 steps at most, of half a point each
    assert loaded.policy()(np.zeros(8, np.float32)) in (0, 1)
    names = {row[3] for row in rows_in(run.path)}
    assert {"eval/raw_return", "episode/raw_return"} <= names


def test_its_episodes_are_played_and_its_replays_shown(run):
    (episode,) = episodes_of(str(run.path))
    assert 1 <= len(episode) - 1 <= 40
    replay = replays.list_replays(run.path / "replays")[0]
    assert replays.about(replay)["wrappers"] == WRAPPERS
    (recorded,) = episodes_of(str(replay))
    assert recorded.scene(0).panels and recorded.action_name(0) == "push left"


def test_a_run_resumed_from_an_earlier_checkpoint_equals_the_whole(run, tmp_path):
    path = tmp_path / "wrapped"
    shutil.copytree(run.path, path)
    (path / "summary.json").unlink()
    shutil.rmtree(path / "checkpoints" / "latest")
    elsinore.resume(path)
    assert_same_run(path, run.path)


def test_wrappers_both_around_an_environment_and_in_the_settings_are_refused():
    world = elsinore.wrap("CartPole-v1", "flatten")
    with pytest.raises(ConfigError, match="give one of them"):
        resolve_experiment(world, overrides={"wrappers": ["flatten"]})


def test_wrappers_around_an_object_are_recorded_beside_its_name():
    world = elsinore.wrap(elsinore.make("CartPole-v1")[0], {"time_limit": 9})
    experiment, given = resolve_experiment(world)
    assert (experiment.env, experiment.wrappers) == ("CartPole-v1", ({"time_limit": 9},))
    assert given is world


def test_a_wrapper_that_does_not_fit_is_refused_before_anything_is_written(tmp_path):
    for wrappers, said in (
        ([{"frame_stak": 2}], "wrappers.0.=.*did you mean 'frame_stack'"),
        (["one_hot"], "wrappers.0.: one_hot finds nothing discrete"),
    ):
        with pytest.raises(ConfigError, match=said):
            train_tiny(tmp_path / "runs", "refused", {"wrappers": wrappers})
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ConfigError, match="wrappers='flatten' must be a list"):
        load_experiment(overrides={"wrappers": "flatten"})
