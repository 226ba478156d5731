"""Code that a run's files name is imported if this user made the run or allows it, and never by
looking."""

import builtins
import contextlib
import importlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

import elsinore
from elsinore.algos.registry import algorithm
from elsinore.analysis.compare import api as comparisons
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.cli import arguments, main
from elsinore.config.load import load_experiment, with_settings
from elsinore.config.load_sweep import load_sweep
from elsinore.config.parse import as_dict
from elsinore.config.plan import plan_for
from elsinore.config.search import SweepTrial, trial_groups
from elsinore.config.yaml_files import read_yaml, yaml_text
from elsinore.envs import make
from elsinore.errors import ConfigError
from elsinore.imports import UntrustedName, import_object
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.manifest import digest_of
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store
from elsinore.runs.trust import named_code, signature
from elsinore.view.play import env_to_play, episodes_of
from tests.page.conftest import TOKEN, serving
from tests.runs.conftest import TINY

# A module that leaves a mark when it is imported, and names of the standard library.
MODULE = """
from dataclasses import dataclass
from os import system
from pathlib import Path
from shutil import rmtree
from subprocess import run
from gymnax.environments.classic_control.cartpole import CartPole
from elsinore.algos.ppo import PPOConfig, ppo

Path("MARK").write_text("imported")

class World(CartPole):
    pass

def learner(config: PPOConfig, env, env_params, num_updates, network=None):
    return ppo(config, env, env_params, num_updates, network)

def teacher(env):
    raise ValueError("called")
"""


class Stranger:
    """Another user's run in a folder, whose config names code."""

    def __init__(self, path: Path, mark: Path):
        self.path, self.mark = path, mark

    @property
    def was_imported(self) -> bool:
        return self.mark.exists()

    def naming(self, **settings) -> "Stranger":
        """The run with other settings, in its checkpoints too: a manifest can be forged."""
        overwrite(self.path, settings)
        for found in checkpoints.list_checkpoints(self.path / "checkpoints"):
            manifest = found.manifest | {"config": read_yaml(self.path / "config.yaml")}
            manifest["digest"] = digest_of(manifest)
            (found.path / "manifest.json").write_text(json.dumps(manifest, indent=1))
        return self

    def unfinished(self) -> "Stranger":
        (self.path / "summary.json").unlink()
        return self

    def replay(self, **about) -> Path:
        """A replay of three steps in CartPole, said to be of the run's own environment."""
        (episode,) = episodes_of("CartPole-v1")
        film = episode_recording.recording_of(
            episode.recording, episode.params, {"env": "CartPole-v1"}
        )
        env = read_yaml(self.path / "config.yaml")["env"]
        recording = film._replace(about=film.about | {"env": env} | about)
        return replays.write(self.path / "replays" / "0000000008-seed0.npz", recording)


def overwrite(run: Path, settings: dict) -> None:
    data = read_yaml(run / "config.yaml")
    for name, value in settings.items():
        *parents, last = name.split("__")
        here = data
        for parent in parents:
            here = here[parent]
        here[last] = value
    (run / "config.yaml").write_text(yaml.safe_dump(data, sort_keys=False))


@pytest.fixture
def stranger(whole, tmp_path, monkeypatch) -> Iterator[Stranger]:
    mark = tmp_path / "mark"
    (tmp_path / "strange_code.py").write_text(MODULE.replace('"MARK"', repr(str(mark))))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "strange_code", raising=False)
    run = tmp_path / "runs" / "stranger"
    shutil.copytree(whole, run)
    (run / "config.signature").unlink()
    yield Stranger(run, mark).naming(env="strange_code:World")
    sys.modules.pop("strange_code", None)


def cli(*argv) -> int:
    return main([str(part) for part in argv])


# Looking


LOOKS = {
    "runs": lambda run: cli("runs", "--runs-dir", run.parent),
    "report": lambda run: cli("report", run, "--out", run.parent / "report"),
    "report in Python": lambda run: comparisons.report(run, out=run.parent / "report"),
    "metrics as JSON": lambda run: cli("export", run, "--format", "json"),
    "load": elsinore.load,
    "repr": lambda run: repr(elsinore.load(run)),
    "experiment": lambda run: elsinore.load(run).experiment.algo.name,
    "summary": lambda run: elsinore.load(run).summary,
    "metrics": lambda run: elsinore.load(run).metrics,
    "checkpoint": lambda run: elsinore.load(run).checkpoint("best"),
    "query": lambda run: elsinore.query(run),
}
NAMED = {
    "an environment": {"env": "strange_code:World"},
    "an algorithm": {"env": "CartPole-v1", "algo__name": "strange_code:learner"},
    "a network": {"env": "CartPole-v1", "algo__network__custom": "strange_code:World"},
    "an encoder": {"env": "CartPole-v1", "algo__network__encoder": "strange_code:World"},
    "a teacher": {"env": "CartPole-v1", "imitation": {"teacher": "strange_code:teacher"}},
    "a wrapper": {"env": "CartPole-v1", "wrappers": ["flatten", "strange_code:teacher"]},
    "a function of a wrapper": {
        "env": "CartPole-v1",
        "wrappers": [{"shape_reward": {"potential": "strange_code:teacher"}}],
    },
}
each_kind = pytest.mark.parametrize("settings", NAMED.values(), ids=NAMED)


def looks_and_settings():
    """Every look at every kind of setting; a report draws figures, which takes a second."""
    for look in LOOKS:
        for kind in NAMED:
            slow = look.startswith("report") and kind not in ("an environment", "a network")
            marks = [pytest.mark.slow] * slow
            yield pytest.param(LOOKS[look], NAMED[kind], id=f"{look}-{kind}", marks=marks)


@pytest.mark.parametrize(("look", "settings"), looks_and_settings())
def test_looking_at_a_run_imports_nothing_that_it_names(stranger, settings, look, capsys):
    look(stranger.naming(**settings).path)
    assert not stranger.was_imported
    assert "unreadable" not in capsys.readouterr().out


@each_kind
def test_a_list_of_unfinished_runs_imports_nothing_not_even_of_ones_own(stranger, settings, capsys):
    run = stranger.naming(**settings).unfinished().path
    for signed in (False, True):
        signature.sign(run / "config.yaml") if signed else None
        assert cli("runs", "--runs-dir", run.parent) == 0
        assert "interrupted" in capsys.readouterr().out and not stranger.was_imported


@pytest.mark.slow
def test_a_module_in_the_current_folder_stands_in_for_none_that_is_installed(stranger):
    (stranger.path.parent / "yaml.py").write_text("raise SystemExit('imported')")
    (stranger.path.parent / "mine.py").write_text("World = 3\n")
    # -P: as the installed command, without the folder that -m puts first
    command = [sys.executable, "-P", "-m", "elsinore.cli"]

    def run(*argv):
        return subprocess.run(
            [*command, *argv], cwd=stranger.path.parent, capture_output=True, text=True
        )

    listed = run("runs", "--runs-dir", ".")
    assert listed.returncode == 0 and "stranger" in listed.stdout
    assert "env='mine:World' is of type int" in run("train", "mine:World", "--plan").stderr


@pytest.mark.parametrize("damage", ["none", "a chunk is missing", "nothing can be read"])
def test_repairing_a_strangers_run_imports_nothing(stranger, damage, capsys):
    database = stranger.unfinished().path / "metrics.sqlite"
    if damage == "a chunk is missing":
        with contextlib.closing(Store(database)) as store:
            store.forget_after(36)
    elif damage == "nothing can be read":  # so that the ends of chunks would follow from the config
        database.write_bytes(b"no database" * 1000)
    assert cli("repair", stranger.path) == 0
    said = capsys.readouterr().out
    assert not stranger.was_imported
    assert {
        "none": "nothing to repair",
        "a chunk is missing": "restored: metrics.sqlite up to update 40",
        "nothing can be read": "not used, since the ends of chunks are not known: ",
    }[damage] in said
    assert ("--trust" in said) == (damage == "nothing can be read")
    assert cli("repair", stranger.path, "--trust") == 0
    assert stranger.was_imported == (damage == "nothing can be read")


# Using


def evaluate(run, **how):
    return elsinore.load(run, **how).evaluate(episodes=2)


USES = {
    "plan": lambda run, **how: elsinore.load(run, **how).plan,
    "policy": lambda run, **how: elsinore.load(run, **how).policy(),
    "state": lambda run, **how: elsinore.load(run, **how).state(),
    "evaluate": evaluate,
    "resume": lambda run, **how: elsinore.resume(run, **how),
    "episodes": lambda run, **how: next(episodes_of(str(run), **how)),
    "play": lambda run, **how: elsinore.play(run, **how),
    "play by hand": lambda run, **how: env_to_play(str(run), {}, **how),
}
COMMANDS = {
    "evaluate": lambda run: ("evaluate", run, "--episodes", 2),
    "play": lambda run: ("play", run, "--speed", 0, "--every", 100),
    "play by hand": lambda run: ("play", run, "--human"),
    "export": lambda run: ("export", run, "--out", run.parent / "exported"),
    "resume": lambda run: ("train", "--resume", run),
    "the plan of a resumed run": lambda run: ("train", "--resume", run, "--plan"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_strangers_code_is_imported_only_with_trust(stranger, use):
    run = stranger.unfinished().path
    with pytest.raises(ConfigError, match="names code, env='strange_code:World'.*'strange_code'"):
        use(run)
    assert not stranger.was_imported
    use(run, trust=True)
    assert stranger.was_imported


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_imports_a_strangers_code_only_with_trust(stranger, command, capsys, monkeypatch):
    monkeypatch.setattr(builtins, "input", lambda *_: "q")
    argv = command(stranger.unfinished().path)
    assert cli(*argv) == 2
    logged = capsys.readouterr().err
    assert "'strange_code'" in logged and "--trust" in logged and len(logged.splitlines()) == 1
    assert not stranger.was_imported
    assert cli(*argv, "--trust") == 0 and stranger.was_imported


@each_kind
def test_every_place_of_a_config_that_names_code_is_asked_for(stranger, settings):
    run = stranger.naming(**settings).path
    with pytest.raises(ConfigError, match="'strange_code'.*--trust"):
        _ = elsinore.load(run).plan
    assert not stranger.was_imported
    try:
        _ = elsinore.load(run, trust=True).plan
    except Exception as error:  # the class is no network, no teacher ...
        assert "--trust" not in str(error)
    assert stranger.was_imported


@each_kind
def test_settings_read_as_data_cannot_be_run_by_another_way(stranger, settings):
    experiment = elsinore.load(stranger.naming(**settings).path).experiment
    with pytest.raises((ConfigError, AttributeError)):
        plan_for(experiment)
    assert not stranger.was_imported


def test_objects_that_are_given_need_no_trust(stranger, cartpole):
    run = elsinore.load(stranger.path, env=cartpole[0])
    assert run.evaluate(episodes=2).shape == (2, 2) and not stranger.was_imported
    elsinore.resume(stranger.unfinished().path, env=cartpole[0])
    assert not signature.is_own(stranger.path / "config.yaml")  # its code was never agreed to


def test_a_terminal_is_asked_once_by_the_name_of_the_code(stranger, monkeypatch, capsys):
    questions = []
    monkeypatch.setattr("elsinore.cli.arguments._in_terminal", lambda: True)
    monkeypatch.setattr(builtins, "input", lambda text: questions.append(text) or answer)
    answer = "n"
    assert cli("evaluate", stranger.path, "--episodes", "2") == 2 and not stranger.was_imported
    answer = "y"
    assert cli("evaluate", stranger.path, "--episodes", "2") == 0 and stranger.was_imported
    assert len(questions) == 2 and "env='strange_code:World'" in questions[0]


def test_a_question_cannot_steer_the_terminal(stranger):
    stranger.naming(env="\x1b[2Jstrange_code:World")
    asked = []
    with pytest.raises(ConfigError) as refused:
        _ = elsinore.load(stranger.path, trust=lambda text: asked.append(text)).plan
    assert "\x1b" not in asked[0] + str(refused.value)


def test_the_name_of_a_folder_cannot_steer_the_terminal(monkeypatch):
    asked = []
    monkeypatch.setattr(builtins, "input", lambda text: asked.append(text) or "n")
    assert not arguments._ask("x\x1b[2K\rOpen it?\x1b[8m/config.yaml names code. Import it?")
    assert asked == ["x?[2K?Open it??[8m/config.yaml names code. Import it? [y/N] "]


def test_code_of_elsinore_and_of_plug_ins_needs_no_trust():
    known = {
        "env": "Hamlet-L1",
        "algo": {"name": "ppo", "network": {"encoder": "elsinore.worlds.balatro.nets:CARDS"}},
        "imitation": {"teacher": "belady"},
    }
    assert named_code.code_in(known) == {}
    old = {"algo": {"network": {"custom": "elsinore.nets.candidates:CandidateScorer"}}}
    assert named_code.code_in(old) == {}
    assert named_code.code_in({"env": "elsinore.cli:main"}) == {"env": "elsinore.cli:main"}


def test_settings_as_data_are_those_that_the_code_reads(tmp_path):
    own = "tests.algos.own_algorithms:sound"
    folder = RunDir.create(tmp_path, "own", load_experiment("CartPole-v1", own))
    recorded, read = folder.recorded(), folder.experiment()
    assert as_dict(recorded) == as_dict(read) and recorded.algo.num_envs == read.algo.num_envs
    assert isinstance(recorded.algo.name, UntrustedName) and type(read.algo.name) is str
    assert yaml_text(as_dict(recorded)) == folder.config.read_text()
    folder.unlock()
    again = with_settings(recorded, {"seeds": 3})
    assert isinstance(again.algo.name, UntrustedName) and recorded.seeds == 1


def test_every_name_is_shown_that_an_answer_allows():
    space = {
        "env": {"choice": ["one:World", "two:World"]},
        "imitation.teacher": {"choice": ["x:y"]},
    }
    shown = named_code.code_in({"env": "zero:World", "sweep": {"space": space}})
    assert sorted(shown.values()) == ["one:World", "two:World", "x:y", "zero:World"]


# Replays


def test_a_replay_of_a_strangers_environment_needs_trust(stranger, capsys):
    path = stranger.replay()
    with pytest.raises(ConfigError, match="env='strange_code:World' is code.*--trust"):
        next(episodes_of(str(path)))
    assert replays.about(path)["env"] == "strange_code:World"
    assert cli("play", path, "--speed", 0) == 2 and "--trust" in capsys.readouterr().err
    assert not stranger.was_imported
    assert cli("play", path, "--speed", 0, "--trust") == 0 and stranger.was_imported


def test_a_replay_is_known_by_the_run_that_holds_it(stranger, tmp_path):
    path = stranger.replay()
    signature.sign(stranger.path / "config.yaml")
    assert len(next(episodes_of(str(path)))) > 1
    for about in ({"env": "os:system"}, {"env_kwargs": {"command": "true"}}):
        path = stranger.replay(**about)
        assert isinstance(replays.read(path).about["env"], UntrustedName)
    alone = shutil.copy(stranger.replay(), tmp_path / "alone.npz")
    assert isinstance(replays.read(Path(alone)).about["env"], UntrustedName)


def test_the_page_never_imports_the_code_of_a_strangers_run(stranger):
    replay = stranger.replay().name
    with serving(stranger.path.parent) as served:
        query = {"run": "stranger", "replay": replay, "token": TOKEN}
        assert served.get("runs") and served.get("run", run="stranger")
        assert served.get("replays", run="stranger")[0]["env"] == "strange_code:World"
        status, _, body = served.ask("/api/replay", **query)
        assert status == 404 and b"--trust" in body and not stranger.was_imported
        status, answer = served.post("start", {"resume": "stranger"})
        assert not stranger.was_imported
        signature.sign(stranger.path / "config.yaml")
        assert served.get("replay", **query)["scenes"] and stranger.was_imported


def test_a_replay_that_unpacks_to_too_much_is_refused(stranger, monkeypatch):
    path = stranger.replay(env="CartPole-v1")
    arrays = dict(np.load(path))
    np.savez_compressed(path, **arrays, bomb=np.zeros(replays.MAX_REPLAY_BYTES, np.int8))
    assert path.stat().st_size < 2**20
    for read in (replays.read, replays.about):
        with pytest.raises(ConfigError, match="bytes unpacked, and at most 268,435,456 are read"):
            read(path)


# Sweeps and comparisons


@pytest.mark.parametrize(
    "named",
    [
        {"env": "strange_code:World"},
        {"sweep": {"space": {"env": {"choice": ["CartPole-v1", "strange_code:World"]}}}},
        {"sweep": {}, "sweep.space": {"env": {"choice": ["CartPole-v1", "strange_code:World"]}}},
    ],
)
def test_a_strangers_sweep_is_resumed_only_with_trust(stranger, tmp_path, named, capsys):
    config = {"env": "CartPole-v1", "sweep": {"space": {"algo.gamma": {"choice": [0.9]}}}} | named
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "sweep.yaml").write_text(yaml.safe_dump(config))
    assert cli("sweep", "--resume", tmp_path / "search") == 2
    assert "'strange_code'" in capsys.readouterr().err and not stranger.was_imported
    SweepDir(tmp_path / "search").sweep(trust=True)
    assert stranger.was_imported


def test_names_in_the_trials_of_a_sweep_stay_untrusted():
    space = {"algo.gamma": {"uniform": [0.9, 0.99]}}
    sweep = load_sweep({"env": "CartPole-v1", "sweep": {"space": space, "trials": 1}})
    name = UntrustedName("strange_code:Encoder")
    trial = SweepTrial(0, {"algo.network.encoder": name, "algo.gamma": 0.95})
    (group,) = trial_groups(sweep, [trial])
    assert group.experiment.algo.network.encoder is name


def test_a_sweep_is_signed_by_the_user_who_begins_it(tmp_path, stranger):
    config = {"env": "strange_code:World", "sweep": {"space": {"algo.gamma": {"choice": [0.9]}}}}
    sweep = load_sweep(config)
    folder = SweepDir.of(tmp_path, "mine", sweep)
    assert folder.sweep() == sweep
    folder.unlock()


# Signatures


def test_a_run_is_known_wherever_its_folder_goes_until_it_is_edited(whole, tmp_path):
    copy = shutil.copytree(whole, tmp_path / "under another name")
    assert signature.is_own(copy / "config.yaml")
    overwrite(copy, {"env_steps": 6000})
    assert not signature.is_own(copy / "config.yaml")


def test_a_signature_of_one_config_does_not_serve_another(whole, tmp_path):
    shutil.copy(whole / "config.yaml", tmp_path / "sweep.yaml")
    shutil.copy(whole / "config.signature", tmp_path / "sweep.signature")
    assert not signature.is_own(tmp_path / "sweep.yaml")


@pytest.mark.parametrize("forged", [b"", b"0" * 64, "é".encode() * 32, None])
def test_a_forged_signature_is_none(whole, tmp_path, forged):
    shutil.copy(whole / "config.yaml", tmp_path)
    if forged is not None:
        (tmp_path / "config.signature").write_bytes(forged)
    assert not signature.is_own(tmp_path / "config.yaml")


@pytest.fixture
def state(tmp_path, monkeypatch) -> Path:
    """A user's state folder that does not exist yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def config(tmp_path) -> Path:
    (tmp_path / "config.yaml").write_text("env: mine:World\n")
    return tmp_path / "config.yaml"


def test_a_key_is_made_once_for_its_user_alone(state, config):
    signature.sign(config)
    key = state / "elsinore" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_bytes()) == 32
    made = key.read_bytes()
    signature.sign(config)
    assert key.read_bytes() == made and signature.is_own(config)
    assert os.listdir(key.parent) == ["key"]


def test_another_users_key_knows_nothing_of_a_run(state, config, monkeypatch, tmp_path):
    signature.sign(config)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    assert not signature.is_own(config)
    signature.sign(tmp_path / "config.yaml")
    assert signature.is_own(config)


@pytest.mark.parametrize("left", [0, 31])
def test_a_key_that_is_cut_short_is_made_again(state, config, left):
    """As a power cut leaves a file that was not synced."""
    signature.sign(config)
    key = state / "elsinore" / "key"
    key.write_bytes(key.read_bytes()[:left])
    assert not signature.is_own(config)
    signature.sign(config)
    assert signature.is_own(config) and len(key.read_bytes()) == 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and os.listdir(key.parent) == ["key"]


REWRITE_UNTIL_IT_ENDS = """
import os, signal, sys
from pathlib import Path
from elsinore.config.experiment import Experiment
from elsinore.runs.trust import signature
from elsinore.runs.run_dir import RunDir

folder = RunDir.create(Path(sys.argv[1]), "mine", Experiment())
status, kills = 1, 0
while status:
    process = os.fork()
    if process == 0:
        left = iter(range(kills))
        def killed(event, args):
            if event in ("open", "os.rename", "os.remove") and next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(killed)
        folder.rewrite(Experiment(env_steps=10_000 + kills))
        os._exit(0)
    status = os.waitpid(process, 0)[1]
    assert signature.is_own(folder.config), f"killed before its operation {kills}"
    kills += 1
assert folder.experiment().env_steps == 9_999 + kills and kills > 5
assert len((folder.path / "config.signature").read_bytes().split()) == 1
"""


def test_a_run_whose_budget_changes_stays_ones_own_when_killed(state, tmp_path):
    """Before any of the operations on files."""
    command = [sys.executable, "-c", REWRITE_UNTIL_IT_ENDS, tmp_path / "runs"]
    subprocess.run(command, check=True)


@pytest.mark.parametrize(
    "damage", [lambda key: key.write_bytes(bytes(33)), lambda key: key.chmod(0o644)]
)
def test_a_key_that_is_damaged_or_open_to_others_signs_nothing(state, config, damage):
    signature.sign(config)
    damage(state / "elsinore" / "key")
    assert not signature.is_own(config)
    (config.parent / "config.signature").unlink()
    signature.sign(config)
    assert not (config.parent / "config.signature").exists()


def test_runs_are_made_where_no_key_can_be(config, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    signature.sign(config)
    assert not signature.is_own(config) and os.listdir(config.parent) == ["config.yaml"]


def test_a_signature_is_not_written_through_a_link(config, tmp_path):
    (tmp_path / "precious").write_text("as it was")
    (tmp_path / "config.signature").symlink_to("precious")
    signature.sign(config)
    assert signature.is_own(config) and (tmp_path / "precious").read_text() == "as it was"


@pytest.mark.slow
def test_processes_that_start_together_have_one_key(state, tmp_path):
    sign = (
        "import sys, pathlib; from elsinore.runs.trust import signature\n"
        "signature.sign(pathlib.Path(sys.argv[1]) / 'config.yaml')"
    )
    folders = [tmp_path / str(i) for i in range(3)]
    for folder in folders:
        folder.mkdir()
        (folder / "config.yaml").write_text("env: mine:World\n")
    started = [subprocess.Popen([sys.executable, "-c", sign, folder]) for folder in folders]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert all(signature.is_own(folder / "config.yaml") for folder in folders)


def test_ones_own_run_with_code_of_ones_own_needs_no_trust(tmp_path):
    elsinore.train(
        "tests.envs.broken_envs:Wall",
        overrides=TINY | {"env_steps": 512},
        name="mine",
        runs_dir=tmp_path,
    )
    (tmp_path / "mine").rename(tmp_path / "renamed")
    assert evaluate(tmp_path / "renamed").shape == (1, 2)
    assert elsinore.resume(tmp_path / "renamed").summary["env"] == "tests.envs.broken_envs:Wall"


def test_a_run_that_is_continued_with_trust_is_ones_own(stranger):
    elsinore.resume(stranger.unfinished().path, trust=True)
    assert signature.is_own(stranger.path / "config.yaml")


# Names that are not called, with trust or without

REFUSED_CODE = r"not called|is of type \w+; it must be a class or a Python function"


@pytest.mark.parametrize(
    "name",
    [
        *(f"strange_code:{name}" for name in ("system", "run", "rmtree", "Path")),
        *(f"subprocess:{name}" for name in ("run", "Popen")),
        *("os:system", "os:environ", "builtins:exec", "shutil:rmtree", "random:random"),
        "tests.runs.test_trust:shutil.rmtree",
    ],
)
def test_the_standard_library_is_not_called(stranger, name):
    called = stranger.path.parent / "called"
    kwargs = {"command": f"touch {called}"} if name.endswith("system") else {}
    with pytest.raises(ValueError, match=REFUSED_CODE):
        make(name, kwargs)
    for setting in ("algo.network.custom", "algo"):
        with pytest.raises(ConfigError, match=f"^{setting}='{name}'.*(not called|is of type)"):
            plan_for(load_experiment("CartPole-v1", overrides={setting: name}))
    with pytest.raises(ConfigError, match=f"^imitation.teacher='{name}'.*(not called|is of type)"):
        plan_for(load_experiment("CartPole-v1", overrides={"imitation.teacher": name}))
    assert not called.exists()


def test_a_class_without_reset_env_is_not_called():
    with pytest.raises(ValueError, match="no gymnax Environment: it has no reset_env"):
        make("tests.runs.test_trust:Stranger")


def test_a_wrapped_function_of_ones_own_is_called(monkeypatch, tmp_path):
    (tmp_path / "wrapped_code.py").write_text(
        "import functools\nfrom tests.small_envs import Corridor\n\n\n@functools.cache\n"
        "def corridor(length):\n    return Corridor(length)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make("wrapped_code:corridor", {"length": 7})[0].length == 7


def test_an_untrusted_name_is_refused_before_anything_is_imported(stranger):
    for use in (
        lambda name: import_object(name, "env"),
        make,
        algorithm,
    ):
        with pytest.raises(ValueError, match="names? code|is code"):
            use(UntrustedName("strange_code:World"))
    assert not stranger.was_imported and "strange_code" not in sys.modules


# The config of a checkpoint


@pytest.mark.parametrize(
    ("settings", "logged"),
    [
        ({"env_params": {"gravity": 1.0}}, "env_params.gravity None, 1.0"),
        ({"algo__gamma": 0.5}, "algo.gamma 0.98, 0.5"),
        ({"algo__network__hidden": [9]}, "algo.network.hidden"),
    ],
)
def test_a_policy_is_not_evaluated_under_other_settings_than_it_was_trained_with(
    whole, tmp_path, settings, logged
):
    run = shutil.copytree(whole, tmp_path / "edited")
    overwrite(run, settings)
    for use in (evaluate, USES["policy"], USES["episodes"]):
        with pytest.raises(ConfigError, match=f"made with another config; then and now: {logged}"):
            use(run)


def test_a_run_of_an_elsinore_with_fewer_settings_is_evaluated(whole, tmp_path):
    older = Stranger(shutil.copytree(whole, tmp_path / "older"), tmp_path)
    data = read_yaml(older.path / "config.yaml")
    del data["replays"]
    (older.path / "config.yaml").write_text(yaml.safe_dump(data))
    assert evaluate(older.naming().path).shape == (2, 2)


def test_the_module_can_be_found_at_all(stranger):
    """The other tests would pass without the module, too."""
    importlib.import_module("strange_code")
    assert stranger.was_imported and RunDir(stranger.path).recorded().env == "strange_code:World"
