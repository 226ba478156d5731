"""Ctrl-C while modules are imported."""

import signal
import subprocess
import sys

import pytest

from elsinore.cli.arguments import EXIT_INTERRUPTED
from elsinore.cli.interrupts import ending_imports


@pytest.fixture(autouse=True)
def default_handler():
    """As in a terminal; a shell's background job ignores SIGINT, and so would its processes."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# a module whose import is interrupted, and which catches the exception as an extension may
DEAF = """
import os, signal, time

try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
except KeyboardInterrupt:
    print("caught")
"""


def test_an_interrupted_import_ends_the_command(tmp_path):
    (tmp_path / "deaf.py").write_text(DEAF)
    command = [sys.executable, "-m", "elsinore.cli", "check-env", "deaf:Env"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == EXIT_INTERRUPTED
    assert "caught" not in done.stdout


def test_outside_of_an_import_it_is_an_exception_as_ever():
    with ending_imports(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ending_imports():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
