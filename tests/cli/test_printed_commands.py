"""A command that a message prints can be typed as it is, whatever the folder is called."""

import argparse
import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import elsinore
from elsinore import cli
from elsinore.cli import elsinore_parser
from elsinore.errors import ConfigError, quoted
from tests.runs.conftest import train_tiny

SOURCE = Path(elsinore.__file__).parent


def commands() -> list[str]:
    """The commands of the parser."""
    actions = elsinore_parser()._actions
    (found,) = (x.choices for x in actions if isinstance(x, argparse._SubParsersAction))
    return list(found)


# the path of a command, in one string or in two that follow each other
PATH = re.compile(
    rf"""elsinore(?:"\s+f?")? (?:{"|".join(commands())})"""
    r"""(?: --(?:resume|config|from|runs-dir))?(?:"\s+f?")? (\{[^}]*\}|%s)"""
)
# quoted where they are filled in, a policy of the package, or words of a usage
ELSEWHERE = {"%s", "{run}", "{name}", "{suite}", "{' | '.join(ALGORITHMS)}"}


def test_every_command_with_a_path_quotes_it():
    found = [match[1] for path in SOURCE.rglob("*.py") for match in PATH.finditer(path.read_text())]
    assert len(found) > 15
    assert not {path for path in found if not path.startswith("{quoted(")} - ELSEWHERE


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train_tiny(tmp_path_factory.mktemp("runs"), "run", {"env_steps": 512}).path


def typed(line: str) -> list[str]:
    """The arguments of the command that ends a line, as a shell gives them."""
    program, *arguments = shlex.split(line[line.index("elsinore ") :])
    assert program == "elsinore"
    return arguments


def test_the_command_after_a_repair_runs_as_it_is_printed(finished, tmp_path, capsys):
    path = shutil.copytree(finished, tmp_path / "Yorick's $HOME" / "int run")
    for file in path.glob("metrics.sqlite*"):
        file.unlink()
    for remaining in ("sync", "train"):
        assert cli.main(["repair", str(path)]) == 0
        arguments = typed(capsys.readouterr().out.splitlines()[-1])
        assert arguments[0] == remaining
        assert cli.main(arguments) == 0
        capsys.readouterr()
        (path / "summary.json").unlink()


@pytest.mark.parametrize("command", ["evaluate", "play", "report", "train --resume", "watch"])
def test_the_command_that_lists_runs_lists_those_of_the_folder_that_was_searched(
    finished, tmp_path, capsys, command
):
    shutil.copytree(finished, tmp_path / "my runs" / "mine")
    assert cli.main([*command.split(), "nowhere", "--runs-dir", str(tmp_path / "my runs")]) == 2
    listing = re.findall("`(elsinore runs.*?)`", capsys.readouterr().err)[0]
    assert cli.main(typed(listing)) == 0
    assert "mine" in capsys.readouterr().out


def test_a_run_without_metrics_to_go_on_from_is_repaired_as_it_is_printed(
    finished, tmp_path, capsys
):
    path = shutil.copytree(finished, tmp_path / "my runs" / "run")
    for file in path.glob("metrics.sqlite*"):
        file.unlink()
    begin = ["train", "--from", str(path), "--from-parts", "all", "--plan"]
    assert cli.main(begin) == 2
    (command,) = re.findall("`(elsinore repair .*?)`", capsys.readouterr().err)
    assert cli.main(typed(command)) == 0
    assert cli.main(begin) == 0


@pytest.mark.parametrize("interrupted", [True, False])
def test_the_name_of_a_comparison_is_quoted(tmp_path, monkeypatch, capsys, interrupted):
    left = SimpleNamespace(path=tmp_path / "my bout", interrupted=interrupted, failed={"ppo": "x"})
    monkeypatch.setattr("elsinore.analysis.compare.api.compare", lambda *_, **__: left)
    monkeypatch.setattr("elsinore.analysis.compare.terminal.print_comparison", lambda _: None)
    assert cli.main(["compare", "--algos", "ppo"]) == (130 if interrupted else 1)
    assert "the same command with --name 'my bout'" in capsys.readouterr().err


def test_a_long_path_in_a_command_is_not_cut(finished, tmp_path, capsys):
    path = tmp_path / ("a folder with a long name " * 6).strip() / "run"
    shutil.copytree(finished, path)
    (path / "summary.json").write_text("[1]")
    assert cli.main(["train", "--resume", str(path)]) == 2
    (command,) = re.findall("`(elsinore .*)`", capsys.readouterr().err)
    assert typed(command) == ["train", "--resume", str(path)]


def test_what_is_no_command_is_cut_as_before():
    command = f"`elsinore train --resume {quoted('a b')}`"
    text = str(ConfigError(f"name={'x y' * 50!r} is none; {command}"))
    assert "..." in text and text.endswith(command)
    assert len(str(ConfigError("`" + repr("x y" * 50)))) < 100  # a backtick without its end
