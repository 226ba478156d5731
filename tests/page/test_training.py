"""Real training, watched: beside it, started from the page, and stopped from there."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from elsinore.errors import ConfigError
from elsinore.runs.control import ask
from elsinore.runs.store.store import Store
from tests.page.browser import chromium, looking
from tests.page.conftest import serving
from tests.page.test_browser import points, until
from tests.runs.conftest import TINY
from tests.runs.processes import command, last_update, until_trained_on

ENDLESS = TINY | {
    "env_steps": 10**9,
    "evaluation.period": 4,
    "convergence.enabled": False,
    "replays.every_seconds": 0,
    "replays.share": 0.9,
    "evaluation.max_steps": 200,
}


def settings() -> list[str]:
    return [f"--set={name}={json.dumps(value)}" for name, value in ENDLESS.items()]


def kinds_of_events(run) -> list[str]:
    store = Store(run / "metrics.sqlite", read_only=True)
    try:
        return [kind for (kind,) in store._db.execute("SELECT kind FROM events ORDER BY at")]
    finally:
        store.close()


@pytest.fixture
def stopped_in_the_end(tmp_path):
    """The folder of a run `mine`, whose process goes on whoever started it; nothing may be left of
    it."""
    yield tmp_path / "mine"
    with contextlib.suppress(ConfigError):
        ask(tmp_path / "mine", "stop")
        until(lambda: not (tmp_path / "mine" / "control.sock").exists(), 60)


@pytest.mark.slow
def test_train_watch_shows_the_run_and_obeys_the_page(tmp_path):
    args = [
        *command(
            "CartPole-v1", "--seeds", "2", "--runs-dir", str(tmp_path), "--name", "alive", "--watch"
        ),
        *settings(),
    ]
    quiet = os.environ | {"PYTHONWARNINGS": "ignore", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    process = subprocess.Popen(
        args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet, text=True
    )
    try:
        said = [process.stdout.readline() for _ in range(2)]
        assert "alive" in said[0]
        url = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+#/run/alive", said[1])[0]
        assert until_trained_on(tmp_path / "alive", 20, process)
        with chromium() as browser, looking(browser, url) as page:
            watch_it_live(page, tmp_path / "alive")
            watch_an_agent(page)
            page.get_by_role("button", name="Stop").click()
            page.get_by_role("button", name="Stop the run").click()
            page.get_by_text("interrupted", exact=True).wait_for(timeout=60_000)
            page.get_by_role("button", name="Continue").wait_for()
        assert process.wait(60) == 130
        assert kinds_of_events(tmp_path / "alive")[-4:] == ["pause", "resume", "save", "stop"]
    finally:
        process.kill()
        for pid in watchers_of(tmp_path / "alive"):
            os.kill(pid, signal.SIGTERM)
        process.communicate()  # it ends when the last one that could write has


def watchers_of(run) -> list[int]:
    """Pages that were started beside a run."""
    found = subprocess.run(
        ["pgrep", "-f", f"elsinore.cli watch {run}"], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def watch_it_live(page, run) -> None:
    page.locator('[data-metric="eval/return"] canvas').wait_for()
    steps = page.locator('[data-tile="Env steps"] dd')
    before = steps.inner_text()
    until(lambda: steps.inner_text() != before and points(page) > 0)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()

    def seen() -> tuple[str, int]:
        return steps.inner_text(), last_update(run)

    def stays() -> bool:
        before = seen()
        time.sleep(2.0)
        return seen() == before

    until(lambda: ask(run) == "paused")  # a chunk that was begun before the pause ends first
    until(stays, 60)
    still, trained = seen()
    time.sleep(2.0)
    assert last_update(run) == trained  # the page may be late on a busy machine
    page.get_by_role("button", name="Resume").click()
    until(lambda: steps.inner_text() != still)
    page.get_by_role("button", name="Save now").click()
    until(lambda: any((run / "checkpoints" / "latest").glob("[0-9]*")))


def watch_an_agent(page) -> None:
    page.get_by_role("tab", name="Agents").click()
    page.get_by_label("Follow the newest").uncheck()
    meter = page.locator('[data-bar="tilt"] b')
    meter.wait_for(timeout=60_000)
    shown = meter.inner_text()
    until(lambda: meter.inner_text() != shown)  # it moves by itself
    page.get_by_label("Step of the episode").fill("3")
    until(lambda: page.locator('[data-fact="step"]').inner_text().startswith("3 of "))
    page.get_by_role("button", name="One step on").click()
    until(lambda: page.locator('[data-fact="step"]').inner_text().startswith("4 of "))
    page.get_by_label("Speed", exact=True).select_option("8")
    page.get_by_role("button", name="Play", exact=True).click()
    until(lambda: not page.locator('[data-fact="step"]').inner_text().startswith("4 of "))


@pytest.mark.slow
def test_a_run_is_planned_started_and_stopped_from_the_page(tmp_path, stopped_in_the_end):
    with serving(tmp_path) as served, chromium() as browser, looking(browser, served.url) as page:
        page.get_by_role("button", name="Start a run").click()
        dialog = page.get_by_role("dialog")
        assert dialog.get_by_role("button", name="Start", exact=True).is_disabled()
        dialog.get_by_label("Environment").fill("CartPole-v2")
        dialog.get_by_role("button", name="Show the plan").click()
        dialog.get_by_text("did you mean 'CartPole-v1'?").wait_for(timeout=60_000)
        assert dialog.get_by_role("button", name="Start", exact=True).is_disabled()
        dialog.get_by_label("Environment").fill("CartPole-v1")
        dialog.get_by_role("textbox", name="Name").fill("mine")
        dialog.get_by_text("Settings as text").click()
        dialog.get_by_label("More settings").fill(
            "\n".join(line.removeprefix("--set=") for line in settings())
        )
        dialog.get_by_role("button", name="Show the plan").click()
        dialog.get_by_text("env steps       1,000,000,000 a seed").wait_for(timeout=60_000)
        dialog.get_by_role("button", name="Start", exact=True).click()
        page.get_by_role("heading", name="mine").wait_for(timeout=60_000)
        page.locator('[data-metric="eval/return"] canvas').wait_for(timeout=60_000)
        assert served.post("control", run="mine", command="stop") == (200, {"phase": "stopping"})
        page.get_by_role("button", name="Continue").wait_for(timeout=60_000)
    assert (
        json.loads((tmp_path / "mine" / "summary.json").read_text())["stopped_by"] == "interrupted"
    )


@pytest.mark.slow
def test_a_run_that_cannot_begin_says_why_and_one_that_was_stopped_goes_on(
    tmp_path, stopped_in_the_end
):
    with serving(tmp_path) as served:
        status, answer = served.post("start", {"env": "CartPole-v1", "yaml": "env_stps: 5"})
        assert status == 409 and "did you mean 'env_steps'" in answer["error"]
        wish = {
            "env": "CartPole-v1",
            "name": "mine",
            "set": [line.removeprefix("--set=") for line in settings()],
        }
        assert served.post("start", wish) == (200, {"run": "mine"})
        until(lambda: ask(tmp_path / "mine") == "training", 60)
        assert "name='mine' is taken" in served.post("start", wish)[1]["error"]
        assert "is being trained already" in served.post("start", {"resume": "mine"})[1]["error"]
        assert served.post("control", run="mine", command="stop")[0] == 200
        until(lambda: (tmp_path / "mine" / "summary.json").exists(), 60)
        assert served.post("start", {"resume": "mine"}) == (200, {"run": "mine"})
        assert served.post("control", run="mine", command="stop")[0] == 200
        until(lambda: not (tmp_path / "mine" / "control.sock").exists(), 60)
    assert kinds_of_events(tmp_path / "mine") == ["begin", "stop", "resume", "stop"]


@pytest.mark.slow
def test_watch_serves_until_it_is_interrupted(tmp_path):
    watch = [sys.executable, "-m", "elsinore.cli", "watch", str(tmp_path), "--no-browser"]
    with subprocess.Popen(
        watch, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert (
            str(tmp_path) in process.stdout.readline()
            and "http://127.0.0.1:" in process.stdout.readline()
        )
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == "" and process.returncode == 0
