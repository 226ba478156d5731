"""A run of shards is a run like others, on any number of devices."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import elsinore
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints.arrays import read_arrays
from tests.runs.conftest import assert_same_run, on_devices
from tests.runs.learners import LEARNERS

LEARNER = LEARNERS["ppo of shards"]
KEEPS = {"checkpoints.latest": 9}

STOPPED = """
import json
import sys
import elsinore
from elsinore.runs.checkpoints.manager import CheckpointManager
from tests.runs.test_resume import Accident, on_call

CheckpointManager._save_due = on_call(12, CheckpointManager._save_due)
try:
    settings = json.loads(sys.argv[2])
    elsinore.train("CartPole-v1", overrides=settings, seeds=1, name="run", runs_dir=sys.argv[1])
except Accident:
    print("stopped")
"""


def placed(run: Path) -> dict:
    """Where the newest checkpoint says that its shards were."""
    return checkpoint_choice.newest(run / "checkpoints").manifest["layout"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> elsinore.Run:
    """A run that nothing stopped, on this process's two devices."""
    folder = tmp_path_factory.mktemp("shards")
    return elsinore.train(
        LEARNER.env, overrides=LEARNER.overrides, seeds=1, name="whole", runs_dir=folder
    )


@pytest.fixture(scope="module")
def whole_dqn(tmp_path_factory) -> elsinore.Run:
    """Likewise of DQN."""
    learner, folder = LEARNERS["dqn of shards"], tmp_path_factory.mktemp("dqn")
    return elsinore.train(
        learner.env, overrides=learner.overrides, seeds=1, name="whole", runs_dir=folder
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("then", "now"), [(2, 1), (1, 2), (1, 4)])
def test_a_run_goes_on_from_a_checkpoint_on_another_number_of_devices(then, now, whole, tmp_path):
    goes_on(then, now, LEARNER, whole, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("then", "now"), [(2, 1), (1, 2)])
def test_replay_buffers_of_shards_go_on_on_another_number_of_devices(
    then, now, whole_dqn, tmp_path
):
    goes_on(then, now, LEARNERS["dqn of shards"], whole_dqn, tmp_path)


def goes_on(then, now, learner, whole, tmp_path):
    stopped = on_devices(then, "-c", STOPPED, str(tmp_path), json.dumps(learner.overrides))
    assert stopped.stdout == "stopped\n", stopped.stderr
    run = tmp_path / "run"
    layout = {"kind": "map", "devices": then, "batch": 1, "platform": "cpu"}
    assert placed(run) == layout | {"shards": 4, "devices_per_seed": then}
    resumed = on_devices(now, "-m", "elsinore.cli", "train", "--resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
    assert placed(run)["devices_per_seed"] == now
    assert_same_run(run, whole.path)


@pytest.mark.slow
def test_it_has_one_policy_and_one_state_of_the_whole_seed(whole):
    state = whole.state()
    assert state.train.actor.episode_return.shape == (1, 4)  # the envs of all shards
    obs = np.zeros(4, np.float32)
    assert int(whole.policy()(obs)) in (0, 1)
    params = jax.tree.leaves(state.train.learner.params)
    assert all(np.isfinite(x).all() for x in params)


@pytest.mark.slow
def test_its_policy_is_evaluated_by_all_shards(whole):
    returns = whole.evaluate(8)
    assert returns.shape == (1, 8) and (returns > 0).all()
    np.testing.assert_array_equal(returns, whole.evaluate(8))
    np.testing.assert_array_equal(whole.evaluate(6), returns[:, :6])  # two of each shard
    assert whole.evaluate(1).shape == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 2])
def test_what_it_learnt_is_for_any_number_of_shards(shards, whole, tmp_path):
    run = elsinore.train(
        LEARNER.env,
        overrides=LEARNER.overrides | {"env_steps": 512, "shards": shards} | KEEPS,
        seeds=1,
        runs_dir=tmp_path,
        from_run=f"{whole.path}@latest",
        from_parts="learner",
    )
    there, here = (
        read_arrays(each.checkpoint(name))
        for each, name in ((whole, "latest"), (run, "latest/0000000000"))
    )
    for part in (".train.learner.params", ".train.learner.opt_state", ".train.stats.obs"):
        taken = {name: x for name, x in there.items() if name.startswith(part)}
        assert taken
        for name, x in taken.items():
            np.testing.assert_array_equal(x, here[name], name)
    assert run.summary["updates"] == 8


@pytest.mark.slow
def test_priorities_of_other_shards_are_refused(whole_dqn, tmp_path):
    """Each shard draws by a tree of its own, so that the trees of two are no tree of four."""
    learner = LEARNERS["dqn of shards"]
    start = {"from_run": f"{whole_dqn.path}@latest", "from_parts": "all"}
    with pytest.raises(
        elsinore.ConfigError, match=r"tree.* 4 shards .*2 shards here.*-leave buffer "
    ):
        elsinore.train(
            learner.env, overrides=learner.overrides | {"shards": 2}, seeds=1, runs_dir=tmp_path,
            **start,
        )  # fmt: skip
