"""Best checkpoints have no replay buffers, unless these are asked for, and all else."""

import shlex
import shutil
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.config.experiment import CheckpointsConfig, Experiment
from elsinore.errors import ConfigError
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.arrays import read_arrays
from elsinore.runs.checkpoints.buffers import has_buffers, without_buffers
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.training.schedule import Schedule
from tests.runs.conftest import assert_same_run, kept
from tests.runs.test_start import OFF, leaves, parts

SETTINGS = OFF | {"checkpoints.best": 1, "checkpoints.interval_seconds": 0}


class Learner(NamedTuple):
    params: np.ndarray
    buffer: Any = ()


class Groups(NamedTuple):
    groups: tuple


class Train(NamedTuple):
    learner: Any


class State(NamedTuple):
    train: Train


def state_of(number: int, learner=None) -> State:
    one = Learner(np.full((1, 2), number, np.float32), {"obs": np.full((1, 50), number)})
    return State(Train(one if learner is None else learner))


# The state


def test_a_state_without_its_buffers_is_all_the_rest():
    state = state_of(3)
    assert has_buffers(state) and has_buffers((state, state))
    bare = State(Train(state.train.learner._replace(buffer=())))
    assert without_buffers(state) == bare and not has_buffers(bare)
    assert without_buffers((state, state)) == (bare, bare)
    groups = Groups((state.train.learner, Learner(np.zeros(1))))
    found = without_buffers(state_of(0, groups)).train.learner.groups
    assert [each.buffer for each in found] == [(), ()]


@pytest.mark.parametrize("learner", [Learner(np.zeros(1)), {"buffer": np.ones(1)}, np.zeros(1)])
def test_a_state_that_has_none_in_a_record_is_left_as_it_is(learner):
    state = state_of(0, learner)
    assert not has_buffers(state) and without_buffers(state) is state
    assert without_buffers(turns := (state, state)) is turns


# The manager


def managed(folder, scores, **config) -> tuple[CheckpointManager, list[int]]:
    """A manager after a chunk of each score, and the bytes that it fetched for each."""
    fetched = []

    def fetch(state):
        fetched.append(sum(x.nbytes for x in jax.tree.leaves(state)))
        return state

    experiment = Experiment(checkpoints=CheckpointsConfig(interval_seconds=1e9, **config))
    manager = CheckpointManager(folder, experiment, None, Schedule(100, 1), fetch)
    for index, score in enumerate(scores):
        manager.after_chunk(
            SimpleNamespace(state=state_of(index + 1), index=index, frozen=False, last=False), score
        )
    return manager, fetched


@pytest.mark.parametrize(("buffers", "bytes_held"), [(False, 8), (True, 8 + 400)])
def test_a_best_state_is_held_and_fetched_without_buffers(tmp_path, buffers, bytes_held):
    manager, fetched = managed(tmp_path, [1.0, 3.0, 2.0], best=1, best_buffers=buffers)
    ((update, (score, state)),) = manager.best.held.items()
    assert (update, score) == (2, 3.0)
    assert sum(x.nbytes for x in jax.tree.leaves(state)) == bytes_held
    assert fetched == [bytes_held, bytes_held]  # of the first chunk and the second
    manager.save("latest", 3, state_of(3), 2.0)
    best, latest = (checkpoints.list_checkpoints(tmp_path, (x,))[0] for x in ("best", "latest"))
    assert (best.has_all, latest.has_all) == (buffers, True)
    assert [".train.learner.buffer['obs']" in x.manifest["arrays"] for x in (best, latest)] == [
        buffers,
        True,
    ]
    np.testing.assert_array_equal(
        read_arrays(best)[".train.learner.params"], state_of(2).train.learner.params
    )


@pytest.mark.parametrize("period", [0, 1])
def test_a_state_that_was_fetched_is_not_copied_again(tmp_path, period):
    """It may be as large as the rest of the memory."""
    fetched = [np.zeros(3)]
    config = CheckpointsConfig(interval_seconds=1e9, best=1, period=period)
    experiment = Experiment(checkpoints=config)
    manager = CheckpointManager(
        tmp_path, experiment, None, Schedule(100, 1), lambda state: {"x": fetched[0]}
    )
    chunk: Any = SimpleNamespace(state={"x": "on the device"}, index=0, frozen=False, last=False)
    manager.after_chunk(chunk, 1.0)
    if not period:
        ((_, (_, state)),) = manager.best.held.items()
        assert state["x"] is fetched[0]
    last: Any = manager.conclude(ended=True)[0]
    assert last["x"] is fetched[0]


def test_a_run_goes_on_from_the_newest_that_has_all(tmp_path):
    manager, _ = managed(tmp_path, [1.0, 3.0], best=1, period=1)
    assert [c.name for c in checkpoint_choice.resumable(tmp_path)] == [
        "periodic/0000000002",
        "periodic/0000000001",
    ]
    assert checkpoint_choice.newest(tmp_path).name == "periodic/0000000002"
    shutil.rmtree(tmp_path / "periodic" / "0000000002")
    newest = checkpoint_choice.newest(tmp_path)
    assert newest.name == "periodic/0000000001"
    assert checkpoint_choice.newest_covered(tmp_path, newest, 99) == newest


# A run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dqn")
    return elsinore.train(
        "CartPole-v1", "dqn", overrides=SETTINGS, seeds=2, name="dqn", runs_dir=folder
    )


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "dqn")
    return tmp_path / "dqn"


def test_a_policy_is_shown_evaluated_and_exported_from_it(run, tmp_path):
    best = run.checkpoint("best")
    assert not best.has_all and run.checkpoint("latest").has_all
    assert not [name for name in leaves(run.path, "best") if ".buffer" in name]
    state = run.state("best")
    latest = run.state("latest", buffers=False)
    assert latest.train.learner.buffer == () and not has_buffers(latest)
    assert state.train.learner.buffer == () and len(state.train.learner.params) > 0
    policy = run.policy(seed=1, checkpoint="best")
    assert policy.checkpoint == best.name and policy(np.zeros(4, np.float32)) in (0, 1)
    assert run.evaluate(3, checkpoint="best").shape == (2, 3)
    assert (run.export("jax", tmp_path / "out", checkpoint="best") / "policy.jaxexport").exists()
    assert run.play(tmp_path / "film.gif").exists()


def test_evaluations_are_those_of_a_checkpoint_with_buffers(run, tmp_path):
    settings = SETTINGS | {"checkpoints.best_buffers": True}
    other = elsinore.train(
        "CartPole-v1", "dqn", overrides=settings, seeds=2, name="dqn", runs_dir=tmp_path
    )
    assert other.checkpoint("best").has_all
    mine, theirs = (leaves(x.path, "best") for x in (other, run))
    assert {name for name in mine if name not in theirs} == {
        name for name in mine if name.startswith(".train.learner.buffer")
    }
    for name, x in theirs.items():
        np.testing.assert_array_equal(mine[name], x, name)
    np.testing.assert_array_equal(
        other.evaluate(3, checkpoint="best"), run.evaluate(3, checkpoint="best")
    )


@pytest.mark.slow
@pytest.mark.parametrize("given", ["policy", "learner"])
def test_another_run_begins_from_it(run, tmp_path, given):
    new = elsinore.train(
        "CartPole-v1", "dqn", overrides=SETTINGS | {"env_steps": 200, "checkpoints.latest": 9},
        seeds=2, name="new", runs_dir=tmp_path, from_run=f"{run.path}@best", from_parts=given,
    )  # fmt: skip
    first, there = leaves(new.path, "latest/0000000000"), leaves(run.path, "best")
    for name in (".train.learner.params", ".train.learner.opt_state"):
        mine, theirs = parts(first, name), parts(there, name)
        same = all(np.array_equal(x, theirs[each]) for each, x in mine.items())
        assert mine and same == (given == "learner" or name.endswith("params")), name
    assert not any(x.any() for x in parts(first, ".train.learner.buffer").values())


def test_all_parts_of_it_are_refused_with_a_remedy(run, tmp_path, capsys):
    argv = ["--from", f"{run.path}@best", "--from-parts", "all", "--runs-dir", str(tmp_path)]
    assert cli.main(["train", *argv]) == 2
    said = capsys.readouterr().err
    assert "takes the replay buffer, which" in said and "does not hold" in said
    assert "take --from-parts learner (in Python" in said and "start.parts=learner)" in said
    assert f"--from {shlex.quote(f'{run.path}@latest')} (in Python, from_run; as a setting" in said
    assert not [*tmp_path.iterdir()]


def test_a_run_that_has_ended_does_not_begin_anew_where_only_the_best_is_left(copy):
    for kind in ("latest", "periodic", "emergency"):
        shutil.rmtree(copy / "checkpoints" / kind, ignore_errors=True)
    with pytest.raises(ConfigError, match=r"no checkpoint that the run can continue.*@best --fr"):
        elsinore.resume(copy, env_steps=800)
    assert (copy / "summary.json").exists()


def test_with_broken_ones_beside_it_falling_back_names_it(copy):
    for each in checkpoint_choice.resumable(copy / "checkpoints"):
        (each.path / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"only broken checkpoints.*--from .*dqn@best"):
        checkpoint_choice.newest(copy / "checkpoints", fall_back=True)


def test_a_run_killed_between_its_first_best_and_its_first_latest_equals_the_whole(run, copy):
    for kind in ("latest", "periodic", "emergency"):
        shutil.rmtree(copy / "checkpoints" / kind, ignore_errors=True)
    (copy / "summary.json").unlink()
    elsinore.resume(copy)
    assert_same_run(copy, run.path)
    assert kept(copy, "best") == kept(run.path, "best")
