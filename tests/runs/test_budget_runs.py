"""Runs that end by episodes or by seconds."""

import shutil
from contextlib import closing

import numpy as np
import pytest

import elsinore
from elsinore.config.experiment import StopConfig
from elsinore.runs.budgets import Spent
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.store.store import Store
from tests.runs.conftest import TINY, assert_same_run, chunk_ends, rows_in

BUDGET = {name: value for name, value in TINY.items() if name != "env_steps"}
BUDGET |= {"checkpoints.interval_seconds": 0, "checkpoints.period": 1}


def finished(run):
    """Finished episodes by seed and update."""
    return [(seed, u, n) for u, seed, agent, name, n in rows_in(run) if name == "episode/count"]


def killed_after(update, run, path):
    """A copy of a run without its summary and the checkpoints after that update."""
    shutil.copytree(run, path)
    (path / "summary.json").unlink()
    for checkpoint in (path / "checkpoints").glob("*/*"):
        if int(checkpoint.name) > update:
            shutil.rmtree(checkpoint)
    return path


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
    fewest = min(sum(n for s, _, n in counted if s == seed) for seed in (0, 1))
    logged = (run.path / "logs" / "train.log").read_text()
    assert f"the budget is spent after update {last}: {fewest:.0f} episodes a seed" in logged
    assert "a callback acts" not in logged
    assert f" {fewest:,.0f} of 50 episodes  {last * 128:,} steps " in logged
    with closing(Store(run.path / "metrics.sqlite", read_only=True)) as store:
        assert store.info()["stop_episodes"] == 50
    # resumed from any checkpoint it ends where it did
    path = killed_after(4, run.path, tmp_path / "again")
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


def test_what_a_resumed_run_has_spent_is_what_the_whole_one_had(store):
    """Seed 1 is frozen after the first chunk."""
    whole = Spent(store)
    assert not whole.reaches(StopConfig(episodes=1))
    for update, counts in ((4, {0: 40, 1: 10}), (8, {0: 50}), (12, {0: 60})):
        rows = [Row(update, seed, "", "episode/count", float(n)) for seed, n in counts.items()]
        store.write(ChunkRecord(update, update, rows, 0.0, 0.25, 0.0))
        whole.add(rows, 0.25)
        resumed = Spent(store)
        assert (resumed.before, resumed.now) == (whole.before, whole.now)
    assert (whole.before, whole.now) == ((90, 0.5), (150, 0.75))


# Periods


PERIODS = BUDGET | {
    "env_steps": 128 * 80,
    "evaluation.period": "20 episodes",
    "evaluation.episodes": 2,
    "checkpoints.period": "60 episodes",
    "replays.period": "30 episodes",
    "replays.share": 0.0,
    "replays.keep": 100,
}


def evaluations(run):
    """Updates with an evaluation, by seed."""
    found = {}
    for update, seed, _, name, _ in rows_in(run):
        if name == "eval/return":
            found.setdefault(seed, []).append(update)
    return found


def multiples(run, number, seeds):
    """Updates at which the seed with the fewest episodes has passed a multiple of that number."""
    ends, counted, last, found = [end[0] for end in chunk_ends(run)], finished(run), 0, []
    for end in ends:
        now = min(sum(n for s, u, n in counted if s == seed and u <= end) for seed in range(seeds))
        if now // number > last // number:
            found.append(end)
        last = now
    return found


@pytest.fixture(
    scope="module",
    params=["CartPole-v1", pytest.param("gym/CartPole-v1", marks=pytest.mark.slow)],
)
def by_episodes(request, tmp_path_factory):
    return elsinore.train(
        request.param,
        overrides=PERIODS,
        seeds=2,
        name="periods",
        runs_dir=tmp_path_factory.mktemp("runs"),
    )


@pytest.mark.slow
def test_evaluations_checkpoints_and_replays_follow_episodes(by_episodes):
    path, last = by_episodes.path, 80
    due = multiples(path, 20, 2)
    assert len(due) > 5 and len(due) < last / 2
    due += [] if due[-1] == last else [last]  # and the end
    assert evaluations(path) == {0: due, 1: due}
    saved = sorted(int(each.name) for each in (path / "checkpoints/periodic").iterdir())
    assert saved == multiples(path, 60, 2)
    recorded = {int(each.name[:10]) for each in (path / "replays").glob("*.npz")}
    assert {*multiples(path, 30, 2)} <= recorded


@pytest.mark.slow
def test_a_resumed_run_evaluates_where_it_would_have(by_episodes, tmp_path):
    path = tmp_path / "again"
    shutil.copytree(by_episodes.path, path)
    (path / "summary.json").unlink()
    kept = multiples(path, 60, 2)[0]
    for checkpoint in (path / "checkpoints").glob("*/*"):
        if int(checkpoint.name) > kept:
            shutil.rmtree(checkpoint)
    elsinore.resume(path)
    assert_same_run(path, by_episodes.path)


@pytest.mark.slow
def test_the_best_checkpoint_was_evaluated(by_episodes):
    kept, scores = (by_episodes.path / "checkpoints/best").iterdir(), {}
    for row_update, seed, agent, name, value in rows_in(by_episodes.path):
        if (name, agent) == ("eval/return", ""):
            scores.setdefault(row_update, {})[seed] = value
    means = sorted(sum(of.values()) / 2 for of in scores.values())
    found = sorted(sum(scores[int(each.name)].values()) / 2 for each in kept)
    assert found == means[-len(found) :]


@pytest.mark.slow
@pytest.mark.parametrize("env", ["CartPole-v1", "gym/CartPole-v1"])
def test_evaluations_by_seconds_are_events_that_a_resumed_run_repeats(env, tmp_path):
    settings = PERIODS | {"evaluation.period": "0.05 seconds", "checkpoints.period": 1}
    settings |= {"env_steps": 128 * 12}
    run = elsinore.train(env, overrides=settings, seeds=2, name="seconds", runs_dir=tmp_path)
    found = evaluations(run.path)
    assert found[0] == found[1] and 1 <= len(found[0]) <= 12 and found[0][-1] == 12
    path = killed_after(3, run.path, tmp_path / "again")
    elsinore.resume(path)
    assert evaluations(path) == found
    assert_same_run(path, run.path)


def test_a_seed_that_diverges_between_evaluations_is_never_the_best(tmp_path):
    """It and its state keep no score of an evaluation from before."""

    @elsinore.acting
    def wreck(record, history):
        largest = np.finfo(np.float32).max
        seed = {3: 0, 5: 1}.get(record.update)
        return None if seed is None else elsinore.Action.set("algo.learning_rate", largest, seed)

    period = {"evaluation.period": "0.0001 seconds", "env_steps": 128 * 40, "algo.num_epochs": 8}
    settings = BUDGET | period | {"algo.max_grad_norm": float("inf"), "checkpoints.best": 9}
    settings |= {"algo.learning_rate_final": None}
    run = elsinore.train(
        "CartPole-v1", overrides=settings, seeds=2, callbacks=[wreck], runs_dir=tmp_path
    )
    assert run.summary["diverged_at_env_steps"] == [4 * 128, 6 * 128]
    assert evaluations(run.path) == {0: [1, 2, 3], 1: [1, 2, 3, 4, 5]}
    assert sorted(int(x.name) for x in (run.path / "checkpoints/best").iterdir()) == [1, 2, 3, 4, 5]
    for update in (4, 5):
        policy = run.policy(checkpoint=f"best/{update:010d}")
        assert policy.seed == 1 and np.isfinite(policy.value(np.zeros(4)))


@pytest.mark.slow
def test_a_seed_diverges_between_evaluations(tmp_path):
    settings = PERIODS | {"algo.learning_rate": 1e30, "evaluation.period": "1000 episodes"}
    run = elsinore.train(
        "CartPole-v1", overrides=settings, seeds=1, name="diverged", runs_dir=tmp_path
    )
    assert run.summary["updates"] < 5 and evaluations(run.path) == {}
