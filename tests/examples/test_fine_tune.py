"""The example of fine-tuning trains each of its pairs, and says what it saved."""

import importlib.util
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import elsinore
from elsinore.runs.call import resolve_experiment
from elsinore.runs.checkpoints.arrays import read_arrays

PATH = Path(__file__).resolve().parents[2] / "examples" / "fine_tune.py"
spec = importlib.util.spec_from_file_location("fine_tune", PATH)
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)

TINY = {  # settings of two short chunks, and of no more steps in an evaluation than they need
    "cartpole": ("algo.network.hidden=[8]",),
    "hamlet": ("algo.num_envs=4", "algo.rollout_length=32", "algo.network.hidden=[8]"),
    "balatro": ("algo.num_envs=4", "algo.rollout_length=32", "algo.network.hidden=[8]"),
    "cache": ("algo.num_envs=4", "algo.rollout_length=32", "algo.num_epochs=1"),
}
SMALL = ("evaluation.episodes=2", "evaluation.final_episodes=2", "evaluation.period=4")


def run_of(folder: Path, pair: str, *argv: str) -> tuple[elsinore.Run, elsinore.Run]:
    """The source and the fine-tuned run of a tiny example."""
    argv = ("--pair", pair, "--seeds", "2", "--env-steps", "1024", "--runs-dir", str(folder), *argv)
    assert example.main([*argv, "--set", *SMALL, *TINY[pair]]) == 0
    source, tuned = (elsinore.load(folder / name) for name in ("source", "tuned"))
    return source, tuned


@pytest.mark.slow
@pytest.mark.parametrize("pair", TINY)
def test_each_pair_is_trained_compared_and_drawn(pair, tmp_path, capsys):
    figure = tmp_path / "curves.png"
    source, tuned = run_of(tmp_path, pair, "--figure", str(figure))
    assert tuned.experiment.start.run == str(source.path.resolve())
    scratch = elsinore.load(tmp_path / "scratch")
    assert scratch.experiment.start is None
    assert scratch.summary["env_steps"] == tuned.summary["env_steps"] == 1024
    text = capsys.readouterr().out
    steps, returns = example.curve(scratch)
    assert steps[-1] == 1024 and returns.shape == (len(steps), 2)
    ends = float(example.iqm(returns[-1]))
    assert f"a return of {ends:,.2f}, with which the run from scratch ends at 1,024" in text
    assert "saves" in text.splitlines()[-1]
    assert figure.stat().st_size > 10_000


def test_the_figure_writes_env_steps_with_letters(monkeypatch, tmp_path):
    steps = np.arange(500_000, 2_000_001, 500_000)
    monkeypatch.setattr(example, "curve", lambda _: (steps, np.ones((4, 2))))
    labels: dict = {"from scratch": None, "fine-tuned": None}
    example.draw(tmp_path / "curves.svg", example.PAIRS["cartpole"], labels)
    assert "<!-- 1M -->" in (tmp_path / "curves.svg").read_text()


@pytest.mark.parametrize("diverged", [1, 4])
def test_the_figure_leaves_out_the_intervals_of_a_seed_that_diverged(
    monkeypatch, tmp_path, diverged
):
    returns = np.ones((4, 2))
    returns[-diverged:, 1] = np.nan
    monkeypatch.setattr(example, "curve", lambda _: (np.arange(4), returns))
    labels: dict = {"from scratch": None, "fine-tuned": None}
    example.draw(tmp_path / "curves.png", example.PAIRS["cartpole"], labels)
    assert (tmp_path / "curves.png").stat().st_size > 1_000


@pytest.mark.slow
def test_a_head_is_left_out_on_request(tmp_path):
    source, tuned = run_of(tmp_path, "balatro", "--from-leave", "network.head")
    assert tuned.experiment.start.leave == ("network.head",)
    there, here = (
        read_arrays(run.checkpoint(which))
        for run, which in ((source, "best"), (tuned, "latest/0000000000"))
    )
    names = [name for name in there if name.startswith(".train.learner.params")]
    anew = {name for name in names if not np.array_equal(there[name], here[name])}
    head = {name for name in names if "policy" in name}
    assert anew and anew < head < {
        *names
    }  # what the source's game has no use for, it did not learn


def test_pairs_are_those_that_are_tried():
    assert [*example.PAIRS] == [*TINY]


@pytest.mark.parametrize("name", example.PAIRS)
def test_a_target_is_learnt_without_the_help_of_its_preset(name):
    pair = example.PAIRS[name]
    settings = dict(pair.both) | dict(pair.target)
    target, _ = resolve_experiment(
        settings.pop("env", None), config=pair.config, overrides=settings
    )
    assert (target.imitation, target.curriculum) == (None, None)


def test_the_steps_to_a_return_are_those_of_the_interquartile_mean():
    steps = np.array([10, 20, 30])
    returns = np.array([[0.0, 0.0, 0.0, 9.0], [1.0, 2.0, 2.0, 2.0], [3.0, 3.0, 3.0, 3.0]])
    assert example.first_at(2.0, steps, returns).steps == 20
    found = example.first_at(2.5, steps, returns)
    assert found.steps == 30 and found.low <= 30 <= found.high
    assert str(example.first_at(4.0, steps, returns)).startswith("never")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ("--pair hamlet --trace site.npz", "--trace is the target's of --pair cache"),
        ("--pair cache --trace site.npz", "--trace site.npz is no file"),
        ("--figure none/x.png", "--figure none/x.png cannot be written: no folder none"),
        ("--figure x.foo", "--figure x.foo must end in one of .png, .svg, .pdf"),
        ("--set seeds", "--set seeds has no '='; give NAME=VALUE"),
        ("--seeds 0", "seeds=0 must be at least 1."),
        ("--set seed=1 --set algo.gamma=2", "algo.gamma=2"),
        ("--set algo.gamma=2 --set seed=1", "algo.gamma=2"),
    ],
)
def test_wrong_use_is_refused_in_one_line_before_anything_is_trained(
    argv, text, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        example.main(argv.split())
    assert text in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_policy_that_learns_more_slowly_saves_nothing(monkeypatch):
    steps = np.array([10, 20, 30])
    curves = {"from scratch": [2.0, 2.0, 2.0], "fine-tuned": [0.0, 0.0, 2.0], "source": [1.0] * 3}
    monkeypatch.setattr(example, "curve", lambda name: (steps, np.array(curves[name])[:, None]))
    source = SourceRun("source")
    text = example.report(source, {name: name for name in ("from scratch", "fine-tuned")})
    assert text.endswith("saves nothing: it takes 20 env steps a seed more")


class SourceRun(str):
    """A name that has a run's summary."""

    summary = MappingProxyType({"env_steps": 30})
