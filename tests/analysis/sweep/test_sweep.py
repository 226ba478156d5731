"""A sweep finds the best trial, compiles one program per group signature, and resumes exactly."""

import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

import elsinore
from elsinore import cli
from elsinore.analysis.sweep import api, groups
from elsinore.analysis.sweep.importance import FANOVA, RANK_CORRELATION, setting_importance
from elsinore.analysis.sweep.report import results_table, write_trials
from elsinore.analysis.sweep.results import TrialResult
from elsinore.analysis.sweep.samplers import OptunaSampler
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.cli.sweep import WIDE
from elsinore.config.load_sweep import load_sweep
from elsinore.config.search import TrialGroup
from elsinore.config.start import StartConfig
from elsinore.errors import ConfigError, RunError
from elsinore.runs import loop, programs
from elsinore.runs.checkpoints.directory import BrokenCheckpoint
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.plain_console import PlainConsole
from elsinore.runs.run_dir import RunDir
from tests.programs import SHARED
from tests.runs.conftest import (
    MADE_ELSEWHERE,
    as_if_killed_before_its_sinks_were_done,
    made_elsewhere,
    rows_in,
)
from tests.toys import BEST, TOY, TRACES, score_after

GAIN = {"algo.gain": {"uniform": [0.0, 1.0]}}
CLOCKS = ("train_seconds", "versions")


def config(space=GAIN, settings=None, **sweep):
    return TOY | (settings or {}) | {"sweep": {"space": space, **sweep}}


@pytest.fixture(scope="module", autouse=True)
def shared_programs_of_sweeps():
    """Sweeps with equal groups share their compiled programs; `afresh` undoes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("elsinore.analysis.sweep.programs.compile_run", SHARED)
        yield


def search(runs_dir: Path, name: str = "search", **rest):
    return elsinore.sweep(config(**rest), name=name, runs_dir=runs_dir)


def found(path: Path) -> dict:
    return {
        k: v for k, v in json.loads((path / "summary.json").read_text()).items() if k not in CLOCKS
    }


def assert_same_search(path: Path, whole: Path) -> None:
    assert found(path) == found(whole)
    assert (path / "trials.csv").read_text() == (whole / "trials.csv").read_text()
    groups = sorted(p.name for p in (whole / "groups").iterdir())
    assert sorted(p.name for p in (path / "groups").iterdir()) == groups
    for group in groups:
        assert rows_in(path / "groups" / group) == rows_in(whole / "groups" / group)


# What is found


def test_each_trial_has_its_known_score_and_the_best_is_the_best(tmp_path):
    search_run = search(tmp_path, trials=20)
    table = search_run.trials
    np.testing.assert_allclose(
        table["score"], [score_after(12, g) for g in table["algo.gain"]], rtol=1e-5, atol=1e-6
    )
    assert (table["state"] == "complete").all()
    closest = table.iloc[(table["algo.gain"] - BEST).abs().argmin()]
    assert search_run.best == {"algo.gain": closest["algo.gain"]}
    assert search_run.summary["best"]["trial"] == closest["trial"]
    assert search_run.summary["top"][0] == search_run.summary["best"]
    for name in ("parallel_coordinates.png", "importance.png"):
        assert (search_run.path / name).read_bytes().startswith(b"\x89PNG")


def test_mode_min_prefers_the_lowest_score(tmp_path):
    worst = search(tmp_path, trials=6, mode="min")
    assert worst.summary["best"]["mean"] == min(t["mean"] for t in worst.summary["top"])


def test_a_trial_has_a_mean_and_an_interval_over_seeds(tmp_path):
    settings = {"seeds": 3, "algo": TOY["algo"] | {"noise": 1.0}}
    best = search(tmp_path, trials=4, settings=settings).summary["best"]
    assert len(best["per_seed"]) == 3 and len(set(best["per_seed"])) == 3
    assert best["mean"] == pytest.approx(np.mean(best["per_seed"]))
    assert best["ci95"][0] <= best["mean"] <= best["ci95"][1]


def test_a_metric_of_training_counts_with_its_last_value(tmp_path):
    searched = search(tmp_path, trials=3, metric="eval/length")
    assert [t["mean"] for t in searched.summary["top"]] == [1.0, 1.0, 1.0]


def test_a_searched_budget_stands_beside_the_steps_that_were_done(tmp_path):
    space = GAIN | {"env_steps": {"choice": [45]}}
    table = search(tmp_path, trials=2, space=space).trials
    assert (table["env_steps (setting)"] == 45).all() and (table["env_steps"] == 45).all()


def test_the_returns_of_a_trials_seeds_are_a_list(tmp_path):
    best = TrialResult(0, "0", {"algo.gain": 0.5}, "complete", 1.0, None, [2.0, None], 12, [0, 1])
    write_trials(SweepDir(tmp_path), [best, best._replace(per_seed=[])])
    assert api.SweepRun(SweepDir(tmp_path)).trials["per_seed"].tolist() == [[2.0, None], []]


def test_no_number_of_the_best_trials_is_cut(tmp_path):
    searched = search(tmp_path, trials=3, settings={"seeds": 3})
    for width in (60, WIDE):
        shown = io.StringIO()
        PlainConsole(file=shown, width=width).print(results_table(searched.sweep, searched.results))
        assert "…" not in shown.getvalue()


def test_settings_are_shown_as_they_are_and_not_as_markup():
    words = ["[red]x", "a[b]c", "[/a]"]
    space = {"description": {"choice": words}}
    sweep = load_sweep(TOY | {"sweep": {"space": space, "trials": 3}})
    found = [
        TrialResult(i, "", {"description": x}, "complete", 1.0, None, [1.0], 0, [])
        for i, x in enumerate(words)
    ]
    shown = io.StringIO()
    PlainConsole(file=shown, width=WIDE).print(results_table(sweep, found))
    assert all(word in shown.getvalue() for word in words)


def test_sweeps_without_a_name_have_folders_of_their_own(tmp_path):
    sweep = load_sweep(config())
    folders = [SweepDir.of(tmp_path, None, sweep) for _ in range(2)]
    assert len({folder.path for folder in folders}) == 2


def test_the_number_of_seeds_is_counted_as_it_is_read(tmp_path):
    for seeds, text in ((1, "1 seed"), (2, "2 seeds")):
        searched = search(tmp_path / text, trials=1, settings={"seeds": seeds})
        shown = io.StringIO()
        PlainConsole(file=shown, width=WIDE).print(results_table(searched.sweep, searched.results))
        assert shown.getvalue().splitlines()[0].strip().endswith(f", mean over {text}")
        header = (searched.path / "best.yaml").read_text().splitlines()[0]
        assert header.endswith(f", mean over {text}.")


def test_a_search_without_trials_yet_says_so(tmp_path):
    with pytest.raises(ConfigError, match="has no trials yet; wait for its first group"):
        _ = api.SweepRun(SweepDir(tmp_path / "search")).trials


def test_the_best_can_be_trained_as_it_is(tmp_path):
    searched = search(tmp_path, trials=5)
    again = elsinore.train(
        config=searched.path / "best.yaml", runs_dir=tmp_path, name="again", check=False
    )
    assert again.summary["eval_return"]["mean"] == pytest.approx(
        searched.summary["best"]["mean"], rel=1e-6
    )
    assert again.experiment.vary == {}
    assert again.experiment.algo.gain == searched.best["algo.gain"]


# Compilations


def test_64_trials_that_differ_in_numbers_are_one_compile(tmp_path, afresh):
    TRACES.clear()
    search(tmp_path, trials=64)
    assert len(list((tmp_path / "search" / "groups").iterdir())) == 1
    assert TRACES == ["update"]


def test_rounds_of_one_size_are_one_compile_and_choices_one_each(tmp_path, afresh):
    TRACES.clear()
    search(tmp_path, trials=12, batch=4)
    assert len(list((tmp_path / "search" / "groups").iterdir())) == 3
    assert TRACES == ["update"]
    TRACES.clear()
    afresh()
    grid = {"algo.gain": {"uniform": [0, 1], "count": 3}, "algo.ballast": {"choice": [2, 4]}}
    search(tmp_path, "grid", space=grid, sampler="grid")
    assert TRACES == ["update"] * 2


# Early stopping, evolution, failures


def test_halving_trains_the_best_to_the_end_and_no_other(tmp_path):
    table = search(tmp_path, trials=9, halving={"eta": 3, "rungs": 1}).trials
    best = (table["algo.gain"] - BEST).abs().argsort().to_numpy()[:3]
    assert set(table[table["state"] == "complete"]["trial"]) == set(best)
    assert (table["env_steps"] == np.where(table["state"] == "complete", 12, 4)).all()


def test_the_policy_of_the_best_trial_is_named_and_can_be_used(tmp_path, monkeypatch, capsys):
    """Of two trials of two seeds in one run; the better seed of the better trial."""
    path = tmp_path / "config.yaml"
    settings = {"seeds": 2, "algo": TOY["algo"] | {"noise": 1.0}}
    space = {"algo.gain": {"choice": [0.9, BEST]}}
    path.write_text(yaml.safe_dump(config(space, settings, sampler="grid")))
    assert cli.main(["sweep", str(path), "--name", "found", "--runs-dir", str(tmp_path)]) == 0
    searched = api.SweepRun(SweepDir(tmp_path / "found"))
    best = searched.summary["best"]
    seed = best["rows"][int(np.argmax(best["per_seed"]))]
    assert (searched.best_run.name, searched.best_seed) == (best["group"], seed)
    policy = searched.best_run.policy(searched.best_seed, checkpoint="latest")
    returns = searched.best_run.summary["eval_return"]["per_seed"]
    assert (policy.seed, returns[seed]) == (seed, max(best["per_seed"]))
    command = f"elsinore play {searched.best_run.path} --seed {seed} --checkpoint latest"
    assert f"its policy: {command}\n" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=re.escape(f"best trial's policy by `{command}`; resume")):
        RunDir.open(searched.path)


def test_settings_that_changed_in_training_are_not_said_to_train_the_best_again(tmp_path, capsys):
    path = tmp_path / "config.yaml"
    settings = config(settings={"env_steps": 60}, sampler="pbt", trials=4)
    path.write_text(yaml.safe_dump(settings))
    assert cli.main(["sweep", str(path), "--name", "pbt", "--runs-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "train the best again" not in shown
    assert "its settings changed while it trained; the last ones are in " in shown
    searched = api.SweepRun(SweepDir(tmp_path / "pbt"))
    header = (searched.path / "best.yaml").read_text().partition("\nenv:")[0]
    assert f"groups/{searched.best_run.name}, checkpoint latest" in header
    assert header.endswith(f"seed {searched.best_seed}.")


def test_a_population_evolves_towards_what_is_best(tmp_path):
    space = {"algo.gain": {"uniform": [0.0, 1.0]}}
    settings = {"env_steps": 60, "seed": 3}
    evolved = search(tmp_path, space=space, settings=settings, sampler="pbt", trials=8)
    begun = np.array([member["algo.gain"] for member in evolved.runs[0].summary["members"]])
    ended = evolved.trials["algo.gain"].to_numpy()
    assert np.median(np.abs(ended - BEST)) < 0.5 * np.median(np.abs(begun - BEST))
    assert evolved.best["algo.gain"] == pytest.approx(ended[evolved.summary["best"]["trial"]])


def test_a_diverged_trial_is_reported_as_failed_and_the_others_continue(tmp_path):
    # a gain above 1 makes parameters that are not finite
    space = {"algo.gain": {"choice": [0.5, 7.0, 0.6]}}
    searched = search(tmp_path, space=space, sampler="grid")
    assert searched.trials["state"].tolist() == ["complete", "failed", "complete"]
    assert searched.summary["failed"] == 1
    assert searched.best == {"algo.gain": 0.6}


def test_a_failing_group_is_reported_and_the_others_continue(tmp_path, monkeypatch, caplog):
    compile_run, calls = programs.compile_run, []

    def broken(plan, layout):
        calls.append(plan)
        if len(calls) == 1:
            raise RuntimeError("out of memory")
        return compile_run(plan, layout)

    with monkeypatch.context() as patch:
        patch.setattr("elsinore.analysis.sweep.programs.compile_run", broken)
        searched = search(tmp_path, space={"algo.ballast": {"choice": [1, 2]}}, sampler="grid")
    assert searched.trials["state"].tolist() == ["failed", "complete"]
    assert "resume with" not in caplog.text  # a group by itself
    assert "out of memory" in (searched.path / "groups" / "000" / "failed.json").read_text()
    again = search(tmp_path, space={"algo.ballast": {"choice": [1, 2]}}, sampler="grid")
    assert again.trials["state"].tolist() == ["failed", "complete"]


def test_a_sweep_whose_trials_all_fail_ends_with_an_error_and_says_where_the_reason_is(
    tmp_path, monkeypatch, capsys
):
    def broken(plan, layout):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("elsinore.analysis.sweep.programs.compile_run", broken)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config(space={"algo.gain": {"choice": [0.5]}}, sampler="grid")))
    assert cli.main(["sweep", str(path), "--name", "none", "--runs-dir", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "0 complete, 0 pruned, 1 failed" in shown.out
    log_file = tmp_path / "none" / "logs" / "sweep.log"
    assert f"no trial is complete; {log_file} says why." in shown.err
    assert "out of memory" in log_file.read_text()


def test_without_a_complete_trial_there_is_no_best(tmp_path):
    searched = search(tmp_path, space={"algo.gain": {"choice": [7.0, 8.0]}}, sampler="grid")
    assert searched.best is None
    assert not (searched.path / "best.yaml").exists()
    (searched.path / "best.yaml").write_text("of trials that were trained before\n")
    search(tmp_path, space={"algo.gain": {"choice": [7.0, 8.0]}}, sampler="grid")
    assert not (searched.path / "best.yaml").exists()


# Optuna


def test_optuna_is_deterministic():
    space = load_sweep(config(GAIN | {"algo.ballast": {"choice": [2, 4, 8]}})).space

    def asked(seed: int) -> list[dict]:
        sampler, trials = OptunaSampler(space, 24, seed, "max"), []
        while batch := sampler.ask(8):
            trials += batch
            scores = [
                None if t.number == 3 else score_after(12, t.settings["algo.gain"]) for t in batch
            ]
            states = [
                "failed" if s is None else "pruned" if t.number == 4 else "complete"
                for t, s in zip(batch, scores, strict=True)
            ]
            sampler.tell(
                [
                    TrialResult(t.number, "", t.settings, state, s, None, [], 12, [])
                    for t, s, state in zip(batch, scores, states, strict=True)
                ]
            )
        return [t.settings for t in trials]

    once = asked(0)
    assert once == asked(0)
    assert once != asked(1)
    assert len(once) == 24
    assert all(t["algo.ballast"] in (2, 4, 8) and 0.0 <= t["algo.gain"] <= 1.0 for t in once)


@pytest.mark.slow
def test_optuna_goes_where_the_score_is_better(tmp_path):
    table = search(tmp_path, sampler="optuna", trials=40, batch=8).trials
    errors = (table["algo.gain"] - BEST).abs()
    assert errors[20:].median() < 0.6 * errors[:10].median()


def test_without_optuna_random_search_and_ranks_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ConfigError, match=r"needs Optuna; install `elsinore\[sweep\]`, or choose sampler: random"
    ):
        search(tmp_path, sampler="optuna")
    assert not list(tmp_path.iterdir())
    assert search(tmp_path, trials=4).summary["importance"]["method"] == RANK_CORRELATION


@pytest.mark.parametrize("hidden", [False, True])
def test_importance_separates_relevant_settings_from_irrelevant_ones(monkeypatch, hidden):
    if hidden:
        monkeypatch.setitem(sys.modules, "optuna", None)
    sweep = load_sweep(
        config(GAIN | {"algo.noise": {"uniform": [0.0, 1.0]}, "algo.ballast": {"choice": [2, 4]}})
    )
    draw = np.random.default_rng(0)
    results = [
        TrialResult(
            i,
            "",
            {"algo.gain": g, "algo.noise": n, "algo.ballast": 2},
            "complete",
            g + 0.01 * n,
            None,
            [],
            0,
            [],
        )
        for i, (g, n) in enumerate(draw.random((40, 2)))
    ]
    how, values = setting_importance(sweep, results)
    assert how == (RANK_CORRELATION if hidden else FANOVA)
    assert next(iter(values)) == "algo.gain"
    assert values["algo.gain"] > 0.9 and values["algo.ballast"] == 0.0


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_pruned_trial_is_not_important_by_the_score_of_its_pruning(monkeypatch, hidden, mode):
    """Scores rise with training here, whatever the mode: those that were pruned have the lowest, as
    far from the others as no setting makes them."""
    if hidden:
        monkeypatch.setitem(sys.modules, "optuna", None)
    space = GAIN | {"algo.noise": {"uniform": [0.0, 1.0]}}
    sweep = load_sweep(config(space, mode=mode))
    good, draw = 1.0 if mode == "max" else -1.0, np.random.default_rng(0)
    settings = [{"algo.gain": g, "algo.noise": n} for g, n in draw.random((60, 2))]
    results = [
        TrialResult(i, "", of, "complete", 100.0 + good * of["algo.gain"], None, [], 12, [])
        if of["algo.gain"] > 0.5
        else TrialResult(i, "", of, "pruned", good * of["algo.gain"], None, [], 4, [])
        for i, of in enumerate(settings)
    ]
    method, values = setting_importance(sweep, results)
    assert "the rank" in method and values["algo.gain"] > 0.9
    first = values["algo.gain"]
    pruned = [r for r in results if r.state == "pruned"]
    raised = {r.trial: r._replace(score=(r.score or 0.0) + 1e3) for r in pruned}
    moved = [raised.get(r.trial, r) for r in results]
    assert setting_importance(sweep, moved)[1]["algo.gain"] == pytest.approx(first)


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.5, 0.5, 0.5]])
def test_a_score_that_does_not_vary_makes_no_setting_important(scores):
    draw = np.random.default_rng(0)
    results = [
        TrialResult(i, "", {"algo.gain": draw.random()}, "complete", score, None, [], 0, [])
        for i, score in enumerate(scores)
    ]
    assert setting_importance(load_sweep(config()), results)[1] == {"algo.gain": 0.0}


# Resuming


def test_a_finished_search_is_returned_as_it_is(tmp_path, afresh):
    first = search(tmp_path, trials=4)
    afresh()
    TRACES.clear()
    again = search(tmp_path, trials=4)
    assert TRACES == []
    assert_same_search(again.path, first.path)
    assert elsinore.sweep(resume="search", runs_dir=tmp_path).best == first.best
    trained = sum(run.summary["train_seconds"] for run in again.runs)
    assert again.summary["train_seconds"] == trained > 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "sampler",
    [
        pytest.param("random", marks=pytest.mark.slow),
        pytest.param("optuna", marks=pytest.mark.slow),
        "pbt",
    ],
)
def test_a_crashed_sweep_resumes_where_it_was(tmp_path, monkeypatch, sampler, caplog):
    rest = {
        "trials": 12,
        "sampler": sampler,
        "settings": {"seeds": 2, "algo": TOY["algo"] | {"noise": 0.1}},
    }
    rest |= {} if sampler == "pbt" else {"batch": 4}
    whole = search(tmp_path, "whole", **rest)
    keep, calls = CheckpointManager._save_due, []

    def accident(*args, **kwargs):
        calls.append(1)
        if len(calls) == (3 if sampler == "pbt" else 9):
            raise KeyboardInterrupt
        return keep(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointManager, "_save_due", accident)
        search(tmp_path, "halted", **rest)
    assert f"resume with: elsinore sweep --resume {tmp_path / 'halted'}" in caplog.text
    assert not (tmp_path / "halted" / "summary.json").exists()
    assert_same_search(search(tmp_path, "halted", **rest).path, whole.path)


def test_an_interrupted_sweep_resumes_to_the_same_end(tmp_path, monkeypatch, capsys):
    whole = search(tmp_path, "whole", trials=6, batch=3)
    record, calls = loop.record_of, []

    def ask(*args):
        calls.append(1)
        if len(calls) == 8:
            os.kill(os.getpid(), signal.SIGTERM)
        return record(*args)

    path = tmp_path / "search.yaml"
    path.write_text(yaml.safe_dump(config(trials=6, batch=3)))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "record_of", ask)
        assert (
            cli.main(["sweep", str(path), "--name", "halted", "--runs-dir", str(tmp_path)]) == 130
        )
    assert f"elsinore sweep --resume {tmp_path / 'halted'}" in capsys.readouterr().err
    assert cli.main(["sweep", "--resume", str(tmp_path / "halted")]) == 0
    assert "the best again: elsinore train --config" in capsys.readouterr().out
    assert_same_search(tmp_path / "halted", whole.path)


def test_a_disk_that_is_full_ends_the_search_and_fails_no_trial(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(RunError, match="the disk is full"):
        patch.setattr("elsinore.runs.conclusion.write_json", full)
        search(tmp_path, trials=3)
    assert not list(tmp_path.rglob("failed.json"))
    again = search(tmp_path, trials=3)
    assert again.trials["state"].tolist() == ["complete"] * 3


def test_a_start_that_is_gone_ends_the_search_and_fails_no_trial(tmp_path):
    experiment = elsinore.Experiment(start=StartConfig(run=str(tmp_path / "gone")))
    with pytest.raises(ConfigError, match="gone is not a run"):
        groups.train_group(tmp_path / "000", TrialGroup(experiment, (), ()), SHARED)
    assert not list(tmp_path.rglob("failed.json"))


def group_with_a_checkpoint(runs_dir: Path) -> tuple[TrialGroup, RunDir, Path]:
    """A group of a sweep that has not ended, and its checkpoint, of a state that is not its own."""
    experiment = elsinore.Experiment()
    folder = RunDir.create(runs_dir, "000", experiment)
    folder.unlock()
    manager, state = CheckpointManager(folder.checkpoints, experiment), {"x": np.zeros(3)}
    return TrialGroup(experiment, (), ()), folder, manager.save("latest", 4, state, None)


def test_a_checkpoint_of_another_state_ends_the_search_and_fails_no_trial(tmp_path):
    group, folder, _ = group_with_a_checkpoint(tmp_path)
    with pytest.raises(BrokenCheckpoint, match="holds another state"):
        groups.train_group(folder.path, group, SHARED)
    assert not folder.is_locked() and not list(tmp_path.rglob("failed.json"))
    assert not folder.database.exists()


def test_a_group_killed_while_its_checkpoint_was_replaced_goes_on_from_it(tmp_path):
    group, folder, path = group_with_a_checkpoint(tmp_path)
    path.rename(path.with_name(f".unfinished-{path.name}-1"))
    path.with_name(f".trash-{path.name}-1").mkdir()
    opened, checkpoint = groups._opened(folder.path, group, {})
    opened.unlock()
    assert checkpoint is not None and checkpoint.path == path


def test_a_signal_that_comes_as_a_group_is_ending_stops_before_the_next(
    tmp_path, monkeypatch, caplog
):
    whole = search(tmp_path, "whole", trials=6, batch=3)
    train_group, trained = api.train_group, []

    def ask(*args):
        trained.append(train_group(*args))
        signal.raise_signal(signal.SIGINT)
        return trained[-1]

    with monkeypatch.context() as patch:
        patch.setattr(api, "train_group", ask)
        assert search(tmp_path, "halted", trials=6, batch=3).interrupted
    assert len(trained) == 1
    assert "SIGINT: stopping before the next run; send it again to stop at once" in caplog.text
    assert_same_search(search(tmp_path, "halted", trials=6, batch=3).path, whole.path)


def test_a_signal_while_a_group_compiles_stops_the_search(tmp_path, monkeypatch, afresh):
    monkeypatch.setattr(programs, "_lowered", lambda *_: signal.raise_signal(signal.SIGTERM))
    found = search(tmp_path, trials=6, batch=3)
    assert found.interrupted and not found.results
    assert not list(tmp_path.rglob("failed.json"))


def test_another_search_under_the_same_name_is_refused_naming_what_differs(tmp_path):
    search(tmp_path, trials=3)
    with pytest.raises(
        ConfigError, match=r"taken by another sweep \(then, now\): sweep.trials 3, 4"
    ):
        search(tmp_path, trials=4)
    # nothing is locked or lost
    assert elsinore.sweep(resume="search", runs_dir=tmp_path).summary["trials"] == 3


def test_a_search_cannot_have_the_name_of_a_comparison(tmp_path):
    cell = tmp_path / "search" / "CartPole-v1" / "ppo"
    cell.mkdir(parents=True)
    (cell / "config.yaml").write_text("env: CartPole-v1")
    with pytest.raises(ConfigError, match="name='search' is taken in .* by a comparison"):
        search(tmp_path, trials=3)
    assert not (tmp_path / "search" / "sweep.yaml").exists()


def test_a_search_that_cannot_be_opened_is_left_unlocked(tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "sweep.yaml").write_text("[not: closed")
    with pytest.raises(ConfigError, match=r"sweep\.yaml") as error:
        search(tmp_path, trials=2)
    assert error and not RunDir(tmp_path / "search").is_locked()


def without_config(group: Path) -> None:
    (group / "summary.json").unlink()
    (group / "config.yaml").unlink()


def with_broken_checkpoints(group: Path) -> None:
    (group / "summary.json").unlink()
    for path in group.glob("checkpoints/*/*/manifest.json"):
        path.write_text("{")


@pytest.mark.slow
@pytest.mark.parametrize("damage", [without_config, with_broken_checkpoints])
def test_a_damaged_group_is_refused_with_a_remedy_that_works(damage, tmp_path):
    path = search(tmp_path, trials=3).path
    table, group = (path / "trials.csv").read_text(), path / "groups" / "000"
    damage(group)
    with pytest.raises(ConfigError, match=f"move ({group}|it) away"):
        elsinore.sweep(resume=path)
    group.rename(tmp_path / "damaged")
    elsinore.sweep(resume=path)
    assert (path / "trials.csv").read_text() == table


def test_a_search_whose_groups_are_gone_trains_them_again(tmp_path):
    first = search(tmp_path, trials=3)
    table, groups = (first.path / "trials.csv").read_text(), first.path / "groups"
    shutil.rmtree(groups)
    shutil.rmtree(first.path / "logs")
    folder = SweepDir(first.path)
    folder.lock()  # a task of a cluster looks whether it sees the folder around its run's
    folder.unlock()
    assert groups.is_dir()
    assert len(elsinore.sweep(resume=first.path).runs) == 1
    assert (first.path / "trials.csv").read_text() == table
    shutil.copytree(groups / "000", groups / ".001.0123456789ab")  # a kill while it was made
    assert [run.name for run in first.runs] == ["000"]


def test_a_group_that_was_killed_before_its_copy_was_sent_sends_it(tmp_path):
    sinks = TOY["sinks"] | {"remote": {"url": f"file://{tmp_path}/copies"}}
    path = search(tmp_path, trials=3, settings={"sinks": sinks}).path
    (summary,) = (tmp_path / "copies").rglob("summary.json")
    summary.unlink()
    as_if_killed_before_its_sinks_were_done(path / "groups" / "000")
    elsinore.sweep(resume=path)
    assert summary.exists()


@pytest.mark.slow
@pytest.mark.parametrize("option", MADE_ELSEWHERE)
def test_a_group_that_was_begun_elsewhere_resumes_if_that_is_accepted(option, tmp_path, capsys):
    path = search(tmp_path, trials=3).path
    made_elsewhere(path / "groups" / "000", option)
    table = (path / "trials.csv").read_text()
    again = ["sweep", "--resume", "search", "--runs-dir", str(tmp_path)]
    argument = f"--{option.replace('_', '-')}"
    assert cli.main(again) == 2
    assert f"pass {argument} (in Python, {option}=True) to resume it" in " ".join(
        capsys.readouterr().err.split()
    )
    assert not (path / "groups" / "000" / "failed.json").exists()
    assert cli.main([*again, argument]) == 0
    assert (path / "trials.csv").read_text() == table


def test_a_group_with_other_trials_than_those_sampled_is_refused(tmp_path):
    path = search(tmp_path, trials=3).path / "groups" / "000" / "config.yaml"
    data = yaml.safe_load(path.read_text())
    data["vary"]["algo.gain"][0] = 0.25
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match="holds other trials than .* failed.json was deleted"):
        search(tmp_path, trials=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs a config, or --resume"),
        (["x.yaml", "--resume", "y"], "leave out the config, settings and name"),
        (["--resume", "y", "--set", "seeds=3"], "leave out the config, settings and name"),
        (["--resume", "nothing"], "nothing is not a sweep"),
        (["missing.yaml"], "missing.yaml cannot be read"),
    ],
)
def test_a_command_that_cannot_be_run_is_one_message_and_exit_code_2(
    tmp_path, capsys, arguments, message
):
    assert cli.main(["sweep", *arguments, "--runs-dir", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# MLflow


def test_mlflow_has_one_run_with_a_child_for_each_trial(tmp_path, mlflow_uri):
    from mlflow import MlflowClient

    sinks = TOY["sinks"] | {
        "mlflow": {"enabled": True, "tracking_uri": mlflow_uri, "experiment": tmp_path.name}
    }
    rest = {
        "space": {"algo.gain": {"choice": [0.5, 7.0, 0.6]}},
        "sampler": "grid",
        "settings": {"sinks": sinks},
    }
    for _ in range(2):
        search(tmp_path, **rest)
    client = MlflowClient(mlflow_uri)
    runs = client.search_runs([client.get_experiment_by_name(tmp_path.name).experiment_id])
    parts = {r.data.tags["elsinore.part"]: r for r in runs}
    assert sorted(parts) == ["parent", "trial_0", "trial_1", "trial_2"] and len(runs) == 4
    assert parts["trial_0"].data.tags["mlflow.parentRunId"] == parts["parent"].info.run_id
    assert parts["trial_0"].data.params == {"algo.gain": "0.5"}
    assert parts["trial_0"].data.metrics["score"] == pytest.approx(score_after(12, 0.5), rel=1e-5)
    assert parts["trial_1"].info.status == "FAILED"
    history = client.get_metric_history(parts["trial_2"].info.run_id, "eval/return")
    assert [m.step for m in history] == [2, 4, 6, 8, 10, 12]
    assert history[0].value == pytest.approx(score_after(2, 0.6), rel=1e-5)
    shutil.rmtree(tmp_path / "search")  # a new sweep of its name has runs of its own
    search(tmp_path, **rest)
    runs = client.search_runs([client.get_experiment_by_name(tmp_path.name).experiment_id])
    assert len(runs) == 8 and len({r.data.tags["mlflow.runName"] for r in runs}) == 4


def test_a_failure_of_mlflow_is_only_a_warning(tmp_path):
    sinks = TOY["sinks"] | {"mlflow": {"enabled": True, "tracking_uri": "nonsense://"}}
    searched = search(tmp_path, trials=2, settings={"sinks": sinks})
    assert searched.summary["complete"] == 2
    assert "MLflow failed" in (searched.path / "logs" / "sweep.log").read_text()


# Real processes


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_killed_at_any_moment_and_resumed_equals_the_one_never_killed(tmp_path):
    settings = {
        "env": "CartPole-v1",
        "algo": "ppo",
        "env_steps": 20_480,  # a group takes seconds: the last is killed in its first one
        "seeds": 2,
        "rows_per_chunk": 2,
        "evaluation": {"period": 4, "episodes": 4, "final_episodes": 4, "max_steps": 50},
        "checkpoints": {"interval_seconds": 0},
        "sinks": TOY["sinks"],
    }
    settings["sweep"] = {
        "space": {"algo.learning_rate": {"log": [1e-4, 1e-2]}},
        "sampler": "optuna",
        "trials": 9,
        "batch": 3,
        "halving": {"eta": 2, "rungs": 1},
    }
    path = tmp_path / "search.yaml"
    path.write_text(yaml.safe_dump(settings))
    command = [
        sys.executable,
        "-m",
        "elsinore.cli",
        "sweep",
        str(path),
        "--runs-dir",
        str(tmp_path),
        "--name",
    ]
    quiet = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "env": os.environ | {"PYTHONWARNINGS": "ignore"},
    }
    subprocess.run([*command, "whole"], check=True, timeout=300, **quiet)
    draw, kills = np.random.default_rng(3), 0
    for group in ("000", "001", "002"):
        process = subprocess.Popen([*command, "killed"], **quiet)
        database = tmp_path / "killed" / "groups" / group / "metrics.sqlite"
        deadline = time.monotonic() + 120
        while process.poll() is None and not database.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(draw.uniform(0.0, 1.0))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    assert not (tmp_path / "killed" / "summary.json").exists()
    subprocess.run([*command, "killed"], check=True, timeout=300, **quiet)
    assert_same_search(tmp_path / "killed", tmp_path / "whole")


def test_a_summary_that_is_no_object_is_refused_with_a_way_out(tmp_path):
    (tmp_path / "summary.json").write_text("[1]")
    searched = api.SweepRun(SweepDir(tmp_path))
    with pytest.raises(ConfigError, match=r"summary.json is not a summary .* sweep --resume"):
        _ = searched.best
