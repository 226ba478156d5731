"""Secrets stay in the run's own config."""

import json
import logging
import stat
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import elsinore
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.config.load import load_experiment
from elsinore.config.load_sweep import load_sweep
from elsinore.config.yaml_files import read_yaml
from elsinore.runs.checkpoints.match import check_match
from elsinore.runs.metrics_json import write_metrics
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_log import logging_to
from elsinore.runs.trust.redaction import comparable, redacted
from tests.page.conftest import serving
from tests.runs.conftest import train_tiny

SECRET = "hunter2"
TEXTS = {
    "http://me:hunter2@host:5000/x": "http://***@host:5000/x",
    "postgresql://me:hun/ter2?hunter2@host/db": "postgresql://***@host/db",
    "http://me:p@hunter2@host": "http://***@host",
    "uri='http://hunter2@host'": "uri='http://***@host'",
    "http://host/x?token=hunter2&y=1": "http://host/x?token=***&y=1",
    "http://host/plain": "http://host/plain",
    "password: hunter2 and more\nx: 1": "password: ***\nx: 1",
    "a:\n  api_key: |\n    one\n    hunter2\n  c: 3": "a:\n  api_key: ***\n  c: 3",
    "secret:\n  hunter2\nq: 1": "secret:***\nq: 1",
    "aws_secret_access_key = hunter2": "aws_secret_access_key = ***",
    "MLFLOW_TRACKING_TOKEN=hunter2 rest": "MLFLOW_TRACKING_TOKEN=*** rest",
    "secret='one hunter2' x": "secret=*** x",
    "failed: {'password': 'hunter2'}": "failed: {'password': ***",
    "Authorization: Bearer hunter2": "Authorization: ***",
    "password:\nx: 1": "password:\nx: 1",
    "keys: [1]\nmax_tokens: 5\ntokens=3": "keys: [1]\nmax_tokens: 5\ntokens=3",
    "env: my.token:World": "env: my.token:World",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_sent_without_its_secrets(text):
    assert redacted(text) == TEXTS[text] == redacted(TEXTS[text])


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        ("https://me:old@host/", "https://me:new@host/", True),
        ("https://me:word@host/", "https://elsewhere/@host/", False),
        ("https://me:word@host/", "https://elsewhere:80/@host/", False),
        ("https://me:word@host/", "https://me:word@elsewhere?@host/", False),
        ("https://host/", "https://host/", True),
    ],
)
def test_settings_with_another_password_are_the_same_and_with_another_host_are_not(then, now, same):
    assert (comparable({"uri": [then]}) == comparable({"uri": [now]})) is same
    assert "word" not in str(comparable(then)) + str(comparable(now))
    assert "secret" not in comparable("https://secret/key@host/")  # a part of it is no host


def test_settings_are_written_without_their_secrets():
    settings = {"a": {"token": SECRET, "api_key": None}, "b": [f"x://u:{SECRET}@h", 3], "c": 0.5}
    expected = {"a": {"token": "***", "api_key": None}, "b": ["x://***@h", 3], "c": 0.5}
    assert redacted(settings) == expected == redacted(expected)


@pytest.mark.parametrize(
    "text",
    [
        "password" * 120_000,
        "a" * 1_000_000,
        "://" * 300_000,
        ("password" + " " * 50) * 20_000,
        (" " * 1000 + "\n") * 1000,
        " " * 1_000_000,
        "password='" * 100_000,
        "password:\n " * 90_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_long(text):
    began = time.perf_counter()
    redacted(text)
    assert time.perf_counter() - began < 20.0


@pytest.fixture(scope="module")
def logged(tmp_path_factory, mlflow_uri):
    """A run whose config has a secret."""
    settings = {
        "env_steps": 1024,
        "sinks.mlflow.enabled": True,
        "sinks.mlflow.tracking_uri": mlflow_uri,
        "sinks.mlflow.model_name": f"http://me:{SECRET}@host",
    }
    run = train_tiny(tmp_path_factory.mktemp("logged"), "logged", settings)
    write_metrics(run, run.path / "metrics.json")
    return run


def test_a_setting_that_is_infinite_is_null_in_the_metrics(tmp_path):
    run: Any = SimpleNamespace(
        name="sac", path=tmp_path, experiment=load_experiment("Pendulum-v1", "sac"), summary={}
    )
    assert run.experiment.algo.max_grad_norm == float("inf")
    write_metrics(run, tmp_path / "metrics.json")
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["config"]["algo"]["max_grad_norm"] is None


def files_with_secret(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.name for path in files if SECRET.encode() in path.read_bytes()}


def test_of_all_that_a_run_leaves_its_config_alone_has_the_secret(logged, mlflow_uri):
    assert files_with_secret(logged.path.parent) == {"config.yaml"}  # also of MLflow's artifacts
    assert files_with_secret(Path(mlflow_uri.removeprefix("sqlite:///")).parent) == set()
    assert stat.S_IMODE(logged.path.stat().st_mode) == 0o700
    assert elsinore.load(logged.path).experiment.sinks.mlflow.model_name.count(SECRET) == 1


def test_a_run_with_a_secret_is_resumed_also_with_another_one(logged):
    config = logged.path / "config.yaml"
    config.write_text(config.read_text().replace(f"me:{SECRET}", "me:another-word"))
    run = elsinore.load(logged.path)
    check_match(run.checkpoint(), run.experiment)
    manifest = (run.checkpoint().path / "manifest.json").read_text()
    assert "http://***@host" in manifest


def test_the_page_shows_no_secret(logged):
    with serving(logged.path.parent) as served:
        shown = served.ask("/api/run", run="logged")[2]
        assert (
            b"http://***@host" in shown
            and b"another-word" not in shown
            and SECRET.encode() not in shown
        )


def test_a_log_has_no_secret(tmp_path):
    (tmp_path / "logs").mkdir()
    with logging_to(RunDir(tmp_path).log):
        logging.getLogger("elsinore").warning("no answer of http://me:%s@host", SECRET)
    assert "http://***@host" in (tmp_path / "logs" / "train.log").read_text()
    assert files_with_secret(tmp_path) == set()


@pytest.mark.parametrize(
    ("uri", "mode"), [(f"http://me:{SECRET}@host", 0o700), ("http://h", 0o755)]
)
def test_a_sweep_with_a_secret_is_for_its_owner_alone(tmp_path, uri, mode):
    config = tmp_path / "sweep.yaml"
    config.write_text(
        f"env: CartPole-v1\nsinks: {{mlflow: {{tracking_uri: '{uri}'}}}}\n"
        "sweep: {sampler: random, trials: 2, space: {algo.gamma: {uniform: [0.9, 0.99]}}}\n"
    )
    folder = SweepDir.of(tmp_path, "s", load_sweep(read_yaml(config)))
    folder.unlock()
    assert stat.S_IMODE(folder.path.stat().st_mode) == mode
