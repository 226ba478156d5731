"""Curves fit a screen, lose no spike, and are the numbers themselves where one looks closely."""

import contextlib
import json
import shutil
import sqlite3
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsinore.page import metrics_csv, series
from elsinore.page.overviews import Overviews
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.store.schema import SCHEMA
from elsinore.runs.store.store import Store
from tests.page.conftest import LAST_EVALUATED, LAST_LEARNT, long_run, make_run, number_at


def curve_of(rows, spans=None, count: int = series.SPANS) -> dict:
    """The curve of one metric with rows (update, seed, value)."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        db.executemany("INSERT INTO metrics VALUES (?, ?, '', 'x', ?)", rows)
        return series.curves(db, spans or series.spans(*series.extent(db), count))["x"]


def test_a_short_run_is_shown_as_it_is():
    curve = curve_of([(1, 0, 5.0), (1, 1, 7.0), (3, 0, 6.0)])
    assert curve["update"] == [1, 3] and curve["exact"]
    assert curve["seeds"] == {"0": {"mean": [5.0, 6.0]}, "1": {"mean": [7.0, None]}}


def test_of_several_updates_the_mean_the_lowest_and_the_highest_stay():
    curve = curve_of([(1, 0, 1.0), (2, 0, 3.0), (3, 0, 8.0), (4, 0, 10.0)], [(1, 2), (3, 4)])
    assert curve["update"] == [2, 4] and not curve["exact"]
    assert curve["seeds"]["0"] == {"mean": [2.0, 9.0], "low": [1.0, 8.0], "high": [3.0, 10.0]}


@given(st.integers(0, 10**6), st.integers(0, 10**4), st.integers(2, 500))
def test_spans_cover_every_update_once_and_the_newest_stands_alone(first, length, count):
    found = series.spans(first, first + length, count)
    assert len(found) <= count
    assert found[0][0] == first and found[-1] == (first + length, first + length)
    assert all(b[0] == a[1] + 1 for a, b in pairwise(found))
    assert all(low <= high for low, high in found)


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**4),
    st.integers(2, 500),
    st.lists(st.integers(0, 10**6 + 10**4), max_size=5),
)
def test_spans_that_stand_alone_add_at_most_two_each(first, length, count, alone):
    last = first + length
    found = series.spans(first, last, count, alone=alone)
    inside = {update for update in alone if first <= update <= last}
    assert {(update, update) for update in inside} <= set(found)
    assert len(found) <= count + 2 * len(inside)
    assert found[0][0] == first and found[-1] == (last, last)
    assert all(b[0] == a[1] + 1 for a, b in pairwise(found))


def test_each_seed_ends_with_its_own_numbers_however_many_updates_stand_together(tmp_path):
    long_run(tmp_path)
    curves = Overviews(RunsDirectory(tmp_path)).overview("long")["curves"]
    for metric, ends in (("eval/return", LAST_EVALUATED), ("episode/return", LAST_LEARNT)):
        curve = curves[metric]
        assert not curve["exact"] and len(curve["update"]) < 410
        for seed, end in ends.items():
            mean = curve["seeds"][str(seed)]["mean"]
            last = max(i for i, x in enumerate(mean) if x is not None)
            assert (curve["update"][last], mean[last]) == (end, number_at(end, seed))


def test_of_very_many_stops_the_newest_stand_alone(tmp_path):
    rows = [Row(seed, seed, "", "episode/count", 1.0) for seed in range(1, 1001)]
    store = Store(make_run(tmp_path, "many", updates=0) / "metrics.sqlite")
    store.write(ChunkRecord(1000, 64_000, rows, 1.7e9, 1.0, 1e4))
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "many" / "metrics.sqlite")) as db:
        assert series.last_updates(db, 1, 1000) == list(range(1000, 600, -1))


ROWS = st.tuples(st.integers(1, 300), st.integers(0, 2), st.floats(-1e6, 1e6))


@given(st.lists(ROWS, min_size=1, max_size=120, unique_by=lambda row: row[:2]), st.integers(2, 40))
def test_no_spike_is_lost_and_no_value_invented(rows, count):
    seeds = curve_of(rows, count=count)["seeds"]
    for seed in {row[1] for row in rows}:
        values = [value for _, s, value in rows if s == seed]
        curve = seeds[str(seed)]
        low, high = curve.get("low", curve["mean"]), curve.get("high", curve["mean"])
        assert min(x for x in low if x is not None) == min(values)
        assert max(x for x in high if x is not None) == max(values)


def test_what_json_does_not_know_is_nothing():
    rows = [(1, 0, float("inf")), (2, 0, None), (3, 0, -float("inf")), (4, 0, 1.0)]
    curve = curve_of(rows)["seeds"]["0"]["mean"]
    assert curve == [None, None, None, 1.0]
    json.dumps(curve, allow_nan=False)


def test_an_overview_says_where_it_ends_and_zooming_in_is_exact(tmp_path, monkeypatch):
    make_run(tmp_path, "run", updates=40)
    monkeypatch.setattr(series, "SPANS", 10)
    monkeypatch.setattr(series.spans, "__defaults__", (10,))
    overviews = Overviews(RunsDirectory(tmp_path))
    whole, part = overviews.overview("run"), overviews.overview("run", 9, 16)
    assert (whole["first"], whole["cursor"], whole["sampled"]) == (1, 40, False)
    assert not whole["curves"]["episode/return"]["exact"]
    assert part["curves"]["episode/return"]["exact"]
    assert part["curves"]["episode/return"]["seeds"]["1"]["mean"] == [
        100.0 + update for update in range(9, 17)
    ]
    assert part["curves"]["eval/return"]["update"] == [12, 16]


def test_episodes_are_counted_over_all_seeds_however_many_updates_stand_together(
    tmp_path, monkeypatch
):
    make_run(tmp_path, "run", updates=40, seeds=3)
    for spans in (400, 7):
        monkeypatch.setattr(series.spans, "__defaults__", (spans,))
        assert (
            sum(Overviews(RunsDirectory(tmp_path)).overview("run")["episodes"]["count"])
            == 40 * 3 * 2
        )


def test_rows_of_more_seeds_than_a_run_has_are_refused(tmp_path, monkeypatch):
    """A small file of them would have a list over all spans for each."""
    monkeypatch.setattr(series, "MOST_SEEDS", 3)
    monkeypatch.setattr(metrics_csv, "MOST_NAMES", 0)
    make_run(tmp_path, "run", updates=8)
    runs = RunsDirectory(tmp_path)
    with contextlib.closing(Store(runs.open("run").database)) as store:
        rows = [Row(8, seed, "", "eval/return", 1.0) for seed in range(4)]
        store.write(ChunkRecord(8, 64, rows, 0.0, 1.0, 1.0))
    with pytest.raises(PageError, match="more than 3 seeds are too many to draw"):
        Overviews(runs).overview("run")
    with pytest.raises(PageError, match="metrics are too many for a table"):
        next(metrics_csv.csv_pages(runs, "run"))


def test_a_run_without_metrics_has_no_curves(tmp_path):
    make_run(tmp_path, "run", updates=0)
    found = Overviews(RunsDirectory(tmp_path)).overview("run")
    assert found["curves"] == {} and found["cursor"] == 0
    (tmp_path / "run" / "metrics.sqlite").unlink()
    assert Overviews(RunsDirectory(tmp_path)).overview("run")["curves"] == {}


# Large runs


def until_whole(overviews: Overviews, name: str, first=None, last=None, within=20) -> dict:
    deadline = time.monotonic() + within
    while (found := overviews.overview(name, first, last))["sampled"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_of_a_large_run_a_sample_is_shown_while_the_rest_is_read(tmp_path, monkeypatch):
    run = make_run(tmp_path, "run", updates=200)
    monkeypatch.setattr(series, "QUICK_ROWS", 100)
    overviews = Overviews(RunsDirectory(tmp_path))
    first = overviews.overview("run")
    assert first["sampled"] and first["cursor"] == 200
    assert first["curves"]["eval/return"]["seeds"]["1"]["mean"] == [
        10.0 * u + 1 for u in range(4, 201, 4)
    ]
    whole = until_whole(overviews, "run")
    assert whole["curves"]["episode/return"]["seeds"]["0"]["mean"] == [
        float(u) for u in range(1, 201)
    ]
    store = Store(run / "metrics.sqlite")
    store._db.execute("DELETE FROM metrics WHERE update_ > 100")
    store.close()
    assert not overviews.overview("run")["sampled"], "what was read once is remembered"
    overviews.close()


def test_a_part_of_a_large_run_is_whole_in_the_end_however_much_follows(tmp_path, monkeypatch):
    make_run(tmp_path, "run", updates=200)
    monkeypatch.setattr(series, "QUICK_ROWS", 100)
    monkeypatch.setattr("elsinore.page.overviews.MAX_ROWS", 100)  # fewer than follow the part
    overviews = Overviews(RunsDirectory(tmp_path))
    whole = until_whole(overviews, "run", 1, 100)
    assert whole["curves"]["episode/return"]["update"] == list(range(1, 101))
    overviews.close()


def test_a_large_run_is_not_shown_as_an_earlier_one_of_its_name(tmp_path, monkeypatch):
    run = make_run(tmp_path, "run", updates=200)
    monkeypatch.setattr(series, "QUICK_ROWS", 100)
    overviews = Overviews(RunsDirectory(tmp_path))
    until_whole(overviews, "run")
    shutil.rmtree(run)
    make_run(tmp_path, "run", updates=160, run_id="another")
    assert overviews.overview("run")["cursor"] == 160
    overviews.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_of_ten_million_rows_opens_long_before_all_of_it_is_read(tmp_path):
    run = make_run(tmp_path, "run", updates=0, seeds=10, num_updates=50_000)
    store = Store(run / "metrics.sqlite")
    store._db.execute("PRAGMA synchronous=OFF")
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
    others = "seeds(s) AS (SELECT i - 1 FROM n LIMIT 10), names(m) AS (SELECT i FROM n LIMIT 20)"
    rows = (
        "SELECT n.i, s, '', printf('loss/%02d', m), n.i * 1.0 FROM n, seeds, names ORDER BY 1, 2, 4"
    )
    with store._db:
        store._db.execute(f"{counting.format(50_000)}, {others} INSERT INTO metrics {rows}")
        store._db.execute(
            counting.format(500)
            + " INSERT INTO chunks SELECT 100 * i, 6400 * i, i, 1.0, 1e5 FROM n"
        )
        store._db.execute(
            "UPDATE metrics SET value = 1e9 WHERE update_ = 12345 AND seed = 3 AND name = 'loss/07'"
        )
    store.close()
    overviews = Overviews(RunsDirectory(tmp_path))
    times = [time.process_time()]
    first = overviews.overview("run")
    times.append(time.process_time())
    whole = until_whole(overviews, "run", within=400)
    opening, reading = np.diff([*times, time.process_time()])
    assert first["sampled"] and len(first["curves"]) == 20
    assert opening < reading / 5  # a twentieth; `benchmarks/page_open.py` has the seconds
    spike = whole["curves"]["loss/07"]["seeds"]["3"]["high"]
    assert max(spike) == 1e9 and spike.count(1e9) == 1
    near = overviews.overview("run", 12_300, 12_400)["curves"]["loss/07"]
    assert near["exact"] and near["seeds"]["3"]["mean"][45] == 1e9
    overviews.close()
