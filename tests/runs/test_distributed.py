"""One run of several processes: the bits of one process, whatever is stopped or killed in between.

Real processes on this machine, over gloo, each with a time limit and none left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.jaxtools import processes
from elsinore.runs.together import refuse_what_processes_do_not_have

ROOT = Path(__file__).parents[2]
LIMIT = 240.0  # seconds for all processes of a run
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
LONG = {"env_steps": 4_000_000, "evaluation.period": 50}  # until it is stopped


@contextmanager
def started(runs: Path, number: int, *args: str, each: dict | None = None, **settings):
    """So many processes of one run, with two devices in all; killed at the end of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "JAX_NUM_CPU_DEVICES": str(2 // number)}
    running = []
    for rank in range(number):
        chosen = SMALL | settings | (each or {}).get(rank, {})
        command = [sys.executable, "-m", "elsinore.cli", "train", "CartPole-v1", *args]
        command += [word for name, x in chosen.items() for word in ("--set", f"{name}={x}")]
        command += ["--runs-dir", str(runs), "--name", "run"]
        if number > 1:
            command += ["--distributed", f"127.0.0.1:{port},{number},{rank}"]
        with (runs.parent / f"{runs.name}-{rank}.log").open("a") as output:
            running.append(subprocess.Popen(command, env=env, stdout=output, stderr=output))
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def ended(running) -> list[int]:
    """Exit codes; all processes have ended by then."""
    until = time.monotonic() + LIMIT
    return [process.wait(timeout=max(until - time.monotonic(), 1)) for process in running]


def trained(runs: Path, number: int, *args: str, **rest) -> Path:
    runs.mkdir(exist_ok=True)
    with started(runs, number, *args, **rest) as running:
        codes = ended(running)
    assert codes == [0] * number, log_of(runs, number)
    return runs / "run"


def log_of(runs: Path, number: int) -> str:
    logs = (runs.parent / f"{runs.name}-{rank}.log" for rank in range(number))
    return "\n".join(log.read_text()[-3000:] for log in logs)


def assert_same(one: Path, other: Path) -> None:
    """The same parameters, and the same metrics of every update."""
    found = [json.loads((run / "summary.json").read_text()) for run in (one, other)]
    for name in ("params_sha256", "eval_return", "updates"):
        assert found[0][name] == found[1][name]
    rows = [
        elsinore.load(run).metrics.sort_values(["update", "seed", "name"]).reset_index(drop=True)
        for run in (one, other)
    ]
    assert rows[0].equals(rows[1])


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
    [("--seeds", "2"), pytest.param(("--set", "shards=2"), marks=pytest.mark.slow)],
    ids=["seeds", "shards"],
)
def test_two_processes_give_the_bits_of_one(tmp_path, divided):
    alone = trained(tmp_path / "alone", 1, *divided)
    together = trained(tmp_path / "together", 2, *divided)
    assert_same(alone, together)
    assert [x.name for x in (tmp_path / "together").iterdir()] == ["run"]
    assert "budget after" not in (tmp_path / "together-1.log").read_text()


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_in_one_and_the_other_way(tmp_path):
    whole = trained(tmp_path / "whole", 1, "--seeds", "2")
    for first, second in ((2, 1), (1, 2)):
        runs = tmp_path / f"{first}{second}"
        runs.mkdir()
        with started(runs, first, "--seeds", "2", "--go-on") as running:
            wait_for_update(runs / "run", 8)
            for process in running:
                process.kill()
        assert_same(whole, trained(runs, second, "--seeds", "2", "--go-on"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_stop_of_one_process_stops_all_after_the_same_chunk(tmp_path, rank, number):
    runs = tmp_path / "runs"
    runs.mkdir()
    with started(runs, 2, "--seeds", "2", "--grace", "300", **LONG) as running:
        wait_for_update(runs / "run", 100)
        running[rank].send_signal(number)
        codes = ended(running)
    assert codes == [130, 130], log_of(runs, 2)
    summary = json.loads((runs / "run" / "summary.json").read_text())
    assert summary["stopped_by"] == "interrupted"
    names = [x.name for x in (runs / "run" / "checkpoints" / "emergency").iterdir()]
    assert names == [f"{summary['updates']:010d}"]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_the_others_end_when_one_is_killed(tmp_path, rank):
    runs = tmp_path / "runs"
    runs.mkdir()
    with started(runs, 2, "--seeds", "2", **LONG) as running:
        wait_for_update(runs / "run", 100)
        running[rank].kill()
        began = time.monotonic()
        codes = ended(running)
    assert codes[1 - rank] != 0
    assert time.monotonic() - began < processes.HEARTBEAT + 15.0


def test_processes_of_other_settings_are_refused(tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    other = {1: {"algo.gamma": 0.5}}
    with started(runs, 2, "--seeds", "2", each=other) as running:
        codes = ended(running)
    assert codes == [2, 2], log_of(runs, 2)
    assert "the processes have other settings" in log_of(runs, 2)
    assert list(runs.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"stop.episodes": 100}, "stop.episodes=100"),
        ({"stop.seconds": 60}, "stop.seconds=60"),
        ({"vary": {"algo.gamma": [0.9, 0.99]}}, "vary="),
    ],
    ids=["episodes", "seconds", "vary"],
)
def test_what_processes_do_not_have_is_refused_by_name(settings, named):
    experiment = load_experiment("CartPole-v1", overrides=settings)
    with pytest.raises(ConfigError, match=re.escape(named)):
        refuse_what_processes_do_not_have(experiment, on_host=False, acting=False)
    plain = load_experiment("CartPole-v1")
    refuse_what_processes_do_not_have(plain, on_host=False, acting=False)
    with pytest.raises(ConfigError, match="callbacks"):
        refuse_what_processes_do_not_have(plain, on_host=False, acting=True)
    with pytest.raises(ConfigError, match="env='CartPole-v1'"):
        refuse_what_processes_do_not_have(plain, on_host=True, acting=False)


@pytest.mark.parametrize("place", ["", "here", "host:1,2", "host:1,2,x", "host,2,0", "host:1,2,2"])
def test_a_place_that_cannot_be_read_is_refused(place):
    with pytest.raises(ConfigError, match="distributed"):
        elsinore.train("CartPole-v1", distributed=place or "?")


def test_one_process_agrees_with_itself():
    assert processes.gathered([1], "x") == [[1]] and processes.agreed("a", "x") == "a"
    assert processes.any_of(True, "x") and not processes.any_of(False, "x")
    assert processes.is_first() and not processes.joined()
