"""Run folders are read, and each run gets a unique label."""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import yaml

from elsinore.analysis.compare.api import report
from elsinore.analysis.compare.results import RunResult, read_results, read_run
from elsinore.errors import ConfigError
from elsinore.runs.store.store import Store


@pytest.fixture
def copied(whole, tmp_path):
    """A function that copies a finished run of two seeds, with changes."""

    def copy(name: str, env: str = "CartPole-v1", seeds: int = 2, **summary) -> Path:
        folder = tmp_path / "runs" / name
        shutil.copytree(whole, folder)
        original = json.loads((folder / "summary.json").read_text())
        (folder / "summary.json").write_text(json.dumps(original | {"seeds": seeds} | summary))
        config = yaml.safe_load((folder / "config.yaml").read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump(config | {"env": env, "seeds": seeds}))
        return folder

    return copy


def labels_of(*runs, runs_dir: Path = Path("nowhere")) -> list[tuple[str, str]]:
    results, _ = read_results([str(run) for run in runs], runs_dir)
    return [(result.env, result.label) for result in results.finished]


def test_a_run_is_read_with_its_curve_and_its_clock(whole):
    run = read_run("x", whole)
    assert isinstance(run, RunResult)
    assert (run.env, run.algo, run.label, run.seeds) == ("CartPole-v1", "ppo", "x", 2)
    np.testing.assert_array_equal(run.steps, np.arange(1, 11) * 512)
    assert run.curve.shape == (2, 10)
    assert (
        list(run.returns)
        == json.loads((whole / "summary.json").read_text())["eval_return"]["per_seed"]
    )
    store = Store(whole / "metrics.sqlite", read_only=True)
    seconds = [chunk[3] for chunk in store.chunks()]
    store.close()
    np.testing.assert_allclose(run.seconds, np.cumsum(seconds))


def test_from_a_restored_chunk_on_the_clock_is_not_known(copied):
    run = copied("a")
    with contextlib.closing(sqlite3.connect(run / "metrics.sqlite")) as db, db:
        db.execute("UPDATE chunks SET seconds = 0 WHERE update_ BETWEEN 9 AND 16")
    found = read_run("x", run)
    assert isinstance(found, RunResult)
    assert np.isfinite(found.seconds).tolist() == [True] * 2 + [False] * 8


def test_a_run_whose_evaluations_are_of_stages_is_known_by_its_checkpoints(copied):
    """Its curriculum may have been an object, which is not in its settings."""
    run = copied("a")
    found = []
    for on_stage in (False, True):
        kept = run / "checkpoints" / "best" / f"{int(on_stage):010d}"
        kept.mkdir(parents=True)
        manifest = {"update": 1, "files": {}, "on_stage": on_stage}
        (kept / "manifest.json").write_text(json.dumps(manifest))
        found.append(read_run("x", run))
    assert [isinstance(x, RunResult) and x.on_stage for x in found] == [False, True]


def test_a_run_goes_by_its_algorithm(copied):
    assert labels_of(copied("a"), copied("b", "Acrobot-v1")) == [
        ("CartPole-v1", "ppo"),
        ("Acrobot-v1", "ppo"),
    ]


def test_runs_of_one_algorithm_get_unique_labels(copied):
    runs = [copied("CartPole-v1-ppo-20260101-120000"), copied("fast"), copied("elsewhere/fast")]
    assert labels_of(*runs) == [
        ("CartPole-v1", "ppo 20260101-120000"),
        ("CartPole-v1", "ppo fast in runs"),
        ("CartPole-v1", "ppo fast in elsewhere"),
    ]


def test_a_folder_name_with_the_algorithm_is_the_label(copied):
    runs = [copied("ppo-wide"), copied("ppo-narrow"), copied("other")]
    assert [label for _, label in labels_of(*runs)] == ["ppo-wide", "ppo-narrow", "ppo other"]


def test_runs_may_be_labelled(copied):
    a, b = copied("a"), copied("b")
    assert labels_of(f"old={a}", f"new={b}") == [("CartPole-v1", "old"), ("CartPole-v1", "new")]
    with pytest.raises(
        ConfigError,
        match="two runs on CartPole-v1 have the label 'same'; name one of them: LABEL=RUN",
    ):
        labels_of(f"same={a}", f"same={b}")


def test_a_run_named_twice_is_one_run(copied, monkeypatch):
    run = copied("a")
    monkeypatch.chdir(run.parent)
    (run.parent / "link").symlink_to(run)
    assert labels_of(run, run, f"{run}/", "a", "link") == [("CartPole-v1", "ppo")]


def test_a_report_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="no run is given; name runs or comparisons"):
        read_results([], Path("nowhere"))


def test_a_folder_may_have_an_equals_sign_in_its_name(copied):
    assert labels_of(copied("lr=3")) == [("CartPole-v1", "ppo")]


def test_runs_are_found_by_name_in_the_runs_folder(copied):
    folder = copied("a")
    assert labels_of("a", runs_dir=folder.parent) == [("CartPole-v1", "ppo")]


def test_a_copy_is_fetched_by_its_address(copied, tmp_path):
    url = f"file://{copied('a')}"
    fetched = tmp_path / "fetched"
    assert labels_of(f"old={url}", runs_dir=fetched) == [("CartPole-v1", "old")]
    assert labels_of(url, runs_dir=fetched) == [("CartPole-v1", "ppo")]
    assert (fetched / "a" / "config.yaml").is_file()
    with pytest.raises(ConfigError, match=r"file://.*/nowhere is no copy of a run"):
        labels_of(f"file://{tmp_path}/nowhere")


def test_the_runs_of_a_comparison_are_labelled_by_their_folders(copied):
    folder = copied("cmp/CartPole-v1/fast").parents[1]
    copied("cmp/CartPole-v1/slow")
    results, home = read_results([str(folder)], Path("nowhere"))
    assert [result.label for result in results.finished] == ["fast", "slow"]
    assert home == folder


def test_the_runs_of_two_comparisons_are_labelled_by_their_comparisons_where_they_are_alike(copied):
    before = copied("before/CartPole-v1/ppo").parents[1]
    copied("before/CartPole-v1/wide")
    after = copied("after/CartPole-v1/ppo").parents[1]
    labels = [label for _, label in labels_of(before, after)]
    assert labels == ["ppo in before", "wide", "ppo in after"]
    labels = [label for _, label in labels_of(before, f"new={after}")]
    assert labels == ["ppo in before", "wide", "ppo in new"]
    assert [label for _, label in labels_of(f"x={before}")] == ["ppo in x", "wide in x"]
    assert [label for _, label in labels_of(before, f"{before}/.")] == ["ppo", "wide"]


@pytest.mark.parametrize("what", ["nothing", "a file", "a folder"])
def test_a_path_that_is_not_a_run_is_refused(tmp_path, what):
    path = tmp_path / "x"
    if what == "a file":
        path.write_text("")
    elif what == "a folder":
        path.mkdir()
    with pytest.raises(
        ConfigError,
        match="x is neither a run nor a comparison; `elsinore runs --runs-dir nowhere` lists",
    ):
        labels_of(path)


def without(name: str):
    return lambda summary: {key: value for key, value in summary.items() if key != name}


SUMMARIES = {
    "torn": '{"env": ',
    "of another kind": "{}",
    "a list": "[1]",
    "a number": "3",
    "null": "null",
    "nested": "[" * 100_000,
    "without versions": without("versions"),
    "without converged_at_env_steps": without("converged_at_env_steps"),
    "without seconds": without("train_seconds"),
    "with NaN for a number of steps": lambda summary: summary | {"env_steps": float("nan")},
    "with text for returns": lambda summary: summary | {"eval_return": {"per_seed": "high"}},
}


def broken(folder: Path, how: str) -> Path:
    summary = folder / "summary.json"
    if how == "unfinished":
        summary.unlink()
    elif how == "no metrics":
        (folder / "metrics.sqlite").unlink()
    elif how == "metrics that are none":
        (folder / "metrics.sqlite").write_bytes(b"not a database" * 100)
    elif how == "metrics that are a folder":
        (folder / "metrics.sqlite").unlink()
        (folder / "metrics.sqlite").mkdir()
    elif how == "an infinite number of steps":
        with contextlib.closing(sqlite3.connect(folder / "metrics.sqlite")) as db, db:
            db.execute("UPDATE info SET value = 9e999 WHERE name = 'steps_per_update'")
    elif how == "a config that is none":
        (folder / "config.yaml").write_text("algo: nobody")
    elif isinstance(text := SUMMARIES[how], str):
        summary.write_text(text)
    else:
        summary.write_text(json.dumps(text(json.loads(summary.read_text()))))
    return folder


@pytest.mark.parametrize(
    "how",
    [
        "unfinished",
        "no metrics",
        "metrics that are none",
        "metrics that are a folder",
        "an infinite number of steps",
        "a config that is none",
        *SUMMARIES,
    ],
)
def test_an_unreadable_run_is_listed_and_the_others_are_reported(copied, tmp_path, how):
    found = report([copied("good"), broken(copied("bad"), how)], out=tmp_path / "out")
    assert [result.path.name for result in found.results.finished] == ["good"]
    (excluded,) = found.results.excluded
    assert excluded.path.name == "bad"
    text = (tmp_path / "out" / "report.md").read_text()
    assert "1 run is excluded" in text and "### Excluded" in text


def returns(*per_seed: float) -> dict:
    return {"mean": None, "iqm": None, "ci95": None, "per_seed": list(per_seed)}


def test_runs_of_a_population_are_not_seeds(copied):
    ends = {f"{how}_at_env_steps": [None] * 4 for how in ("converged", "plateau", "diverged")}
    population = {"members": [{}, {}], "env_steps_per_seed": [8] * 4, **ends}
    with pytest.raises(ConfigError, match="is a population of 2 members with different settings"):
        report([copied("a", eval_return=returns(1.0, 2.0, 3.0, 4.0), **population)])


def test_an_interrupted_run_is_not_counted(copied):
    with pytest.raises(
        ConfigError, match="there is nothing to report: .* is interrupted after 512 env steps"
    ):
        report([copied("a", stopped_by="interrupted", env_steps=512)])


def test_a_reason_is_a_part_of_its_sentence(copied):
    with pytest.raises(ConfigError, match=r"every run is excluded \(.* is unreadable: .*[^.]\)\.$"):
        report([broken(copied("bad"), "metrics that are none")])


STOPS = ("converged", "plateau", "diverged")


def test_runs_of_unequal_seeds_are_compared(copied, tmp_path):
    stops = {f"{how}_at_env_steps": [None] for how in STOPS}
    one = copied("one", seeds=1, eval_return=returns(3.0), env_steps_per_seed=[5_120], **stops)
    found = report([f"one={one}", f"two={copied('two')}"], out=tmp_path / "out")
    assert list(found.table.seeds) == [1, 2]
    assert found.path == tmp_path / "out"
    assert set(found.runs) == {("CartPole-v1", "one"), ("CartPole-v1", "two")}
