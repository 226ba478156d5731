"""The command line: a mistake is one clear sentence, exit code 2, and nothing left behind."""

import io
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image

from elsinore import __version__, cli
from elsinore.analysis.compare.document import format_number
from elsinore.cli.evaluate import seeds_and_members
from elsinore.config import planned_memory
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.jaxtools import processes
from elsinore.page import server
from elsinore.runs.run_dir import RunDir
from elsinore.training.evaluation import Episodes

ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    f"--set={setting}"
    for setting in (
        "env_steps=4000",
        "evaluation.period=5",
        "evaluation.episodes=4",
        "evaluation.final_episodes=8",
        "algo.num_epochs=2",
        "algo.network.hidden=[16]",
        "convergence.enabled=false",
        "sinks.mlflow.enabled=false",
    )
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty current folder: what a command leaves behind is there to see."""
    monkeypatch.chdir(tmp_path)
    # for tests.envs.broken_envs; it also takes back what `main` adds
    monkeypatch.syspath_prepend(str(ROOT))
    return tmp_path


@pytest.fixture
def elsinore(capsys):
    """Run a command in this process: its exit code, what it printed, and what it complained of."""

    def command(*argv):
        try:
            code = cli.main([str(arg) for arg in argv])
        except SystemExit as stop:  # argparse's way out
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_settings_lists_an_algorithms_settings(elsinore):
    code, out, _ = elsinore("settings", "ppo")
    assert code == 0
    assert "algo.gamma = 0.99   (0 to 1, traced)\n    The discount of future rewards." in out


def test_settings_finds_a_word_in_any_topic(elsinore):
    code, out, _ = elsinore("settings", "entropy", "--json")
    found = [(row["topic"], row["name"]) for row in json.loads(out)]
    assert code == 0
    assert found == [
        ("ppo", "algo.ent_coef"),
        ("ppo", "algo.ent_coef_final"),
        ("a2c", "algo.ent_coef"),
        ("a2c", "algo.ent_coef_final"),
        ("sac", "algo.temperature"),
        ("sac", "algo.tune_temperature"),
        ("sac", "algo.target_entropy"),
        ("sac_discrete", "algo.temperature"),
        ("sac_discrete", "algo.tune_temperature"),
        ("sac_discrete", "algo.target_entropy"),
    ]


def test_settings_of_an_env_and_of_nothing(elsinore):
    code, out, _ = elsinore("settings", "Pendulum-v1")
    assert code == 0 and "env_params.max_steps_in_episode = 200" in out
    code, out, _ = elsinore("settings", "tests.toys:Payout")  # a class is no algorithm
    assert code == 0 and "env_params.max_steps_in_episode = " in out
    code, out, _ = elsinore("settings", "tests.toys:toy")
    assert code == 0 and "algo." in out
    code, _, err = elsinore("settings", "xyzzy")
    assert code == 2 and err.startswith("elsinore: 'xyzzy' is no algorithm, no environment")
    code, _, err = elsinore("settings", "Pendulum-v2")
    assert code == 2 and "did you mean 'Pendulum-v1'? `elsinore settings` lists" in err


@pytest.mark.parametrize("name", ["ppo", "Rainbow", "CartPole-v1", "sweep"])
def test_settings_are_found_by_a_name_in_any_letters(name, elsinore):
    """A search for PPO in names and meanings found one setting of several agents."""
    found = elsinore("settings", name)
    assert found[0] == 0 and found == elsinore("settings", name.swapcase())


def test_a_file_that_is_called_like_an_installed_module_is_to_be_renamed(elsinore):
    """It was to be given on the Python path, where it is."""
    Path("json.py").write_text("class Walk:\n    pass\n")
    code, _, err = elsinore("check-env", "json:Walk")
    assert code == 2 and f"the installed {json.__file__}, which comes before a file of yours" in err
    for name in ("tests.toys:Wlk", "pickle:Walk"):  # there is no such file here
        assert "with the module on the Python path" in elsinore("check-env", name)[2]


def test_the_version_is_printed(elsinore):
    assert elsinore("--version")[:2] == (0, f"elsinore {__version__}\n")


def test_the_most_used_settings_have_flags(elsinore):
    flags = ["--env-steps", "2e4", "--num-envs", "16", "--learning-rate", "3e-3", "--gamma", ".9"]
    code, out, _ = elsinore("train", "CartPole-v1", "--plan", *flags, "--set", "algo.gamma=0.8")
    assert code == 0
    assert "env steps       19,968 a seed" in out  # 39 updates of 16 x 32 steps
    assert "num_envs=16" in out and "learning_rate=0.003" in out and "gamma=0.8" in out


def test_a_flag_of_a_setting_is_checked_as_the_setting(refused):
    for command in (["train"], ["compare", "CartPole-v1", "--algos", "ppo"]):
        text = refused(*command, "--env-steps", "many")
        assert text.endswith("env_steps='many' must be a whole number.")
    assert refused("train", "--resume", "x", "--gamma", ".9").startswith("a resumed run keeps")


def everything_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture
def refused(elsinore, elsewhere):
    """The one message with which a command is refused; nothing may be left behind."""

    def command(*argv):
        before = everything_in(elsewhere)
        code, out, err = elsinore(*argv)
        assert code == 2, err
        assert out == ""
        assert err.startswith("elsinore: ")
        assert err.count("\n") == 1
        assert everything_in(elsewhere) == before
        return err.removeprefix("elsinore: ").strip()

    return command


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that was trained from the command line, and what was printed meanwhile."""
    runs = tmp_path_factory.mktemp("cli") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        error_text = io.StringIO()
        patch.setattr(sys, "stdout", error_text)
        code = cli.main(
            [
                "train",
                "CartPole-v1",
                "--seeds",
                "2",
                "--name",
                "watch",
                "--runs-dir",
                str(runs),
                *SMALL,
            ]
        )
    return code, error_text.getvalue(), runs / "watch"


# Mistakes

MISTAKES = {
    "an unknown env": (
        ["Cartpole-v1"],
        "env='Cartpole-v1' is unknown; did you mean 'CartPole-v1'?",
    ),
    "an env like no other": (["%"], "env='%' is unknown. `elsinore envs` lists the known ones"),
    "an unknown algorithm": (
        ["CartPole-v1", "--algo", "pppo"],
        "algo='pppo' is unknown; did you mean 'ppo'?",
    ),
    "a preset there is none of": (
        ["pqn/Pendulum-v1"],
        "env='pqn/Pendulum-v1' is unknown; did you mean 'Pendulum-v1'?",
    ),
    "an unknown key": (
        ["--set", "algo.gama=0.9"],
        "algo.gama is not a setting; did you mean 'algo.gamma'?",
    ),
    "an unknown group": (
        ["--set", "evalution.episodes=3"],
        "evalution is not a setting; did you mean 'evaluation'?",
    ),
    "a typo in a value": (["--set", "algo.gamma=o.9"], "algo.gamma='o.9' must be a number."),
    "a typo in a choice": (
        ["--set", "layout=vmpa"],
        "layout='vmpa' is unknown; choose auto, map or vmap.",
    ),
    "no equals sign": (["--set", "algo.gamma"], "--set 'algo.gamma' must have the form name=value"),
    "broken YAML in a value": (
        ["--set", "seeds=[1"],
        "--set seeds: the value '[1' is not valid YAML: ",
    ),
    "minibatches that do not divide": (
        ["CartPole-v1", "--set", "algo.num_minibatches=7"],
        "algo.num_minibatches=7 does not divide the 256 transitions of a rollout"
        " (num_envs=8 x rollout_length=32); "
        "choose a divisor",
    ),
    "no seeds": (["--seeds", "0"], "seeds=0 must be at least 1."),
    "fewer than no seeds": (["--seeds=-3"], "seeds=-3 must be at least 1."),
    "a negative seed": (["--seed=-1"], "seed=-1 must be at least 0"),
    "no steps": (["--set", "env_steps=0"], "env_steps=0 must be at least 1."),
    "negative steps": (["--set", "env_steps=-1"], "env_steps=-1 must be at least 1."),
    "no envs": (["--set", "algo.num_envs=0"], "algo.num_envs=0 must be at least 1."),
    "no episodes": (
        ["--set", "evaluation.episodes=0"],
        "evaluation.episodes=0 must be at least 1.",
    ),
    "less than one update": (
        ["CartPole-v1", "--set", "env_steps=255"],
        "env_steps=255 is less than one update of 256 steps",
    ),
    "a file that is not there": (
        ["--config", "no.yaml"],
        "config no.yaml cannot be read: No such file or directory.",
    ),
    "a folder for a file": (["--config", "."], "config . cannot be read: Is a directory."),
    "a run that is none": (
        ["--resume", "nowhere"],
        "nowhere is not a run (no folder); `elsinore runs` lists",
    ),
    "a folder that is no run": (
        ["--resume", "/dev"],
        "/dev is not a run (a folder without config.yaml)",
    ),
    "a module that is not there": (
        ["no_such_module:World"],
        "env='no_such_module:World' cannot be imported: No module named 'no_such_module'."
        " Give it as 'module:name'",
    ),
    "a class that is not there": (
        ["tests.envs.broken_envs:Wll"],
        "env='tests.envs.broken_envs:Wll' cannot be imported: ",
    ),
    "a class that is no world": (["json:JSONDecoder"], "env='json:JSONDecoder' "),
    "a parameter there is none of": (
        ["CartPole-v1", "--set", "env_params.max_step=3"],
        "env_params.max_step is no parameter of CartPole",
    ),
    "another algorithm's option": (
        ["--algo", "a2c", "--double"],
        "algo.double is a setting of dqn, not of a2c",
    ),
    "an argument that does not fit": (
        ["Catch-bsuite", "--set", "env_kwargs.row=6"],
        "env_kwargs={'row': 6} ",
    ),
    "a world without a limit": (
        ["tests.envs.broken_envs:Endless"],
        "evaluation.max_steps=0 means the environment's own limit, and"
        " tests.envs.broken_envs:Endless has none",
    ),
    "a world whose params are a dataclass of Python": (
        ["tests.envs.broken_envs:PythonParams"],
        "env='tests.envs.broken_envs:PythonParams': default_params is of type OfPython, which jax"
        " cannot compile with; let it be a flax.struct.dataclass, in place of one of Python.",
    ),
    "a name that is a path": (["--name", "a/b"], "name='a/b' is not a folder name; use letters"),
    "a name that is a parent": (["--name", ".."], "name='..' is not a folder name; use letters"),
    "a runs folder that cannot be": (
        ["--runs-dir", "/proc/runs"],
        "runs folder /proc/runs cannot be written: ",
    ),
}


@pytest.mark.parametrize(("argv", "error_text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_with_one_message_and_nothing_is_left_behind(
    refused, argv, error_text
):
    assert refused("train", *argv).startswith(error_text)


@pytest.mark.parametrize("world", ["NotANumber", "GrowingState", "OldDone"])
def test_a_broken_env_is_not_trained_on(refused, world):
    error_text = refused("train", f"tests.envs.broken_envs:{world}")
    assert error_text.startswith(f"env='tests.envs.broken_envs:{world}' fails the check ")


@pytest.mark.parametrize(
    ("name", "source", "why"),
    [
        ("my_import", "import no_such_module", "No module named 'no_such_module'"),
        ("my_syntax", "def World(:", "invalid syntax"),
        ("my_name", "World = nothing", "name 'nothing' is not defined"),
    ],
)
def test_a_custom_env_that_cannot_be_imported_is_refused_with_the_reason(
    refused, elsewhere, monkeypatch, name, source, why
):
    (elsewhere / f"{name}.py").write_text(source)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    error_text = refused("train", f"{name}:World")
    assert error_text.startswith(f"env='{name}:World' cannot be imported: ")
    assert why in error_text


@pytest.mark.parametrize(
    ("text", "error_text"),
    [
        ("", "config settings.yaml is empty"),
        ("- a\n- b\n", "config settings.yaml is a list"),
        ("algo: {gamma: 0.9\n", "config settings.yaml is not valid YAML"),
        ("algo:\n  gama: 0.9\n", "algo.gama is not a setting; did you mean 'algo.gamma'?"),
        ("seeds: -1\n", "seeds=-1 must be at least 1."),
        ("env: Cartpole-v1\n", "env='Cartpole-v1' is unknown; did you mean 'CartPole-v1'?"),
    ],
)
def test_a_mistake_in_a_file_is_refused_alike(refused, elsewhere, text, error_text):
    (elsewhere / "settings.yaml").write_text(text)
    assert refused("train", "--config", "settings.yaml").startswith(error_text)


def test_a_file_in_the_place_of_the_runs_folder_is_left_as_it_is(refused, elsewhere):
    (elsewhere / "runs").write_text("mine")
    error_text = refused("train", "CartPole-v1")
    assert error_text == "--runs-dir runs is a file; give the folder that holds runs."
    assert refused("runs") == error_text
    assert (elsewhere / "runs").read_text() == "mine"


def test_a_run_that_does_not_fit_is_refused(refused, monkeypatch):
    monkeypatch.setattr(planned_memory, "available_bytes", lambda: 1024)
    error_text = refused("train", "CartPole-v1")
    assert "1 KiB are available" in error_text
    assert "lower algo.num_envs=8" in error_text


@pytest.mark.parametrize(
    ("given", "error_text"),
    [
        (["CartPole-v1"], "env"),
        (["--algo", "ppo"], "algo"),
        (["--config", "a.yaml"], "config"),
        (["--seeds", "2"], "seeds"),
        (["--seed", "0"], "seed"),
        (["--name", "other"], "name"),
        (["--set", "env_steps=4000", "--set", "algo.gamma=0.5"], "algo.gamma"),
        (["--from", "other"], "--from"),
    ],
)
def test_a_run_goes_on_as_it_is_or_not_at_all(refused, finished, given, error_text):
    said = refused("train", "--resume", finished[2], *given)
    assert said.startswith(
        "a resumed run keeps its own settings, and only its budget can be changed;"
        f" {error_text} cannot. Leave it out, or begin a new run with `elsinore train --from "
    )


def test_a_run_of_another_folder_is_named_with_it(refused, finished):
    run = finished[2]
    for given in (["--resume", run], ["--resume", run.name, "--runs-dir", run.parent]):
        said = refused("train", *given, "--seed", "0")
        assert f"begin a new run with `elsinore train --from {run}`" in said


def test_a_run_without_a_name_is_not_a_new_run(refused, monkeypatch):
    from elsinore.runs import api

    monkeypatch.setattr(api, "train", lambda *args, **kwargs: pytest.fail("a new run was begun"))
    assert "is not a run" in refused("train", "--resume", "")


def test_a_plan_of_a_run_is_of_no_other(elsinore, finished):
    code, out, err = elsinore("train", "--resume", finished[2], "--plan")
    assert "99,840" not in out  # what a run of default settings would take
    assert code == 0 and "3,840 a seed" in out, err


def test_a_name_that_is_taken_is_refused_and_its_run_stays_as_it_was(refused, finished):
    run = finished[2]
    before = everything_in(run.parent)
    error_text = refused("train", "CartPole-v1", "--name", "watch", "--runs-dir", run.parent)
    assert error_text.startswith("name='watch' is taken in ")
    assert f"`elsinore train --resume {run}`" in error_text
    assert everything_in(run.parent) == before


def test_a_folder_that_is_no_run_takes_a_name_too_and_is_not_offered_to_resume(refused, tmp_path):
    (tmp_path / "notes").mkdir()
    error_text = refused("train", "CartPole-v1", "--name", "notes", "--runs-dir", tmp_path)
    assert error_text.strip().endswith("choose another, for it is no run.")


@pytest.mark.parametrize(
    ("given", "error_text"),
    [
        (["--episodes", "0"], "episodes=0 must be at least 1."),
        (["--episodes=-5"], "episodes=-5 must be at least 1."),
        (["--checkpoint", "newest"], "checkpoint 'newest' is not in "),
        (["--checkpoint", "best/0000000999"], "checkpoint 'best/0000000999' is not in "),
        (["--checkpoint", "periodic"], "checkpoint 'periodic' is not in "),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(refused, finished, given, error_text):
    run = finished[2]
    before = everything_in(run)
    assert refused("evaluate", run, *given).startswith(error_text)
    assert everything_in(run) == before


def test_an_evaluation_of_a_run_that_is_none_is_refused(refused):
    assert refused("evaluate", "nowhere").startswith("nowhere is not a run (no folder)")


def test_a_sweep_and_a_comparison_are_no_runs_and_say_where_theirs_are(refused, tmp_path):
    search, bout = tmp_path / "search", tmp_path / "bout"
    for file in (
        search / "sweep.yaml",
        search / "groups" / "000" / "config.yaml",
        bout / "Env" / "ppo" / "config.yaml",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert (
        f"a sweep, with its runs in {search}/groups; resume it with `elsinore sweep --resume"
        in refused("evaluate", search)
    )
    assert f"a folder of runs, such as {bout}/Env/ppo" in refused("train", "--resume", bout)


@pytest.mark.parametrize(
    ("argv", "error_text"),
    [
        ([], "COMMAND"),
        (["trian"], "argument COMMAND: 'trian' is unknown; did you mean 'train'?"),
        (["completion", "fish"], "argument shell: 'fish' is unknown; known: bash, zsh."),
        (["train", "--seeds", "many"], "argument --seeds: invalid int value: 'many'; see `"),
        (
            ["train", "--sedes", "2"],
            "--sedes is no option of elsinore train; did you mean '--seeds'?",
        ),
        (["train", "--learning_rate=2"], "elsinore train; did you mean '--learning-rate'?"),
        (["train", "--Env-Steps=2"], "elsinore train; did you mean '--env-steps'?"),
        (["train", "--sedes=2"], "--sedes is no option of elsinore train; did you mean '--seeds'?"),
        (
            ["train", "--lr", "0.1"],
            "--lr is no option of elsinore train; give --set algo.learning_rate=",
        ),
        (["train", "--env", "CartPole-v1"], "give ENV without it, as in `elsinore train ENV`."),
        (["train", "--env=Pong-misc"], "give ENV without it, as in `elsinore train Pong-misc`."),
        (["evaluate", "--run", "x"], "give RUN without it, as in `elsinore evaluate RUN`."),
        (["evaluate", "x", "--episod", "4"], "elsinore evaluate; did you mean '--episodes'?"),
        (["train", "--go", "--name", "x"], "elsinore train; did you mean '--go-on'?"),
        (["cache", "replay", "x", "--polic", "x"], "cache replay; did you mean '--policies'?"),
        (["train", "--n-steps=8"], "elsinore train; give --set algo.rollout_length=8."),
        (["train", "--total-timesteps", "9"], "elsinore train; did you mean '--env-steps'?"),
        (["train", "--episodes", "50"], "elsinore train; give --set stop.episodes=VALUE."),
        (
            ["runs", "first"],
            "'first' is one argument too many for elsinore runs; see `",
        ),
        (
            ["compare", "CartPole-v1", "--algos", "ppo,dqn", "--plan"],
            "--plan is no option of elsinore compare; `elsinore train --plan` with the env, the",
        ),
        (
            ["sweep", "x.yaml", "--plan"],
            "--plan is no option of elsinore sweep; `elsinore train --",
        ),
        (["cache", "replay", "--polices", "x"], "--polices is no option of elsinore cache replay"),
        (["play", "CartPole-v1", "--max-steps", "9"], "elsinore play; did you mean '--"),
        (
            ["play", "CartPole-v1", "--max-episode-steps=9"],
            "give --set env_params.max_steps_in_episode=9.",
        ),
        (
            ["train", "--hidden=[64,64]"],
            "elsinore train; give --set 'algo.network.hidden=[64,64]'.",
        ),
        (["check-algo", "ppo", "--seeds", "3"], "--seeds is no option of elsinore check-algo; did"),
        (["check-algo", "ppo", "--gamma", "1"], "check-algo; give --set algo.gamma=VALUE."),
        (["report", "runs/a", "-o", "x"], "-o is no option of elsinore report; did you mean '--"),
        (["evaluate"], "RUN"),
        (["check-env"], "ENV"),
    ],
)
def test_a_command_that_is_none_is_refused_with_how_to_write_it(
    elsinore, elsewhere, argv, error_text
):
    code, out, err = elsinore(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("elsinore: ") and err.count("\n") == 1
    assert error_text in err
    assert not everything_in(elsewhere)


# --plan


def test_a_plan_is_printed_and_nothing_is_written(elsinore, elsewhere):
    code, out, err = elsinore("train", "CartPole-v1", "--seeds", "3", "--plan")
    assert (code, err) == (0, "")
    facts = {line[:15].strip(): line[16:] for line in out.splitlines()}
    assert facts["env steps"] == "99,840 a seed, 299,520 in all"
    assert facts["updates"].startswith("390 a seed")
    assert facts["chunks"].startswith("21, each of at most 19 updates")
    assert facts["preset"] == "ppo/CartPole-v1"
    assert facts["settings"].startswith("num_envs=8 rollout_length=32 num_minibatches=1 ")
    assert "gamma=0.98" in out and "network.hidden=[64,64]" in out and "rnd." not in out
    assert facts["parameters"] == "9,155 a seed"
    assert facts["bytes on device"].split()[0].replace(",", "").isdigit()
    assert not everything_in(elsewhere)


def test_a_plan_says_that_there_is_no_preset(elsinore):
    _, out, _ = elsinore("train", "Pong-misc", "--algo", "pqn", "--plan")
    assert "preset          none for pqn/Pong-misc: the algorithm's defaults" in out


def test_a_plan_that_does_not_fit_is_printed_and_refused(elsinore, monkeypatch):
    monkeypatch.setattr(planned_memory, "available_bytes", lambda: 1024)
    code, out, err = elsinore("train", "CartPole-v1", "--plan")
    assert code == 2
    assert "bytes on device" in out
    assert err.startswith("elsinore: this run needs about ")


def test_a_plan_takes_everything_that_training_takes(elsinore, elsewhere):
    (elsewhere / "mine.yaml").write_text("env: UmbrellaChain-bsuite\nenv_steps: 1e4\n")
    code, out, _ = elsinore(
        "train",
        "--config",
        "mine.yaml",
        "--algo",
        "ppo",
        "--seed",
        "5",
        "--set",
        "seeds=2",
        "--plan",
    )
    assert code == 0
    assert "UmbrellaChain-bsuite" in out
    assert "2 (5 to 6)" in out
    assert "9,728 a seed" in out


def test_double_is_short_for_its_setting():
    given = (
        cli.elsinore_parser()
        .parse_args(["train", "CartPole-v1", "--set", "algo.gamma=0.9", "--double"])
        .assignments
    )
    assert given == ["algo.gamma=0.9", "algo.double=true"]


# train, evaluate, runs


def test_training_ends_with_0_and_prints_its_results(finished):
    code, out, run = finished
    assert code == 0
    assert "ppo on CartPole-v1: finished after 3,840 env steps a seed" in out
    assert "seed 0: " in out and "seed 1: " in out
    assert f"{run}/" in out
    assert (run / "summary.json").is_file()


def test_a_finished_run_resumed_prints_its_results_again(elsinore, finished):
    run = finished[2]
    before = (run / "summary.json").read_bytes()
    code, out, _ = elsinore("train", "--resume", run)
    assert code == 0
    assert "finished after 3,840 env steps a seed" in out
    assert (run / "summary.json").read_bytes() == before


def test_an_evaluation_can_be_read_by_machines(elsinore, finished):
    run = finished[2]
    code, out, _ = elsinore("evaluate", run, "--episodes", "4", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["checkpoint"].startswith("best/")  # the default
    assert (found["episodes"], found["greedy"], len(found["per_seed"])) == (4, True, 2)
    assert found["mean"] == pytest.approx(sum(found["per_seed"]) / 2)


def evaluated(returns: list[list[float]]) -> Episodes:
    found = np.array(returns)
    return Episodes(found, np.ones(found.shape, int), np.ones(found.shape, bool), {})


def test_a_return_that_is_not_finite_is_null_in_json(elsinore, monkeypatch):
    run = SimpleNamespace(
        checkpoint=lambda which: SimpleNamespace(name="best/1"),
        episodes=lambda *_: evaluated([[np.nan], [np.inf]]),
        experiment=load_experiment("CartPole-v1", overrides={"seeds": 2}),
    )
    monkeypatch.setattr("elsinore.runs.api.load", lambda *_, **__: run)
    code, out, _ = elsinore("evaluate", "run", "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and found["per_seed"] == [None, None] and found["mean"] is None


def test_statistics_of_a_population_are_of_its_best_member():
    settings = {"seeds": 2, "vary": {"algo.gamma": [0.9, 0.99]}}
    experiment = load_experiment("CartPole-v1", overrides=settings)
    returns, names = [1.0, 2.0, 5.0, 7.0], ["algo.gamma=0.9", "algo.gamma=0.99"]
    assert seeds_and_members(experiment, returns, [False] * 4) == (
        [5.0, 7.0],
        {"best_member": 1, "members": names},
    )
    assert seeds_and_members(experiment, returns, [False, False, False, True]) == (
        [1.0, 2.0],
        {"best_member": 0, "members": names},
    )


def test_a_member_that_has_diverged_is_not_the_best_of_an_evaluation(elsinore, monkeypatch):
    """Parameters that are not finite take the first action, which may be worth much."""
    convergence = SimpleNamespace(diverged_at=np.array([-1, 8]))
    run = SimpleNamespace(
        path=Path("runs/run"),
        checkpoint=lambda *_: SimpleNamespace(name="latest/0000000008"),
        episodes=lambda *_: evaluated([[1.0], [9.0]]),
        experiment=load_experiment("CartPole-v1", overrides={"vary": {"algo.gamma": [0.9, 0.99]}}),
        state=lambda which, buffers: SimpleNamespace(convergence=convergence),
    )
    monkeypatch.setattr("elsinore.runs.api.load", lambda *_, **__: run)
    code, out, _ = elsinore("evaluate", "run", "--json")
    found = json.loads(out)
    assert (code, found["best_member"], found["mean"]) == (0, 0, 1.0)
    assert found["per_seed"] == [1.0, 9.0]


def test_an_evaluation_can_be_read_by_people_and_be_of_the_last(elsinore, finished):
    run = finished[2]
    code, out, _ = elsinore(
        "evaluate", "watch", "--runs-dir", run.parent, "--checkpoint", "latest", "--episodes", "4"
    )
    assert code == 0
    first, *seeds = out.splitlines()
    assert first.startswith(f"{run}, latest/") and first.endswith(": 4 episodes a seed, greedy")
    assert [line.split(":")[0].strip() for line in seeds] == ["seed 0", "seed 1"]


def test_checkpoints_are_listed_and_the_best_is_marked(elsinore, finished):
    run = finished[2]
    code, out, _ = elsinore("checkpoints", run)
    head, *rows, note = out.splitlines()
    assert code == 0 and head.split()[:4] == ["name", "update", "env", "steps"]
    (best,) = [row for row in rows if row.startswith("* ")]
    name = best.split()[1]
    assert name.startswith("best/") and note.startswith(
        f"* the best; play, evaluate and export use {name}"
    )
    assert any(row.split()[:3] == ["latest/0000000015", "15", "3,840"] for row in rows)
    code, out, _ = elsinore("checkpoints", run, "--json")
    assert code == 0
    listed = json.loads(out)
    assert {each["kind"] for each in listed} == {"latest", "best"}
    assert [each["name"] for each in listed if each["best"]] == [name]


def test_of_a_curriculum_that_evaluates_stages_the_latest_checkpoint_is_used(
    elsinore, finished, tmp_path
):
    run = shutil.copytree(finished[2], tmp_path / "run")
    config = yaml.safe_load((run / "config.yaml").read_text())
    stages = [{"advance_when": {"metric": "steps", "at_least": 1}}, {}]
    config["curriculum"] = {"evaluate_on": "stage", "stages": stages}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    code, out, _ = elsinore("checkpoints", run)
    assert code == 0
    assert out.splitlines()[-1] == (
        "* the best; play, evaluate and export use latest/0000000015 by default; --resume continues"
        " from the newest"
    )


def test_where_there_are_no_runs_the_list_says_how_to_make_one(elsinore, elsewhere):
    assert elsinore("runs") == (
        0,
        "no runs in runs; start one with `elsinore train CartPole-v1`\n",
        "",
    )
    assert not everything_in(elsewhere)
    code, out, _ = elsinore("runs", "--runs-dir", "my runs")
    assert code == 0
    assert out.endswith("one with `elsinore train CartPole-v1 --runs-dir 'my runs'`\n")


@pytest.mark.parametrize("argv", [("watch",), ("train", "CartPole-v1")])
def test_in_a_folder_that_was_deleted_commands_say_so(refused, elsewhere, monkeypatch, argv):
    (elsewhere / "gone").mkdir()
    monkeypatch.chdir(elsewhere / "gone")
    (elsewhere / "gone").rmdir()
    assert "the current folder was deleted; `cd` to one that exists." in refused(*argv)


def test_an_import_that_fails_in_a_deleted_folder_is_laid_to_it(refused, elsewhere, monkeypatch):
    def lacking(args):
        raise SystemError("error return without exception set")

    monkeypatch.setattr("elsinore.cli.runs.runs_command", lacking)
    (elsewhere / "gone").mkdir()
    monkeypatch.chdir(elsewhere / "gone")
    (elsewhere / "gone").rmdir()
    assert "the current folder was deleted" in refused("runs")


def test_the_failure_of_a_library_in_use_here_is_not_laid_to_custom_code(elsinore, monkeypatch):
    monkeypatch.setattr("elsinore.cli.runs.runs_command", partial(Image.new, "RGB"))
    code, _, err = elsinore("runs")
    assert code == 1 and err.startswith("elsinore: ValueError: ") and "custom" not in err


def test_runs_are_listed_with_their_state_and_return(elsinore, finished, elsewhere):
    run = finished[2]
    runs = elsewhere / "runs"
    (runs / "abandoned").mkdir(parents=True)
    (runs / "abandoned" / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    (runs / "broken").mkdir()
    (runs / "broken" / "config.yaml").write_text("")
    (runs / "watch").symlink_to(run)
    (
        runs / ".unborn.3f9a0c12b4de"
    ).mkdir()  # what a kill leaves between a run's folder and its name
    (runs / ".unborn.3f9a0c12b4de" / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    (runs / "notes.txt").write_text("not a run")
    code, out, _ = elsinore("runs")
    assert code == 0
    header, abandoned, broken, watch = out.splitlines()
    assert header.split() == ["run", "state", "seeds", "env", "steps", "return", "(IQM)"]
    assert abandoned.split() == ["abandoned", "interrupted", "2", "0", "-"]
    assert broken.startswith("broken") and "unreadable: config " in broken
    iqm = json.loads((run / "summary.json").read_text())["eval_return"]["iqm"]
    assert watch.split() == ["watch", "finished", "2", "3,840", format_number(iqm)]
    code, out, _ = elsinore("runs", "--json")
    rows = {row.pop("run"): row for row in json.loads(out)}
    assert code == 0
    begun = {"state": "interrupted", "seeds": 2, "env_steps": 0, "return": None}
    assert rows["abandoned"] == {**begun, "unread": []}
    assert rows["broken"].pop("state").startswith("unreadable: config ")
    ended = {"state": "finished", "seeds": 2, "env_steps": 3840, "return": iqm, "unread": []}
    assert rows["watch"] == ended


def test_a_list_of_no_runs_is_json_too(elsinore, elsewhere):
    assert elsinore("runs", "--json")[:2] == (0, "[]\n")


# compare, report


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison that was made from the command line, and what was printed meanwhile."""
    runs = tmp_path_factory.mktemp("compare") / "runs"
    slow = "slow=ppo:algo.learning_rate=0.00001:algo.network.hidden=[16]"
    with pytest.MonkeyPatch.context() as patch:
        error_text = io.StringIO()
        patch.setattr(sys, "stdout", error_text)
        argv = [
            "compare",
            "--env",
            "CartPole-v1",
            "--algos",
            "ppo",
            "--algo",
            slow,
            "--seeds",
            "2",
            "--env-steps",
            "4000",
        ]
        code = cli.main(
            [*argv, "--name", "bout", "--runs-dir", str(runs), *SMALL[1:], "--threshold", "9"]
        )
    return code, error_text.getvalue(), runs / "bout"


@pytest.mark.slow
def test_a_comparison_ends_with_0_and_says_what_can_be_said(compared):
    code, out, folder = compared
    assert code == 0
    assert "[1/2] CartPole-v1, ppo: training 2 seeds, 4,000 env steps each" in out
    (row,) = (line.split() for line in out.splitlines() if line.startswith("CartPole-v1  "))
    assert row[:3] == ["CartPole-v1", "ppo", "2"]
    assert row[-3].endswith("/2")  # reached the threshold
    assert f"report: {folder / 'report.html'}" in out
    assert (folder / "report.html").is_file()


def test_its_runs_are_runs_like_any_other(elsinore, compared):
    runs = compared[2].parent
    code, out, _ = elsinore("runs", "--runs-dir", runs)
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["bout/CartPole-v1/ppo", "finished"],
        ["bout/CartPole-v1/slow", "finished"],
    ]
    code, out, _ = elsinore(
        "evaluate", "bout/CartPole-v1/slow", "--runs-dir", runs, "--episodes", "4", "--json"
    )
    assert code == 0
    assert len(json.loads(out)["per_seed"]) == 2


def test_a_report_of_any_runs_is_written_where_it_is_wanted(
    elsinore, compared, finished, elsewhere
):
    runs = [f"mine={finished[2]}", compared[2]]
    code, out, _ = elsinore("report", *runs, "--out", "here", "--threshold", "CartPole-v1=1e6")
    assert code == 0
    assert "report: here/report.html" in out
    assert everything_in(elsewhere) >= {
        "here/report.html",
        "here/report.md",
        "here/figures/curves.png",
    }
    rows = [line.split() for line in out.splitlines() if "0/2" in line]
    assert [row[1] if row[0] == "CartPole-v1" else row[0] for row in rows] == [
        "mine",
        "ppo",
        "slow",
    ]


def test_a_report_of_a_comparison_alone_replaces_its_own(elsinore, compared, elsewhere):
    before = (compared[2] / "report.md").read_text()
    code, out, _ = elsinore("report", compared[2], "--threshold", "1234")
    assert code == 0
    assert not everything_in(elsewhere)
    assert "1,234" in (compared[2] / "report.md").read_text() and "1,234.0" not in before


@pytest.mark.parametrize(
    ("argv", "error_text"),
    [
        (["compare", "Cartpole-v1", "--algos", "ppo"], "Cartpole-v1, ppo: env='Cartpole"),
        (["compare", "--algos", "ppo"], "no environment is named; give --env"),
        (
            ["compare", "--env", "CartPole-v1", "--algos", "ppo,pppo"],
            "CartPole-v1, pppo: algo='pppo' is unknown; did",
        ),
        (
            ["compare", "--env", "Cartpole-v1", "--algos", "ppo"],
            "Cartpole-v1, ppo: env='Cartpole-v1' is unknown; did",
        ),
        (
            ["compare", "--env", "CartPole-v1", "--algos", ","],
            "--algos (in Python, algos) is empty",
        ),
        (
            ["compare", "--env", "CartPole-v1", "--algos", "ppo", "--seeds", "0"],
            "CartPole-v1, ppo: seeds=0 must be at",
        ),
        (
            ["compare", "--env", "CartPole-v1", "--algos", "ppo", "--env-steps", "9"],
            "CartPole-v1, ppo: env_steps=9 is",
        ),
        (
            ["compare", "--env", "CartPole-v1", "--algos", "ppo", "--threshold", "x"],
            "--threshold 'x' must be a return",
        ),
        (
            ["compare", "--env", "CartPole-v1", "--algos", "ppo", "--name", "a/b"],
            "name='a/b' is not a folder name",
        ),
        (
            ["compare", "--env", "CartPole-v1", "--algos", "ppo", "--runs-dir", "/proc/x"],
            "runs folder /proc/x",
        ),
        (
            ["report", "nowhere"],
            "nowhere is neither a run nor a comparison; `elsinore runs` lists the runs in runs",
        ),
        (["report", "nowhere", "--reference", "x"], "--reference 'x' must be ENV=LOW:HIGH"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused_and_nothing_is_left_behind(
    refused, argv, error_text
):
    assert refused(*argv).startswith(error_text)


# envs, check-env, help


def test_envs_are_listed_and_those_with_a_preset_say_so(elsinore):
    code, out, _ = elsinore("envs")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    best = "ppo, a2c, dqn, pqn, rainbow, c51, qrdqn, iqn, sample_efficient"
    assert f"CartPole-v1 float32 4 one of 2 500 22.5 .. 500 {best}" in lines
    assert "PointRobot-misc float32 6 float32 2 100" in lines
    code, out, _ = elsinore("envs", "--json")
    cartpole = next(info for info in json.loads(out) if info["name"] == "CartPole-v1")
    assert (cartpole["time_limit"], cartpole["best_return"]) == (500, 500.0)


def test_the_libraries_of_environments_are_listed_with_what_installs_them(elsinore, monkeypatch):
    from elsinore.envs import suites

    monkeypatch.setattr(suites, "is_installed", lambda suite: suite == "pgx")
    code, out, _ = elsinore("envs")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0 and "navix/... pip install 'elsinore[navix]' Apache-2.0" in lines
    assert "pgx/... installed Apache-2.0; minatar-* GPL-3.0" in lines
    code, _, err = elsinore("envs", "navix")
    assert code == 2 and "pip install 'elsinore[navix]'" in err
    code, out, err = elsinore("envs", "jumanj")
    assert (code, err) == (2, "elsinore: suite='jumanj' is unknown; did you mean 'jumanji'?\n")
    assert out == ""


def test_a_sound_env_passes_the_check(elsinore):
    code, out, err = elsinore("check-env", "tests.envs.broken_envs:Wall")
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()} == {"ok"}


def test_check_env_names_the_check_that_a_broken_env_fails(elsinore):
    code, out, err = elsinore("check-env", "tests.envs.broken_envs:NotANumber")
    assert code == 2
    assert [line for line in out.splitlines() if line.startswith("FAIL float32: ")]
    assert err == "elsinore: tests.envs.broken_envs:NotANumber fails 1 check: float32.\n"


def test_an_env_that_is_merely_odd_passes_with_a_warning(elsinore):
    code, out, _ = elsinore("check-env", "tests.envs.broken_envs:OutOfBounds")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("warn spaces: ")]


@pytest.mark.parametrize("env", ["Cartpole-v1", "no_such_module:World", "json:JSONDecoder"])
def test_an_env_that_is_none_cannot_be_checked(refused, env):
    assert f"env='{env}' " in refused("check-env", env)


# Processes


def process(*argv, **options):
    return subprocess.run(
        [sys.executable, *argv],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
        **options,
    )


def test_help_needs_nothing_heavy():
    program = (
        "import contextlib, sys\nfrom elsinore import cli\nhelps = [[command, '--help'] for command"
        " in ('train', 'evaluate', 'compare', 'report')]\nfor argv in (['--help'], *helps,"
        " ['train', '--seeds', 'x']):\n    with contextlib.suppress(SystemExit):\n       "
        " cli.main(argv)\nprint(sorted({'jax', 'numpy', 'flax', 'yaml', 'gymnax', 'mlflow',"
        " 'matplotlib'} & set(sys.modules)))\n"
    )
    done = process("-c", program)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("module", ["elsinore", "elsinore.cli"])
def test_the_process_ends_with_the_commands_code(elsewhere, module):
    runs = elsewhere / "runs"
    done = process("-m", module, "train", "Cartpole-v1", "--runs-dir", str(runs))
    assert done.returncode == 2
    assert done.stderr.startswith(
        "elsinore: env='Cartpole-v1' is unknown; did you mean 'CartPole-v1'?"
    )
    assert done.stderr.count("\n") == 1
    assert not runs.exists()


def test_a_script_is_its_command(elsewhere):
    done = process(
        "scripts/train.py", "--set", "seeds", env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert done.returncode == 2
    assert done.stderr.startswith("elsinore: --set 'seeds' must have the form name=value")


@pytest.mark.parametrize("is_first", [True, False])
def test_of_several_processes_the_first_has_the_page(is_first, monkeypatch):
    """Another's page would be of a run that is named by its own clock."""
    begun = []
    monkeypatch.setattr(cli.train, "_join", lambda place: None)
    monkeypatch.setattr(processes, "is_first", lambda: is_first)
    page = SimpleNamespace(terminate=lambda: begun.append("ended"))
    monkeypatch.setattr(cli.train, "_start_page", lambda *_: begun.append("page") or page)
    monkeypatch.setattr(cli.train, "_train_or_resume", refuse)
    call = ["train", "CartPole-v1", "--watch", "--distributed", "localhost:1,2,0"]
    assert cli.main(call) == 2
    assert begun == ["page", "ended"] * is_first  # for a refused command there is none


def test_the_page_of_a_run_that_another_process_trains_is_not_opened(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(server, "start_beside", begun.append)
    folder = RunDir.create(tmp_path, "first", load_experiment("CartPole-v1"))
    command = ["train", "--watch", "--runs-dir", str(tmp_path)]
    assert cli.main([*command, "--resume", "first"]) == 2 and begun == []
    folder.unlock()
    page = SimpleNamespace(terminate=lambda: begun.append("ended"))
    monkeypatch.setattr(server, "start_beside", lambda path: begun.append(path) or page)
    assert cli.main([*command, "CartPole-v1", "--name", "first"]) == 2
    assert begun == [tmp_path / "first", "ended"]


def refuse(*_):
    raise ConfigError("refused")
