"""The flags of the old DQN trainer mean what they always meant, and two that contradict each other
are refused."""

from types import SimpleNamespace

import pytest

import elsinore
from elsinore import cli
from elsinore.runs import api
from elsinore.runs.call import resolve_experiment
from elsinore.training.evaluation import Episodes
from scripts import old_flags
from tests.runs.conftest import TINY, train_tiny


@pytest.fixture
def script(monkeypatch, tmp_path, capsys):
    """Run scripts/train.py in this process, in an empty folder: exit code, and what it complained
    of."""
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        code = cli.main(list(map(str, argv)), parser=old_flags.parser())
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def asked(script, monkeypatch):
    """What a training is asked for by flags; nothing is trained."""

    def ask(*argv):
        found = {}

        def train(env, algo, **rest):
            found.update(
                rest,
                experiment=resolve_experiment(
                    env,
                    algo,
                    **{name: rest[name] for name in ("config", "overrides", "seeds", "seed")},
                )[0],
            )
            raise KeyboardInterrupt

        monkeypatch.setattr(api, "train", train)
        assert script(*argv) == (130, "")
        return SimpleNamespace(**found)

    return ask


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train_tiny(
        tmp_path_factory.mktemp("old"), "old", {"checkpoints.interval_seconds": 0}
    ).path


# What each means


@pytest.mark.parametrize(("name", "double"), [("dqn", False), ("double_dqn", True)])
def test_an_agent_type_is_dqn_with_or_without_a_second_opinion(asked, name, double):
    experiment = asked("--agent-type", name).experiment
    assert (experiment.env, experiment.algo.name, experiment.algo.double) == (
        "Cache-api",
        "dqn",
        double,
    )


def test_an_agent_type_can_be_had_in_any_world(asked):
    assert asked("CartPole-v1", "--agent-type", "dqn").experiment.env == "CartPole-v1"


@pytest.mark.parametrize("where", [[], ["CartPole-v1"]])
def test_episodes_are_a_budget_of_finished_episodes(asked, where):
    assert asked(*where, "--episodes", 1000).experiment.stop.episodes == 1000


def test_the_old_trainers_world_and_algorithm_are_meant_where_none_is_named(asked):
    experiment = asked("--eval-episodes", 7).experiment
    assert (experiment.env, experiment.algo.name) == ("Cache-api", "dqn")
    assert (experiment.evaluation.episodes, experiment.evaluation.final_episodes) == (7, 7)


def test_a_config_says_the_world_and_a_seed_is_the_first(asked, tmp_path):
    (tmp_path / "mine.yaml").write_text("env: Acrobot-v1\nalgo: {name: dqn, gamma: 0.9}\n")
    found = asked(
        "--config", "mine.yaml", "--seed", 5, "--agent-type", "double_dqn", "--episodes", 100
    )
    experiment = found.experiment
    assert (experiment.env, experiment.seed, experiment.stop.episodes) == ("Acrobot-v1", 5, 100)
    assert (experiment.algo.gamma, experiment.algo.double) == (0.9, True)


def test_an_output_is_the_runs_folder(asked, tmp_path):
    found = asked("--output", tmp_path / "results" / "mine")
    assert (found.runs_dir, found.name) == (str(tmp_path / "results"), "mine")


def test_short_flags_are_those_of_the_old_trainer(asked, tmp_path):
    long = asked("--episodes", 50, "--output", tmp_path / "results" / "run1")
    assert asked("-e", 50, "-o", tmp_path / "results" / "run1") == long


def test_wandb_is_logged_to_where_it_is_asked_for(asked):
    assert asked("--wandb").experiment.sinks.wandb.enabled
    assert not asked("--episodes", 9).experiment.sinks.wandb.enabled


def test_without_them_it_is_elsinore_train(asked):
    experiment = asked("--set", "algo.gamma=0.5").experiment
    assert (experiment.env, experiment.algo.name, experiment.algo.gamma) == (
        "CartPole-v1",
        "ppo",
        0.5,
    )


# Evaluation only, and going on


@pytest.mark.parametrize("which", ["the run", "the last", "by --resume"])
def test_only_an_evaluation_is_made_of_a_run_or_of_a_checkpoint_in_it(
    script, trained, monkeypatch, which
):
    best, last = map(elsinore.load(trained).checkpoint, ("best", "latest"))
    played = []
    monkeypatch.setattr(
        "elsinore.runs.run.Run.episodes",
        lambda run, *how: played.append((run.path, *how)) or _episodes(),
    )
    argv = {
        "the run": ["--checkpoint", trained],
        "the last": ["--checkpoint", last.path],
        "by --resume": ["--resume", trained],
    }
    assert script("--eval-only", *argv[which], "--eval-episodes", 3) == (0, "")
    assert played == [(trained, 3, last.name if which == "the last" else best.name, False)]


def _episodes():
    import numpy as np

    returns = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    return Episodes(returns, np.ones((2, 3), int), np.ones((2, 3), bool), {})


def test_without_a_number_as_many_episodes_are_played_as_at_the_end_of_the_training(
    script, trained, monkeypatch
):
    played = []
    monkeypatch.setattr(
        "elsinore.runs.run.Run.episodes", lambda run, *how: played.append(how[0]) or _episodes()
    )
    assert script("--eval-only", "--checkpoint", trained, "CartPole-v1")[0] == 0
    assert played == [TINY["evaluation.final_episodes"]]


@pytest.mark.parametrize("by", ["run", "checkpoint", "kind"])
def test_a_run_is_gone_on_with_by_its_folder_or_its_newest_checkpoint(
    script, trained, monkeypatch, by
):
    asked = []
    monkeypatch.setattr(api, "resume", lambda run, **_: asked.append(run) or elsinore.load(run))
    last = elsinore.load(trained).checkpoint("latest").path
    path = {"run": trained, "checkpoint": last, "kind": last.parent}[by]
    assert script("--resume", path) == (0, "")
    assert asked == [str(trained)]


def test_a_run_is_resumed_with_more_episodes(script, trained, monkeypatch):
    asked = {}
    monkeypatch.setattr(api, "resume", lambda run, **rest: asked.update(rest) or elsinore.load(run))
    assert script("--resume", trained, "--episodes", 250) == (0, "")
    assert asked["stop"] == {"episodes": 250}


# Refused


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--agent-type", "ddqn"], "--agent-type 'ddqn' is unknown; choose one of dqn, double_dqn"),
        (
            ["--agent-type", "dqn", "--algo", "ppo"],
            "--agent-type dqn and --algo ppo contradict each other",
        ),
        (
            ["--agent-type", "dqn", "--set", "algo.double=true"],
            "--agent-type and --set algo.double=... contradict",
        ),
        (
            ["--agent-type", "dqn", "--set", "algo=ppo"],
            "--agent-type and --set algo=... contradict",
        ),
        (["--episodes", "0"], "--episodes 0 must be at least 1"),
        (
            ["--episodes", "9", "--set", "env_steps=512"],
            "--episodes and --set env_steps=... contradict",
        ),
        (
            ["--eval-episodes", "9", "--set", "evaluation.episodes=3"],
            "--set evaluation.episodes=... contradict",
        ),
        (["--eval-episodes", "0"], "episodes=0 must be at least 1"),
        (
            ["--wandb", "--set", "sinks.wandb.enabled=false"],
            "--wandb and --set sinks.wandb.enabled=... contradict",
        ),
        (["--output", "a/b", "--name", "c"], "--output a/b is --runs-dir and --name in one"),
        (["--output", "a/b", "--runs-dir", "c"], "--output a/b is --runs-dir and --name in one"),
        (["--output", ""], "--output '' names no new folder"),
        (["--output", "."], "--output '.' names no new folder"),
        (["--output", "a/.."], "--output 'a/..' names no new folder"),
        (["--config", "none.yaml"], "none.yaml cannot be read"),
        (
            ["--checkpoint", "TRAINED"],
            "--checkpoint is for --eval-only; to resume a run give --resume",
        ),
        (
            ["--resume", "TRAINED", "--agent-type", "dqn"],
            "--agent-type cannot be changed when a run is resumed",
        ),
        (
            ["--resume", "TRAINED", "--episodes", "9"],
            "stop.episodes=9 is no budget of this run, which ends by env_steps=",
        ),
        (
            ["--resume", "TRAINED", "--output", "a/b"],
            "--output cannot be changed when a run is resumed",
        ),
        (
            ["--resume", "TRAINED", "--seed", "1"],
            "a resumed run keeps its own settings, and only its budget can be changed; seed cannot",
        ),
        (["--resume", "nowhere"], "nowhere is not a run"),
        (["--resume", "OLDER"], "old, which is latest/0000000040; give --resume "),
        (["--eval-only"], "--eval-only needs one path"),
        (
            ["--eval-only", "--checkpoint", "TRAINED", "--resume", "TRAINED"],
            "--eval-only needs one path",
        ),
        (["--eval-only", "--checkpoint", "nowhere"], "nowhere is not a run"),
        (
            ["--eval-only", "--checkpoint", "TRAINED", "--episodes", "9"],
            "--episodes is for training",
        ),
        (["--eval-only", "--checkpoint", "TRAINED", "--wandb"], "--wandb is for training"),
        (["--eval-only", "--checkpoint", "TRAINED", "--seed", "9"], "--seed is for training"),
        (
            ["--eval-only", "--checkpoint", "TRAINED", "Cache-api"],
            "trained in CartPole-v1, not in Cache-api",
        ),
        (
            ["--eval-only", "--checkpoint", "TRAINED", "--agent-type", "dqn"],
            "is not the algorithm of",
        ),
        (
            ["--eval-only", "--checkpoint", "TRAINED", "--eval-episodes", "0"],
            "episodes=0 must be at least 1",
        ),
    ],
    ids=" ".join,
)
def test_what_contradicts_or_will_not_do_is_refused_in_one_line(
    script, trained, tmp_path, argv, said
):
    older = sorted((trained / "checkpoints" / "periodic").iterdir())[0]
    names = {"TRAINED": str(trained), "OLDER": str(older)}
    code, err = script(*(names.get(arg, arg) for arg in argv))
    assert code == 2
    assert said in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())
