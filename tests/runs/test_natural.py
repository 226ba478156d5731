"""Names in the order of their numbers, wherever they are listed."""

import contextlib

from elsinore.page.metrics_csv import _metric_labels
from elsinore.page.runs_directory import RunsDirectory
from elsinore.page.series import curves
from elsinore.runs.curves.figure import loss_labels
from elsinore.runs.files.natural import natural
from elsinore.runs.listing import list_runs
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.replays.files import list_replays
from elsinore.runs.store.store import Store
from tests.page.conftest import make_run

TERMS = [f"loss/term_{i}" for i in (1, 2, 10)]


def test_numbers_count_and_the_rest_is_text():
    names = ["a", "a1", "a2", "a02b", "a10", "b", "10", "9"]
    assert sorted(names, key=natural) == ["9", "10", "a", "a1", "a2", "a02b", "a10", "b"]


def test_metrics_are_listed_in_the_order_of_their_numbers(tmp_path):
    run = make_run(tmp_path, "run", updates=0)
    with contextlib.closing(Store(run / "metrics.sqlite")) as store:
        agents = [Row(4, 0, f"agent_{i}", "eval/return", 1.0) for i in (10, 2)]
        rows = [*agents, *(Row(4, 0, "", name, 1.0) for name in reversed(TERMS))]
        store.write(ChunkRecord(4, 256, rows, 1.7e9, 0.25, 1e4))
        assert store.names() == ["eval/return", *TERMS]
    runs = RunsDirectory(tmp_path)
    with runs.database(runs.open("run")) as db:
        every = ["eval/return [agent_2]", "eval/return [agent_10]", *TERMS]
        assert _metric_labels(db) == list(curves(db, [(1, 4)])) == every
    assert list(loss_labels(set(TERMS))) == TERMS


def test_runs_and_replays_are_listed_in_the_order_of_their_numbers(tmp_path):
    for name in ("run10", "run2"):
        make_run(tmp_path, name, updates=0)
    assert list_runs(tmp_path)[0] == ["run2", "run10"]
    for seed in (10, 2):
        (tmp_path / f"0000000004-seed{seed}.npz").touch()
    assert [path.stem[-6:] for path in list_replays(tmp_path)] == ["-seed2", "seed10"]
