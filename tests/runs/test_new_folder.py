"""A new run's folder is there with its config, or not at all; what kills leave in it is removed."""

from typing import Any

import pytest

from elsinore.config.load import load_experiment
from elsinore.runs import run_dir, session
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


def test_what_a_kill_left_unfinished_goes_when_the_run_is_resumed(tmp_path, monkeypatch):
    (tmp_path / "replays").mkdir()
    left = [
        ".config.signature.x7_a",
        ".tags.json.0a1b",
        "replays/.unfinished-0000000008-seed0.npz-12",
    ]
    kept = ["config.signature", "replays/0000000008-seed0.npz"]
    for name in (*left, *kept):
        (tmp_path / name).write_text("")
    (tmp_path / ".config.signature.mine").mkdir()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "adopted", killed)
    plan: Any = None
    with pytest.raises(KeyboardInterrupt):
        session.open_session(RunDir(tmp_path), plan, None, ())
    assert not any((tmp_path / name).exists() for name in left)
    assert all((tmp_path / name).exists() for name in (*kept, ".config.signature.mine"))
