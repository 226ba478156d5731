"""Queries of a run's metrics find all that it has logged."""

import pytest

import elsinore
from elsinore.errors import ConfigError
from elsinore.runs.actions import Action
from elsinore.runs.records import Row
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store
from tests.page.conftest import make_run


def test_a_metric_that_was_logged_once_is_found(tmp_path):
    run = make_run(tmp_path, "run")
    store = Store(run / "metrics.sqlite")
    store.log([Row(20, 1, "", "mine/gap", 0.25)], Action.log("mine/gap", 0.25).text)
    store.close()
    table = elsinore.query("run", metric="mine/gap", runs_dir=tmp_path)
    assert table[["update", "seed", "value"]].to_numpy().tolist() == [[20, 1, 0.25]]
    with pytest.raises(ConfigError, match="metric='mine/gape' is not in this run"):
        elsinore.query("run", metric="mine/gape", runs_dir=tmp_path)


def test_a_run_before_its_first_chunk_is_no_damaged_one(tmp_path):
    (make_run(tmp_path, "run") / "metrics.sqlite").unlink()
    folder = RunDir(tmp_path / "run")
    folder.lock()
    with pytest.raises(ConfigError, match="has no metrics yet; wait for its first chunk"):
        elsinore.query("run", runs_dir=tmp_path)
    folder.unlock()
    with pytest.raises(ConfigError, match="yet; it does not train; resume it with `elsinore train"):
        elsinore.query("run", runs_dir=tmp_path)
