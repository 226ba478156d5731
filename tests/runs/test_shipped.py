"""Policies that come with the package are runs to play, evaluate, export and begin from."""

import json
from pathlib import Path

import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.shipped import FOLDER, shipped_policies
from elsinore.view.play import episodes_of
from tests.runs.conftest import TINY

CARTPOLE = "preset:CartPole-v1/ppo"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "policies.md"


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}


def test_they_are_small_and_each_has_a_score_and_a_whole_checkpoint():
    found = shipped_policies()
    assert CARTPOLE in found and len(found) >= 5
    assert sum(map(len, files().values())) < 5_000_000
    for name, score in found.items():
        run = elsinore.load(name)
        checkpoint = run.checkpoint()
        checkpoints.verify(checkpoint)
        assert checkpoint.manifest["holds"] == "policy"
        assert run.experiment.seeds == 1 and run.experiment.seed == score["seed"]
        assert score["min"] <= score["mean"] <= score["max"] and score["episodes"] == 1_000


def test_the_page_has_their_scores():
    text = PAGE.read_text()
    for name, score in shipped_policies().items():
        assert f"| `{name}` | {score['mean']:,.1f} | {score['std']:,.1f} |" in text


def test_a_name_that_no_policy_has_is_refused_with_the_closest():
    with pytest.raises(elsinore.ConfigError, match="did you mean 'preset:CartPole-v1/ppo'"):
        elsinore.load("preset:CartPole-v1/pp")
    with pytest.raises(elsinore.ConfigError, match="did you mean 'preset:CartPole-v1/ppo'"):
        elsinore.play("preset:CartPole-v1")
    with pytest.raises(elsinore.ConfigError, match="does not come with elsinore"):
        elsinore.load("preset:../../../runs/policies/CartPole-v1/ppo")


def test_it_plays_evaluates_and_leaves_the_package_as_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = files()
    run = elsinore.load(CARTPOLE)
    assert run.policy()(np.zeros((5, 4), np.float32)).shape == (5,)
    assert run.evaluate(episodes=8).shape == (1, 8)
    (episode,) = episodes_of(CARTPOLE)
    assert episode.about["return"] == 500.0
    assert cli.main(["export", CARTPOLE]) == 0
    assert (tmp_path / "CartPole-v1-ppo-jax" / "policy.jaxexport").is_file()
    assert "CartPole-v1-ppo-jax" in capsys.readouterr().out
    assert files() == before


@pytest.mark.slow
def test_a_run_begins_with_it_and_has_its_score_at_once(tmp_path):
    run = elsinore.train(
        "CartPole-v1",
        from_run=CARTPOLE,
        seeds=2,
        runs_dir=tmp_path,
        overrides=TINY
        | {"algo.network.hidden": [64, 64], "algo.learning_rate": 1e-9}
        | {"evaluation.max_steps": 500},
    )
    assert run.experiment.start.run == str(FOLDER / "CartPole-v1" / "ppo")
    assert run.summary["eval_return"]["mean"] > 480


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["train", "--resume", CARTPOLE], "cannot be trained or resumed"),
        (["train", "--from", CARTPOLE, "--from-parts", "learner"], "needs more of"),
        (["repair", CARTPOLE], "cannot be trained or resumed"),
    ],
)
def test_what_needs_a_whole_run_is_refused_in_one_line(command, why, capsys, tmp_path):
    before = files()
    assert cli.main([*command, "--runs-dir", str(tmp_path)]) == 2
    message = capsys.readouterr().err.strip()
    assert why in message and message.count("\n") == 0
    assert files() == before


def test_the_files_are_made_by_the_command_that_says_so():
    from benchmarks.policies import POLICIES

    assert {f"preset:{name}" for name in POLICIES} >= set(shipped_policies())
    for path in FOLDER.glob("*/*/score.json"):
        assert json.loads(path.read_text()).keys() >= {"mean", "std", "env_steps", "seed"}
