"""A run of two agents with names: every finished training episode is a row, and they decide when
it has converged."""

import contextlib
import sqlite3

import numpy as np
import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.errors import ConfigError
from elsinore.runs.replays import files as replays
from elsinore.view.drawing.multi_agent import episode_of
from tests.runs.test_agents import QUIET

TEST = {"target": -1.0, "counts": "episodes", "window": 20, "patience": 1}
SETTINGS = QUIET | {
    "convergence": TEST,
    "rows": "episode",
    "agents": [{"id": "ann"}, {"id": "bob", "gamma": 0.5}],
    "env_steps": 2 * 16 * 20,
}
SETTINGS.pop("convergence.enabled")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return elsinore.train(
        "Catch-bsuite", runs_dir=tmp_path_factory.mktemp("runs"), overrides=SETTINGS
    )


def test_a_seed_converges_after_the_chunk_in_which_its_window_of_episodes_is_full(run):
    # four rows of episodes of 9 steps: 16 after 36 steps, 20 after 45, which is in update 6 of 8
    assert run.summary["converged_at_env_steps"] == [6 * 2 * 16]
    assert run.summary["stopped_by"] == "converged"


def test_rows_of_episodes_add_up_to_the_metrics(run):
    with contextlib.closing(sqlite3.connect(run.path / "metrics.sqlite")) as db:
        rows = db.execute(
            "SELECT update_, agent, return_, length FROM finished ORDER BY update_, position"
        ).fetchall()
        episodes = db.execute(
            "SELECT episode FROM episode_metrics WHERE agent_id = 'bob' AND seed = 0"
            " AND metric_name = 'total_reward' ORDER BY episode"
        ).fetchall()
    assert len(rows) == 20 and {row[3] for row in rows} == {9}
    assert [number for (number,) in episodes] == list(range(10))
    metrics = run.metrics
    for agent in ("ann", "bob"):
        own = metrics[metrics.agent == agent]
        for update in sorted({row[0] for row in rows}):
            returns = [row[2] for row in rows if row[:2] == (update, agent)]
            at = own[own["update"] == update].set_index("name").value
            assert at["episode/count"] == len(returns)
            assert at["episode/return"] == pytest.approx(np.mean(returns))


def test_names_reach_policies_replays_and_what_is_shown(run):
    assert sorted(path.name for path in run._folder.policy.iterdir()) == ["ann", "bob"]
    assert run.policy(agent="bob")(np.zeros((10, 5))).shape == ()
    with pytest.raises(ConfigError, match="agent='agent_0' is not of this run; it has ann, bob"):
        run.policy(agent="agent_0")
    last = replays.list_replays(run._folder.replays)[-1]
    assert replays.about(last)["agent_names"] == ["ann", "bob"]
    scene = episode_of(replays.read(last), agent="bob").scene(0)
    assert "bob of 2" in scene.title
    assert set(run.metrics.agent) == {"", "ann", "bob"}


def test_the_plan_warns_where_the_window_is_too_small():
    few = SETTINGS | {"convergence": TEST | {"target": 195.0, "window": 10}}
    lines = "\n".join(plan_facts(plan_for(load_experiment("Catch-bsuite", overrides=few))))
    assert "convergence is judged by 10 training episodes" in lines
    assert "cannot tell 182.7 from 195; raise convergence.window" in lines


def test_episodes_of_several_stages_are_not_compared():
    stages = {"curriculum": {"stages": [{"name": "own"}]}}
    with pytest.raises(ConfigError, match="convergence.counts='episodes' cannot be compared"):
        load_experiment("Catch-bsuite", overrides=SETTINGS | stages)
