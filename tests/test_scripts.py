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
