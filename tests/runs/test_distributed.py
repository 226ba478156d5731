"""One run of several processes: the bits of one process, whatever is stopped or killed in between.

Real processes on this machine, over gloo, each with a time limit and none left behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import elsinore
from elsinore.errors import ConfigError
from elsinore.jaxtools import processes
from elsinore.runs import follower, loop
from elsinore.runs.checkpoints.arrays import read_arrays
from elsinore.runs.checkpoints.directory import list_checkpoints
from elsinore.runs.control import Controls, ask
from elsinore.runs.pipeline import FinishedChunk
from elsinore.runs.replays import files as replays
from elsinore.runs.signals import EXPECTED
from elsinore.runs.store.store import Store
from elsinore.runs.watchdog import end_at_limit

ROOT = Path(__file__).parents[2]
LIMIT = 240.0  # seconds for all processes of a run
SECONDS_TO_END = 15.0  # of processes that have begun to end
SMALL = {
    "env_steps": 4096,
    "algo.num_envs": 4,
    "algo.rollout_length": 32,
    "algo.network.hidden": "[8]",
    "evaluation.period": 4,
    "evaluation.episodes": 4,
    "evaluation.final_episodes": 4,
    "evaluation.max_steps": 50,
    "convergence.enabled": "false",
    "checkpoints.interval_seconds": 0,
    "sinks.mlflow.enabled": "false",
    "sinks.tensorboard": "false",
    "sinks.console": "false",
}
NAME = "run"
LONG = {"env_steps": 4_000_000, "evaluation.period": 50}  # until it is stopped


@contextmanager
def started(
    runs: Path,
    number: int,
    *args: str,
    each: dict | None = None,
    devices: int = 2,
    module: str = "elsinore.cli",
    env: dict | None = None,
    resumes: str = "",
    **settings,
):
    """So many processes of one run, with so many devices in all; killed at the end of the block.

    `each` has other settings by process, `module` is run in place of the command line with its
    arguments, `env` are variables; `resumes` is a run that goes on with these settings only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), str(ROOT), *given]))
    env = os.environ | (env or {}) | {"PYTHONPATH": paths}
    env |= {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices // number)}
    running = []
    for rank in range(number):
        chosen = ({} if resumes else SMALL) | settings | (each or {}).get(rank, {})
        command = [sys.executable, "-m", module, "train"]
        command += ["--resume", resumes] if resumes else ["CartPole-v1", "--name", NAME, *args]
        command += [
            word for name, x in chosen.items() if x is not None for word in ("--set", f"{name}={x}")
        ]
        command += ["--runs-dir", str(runs)]
        if number > 1:
            command += ["--distributed", f"127.0.0.1:{port},{number},{rank}"]
        with (runs.parent / f"{runs.name}-{rank}.log").open("a") as output:
            # A session of its own, so that all it starts can be looked for.
            run = partial(subprocess.Popen, command, env=env, start_new_session=True)
            running.append(run(stdout=output, stderr=output))
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()
        assert_none_is_left({process.pid for process in running})


def assert_none_is_left(sessions: set[int]) -> None:
    """No process of these sessions lives, or does for long."""
    until = time.monotonic() + SECONDS_TO_END
    while (left := processes_of(sessions)) and time.monotonic() < until:
        time.sleep(0.1)
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert not left


def processes_of(sessions: set[int]) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            if state not in "ZX" and int(session) in sessions:
                found.add(int(stat.parent.name))
    return found


def launches(number: int):
    """The time limit of a test that starts a run so many times."""
    return pytest.mark.timeout(number * LIMIT + 60)


def ended(running) -> list[int]:
    """Exit codes; all processes have ended by then."""
    until = time.monotonic() + LIMIT
    return [process.wait(timeout=max(until - time.monotonic(), 1)) for process in running]


def trained(runs: Path, number: int, *args: str, **rest) -> Path:
    runs.mkdir(exist_ok=True)
    with started(runs, number, *args, **rest) as running:
        codes = ended(running)
    assert codes == [0] * number, log_of(runs, number)
    return runs / NAME


def log_of(runs: Path, number: int) -> str:
    logs = (runs.parent / f"{runs.name}-{rank}.log" for rank in range(number))
    return "\n".join(log.read_text()[-3000:] for log in logs)


def assert_same(one: Path, other: Path) -> None:
    """The same final state, every leaf of it, and the same metrics of every update."""
    found = [json.loads((run / "summary.json").read_text()) for run in (one, other)]
    for name in ("params_sha256", "eval_return", "updates"):
        assert found[0][name] == found[1][name]
    rows = [
        elsinore.load(run).metrics.sort_values(["update", "seed", "name"]).reset_index(drop=True)
        for run in (one, other)
    ]
    assert rows[0].equals(rows[1])
    states = [last_state(run) for run in (one, other)]
    assert len(states[0]) > 20 and states[0].keys() == states[1].keys()
    for name, (a, b) in {name: (x, states[1][name]) for name, x in states[0].items()}.items():
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), name


def last_state(run: Path) -> dict[str, np.ndarray]:
    """All arrays of the newest checkpoint: parameters, optimiser, statistics, replay buffer, envs
    and keys."""
    newest = list_checkpoints(run / "checkpoints", ("latest", "emergency"))[0]
    assert newest.update == json.loads((run / "summary.json").read_text())["updates"]
    return read_arrays(newest)


def assert_same_replays(one: Path, other: Path) -> None:
    """The same recordings, of the first and the last policy and of some between them."""
    names = [{path.name for path in (run / "replays").iterdir()} for run in (one, other)]
    assert names[0] == names[1] and len(names[0]) >= 3
    for name in names[0]:
        found = [replays.as_json(run / "replays" / name) for run in (one, other)]
        assert all(each["about"].pop("time") for each in found)
        assert found[0] == found[1]


def wait_for(found: Callable[[], Any], wanted: Any) -> None:
    until = time.monotonic() + LIMIT
    while (last := found()) != wanted:
        assert time.monotonic() < until, f"{last} and never {wanted}"
        time.sleep(0.1)


def wait_for_update(run: Path, update: int) -> None:
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        found = [int(x.name) for x in (run / "checkpoints").glob("latest/[0-9]*")]
        if max(found, default=0) >= update:
            return
        time.sleep(0.1)
    raise TimeoutError(f"no checkpoint of update {update}: {found}")


@pytest.mark.parametrize(
    "divided",
    [pytest.param(("--seeds", "2"), marks=pytest.mark.slow), ("--set", "shards=2")],
    ids=["seeds", "shards"],
)
@launches(2)
def test_two_processes_give_the_bits_of_one(tmp_path, divided):
    # of the second seed, where there is one, which process 1 trains
    of_the_second = {"replays.period": 4, "replays.seed_index": int("--seeds" in divided)}
    alone = trained(tmp_path / "alone", 1, *divided, **of_the_second)
    together = trained(tmp_path / "together", 2, *divided, **of_the_second)
    assert_same(alone, together)
    assert [x.name for x in (tmp_path / "together").iterdir()] == ["run"]
    assert "finished after" not in (tmp_path / "together-1.log").read_text()
    assert_same_replays(alone, together)


SHARDS = {"shards": 4, "algo.num_envs": 8}
REPLAY = {
    "algo.rollout_length": 4,
    "algo.buffer_size": 512,
    "algo.batch_size": 32,
    "algo.learning_starts": 64,
    "algo.target_period": 64,
    "env_steps": 2048,
}
GAMMAS = "[0.9, 0.93, 0.95, 0.99]"
SPACE = '{"algo.gamma": {"uniform": [0.8, 0.99]}}'
BY_EPISODES = {"stop.episodes": 40}


@pytest.mark.slow
@launches(2)
def test_shards_that_begin_on_devices_of_two_processes_are_those_of_one(tmp_path):
    hindered = {"module": "tests.runs.hindered_run", "env": {"IN_PLACE": "1"}}
    two = trained(tmp_path / "two", 2, shards=2, **hindered)
    assert_same(two, trained(tmp_path / "one", 1, shards=2))


@pytest.mark.slow
@launches(2)
def test_seeds_that_are_fewer_than_the_devices_are_divided_among_the_processes(tmp_path):
    """And are saved in pieces, as large states are."""
    hindered = {"module": "tests.runs.hindered_run", "env": {"AT_ONCE": "100"}}
    two = trained(tmp_path / "two", 2, "--seeds", "2", devices=4, **hindered)
    assert_same(two, trained(tmp_path / "one", 1, "--seeds", "2"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize(
    ("algo", "settings"),
    [
        ("ppo", SHARDS),
        ("a2c", SHARDS | {"algo.normalize_obs": "true"}),
        ("pqn", SHARDS | {"algo.network.lstm": 4}),
        ("dqn", SHARDS | REPLAY | {"algo.prioritized": "true"}),
        ("ppo", {"vary": f'{{"algo.gamma": {GAMMAS}}}'}),
        ("ppo", {"vary": f'{{"algo.gamma": {GAMMAS}}}', "population.pbt.space": SPACE}),
    ],
    ids=["ppo", "a2c", "pqn with an LSTM", "dqn", "vary", "pbt"],
)
@launches(2)
def test_processes_of_four_devices_give_the_bits_of_one(tmp_path, number, algo, settings):
    rest = {"algo.num_minibatches": 2} if algo in ("ppo", "pqn") else {}
    alone, together = (
        trained(tmp_path / str(n), n, "--algo", algo, devices=4, **settings, **rest)
        for n in (1, number)
    )
    assert_same(alone, together)


@pytest.mark.slow
@launches(4)
def test_what_a_host_decides_is_the_same_in_all_processes(tmp_path):
    """Callbacks that act, a budget of episodes, another run to begin from."""
    found = {}
    for number in (1, 2):
        acting = trained(
            tmp_path / f"acting-{number}", number, "--seeds", "2", module="tests.runs.acting_run"
        )
        with closing(Store(acting / "metrics.sqlite", read_only=True)) as store:
            acts = [json.loads(text)["act"] for _, text in store.actions()]
        assert acts == ["set", "save", "stop"]
        begun = trained(
            tmp_path / f"begun-{number}",
            number,
            *("--seeds", "2", "--from", str(acting)),
            **{"env_steps": None, "stop.episodes": 40},
        )
        assert json.loads((begun / "summary.json").read_text())["stopped_by"] == "budget"
        found[number] = acting, begun
    for one, other in zip(*found.values(), strict=True):
        assert_same(one, other)


BY_TRAINING = {"evaluation.period": "10 episodes", "checkpoints.period": "20 episodes"}


def evaluations(run: Path) -> list[int]:
    """Updates after which the run's events say that it evaluated."""
    with closing(Store(run / "metrics.sqlite", read_only=True)) as store:
        return [update for update, text in store.actions() if json.loads(text)["act"] == "evaluate"]


@pytest.mark.slow
@launches(4)
def test_evaluations_by_episodes_are_those_of_one_process(tmp_path):
    alone, together = (
        trained(tmp_path / str(number), number, "--seeds", "2", **BY_TRAINING) for number in (1, 2)
    )
    assert_same(alone, together)
    assert evaluations(together) == evaluations(alone) and len(evaluations(alone)) > 3
    # killed and resumed, it evaluates where it would have
    runs = tmp_path / "killed"
    runs.mkdir()
    with started(runs, 2, "--seeds", "2", "--go-on", **BY_TRAINING) as running:
        wait_for_update(runs / NAME, 8)
        for process in running:
            process.kill()
    again = trained(runs, 2, "--seeds", "2", "--go-on", **BY_TRAINING)
    assert_same(alone, again)
    assert evaluations(again) == evaluations(alone)


@pytest.mark.slow
@launches(1)
def test_evaluations_by_seconds_are_agreed_upon_by_all_processes(tmp_path):
    run = trained(tmp_path / "runs", 2, "--seeds", "2", **{"evaluation.period": "0.05 seconds"})
    assert evaluations(run)
    rows = elsinore.load(run).metrics.query("name == 'eval/return'")
    assert {*evaluations(run)} <= {*rows["update"]} and rows["update"].max() == 32


@pytest.mark.slow
@launches(4)
def test_a_run_of_two_processes_is_lengthened(tmp_path):
    longer = []
    for number in (1, 2):
        runs = tmp_path / str(number)
        run = trained(runs, number, "--seeds", "2")
        longer.append(trained(runs, number, resumes=str(run), env_steps=8192))
    assert_same(*longer)
    assert json.loads((run / "summary.json").read_text())["env_steps"] == 8192


@pytest.mark.slow
@launches(1)
def test_a_process_that_lives_and_does_not_compute_is_named(tmp_path):
    """The other one ends, and the first of both with it."""
    runs = tmp_path / "runs"
    runs.mkdir()
    loses = {"module": "tests.runs.acting_run", "env": {"LOSES": "1"}}
    with started(runs, 2, "--seeds", "1", "--set", "shards=2", **loses) as running:
        codes = ended(running)
    assert codes[0] == 1 and codes[1] != 0, log_of(runs, 2)
    said = (runs.parent / "runs-0.log").read_text()
    assert "process 1 of 2 does not take part in it; the run ends here" in said
    assert "in _wait_for" in said or "in _launch" in said  # the threads


@pytest.mark.slow
@launches(1)
def test_a_process_that_is_stopped_for_long_ends_the_others(tmp_path):
    """SIGSTOP: it is not gone, and sends no heartbeats."""
    runs = tmp_path / "runs"
    runs.mkdir()
    with started(runs, 2, "--seeds", "2", **LONG) as running:
        wait_for_update(runs / NAME, 100)
        running[1].send_signal(signal.SIGSTOP)
        began = time.monotonic()
        code = running[0].wait(timeout=processes.HEARTBEAT + 60.0)
        seconds = time.monotonic() - began
        running[1].send_signal(signal.SIGCONT)
        codes = ended(running)
    assert code != 0 and codes[1] != 0
    assert seconds < processes.HEARTBEAT + 15.0


@pytest.mark.slow
@launches(5)
def test_a_run_of_two_processes_goes_on_in_one_and_the_other_way(tmp_path):
    whole = trained(tmp_path / "whole", 1, "--seeds", "2")
    for first, second in ((2, 1), (1, 2)):
        runs = tmp_path / f"{first}{second}"
        runs.mkdir()
        with started(runs, first, "--seeds", "2", "--go-on") as running:
            wait_for_update(runs / NAME, 8)
            for process in running:
                process.kill()
        assert_same(whole, trained(runs, second, "--seeds", "2", "--go-on"))


@pytest.mark.slow
@launches(2)
def test_two_processes_conclude_a_run_that_was_killed_before_its_summary(tmp_path):
    whole = trained(tmp_path, 2, "--seeds", "2", "--go-on")
    copy = shutil.copytree(whole, tmp_path / "copy")
    (whole / "summary.json").unlink()
    assert_same(copy, trained(tmp_path, 2, "--seeds", "2", "--go-on"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("rank", [0, 1])
@launches(1)
def test_a_stop_of_one_process_stops_all_after_the_same_chunk(tmp_path, rank, number):
    runs = tmp_path / "runs"
    runs.mkdir()
    with started(runs, 2, "--seeds", "2", "--grace", "300", **LONG) as running:
        wait_for_update(runs / NAME, 100)
        running[rank].send_signal(number)
        codes = ended(running)
    assert codes == [130, 130], log_of(runs, 2)
    summary = json.loads((runs / NAME / "summary.json").read_text())
    assert summary["stopped_by"] == "interrupted"
    names = [x.name for x in (runs / NAME / "checkpoints" / "emergency").iterdir()]
    assert names == [f"{summary['updates']:010d}"]


def chunks_of(run: Path) -> list[int]:
    with closing(Store(run / "metrics.sqlite", read_only=True)) as store:
        return [update for update, *_ in store.chunks()]


@pytest.mark.slow
@pytest.mark.parametrize("ends_by", ["a request", 0, 1])
@launches(1)
def test_a_pause_holds_all_processes(tmp_path, ends_by):
    runs, run = tmp_path / "runs", tmp_path / "runs" / NAME
    runs.mkdir()
    settings = LONG | {"checkpoints.interval_seconds": 3600}
    with started(runs, 2, "--seeds", "2", "--grace", "300", **settings) as running:
        wait_for(lambda: (run / "control.sock").exists() and ask(run), "training")
        ask(run, "pause")
        wait_for(lambda: ask(run), "paused")
        ask(run, "step")
        wait_for(lambda: ask(run), "paused")
        time.sleep(1.0)
        held = chunks_of(run)
        ask(run, "save")
        saved = run / "checkpoints" / "latest" / f"{held[-1]:010d}"
        wait_for(lambda: (saved / "manifest.json").exists(), True)
        assert ask(run) == "paused" and chunks_of(run) == held
        if ends_by == "a request":
            ask(run, "resume")
            wait_for(lambda: len(chunks_of(run)) > len(held) + 2, True)
            ask(run, "stop")
        else:
            running[ends_by].send_signal(signal.SIGTERM)
        codes = ended(running)
    assert codes == [130, 130], log_of(runs, 2)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["stopped_by"] == "interrupted"
    if ends_by != "a request":
        assert chunks_of(run) == held and summary["updates"] == held[-1]


FOUR = {"devices": 4, "env_steps": 65536}  # 512 updates, in chunks of four
SEEDS = ("--seeds", "4", "--go-on", "--grace", "300")


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory) -> Path:
    """A run of one process, with which those that go on are compared."""
    return trained(tmp_path_factory.mktemp("whole") / "runs", 1, *SEEDS, **FOUR)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("rank", [0, 1])
@launches(3)
def test_one_process_is_killed_or_stopped_and_the_run_goes_on_to_the_same_end(
    never_stopped, tmp_path, rank, number, record_property
):
    runs = tmp_path / "runs"
    runs.mkdir()
    with started(runs, 2, *SEEDS, **FOUR) as running:
        wait_for_update(runs / NAME, 100)
        running[rank].send_signal(number)
        began = time.monotonic()
        codes = ended(running)
    seconds = time.monotonic() - began
    record_property("seconds until all had ended", seconds)
    assert not (runs / NAME / "summary.json").exists() or number == signal.SIGTERM
    if number == signal.SIGTERM:
        assert codes == [130, 130], log_of(runs, 2)
    else:
        assert codes[1 - rank] != 0
        assert seconds < processes.HEARTBEAT + 5.0
    assert_same(never_stopped, trained(runs, 2, *SEEDS, **FOUR))


@pytest.mark.slow
@launches(3)
def test_a_stop_in_the_middle_of_a_save_leaves_a_run_that_goes_on(never_stopped, tmp_path):
    """SIGTERM to one process and SIGKILL to the one that writes."""
    runs, run = tmp_path / "runs", tmp_path / "runs" / NAME
    runs.mkdir()
    slow = {"module": "tests.runs.hindered_run", "env": {"SAVES": "100"}}
    with started(runs, 2, *SEEDS, **FOUR, **slow) as running:
        wait_for_update(run, 96)
        wait_for(lambda: any(run.glob("checkpoints/latest/.unfinished-*/state/d")), True)
        running[1].send_signal(signal.SIGTERM)
        running[0].kill()
        codes = ended(running)
    assert codes[0] == -signal.SIGKILL and codes[1] != 0
    (unfinished,) = run.glob("checkpoints/latest/.unfinished-*")
    assert not (unfinished / "manifest.json").exists()
    assert_same(never_stopped, trained(runs, 2, *SEEDS, **FOUR))
    assert not list(run.glob("checkpoints/*/.unfinished-*"))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@launches(3)
def test_a_process_that_stalls_for_a_minute_is_waited_for(never_stopped, tmp_path, rank):
    stalls = {"module": "tests.runs.hindered_run", "env": {"STALLS": str(rank), "SECONDS": "60"}}
    run = trained(tmp_path / "runs", 2, *SEEDS, **FOUR, **stalls)
    with closing(Store(run / "metrics.sqlite", read_only=True)) as store:
        ends = [at for _, _, at, *_ in store.chunks()]
    assert max(b - a for a, b in pairwise(ends)) > 55.0
    assert_same(never_stopped, run)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 4])
@launches(3)
def test_what_two_processes_saved_goes_on_in_one_and_in_four(never_stopped, tmp_path, number):
    runs = tmp_path / "runs"
    runs.mkdir()
    with started(runs, 2, *SEEDS, **FOUR) as running:
        wait_for_update(runs / NAME, 100)
        for process in running:
            process.kill()
    assert not (runs / NAME / "summary.json").exists()
    assert_same(never_stopped, trained(runs, number, *SEEDS, **FOUR))


def test_processes_of_other_settings_are_refused(tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    other = {1: {"algo.gamma": 0.5}}
    with started(runs, 2, "--seeds", "2", each=other) as running:
        codes = ended(running)
    assert codes == [2, 2], log_of(runs, 2)
    assert "the processes have other settings" in log_of(runs, 2)
    assert list(runs.iterdir()) == []


@pytest.mark.parametrize("fails", [0, 1])
def test_what_one_process_alone_is_refused_ends_all_of_them_with_its_reason(fails, tmp_path):
    runs = tmp_path / "runs"
    (runs / NAME).mkdir(parents=True)  # which the first alone looks at
    each = {fails: {"algo.gamma": 2}} if fails else {}
    with started(runs, 2, "--seeds", "2", each=each) as running:
        codes = [process.wait(timeout=120) for process in running]
    assert codes == ([1, 2] if fails else [2, 1]), log_of(runs, 2)
    reason = "gamma=2.0 must" if fails else f"name='{NAME}' is taken"
    other = (runs.parent / f"runs-{1 - fails}.log").read_text()
    assert f"elsinore: process {fails} of 2 has failed: " in other and reason in other


class Service:
    """The coordination service, which refuses to write a key twice as jax's does."""

    def __init__(self):
        self.keys: dict[str, str] = {}

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False):
        if key in self.keys and not allow_overwrite:
            raise RuntimeError(f"ALREADY_EXISTS: {key}")
        self.keys[key] = value

    def key_value_delete(self, key: str):
        del self.keys[key]

    def key_value_dir_get(self, folder: str):
        return [item for item in self.keys.items() if item[0].startswith(folder)]


def test_a_chunk_that_is_late_twice_ends_the_process_the_second_time(monkeypatch):
    service, reasons, done = Service(), [], threading.Event()
    monkeypatch.setattr(processes, "coordination", lambda: service)
    monkeypatch.setattr(processes, "end_now", reasons.append)
    done.set()
    end_at_limit(3, 300.0, 0.0, done)  # its launch ends in time
    assert not service.keys and not reasons
    end_at_limit(3, 300.0, 0.0, threading.Event())  # its report does not
    assert reasons == [
        "chunk 4 is not computed after 300 s: all 1 processes wait for their devices"
    ]


@pytest.mark.parametrize("place", ["", "here", "host:1,2", "host:1,2,x", "host,2,0", "host:1,2,2"])
def test_a_place_that_cannot_be_read_is_refused(place):
    with pytest.raises(ConfigError, match="distributed"):
        elsinore.train("CartPole-v1", distributed=place or "?")


def test_one_process_agrees_with_itself():
    assert processes.gathered([1], "x") == [[1]] and processes.agreed("a", "x") == "a"
    assert processes.any_of(True, "x") and not processes.any_of(False, "x")
    assert processes.is_first() and not processes.joined()


def test_no_process_asks_for_an_evaluation_of_seeds_that_are_all_frozen(monkeypatch):
    at_once = SimpleNamespace(on_request=True)
    plan: Any = SimpleNamespace(
        schedule=SimpleNamespace(num_chunks=2),
        experiment=SimpleNamespace(
            evaluation=at_once, checkpoints=SimpleNamespace(best_buffers=True)
        ),
        looks_ahead=False,
    )
    asked, answers = [], {follower.ACTS: [True, ""], follower.DUE: [[], False]}
    frozen = SimpleNamespace(convergence=SimpleNamespace(frozen=np.array([True])), evaluated=())
    chunk: Any = FinishedChunk(0, (), frozen, {}, 1.0, last=False)

    class Chunks(list):
        pass

    def agreed(value, what, limit=0.0):
        asked.append(what)
        return answers.get(what, value)

    def fetched(states, layout):
        return SimpleNamespace(frozen=np.array([False]))

    monkeypatch.setattr(processes, "agreed", agreed)
    monkeypatch.setattr(follower, "fetch_turns", fetched)
    monkeypatch.setattr(follower, "Pipeline", lambda *_: Chunks([chunk]))
    replays_of: Any = SimpleNamespace(offer=lambda state: None)
    rest: Any = (None, None, (), 0, Controls(), replays_of)
    follower._followed(plan, *rest)
    publisher: Any = SimpleNamespace(plan=plan)
    assert loop.evaluated(rest[0], publisher, chunk) is chunk
    expected = [EXPECTED, follower.ACTS, "the actions of callbacks", follower.DUE]
    assert asked == expected
