"""Runs as tasks of a Ray cluster: what is refused, and the same results as one by one."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import yaml
from gymnax.environments.classic_control.cartpole import CartPole

import elsinore
from elsinore.analysis import cluster, cluster_worker
from elsinore.analysis.cluster import AGAIN, Cluster, OnCluster, _Running
from elsinore.analysis.cluster_task import LOCK_WAIT, Task, wait_until_free
from elsinore.analysis.sweep import api as sweep_api
from elsinore.config import extras
from elsinore.config.load_sweep import load_sweep
from elsinore.config.search import trial_groups, trials_of
from elsinore.errors import ConfigError, ElsinoreError, RunError
from elsinore.runs import preparation
from elsinore.runs.checkpoints.directory import list_checkpoints
from elsinore.runs.control import ask
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import Stop
from elsinore.runs.store.store import Store
from tests.cli.bad_code import StepRaises
from tests.envs.broken_envs import Wall
from tests.toys import TOY

HAS_RAY = importlib.util.find_spec("ray") is not None
ROOT = Path(__file__).resolve().parents[2]
GAIN = {"algo.gain": {"uniform": [0.0, 1.0]}}


@pytest.fixture
def as_if_installed(monkeypatch):
    monkeypatch.setattr(extras, "has_extra", lambda extra: True)


def test_a_task_has_the_most_env_steps_that_its_budget_takes(tmp_path):
    toy = {name: x for name, x in TOY.items() if name != "env_steps"}
    trials = {"sweep": {"space": GAIN, "trials": 2}}
    for budget, most in (({"stop.episodes": 40}, 40_000), ({"env_steps": 24}, 24)):
        sweep = load_sweep(toy | budget | trials)
        (group,) = trial_groups(sweep, trials_of(sweep))
        task = sweep_api._task(tmp_path, sweep, group, {})
        assert task.env_steps == most


# What is refused


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on": "slurm"}, "on='slurm' is unknown; use ray"),
        ({"on": "ray", "cpus": 0}, "cpus_per_task=0 must be at least 1"),
        ({"on": "ray", "gpus": -1.0}, "gpus_per_task=-1.0 must not be negative"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(given, message, as_if_installed):
    with pytest.raises(ConfigError, match=re.escape(message)):
        OnCluster(**given)


def test_without_ray_its_extra_is_named_and_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "has_extra", lambda extra: False)
    sweep = TOY | {"sweep": {"space": GAIN, "trials": 2}}
    with pytest.raises(ConfigError, match=r"'elsinore\[ray\]', or leave it out"):
        elsinore.sweep(sweep, runs_dir=tmp_path / "runs", on="ray")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"envs": CartPole()}, "an env that is an object cannot be sent to a cluster"),
        (
            {"envs": "CartPole-v1", "overrides": {"sinks.mlflow.enabled": True}},
            "many runs would write one MLflow database",
        ),
    ],
)
def test_what_other_machines_cannot_do_is_refused_first(
    given, message, as_if_installed, tmp_path, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match=message):
        elsinore.compare(**given, algos="ppo", name="c", runs_dir=tmp_path, on="ray", check=False)
    assert not (tmp_path / "c").exists()


def test_a_run_that_a_lost_worker_still_holds_is_waited_for(tmp_path):
    (tmp_path / "run").mkdir()
    holder = RunDir(tmp_path / "run")
    holder.lock()
    began = time.monotonic()
    wait_until_free(tmp_path / "run", 0.5)
    assert 0.5 <= time.monotonic() - began < LOCK_WAIT
    holder.unlock()
    began = time.monotonic()
    wait_until_free(tmp_path / "run", 30.0)
    wait_until_free(tmp_path / "no run", 30.0)
    assert time.monotonic() - began < 10.0


def test_a_task_whose_run_another_process_trains_on_is_given_again(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_worker, "wait_until_free", lambda folder: None)
    folder = RunDir.create(tmp_path, "run", elsinore.Experiment())
    board = SimpleNamespace(put=SimpleNamespace(remote=lambda *news: None))
    task = Task("run", "train_cell", (str(folder.path), {}, {}), 1, 1)
    assert cluster_worker.do(tuple(task), board) is None
    folder.unlock()


CPU, GPU = {"CPU": 32.0}, {"CPU": 4.0, "GPU": 1.0}  # machines


@pytest.mark.parametrize(
    ("machines", "given", "cores", "waits"),
    [
        ([CPU], {}, 8, False),
        ([CPU], {"cpus": 64}, 64, True),
        ([CPU], {"gpus": 0.5}, 1, True),
        ([CPU, GPU], {}, 4, False),  # the machine with the GPU has no more
        ([CPU, GPU], {"gpus": 0.0}, 8, False),
        ([{}], {}, 1, True),  # a head on which nothing runs
    ],
)
def test_shares_that_no_machine_has_are_said_to_wait(
    machines, given, cores, waits, as_if_installed
):
    asked, lines = [], []
    totals = {name: sum(m.get(name, 0) for m in machines) for name in ("CPU", "GPU")}
    ray = SimpleNamespace(
        cluster_resources=lambda: {name: x for name, x in totals.items() if x},
        nodes=lambda: [{"Alive": True, "Resources": each} for each in machines],
        remote=lambda **options: asked.append(options) or (lambda function: function),
    )
    task = Task("one", "do_nothing", (), 1, 8)
    _Running(ray, OnCluster("ray", **given), [task], lines.append).function_for(8)
    assert asked[0]["num_cpus"] == cores
    assert len(lines) == waits
    assert all("no machine of the cluster has" in line for line in lines)


@pytest.mark.parametrize(("gpus", "fraction"), [(0.5, "0.45"), (0.25, "0.23"), (1.0, None)])
def test_tasks_that_share_a_gpu_take_their_share_of_its_memory(gpus, fraction, as_if_installed):
    machine = {"CPU": 8, "GPU": 1}
    ray = SimpleNamespace(
        cluster_resources=lambda: machine,
        nodes=lambda: [{"Alive": True, "Resources": machine}],
        remote=lambda **_: lambda function: function,
    )
    task = Task("one", "do_nothing", (), 1, 1)
    running = _Running(ray, OnCluster("ray", gpus=gpus), [task], lambda line: None)
    _, environment = running.function_for(1)
    assert environment.get("XLA_PYTHON_CLIENT_MEM_FRACTION") == fraction


@pytest.mark.parametrize("own", [None, "true"])
def test_the_driver_leaves_the_memory_of_gpus_to_the_tasks(
    own, as_if_installed, monkeypatch, tmp_path
):
    name, seen = "XLA_PYTHON_CLIENT_PREALLOCATE", []
    monkeypatch.delenv(name, raising=False)
    if own:
        monkeypatch.setenv(name, own)

    def refusal(*_):
        seen.append(os.environ.get(name))
        return "no devices"

    monkeypatch.setattr(cluster, "platform_refusal", refusal)
    monkeypatch.setattr(preparation, "platform_refusal", refusal)
    sweep = TOY | {"sweep": {"space": GAIN, "trials": 2}}
    with pytest.raises(ConfigError, match="no devices"):
        elsinore.sweep(sweep, runs_dir=tmp_path, on="ray")
    with pytest.raises(ConfigError, match="no devices"):
        elsinore.compare("CartPole-v1", "ppo", name="c", runs_dir=tmp_path, on="ray")
    assert seen == (["true"] * 2 if own else ["false", None] * 2)


class FakeRay:
    """As much of Ray as two tasks need, both of which fail; `actors` are those that are left."""

    class exceptions:
        RayError = RayTaskError = type("RayError", (Exception,), {})

    def __init__(self, cause: Exception):
        self.cause, self.actors = cause, 0

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 2.0}}]

    def cluster_resources(self):
        return {"CPU": 2.0}

    def remote(self, **options):
        def made(thing):
            if isinstance(thing, type):  # the board
                self.actors += 1
                board = SimpleNamespace(take=SimpleNamespace(remote=object))
                return SimpleNamespace(remote=lambda: board)
            return SimpleNamespace(remote=lambda *_: object())

        return made

    def wait(self, waiting, **_):
        return waiting, []

    def get(self, reference, **_):
        error = self.exceptions.RayTaskError()
        error.cause = self.cause
        raise error

    def cancel(self, reference, force):
        """Nothing runs."""

    def kill(self, board):
        self.actors -= 1


@pytest.mark.parametrize("cause", [ConfigError("no"), LookupError("no")])
def test_an_error_of_a_task_names_it_once(cause, as_if_installed):
    tasks, ray = [Task(name, "do_nothing", (), 1, 1) for name in ("one", "two")], FakeRay(cause)
    said = "no" if isinstance(cause, ConfigError) else "LookupError: no"
    cluster = Cluster(ray, OnCluster("ray"))
    found = list(cluster.each(tasks, Stop(), print, failures=True))
    assert [(task.name, str(result)) for task, result in found] == [("one", said), ("two", said)]
    with pytest.raises(ElsinoreError, match=f"^one: {said}$"):
        list(cluster.each(tasks, Stop(), print))
    assert ray.actors == 0


def test_a_task_that_is_lost_too_often_names_the_command_that_goes_on(as_if_installed):
    ray, tasks = FakeRay(LookupError()), [Task("one", "do_nothing", (), 1, 1)]
    # a task that was stopped has no result, and the board, which is asked in time, no news
    ray.get = lambda reference, **in_time: {} if in_time else None
    said = f"one: its worker was lost {AGAIN + 1} times, .*Resume it .* with this one"
    with pytest.raises(RunError, match=said):
        list(Cluster(ray, OnCluster("ray")).each(tasks, Stop(), print, resume_with="this one"))


def test_no_actor_is_left_where_tasks_cannot_be_given(as_if_installed):
    ray = FakeRay(LookupError())
    ray.nodes = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        list(Cluster(ray, OnCluster("ray")).each([Task("one", "", (), 1, 1)], Stop(), print))
    assert ray.actors == 0


# Smaller runs


def test_trials_of_smaller_runs_have_the_same_results(tmp_path):
    def table(name, **split):
        settings = TOY | {"seeds": 2, "algo": TOY["algo"] | {"noise": 1.0}}
        sweep = settings | {"sweep": {"space": GAIN, "trials": 4, **split}}
        found = elsinore.sweep(sweep, name=name, runs_dir=tmp_path)
        return found.trials.drop(columns="group"), len(found.runs)

    (whole, one), (parts, two) = table("whole"), table("parts", split=2)
    assert (one, two) == (1, 2)
    assert whole.equals(parts)


def test_trials_that_are_compared_in_training_stay_in_one_run(tmp_path):
    sweep = {"space": GAIN, "trials": 4, "split": 2, "halving": {"eta": 2, "rungs": 1}}
    with pytest.raises(ConfigError, match=r"split=2 cannot be set with halving"):
        elsinore.sweep(TOY | {"sweep": sweep}, runs_dir=tmp_path)


# On Ray

SWEEP = TOY | {
    "env_steps": 2_000,
    "seeds": 2,
    "algo": TOY["algo"] | {"noise": 0.1},
    "evaluation": TOY["evaluation"] | {"period": 10},
    "checkpoints": {"interval_seconds": 0.5},
    "sweep": {"space": GAIN, "trials": 6, "split": 1},
}
on_ray = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed"),
]


class Held(NamedTuple):
    """A run that a worker trains, paused after its first chunk until it is asked to resume."""

    group: str
    worker: int  # process
    path: Path

    @property
    def updates(self) -> int:
        """That were done so far."""
        with closing(Store(self.path / "metrics.sqlite", read_only=True)) as store:
            return store.chunks()[-1][0]

    def saved(self) -> int:
        """Save it; the update of its newest checkpoint, which is now as far as the run."""
        ask(self.path, "save")
        done = self.updates
        while (found := newest(self.path)) is None or found < done:
            time.sleep(0.05)
        return found


def newest(run: Path) -> int | None:
    """The update of a run's newest checkpoint."""
    found = list_checkpoints(run / "checkpoints", ("latest",))
    return found[0].update if found else None


SEARCHES: list["Search"] = []  # of the test that runs


class Search:
    """A sweep in a process of its own."""

    def __init__(self, folder: Path, name: str, *options: str):
        self.path = folder / "runs" / name
        config = folder / "sweep.yaml"
        config.write_text(yaml.safe_dump(SWEEP))
        words = ["sweep", str(config), "--name", name, "--runs-dir", str(folder / "runs")]
        # A session of its own, so that all it starts can be looked for.
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "elsinore.cli", *words, *options],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        SEARCHES.append(self)

    def line(self, pattern: str) -> re.Match:
        """The next line of the output that has the pattern."""
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError("".join(self.lines))

    def held(self) -> Held:
        """The next run that a worker begins, paused, which it can be while it compiles."""
        begun = self.line(r"group (\w+): begins on .* \((\d+)\)")
        run = Held(begun[1], int(begun[2]), self.path / "groups" / begun[1])
        while self.asked(run, "pause") is None:
            time.sleep(0.05)
        while self.asked(run, "status") != "paused":
            time.sleep(0.05)
        return run

    def asked(self, run: Held, act: str) -> str | None:
        """The phase of a run, or None until it can be asked."""
        assert not (run.path / "summary.json").exists(), "the run has ended before it was paused"
        try:
            return ask(run.path, act)
        except ConfigError:
            return None

    def ended(self) -> int:
        self.lines += self.process.stdout.readlines()
        return self.process.wait()

    @property
    def table(self) -> Path:
        return self.path / "trials.csv"

    @property
    def trials(self) -> bytes:
        return self.table.read_bytes()


def rays() -> set[int]:
    """Processes of Ray on this machine."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"raylet" in words or b"gcs_server" in words or words.startswith(b"ray::"):
            found.add(int(folder.name))
    return found


@pytest.fixture
def no_process_is_left():
    before = rays()
    yield
    for search in SEARCHES:  # those of a failed test still run
        search.process.kill()
        search.ended()
    SEARCHES.clear()
    until = time.monotonic() + 150  # agents of a killed driver's node live on for a minute
    while (left := rays() - before) and time.monotonic() < until:
        time.sleep(0.5)
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert not left


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory) -> bytes:
    """trials.csv of the sweep without a cluster."""
    search = Search(tmp_path_factory.mktemp("local"), "local")
    assert search.ended() == 0, "".join(search.lines)
    return search.trials


class FailsOnAWorker(StepRaises):
    """An environment that can be stepped where tasks are given to Ray, and not where they run."""

    def step_env(self, key, state, action, params):
        if "default_worker" in sys.argv[0]:
            return super().step_env(key, state, action, params)
        return Wall.step_env(self, key, state, action, params)


class TestOnRay:
    pytestmark = on_ray

    def test_it_is_the_sweep_one_by_one(self, one_by_one, tmp_path, no_process_is_left):
        search = Search(tmp_path, "all", "--on", "ray", "--cpus-per-task", "1")
        assert search.ended() == 0, "".join(search.lines)
        assert search.trials == one_by_one

    def test_a_run_that_fails_leaves_the_others(self, tmp_path, no_process_is_left):
        words = ["compare", "tests.analysis.test_cluster:FailsOnAWorker", "CartPole-v1"]
        words += ["--algos=ppo", "--seeds=1", "--env-steps=2048", "--name=c", "--on=ray"]
        done = subprocess.run(
            [sys.executable, "-m", "elsinore.cli", *words, f"--runs-dir={tmp_path}"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert "FailsOnAWorker, ppo failed: " in done.stderr
        assert "# ppo on CartPole-v1" in (tmp_path / "c" / "report.md").read_text()

    def test_a_worker_is_killed(self, one_by_one, tmp_path, no_process_is_left):
        search = Search(tmp_path, "worker", "--on", "ray", "--cpus-per-task", "1")
        run = search.held()
        saved = run.saved()
        os.kill(run.worker, signal.SIGKILL)
        search.line(f"group {run.group}: its worker was lost, another one continues")
        assert search.ended() == 0, "".join(search.lines)
        assert search.trials == one_by_one
        with closing(Store(run.path / "metrics.sqlite", read_only=True)) as store:
            query = "SELECT update_ FROM events WHERE kind = 'resume'"
            resumed = store._db.execute(query).fetchall()
        assert resumed == [(saved,)]  # so that what was saved is not done again

    def test_the_driver_is_killed(self, one_by_one, tmp_path, no_process_is_left):
        first = Search(tmp_path, "driver", "--on", "ray", "--cpus-per-task", "1")
        first.held()  # so that not all can be done
        first.line(r"\[1/6\] group .* trials? done")
        first.process.kill()
        first.ended()
        assert not first.table.exists() or first.trials != one_by_one
        again = Search(tmp_path, "driver", "--on", "ray", "--cpus-per-task", "1")
        assert again.ended() == 0, "".join(again.lines)
        assert again.trials == one_by_one

    def test_ctrl_c_leaves_runs_that_go_on(self, one_by_one, tmp_path, no_process_is_left):
        first = Search(tmp_path, "stopped", "--on", "ray", "--cpus-per-task", "1")
        first.line(r"begins on")
        first.process.send_signal(signal.SIGINT)
        assert first.ended() == 130, "".join(first.lines)
        again = Search(tmp_path, "stopped")  # without a cluster
        assert again.ended() == 0, "".join(again.lines)
        assert again.trials == one_by_one

    def test_a_machine_is_lost_with_what_it_trains(
        self, one_by_one, tmp_path, monkeypatch, no_process_is_left
    ):
        from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

        machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        try:
            first, _ = (machines.add_node(num_cpus=2) for _ in range(2))
            machines.wait_for_nodes()
            monkeypatch.setenv("RAY_ADDRESS", machines.address)
            search = Search(tmp_path, "machine", "--on", "ray", "--cpus-per-task", "1")
            held = {run.group: run for run in (search.held() for _ in range(4))}
            machines.remove_node(first, allow_graceful=False)
            for _ in range(2):
                del held[search.line(r"group (\w+): its worker was lost, another one continues")[1]]
            for run in held.values():  # on the other machine
                ask(run.path, "resume")
            assert search.ended() == 0, "".join(search.lines)
            assert search.trials == one_by_one
        finally:
            machines.shutdown()
