"""Algorithms are trained alike, and an interrupted comparison resumes exactly."""

import io
import json
import logging
import signal
import sys

import pytest

import elsinore
from elsinore.analysis.cluster_worker import train_cell
from elsinore.analysis.compare import api as compare_api
from elsinore.analysis.compare.caveats import budget_text
from elsinore.analysis.compare.grid import cell_state, grid_cells
from elsinore.analysis.compare.mlflow import log_report_to_mlflow
from elsinore.analysis.compare.results import recorded_in
from elsinore.analysis.compare.training import summary_line
from elsinore.analysis.compare.variants import variants_of
from elsinore.cli import main
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError, RunError
from elsinore.runs import api, loop, programs
from elsinore.runs.checkpoints.directory import list_checkpoints
from elsinore.runs.run_dir import RunDir
from tests.runs.conftest import (
    MADE_ELSEWHERE,
    TINY,
    as_if_killed_before_its_sinks_were_done,
    learnt,
    made_elsewhere,
    rows_in,
    train_tiny,
)

ALGOS = {"ppo": "ppo", "slow": {"algo": "ppo", "algo.learning_rate": 1e-5}}
# what is left is the comparison's own choice
FREE = {k: v for k, v in TINY.items() if not k.startswith("sinks")}


def compare(runs_dir, algos=None, name="cmp", **rest):
    lines = []
    rest = {"overrides": FREE, "seeds": 2, "progress": lines.append} | rest
    return (
        elsinore.compare("CartPole-v1", algos or ALGOS, name=name, runs_dir=runs_dir, **rest),
        lines,
    )


@pytest.mark.parametrize(
    "group", [{"convergence": {"target": 400.0}}, {"convergence.target": 400.0}]
)
def test_a_group_of_settings_keeps_the_defaults_of_a_comparison(group, tmp_path):
    (tmp_path / "c.yaml").write_text("sinks: {mlflow: true}\n")
    variants = variants_of({"ppo": "ppo", "own": {"algo": "ppo", "convergence": True}})
    settings = FREE | group
    cells = grid_cells(
        ["CartPole-v1"], variants, tmp_path, tmp_path / "c.yaml", settings, check=False
    )
    assert [cell.experiment.convergence.enabled for cell in cells] == [False, True]
    assert cells[0].experiment.convergence.target == 400.0
    assert cells[0].experiment.sinks.mlflow.enabled and not cells[0].experiment.sinks.console


@pytest.mark.parametrize("of", ["all", "a variant"])
def test_a_sink_that_is_switched_on_in_its_group_stays_on(of, tmp_path):
    settings = {"sinks": {"mlflow": True}}
    own, rest = (settings, {}) if of == "a variant" else ({}, settings)
    variants = variants_of({"ppo": {"algo": "ppo"} | own})
    (cell,) = grid_cells(["CartPole-v1"], variants, tmp_path, None, FREE | rest, False)
    assert cell.experiment.sinks.mlflow.enabled and not cell.experiment.sinks.console


def test_a_setting_of_one_variant_is_none_of_the_next(tmp_path):
    variants = variants_of({"a": {"algo": "ppo", "algo.gamma": 0.9}, "b": "ppo"})
    settings = {"algo": {"learning_rate": 1e-3}}
    first, second = grid_cells(["CartPole-v1"], variants, tmp_path, None, settings, False)
    assert (first.experiment.algo.gamma, second.experiment.algo.gamma) == (0.9, 0.98)
    assert (
        settings == {"algo": {"learning_rate": 1e-3}} == {"algo": second.call["overrides"]["algo"]}
    )


def test_a_budget_of_episodes_is_shown_as_one(tmp_path):
    settings = FREE | {"stop.episodes": 5000}
    settings.pop("env_steps")
    (cell,) = grid_cells(["CartPole-v1"], variants_of(["ppo"]), tmp_path, None, settings, False)
    assert cell.env_steps >= 5000 * 500 > cell.experiment.env_steps
    assert budget_text(cell.experiment) == "5,000 episodes a seed"


class Terminal(io.StringIO):
    """A stream of a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="session")
def terminal():
    """All that `compared` shows."""
    return Terminal()


@pytest.fixture(scope="session")
def compared(tmp_path_factory, terminal):
    """An uninterrupted comparison in a terminal, and its lines of progress."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        patch.setenv("TERM", "xterm")
        return compare(tmp_path_factory.mktemp("compared"))


def cells(tmp_path, envs, algos, overrides=None, config=None):
    folder = tmp_path / "cmp"
    given = envs, variants_of(algos), folder, config, overrides or {}
    return grid_cells(*given, check=True, begun=recorded_in(folder))


# What is trained


def test_each_is_an_ordinary_run_in_its_folder(compared):
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


def test_by_default_no_run_stops_early_and_sinks_are_off(compared):
    experiment = elsinore.load(compared[0].path / "CartPole-v1" / "ppo").experiment
    assert not experiment.convergence.enabled
    assert not experiment.sinks.mlflow.enabled
    assert experiment.seeds == 2


def test_progress_gets_a_line_before_and_after_each_run(compared):
    lines = compared[1]
    assert [line.split(": ")[0] for line in lines] == ["[1/2] CartPole-v1, ppo"] * 2 + [
        "[2/2] CartPole-v1, slow"
    ] * 2
    assert lines[0].endswith("training 2 seeds, 5,120 env steps each")
    assert "return (IQM) " in lines[1]


def test_in_a_terminal_each_run_has_its_progress_line(compared, terminal):
    assert terminal.getvalue().count("5,120 of 5,120 steps") == len(compared[0].runs)
    assert not logging.getLogger("elsinore").filters


def test_the_line_of_a_run_has_a_small_return_as_it_is():
    score = {"iqm": 0.0412, "ci95": [0.031, 0.052]}
    clock = {"compile_seconds": 1.0, "train_seconds": 2.0}
    line = summary_line({"eval_return": score, "stopped_by": "budget", **clock})
    assert line.startswith("return (IQM) 0.0412 [0.0310, 0.0520]; ")


def test_the_report_is_beside_the_runs(compared):
    path = compared[0].path
    assert {p.name for p in path.iterdir()} == {
        ".comparison",
        "CartPole-v1",
        "report.html",
        "report.md",
        "figures",
    }
    table = compared[0].table
    assert list(table.label) == ["ppo", "slow"]
    assert set(compared[0].pairs.loc[0, ["first", "second"]]) == {"ppo", "slow"}
    assert compared[0].best == {"CartPole-v1": table.loc[table.iqm.idxmax(), "label"]}


def test_mlflow_has_the_report_and_the_scores_of_a_comparison(compared, mlflow_uri, caplog):
    """Logged twice, as after a resume, it is one MLflow run."""
    from mlflow import MlflowClient

    comparison, _ = compared
    name = comparison.path.parent.name
    on = {"sinks.mlflow.enabled": True, "sinks.mlflow.tracking_uri": mlflow_uri}
    on |= {"sinks.mlflow.experiment": name}
    off = load_experiment("CartPole-v1", "ppo", overrides={"sinks.mlflow.enabled": False})
    experiments = [off, load_experiment("CartPole-v1", "ppo", overrides=on)]
    for _ in range(2):
        log_report_to_mlflow(experiments, comparison.scores, comparison.path)
    assert not caplog.records
    client = MlflowClient(mlflow_uri)
    (run,) = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    assert run.info.status == "FINISHED" and run.info.run_name == "cmp"
    ppo = next(r for r in comparison.results.finished if r.label == "ppo")
    assert run.data.metrics == {
        "iqm.CartPole-v1.ppo": comparison.scores.over_seeds(ppo, "iqm").value,
        "seeds.CartPole-v1.ppo": 2,
        "iqm.CartPole-v1.slow": run.data.metrics["iqm.CartPole-v1.slow"],
        "seeds.CartPole-v1.slow": 2,
    }
    kept = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert kept == {"report.html", "report.md", "figures"}
    log_report_to_mlflow([off], comparison.scores, comparison.path / "nowhere")
    assert not caplog.records


@pytest.mark.slow
def test_a_comparison_with_mlflow_on_is_logged_beside_its_runs(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    compare(tmp_path, {"ppo": "ppo"}, overrides=FREE | {"sinks.mlflow.enabled": True})
    assert [*tmp_path.rglob("mlflow.db")] == [tmp_path / "mlflow.db"]
    assert [*tmp_path.rglob("mlartifacts")] == [tmp_path / "mlartifacts"]
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("elsinore").experiment_id])
    names = {f"cmp/CartPole-v1/ppo{part}" for part in ("", "/seed_0", "/seed_1")}
    assert {run.info.run_name for run in runs} == {"cmp", *names}


def test_runs_of_a_comparison_know_the_folder_of_all_runs(compared):
    """Where `mlflow.db` is, also if one of them is resumed or completed alone."""
    comparison, _ = compared
    runs = [RunDir(result.path) for result in comparison.results.finished]
    assert {run.runs_dir for run in runs} == {comparison.path.parent.resolve()}
    assert {run.name_in_runs_dir for run in runs} == {
        f"cmp/CartPole-v1/{label}" for label in comparison.results.labels
    }
    alone = RunDir(comparison.path)  # a run beside the comparison
    assert alone.runs_dir == comparison.path.parent.resolve() and alone.name_in_runs_dir == "cmp"


def test_settings_of_a_config_file_are_kept(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text(
        "env: Catch-bsuite\nseeds: 3\nconvergence:\n  enabled: true\nsinks:\n  tensorboard: true\n"
    )
    (cell,) = cells(tmp_path, [], ["ppo"], config=config)
    experiment = cell.experiment
    assert (experiment.env, experiment.seeds, experiment.convergence.enabled) == (
        "Catch-bsuite",
        3,
        True,
    )
    assert experiment.sinks.tensorboard and not experiment.sinks.mlflow.enabled


def test_a_variants_own_settings_win_over_those_of_all(tmp_path):
    found = cells(tmp_path, ["CartPole-v1"], ["ppo", "x=ppo:algo.gamma=0.5"], {"algo.gamma": 0.7})
    assert [cell.experiment.algo.gamma for cell in found] == [0.7, 0.5]


@pytest.mark.parametrize(
    "given", [{"algo.gamma": 0.7}, {"algo": {"gamma": 0.7}}, "algo: {gamma: 0.7}\n"]
)
def test_a_preset_that_a_variant_names_is_beneath_the_settings_of_all(given, tmp_path):
    algos = ["ppo", "x=ppo/Pendulum-v1", "y=ppo/Pendulum-v1:algo.gamma=0.5"]
    config = None
    if isinstance(given, str):
        config = tmp_path / "c.yaml"
        config.write_text(given)
        given = None
    made = cells(tmp_path, ["CartPole-v1"], algos, given, config)
    found = [cell.experiment.algo for cell in made]
    assert [algo.gamma for algo in found] == [0.7, 0.7, 0.5]
    assert [algo.network.activation for algo in found] == ["tanh", "silu", "silu"]


def test_a_variants_own_group_changes_a_part_of_the_preset_that_it_names(tmp_path):
    mine = {"algo": "ppo/Pendulum-v1", "algo.network": {"hidden": [8]}, "algo.gamma": 0.5}
    (cell,) = cells(tmp_path, ["CartPole-v1"], {"mine": mine})
    algo = cell.experiment.algo
    assert (algo.gamma, *algo.network.hidden, algo.network.activation) == (0.5, 8, "silu")


def test_defaults_are_ten_seeds_and_the_presets_budget(tmp_path):
    (cell,) = cells(tmp_path, ["CartPole-v1"], ["ppo"])
    assert (cell.experiment.seeds, cell.experiment.env_steps) == (10, 100_000)


def test_all_in_one_environment_have_the_largest_budget_of_their_presets(tmp_path):
    algos = ["ppo", "pqn", "much=ppo:env_steps=1000000", "few=pqn:env_steps=9000"]
    found = cells(tmp_path, ["CartPole-v1"], algos)
    assert [cell.experiment.env_steps for cell in found] == [300_000, 300_000, 1_000_000, 9_000]
    alone = cells(tmp_path, ["CartPole-v1"], algos[2:])
    assert [cell.experiment.env_steps for cell in alone] == [1_000_000, 9_000]


@pytest.mark.parametrize("named", [["ppo", "pqn"], ["pqn"]])
def test_an_algorithm_that_is_added_has_the_budget_of_those_that_have_begun(named, tmp_path):
    (begun,) = cells(tmp_path, ["CartPole-v1"], ["ppo"])
    RunDir.create(begun.folder.parent, "ppo", begun.experiment).unlock()
    found = cells(tmp_path, ["CartPole-v1"], [*named, "long=ppo:env_steps=400000"])
    assert [cell.experiment.env_steps for cell in found] == [100_000] * len(named) + [400_000]
    assert {cell_state(cell) for cell in found} <= {"new", "unfinished"}
    other = load_experiment("CartPole-v1", "a2c", {"env_steps": 50_000})
    RunDir.create(begun.folder.parent, "a2c", other).unlock()  # of which neither is the rule
    (added,) = cells(tmp_path, ["CartPole-v1"], ["pqn"])
    assert added.experiment.env_steps == 300_000


def test_what_has_begun_is_read_once_before_anything_is_trained(tmp_path, monkeypatch):
    (begun,) = cells(tmp_path, ["CartPole-v1"], ["ppo"])
    RunDir.create(begun.folder.parent, "ppo", begun.experiment).unlock()
    read, recorded = [], RunDir.recorded
    monkeypatch.setattr(RunDir, "recorded", lambda run: read.append(run.path) or recorded(run))

    def train_nothing(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_api, "train_here", train_nothing)
    with pytest.raises(KeyboardInterrupt):
        elsinore.compare("CartPole-v1", ["ppo", "a2c"], name="cmp", runs_dir=tmp_path)
    assert read == [begun.folder]


def test_a_budget_in_another_unit_is_not_raised_to_a_number_of_env_steps(tmp_path):
    found = cells(tmp_path, ["CartPole-v1"], ["ppo", "a2c"], {"stop.episodes": 20})
    assert [cell.experiment.stop.episodes for cell in found] == [20, 20]
    found = cells(tmp_path, ["CartPole-v1"], ["ppo", "few=ppo:stop.episodes=20"])
    assert [cell.experiment.stop.episodes for cell in found] == [None, 20]


# Refusals: before anything is trained


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"algos": ["ppo", "bad=ppo:algo.gama=1"]},
            "CartPole-v1, bad: algo.gama is not a setting; did you mean",
        ),
        ({"algos": ["ppo", "nobody"]}, "CartPole-v1, nobody: algo='nobody' is unknown"),
        (
            {"algos": ["ppo", "x=ppo:algo.num_minibatches=7"]},
            "CartPole-v1, x: algo.num_minibatches=7 does not divide",
        ),
        (
            {"algos": ["ppo", "x=ppo:vary={algo.gamma: [0.9, 0.99]}"]},
            "CartPole-v1, x: vary has 2 members with different settings, and a comparison is of"
            " seeds, which have the same; give each value a label, such as x_0=ppo:algo.gamma=0.9,",
        ),
        ({"seeds": 0}, "CartPole-v1, ppo: seeds=0 must be at least 1."),
        ({"name": "a/b"}, "name='a/b' is not a folder name"),
    ],
)
def test_one_bad_cell_is_refused_by_name_before_the_first_is_trained(
    tmp_path, monkeypatch, change, message
):
    monkeypatch.setattr(api, "train", lambda *args, **kwargs: pytest.fail("something was trained"))
    with pytest.raises(ConfigError) as refusal:
        compare(tmp_path / "runs", **change)
    assert str(refusal.value).startswith(message)
    assert not (tmp_path / "runs").exists()


def test_an_environment_named_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'CartPole-v1' and 'CartPole-v1' are the same"):
        cells(tmp_path, ["CartPole-v1", "ppo/CartPole-v1"], ["ppo"])


def test_runs_whose_copies_would_have_one_place_are_refused(tmp_path):
    remote = {"sinks.remote.url": f"file://{tmp_path}/copies"}
    assert len(cells(tmp_path, ["CartPole-v1"], ["ppo", "dqn"], remote)) == 2
    with pytest.raises(ConfigError, match="CartPole-v1, ppo and Acrobot-v1, ppo would share the"):
        cells(tmp_path, ["CartPole-v1", "Acrobot-v1"], ["ppo"], remote)


def test_a_comparison_needs_an_environment(tmp_path):
    with pytest.raises(ConfigError, match="no environment is named; give --env"):
        cells(tmp_path, [], ["ppo"])


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"env": "Acrobot-v1"}, r"--env \(in Python, envs\)"),
        ({"algo": "dqn"}, r"--algos \(in Python, algos\)"),
        ({"algo": {"name": "dqn"}}, r"--algos \(in Python, algos\)"),
        ({"algo.name": "dqn"}, r"--algos \(in Python, algos\)"),
    ],
)
def test_a_setting_cannot_name_what_is_compared(tmp_path, settings, remedy):
    with pytest.raises(ConfigError, match=f"name what is compared with {remedy}"):
        cells(tmp_path, ["CartPole-v1"], ["ppo"], settings)
    assert cells(tmp_path, ["CartPole-v1"], ["dqn"], {"algo": {"gamma": 0.5}})


@pytest.mark.parametrize(
    ("argument", "remedy"), [("env", "envs='x'"), ("algo", "algos='x'"), ("agent", "algos='x'")]
)
def test_one_env_or_algo_is_answered_with_the_argument_for_several(argument, remedy):
    with pytest.raises(ConfigError, match=f"has no argument {argument}='x'; give it as {remedy}"):
        elsinore.compare(**{argument: "x"})


@pytest.mark.parametrize(("file", "kind"), [("config.yaml", "run"), ("sweep.yaml", "sweep")])
def test_a_comparison_cannot_have_the_name_of_another_thing(tmp_path, file, kind):
    (tmp_path / "cmp").mkdir()
    (tmp_path / "cmp" / file).write_text("env: CartPole-v1")
    with pytest.raises(ConfigError, match=f"name='cmp' is the name of a {kind}"):
        compare(tmp_path)


def test_other_settings_under_the_same_name_are_refused_with_what_differs(compared, monkeypatch):
    monkeypatch.setattr(api, "train", lambda *args, **kwargs: pytest.fail("something was trained"))
    with pytest.raises(ConfigError) as refusal:
        compare(
            compared[0].path.parent,
            ["new=ppo:algo.gamma=0.5", "ppo", "slow=ppo:algo.learning_rate=0.5"],
        )
    message = str(refusal.value)
    assert message.startswith("CartPole-v1, slow: ")
    assert "other settings (then, now): algo.learning_rate 1e-05, 0.5." in message


# Resuming


def test_what_is_finished_is_not_trained_again(compared, monkeypatch):
    monkeypatch.setattr(api, "train", lambda *args, **kwargs: pytest.fail("something was trained"))
    before = {p: p.stat().st_mtime_ns for p in compared[0].path.glob("*/*/summary.json")}
    again, lines = compare(compared[0].path.parent)
    assert lines == [
        "[1/2] CartPole-v1, ppo: finished already",
        "[2/2] CartPole-v1, slow: finished already",
    ]
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert again.table.drop(columns="path").equals(compared[0].table.drop(columns="path"))


def test_the_report_has_all_runs_of_the_folder_whichever_the_call_names(compared):
    again, lines = compare(compared[0].path.parent, ["ppo"])
    assert lines == ["[1/1] CartPole-v1, ppo: finished already"]
    assert again.table.drop(columns="path").equals(compared[0].table.drop(columns="path"))
    assert "# ppo and slow on CartPole-v1" in (again.path / "report.md").read_text()


def test_a_run_that_was_killed_before_its_sinks_were_done_gets_them(tmp_path):
    small = {"algos": "ppo", "env_steps": 512, "seeds": 1}
    run = compare(tmp_path, **small)[0].path / "CartPole-v1" / "ppo"
    lines = (run / "metrics.jsonl").read_text()
    as_if_killed_before_its_sinks_were_done(run)
    (run / "metrics.jsonl").unlink()
    compare(tmp_path, **small)
    assert (run / "metrics.jsonl").read_text() == lines


def test_an_interrupt_while_mlflow_gets_the_report_loses_nothing(compared, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_api, "log_report_to_mlflow", interrupt)
    again, _ = compare(compared[0].path.parent)
    assert not again.interrupted
    assert again.table.drop(columns="path").equals(compared[0].table.drop(columns="path"))


@pytest.fixture
def failing(monkeypatch):
    """Makes the chunks of these numbers raise, as an environment on the host may."""

    def fail(*numbers):
        chunks, record = [], loop.record_of

        def ask(*args):
            chunks.append(args)
            if len(chunks) in numbers:
                raise ZeroDivisionError("the wind is 0")
            return record(*args)

        monkeypatch.setattr(loop, "record_of", ask)

    return fail


def test_a_run_that_fails_leaves_the_others_and_is_trained_by_the_next_call(
    tmp_path, failing, compared
):
    failing(4)  # the first run has ten chunks
    found, lines = compare(tmp_path)
    (error,) = found.failed.values()
    assert list(found.failed) == ["CartPole-v1, ppo"]
    assert error.endswith("ZeroDivisionError: the wind is 0")
    assert lines[1] == f"[1/2] CartPole-v1, ppo: failed: {error}"
    assert list(found.runs) == [("CartPole-v1", "slow")]
    assert "| CartPole-v1 | ppo | unfinished |" in (found.path / "report.md").read_text()
    again, lines = compare(tmp_path)
    assert "resuming 2 seeds" in lines[0] and "finished already" in lines[2] and not again.failed
    one, other = (c.path / "CartPole-v1" / "ppo" for c in (again, compared[0]))
    assert learnt(one) == learnt(other) and rows_in(one) == rows_in(other)


def test_a_comparison_whose_runs_all_fail_raises_what_the_first_raised(tmp_path, failing):
    failing(1, 2)
    with pytest.raises(RunError, match="ZeroDivisionError: the wind is 0"):
        compare(tmp_path)


def test_the_command_ends_with_an_error_and_says_which_run_failed(tmp_path, failing, capfd):
    failing(4)
    settings = [f"{name}={json.dumps(value)}" for name, value in FREE.items()]
    args = ["compare", "CartPole-v1", "--algos", "ppo,slow=ppo:algo.learning_rate=1e-5"]
    args += ["--seeds", "2", "--name", "cmp", "--runs-dir", str(tmp_path)]
    assert main([*args, *(f"--set={text}" for text in settings)]) == 1
    said = capfd.readouterr().err
    assert "CartPole-v1, ppo failed: " in said and "ZeroDivisionError: the wind is 0" in said
    assert "the same command with --name cmp tries again" in said


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A comparison interrupted after the third chunk of its second run."""
    chunks, record = [], loop.record_of

    def ask(*args):
        chunks.append(args)
        if len(chunks) == 13:  # the first run has ten
            signal.raise_signal(signal.SIGINT)
        return record(*args)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "record_of", ask)
        return compare(tmp_path)


@pytest.mark.slow
def test_an_interrupted_comparison_resumes_to_the_same_end(interrupted, compared):
    found, lines = interrupted
    assert found.interrupted
    assert not (found.path / "report.html").exists()
    summary = json.loads((found.path / "CartPole-v1" / "slow" / "summary.json").read_text())
    assert summary["stopped_by"] == "interrupted"
    assert f"slow: interrupted after {summary['env_steps']:,} env steps, return (IQM) " in lines[-1]
    whole, lines = compare(found.path.parent)
    assert "resuming 2 seeds" in lines[1]
    for label in ALGOS:
        one, other = (c.path / "CartPole-v1" / label for c in (whole, compared[0]))
        assert learnt(one) == learnt(other)
        assert rows_in(one) == rows_in(other)


@pytest.mark.slow
@pytest.mark.parametrize("option", MADE_ELSEWHERE)
def test_a_run_that_was_begun_elsewhere_resumes_if_that_is_accepted(option, tmp_path):
    small = {"algos": "ppo", "env_steps": 512, "seeds": 1}
    found, _ = compare(tmp_path, **small)
    run = found.path / "CartPole-v1" / "ppo"
    made_elsewhere(run, option)
    with pytest.raises(ConfigError, match=f"pass --{option.replace('_', '-')} "):
        compare(tmp_path, **small)
    again, _ = compare(tmp_path, **small, **{option: True})
    assert not again.interrupted and (run / "summary.json").exists()


@pytest.mark.parametrize("on", ["here", "a cluster"])
def test_a_cell_whose_newest_checkpoint_is_broken_resumes_from_one_that_is_not(on, tmp_path):
    small = {"algos": "ppo", "env_steps": 512, "seeds": 1}
    small["overrides"] = FREE | {"checkpoints.period": 1}
    found, _ = compare(tmp_path, **small)
    run = found.path / "CartPole-v1" / "ppo"
    rows = rows_in(run)
    (run / "summary.json").unlink()
    (list_checkpoints(run / "checkpoints")[0].path / "manifest.json").write_text("{}")
    if on == "here":
        compare(tmp_path, **small)
    else:
        train_cell(lambda record: None, str(run), {}, {})
    assert (run / "summary.json").exists() and rows_in(run) == rows


def test_a_signal_that_comes_as_a_run_is_ending_stops_before_the_next(tmp_path, monkeypatch):
    record, chunks = loop.record_of, []

    def ask(*args):
        chunks.append(args)
        if len(chunks) == 10:  # the first run's last
            signal.raise_signal(signal.SIGINT)
        return record(*args)

    monkeypatch.setattr(loop, "record_of", ask)
    found, lines = compare(tmp_path)
    assert found.interrupted
    assert len(lines) == 2  # before and after the first run
    assert (
        json.loads((found.path / "CartPole-v1" / "ppo" / "summary.json").read_text())["stopped_by"]
        == "budget"
    )
    assert not (found.path / "CartPole-v1" / "slow").exists()


def test_a_signal_while_a_cell_compiles_stops_the_comparison(tmp_path, monkeypatch, afresh):
    afresh()
    monkeypatch.setattr(programs, "_lowered", lambda *_: signal.raise_signal(signal.SIGINT))
    found, lines = compare(tmp_path)
    assert found.interrupted
    assert len(lines) == 1  # before the first run
    assert not (found.path / "CartPole-v1" / "slow").exists()


def test_a_threshold_may_be_for_an_environment_that_an_earlier_call_has_begun(tmp_path):
    catch = load_experiment("Catch-bsuite", "ppo")
    RunDir.create(tmp_path / "cmp" / "Catch-bsuite", "ppo", catch).unlock()
    with pytest.raises(ConfigError, match="Catch-bsuite=inf must be a finite return"):
        compare(tmp_path, thresholds={"Catch-bsuite": float("inf")})


def test_a_threshold_for_an_environment_that_is_not_there_is_refused_before_anything_is_trained(
    tmp_path,
):
    with pytest.raises(
        ConfigError, match=r"--threshold \(in Python, thresholds\) names the environment 'Cart', w"
    ):
        compare(tmp_path, thresholds={"Cart": 3.0})
    assert not list(tmp_path.iterdir())


def test_an_environment_object_can_be_compared(tmp_path, cartpole):
    found = elsinore.compare(
        cartpole[0],
        ["ppo"],
        seeds=2,
        overrides=FREE,
        name="object",
        runs_dir=tmp_path,
        progress=lambda line: None,
    )
    assert list(found.table.env) == ["CartPole-v1"]


def test_comparisons_without_a_name_have_folders_of_their_own(tmp_path):
    first = compare_api._comparison_path(tmp_path, None)
    compare_api._make(first, new=True)
    assert compare_api._comparison_path(tmp_path, None) != first
    with pytest.raises(ConfigError, match="was begun by another command at the same time"):
        compare_api._make(first, new=True)
