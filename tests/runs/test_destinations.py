"""A stranger's run sends nothing anywhere until its user agrees."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

import elsinore
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.cli import main
from elsinore.config.load_sweep import load_sweep
from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ConfigError
from elsinore.runs.call import resolve_experiment
from elsinore.runs.checkpoints.directory import list_checkpoints
from elsinore.runs.checkpoints.manifest import digest_of
from elsinore.runs.sinks.destinations import destinations_in
from elsinore.runs.trust.signature import is_own
from tests.runs.conftest import TINY


def sending(run: Path, bucket: Path) -> Path:
    """A copy of a run as another user's, whose copies go to `bucket`."""
    path = bucket.parent / "given" / "stranger"
    shutil.copytree(run, path)
    (path / "config.signature").unlink()
    data = read_yaml(path / "config.yaml")
    data["sinks"]["remote"]["url"] = f"file://{bucket}"
    (path / "config.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    for found in list_checkpoints(path / "checkpoints"):
        manifest = found.manifest | {"config": data}
        manifest["digest"] = digest_of(manifest)
        (found.path / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return path


@pytest.fixture
def bucket(tmp_path) -> Path:
    return tmp_path / "bucket"


@pytest.fixture
def stranger(whole, bucket) -> Path:
    return sending(whole, bucket)


USES = {
    "a finished run is resumed": lambda run, **how: elsinore.resume(run, **how),
    "it is lengthened": lambda run, **how: elsinore.resume(run, env_steps=20_000, **how),
    "its settings are taken": lambda run, **how: elsinore.train(
        from_run=run, name="mine", runs_dir=run.parents[1] / "mine", **how
    ),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_it_is_refused_before_anything_is_written(stranger, bucket, use):
    with pytest.raises(ConfigError, match=r"sends data by sinks\.remote\.url='file://.*--trust"):
        use(stranger)
    assert not bucket.exists() and not (stranger.parents[1] / "mine").exists()
    assert not is_own(stranger / "config.yaml")


def test_a_sweep_of_a_stranger_is_begun_anew_from_its_file(tmp_path):
    settings = {"env": "CartPole-v1", "sinks": {"remote": {"url": f"file://{tmp_path}/bucket"}}}
    sweep = load_sweep(settings | {"sweep": {"space": {"algo.gamma": {"uniform": [0.9, 1]}}}})
    folder = SweepDir(tmp_path / "search")
    folder.path.mkdir()
    folder.config.write_text(yaml.safe_dump(sweep.as_dict()))
    with pytest.raises(ConfigError, match="sends data by .*--trust") as refused:
        folder.sweep()
    command = f"`elsinore sweep {folder.config}` (in Python, elsinore.sweep)"
    assert f"begin a sweep of your own by {command} with --set sinks.remote.url=null." in str(
        refused.value
    )
    again = load_sweep(folder.config, {"sinks.remote.url": None})
    assert again.experiment.sinks.remote.url is None and again.config == sweep.config


@pytest.mark.parametrize(
    "sinks",
    [
        {"sinks.remote.url": "file:///bucket"},
        {"sinks.mlflow.tracking_uri": "https://elsewhere.example"},
    ],
)
def test_a_sweep_of_a_stranger_is_asked_about_settings_by_dotted_name(tmp_path, sinks):
    space = {"space": {"algo.gamma": {"uniform": [0.9, 1]}}, "trials": 2}
    folder = SweepDir(tmp_path / "search")
    folder.path.mkdir()
    folder.config.write_text(yaml.safe_dump({"env": "CartPole-v1", **sinks, "sweep": space}))
    with pytest.raises(ConfigError, match=f"sends data by {next(iter(sinks))}=.*--trust"):
        folder.sweep()


@pytest.mark.parametrize("start", ["null", "elsewhere"])
def test_a_new_run_from_it_sends_where_the_command_says(stranger, bucket, tmp_path, start):
    data = read_yaml(stranger / "config.yaml")
    data["sinks"]["wandb"] |= {"enabled": True, "project": "theirs"}
    (stranger / "config.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(ConfigError) as refused:
        elsinore.train(from_run=stranger, runs_dir=tmp_path / "mine")
    remedy = "--set sinks.remote.url=null --set sinks.wandb.project=elsinore"
    assert remedy in str(refused.value)
    elsewhere = None if start == "null" else f"file://{tmp_path}/mine/copies"
    overrides = {"sinks.remote.url": elsewhere, "sinks.wandb.project": "elsinore"}
    experiment = resolve_experiment(
        overrides={"start.run": str(stranger)} | overrides, runs_dir=tmp_path
    )[0]
    assert experiment.sinks.remote.url == elsewhere
    assert experiment.sinks.wandb.project == "elsinore"
    off = {"start.run": str(stranger), "sinks.remote.url": elsewhere, "sinks.wandb": False}
    assert not resolve_experiment(overrides=off)[0].sinks.wandb.enabled


def test_with_trust_it_sends(stranger, bucket):
    elsinore.resume(stranger, trust=True)
    assert (bucket / "stranger" / "metrics.sqlite").exists()


def test_sync_asks_too(stranger, bucket, capsys):
    argv = ["sync", str(stranger)]
    assert main(argv) == 2 and "sinks.remote.url" in capsys.readouterr().err
    assert not bucket.exists()
    assert main([*argv, "--trust"]) == 0
    assert (bucket / "stranger" / "metrics.sqlite").exists()


def test_what_sends_nothing_needs_no_consent(stranger, bucket):
    run = elsinore.load(stranger)
    run.evaluate(episodes=2)
    assert run.plan and run.summary and not bucket.exists()


def test_one_command_that_names_the_place_is_consent(whole, bucket, tmp_path):
    command = {"overrides": TINY | {"sinks.remote.url": f"file://{bucket}"}, "name": "spot"}
    run = elsinore.train("CartPole-v1", **command, runs_dir=tmp_path / "lost")
    (run.path / "config.signature").unlink()
    (bucket / "spot" / "config.signature").unlink(missing_ok=True)
    again = elsinore.train("CartPole-v1", **command, go_on=True, runs_dir=tmp_path / "new")
    assert again.summary["params_sha256"] == run.summary["params_sha256"]
    assert is_own(again.path / "config.yaml")


@pytest.mark.parametrize(
    ("sinks", "found"),
    [
        ({}, {}),
        ({"remote": {"url": None}, "mlflow": None}, {}),
        ({"remote": {"url": "s3://a"}}, {"sinks.remote.url": "s3://a"}),
        ({"mlflow": {"tracking_uri": "http://a"}}, {"sinks.mlflow.tracking_uri": "http://a"}),
        ({"mlflow": {"enabled": False, "tracking_uri": "http://a", "model_name": "x"}}, {}),
        ({"mlflow": {"model_name": "prod"}}, {"sinks.mlflow.model_name": "prod"}),
        ({"mlflow": {"alias": "production"}}, {"sinks.mlflow.alias": "production"}),
        ({"wandb": {"entity": "a"}}, {}),
        ({"wandb": {"enabled": True, "entity": "a"}}, {"sinks.wandb.entity": "a"}),
        ({"wandb": {"enabled": True, "project": "elsinore"}}, {}),
        ("no mapping", {}),
    ],
)
def test_places_are_those_of_sinks_that_are_on(sinks, found):
    assert destinations_in({"sinks": sinks}) == found
