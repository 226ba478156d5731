"""The lock of a run is held as long as something of its training may write to the folder, and by
nothing else."""

import subprocess
import sys
import threading

import pytest

from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_lock import RunInUse


def test_a_run_stays_locked_until_the_threads_end_that_were_left_behind(tmp_path):
    run, free = RunDir(tmp_path), threading.Event()
    left = threading.Thread(target=free.wait, daemon=True)
    left.start()
    run.lock()
    run.unlock(after=[left])
    with pytest.raises(RunInUse):
        RunDir(tmp_path).lock()
    free.set()
    (closing,) = (each for each in threading.enumerate() if each.name == f"elsinore-{run.name}")
    closing.join(5.0)
    run.lock()
    run.unlock()


FORKS = """
import os, sys
from pathlib import Path
from elsinore.runs.run_dir import RunDir

run = RunDir(Path(sys.argv[1]))
run.lock()
if os.fork() == 0:
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
os.waitpid(-1, 0) if "stays" in sys.argv else os._exit(0)
"""


def test_a_forked_process_does_not_keep_the_lock_of_the_one_that_trained(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", FORKS, tmp_path], **pipes) as process:
        assert process.stdout.readline() == "forked\n"
        process.wait()
        assert not RunDir(tmp_path).is_locked()
        process.stdin.close()


def test_a_forked_process_does_not_unlock_the_run_that_trains(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", FORKS, tmp_path, "stays"], **pipes) as process:
        assert process.stdout.readline() == "forked\n"
        assert RunDir(tmp_path).is_locked()
        process.stdin.close()
