"""Start training runs from the page: `elsinore train` as a process of its own."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsinore.errors import ConfigError
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.runs.run_dir import as_file_name, check_folder_name, free_name_from
from elsinore.runs.run_state import is_training

START_TIMEOUT = 120.0  # seconds to print a plan, or to begin training
TEXTS = ("env", "algo", "name", "yaml", "resume")
NUMBERS = ("seeds", "seed")


def parse_launch(data: Any) -> dict[str, Any]:
    """The settings of a run to start: `env`, `algo`, `name`, `yaml`, `resume` (texts), `seeds`,
    `seed` (integers), `set` (a list of "name=value"); all are optional.

    Raises:
        PageError: for anything else.
    """
    if not isinstance(data, dict):
        raise PageError("the settings of a run must be an object.")
    settings = {name: value for name, value in data.items() if value not in (None, "", [])}
    for name, value in settings.items():
        if not _is_setting(name, value):
            raise PageError(
                f"{name}={value!r} is not a setting of a run; texts are {', '.join(TEXTS)},"
                f" integers {', '.join(NUMBERS)}, and `set` is a list of texts."
            )
    if str(settings.get("env", "")).startswith("-"):
        raise PageError(
            f"env={settings['env']!r} is not an environment; `elsinore envs` lists them."
        )
    return settings


def _is_setting(name: str, value: Any) -> bool:
    if name in TEXTS:
        return _is_text(value)
    if name in NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool)
    return name == "set" and isinstance(value, list) and all(map(_is_text, value))


def _is_text(value: Any) -> bool:
    """True for a text that can be an argument of a process: no byte 0, no half of a pair."""
    return isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value)


def refuse_name(name: str, runs: RunsDirectory) -> None:
    """Refuse a name that a run in this directory cannot get.

    Raises:
        PageError: for one that is no folder's name, or taken.
    """
    try:
        check_folder_name(name)
    except ConfigError as error:
        raise PageError(str(error)) from error
    if os.path.lexists(runs.top / name):
        raise PageError(f"name={name!r} is taken; choose another.")


def train_arguments(settings: dict[str, Any], config: Path | None) -> list[str]:
    """Arguments of `elsinore train`; `config` is the file that holds the settings' YAML."""
    args = [settings["env"]] if "env" in settings else []
    args += [f"--config={config}"] if config is not None else []
    args += [f"--{name}={settings[name]}" for name in ("algo", "seeds", "seed") if name in settings]
    return args + [f"--set={assignment}" for assignment in settings.get("set", [])]


class Launcher:
    """Starts runs in the runs directory. They outlive the page."""

    def __init__(self, runs: RunsDirectory):
        self._runs = runs

    def plan(self, settings: dict[str, Any]) -> str:
        """The output of `elsinore train --plan`.

        Raises:
            PageError: with the command's error message.
        """
        try:
            with _yaml_file(settings) as config:
                done = subprocess.run(
                    _command([*self._arguments(settings, config), "--plan"]),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=START_TIMEOUT,
                    # a run that trains on the GPU needs what is left of it
                    env={"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | os.environ,
                )
        except subprocess.TimeoutExpired as error:
            raise PageError(
                f"the plan took longer than {START_TIMEOUT:.0f} s; try `elsinore train --plan`."
            ) from error
        if done.returncode:
            raise PageError(_error_message(done.stderr))
        return done.stdout.decode()

    def start(self, settings: dict[str, Any]) -> str:
        """Start or resume a run; returns its name once its process answers.

        Raises:
            PageError: with the command's error message.
        """
        if "resume" in settings:
            run = self._runs.open(settings["resume"]).path
            if is_training(run):
                raise PageError(f"{settings['resume']} is being trained already.")
            _launch(["--resume", str(run)], run)
            return settings["resume"]
        prefix = as_file_name(settings.get("env", "run"))
        name = settings.get("name") or free_name_from(prefix, self._runs.top)
        refuse_name(name, self._runs)
        with _yaml_file(settings) as config:
            args = [*self._arguments(settings, config), f"--name={name}"]
            _launch(args, self._runs.top / name)
        return name

    def _arguments(self, settings: dict[str, Any], config: Path | None) -> list[str]:
        return [*train_arguments(settings, config), f"--runs-dir={self._runs.top}"]


def _launch(args: list[str], run: Path) -> None:
    """Start a training process; returns when it answers for its run or has ended."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            _command(args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        # reaps the process
        threading.Thread(target=process.wait, name="elsinore-started-run", daemon=True).start()
        deadline = time.monotonic() + START_TIMEOUT
        while not is_training(run) and time.monotonic() < deadline:
            if process.poll():
                errors.seek(0)
                raise PageError(_error_message(errors.read()))
            if process.returncode == 0:
                break
            time.sleep(0.1)


def _command(args: list[str]) -> list[str]:
    return [sys.executable, "-m", "elsinore.cli", "train", *args]


def _error_message(stderr: bytes) -> str:
    """The command's one-line refusal, or the last line of a traceback."""
    lines = stderr.decode(errors="replace").strip().splitlines() or ["it ended without a message"]
    mine = [line for line in lines if line.startswith("elsinore: ")]
    return (mine or lines)[-1].removeprefix("elsinore: ")


@contextlib.contextmanager
def _yaml_file(settings: dict[str, Any]) -> Iterator[Path | None]:
    """The settings' YAML in a temporary file that only its owner can read; None without YAML."""
    if "yaml" not in settings:
        yield None
        return
    with tempfile.NamedTemporaryFile(
        "w", suffix=".yaml", prefix="elsinore-", encoding="utf-8"
    ) as file:
        file.write(settings["yaml"])
        file.flush()
        yield Path(file.name)
