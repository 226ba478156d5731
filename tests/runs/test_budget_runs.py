"""Runs that end by episodes or by seconds."""

import shutil

import elsinore
from tests.runs.conftest import TINY, assert_same_run, chunk_ends, rows_in

BUDGET = {name: value for name, value in TINY.items() if name != "env_steps"}
BUDGET |= {"checkpoints.interval_seconds": 0, "checkpoints.period": 1}


def finished(run):
    """Finished episodes by seed and update."""
    return [(seed, u, n) for u, seed, agent, name, n in rows_in(run) if name == "episode/count"]


def test_a_run_ends_after_the_chunk_in_which_each_seed_has_its_episodes(tmp_path):
    run = elsinore.train(
        "CartPole-v1",
        overrides=BUDGET | {"stop.episodes": 50},
        seeds=2,
        name="episodes",
        runs_dir=tmp_path,
    )
    assert run.summary["stopped_by"] == "budget"
    last, before = (chunk_ends(run.path)[-1][0], chunk_ends(run.path)[-2][0])
    counted = finished(run.path)
    assert all(sum(n for s, _, n in counted if s == seed) >= 50 for seed in (0, 1))
    assert any(sum(n for s, u, n in counted if s == seed and u <= before) < 50 for seed in (0, 1))
    assert run.plan.env_steps >= 50 * 500 > last * 128
    # resumed from any checkpoint it ends where it did
    path = tmp_path / "again"
    shutil.copytree(run.path, path)
    (path / "summary.json").unlink()
    for checkpoint in (path / "checkpoints").glob("*/*"):
        if int(checkpoint.name) > 4:
            shutil.rmtree(checkpoint)
    elsinore.resume(path)
    assert_same_run(path, run.path)
    assert elsinore.resume(path).summary["updates"] == last


def test_a_run_ends_when_its_time_is_over(tmp_path):
    overrides = BUDGET | {"stop.seconds": 1e-3}
    run = elsinore.train(
        "CartPole-v1", overrides=overrides, seeds=2, name="seconds", runs_dir=tmp_path
    )
    assert (run.summary["stopped_by"], run.summary["updates"]) == ("budget", 4)
    assert elsinore.resume(run.path).summary["updates"] == 4
