"""Several algorithms are trained alike, and a comparison that stopped goes on exactly where it was."""

import json
import signal

import pytest

import elsinore
from elsinore.config.build import ConfigError
from elsinore.host import api, run
from elsinore.host.comparison.cells import cells_of
from elsinore.host.comparison.variants import variants_of
from tests.host.conftest import TINY, learnt, rows_in, train_tiny

ALGOS = {"ppo": "ppo", "slow": {"algo": "ppo", "algo.learning_rate": 1e-5}}
FREE = {k: v for k, v in TINY.items() if not k.startswith("sinks")}  # what is left is the comparison's own choice


def compare(runs_dir, algos=None, name="cmp", **rest):
    told = []
    rest = {"overrides": FREE, "seeds": 2, "tell": told.append} | rest
    return elsinore.compare("CartPole-v1", algos or ALGOS, name=name, runs_dir=runs_dir, **rest), told


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    """A comparison that nothing stopped, and what was told of it."""
    return compare(tmp_path_factory.mktemp("compared"))


def cells(tmp_path, envs, algos, overrides=None, config=None):
    return cells_of(envs, variants_of(algos), tmp_path / "cmp", config, overrides or {}, check=True)


# What is trained


def test_each_is_an_ordinary_run_in_a_folder_of_its_own(compared):
    comparison, _ = compared
    assert set(comparison.runs) == {("CartPole-v1", "ppo"), ("CartPole-v1", "slow")}
    slow = elsinore.load(comparison.path / "CartPole-v1" / "slow")
    assert slow.summary["seeds"] == 2
    assert slow.evaluate(episodes=3).shape == (2, 3)


@pytest.mark.slow
def test_it_learns_what_it_would_have_learnt_alone(compared, tmp_path):
    alone = train_tiny(tmp_path, "alone", {"convergence.enabled": False})
    compared_with = compared[0].path / "CartPole-v1" / "ppo"
    assert learnt(compared_with) == learnt(alone.path)
    assert rows_in(compared_with) == rows_in(alone.path)


def test_nobody_stops_early_and_no_sink_is_bothered(compared):
    experiment = elsinore.load(compared[0].path / "CartPole-v1" / "ppo").experiment
    assert not experiment.convergence.enabled
    assert not experiment.sinks.mlflow.enabled
    assert experiment.seeds == 2


def test_a_line_is_told_before_and_after_each(compared):
    told = compared[1]
    assert [line.split(": ")[0] for line in told] == ["[1/2] CartPole-v1, ppo"] * 2 + ["[2/2] CartPole-v1, slow"] * 2
    assert told[0].endswith("training 2 seed(s), 5,120 env steps each")
    assert "return (IQM) " in told[1]


def test_the_report_lies_beside_the_runs(compared):
    path = compared[0].path
    assert {p.name for p in path.iterdir()} == {"CartPole-v1", "report.html", "report.md", "figures"}
    assert list(compared[0].table.label) == ["ppo", "slow"]


def test_settings_of_a_files_own_are_kept(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("env: Catch-bsuite\nseeds: 3\nconvergence:\n  enabled: true\nsinks:\n  tensorboard: true\n")
    (cell,) = cells(tmp_path, [], ["ppo"], config=config)
    experiment = cell.experiment
    assert (experiment.env, experiment.seeds, experiment.convergence.enabled) == ("Catch-bsuite", 3, True)
    assert experiment.sinks.tensorboard and not experiment.sinks.mlflow.enabled


def test_a_variants_own_settings_win_over_those_of_all(tmp_path):
    found = cells(tmp_path, ["CartPole-v1"], ["ppo", "x=ppo:algo.gamma=0.5"], {"algo.gamma": 0.7})
    assert [cell.experiment.algo.gamma for cell in found] == [0.7, 0.5]


def test_without_a_word_there_are_ten_seeds_and_the_presets_budget(tmp_path):
    (cell,) = cells(tmp_path, ["CartPole-v1"], ["ppo"])
    assert (cell.experiment.seeds, cell.experiment.env_steps) == (10, 100_000)


def test_all_in_one_environment_have_the_largest_of_their_budgets(tmp_path, monkeypatch):
    from elsinore.config.presets import PRESETS

    small = {**PRESETS["ppo/CartPole-v1"], "env_steps": 3_000}
    monkeypatch.setitem(PRESETS, "ppo/CartPole-v1", small)
    found = cells(tmp_path, ["CartPole-v1", "Catch-bsuite"], ["ppo", "much=ppo:env_steps=9000", "a=ppo"])
    assert [cell.experiment.env_steps for cell in found] == [9_000, 9_000, 9_000, 40_000, 9_000, 40_000]


# Refusals: before anything is trained


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"algos": ["ppo", "bad=ppo:algo.gama=1"]}, "CartPole-v1, bad: algo.gama is not a setting; did you mean"),
        ({"algos": ["ppo", "nobody"]}, "CartPole-v1, nobody: algo='nobody' is unknown"),
        ({"algos": ["ppo", "x=ppo:algo.num_minibatches=7"]}, "CartPole-v1, x: algo.num_minibatches=7 does not divide"),
        ({"seeds": 0}, "CartPole-v1, ppo: seeds=0 must be at least 1."),
        ({"name": "a/b"}, "--name 'a/b' is no folder's name"),
    ],
)
def test_one_bad_cell_is_refused_by_name_before_the_first_is_trained(tmp_path, monkeypatch, change, told):
    monkeypatch.setattr(api, "train", lambda *args, **kwargs: pytest.fail("something was trained"))
    with pytest.raises(ConfigError) as refusal:
        compare(tmp_path / "runs", **change)
    assert str(refusal.value).startswith(told)
    assert not (tmp_path / "runs").exists()


def test_an_environment_named_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--env: 'CartPole-v1' and 'CartPole-v1' are the same"):
        cells(tmp_path, ["CartPole-v1", "ppo/CartPole-v1"], ["ppo"])


def test_without_an_environment_there_is_nothing_to_compare_in(tmp_path):
    with pytest.raises(ConfigError, match="no environment is named; give --env"):
        cells(tmp_path, [], ["ppo"])


def test_a_run_is_no_place_for_a_comparison(tmp_path):
    (tmp_path / "cmp").mkdir()
    (tmp_path / "cmp" / "config.yaml").write_text("env: CartPole-v1")
    with pytest.raises(ConfigError, match="--name 'cmp' is the name of a run"):
        compare(tmp_path)


def test_other_settings_under_the_same_name_are_refused_with_what_differs(compared, monkeypatch):
    monkeypatch.setattr(api, "train", lambda *args, **kwargs: pytest.fail("something was trained"))
    with pytest.raises(ConfigError) as refusal:
        compare(compared[0].path.parent, ["new=ppo:algo.gamma=0.5", "ppo", "slow=ppo:algo.learning_rate=0.5"])
    told = str(refusal.value)
    assert told.startswith("CartPole-v1, slow: ")
    assert "other settings; then and now: algo.learning_rate 1e-05, 0.5." in told


# Going on


def test_what_is_finished_is_not_trained_again(compared, monkeypatch):
    monkeypatch.setattr(api, "train", lambda *args, **kwargs: pytest.fail("something was trained"))
    before = {p: p.stat().st_mtime_ns for p in compared[0].path.glob("*/*/summary.json")}
    again, told = compare(compared[0].path.parent)
    assert told == ["[1/2] CartPole-v1, ppo: finished already", "[2/2] CartPole-v1, slow: finished already"]
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert again.table.drop(columns="path").equals(compared[0].table.drop(columns="path"))


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A comparison that was asked to stop after the third chunk of its second run."""
    chunks, record = [], run._record

    def ask(*args):
        chunks.append(args)
        if len(chunks) == 13:  # the first run has ten
            signal.raise_signal(signal.SIGINT)
        return record(*args)

    with monkeypatch.context() as patch:
        patch.setattr(run, "_record", ask)
        return compare(tmp_path)


@pytest.mark.slow
def test_an_interrupted_comparison_stops_there_and_goes_on_to_the_same_end(interrupted, compared):
    found, told = interrupted
    assert found.interrupted
    assert not (found.path / "report.html").exists()
    summary = json.loads((found.path / "CartPole-v1" / "slow" / "summary.json").read_text())
    assert summary["stopped_by"] == "interrupted"
    assert f"slow: interrupted after {summary['env_steps']:,} env steps, return (IQM) " in told[-1]
    whole, told = compare(found.path.parent)
    assert "going on with 2 seed(s)" in told[1]
    for label in ALGOS:
        one, other = (c.path / "CartPole-v1" / label for c in (whole, compared[0]))
        assert learnt(one) == learnt(other)
        assert rows_in(one) == rows_in(other)


def test_a_signal_that_comes_as_a_run_is_ending_stops_before_the_next(tmp_path, monkeypatch):
    record, chunks = run._record, []

    def ask(*args):
        chunks.append(args)
        if len(chunks) == 10:  # the first run's last
            signal.raise_signal(signal.SIGINT)
        return record(*args)

    monkeypatch.setattr(run, "_record", ask)
    found, told = compare(tmp_path)
    assert found.interrupted
    assert len(told) == 2  # of the first run, before and after
    assert json.loads((found.path / "CartPole-v1" / "ppo" / "summary.json").read_text())["stopped_by"] == "budget"
    assert not (found.path / "CartPole-v1" / "slow").exists()


def test_a_threshold_for_an_environment_that_is_not_there_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(ConfigError, match="--threshold names the environment 'Cart', which is not compared in"):
        compare(tmp_path, thresholds={"Cart": 3.0})
    assert not list(tmp_path.iterdir())


def test_a_world_that_is_an_object_is_compared_in(tmp_path, cartpole):
    found = elsinore.compare(
        cartpole[0], ["ppo"], seeds=2, overrides=FREE, name="object", runs_dir=tmp_path, tell=lambda line: None
    )
    assert list(found.table.env) == ["CartPole-v1"]
