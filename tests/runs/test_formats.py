"""Runs of older formats can be opened: tests/data/runs has one of each."""

import json
import shutil
from pathlib import Path

import pytest

import elsinore
from elsinore.runs.checkpoints.arrays import READABLE_FORMATS
from elsinore.runs.checkpoints.directory import CHECKPOINT_FORMAT
from elsinore.runs.checkpoints.manifest import digest_of, params_sha256

RUNS = Path(__file__).resolve().parents[1] / "data" / "runs"


@pytest.fixture(params=sorted(path.name for path in RUNS.iterdir()))
def old_run(request, tmp_path):
    return elsinore.load(shutil.copytree(RUNS / request.param, tmp_path / request.param))


def test_its_checkpoint_has_the_parameters_that_its_summary_names(old_run):
    state = old_run.state()
    assert params_sha256(state.train.learner.params) == old_run.summary["params_sha256"]
    assert state.train.rnd is not None and state.train.learner.target_params is not None


def test_its_policy_acts_and_its_metrics_are_there(old_run):
    policy = old_run.policy(seed=1)
    assert policy([0.0, 0.0, 0.1, 0.0]) in (0, 1)
    assert {"eval/return", "loss/value"} <= set(old_run.metrics["name"])


def test_an_unknown_format_is_refused_with_the_formats_that_are_read(old_run):
    manifest = next((old_run.path / "checkpoints" / "latest").glob("*/manifest.json"))
    data = json.loads(manifest.read_text()) | {"format": 99}
    data.pop("digest", None)
    manifest.write_text(json.dumps(data | {"digest": digest_of(data)}, indent=1))
    with pytest.raises(elsinore.ConfigError, match="has format 99, and this elsinore reads 1, 2;"):
        elsinore.load(old_run.path).state()


def test_there_is_a_run_of_each_older_format():
    older = {f"format{number}" for number in READABLE_FORMATS if number != CHECKPOINT_FORMAT}
    assert {path.name for path in RUNS.iterdir()} == older
