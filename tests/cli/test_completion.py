"""What a shell offers after some words of a command line."""

import contextlib
import io
import shutil
import subprocess

import pytest

from elsinore import cli


@pytest.fixture(scope="module")
def bash() -> str:
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert cli.main(["completion", "bash"]) == 0
    return printed.getvalue()


def offered(bash: str, words: str, folder) -> set[str]:
    """The completions of the last word of a line."""
    line = words.split(" ")
    ask = f"COMP_WORDS=({' '.join(w or chr(39) * 2 for w in line)}); COMP_CWORD={len(line) - 1}"
    done = subprocess.run(
        ["bash", "-c", f'{bash}\n{ask}; _elsinore; printf "%s\\n" "${{COMPREPLY[@]}}"'],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert done.stderr == ""
    return set(done.stdout.splitlines()) - {""}


def test_commands_options_names_and_runs_are_completed(bash, tmp_path):
    (tmp_path / "runs" / "my-run").mkdir(parents=True)
    assert offered(bash, "elsinore ev", tmp_path) == {"evaluate"}
    assert offered(bash, "elsinore train CartP", tmp_path) == {"CartPole-v1"}
    assert offered(bash, "elsinore train CartPole-v1 --ga", tmp_path) == {"--gamma"}
    assert offered(bash, "elsinore train CartPole-v1 --algo p", tmp_path) == {"ppo", "pqn"}
    assert offered(bash, "elsinore play my", tmp_path) == {"my-run"}
    assert offered(bash, "elsinore train --resume m", tmp_path) == {"my-run"}
    assert offered(bash, "elsinore completion ", tmp_path) >= {"bash", "zsh"}
    assert offered(bash, "elsinore train --config so", tmp_path) == set()  # files, by the shell


def test_another_command_completes_no_option_of_this_one(bash, tmp_path):
    assert offered(bash, "elsinore evaluate x --algo p", tmp_path) == set()


@pytest.mark.parametrize("words", ["elsinore evaluate ", "elsinore train --resume "])
def test_a_name_of_a_run_is_offered_in_quotes_and_runs_no_code(bash, tmp_path, words):
    (tmp_path / "runs" / "$(touch PWNED)").mkdir(parents=True)
    (tmp_path / "runs" / "`touch PWNED`;*").mkdir()
    found = offered(bash, words, tmp_path)
    assert found >= {r"\$\(touch\ PWNED\)", r"\`touch\ PWNED\`\;\*"}
    subprocess.run(["bash", "-c", f"echo {' '.join(found)}"], cwd=tmp_path, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
