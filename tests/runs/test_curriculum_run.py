"""A run with a curriculum: its stages in every record, which no stop changes."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.runs import loop
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.curriculum_log import stage_rows
from elsinore.runs.records import EPISODE_COUNT, ChunkRecord, Row
from elsinore.runs.store.store import Store
from elsinore.training.chunk import ChunkReport
from elsinore.training.curriculum.stages import Curriculum
from elsinore.training.curriculum.with_curriculum import MAX_STAGE_CHANGES, StageChanges
from elsinore.types import Mean
from tests.runs.conftest import TINY, assert_same_run, count_in_log, rows_in
from tests.runs.test_resume import Accident, on_call
from tests.training.hourglass import HOURGLASS

SETTINGS = {name: value for name, value in HOURGLASS.items() if name not in ("env", "algo")}
SETTINGS |= {"checkpoints": {"interval_seconds": 0}, "replays": {"share": 0.0}}
EVERY = [(2, "short", "long"), (6, "long", "own")]  # the moves of each seed


def train(runs_dir: Path, **settings):
    return elsinore.train(
        HOURGLASS["env"],
        HOURGLASS["algo"]["name"],
        overrides=SETTINGS | settings,
        seeds=2,
        name="whole",
        runs_dir=runs_dir,
        check=False,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole"))


def stage_curve(path: Path, seed: int = 0) -> list[tuple[int, float]]:
    store = Store(path / "metrics.sqlite", read_only=True)
    rows = [
        (row.update, row.value)
        for row in store.rows(names=["curriculum/stage"])
        if row.seed == seed
    ]
    store.close()
    return rows


def events(path: Path) -> list[tuple[int, str, str]]:
    store = Store(path / "metrics.sqlite", read_only=True)
    found = store._db.execute(
        "SELECT update_, kind, text FROM events WHERE kind IN ('promotion', 'retreat')"
    )
    try:
        return sorted(found.fetchall())
    finally:
        store.close()


# Records


def test_the_stage_is_logged_with_every_row_and_the_score_beside_it(whole):
    """Rows end at every other update."""
    assert stage_curve(whole.path)[:4] == [(2, 1.0), (4, 1.0), (6, 2.0), (8, 2.0)]
    assert stage_curve(whole.path)[-1] == (40, 2.0)
    scores = whole.metrics.query("name == 'curriculum/score' and seed == 1").set_index("update")[
        "value"
    ]
    assert scores[2] == 4.0 and scores[6] == 6.0 and scores[40] == 5.0


def test_every_change_of_stage_is_an_event_and_a_line_of_the_log(whole):
    expected = [
        (
            update,
            "promotion",
            (
                f"seed {seed} moves up from stage {i} ({a}) to stage {i + 1} ({b}) after update"
                f" {update} ({15 * update} env steps)"
            ),
        )
        for i, (update, a, b) in enumerate(EVERY)
        for seed in (0, 1)
    ]
    assert events(whole.path) == expected
    assert all(count_in_log(whole.path, text) == 1 for _, _, text in expected)


def test_the_summary_has_the_course_of_each_seed(whole):
    course = [
        {"env_steps": 0, "stage": "short"},
        {"env_steps": 30, "stage": "long"},
        {"env_steps": 90, "stage": "own"},
    ]
    assert whole.summary["curriculum"] == {
        "stages": ["short", "long", "own"],
        "course": [course, course],
        "last": ["own", "own"],
    }


def test_a_run_without_a_curriculum_logs_no_stage(tmp_path):
    plain = train(tmp_path, curriculum=None)
    assert (
        "curriculum" not in plain.summary
        and stage_curve(plain.path) == []
        and events(plain.path) == []
    )


def test_the_curves_are_drawn_with_the_stages(whole):
    assert (whole.path / "training_curves.png").stat().st_size > 10_000


def test_the_final_evaluation_is_in_the_target_env(tmp_path, whole):
    """Five grains pay five, whatever stage a run ends at; at its own stage it is six."""
    forever = {
        **HOURGLASS["curriculum"],
        "stages": [{"params": {"grains": 6}}, {}],
        "advance_when": {"min_steps": 10_000},
    }
    stuck = train(tmp_path / "target", curriculum=forever)
    assert stuck.summary["eval_return"]["mean"] == 5.0 == whole.summary["eval_return"]["mean"]
    assert stuck.summary["curriculum"]["last"] == ["0", "0"]
    assert (stuck.evaluate(episodes=3) == 5.0).all()
    assert count_in_log(stuck.path, "cannot be reached") == 1


def test_stage_changes_within_a_row_are_logged_at_their_own_update():
    report = moves([(3, 1), (4, 2)], first=0, last=2)
    assert [(row.update, row.value) for row in stage_rows(report, 0, 7, [5, 10])] == [
        (3, 1),
        (4, 2),
        (5, 2),
        (10, 2),
    ]


def test_with_more_changes_than_a_chunk_lists_the_stage_at_its_end_is_known():
    swings = [(i + 1, (i + 1) % 2) for i in range(MAX_STAGE_CHANGES)]
    report = moves(swings, first=0, last=1, num=MAX_STAGE_CHANGES + 5)
    rows = {row.update: row.value for row in stage_rows(report, 0, 0, [10, 50, 100])}
    assert rows[10] == 0 and rows[MAX_STAGE_CHANGES] == 0 and rows[50] == 0 and rows[100] == 1


def moves(those, first: int, last: int, num: int | None = None) -> ChunkReport:
    """The report of one seed that changed stage so."""
    nothing = [-1] * (MAX_STAGE_CHANGES - len(those))
    update, stage = (np.array([[*column, *nothing]]) for column in zip(*those, strict=True))
    found = StageChanges(
        np.array([num or len(those)]), update, stage, np.array([first]), np.array([last])
    )
    return ChunkReport(*[None] * 5, stage_changes=found)


# Stopped and resumed. Chunks end at updates 4, 8, ...: the first move is in the first, the second
# in the second.


def stopped(runs_dir: Path, monkeypatch, holder, name: str, number: int) -> Path:
    """A run that ended because the `number`-th call of `holder.name` failed."""
    with monkeypatch.context() as patch, pytest.raises(Accident):
        patch.setattr(holder, name, on_call(number, getattr(holder, name)))
        train(runs_dir)
    return runs_dir / "whole"


@pytest.mark.slow
@pytest.mark.parametrize(
    "holder, name, number",
    [
        (CheckpointManager, "_save_due", 1),  # between the stages
        (
            loop,
            "record_of",
            2,
        ),  # the chunk of the second move is done and not yet published
        (loop, "events_of", 2),
    ],
    ids=["between", "before-it-is-written", "while-it-is-written"],
)
def test_a_run_stopped_in_its_curriculum_and_resumed_equals_the_whole(
    tmp_path, whole, monkeypatch, holder, name, number
):
    path = stopped(tmp_path, monkeypatch, holder, name, number)
    assert 0 < stage_curve(path)[-1][0] < 40
    resumed = elsinore.resume(path)
    assert_same_run(path, whole.path)
    assert events(path) == events(whole.path)
    assert resumed.summary["curriculum"] == whole.summary["curriculum"]


def test_a_stage_change_that_was_logged_before_its_state_was_saved_is_logged_once(
    tmp_path, whole, monkeypatch
):
    """Killed after the second chunk's rows and events, with a checkpoint of the first."""
    path = stopped(tmp_path, monkeypatch, CheckpointManager, "_save_due", 2)
    for checkpoint in list((path / "checkpoints").glob("*/0000000008")):
        shutil.rmtree(checkpoint)
    assert len(events(path)) == 4
    elsinore.resume(path)
    assert events(path) == events(whole.path)
    assert (
        json.loads((path / "summary.json").read_text())["curriculum"] == whole.summary["curriculum"]
    )
    assert stage_curve(path) == stage_curve(whole.path)


def test_a_store_that_was_away_has_every_event_when_it_is_back(tmp_path, whole, monkeypatch):
    """Its worker retries; what was half written is not there."""
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", on_call(2, Store.write, OSError))
        path = train(tmp_path).path
    assert events(path) == events(whole.path)


@pytest.mark.slow
def test_members_of_a_population_that_copy_each_other_follow_a_course_each(tmp_path):
    """Two stages, the second from the third update on, in an env that all can live in."""
    settings = TINY | {
        "vary": {"algo.learning_rate": [1e-3, 1e-2]},
        "population.pbt": {"space": {"algo.learning_rate": {"log": [1e-4, 1e-1]}}, "quantile": 0.5},
        "curriculum": {
            "stages": [{"params": {"gravity": 5.0}}, {}],
            "advance_when": {"min_steps": 3 * 128},
        },
    }
    found = elsinore.train(
        "CartPole-v1", overrides=settings, seeds=2, name="members", runs_dir=tmp_path
    )
    course = [{"env_steps": 0, "stage": "0"}, {"env_steps": 384, "stage": "1"}]
    assert found.summary["curriculum"]["course"] == [course] * 4
    assert (found.state().train.env_params.gravity == np.float32(9.8)).all()
    event = (
        "seed 1, algo.learning_rate=0.01 at first moves up from stage 0 to stage 1 after update 3"
    )
    assert count_in_log(found.path, event) == 1


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """A row of metrics ends each fourth update, and stages end at the second and the sixth."""
    return train(tmp_path_factory.mktemp("coarse"), rows_per_chunk=1).path


@pytest.mark.parametrize("also", [(), (1,)], ids=["of each seed", "of one seed"])
def test_a_repair_restores_stages_that_began_inside_a_row(coarse, also, tmp_path, capsys):
    path = shutil.copytree(coarse, tmp_path / "whole")
    (path / "summary.json").unlink()
    (path / "metrics.sqlite").unlink()
    lines = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
    gone = [x for x in lines if json.loads(x)["update"] == 2 and json.loads(x)["seed"] in also]
    assert len(gone) == len(also)
    (path / "metrics.jsonl").write_text("".join(x for x in lines if x not in gone))
    assert cli.main(["repair", str(path)]) == 0
    assert "metrics.jsonl: every row up to update 40 of 40" in capsys.readouterr().out
    kept = [row for row in rows_in(coarse) if (row[0], row[1]) not in {(2, seed) for seed in also}]
    assert rows_in(path) == kept


def test_a_query_finds_all_seeds_where_one_of_them_has_a_stage_before_the_first_row(tmp_path):
    with contextlib.closing(Store(tmp_path / "metrics.sqlite")) as store:
        rows = [Row(4, seed, agent, EPISODE_COUNT, 1.0) for seed in (0, 1) for agent in ("a", "b")]
        store.write(ChunkRecord(4, 16, [Row(3, 0, "", "curriculum/stage", 1.0), *rows], 0, 0, 0))
        assert store.seeds_and_agents() == ([0, 1], ["a", "b"])


class Steeper(NamedTuple):
    stage: Any


def made_steeper(evaluate_on: str) -> Curriculum:
    """Gravity grows with each update."""

    def begin(env_params):
        return Steeper(jnp.int32(0)), env_params.replace(gravity=5.0)

    def advance(before, outcome):
        params = outcome.env_params.replace(gravity=outcome.env_params.gravity + 0.1)
        return before._replace(stage=jnp.int32(1)), params, Mean.of(outcome.env_params.gravity)

    return Curriculum(begin, advance, 2, ("length",), 10, evaluate_on)


def test_a_run_with_a_curriculum_of_code_is_read_again_with_it(tmp_path):
    curriculum = made_steeper("stage")
    settings = TINY | {"env_steps": 512}
    run = elsinore.train(
        "CartPole-v1", overrides=settings, seeds=1, runs_dir=tmp_path, curriculum=curriculum
    )
    returns = run.evaluate(4)
    for again in (
        elsinore.load(run.path, curriculum=curriculum),
        elsinore.resume(run.path, curriculum=curriculum),  # is finished
    ):
        np.testing.assert_array_equal(again.evaluate(4), returns)
        assert again.state().curriculum is not None and again.policy().seed == 0
        assert again.plan.shown_in("of the stage") == "of the stage"
    assert list((run.path / "checkpoints" / "best").iterdir())
    by_default = checkpoint_choice.by_default(run.path / "checkpoints", run.experiment)
    assert by_default is not None and by_default.kind == "latest"
    with pytest.raises(
        elsinore.ConfigError, match=r"a curriculum as an object needs it again .*m="
    ):
        elsinore.load(run.path).policy()
