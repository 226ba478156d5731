"""A cache of compiled programs that cannot be used is one line, and the command goes on."""

import os
import subprocess
import sys
import warnings

import pytest

from elsinore.cli.compile_cache import one_line_about_the_cache

FULL = "OSError: [Errno 28] No space left on device: '/cache/jit_f-12-cache'"


def failed(program: str, reason: str = FULL, what: str = "writing") -> str:
    return f"Error {what} persistent compilation cache entry for {program!r}: {reason}"


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """The warnings that are shown as before, each as often as it is raised."""
    texts = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr("warnings.showwarning", lambda text, *_, **__: texts.append(str(text)))
        yield texts


def test_the_first_failure_is_one_line_and_the_others_none(shown, capsys):
    with one_line_about_the_cache():
        for program in ("jit_f", "jit_g"):
            warnings.warn(failed(program), stacklevel=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("elsinore: warning: the compilation cache ") and not shown
    assert " cannot be used (No space left on device: " in line
    assert "set JAX_COMPILATION_CACHE_DIR to a folder that can be written" in line


def test_other_warnings_are_shown_as_before(shown, capsys):
    others = ["something else", failed("jit_f", "ZstdError: bad frame", "reading")]
    with one_line_about_the_cache():
        for text in others:
            warnings.warn(text, stacklevel=1)
    warnings.warn(failed("jit_f"), stacklevel=1)  # outside
    assert shown == [*others, failed("jit_f")] and not capsys.readouterr().err


def test_a_command_says_it_once_and_goes_on(tmp_path):
    file = tmp_path / "file"
    file.touch()
    env = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(file)}
    command = [sys.executable, "-m", "elsinore", "train", "CartPole-v1", "--plan"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.startswith("environment     CartPole-v1\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"elsinore: warning: the compilation cache {file} cannot be used (")
