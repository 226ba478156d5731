"""DQN in the API cache, stopped with its buffer half full: any stop leaves a checkpoint to resume
from."""

import os
import signal

import pytest

import elsinore
from elsinore.errors import RunError
from elsinore.runs.checkpoints.manager import CheckpointManager
from tests.runs.conftest import TINY, assert_same_run, count_in_log, learnt

pytestmark = pytest.mark.slow  # half a minute to compile

UPDATES, ENVS, CHUNKS = 50, 4, 10  # updates a chunk; the memory holds what all the chunks see
SETTINGS = {
    name: value for name, value in TINY.items() if not name.startswith(("algo.", "convergence."))
} | {
    "env_kwargs.streams": 4,
    "env_params.max_steps_in_episode": 64,
    "env_steps": UPDATES * ENVS * CHUNKS,
    "evaluation.period": UPDATES,
    "checkpoints.interval_seconds": 0,
    "checkpoints.period": 3,
    "algo.num_envs": ENVS,
    "algo.rollout_length": 1,
    "algo.buffer_size": UPDATES * ENVS * CHUNKS,
    "algo.prioritized": False,
    "algo.batch_size": 16,
    "algo.learning_starts": 100,
    "algo.network.hidden": [8],
}


class Accident(RunError):
    pass


def train(runs_dir, **rest):
    return elsinore.train(
        "Cache-api",
        "dqn",
        overrides=SETTINGS,
        seeds=2,
        name="whole",
        runs_dir=runs_dir,
        grace=600.0,  # also where a loaded machine compiles for long
        **rest,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole")).path


def remembered(run) -> list[int]:
    """Transitions in each seed's buffer, in the newest checkpoint."""
    return (run.state("latest").train.learner.buffer.filled * ENVS).tolist()


def test_an_exception_with_half_a_memory_costs_nothing(tmp_path, whole, monkeypatch):
    keep, chunks = CheckpointManager._save_due, iter(range(1, CHUNKS))

    def accident(*args, **rest):
        if next(chunks) == CHUNKS // 2:
            raise Accident
        return keep(*args, **rest)

    with monkeypatch.context() as patch, pytest.raises(Accident):
        patch.setattr(CheckpointManager, "_save_due", accident)
        train(tmp_path)
    stopped = elsinore.load(tmp_path / "whole")
    assert stopped.checkpoint("latest").name == f"emergency/{UPDATES * CHUNKS // 2:010d}"
    assert remembered(stopped) == 2 * [SETTINGS["algo.buffer_size"] // 2]
    elsinore.resume(stopped.path)
    assert_same_run(stopped.path, whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_from_which_it_comes_to_the_same(tmp_path, whole, number):
    def ask(record):
        if record.update == UPDATES * 4:
            os.kill(os.getpid(), number)

    stopped = train(tmp_path, callbacks=[ask])
    assert stopped.summary["stopped_by"] == "interrupted"
    updates = stopped.summary["updates"]
    assert 4 * UPDATES <= updates < CHUNKS * UPDATES
    assert stopped.checkpoint("latest").name == f"emergency/{updates:010d}"
    assert remembered(stopped) == 2 * [updates * ENVS]
    assert (
        count_in_log(stopped.path, f"{signal.Signals(number).name}: stopping after this chunk") == 1
    )
    elsinore.resume(stopped.path)
    assert learnt(stopped.path)["params_sha256"] == learnt(whole)["params_sha256"]
    assert_same_run(stopped.path, whole)
