"""A run begins with what another learnt, and says from where."""

import json
import re
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from gymnax.environments.classic_control.cartpole import CartPole
from gymnax.environments.spaces import Discrete

import elsinore
from elsinore import cli
from elsinore.algos.dqn import DQNConfig
from elsinore.algos.ppo import PPOConfig
from elsinore.analysis.compare.grid import grid_cells
from elsinore.analysis.compare.variants import variants_of
from elsinore.analysis.sweep import api as sweep_api
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.config.agents import AgentConfig, AgentsConfig
from elsinore.config.load import load_experiment
from elsinore.config.load_sweep import load_sweep
from elsinore.config.mappings import dotted
from elsinore.config.parse import as_dict
from elsinore.config.plan import plan_for
from elsinore.config.start import PARTS, StartConfig
from elsinore.config.yaml_files import read_yaml, yaml_text
from elsinore.errors import ConfigError
from elsinore.runs import session
from elsinore.runs.call import resolve_experiment
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.arrays import read_arrays
from elsinore.runs.lineage import transfer
from elsinore.runs.lineage.agents_from import agents_from, refuse_other_agents
from elsinore.runs.lineage.continuation import with_source
from elsinore.runs.lineage.source import parse_source, source_of
from elsinore.runs.lineage.start import check_start, replicas_of
from elsinore.runs.lineage.transfer import (
    dotted_name,
    is_of_parts,
    moments_of_others,
    transfer_of,
    whole_part_of,
)
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.mlflow import lineage_tags
from elsinore.runs.trust.signature import sign
from tests.runs.conftest import TINY, assert_same_run, chunk_ends, kept, rows_in
from tests.runs.learners import CHUNKS, LEARNERS
from tests.runs.test_budget_runs import killed_after
from tests.runs.test_lengthening import events_of

SHORT = TINY | {"env_steps": 512, "checkpoints.best": 0, "checkpoints.period": 0}


def leaves(run: Path, name: str) -> dict[str, np.ndarray]:
    found = elsinore.load(run).checkpoint(name)
    return read_arrays(found)


def best_of(run: Path) -> str:
    return elsinore.load(run).checkpoint("best").name


def parts(arrays: dict[str, np.ndarray], *prefixes: str) -> dict[str, np.ndarray]:
    return {name: x for name, x in arrays.items() if name.startswith(prefixes)}


def assert_equal(one: dict, other: dict, index=slice(None)) -> None:
    assert one.keys() == other.keys() and one
    for name, x in one.items():
        np.testing.assert_array_equal(x, other[name][index], name)


def begun(runs_dir: Path, name: str, env: str | None = "CartPole-v1", overrides=None, **rest):
    rest = {"seeds": 2} | rest
    return elsinore.train(
        env, overrides=SHORT | (overrides or {}), name=name, runs_dir=runs_dir, **rest
    )


# Which checkpoint


def test_a_source_is_named_in_several_ways(whole):
    best = elsinore.load(whole).checkpoint("best").name
    for text, which in (
        (str(whole), None),
        (whole.name, None),
        (f"{whole}@best", "best"),
        (f"{whole.name}@{best}", best),
        (f"{whole}/{best}", best),
        (f"{whole}/checkpoints/{best}", best),
        (f"{whole}/checkpoints/{best}/", best),
    ):
        folder, found = parse_source(text, whole.parent)
        assert (folder.path.resolve(), found) == (whole.resolve(), which)


def test_settings_of_a_run_fetch_nothing(tmp_path):
    """A stranger's config could name any address."""
    start = StartConfig(run=f"file://{tmp_path}/copy", checkpoint="latest/0000000004")
    with pytest.raises(
        ConfigError, match=r"start\.run='file://.* is an address, which a run's own"
    ):
        source_of(start)


def test_a_folder_of_a_source_may_have_an_at_in_its_name(tmp_path):
    run = tmp_path / "me@corp" / "run@home"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    best = "best/0000000390"
    for text, which in (
        (str(run), None),
        (f"{run}@best", "best"),
        (f"{run}@{best}", best),
        (f"{run}/{best}", best),
        (f"{run}/checkpoints/{best}", best),
        ("run@home@latest", "latest"),
    ):
        folder, found = parse_source(text, run.parent)
        assert (folder.path, found) == (run, which)
    with pytest.raises(elsinore.ConfigError, match="me@corp/nowhere is not a run"):
        parse_source(f"{run.parent}/nowhere", tmp_path)


@pytest.mark.parametrize(("given", "kind"), [("policy", "best"), ("all", "latest")])
def test_the_best_checkpoint_is_taken_or_for_all_parts_the_latest(whole, given, kind):
    start = {"start.run": str(whole), "start.parts": given}
    experiment, _ = resolve_experiment("CartPole-v1", overrides=SHORT | start)
    assert experiment.start.run == str(whole.resolve())
    assert experiment.start.checkpoint == elsinore.load(whole).checkpoint(kind).name


# Parameters and normalisers


@pytest.fixture(scope="module")
def tuned(whole, tmp_path_factory):
    """A run in another CartPole that begins with the policy of the tiny run."""
    folder = tmp_path_factory.mktemp("tuned")
    longer = {"env_params.length": 1.0}
    return begun(folder, "tuned", overrides=longer, from_run=str(whole), seed=7).path


def test_it_begins_with_the_parameters_and_all_else_is_its_own(whole, tuned):
    source = elsinore.load(whole).checkpoint("best")
    first, there = leaves(tuned, "latest/0000000000"), read_arrays(source)
    params = ".train.learner.params"
    assert_equal(parts(first, params), parts(there, params))
    policy = {n.replace(".best.policy_state.params", params): x for n, x in first.items()}
    assert_equal(parts(first, params), parts(policy, params))
    assert not any(x.any() for x in parts(first, ".train.learner.opt_state").values())
    assert first[".train.update"].tolist() == [0, 0]
    assert not np.array_equal(first[".train.key"], there[".train.key"])  # of seeds 7 and 8
    summary = json.loads((tuned / "summary.json").read_text())
    assert (summary["first_seed"], summary["updates"]) == (7, 4)


def test_its_lineage_is_in_config_manifests_events_and_log(whole, tuned):
    best = elsinore.load(whole).checkpoint("best").name
    start = {"run": str(whole.resolve()), "checkpoint": best, "parts": "policy", "leave": []}
    start |= {"seed": None}
    assert read_yaml(tuned / "config.yaml")["start"] == start
    for checkpoint in checkpoints.list_checkpoints(tuned / "checkpoints"):
        assert checkpoint.manifest["config"]["start"] == start
    ((update, text),) = events_of(tuned, "begin")
    assert (update, text) == (0, f"from update 0, with the policy of {whole.resolve()}@{best}")
    log = (tuned / "logs" / "train.log").read_text()
    assert "begins from     policy of" in log  # the path may be on the next row
    assert f"begins with the policy of {whole.resolve()}@{best} (each seed its own)" in log


def test_mlflow_is_given_the_lineage_and_the_budgets_as_tags():
    experiment = load_experiment(
        "CartPole-v1",
        overrides={"start": {"run": "/runs/a", "checkpoint": "best/0000000004"}, "env_steps": 9_000}
        | {"earlier_env_steps": [3_000, 6_000]},
    )
    assert lineage_tags(dotted(as_dict(experiment))) == {
        "elsinore.from": "/runs/a@best/0000000004",
        "elsinore.from_parts": "policy",
        "elsinore.env_steps": "3000 -> 6000 -> 9000",
    }
    assert lineage_tags(dotted(as_dict(load_experiment("CartPole-v1")))) == {}


def test_without_an_environment_it_has_the_sources_settings(whole):
    overrides = {"start.run": str(whole), "env_steps": 640}
    experiment, _ = resolve_experiment(overrides=overrides)
    there = elsinore.load(whole).experiment
    assert experiment.algo == there.algo and experiment.checkpoints == there.checkpoints
    assert (experiment.env_steps, experiment.earlier_env_steps) == (640, ())


def best_arm(env):
    return lambda state, env_params: (0, True)


def test_imitation_of_what_is_then_replaced_is_refused(whole):
    imitation = {"imitation.teacher": "tests.runs.test_start:best_arm"}
    plan = plan_for(load_experiment("CartPole-v1", "ppo", None, SHORT | imitation))
    start = StartConfig(run=str(whole), checkpoint=elsinore.load(whole).checkpoint("best").name)
    plan = replace(plan, experiment=replace(plan.experiment, start=start))
    with pytest.raises(elsinore.ConfigError, match=r"best_arm' fits a policy that --from .*whole"):
        check_start(plan)


@pytest.mark.parametrize(("seeds", "chosen"), [(1, None), (3, None), (2, 1), (1, 0)])
def test_seeds_begin_from_their_own_the_best_or_the_chosen_one(whole, tmp_path, seeds, chosen):
    run = elsinore.load(whole)
    best = run.policy(checkpoint="best").seed
    settings = {"start.run": str(whole), "start.seed": chosen, "seeds": seeds}
    experiment, _ = resolve_experiment("CartPole-v1", overrides=SHORT | settings)
    plan = plan_for(experiment)
    check_start(plan)
    found = replicas_of(source_of(experiment.start), experiment)
    assert found == [best if chosen is None else chosen] * seeds


@pytest.mark.parametrize("seeds", [1, 2])
def test_all_members_of_a_population_begin_alike(whole, seeds):
    """Also two members of one seed, though the other run has two seeds."""
    settings = {"start.run": str(whole), "seeds": seeds, "vary": {"algo.gamma": [0.9, 0.99]}}
    experiment, _ = resolve_experiment("CartPole-v1", overrides=SHORT | settings)
    best = elsinore.load(whole).policy(checkpoint="best").seed
    source = source_of(experiment.start)
    assert replicas_of(source, experiment) == ([0, 1, 0, 1] if seeds == 2 else [best, best])
    members = cast(Any, SimpleNamespace(experiment=experiment, folder=source.folder))  # alike
    assert replicas_of(members, experiment) == list(range(2 * seeds))


def test_a_sweep_begins_all_its_groups_from_one_checkpoint_that_fits(whole, tmp_path):
    space = {"algo.gamma": {"uniform": [0.9, 0.99]}}
    config = {"env": "CartPole-v1", "sweep": {"space": space, "trials": 2}}
    settings = SHORT | {"seeds": 2, "start.run": f"{whole}@best"}
    folder, sweep, _ = sweep_api._opened(config, settings, "found", tmp_path, None, False)
    folder.unlock()
    start = sweep.experiment.start
    assert start == StartConfig(run=str(whole), checkpoint=best_of(whole))
    assert folder.sweep(True).experiment.start == start
    config["sweep"]["space"] = {"algo.network.hidden": {"choice": [[8], [16]]}}
    with pytest.raises(
        elsinore.ConfigError, match=r"whole@.* does not fit: .*8.* there and .*16.* here"
    ):
        elsinore.sweep(config, overrides=settings, name="torn", runs_dir=tmp_path)
    assert not (tmp_path / "torn").exists()


def test_a_comparison_finds_the_run_that_its_cells_begin_from_where_it_is_itself(whole):
    folder, settings = whole.parent / "compared", SHORT | {"start.run": whole.name}
    (cell,) = grid_cells(["CartPole-v1"], variants_of(["ppo"]), folder, None, settings, False)
    start = StartConfig(run=str(whole), checkpoint=best_of(whole))
    again, _ = resolve_experiment(**cell.call, runs_dir=cell.folder.parent)  # as it is trained
    assert cell.experiment.start == again.start == start
    wider = {"wider": {"algo": "ppo", "algo.network.hidden": [16]}}
    with pytest.raises(elsinore.ConfigError, match="CartPole-v1, wider: --from .*whole"):
        grid_cells(["CartPole-v1"], variants_of(wider), folder, None, settings, False)


def cells_from(folder, variants):
    """The cells of a comparison whose variants begin from runs."""
    named = {label: {"algo": "ppo"} | start for label, start in variants.items()}
    return grid_cells(["CartPole-v1"], variants_of(named), folder, None, SHORT, False)


def as_if_begun(*cells):
    for cell in cells:
        cell.folder.mkdir(parents=True)
        (cell.folder / "config.yaml").write_text(yaml_text(as_dict(cell.experiment)))


def starts_of(cells):
    return [cell.experiment.start.checkpoint for cell in cells]


def test_a_comparison_of_several_checkpoints_of_one_run_can_be_repeated(whole, tmp_path):
    early, late = (f"periodic/{name}" for name in sorted(kept(whole, "periodic")["periodic"])[:2])
    variants = {
        "early": {"start.run": f"{whole}@{early}"},
        "late": {"start.run": str(whole), "start.checkpoint": late},
        "all": {"start.run": str(whole), "start.checkpoint": "latest"},
        "default": {"start.run": str(whole)},
    }
    first = cells_from(tmp_path / "c", variants)
    assert starts_of(first)[:2] == [early, late] and len(set(starts_of(first))) == 4
    as_if_begun(first[0])  # interrupted, then ended
    assert starts_of(cells_from(tmp_path / "c", variants)) == starts_of(first)
    as_if_begun(*first[1:])
    again = cells_from(tmp_path / "c", variants)
    assert starts_of(again) == starts_of(first)
    assert [cell.call["overrides"]["start"]["checkpoint"] for cell in again] == starts_of(first)


def test_a_repeated_comparison_begins_where_it_did_though_its_source_trains_on(whole, tmp_path):
    source = tmp_path / "whole"
    shutil.copytree(whole, source)
    variants = {"a": {"start.run": str(source)}, "b": {"start.run": f"{source}@best"}}
    first = cells_from(tmp_path / "c", variants)
    as_if_begun(*first)
    shutil.rmtree(source / "checkpoints" / first[0].experiment.start.checkpoint)
    now = best_of(source)
    assert now not in starts_of(first)
    variants["c"] = {"start.run": str(source), "start.checkpoint": now}
    assert starts_of(cells_from(tmp_path / "c", variants)) == [*starts_of(first), now]
    shutil.rmtree(source)
    with pytest.raises(elsinore.ConfigError, match="c: .* is not a run"):  # has not begun
        cells_from(tmp_path / "c", variants)
    del variants["c"]
    assert starts_of(cells_from(tmp_path / "c", variants)) == starts_of(first)


def test_a_run_that_goes_on_does_so_from_where_it_began_though_its_source_trains_on_or_is_gone(
    whole, tmp_path
):
    source, call = tmp_path / "whole", {"runs_dir": tmp_path, "goes_on": "mine"}
    shutil.copytree(whole, source)
    settings = SHORT | {"start.run": str(source)}
    begun, _ = resolve_experiment("CartPole-v1", overrides=settings, **call)
    RunDir.create(tmp_path, "mine", begun).unlock()
    shutil.rmtree(source / "checkpoints" / begun.start.checkpoint)
    assert best_of(source) != begun.start.checkpoint
    assert resolve_experiment("CartPole-v1", overrides=settings, **call)[0] == begun
    for path in (source / "checkpoints", source):
        shutil.rmtree(path)
        assert resolve_experiment("CartPole-v1", overrides=settings, **call)[0] == begun
    with pytest.raises(elsinore.ConfigError, match="is not a run"):
        resolve_experiment("CartPole-v1", overrides=settings, runs_dir=tmp_path, goes_on="other")


def test_a_repeated_sweep_begins_where_it_did_though_its_source_trains_on_or_is_gone(
    whole, tmp_path
):
    source = tmp_path / "whole"
    shutil.copytree(whole, source)
    settings = SHORT | {"env": "CartPole-v1", "start.run": str(source)}
    start = with_source(load_experiment(overrides=settings), tmp_path).start
    space = {"algo.gamma": {"choice": [0.9, 0.99]}}
    sweep = load_sweep({"sweep": {"space": space}}, settings)
    sweep = replace(sweep, experiment=replace(sweep.experiment, start=start))
    SweepDir.of(tmp_path, "s", sweep).unlock()

    def again(run: str, **named) -> StartConfig | None:
        named = settings | {"start.run": run} | {f"start.{name}": x for name, x in named.items()}
        config = tmp_path / "s" / "sweep.yaml"
        return with_source(load_experiment(overrides=named), tmp_path, begun=[config]).start

    best = source / "checkpoints" / start.checkpoint
    shutil.rmtree(best)
    assert best_of(source) != start.checkpoint
    assert again(str(source)) == again("whole", checkpoint=start.checkpoint) == start
    assert again(str(source), checkpoint="latest") != start
    folder, same, _ = sweep_api._opened(
        {"sweep": {"space": space}}, settings, "s", tmp_path, None, False
    )
    folder.unlock()
    assert same.experiment.start == start
    shutil.rmtree(source)
    for run in ("whole", str(source), f"{source}@best", f"whole@{start.checkpoint}", str(best)):
        assert again(run) == start
    for run in ("other", "whole@latest"):
        with pytest.raises(elsinore.ConfigError, match="is not a run"):
            again(run)


def test_a_comparison_of_runs_that_took_all_of_one_is_repeated_though_that_has_trained_on(
    whole, tmp_path
):
    source = tmp_path / "whole"
    shutil.copytree(whole, source)
    variants = {"all": {"start.run": str(source), "start.parts": "all"}}
    first = cells_from(tmp_path / "c", variants)
    as_if_begun(*first)
    shutil.rmtree(source / "checkpoints" / first[0].experiment.start.checkpoint)
    assert starts_of(cells_from(tmp_path / "c", variants)) == starts_of(first)


def test_a_run_killed_before_its_first_checkpoint_begins_from_the_source_again(
    whole, tuned, tmp_path, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    longer = {"env_params.length": 1.0}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(session, "_begun", killed)
        begun(tmp_path, "tuned", overrides=longer, from_run=str(whole), seed=7)
    path = tmp_path / "tuned"
    assert not list((path / "checkpoints").glob("*/*"))
    elsinore.resume(path)
    assert_same_run(path, tuned)


def test_a_run_killed_before_it_began_says_how_it_begins_where_its_source_has_other_checkpoints(
    whole, tmp_path, monkeypatch, capsys
):
    def killed(*_):
        raise KeyboardInterrupt

    source = tmp_path / "whole"
    shutil.copytree(whole, source)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(session, "_begun", killed)
        begun(tmp_path, "tuned", from_run=str(source))
    start = elsinore.load(tmp_path / "tuned").experiment.start
    shutil.rmtree(source / "checkpoints" / start.checkpoint)  # as it trained on
    assert cli.main(["train", "--resume", str(tmp_path / "tuned")]) == 2
    said = capsys.readouterr().err
    assert f"checkpoint {start.checkpoint!r} is not in {source}" in said
    assert f"remove {tmp_path / 'tuned'} and give the command again that began it." in said


@pytest.mark.slow
def test_a_run_that_has_begun_needs_its_source_no_more(whole, tuned, tmp_path, monkeypatch):
    source = tmp_path / "whole"
    shutil.copytree(whole, source)

    def killed(*_):
        raise KeyboardInterrupt

    longer = {"env_params.length": 1.0}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(session, "_trained", killed)
        begun(tmp_path, "tuned", overrides=longer, from_run=str(source), seed=7)
    shutil.rmtree(source)
    elsinore.resume(tmp_path / "tuned")
    summaries = [json.loads((p / "summary.json").read_text()) for p in (tmp_path / "tuned", tuned)]
    assert summaries[0]["params_sha256"] == summaries[1]["params_sha256"]


# More than that


OFF = SHORT | {
    "env_steps": 400,
    "algo.num_envs": 4,
    "algo.buffer_size": 200,
    "algo.learning_starts": 40,
    "algo.target_period": 40,
    "evaluation.period": 25,
}
OFF = {name: x for name, x in OFF.items() if name not in ("algo.rollout_length", "algo.num_epochs")}


@pytest.fixture(scope="module")
def dqn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dqn")
    return elsinore.train(
        "CartPole-v1", "dqn", overrides=OFF, seeds=2, name="dqn", runs_dir=folder
    ).path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "taken", "anew"),
    [
        pytest.param("policy", ("params",), ("opt_state", "buffer"), marks=pytest.mark.slow),
        ("learner", ("params", "opt_state", "target_params"), ("buffer", "episodes")),
        ("all", ("params", "opt_state", "target_params", "buffer"), ("episodes",)),
    ],
)
def test_as_much_of_a_learner_is_taken_as_asked_for(dqn, tmp_path, given, taken, anew):
    other = OFF | {"algo.gamma": 0.9, "env_steps": 200}
    run = elsinore.train(
        "CartPole-v1", "dqn", overrides=other, seeds=2, name="new", runs_dir=tmp_path,
        from_run=dqn, from_parts=given,
    )  # fmt: skip
    first, there = leaves(run.path, "latest/0000000000"), leaves(dqn, "latest")
    cut = ".train.learner.buffer.experience.truncated"  # the environments begin anew
    newest = there[".train.learner.buffer.position"] - 1
    there[cut][np.arange(2), newest] |= ~there[cut.replace("truncated", "terminated")][
        np.arange(2), newest
    ] & (given == "all")
    for part in taken:
        assert_equal(parts(first, f".train.learner.{part}"), parts(there, f".train.learner.{part}"))
    for part in anew:
        mine, theirs = (parts(x, f".train.learner.{part}") for x in (first, there))
        assert any(not np.array_equal(x, theirs[name]) for name, x in mine.items()), part
    if given == "policy":  # targets are of the parameters that it begins with
        targets = parts(first, ".train.learner.target_params")
        twins = {n.replace(".params", ".target_params", 1): x for n, x in first.items()}
        assert_equal(targets, parts(twins, ".train.learner.target_params"))
    assert first[".train.update"].tolist() == [0, 0]


def test_a_replay_buffer_is_not_taken_by_halves(dqn):
    half = {"start.run": str(dqn), "start.parts": "all", "start.leave": ["buffer.filled"]}
    with pytest.raises(elsinore.ConfigError, match="buffer.filled'. names some arrays of buffer, "):
        planned(env="CartPole-v1", algo="dqn", overrides=OFF | {"env_steps": 200} | half)
    planned(
        env="CartPole-v1",
        algo="dqn",
        overrides=OFF | {"env_steps": 200} | half | {"start.leave": ["buffer"]},
    )


def test_all_of_it_with_equal_settings_is_the_run_resumed(whole, tmp_path):
    periodic = sorted(kept(whole, "periodic")["periodic"])
    assert periodic[0] == "0000000012"
    run = elsinore.train(
        from_run=f"{whole}@periodic/{periodic[0]}",
        from_parts="all",
        runs_dir=tmp_path,
        name="whole",
    )
    assert rows_in(run.path) == rows_in(whole) and chunk_ends(run.path) == chunk_ends(whole)
    mine, theirs = run.summary, json.loads((whole / "summary.json").read_text())
    clocks = ("compile_seconds", "train_seconds", "evaluation_seconds", "steps_per_second")
    assert {k: v for k, v in mine.items() if k not in clocks} == {
        k: v for k, v in theirs.items() if k not in clocks
    }
    assert kept(run.path, "best") == kept(whole, "best")
    ((update, text),) = events_of(run.path, "from")
    assert update == 12 and "as that run resumed would" in text
    assert run.experiment.start.parts == "all"


@pytest.mark.slow
@pytest.mark.parametrize("copied", [1, 2])
def test_a_run_killed_while_it_takes_all_of_another_takes_it_when_it_is_resumed(
    copied, whole, tmp_path, monkeypatch
):
    """Not from a best checkpoint: up to the latest one the other's budget sets the schedules."""
    assert len(kept(whole, "best")["best"]) == 2
    longer = {"from_run": whole, "from_parts": "all", "env_steps": 7680, "runs_dir": tmp_path}
    never_killed = elsinore.train(**longer, name="never_killed").path
    adopt, copies = checkpoints.adopt, []

    def killed(checkpoint, *rest):
        if len(copies) == copied:
            raise KeyboardInterrupt
        copies.append(checkpoint)
        return adopt(checkpoint, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "adopt", killed)
        elsinore.train(**longer, name="killed")
    path = tmp_path / "killed"
    assert kept(path, "best", "latest") == {"best": [], "latest": []}
    elsinore.resume(path)
    assert_same_run(path, never_killed)
    assert kept(path, "latest") == kept(never_killed, "latest")
    assert not list(path.glob(".checkpoints*"))


def test_checkpoints_of_a_read_only_run_are_copied_as_files_that_can_be_written(whole, tmp_path):
    """Or else their manifests could not be, but by the superuser."""
    shutil.copytree(whole, tmp_path / "theirs")
    found = elsinore.load(tmp_path / "theirs").checkpoint("latest")
    for path in (found.path, *found.path.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    copy = checkpoints.adopt(found, tmp_path / "ours", "latest", {})
    assert all(path.stat().st_mode & stat.S_IWUSR for path in (copy, *copy.rglob("*")))


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_all_of_each_learner_is_the_run_resumed(name, tmp_path):
    learner = LEARNERS[name]
    settings = learner.overrides | {"checkpoints.period": 3}
    settings["env_steps"] = settings["env_steps"] * 8 // CHUNKS
    of = {"seeds": learner.seeds, "runs_dir": tmp_path}
    whole = elsinore.train(learner.env, overrides=settings, name="whole", **of)
    first = min(kept(whole.path, "periodic")["periodic"])
    run = elsinore.train(
        from_run=f"{whole.path}@periodic/{first}", from_parts="all", name="again", runs_dir=tmp_path
    )
    assert 0 < int(first) < whole.summary["updates"] == run.summary["updates"]
    assert rows_in(run.path) == rows_in(whole.path)
    assert_equal(leaves(run.path, "latest"), leaves(whole.path, "latest"))


def test_a_run_may_go_on_further_in_a_new_one(whole, tmp_path, capsys):
    argv = ["--from", str(whole), "--from-parts", "all", "--env-steps", "6144", "--name", "more"]
    assert cli.main(["train", *argv, "--runs-dir", str(tmp_path)]) == 0
    longer = elsinore.load(tmp_path / "more")
    assert [update for update, _ in chunk_ends(longer.path)] == list(range(4, 49, 4))
    assert rows_in(longer.path)[: len(rows_in(whole))] == rows_in(whole)
    assert "last checkpoint latest/0000000048 at 6,144 env steps" in capsys.readouterr().out


def test_a_budget_in_episodes_below_what_is_done_is_refused_in_its_own_unit(tmp_path):
    """Also where the run would end before it comes to the update from which it goes on."""
    settings = {name: value for name, value in TINY.items() if name != "env_steps"}
    settings |= {"stop.episodes": 40, "env_params.max_steps_in_episode": 8}
    source = elsinore.train("CartPole-v1", overrides=settings, runs_dir=tmp_path, name="source")
    said = (
        r"^stop\.episodes=1 is at most \d+ env steps, below the [\d,]+ env steps of .*; give more"
    )
    with pytest.raises(elsinore.ConfigError, match=said) as refused:
        elsinore.train(
            from_run=source.path,
            from_parts="all",
            overrides={"stop.episodes": 1},
            runs_dir=tmp_path,
        )
    assert "as a setting, start.parts=learner), which begins anew." in str(refused.value)


def test_a_run_that_ends_by_episodes_may_go_on_further_in_a_new_one(tmp_path):
    """As it does where it is resumed with that budget."""
    settings = {name: value for name, value in TINY.items() if name != "env_steps"}
    settings |= {"stop.episodes": 10, "evaluation.period": 0, "checkpoints.interval_seconds": 0}
    source = elsinore.train("CartPole-v1", overrides=settings, runs_dir=tmp_path, name="source")

    def longer(episodes: int, **rest) -> elsinore.Run:
        rest |= {"overrides": {"stop.episodes": episodes}, "runs_dir": tmp_path}
        return elsinore.train(from_run=source.path, from_parts="all", **rest)

    with pytest.raises(
        elsinore.ConfigError, match=r"stop.episodes=9 is not above the \d+ episodes"
    ):
        longer(9, name="fewer")
    again = longer(10, name="again")
    assert rows_in(again.path) == rows_in(source.path)
    run = longer(40, name="more")
    (event,) = events_of(run.path, "from")
    assert event[0] == source.summary["updates"] < run.summary["updates"]
    resumed = elsinore.resume(source.path, stop={"episodes": 40})
    assert rows_in(run.path) == rows_in(resumed.path)
    assert run.summary["params_sha256"] == resumed.summary["params_sha256"]


EPISODES = {name: value for name, value in TINY.items() if name != "env_steps"}
EPISODES |= {"evaluation.period": "1000 episodes", "checkpoints.period": 1, "checkpoints.best": 0}
EPISODES |= {"algo.learning_rate_final": None, "earlier_env_steps": [128 * 400]}  # short chunks


@pytest.mark.parametrize(
    ("unit", "old", "new"),
    [("stop.episodes", 90, 50), pytest.param("env_steps", 1536, 1024, marks=pytest.mark.slow)],
)
def test_a_run_with_a_smaller_budget_than_the_one_that_it_continues_ends_by_its_own(
    unit, old, new, tmp_path
):
    """And has the evaluation at its end, as the run that had that budget from the start; so has a
    run that is resumed with fewer env steps than it had decided on."""
    source, whole = (
        elsinore.train("CartPole-v1", overrides=EPISODES | {unit: n}, runs_dir=tmp_path)
        for n in (old, new)
    )
    first = min(kept(source.path, "periodic")["periodic"])
    run = elsinore.train(
        from_run=f"{source.path}@periodic/{first}",
        from_parts="all",
        overrides={unit: new},
        runs_dir=tmp_path,
    )
    assert int(first) < run.summary["updates"] < source.summary["updates"]
    assert rows_in(run.path) == rows_in(whole.path)
    assert run.summary["params_sha256"] == whole.summary["params_sha256"]
    if unit == "env_steps":
        killed = killed_after(4, source.path, tmp_path / "killed")
        assert rows_in(elsinore.resume(killed, env_steps=new).path) == rows_in(whole.path)


@pytest.mark.slow
def test_a_run_with_another_budget_does_not_end_where_a_callback_ended_the_other(tmp_path):
    @elsinore.acting
    def stop(record, history):
        return elsinore.Action.stop() if record.update == 8 else None

    settings = TINY | {"checkpoints.period": 1}
    source = elsinore.train(
        "CartPole-v1", overrides=settings, callbacks=[stop], runs_dir=tmp_path, name="source"
    )
    assert source.summary["updates"] == 8
    again = {"from_run": f"{source.path}@periodic/0000000004", "from_parts": "all"}
    run = elsinore.train(**again, env_steps=2560, runs_dir=tmp_path)
    assert run.summary["updates"] == 20


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("converged", r"ended since every seed is frozen \(converged\).*--from"),
        ("callback", r"was ended by callback, and a resumed run repeats that; begin .*--from"),
        ("halving", r"population\.halving of .* chose its members by the old budget; .*--from"),
    ],
)
def test_a_run_that_could_not_go_on_further_does_not_in_a_new_one(how, reason, whole, tmp_path):
    path = tmp_path / "source"
    if how == "halving":
        members = {
            "vary": {"algo.gamma": [0.9, 0.99]},
            "population.halving": {"eta": 2, "rungs": 1},
        }
        settings = TINY | members | {"env_steps": 1024}
        elsinore.train("CartPole-v1", overrides=settings, runs_dir=tmp_path, name="source")
    else:
        shutil.copytree(whole, path)
        summary = json.loads((path / "summary.json").read_text())
        (path / "summary.json").write_text(json.dumps(summary | {"stopped_by": how}))
    with pytest.raises(elsinore.ConfigError, match=rf"^env_steps=99840: .*{reason}"):
        planned(overrides={"start.run": str(path), "start.parts": "all"}, env_steps=99_840)


# What does not fit


def planned(**overrides):
    experiment, _ = resolve_experiment(**overrides)
    check_start(plan_for(experiment))


def refused(env: str, overrides: dict, *reasons: str) -> str:
    with pytest.raises(elsinore.ConfigError) as error:
        planned(env=env, overrides=SHORT | overrides)
    for reason in reasons:
        assert reason in str(error.value)
    return str(error.value)


def test_other_observations_are_refused_by_name_and_shape(whole):
    refused(
        "Acrobot-v1",
        {"start.run": str(whole)},
        "does not fit: params.",
        "kernel is float32[4, 8] there and float32[6, 8] here",
        "; an observation is float32[4] there and float32[6] here",
        "--from-leave ",
    )


def test_a_refusal_names_the_settings_that_shape_the_arrays_and_how_they_are_there(whole):
    message = refused(
        "CartPole-v1",
        {"start.run": str(whole), "wrappers": [{"frame_stack": 2}, "flatten"]},
        "or give settings as they are there: wrappers is [] there and [{'frame_stack': 2}, ",
    )
    assert "learning_rate" not in message  # numbers give no array its shape


def test_of_an_observation_with_names_a_refusal_names_the_first_that_differs(whole, monkeypatch):
    there, here = ({".train.actor.episode_length": "int32[2, 4]"} for _ in range(2))
    obs = ".train.actor.obs"
    there |= {f"{obs}.hand": "int8[2, 4, 8]", f"{obs}.scores": "float32[2, 4, 218]"}
    here |= {f"{obs}.hand": "int8[2, 4, 8]", f"{obs}.shop": "int8[2, 4, 5]"}
    monkeypatch.setattr(transfer, "arrays_in", lambda _: there)
    monkeypatch.setattr(transfer, "leaves_here", lambda _: here)
    source = cast(Any, SimpleNamespace(checkpoint=None))
    assert transfer.observations_that_differ(cast(Any, None), source) == (
        "; scores of an observation is float32[218] there and missing here"
        " (and 1 more of its arrays)"
    )


TEAM = {"env_steps": 640, "agents": [{"id": "ann"}, {"id": "bob"}]}


@pytest.fixture(scope="module")
def of_two(tmp_path_factory) -> elsinore.Run:
    """A run of two agents, each with a learner of its own."""
    folder = tmp_path_factory.mktemp("two")
    return elsinore.train(
        "CartPole-v1", overrides=SHORT | TEAM, seeds=1, name="two", runs_dir=folder
    )


def begun_with(team, there: elsinore.Run, parts: str, folder: Path) -> tuple[dict, dict, str]:
    """Leaves of what `parts` are in the source and in the first state of a run of `team`, which a
    run of its own begins otherwise; and its log."""
    settings = {"env_steps": 960, "agents": team} | {"checkpoints.period": 1}
    run = elsinore.train(
        "CartPole-v1",
        overrides=SHORT
        | settings
        | {"start.run": str(there.path), "start.parts": parts, "start.seed": 0},
        seeds=1,
        runs_dir=folder,
    )
    start = run.experiment.start
    source = leaves(Path(start.run), start.checkpoint)
    first = leaves(run.path, "latest/0000000000")
    own = [name for name in first if is_of_parts(name, parts)]
    assert own
    log = (run.path / "logs" / "train.log").read_text()
    return {x: source[x] for x in own}, {x: first[x] for x in own}, log


@pytest.mark.slow
@pytest.mark.parametrize("parts", ["policy", "learner"])
def test_agents_take_what_those_of_their_names_have_learnt(of_two, parts, tmp_path):
    team = [{"id": "bob"}, {"id": "carl", "gamma": 0.9}, {"id": "ann"}]
    there, here, log = begun_with(team, of_two, parts, tmp_path)
    for name, x in here.items():
        np.testing.assert_array_equal(x[:, [2, 0]], there[name], name)
    assert "(all of seed 0; by their names: bob, ann, anew: carl)" in log
    kernels = [name for name in here if "policy" in name and "kernel" in name and "params" in name]
    for name in kernels:  # carl's are of no other
        assert not any((here[name][:, 1] == there[name][:, i]).all() for i in (0, 1))
    assert kernels


def test_agents_take_what_a_single_one_has_learnt(whole, tmp_path):
    there, here, log = begun_with({"number": 2}, elsinore.load(whole), "policy", tmp_path)
    for name, x in here.items():
        np.testing.assert_array_equal(x, np.stack([there[name][:1]] * 2, 1), name)
    assert "; each of 2 agents that of its only one)" in log


@pytest.mark.parametrize(
    ("there", "here", "taken"),
    [
        ([*"ab"], [*"ab"], None),
        ([*"ab"], [*"cd"], None),  # of other names, by their places
        ([*"ab"], [*"ba"], {0: 1, 1: 0}),
        ([*"ab"], [*"ac"], {0: 0}),
        ([*"abc"], [*"ca"], {0: 2, 1: 0}),
        ([*"ab"], [*"cde"], {}),
    ],
)
@pytest.mark.parametrize("b", [PPOConfig(), PPOConfig(learning_rate=3e-4)], ids=["alike", "traced"])
def test_the_agents_that_go_on_are_those_whose_names_are_known(there, here, taken, b):
    """Also if they differ in numbers of one program."""
    teams = [team_of(names, **({"b": b} if "b" in names else {})) for names in (there, here)]
    assert agents_from(*teams) == taken
    if taken != {}:  # which is refused
        refuse_other_agents(teams[0], teams[1], "RUN")


DQN = DQNConfig()


def team_of(names: list[str], **settings) -> AgentsConfig:
    algos = {name: settings.pop(name, PPOConfig()) for name in names}
    each = tuple(AgentConfig(id=name, algo=algo) for name, algo in algos.items())
    return AgentsConfig(number=len(names), each=each, **settings)


@pytest.mark.parametrize(
    ("there", "here", "reason"),
    [
        (
            team_of([*"ab"]),
            team_of([*"cde"]),
            "agents: none of c, d, e is an agent of RUN, which has a, b; name those that continue"
            " as they are named there.",
        ),
        (
            team_of([*"ab"], a=DQN),
            team_of([*"ba"], a=DQN),
            "agents: b stands where RUN has a, and would begin with what a has learnt; list them"
            " in its order: a, b.",
        ),
        (  # d, of a new name, between two that are known
            team_of([*"abc"], c=DQN),
            team_of([*"bdc"], c=DQN),
            "agents: b stands where RUN has a, and would begin with what a has learnt; list them",
        ),
        (
            team_of([*"abc"], c=DQN),
            team_of([*"dac"], c=DQN),
            "agents: d stands where RUN has a, and would begin with what a has learnt; list them",
        ),
        (
            team_of([*"ab"], a=DQN),
            team_of([*"abc"], a=DQN),
            "RUN has 2 and these are 3; list as many, in its order.",
        ),
        (
            team_of([*"ab"], sharing="shared", critic="joint", ids=True),
            team_of([*"ba"], sharing="shared", critic="joint", ids=True),
            "list them in its order: a, b.",
        ),
    ],
)
def test_agents_that_cannot_be_taken_by_their_names_are_refused(there, here, reason):
    with pytest.raises(elsinore.ConfigError) as error:
        refuse_other_agents(there, here, "RUN")
    assert reason in str(error.value)


@pytest.mark.parametrize("names", [[*"abc"], [*"xyz"]])
def test_agents_whose_algorithms_are_at_other_places_are_refused(names):
    """Their arrays would fit: two agents that learn by PPO, and one by DQN."""

    def agents(names, algos):
        each = [{"id": n, "algo": algo} for n, algo in zip(names, algos, strict=True)]
        return load_experiment("CartPole-v1", overrides={"agents": each}).agents

    there = agents("abc", ["ppo", "dqn", "ppo"])
    refuse_other_agents(there, agents(names, ["ppo", "dqn", "ppo"]), "RUN")
    here = agents(names, ["ppo", "ppo", "dqn"])
    with pytest.raises(elsinore.ConfigError) as error:
        refuse_other_agents(there, here, "RUN")
    a, b, c = names
    assert f"a: ppo, b: dqn, c: ppo there and {a}: ppo, {b}: ppo, {c}: dqn" in str(error.value)


def test_the_order_of_agents_with_one_learner_is_free():
    there, here = (team_of([*names], sharing="shared") for names in ("ab", "ba"))
    refuse_other_agents(there, here, "RUN")


def test_learners_of_their_own_do_not_fit_one_for_all(of_two):
    message = refused(
        "CartPole-v1",
        {"start.run": str(of_two.path), "agents.number": 2, "agents.sharing": "shared"},
        "Dense_0.bias is float32[2, 8] there and float32[8] here",
        "; an environment has 2 agents with learners of their own there and 2 agents with one"
        " learner here.",
    )
    assert "observation" not in message  # they are the same


def test_agents_of_other_algorithms_do_not_fit(of_two):
    team = [{"id": "ann"}, {"id": "bob", "algo": "dqn", "learning_starts": 64}]
    refused(
        "CartPole-v1",
        {"start.run": str(of_two.path), "env_steps": 640, "agents": team},
        "; an environment has 2 agents with learners of their own there and 2 agents with learners"
        " of their own (ann: ppo, bob: dqn) here.",
    )


class ThreeActions(CartPole):
    """CartPole with an action more."""

    def action_space(self, params=None):
        return Discrete(3)


def test_other_actions_need_a_new_head(whole):
    start = {"start.run": str(whole), "start.parts": "learner"}
    env = ThreeActions()
    experiment, _ = resolve_experiment(env, overrides=SHORT | start)
    with pytest.raises(elsinore.ConfigError) as error:
        check_start(plan_for(experiment, env))
    assert "policy.bias is float32[2] there and float32[3] here (and " in str(error.value)
    assert "--from-leave network.head" in str(error.value)
    leave = {"start.leave": ["network.head", "opt_state"]}  # Adam's moments are one vector
    experiment, _ = resolve_experiment(env, overrides=SHORT | start | leave)
    plan = plan_for(experiment, env)
    check_start(plan)
    taken = transfer_of(plan, source_of(experiment.start)).taken
    assert {dotted_name(name).split(".")[-2] for name in taken} >= {"value", "Dense_0"}
    assert not any("policy" in name for name in taken)


@pytest.mark.parametrize(
    "other",
    [{"hidden": [16]}, {"hidden": [8, 8]}, {"hidden": [8] * 9}, {"shared": True}],
    ids=["wider", "a layer only here", "many layers only here", "layers only there"],
)
def test_the_layers_that_a_refusal_names_are_all_to_leave(whole, other):
    network = {f"algo.network.{name}": value for name, value in other.items()}
    overrides = {"start.run": str(whole)} | network
    message = refused("CartPole-v1", overrides, "does not fit: ")
    layers = re.findall(r"--from-leave ([\w.]+)", message)
    planned(env="CartPole-v1", overrides=SHORT | overrides | {"start.leave": layers})


@pytest.mark.parametrize(
    ("leave", "moments"),
    [
        (["actor.MLP_0"], "opt_state.actor"),
        (["actor.MLP_0", "critics"], "opt_state.actor"),
        (["critics.q_0", "opt_state.actor"], "opt_state.critics"),
        (["critics"], ""),  # with their own moments
        (["target_params", "temperature"], ""),
    ],
)
def test_moments_are_those_of_a_networks_own_optimiser(leave, moments):
    plan = plan_for(load_experiment("Pendulum-v1", "sac"))
    start = StartConfig(run="another", parts="learner", leave=leave)
    assert moments_of_others(plan, start) == moments


REFUSED = {
    "a part of another name": ({"start.leave": ["network.haed"]}, "is no part of what is taken"),
    "moments without their count": (
        {"start.parts": "learner", "start.leave": ["mu"]},
        "names some arrays of opt_state, which mean nothing without the others; give --from-leave"
        " opt_state",
    ),
    "the moments of a layer that begins anew": (
        {"start.parts": "learner", "start.leave": ["Dense_0"]},
        "from_leave=['Dense_0'] begins parameters anew whose moments would be taken with opt_state;"
        " give --from-leave opt_state (in Python, from_leave=['opt_state']; as a setting,"
        " start.leave=['opt_state']), too.",
    ),
    "a seed of another run": ({"start.seed": 5}, "from_seed=5 is not of "),
    "unknown parts": ({"start.parts": "head"}, "start.parts='head' is unknown; choose policy"),
    "another width": (
        {"algo.network.hidden": [16]},
        "Dense_0.bias is float32[8] there and float32[16] here",
    ),
    "a normaliser of its own": (
        {"algo.normalize_obs": True},
        "stats.obs.count_high is missing there and",
    ),
    "a budget below what is done": (
        {"start.parts": "all", "env_steps": 1280},
        "env_steps=1280 is below the 5,120 env steps of ",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_before_anything_is_written(whole, case, tmp_path):
    overrides, reason = REFUSED[case]
    base = TINY | {"checkpoints.interval_seconds": 0, "seeds": 2}
    with pytest.raises(elsinore.ConfigError) as error:
        elsinore.train(
            "CartPole-v1",
            overrides=base | {"start.run": str(whole)} | overrides,
            runs_dir=tmp_path / "runs",
        )
    assert reason in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_is_gone_is_refused_with_those_that_are_there(whole, tmp_path, capsys):
    argv = ["train", "CartPole-v1", "--runs-dir", str(tmp_path), "--from"]
    assert cli.main([*argv, f"{whole}@best/0000000999"]) == 2
    err = capsys.readouterr().err
    assert "'best/0000000999' is not in " in err and "it has: latest/0000000040" in err
    assert cli.main([*argv, "nowhere"]) == 2
    assert "nowhere is not a run" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_changed_checkpoint_is_refused(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "whole")
    (metadata,) = (tmp_path / "whole" / "checkpoints" / "latest").glob("*40/state/_METADATA")
    metadata.write_bytes(metadata.read_bytes()[::-1])
    start = {"start.run": str(tmp_path / "whole"), "start.checkpoint": "latest"}
    refused("CartPole-v1", start, "_METADATA has changed since it was written")


def test_parts_without_a_source_are_refused():
    with pytest.raises(elsinore.ConfigError, match="name that with --from RUN"):
        elsinore.train("CartPole-v1", from_parts="all")


def test_the_code_of_a_strangers_run_is_not_imported(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "strange")
    config = tmp_path / "strange" / "config.yaml"
    config.write_text(config.read_text().replace("env: CartPole-v1", "env: strange_module:Env"))
    (tmp_path / "strange_module.py").write_text("raise SystemExit('imported')")
    sys.path.insert(0, str(tmp_path))
    try:
        start = {"start.run": str(tmp_path / "strange")}
        planned(env="CartPole-v1", overrides=SHORT | start)  # what it learnt is data
        assert "strange_module" not in sys.modules
        with pytest.raises(elsinore.ConfigError, match="strange_module.*--trust"):
            planned(overrides=start)
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("buffer.tree.levels.0", "buffer"),
        ("groups.1.buffer.replay.experience.obs", "groups.1.buffer"),
        ("opt_state.1.count", "opt_state"),
        ("opt_state.actor.1.mu", "opt_state.actor"),
        ("stats.obs.count_high", "stats.obs"),
        ("stats.0.returns.var", "stats.0.returns"),
        ("params.policy.kernel", ""),
        ("temperature", ""),
    ],
)
def test_priorities_moments_and_normalisers_are_taken_whole(name, part):
    assert whole_part_of(name) == part


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (".train.learner.groups[1].params['params']['q']['kernel']", {"policy", "learner", "all"}),
        (".train.stats[0].obs.mean", {"policy", "learner", "all"}),
        (".train.learner.groups[1].target_params['q']", {"learner", "all"}),
        (".train.learner.groups[1].buffer.experience.reward", {"all"}),
        (".train.learner.groups[1].episodes", set()),
        (".train.actor.obs", set()),
        (".train.rnd.stats.returns.mean", {"learner", "all"}),
        (".train.rnd.stats.running_return", set()),  # of each environment
        (".train.rnd[1].stats.running_return", set()),
    ],
)
def test_parts_of_agents_that_differ_are_those_of_each_group(path, parts):
    assert {each for each in PARTS if is_of_parts(path, each)} == parts


def test_agents_of_the_source_follow_a_change_of_what_they_share(whole):
    """The settings of a run name all settings of each agent."""
    folder = shutil.copytree(whole, whole.parent / "listed")
    config, each = read_yaml(folder / "config.yaml"), [{"id": "ann"}, {"id": "bob", "gamma": 0.5}]
    listed = load_experiment(config=config, overrides={"agents": each})
    (folder / "config.yaml").write_text(yaml_text(as_dict(listed)))
    sign(folder / "config.yaml")
    settings = {"start.run": str(folder), "algo.learning_rate": 1e-4, "algo.num_envs": 2}
    found, _ = resolve_experiment(overrides=settings)
    assert [agent.algo.learning_rate for agent in found.agents.each] == [1e-4, 1e-4]
    assert [agent.algo.num_envs for agent in found.agents.each] == [2, 2]
    assert [agent.algo.gamma for agent in found.agents.each] == [found.algo.gamma, 0.5]
    nested, _ = resolve_experiment(overrides={"start": {"run": str(folder)}})
    assert nested.agents == listed.agents  # in this form, too, its settings are the source's
