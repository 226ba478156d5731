"""Ctrl-C while modules are imported, or programs compiled."""

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from elsinore.cli.arguments import EXIT_INTERRUPTED
from elsinore.cli.interrupts import ending_imports
from elsinore.interrupts import DELAY


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


def test_an_interrupt_in_a_callback_of_the_garbage_collector_is_not_lost():
    def interrupted(*_):
        gc.callbacks.remove(interrupted)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(interrupted)
    with ending_imports(), pytest.raises(KeyboardInterrupt):
        gc.collect()  # Python ignores what the callback raises
        time.sleep(30)


def test_an_interrupt_that_was_ignored_at_the_end_is_raised_there_and_not_later():
    def interrupted(*_):
        gc.callbacks.remove(interrupted)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(interrupted)
    with pytest.raises(KeyboardInterrupt), ending_imports():
        gc.collect()
    time.sleep(3 * DELAY)  # nothing is sent any more


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_compiles_ends_at_once_and_can_be_resumed(tmp_path, number):
    command = [sys.executable, "-u", "-m", "elsinore.cli", "train"]
    train = [*command, "Balatro-stage2", "--seeds", "1", "--name", "compiled"]
    cold = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
    with subprocess.Popen(
        train, cwd=tmp_path, env=cold, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if lines[-1] == "compiling":
                time.sleep(2)  # while it is traced; XLA takes some 20 s after that
                process.send_signal(number)
    assert process.returncode == EXIT_INTERRUPTED
    name = signal.Signals(number).name
    after = lines[lines.index("compiling") + 1 :]
    assert after == [
        f"{name}: stopping before any training",
        "resume with: elsinore train --resume runs/compiled",
    ]
    done = subprocess.run(
        [*command, "--resume", "runs/compiled", "--plan"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Balatro-stage2" in done.stdout


def test_the_process_ends_beside_a_compiler_and_what_was_printed_is_there():
    program = (
        "import threading, time\n"
        "from elsinore.cli.interrupts import end_with_xla\n"
        "from elsinore.runs.xla_threads import XLA_THREADS\n"
        "threading.Thread(target=time.sleep, args=(60,), name=f'{XLA_THREADS}_0').start()\n"
        "print('saved')\n"
        "end_with_xla()\n"
        "print('not reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (EXIT_INTERRUPTED, "saved\n")
