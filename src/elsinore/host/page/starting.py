"""Beginning a run from the page: the same command that a person would type, as a process of its own."""

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from elsinore.config.build import ConfigError
from elsinore.host.control import Busy, ask
from elsinore.host.folder import as_file_name
from elsinore.host.page.runs import Shelf, Unreadable

PATIENCE = 120.0  # seconds to make a plan, or to begin
TEXTS = ("env", "algo", "name", "yaml", "resume")
NUMBERS = ("seeds", "seed")


def read_wish(data: Any) -> dict[str, Any]:
    """What a page asks to be begun: `env`, `algo`, `name`, `yaml`, `resume` (texts), `seeds`, `seed` (whole numbers),
    `set` (a list of "name=value"); all may be left out.

    Raises:
        Unreadable: for anything else.
    """
    if not isinstance(data, dict):
        raise Unreadable("what is to be begun must be a table.")
    wish = {name: value for name, value in data.items() if value not in (None, "", [])}
    for name, value in wish.items():
        good = (
            (name in TEXTS and isinstance(value, str))
            or (name in NUMBERS and isinstance(value, int) and not isinstance(value, bool))
            or (name == "set" and isinstance(value, list) and all(isinstance(one, str) for one in value))
        )
        if not good:
            raise Unreadable(f"{name}={value!r} cannot be begun with.")
    if str(wish.get("env", "")).startswith("-"):
        raise Unreadable(f"env={wish['env']!r} is no environment's name.")
    return wish


def arguments(wish: dict[str, Any], config: Path | None) -> list[str]:
    """The command's arguments for a wish whose YAML lies in the file `config`."""
    args = [wish["env"]] if "env" in wish else []
    args += [f"--config={config}"] if config is not None else []
    args += [f"--{name}={wish[name]}" for name in ("algo", "seeds", "seed") if name in wish]
    return args + [f"--set={one}" for one in wish.get("set", [])]


class Starter:
    """Begins runs in a shelf's folder. They go on when the page is closed."""

    def __init__(self, shelf: Shelf):
        self._shelf = shelf

    def plan(self, wish: dict[str, Any]) -> str:
        """What it would do and need, as `elsinore train --plan` says.

        Raises:
            Unreadable: with what is wrong with it.
        """
        try:
            with _written(wish) as config:
                command = _command([*arguments(wish, config), "--plan"])
                done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise Unreadable(f"there is no plan after {PATIENCE:.0f} s.") from error
        if done.returncode:
            raise Unreadable(_complaint(done.stderr))
        return done.stdout.decode()

    def start(self, wish: dict[str, Any]) -> str:
        """Begin; returns the run's name once its folder is there.

        Raises:
            Unreadable: with what is wrong with it.
        """
        if "resume" in wish:
            run = self._shelf.open(wish["resume"]).path
            if _is_trained(run):
                raise Unreadable(f"{wish['resume']} is being trained already.")
            _begin(["--resume", str(run)], run)
            return wish["resume"]
        name = wish.get("name") or f"{as_file_name(wish.get('env', 'run'))}-{datetime.now():%Y%m%d-%H%M%S}"
        if "/" in name or (self._shelf.top / name).exists():
            raise Unreadable(f"name={name!r} is taken, or no folder's name; choose another.")
        with _written(wish) as config:
            args = [*arguments(wish, config), f"--name={name}", f"--runs-dir={self._shelf.top}"]
            _begin(args, self._shelf.top / name)
        return name


def _begin(args: list[str], run: Path) -> None:
    """Wait until the process answers for its run, or has ended."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            _command(args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints,
            start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=process.wait, name="elsinore-started-run", daemon=True).start()  # until its end
        deadline = time.monotonic() + PATIENCE
        while not _is_trained(run) and time.monotonic() < deadline:
            if process.poll():
                complaints.seek(0)
                raise Unreadable(_complaint(complaints.read()))
            if process.returncode == 0:
                break
            time.sleep(0.1)


def _is_trained(run: Path) -> bool:
    """Whether a process holds the run; one that is too busy to answer does."""
    try:
        ask(run, timeout=0.5)
    except Busy:
        return True
    except ConfigError:
        return False
    return True


def _command(args: list[str]) -> list[str]:
    return [sys.executable, "-m", "elsinore.cli", "train", *args]


def _complaint(told: bytes) -> str:
    """The sentence with which a command was refused; the last line where it broke."""
    lines = told.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
    mine = [line for line in lines if line.startswith("elsinore: ")]
    return (mine or lines)[-1].removeprefix("elsinore: ")


@contextlib.contextmanager
def _written(wish: dict[str, Any]) -> Iterator[Path | None]:
    """The wish's YAML in a file that only its owner can read; None where it has none."""
    if "yaml" not in wish:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="elsinore-") as file:
        file.write(wish["yaml"])
        file.flush()
        yield Path(file.name)
