"""Features whose libraries are extras of the package."""

import importlib.util
import tomllib
from pathlib import Path

import pytest

from elsinore import cli
from elsinore.config import extras
from elsinore.errors import ConfigError

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_each_extra_is_in_the_package():
    assert set(extras.EXTRAS) <= set(PROJECT["project"]["optional-dependencies"])


def test_a_missing_extra_is_named_with_the_feature_that_wants_it(nothing_installed):
    with pytest.raises(
        ConfigError, match=r"^--watch needs .* 'elsinore\[watch\]', or leave it out"
    ):
        extras.require("watch", "--watch", "leave it out")


def test_what_is_installed_is_not_refused():
    extras.require("watch", "--watch", "leave it out")


@pytest.mark.parametrize(
    "arguments",
    [["watch", "runs"], ["demo", "hamlet"], ["train", "CartPole-v1", "--watch"]],
    ids=lambda arguments: " ".join(arguments),
)
def test_the_page_without_its_extra_is_refused_before_anything_is_written(
    nothing_installed, arguments, tmp_path, capsys
):
    assert cli.main([*arguments, "--runs-dir", str(tmp_path / "runs")]) == 2
    assert "elsinore[watch]" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_run_without_tensorboard_says_so_once_and_trains(monkeypatch, tmp_path, caplog):
    import elsinore
    from elsinore.runs.sinks import sync

    monkeypatch.setattr(sync, "has_extra", lambda extra: extra != "tensorboard")
    overrides = {
        "env_steps": 1024,
        "evaluation.episodes": 2,
        "evaluation.final_episodes": 2,
        "evaluation.max_steps": 20,
        "sinks.mlflow.enabled": False,
    }
    run = elsinore.train("CartPole-v1", runs_dir=tmp_path, overrides=overrides, name="x")
    assert run.summary["stopped_by"] == "budget" and not (run.path / "tensorboard").exists()
    assert (run.path / "logs" / "train.log").read_text().count("elsinore[tensorboard]") == 1
