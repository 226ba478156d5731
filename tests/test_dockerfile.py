"""The Dockerfile names files and extras that exist. Building it needs Docker and a network."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "Dockerfile").read_text()
COPIED = [name for line in re.findall(r"^COPY (.+) \S+$", TEXT, re.M) for name in line.split()]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def test_every_file_that_is_copied_exists_and_reaches_the_build():
    assert len(COPIED) >= 5
    let_through = (ROOT / ".dockerignore").read_text().splitlines()
    for name in COPIED:
        assert (ROOT / name).exists() and f"!{name}" in let_through


def test_every_file_that_the_wheel_is_built_from_is_copied():
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    packages = [package.split("/")[0] for package in wheel["packages"]]
    needed = {*packages, *wheel["force-include"], PROJECT["readme"], *PROJECT["license-files"]}
    assert needed <= set(COPIED)


def test_its_python_and_its_cuda_are_those_of_the_project():
    assert "Programming Language :: Python :: 3.13" in PROJECT["classifiers"]
    assert "FROM python:3.13-slim" in TEXT
    assert "jax[cuda${CUDA}]==" in TEXT and {"cuda12", "cuda13"} <= set(
        PROJECT["optional-dependencies"]
    )
