"""Every block of code on every page for users runs as it is written, in order, page by page.

Budgets are cut to a few updates, and evaluations to a few episodes; nothing else is changed. The
folder that a page starts from has a small run `runs/NAME`.
"""

import io
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import elsinore
from elsinore.cli import elsinore_parser
from elsinore.config.experiment import Experiment
from tests.docs.snippets import ROOT, commands_in, run, snippets_of

NAME = "NAME"  # of a run, on the pages
MOST_STEPS, MOST_UPDATES = 6_000, 4  # whichever is more
PROJECT = ("docs/architecture.md", "docs/threat-model.md", "docs/decisions/")  # not for users
OWN_TEST = {("docs/tracking.md", "sql"): "tests/runs/test_docs_tracking.py"}
QUICK = {"docs/reference/files.md", "docs/troubleshooting.md", "docs/curricula.md"}

PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if not str(page.relative_to(ROOT)).startswith(PROJECT)
]
SNIPPETS = [snippet for page in PAGES for snippet in snippets_of(page)]
WITH_CODE = sorted({s.page for s in SNIPPETS if s.language not in ("text", "json")})


def test_every_page_is_read():
    assert len(SNIPPETS) > 90 and len(WITH_CODE) > 20
    assert sum(bool(s.not_run) for s in SNIPPETS) <= 28  # each says why, on the page


@pytest.mark.parametrize("page", WITH_CODE)
def test_every_command_and_program_is_well_formed(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    parser = elsinore_parser()
    for snippet in snippets_of(ROOT / page):
        if snippet.language == "python":
            compile(snippet.text, f"{page}:{snippet.line}", "exec")
        elif snippet.language in ("sh", "console"):
            for command in commands_in(snippet):
                words = shlex.split(command, comments=True)
                if words[0] == "elsinore" and not {"|", "||", "&&"} & set(words):
                    parser.parse_args(words[1:])


def test_no_two_pages_give_one_name_to_what_they_train():
    """A reader follows several pages in one folder, where a name is taken once."""
    used: dict[str, set[str]] = {}
    for snippet in SNIPPETS:
        for name in re.findall(r"""(?:--name[ =,]+|\bname=")([\w-]+)""", snippet.text):
            used.setdefault(name, set()).add(snippet.page)
    assert {name: pages for name, pages in used.items() if len(pages) > 1 and name != NAME} == {}
    assert {"first", "tuned", "tracked", "bout"} <= used.keys()


@pytest.fixture(scope="session")
def desk(tmp_path_factory) -> Path:
    """A reader's folder: a small run, and the files of the repository that commands name."""
    desk = tmp_path_factory.mktemp("desk")
    elsinore.train(
        "CartPole-v1",
        seeds=4,
        name=NAME,
        runs_dir=desk / "runs",
        overrides={
            "env_steps": 4096,
            "algo.num_envs": 4,
            "algo.rollout_length": 32,
            "algo.network.hidden": [8],
            "evaluation.period": 8,
            "evaluation.episodes": 4,
            "evaluation.final_episodes": 4,
            "evaluation.max_steps": 50,
            "replays": {"share": 1.0, "every_seconds": 0.0, "max_steps": 50},
            "sinks.mlflow.enabled": False,
            "sinks.console": False,
        },
    )
    replays = sorted((desk / "runs" / NAME / "replays").glob("*.npz"))
    shutil.copy(replays[0], replays[0].with_name("0000012345-seed0.npz"))
    for name in ("configs", "examples"):
        shutil.copytree(ROOT / name, desk / name)
    for name in ("reinforce.py", "variants.py"):
        shutil.copy(ROOT / "docs" / name, desk)
    (desk / "access.log").write_text(web_log(2000))
    return desk


def web_log(requests: int) -> str:
    """A web log whose pages are asked for by a power law."""
    pages = np.random.default_rng(0).zipf(1.3, requests) % 400
    line = '10.0.0.1 - - [22/Nov/2026:10:{:02d}:{:02d} +0000] "GET /page/{} HTTP/1.1" 200 {}'
    return "\n".join(line.format(i // 60, i % 60, p, 100 + 7 * p) for i, p in enumerate(pages))


@pytest.fixture
def own_modules():
    """Modules that a page's snippets import are forgotten with the page."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and "/desk" in file:
            del sys.modules[name]


@pytest.fixture
def small_budgets(monkeypatch):
    """Every experiment made from here on is a short one."""
    checked = Experiment.__post_init__

    def cut(self):
        checked(self)
        steps = getattr(self.algo, "steps_per_update", None)
        steps = steps or self.algo.num_envs * self.algo.rollout_length
        starts = getattr(self.algo, "learning_starts", 0)
        most = max(MOST_STEPS, starts + MOST_UPDATES * steps)
        object.__setattr__(self, "env_steps", min(self.env_steps, most))
        for name, most in {"episodes": 4, "final_episodes": 8}.items():
            value = min(getattr(self.evaluation, name), most)
            object.__setattr__(self.evaluation, name, value)

    monkeypatch.setattr(Experiment, "__post_init__", cut)


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize(
    "page",
    [page if page in QUICK else pytest.param(page, marks=pytest.mark.slow) for page in WITH_CODE],
)
def test_a_page_runs_as_it_is_written(page, desk, small_budgets, tmp_path, monkeypatch, capfd):
    folder = tmp_path / "desk"
    shutil.copytree(desk, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PATH", f"{commands(tmp_path)}:{os.environ['PATH']}")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    namespace = {"__name__": "__snippets__"}
    for snippet in snippets_of(ROOT / page):
        if not snippet.not_run and (page, snippet.language) not in OWN_TEST:
            try:
                run(snippet, folder, namespace, NAME)
            except BaseException as error:
                error.add_note(f"{page}:{snippet.line}\n{capfd.readouterr().err[-2000:]}")
                raise


def commands(folder: Path) -> Path:
    """A folder with `elsinore` and `python`, for commands that a shell must run."""
    there = folder / "bin"
    there.mkdir()
    python = shlex.quote(sys.executable)
    for name, words in {"elsinore": "-m elsinore.cli", "python": ""}.items():
        (there / name).write_text(
            f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT / "src"))} exec {python} {words} "$@"\n'
        )
        (there / name).chmod(0o755)
    return there
