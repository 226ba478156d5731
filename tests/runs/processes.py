"""Training in a process of its own, so that it can be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.runs.conftest import chunk_ends, count_in_log

ROOT = Path(__file__).parents[2]
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "elsinore.cli", "train", *args]


def beginning(
    runs_dir: Path, name: str, settings: dict[str, Any], env: str = "CartPole-v1", seeds: int = 2
) -> list[str]:
    """The command that begins this run."""
    chosen = [f"--set={setting}={json.dumps(value)}" for setting, value in settings.items()]
    return [
        *command(env, "--seeds", str(seeds), "--runs-dir", str(runs_dir)),
        *chosen,
        "--name",
        name,
    ]


def start(args: list[str], held: int | None = None) -> subprocess.Popen:
    """`args` in a process of its own. `held`: the index of a chunk that it never launches, so that
    it is still there to be killed."""
    env = os.environ | {"PYTHONWARNINGS": "ignore"}
    if held is not None:
        args = ["tests.runs.hindered_run" if word == "elsinore.cli" else word for word in args]
        paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
        env |= {"HELD": str(held), "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(args, **QUIET, env=env)


def finish(args: list[str]) -> None:
    subprocess.run(
        args, **QUIET, env=os.environ | {"PYTHONWARNINGS": "ignore"}, check=True, timeout=300
    )


def kill(process: subprocess.Popen) -> bool:
    """SIGKILL; True if that is what ended it."""
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def until(condition: Callable[[], bool], process: subprocess.Popen, timeout: float = 90.0) -> bool:
    """Wait for something that the process does; False if it ended first."""
    deadline = time.monotonic() + timeout
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the process does not get on"
        time.sleep(0.01)
    return True


def until_trained_on(path: Path, updates: int, process: subprocess.Popen) -> bool:
    """Wait until a run that is just beginning or resuming has compiled and done so many updates
    more."""
    compiled = times_compiled(path)
    if not until(lambda: times_compiled(path) > compiled, process):
        return False
    goal = last_update(path) + updates
    return until(lambda: last_update(path) >= goal, process)


def last_update(path: Path) -> int:
    try:
        return chunk_ends(path)[-1][0]
    except Exception:  # no store, no table, no chunk yet
        return 0


def times_compiled(path: Path) -> int:
    try:
        return count_in_log(path, "compiled in")
    except OSError:
        return 0
