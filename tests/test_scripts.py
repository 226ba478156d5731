"""Shell scripts that are used wrongly say how to use them."""

import subprocess

import pytest

from tests.sources import ROOT


@pytest.mark.parametrize(
    ("script", "argv"),
    [
        ("check-package", []),
        ("check-package", ["--help"]),
        ("check-flake", ["--help"]),
        ("find-python", ["--help"]),
    ],
)
def test_a_script_says_its_usage_in_one_line(script, argv):
    done = subprocess.run([ROOT / "scripts" / script, *argv], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: scripts/{script} ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("no/such/python", "No such file or directory"),
        ("no-such-python", "command not found"),
        ("README.md", "command not found"),
        ("./README.md", "Permission denied"),
        ("false", "it does not run"),
    ],
)
def test_a_python_that_cannot_be_used_is_named_with_a_remedy(python, reason):
    command = ["scripts/check-package", python]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1
    expected = f"scripts/check-package: {python} cannot make an environment ({reason}); give "
    assert done.stderr.startswith(expected) and "scripts/find-python" in done.stderr
