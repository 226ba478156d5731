"""What `benchmarks.learning` makes of its record: rows of settings that were changed since."""

import json
import re

import numpy as np
import pytest

from benchmarks import learning
from benchmarks.cases import CASES, Case
from elsinore.types import Mean
from tests.learning.test_learning import BARS

CASE = next(c for c in CASES if (c.env, c.algo, c.label) == ("CartPole-v1", "dqn", "Double DQN"))


def row(**changes):
    """A row of `CASE`, trained with the settings of today but for `changes` of its algorithm's."""
    then = learning.settings_of(CASE)
    then["algo"] = {k: v for k, v in (then["algo"] | changes).items() if v is not None}
    had = {"env": CASE.env, "algo": CASE.algo, "label": CASE.label, "env_steps": 50_000}
    return had | {"seeds": 1, "seconds": 1.0, "G": [500.0], "trained_with": then}


def test_a_cases_settings_are_its_presets_with_its_own_on_top():
    settings = learning.settings_of(CASE)
    assert settings["algo"]["double"] and settings["algo"]["tau"] == 0.05
    assert settings["env_steps"] == 50_000
    json.dumps(settings)


@pytest.mark.parametrize(
    ("then", "named"),
    [({}, []), ({"tau": 0.1}, ["algo.tau"]), ({"n_step": None, "noisy": True}, None)],
)
def test_settings_that_are_others_today_are_named(then, named):
    named = ["algo.n_step", "algo.noisy"] if named is None else named
    assert learning.changed(CASE, row(**then)) == named


def test_a_row_says_on_the_page_which_settings_were_changed_since():
    text = learning.page([row(tau=0.1, n_step=1)])
    assert "Before a change of `algo.n_step`, `algo.tau`." in text
    assert "Before a change" not in learning.page([row()])
    unknown = {name: value for name, value in row().items() if name != "trained_with"}
    assert "The settings of that day were not recorded." in learning.page([unknown])


def test_a_preset_is_at_a_glance_and_a_row_below_a_published_figure_is_named():
    rows = json.loads(learning.RECORD.read_text())
    top, _, rest = learning.page(rows).partition("\nAll seeds together")
    links = set(re.findall(r"\]\(#([^)]*)\)", top))
    headings = {learning.anchor(x) for x in re.findall(r"(?m)^## (.*)$", top + rest)}
    assert links and links <= headings
    presets = [row for row in rows if row["label"] == "preset"]
    assert all(f"| {row['env']} | [" in top for row in presets)
    below = row() | {"G": [400.0, 410.0], "seeds": 2}  # 500 is published beside it
    assert "| G | 405 | 500 (DQN, rl-baselines3-zoo, 1 seed) |" in learning.page([below])
    assert "Below a published figure" not in learning.page([row()])


def test_the_page_says_of_a_row_that_other_work_ran_beside_it():
    assert "two CPU cores beside other work (a load of 9)." in learning.page(
        [row() | {"load_before": 9.2}]
    )
    assert "beside other work" not in learning.page([row() | {"load_before": 0.4}])


def test_the_page_names_the_accelerator_that_a_row_was_trained_on():
    text = learning.page([row() | {"device": "Card 9"}])
    assert "compilation included, on one Card 9." in text and "CPU" not in text.split("##")[-1]


def test_a_case_is_trained_again_once_its_settings_were_changed(monkeypatch, tmp_path):
    monkeypatch.setattr(learning, "RECORD", tmp_path / "learning.json")
    monkeypatch.setattr(learning, "PAGE", tmp_path / "results.md")
    monkeypatch.setattr(learning, "CASES", [CASE])
    asked = []

    def reached(case, seeds):
        asked.append(case.key)
        return row()

    monkeypatch.setattr(learning, "reached", reached)
    monkeypatch.setattr("sys.argv", ["learning"])
    learning.main()
    learning.main()
    assert len(asked) == 1
    learning.RECORD.write_text(json.dumps([row(buffer_size=10_000)]))
    learning.main()
    assert len(asked) == 2
    assert json.loads(learning.RECORD.read_text()) == [row()]


@pytest.mark.parametrize(
    ("only", "trained"),
    [("dqn/CartPole-v1", 1), ("dqn/CartPole-v1: Double DQN", 1), ("dqn/CartPole-v1: preset", 0)],
)
def test_a_case_can_be_named_by_its_label(monkeypatch, tmp_path, only, trained):
    monkeypatch.setattr(learning, "RECORD", tmp_path / "learning.json")
    monkeypatch.setattr(learning, "PAGE", tmp_path / "results.md")
    monkeypatch.setattr(learning, "CASES", [CASE])
    asked = []
    monkeypatch.setattr(learning, "reached", lambda case, seeds: asked.append(case) or row())
    monkeypatch.setattr("sys.argv", ["learning", only])
    learning.main()
    assert len(asked) == trained


def test_every_recorded_row_is_of_a_case_and_says_what_it_was_trained_with():
    cases = {case.key for case in CASES}
    for found in json.loads(learning.RECORD.read_text()):
        assert learning.key_of(found) in cases
        assert "trained_with" in found, learning.key_of(found)


@pytest.mark.parametrize("bar", BARS, ids=lambda b: f"{b.algo}-{b.env}-{b.protocol}-{b.label}")
def test_the_record_clears_the_bar_that_eight_seeds_are_held_to(bar):
    """So that a preset whose row fell says so before the slow tests train it."""
    rows = {learning.key_of(row): row for row in json.loads(learning.RECORD.read_text())}
    returns = np.array(rows[bar.env, bar.algo, bar.label][bar.protocol])
    assert returns.mean() >= bar.mean
    assert returns.min() >= bar.worst


def test_returns_while_exploring_are_of_the_last_tenth_and_absent_where_no_episode_ended_in_it():
    total, count = np.zeros((2, 20, 3)), np.zeros((2, 20, 3))
    total[:, :17], count[:, :17] = 1000.0, 1  # before the last tenth
    total[0, 18:, 0], count[0, 18:, 0] = -6.0, 2
    total[1, 19, 2], count[1, 19, 2] = -8.0, 1
    assert learning.while_exploring({"episode/return": Mean(total, count)}) == [-3.0, -8.0]
    count[1, 18:] = 0
    assert learning.while_exploring({"episode/return": Mean(total, count)}) is None


@pytest.mark.slow
def test_a_row_of_an_environment_in_python_is_that_of_its_rules_in_jax():
    """As a run trains it: on the host, with the same numbers."""
    settings = {
        "env_steps": 64,
        "algo.num_envs": 4,
        "algo.rollout_length": 8,
        "algo.num_epochs": 1,
        "algo.num_minibatches": 1,
        "algo.network.hidden": [8],
        "evaluation.period": 1,
        "evaluation.episodes": 3,
        "evaluation.final_episodes": 3,
    }
    inside, outside = (
        learning.reached(Case(f"tests.runs.test_host:{name}", "ppo", "x", (), settings, 0.0), 2)
        for name in ("Walk", "PythonWalk")
    )
    for what in ("env_steps", "G", "S", "T", "steps", "steps_sampled", "steps_to", "episodes_to"):
        np.testing.assert_allclose(
            np.array(outside[what], float), np.array(inside[what], float), rtol=1e-5, err_msg=what
        )
    assert np.isfinite(outside["G"]).all() and len(outside["G"]) == 2
