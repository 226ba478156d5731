"""A new run's folder is there with its config, or not at all."""

import pytest

from elsinore.config.load import load_experiment
from elsinore.runs import run_dir
from elsinore.runs.run_dir import RunDir


@pytest.mark.parametrize("runs_dir_exists", [False, True])
@pytest.mark.parametrize("during", ["yaml_text", "sign", "fsync_tree"])
def test_ctrl_c_while_it_is_made_leaves_nothing(tmp_path, monkeypatch, during, runs_dir_exists):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    runs_dir = tmp_path / "runs"
    if runs_dir_exists:
        runs_dir.mkdir()
    monkeypatch.setattr(run_dir, during, interrupted)
    with pytest.raises(KeyboardInterrupt):
        RunDir.create(runs_dir, "first", load_experiment("CartPole-v1"))
    assert list(tmp_path.rglob("*")) == [runs_dir] * runs_dir_exists
