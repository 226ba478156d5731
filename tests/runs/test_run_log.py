"""Lines of a run's log, and where they go."""

import io
import logging
import subprocess
import sys

import jax.numpy as jnp
import pytest

from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.runs.loop import advise_on_long_chunks
from elsinore.runs.run_log import logging_to
from elsinore.runs.sinks.console import PROGRESS
from tests.runs.conftest import train_tiny


def test_progress_lines_go_to_the_file_alone_where_other_libraries_log_too(tmp_path, caplog):
    log, progress = logging.getLogger("elsinore"), logging.getLogger(PROGRESS)
    with logging_to(tmp_path / "outer.log"), logging_to(tmp_path / "inner.log"):
        log.info("compiled")
        progress.info("50%")
    assert caplog.messages == ["compiled"]
    for name in ("outer.log", "inner.log"):
        lines = (tmp_path / name).read_text().splitlines()
        assert [line.split()[-1] for line in lines] == ["compiled", "50%"]
    assert (log.handlers, progress.handlers, progress.propagate) == ([], [], True)


def test_a_record_goes_to_the_standard_error_of_the_time(tmp_path, monkeypatch):
    """Else it is overwritten by a dashboard, which shows above itself what is written there."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with logging_to(tmp_path / "train.log"):
        monkeypatch.setattr(sys, "stderr", of_a_dashboard := io.StringIO())
        logging.getLogger("elsinore").info("finished")
    assert of_a_dashboard.getvalue() == "finished\n"


@pytest.mark.parametrize("handlers", [[], [logging.StreamHandler()]], ids=["none", "own"])
def test_the_level_of_the_logger_holds_for_all_but_the_file(tmp_path, monkeypatch, handlers):
    log = logging.getLogger("elsinore")
    monkeypatch.setattr(logging.getLogger(), "handlers", handlers)
    monkeypatch.setattr(log, "level", logging.WARNING)
    monkeypatch.setattr(sys, "stderr", shown := io.StringIO())
    for handler in handlers:
        monkeypatch.setattr(handler, "stream", shown)
    with logging_to(tmp_path / "train.log"):
        log.info("the plan")
        log.warning("slow")
    assert shown.getvalue() == "slow\n"
    assert "the plan" in (tmp_path / "train.log").read_text()
    assert log.level == logging.WARNING and not any(handler.filters for handler in handlers)


def test_training_leaves_the_logging_of_its_process_as_it_was(tmp_path):
    """Else absl, which Orbax imports, gives the root logger a handler, and the log of every later
    run of a script or notebook begins its lines with `INFO:elsinore:`."""
    program = (
        "import logging, pathlib, numpy as np\n"
        "from elsinore.runs.checkpoints import arrays, directory\n"
        "from elsinore.runs.run_log import logging_to\n"
        "state, folder = {'x': np.ones(2)}, pathlib.Path()\n"
        "with logging_to(folder / 'a.log'):\n"
        "    directory.save(folder, 'latest', state, {'update': 1})\n"
        "found = directory.list_checkpoints(folder, ('latest',))\n"
        "assert arrays.restore(found[0], state)['x'].sum() == 2\n"
        "assert logging.getLogger().handlers == [], logging.getLogger().handlers\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_long_chunk_is_named_with_the_period_that_makes_it_short(caplog):
    caplog.set_level(logging.INFO, "elsinore")
    plan = plan_for(load_experiment("CartPole-v1", overrides={"env_steps": 20_000_000}))
    advise_on_long_chunks(plan, 59.0)
    assert not caplog.messages
    advise_on_long_chunks(plan, 600.0)
    assert "with evaluation.period=97 (it is 3906) one would take about 15 s" in caplog.text


def left(env):
    """A teacher that always goes left."""
    return lambda state, env_params: (jnp.int32(0), jnp.bool_(True))


@pytest.mark.slow
def test_an_imitation_is_named_while_it_lasts_and_its_seconds_afterwards(tmp_path, caplog):
    caplog.set_level(logging.INFO, "elsinore")
    teacher = "tests.runs.test_run_log:left"
    imitation = {"teacher": teacher, "num_envs": 8, "rollout_length": 4, "env_steps": 96}
    train_tiny(tmp_path, "imitator", {"imitation": imitation})
    lines = [text for text in caplog.messages if "compiled in" in text or "imitated in" in text]
    assert lines[0].endswith(f"; imitating {teacher}") and lines[0].startswith("compiled in")
    assert lines[1].startswith("imitated in") and "; training on" in lines[1]
