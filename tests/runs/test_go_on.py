"""One command begins a run, goes on with it, and returns it when it is finished."""

import json

import pytest

import elsinore
from elsinore import cli
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.jaxtools import processes
from elsinore.runs import api, session
from elsinore.runs.checkpoints.directory import list_checkpoints
from elsinore.runs.checkpoints.manifest import digest_of
from elsinore.runs.lineage.go_on import begun_run
from elsinore.runs.run_dir import RunDir
from tests.runs.conftest import TINY, assert_same_run, train_tiny


def killed(*_):
    raise KeyboardInterrupt


def assignments(settings: dict) -> list[str]:
    return [f"--set={name}={str(value).lower()}" for name, value in settings.items()]


COMMAND = ["train", "CartPole-v1", "--seeds", "2", "--name", "job", "--go-on", "--grace", "600"]
COMMAND += assignments(TINY)


def test_a_command_that_is_repeated_goes_on_and_ends_as_one_that_was_never_stopped(
    tmp_path, monkeypatch
):
    command = [*COMMAND, "--runs-dir", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(session, "_compiled", killed)
        assert cli.main(command) == 130
    assert not (tmp_path / "job" / "summary.json").exists()
    assert cli.main(command) == 0
    assert_same_run(tmp_path / "job", train_tiny(tmp_path, "whole").path)
    before = (tmp_path / "job" / "summary.json").read_bytes()
    assert cli.main(command) == 0
    assert (tmp_path / "job" / "summary.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", "whole"]


def test_of_two_commands_at_the_same_moment_the_second_learns_that_the_first_trains(
    tmp_path, monkeypatch, capsys
):
    planned = api.checked_plan
    other = []

    def begun_by_another(experiment, *args, **rest):  # while this one makes its plan
        other.append(RunDir.create(tmp_path, "job", experiment))
        return planned(experiment, *args, **rest)

    monkeypatch.setattr(api, "checked_plan", begun_by_another)
    assert cli.main([*COMMAND, "--runs-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(
        f"elsinore: {tmp_path}/job is being trained by another process"
    )
    assert cli.main([*COMMAND, "--runs-dir", str(tmp_path)]) == 2
    assert "job is being trained by another process" in capsys.readouterr().err
    other[0].unlock()


def test_a_lengthened_run_goes_on_by_the_command_with_its_new_budget(tmp_path, capsys):
    run = train_tiny(tmp_path, "job", {"env_steps": 256})
    elsinore.resume(run, env_steps=512)
    before = (run.path / "summary.json").read_bytes()
    command = [*COMMAND, "--env-steps", "512", "--runs-dir", str(tmp_path)]
    assert cli.main(command) == 0, capsys.readouterr().err
    assert (run.path / "summary.json").read_bytes() == before
    assert cli.main([*command, "--env-steps", "256"]) == 2
    assert "then and now: env_steps 512, 256. Repeat" in capsys.readouterr().err


ACCEPTED = {"--accept-versions": "other versions", "--fall-back": "is broken"}


@pytest.mark.parametrize("option", ACCEPTED)
def test_what_a_resumed_run_may_accept_the_command_accepts_that_goes_on(option, tmp_path, capsys):
    run = train_tiny(tmp_path, "job", {"env_steps": 512, "checkpoints.period": 1})
    run.path.joinpath("summary.json").unlink()
    newest, *older = list_checkpoints(run.path / "checkpoints")
    for each in [newest] if option == "--fall-back" else [newest, *older]:
        manifest = json.loads((each.path / "manifest.json").read_text()) | {"digest": ""}
        if option == "--accept-versions":
            manifest["versions"]["jax"] = "0.0.1"
            manifest["digest"] = digest_of({k: v for k, v in manifest.items() if k != "digest"})
        (each.path / "manifest.json").write_text(json.dumps(manifest, indent=1))
    command = [*COMMAND, "--env-steps", "512", "--set", "checkpoints.period=1"]
    command += ["--runs-dir", str(tmp_path)]
    assert cli.main(command) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert ACCEPTED[option] in said and option in said.replace("Pass", "pass")
    assert cli.main([*command, option]) == 0, capsys.readouterr().err


def test_python_goes_on_with_an_env_object(tmp_path):
    from tests.small_envs import Corridor

    overrides = TINY | {"env_steps": 1024}
    given = {"overrides": overrides, "name": "own", "runs_dir": tmp_path, "go_on": True}
    given["check"] = False
    first = elsinore.train(Corridor(), **given)
    again = elsinore.train(Corridor(), **given)
    assert again.path == first.path and again.summary == first.summary


def test_a_run_that_ends_by_episodes_is_lengthened_in_episodes(tmp_path):
    experiment = load_experiment("CartPole-v1", overrides={"stop.episodes": 9})
    RunDir.create(tmp_path, "job", experiment).unlock()
    more = load_experiment("CartPole-v1", overrides={"stop.episodes": 10})
    with pytest.raises(ConfigError, match=r"\(with --set stop\.episodes=N for another budget\)"):
        begun_run(tmp_path, "job", more)


REFUSED = {
    "no name": (["train", "--go-on"], "needs --name"),
    "other settings": (
        [*COMMAND, "--set", "algo.gamma=0.5"],
        "has other settings; then and now: algo.gamma 0.98, 0.5. Repeat the command",
    ),
    "another algorithm": (
        ["train", "CartPole-v1", "--name", "job", "--go-on", "--algo", "dqn"],
        "then and now: algo.name 'ppo', 'dqn'; seeds 2, 1; ",
    ),
    "another budget": ([*COMMAND, "--env-steps", "99999"], "--env-steps N for another budget"),
    "beside --resume": (["train", "--resume", "job", "--go-on"], "--go-on cannot. Leave it out"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    train_tiny(folder, "job", {"env_steps": 256})
    return folder


@pytest.mark.parametrize("case", REFUSED)
def test_another_run_is_refused_before_anything_is_written(case, runs, capsys):
    argv, reason = REFUSED[case]
    budget = [] if case == "another budget" or "--resume" in argv else ["--env-steps", "256"]
    before = (runs / "job" / "config.yaml").read_bytes()
    assert cli.main([*argv, *budget, "--runs-dir", str(runs)]) == 2
    err = capsys.readouterr().err
    assert reason in err and err.count("\n") == 1
    assert (runs / "job" / "config.yaml").read_bytes() == before


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    (tmp_path / "job").mkdir()
    assert cli.main([*COMMAND, "--runs-dir", str(tmp_path)]) == 2
    assert "job" in capsys.readouterr().err


def test_a_name_that_is_a_link_to_nothing_is_refused_as_such(tmp_path, capsys):
    (tmp_path / "job").symlink_to("/mnt/gone")
    for command in (COMMAND, ["train", "--resume", "job"]):
        assert cli.main([*command, "--runs-dir", str(tmp_path)]) == 2
        said = "job is not a run (a link to /mnt/gone, where no folder is); `elsinore runs"
        assert said in capsys.readouterr().err


def test_a_failure_to_go_on_is_announced_once_to_the_other_processes(tmp_path, monkeypatch):
    announced = []
    monkeypatch.setattr(processes, "fail", announced.append)
    monkeypatch.setattr(api, "begun_run", lambda *_: RunDir(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="is not a run") as failure:
        elsinore.train("CartPole-v1", name="gone", go_on=True, runs_dir=tmp_path)
    assert announced == [str(failure.value)]
