"""A stdout that cannot be written changes nothing but the printing."""

import io
import os
import subprocess
import sys

import jax
import pytest

from elsinore import cli
from elsinore.cli import streams
from elsinore.cli.arguments import EXIT_FAILED
from elsinore.runs.sinks.console import Console
from tests.page.conftest import make_run
from tests.runs.conftest import TINY, assert_same_run, record
from tests.runs.processes import beginning


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        raise OSError(28, "No space left on device")


def test_a_stream_that_cannot_be_written_is_forgiven(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    streams.forgive_stdout()
    print("lost", flush=True)
    assert not sys.stdout.isatty()  # all else is the stream's own


def test_what_a_stream_without_a_file_cannot_write_opens_no_files():
    free = os.dup(0)  # the lowest free number
    os.close(free)
    print("lost", file=streams.ForgivingStream(Full()), flush=True)
    after = os.dup(0)
    os.close(after)
    assert after == free


def test_a_stream_that_can_be_written_is_written(monkeypatch):
    plain = io.StringIO()
    monkeypatch.setattr(sys, "stdout", plain)
    streams.forgive_stdout()
    print("kept", flush=True)
    assert plain.getvalue() == "kept\n"


def test_standard_streams_are_whole_inside_and_as_before_afterwards(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with streams.whole_streams():
        print("to nowhere", flush=True)
        print("to nowhere", file=sys.stderr, flush=True)
        sys.stdout.close()
    assert (sys.stdout, sys.stderr) == (None, None)


def test_a_letter_that_the_terminal_lacks_is_a_question_mark(monkeypatch, tmp_path):
    make_run(tmp_path, "Käthe")
    plain = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    assert cli.main(["runs", "--runs-dir", str(tmp_path)]) == 0
    plain.flush()
    assert "K?the" in plain.buffer.getvalue().decode("ascii") and plain.errors == "strict"


def test_a_message_that_cannot_be_printed_keeps_its_exit_code(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Full())
    assert cli.main(["train", "--resume", "nowhere"]) == 2


@pytest.mark.parametrize("stream", [None, "closed"])
def test_the_progress_line_needs_no_stdout(monkeypatch, stream):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed if stream else None)
    console = Console(512, 2)
    if stream is None:
        console.write(record(8))
    console.close()


PROBE = """
import os
from elsinore.cli.streams import whole_streams
with whole_streams():
    print(sorted(os.fstat(n).st_rdev == os.stat("/dev/null").st_rdev for n in range(3)))
    assert os.open("/dev/zero", os.O_RDONLY) > 2
"""


def test_no_file_takes_the_number_of_a_closed_stream():
    shell = 'exec "$0" -c "$1" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", shell, sys.executable, PROBE], check=True, timeout=100)


ENDS = {
    "closed": ">&- 2>&-",
    "full": ">/dev/full 2>/dev/full",
    "a broken pipe": "| true",
}


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_a_run_ends_with_0_and_is_complete_wherever_it_prints_to(tmp_path, whole, end):
    settings = TINY | {"checkpoints.interval_seconds": 0, "sinks.console": True}
    args = beginning(tmp_path, "whole", settings)
    shell = ["bash", "-o", "pipefail", "-c", f'"$@" {ENDS[end]}', "bash", *args]
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    ended = subprocess.run(shell, env=environment, timeout=300, stderr=subprocess.DEVNULL)
    assert ended.returncode == 0
    path = tmp_path / "whole"
    assert_same_run(path, whole)
    assert "Traceback" not in (path / "logs" / "train.log").read_text()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_that_cannot_be_printed_is_a_failure(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "stdout", Full())
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err == "elsinore: the disk is full; free some space.\n"


@pytest.mark.slow
def test_stdout_that_a_listing_cannot_write_is_a_failure(tmp_path):
    args = [sys.executable, "-m", "elsinore.cli", "envs"]
    with open("/dev/full", "w") as full:
        assert subprocess.run(args, stdout=full, stderr=subprocess.DEVNULL).returncode != 0


def test_a_failure_of_several_processes_is_not_taken_for_their_being_several(monkeypatch, capsys):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    assert cli._failed(RuntimeError("a connection was closed")) == EXIT_FAILED
    assert "RuntimeError: a connection was closed" in capsys.readouterr().err
