"""Every query in docs/tracking.md says what the page says that it does."""

import contextlib
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

import elsinore
from elsinore.runs.records import Row
from elsinore.runs.sinks.mlflow_env import MLFLOW_ENV
from elsinore.runs.store.store import Store

PAGE = Path(__file__).parents[2] / "docs" / "tracking.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def runs(whole, tmp_path_factory):
    """The folder above `runs`, in which are the page's two runs; the first with two agents and a
    mishap besides."""
    top = tmp_path_factory.mktemp("tracking")
    for name in ("tracked", "tracked-a2c"):
        shutil.copytree(whole, top / "runs" / name)
    store = Store(top / "runs" / "tracked" / "metrics.sqlite")
    last = store.chunks()[-1][0]
    metrics = [
        Row(last, seed, f"agent_{i}", "eval/return", 10.0 * i + seed)
        for seed in (0, 1)
        for i in (0, 1)
    ]
    with store._db:
        mishap = Row(12, 1, "", "loss/odd", float("nan"))
        store._db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", [*metrics, mishap])
    store.add_event(8, "pause", "asked for")
    store.close()
    return top


def asked(query: str, top: Path, monkeypatch) -> list[dict]:
    """The rows that it gives of the first run, asked read-only."""
    monkeypatch.chdir(top)
    *before, last = [part for part in query.split(";") if part.strip()]
    with contextlib.closing(
        sqlite3.connect("file:runs/tracked/metrics.sqlite?mode=ro", uri=True)
    ) as db:
        for statement in before:
            db.execute(statement)
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(last)]


def answer(start: str, top: Path, monkeypatch) -> list[dict]:
    """Of the page's query that has these words."""
    (query,) = (query for query in QUERIES if start in query)
    return asked(query, top, monkeypatch)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.split()[1])
def test_every_query_finds_something(query, runs, monkeypatch):
    assert asked(query, runs, monkeypatch)


@pytest.fixture
def evaluations(whole):
    """[seed, update] of every evaluation's return, as pandas has them."""
    metrics = elsinore.load(whole).metrics.query("name == 'eval/return'")
    return metrics.pivot(index="seed", columns="env_steps", values="value")


def test_the_learning_curve_is_the_mean_over_seeds(runs, evaluations, monkeypatch):
    rows = answer("AS lowest", runs, monkeypatch)
    assert [row["env_steps"] for row in rows] == list(evaluations.columns)
    assert [row["mean"] for row in rows] == pytest.approx(list(evaluations.mean()))
    assert [row["highest"] for row in rows] == pytest.approx(list(evaluations.max()))
    assert {row["seeds"] for row in rows} == {2}


def test_a_seed_is_over_the_bar_from_its_first_evaluation_there(runs, evaluations, monkeypatch):
    over = {row["seed"]: row["env_steps"] for row in answer("value >= 20", runs, monkeypatch)}
    assert over == {
        seed: row[row >= 20].index[0] for seed, row in evaluations.iterrows() if (row >= 20).any()
    }


def test_the_newest_values_are_those_of_the_last_update(runs, evaluations, monkeypatch):
    rows = answer("MAX(update_) AS update_ FROM", runs, monkeypatch)
    newest = {row["seed"]: row["value"] for row in rows if row["name"] == "eval/return"}
    assert newest == evaluations.iloc[:, -1].to_dict()


def test_the_first_hundred_episodes_are_a_mean_over_episodes(runs, whole, monkeypatch):
    table = elsinore.query(elsinore.load(whole), episodes=(0, 100), seed=0)
    episodes = table["until"] - table["first"]
    mine = next(row for row in answer("AS episodes", runs, monkeypatch) if row["seed"] == 0)
    assert mine["mean"] == pytest.approx((table.value * episodes).sum() / episodes.sum())
    assert mine["episodes"] == table["until"].max()


def test_agents_events_mishaps_and_another_run_are_found(runs, evaluations, monkeypatch):
    assert answer("agent <> ''", runs, monkeypatch) == [
        {"agent": "agent_0", "mean": 0.5, "seeds": 2},
        {"agent": "agent_1", "mean": 10.5, "seeds": 2},
    ]
    assert "pause" in [row["kind"] for row in answer("FROM events", runs, monkeypatch)]
    assert answer("IS NULL", runs, monkeypatch) == [{"name": "loss/odd", "seed": 1, "update_": 12}]
    best = evaluations.max(axis=1)
    assert answer("ATTACH", runs, monkeypatch) == [
        {"seed": seed, "first": value, "second": value} for seed, value in best.items()
    ]


def test_the_page_names_each_variable_of_mlflow_that_a_run_sets():
    text = PAGE.read_text()
    assert [name for name in MLFLOW_ENV if f"`{name}`" not in text] == []
