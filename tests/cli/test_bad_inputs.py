"""A bad input is one message, exit code 2, no traceback, and nothing left behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from elsinore import cli
from tests.cli.bad_inputs import CASES, write_files

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "decisions" / "bad-inputs.md"
OUTCOMES: dict[str, str] = {}  # the message of each case that has run


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty current folder from which `tests` can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    return tmp_path


def everything_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def label(name: str) -> str:
    """A case's name, short enough to be shown."""
    text = name if len(name) <= 70 else name[:67] + "..."
    return text.encode("unicode_escape").decode()


@pytest.mark.parametrize("name", CASES, ids=lambda name: re.sub(r"[^\w.=:/-]+", "-", label(name)))
def test_it_is_refused_with_one_message_and_nothing_is_left(name, elsewhere, capsys):
    case = CASES[name]
    write_files(elsewhere, case)
    before = everything_in(elsewhere)
    try:
        code = cli.main(list(case.argv))
    except SystemExit as stop:  # argparse's way out
        assert name.startswith("usage ")
        code = stop.code
    out, err = capsys.readouterr()
    lines = err.strip().splitlines()
    assert code == 2
    assert case.reason in err
    assert "Traceback" not in err
    assert len(lines) == 1 and lines[0].startswith("elsinore: ")
    assert len(lines[0]) < 900
    assert out == "" or case.argv[0] in ("check-env", "check-algo")
    assert everything_in(elsewhere) == before
    OUTCOMES[name] = lines[-1].removeprefix("elsinore: ").replace(str(elsewhere), "")


def test_there_are_as_many_as_promised():
    assert len(CASES) >= 306


def rows(outcomes: dict[str, str]) -> str:
    """The table of the docs, without what depends on the machine or on another library."""
    lines = []
    for name, text in outcomes.items():
        text = re.sub(r"\d+ [KMG]iB are", "N GiB are", " ".join(text.split()))
        text = re.sub(r":\d+\)", ")", re.sub(r"(fails in .+\): \w+).*", r"\1", text))
        shown = label(name).replace("`", "'").replace("|", "\\|")
        lines.append(f"| `{shown}` | {text.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def test_the_docs_have_the_message_of_each():
    if len(OUTCOMES) < len(CASES):
        pytest.skip("not every case has run")
    text = TABLE.read_text() if TABLE.exists() else ""
    head, _, _ = text.partition("| input | message |")
    if os.environ.get("WRITE_BAD_INPUTS"):
        TABLE.write_text(f"{head}| input | message |\n|---|---|\n{rows(OUTCOMES)}\n")
    assert rows(OUTCOMES) in TABLE.read_text()


@pytest.mark.parametrize("name", ["--set env_steps=2023-13-45", "config deep nesting", "--name "])
def test_it_is_refused_by_a_process_too(name, elsewhere):
    case = CASES[name]
    write_files(elsewhere, case)
    done = subprocess.run(
        [sys.executable, "-m", "elsinore.cli", *case.argv],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert case.reason in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_debugger_may_see_the_whole_traceback(elsewhere, capsys, monkeypatch):
    monkeypatch.setenv("ELSINORE_DEBUG", "1")
    assert cli.main(list(CASES["code algo_raises"].argv)) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and "no algorithm today" in err


def test_a_fault_of_elsinore_is_one_message_too(capsys, monkeypatch):
    monkeypatch.setattr("elsinore.cli.envs.print", 3, raising=False)
    assert cli.main(["envs"]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "TypeError" in lines[0] and "ELSINORE_DEBUG=1" in lines[0]
