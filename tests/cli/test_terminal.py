"""Commands in a terminal, where some take another way than in a pipe."""

import os
import sys
import threading

import pytest
import yaml

from elsinore import cli
from tests.runs.conftest import TINY

pty = pytest.importorskip("pty")
LIVE = {name: value for name, value in TINY.items() if not name.startswith("sinks")}


def in_terminal(line: list[str], monkeypatch, keys: str = "") -> tuple[int, str]:
    """The exit status of a command whose standard streams are a terminal's, and all that it shows
    while somebody types `keys`."""
    master, slave = pty.openpty()
    shown = bytearray()

    def read() -> None:
        try:
            while part := os.read(master, 2**16):
                shown.extend(part)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    os.write(master, keys.encode())
    streams = [os.fdopen(os.dup(slave), mode) for mode in ("r", "w", "w")]
    os.close(slave)
    with monkeypatch.context() as patch:
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        patch.setenv("TERM", "xterm-256color")
        code = cli.main(line)
    for stream in streams:
        stream.close()
    reader.join()
    os.close(master)
    return code, shown.decode()


def settings(given: dict) -> list[str]:
    return [f"--set={name}={yaml.safe_dump(x).split(chr(10))[0]}" for name, x in given.items()]


COMMANDS = {
    "runs": (["runs", "--runs-dir", "{runs}"], "finished"),
    "checkpoints": (["checkpoints", "{run}"], "best"),
    "evaluate": (["evaluate", "{run}", "--episodes=2"], "seed 0"),
    "doctor": (["doctor", "{run}"], "random-policy"),
    "play": (["play", "{run}", "--speed=0"], "return"),
    "settings": (["settings", "gae_lambda"], "algo.gae_lambda"),
    "envs": (["envs"], "CartPole-v1"),
    "check-env": (["check-env", "CartPole-v1"], "stable"),
    "report": (["report", "{run}", "--out={out}"], "report.html"),
}
TRAINING = {"a line": [], "the dashboard": ["--dashboard"]}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_in_a_terminal_ends_well(name, whole, monkeypatch, tmp_path):
    command, seen = COMMANDS[name]
    places = {"runs": whole.parent, "run": whole, "out": tmp_path / "out"}
    code, shown = in_terminal([word.format(**places) for word in command], monkeypatch)
    assert code == 0, shown
    assert seen in shown and "Traceback" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("options", TRAINING.values(), ids=TRAINING)
def test_training_in_a_terminal_shows_its_progress(options, monkeypatch, tmp_path):
    given = LIVE | {"sinks.mlflow.enabled": False}
    line = ["train", "CartPole-v1", f"--runs-dir={tmp_path}", *settings(given), *options]
    code, shown = in_terminal(line, monkeypatch)
    assert code == 0, shown
    assert "5,120 of 5,120 steps" in shown and "evaluation " in shown


def test_an_episode_is_stepped_through_by_keys(whole, monkeypatch):
    code, shown = in_terminal(["play", str(whole), "--step"], monkeypatch, keys="\n\nq\n")
    assert code == 0 and shown.count("next step, q: quit") == 3
