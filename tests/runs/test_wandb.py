"""Weights & Biases has what the store holds, each chunk once, and nothing where it is not
there."""

import importlib.util
import json
import sys
from types import SimpleNamespace

import pytest

import elsinore
from elsinore.config.experiment import Experiment
from elsinore.config.load import load_experiment
from elsinore.config.sinks import SinksConfig, WandbConfig
from elsinore.errors import ConfigError
from elsinore.runs.records import Row
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.seed_means import SeedMeans
from elsinore.runs.sinks.session_end import note_end
from elsinore.runs.sinks.sync import sinks_of
from elsinore.runs.sinks.wandb import WandbSink, means_of, refuse_if_absent
from elsinore.runs.store.store import Store
from tests.runs.conftest import STEPS, record, train_tiny

here = pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="needs wandb")


class FakeRun:
    """As much of one of its runs as the sink uses; `step` is the next that it would take."""

    def __init__(self, step: int = 0):
        self.step, self.logged, self.summary, self.artifacts, self.ended = step, [], {}, [], None

    def define_metric(self, name, step_metric):
        assert (name, step_metric) == ("*", "env_steps")

    def log(self, values, step):
        assert step >= self.step, "logged twice, or out of order"
        self.step = step + 1
        self.logged.append((step, values))

    def log_artifact(self, path, name, type):
        self.artifacts.append((name, type))

    def finish(self, exit_code):
        self.ended = exit_code


@pytest.fixture
def wandb(monkeypatch):
    """A module in the place of wandb, whose runs are kept to be looked at."""
    fake = SimpleNamespace(runs=[], asked=[], step=0, Settings=lambda **_: None)

    def init(**asked):
        fake.asked.append(asked)
        fake.runs.append(FakeRun(fake.step))
        return fake.runs[-1]

    fake.init = init
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def sink(tmp_path, **config) -> WandbSink:
    return WandbSink(
        WandbConfig(enabled=True, **config), RunDir(tmp_path), "abc", {"algo": {"gamma": 0.9}}
    )


def test_each_chunk_is_logged_once_with_every_seed_and_the_mean_over_them(wandb, store, tmp_path):
    mine = sink(tmp_path, project="castle", mode="offline")
    mine.open()
    mine.catch_up()  # of nothing
    for update in (4, 8):
        store.write(record(update))
        mine.catch_up()
        mine.catch_up()
    (run,) = wandb.runs
    assert [step for step, _ in run.logged] == [4, 8]
    logged = run.logged[1][1]
    assert logged["env_steps"] == 8 * STEPS
    assert logged["seed_0/episode/return"] == (6.5 + 8.5) / 2  # the mean of the chunk's two rows
    assert logged["seed_1/episode/return"] == logged["seed_0/episode/return"] + 100
    assert logged["episode/return"] == logged["seed_0/episode/return"] + 50
    assert (logged["eval/return"], logged["steps_per_second"]) == (9.0, 1e4)
    (asked,) = wandb.asked
    assert (asked["project"], asked["mode"], asked["id"], asked["resume"]) == (
        "castle",
        "offline",
        "abc",
        "allow",
    )
    assert asked["config"] == {"algo": {"gamma": 0.9}}


def test_the_means_of_a_population_are_those_of_its_best_member(wandb, store, tmp_path):
    store.describe(first_seed=0, seeds=2, mode="min", members='["gamma=0.9", "gamma=0.99"]')
    store.write(record(4))
    mine = sink(tmp_path)
    mine.open()
    mine.catch_up()
    ((_, logged),) = wandb.runs[0].logged
    assert logged["episode/return"] == logged["seed_0/episode/return"]
    assert logged["eval/return"] == logged["seed_0/eval/return"] < logged["seed_1/eval/return"]


def test_each_evaluation_of_a_population_is_read_once_for_its_best_member(
    wandb, store, tmp_path, monkeypatch
):
    store.describe(first_seed=0, seeds=2, members='["gamma=0.9", "gamma=0.99"]')
    read, evaluations = [], Store.evaluations

    def counted(self, *args):
        found = evaluations(self, *args)
        read.extend(row.update for row in found)
        return found

    monkeypatch.setattr(Store, "evaluations", counted)
    for update in (4, 8, 12):
        store.write(record(update))
    mine = sink(tmp_path)
    mine.open()
    mine.catch_up()
    assert read == [4, 4, 8, 8, 12, 12]


def test_a_resumed_run_logs_only_what_wandb_lacks(wandb, store, tmp_path):
    for update in (4, 8, 12):
        store.write(record(update))
    wandb.step = 9  # it has update 8
    mine = sink(tmp_path)
    mine.open()
    mine.catch_up()
    assert [step for step, _ in wandb.runs[0].logged] == [12]


def test_what_is_not_finite_is_left_out_of_a_mean():
    rows = [
        Row(1, 0, "", "a", 2.0),
        Row(1, 1, "", "a", float("nan")),
        Row(1, 0, "agent_1", "b", float("inf")),
    ]
    assert means_of(rows, SeedMeans()) == {"a": 2.0, "seed_0/a": 2.0}


def test_the_mean_of_evaluations_keeps_a_seed_that_has_stopped(wandb, store, tmp_path):
    store.write(record(4))
    store.write(record(8, seeds=(0,)))
    mine = sink(tmp_path)
    mine.open()
    mine.catch_up()
    logged = wandb.runs[0].logged[1][1]
    assert logged["eval/return"] == (8.5 + 5.5) / 2
    assert "seed_1/eval/return" not in logged
    assert logged["episode/return"] == logged["seed_0/episode/return"]


def test_a_run_that_was_stopped_before_its_evaluation_has_not_crashed(wandb, store, tmp_path):
    mine = sink(tmp_path)
    mine.open()
    note_end(tmp_path / "metrics.sqlite", KeyboardInterrupt())
    mine.close()
    assert wandb.runs[0].ended == 0


@pytest.mark.parametrize("finished", [True, False])
def test_it_gets_the_outcome_of_the_run(wandb, store, tmp_path, finished, whole):
    if finished:
        (tmp_path / "policy").mkdir()
        summary = json.loads((whole / "summary.json").read_text())
        summary["eval_return"]["mean"] = 3.5
        (tmp_path / "summary.json").write_text(json.dumps(summary))
    mine = sink(tmp_path)
    mine.open()
    mine.close()
    (run,) = wandb.runs
    assert run.ended == (0 if finished else 1)
    assert run.summary == ({"stopped_by": "budget", "final/return": 3.5} if finished else {})
    assert run.artifacts == ([("policy-abc", "model")] if finished else [])


def test_where_it_is_not_installed_a_run_that_wants_it_is_refused_before_it_begins(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refuse_if_absent(Experiment())
    with pytest.raises(ConfigError, match=r"pip install 'elsinore\[wandb\]'"):
        refuse_if_absent(Experiment(sinks=SinksConfig(wandb=WandbConfig(enabled=True))))


def test_an_unknown_mode_is_refused():
    with pytest.raises(
        elsinore.ConfigError, match="mode='dryrun' is unknown; choose online or offline"
    ):
        load_experiment(overrides={"sinks.wandb.mode": "dryrun"})


@here
@pytest.mark.slow
def test_offline_a_run_leaves_its_numbers_where_they_can_be_sent_from(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = train_tiny(
        tmp_path, "offline", {"sinks.wandb.enabled": True, "sinks.wandb.project": "castle"}
    )
    (file,) = (run.path / "wandb").glob("offline-run-*/run-*.wandb")
    text = file.read_bytes()
    for name in (b"eval/return", b"seed_1/loss/value", b"env_steps", b"castle"):
        assert name in text, name
    assert "Weights & Biases failed" not in (run.path / "logs" / "train.log").read_text()


def test_it_gets_the_algorithms_of_all_agents(tmp_path):
    agents = [{"id": "ann"}, {"id": "cat", "algo": "dqn"}]
    experiment = load_experiment(overrides={"agents": agents, "sinks.wandb.enabled": True})
    *_, last = sinks_of(RunDir(tmp_path), experiment, "abc", STEPS)
    assert last._facts["algorithms"] == "ppo, dqn"
    assert last._facts["algo"]["name"] == "ppo"
