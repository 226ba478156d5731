"""Limits of the machine, and names taken at the same moment, each end in one message."""

import errno
import logging
import sqlite3
import threading

import pytest

from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.errors import ConfigError, RunError
from elsinore.runs import run_dir
from elsinore.runs.failures import explained, is_of_machine, limit_reached
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_log import LogFile
from tests.devices import needs_two_devices


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, "x", "/a/b"), "/a/b: the disk is full; free some space"),
        (OSError(errno.EDQUOT, "x"), "the disk quota is used up"),
        (OSError(errno.EFBIG, "x"), "`ulimit -f`"),
        (OSError(errno.EMFILE, "x"), "`ulimit -n`"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (MemoryError(), "the memory of the device is used up; lower algo.num_envs"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "the memory of the device is used up"),
        (
            ValueError("RESOURCE_EXHAUSTED: Error writing 'x': No space left [os_error_code='28']"),
            "the disk is full; free some space",
        ),
        (
            ValueError("RESOURCE_EXHAUSTED: Error reading 'x' [os_error_code='12']"),
            "the memory of the device is used up",
        ),
    ],
)
def test_a_limit_is_named_with_a_remedy(error, text):
    with pytest.raises(RunError) as caught, explained({}):
        try:
            raise error
        except Exception as raised:
            raise RuntimeError("saving failed") from raised
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"seeds": 4, "layout": "vmap"}, True),
        ({"seeds": 4, "layout": "map"}, False),
        pytest.param({"seeds": 2, "layout": "vmap"}, False, marks=needs_two_devices),
    ],
)
def test_a_device_out_of_memory_is_told_to_let_seeds_take_turns_where_they_do_not(settings, named):
    plan = plan_for(load_experiment("CartPole-v1", overrides=settings))
    text = "the memory of the device is used up; lower"
    with pytest.raises(RunError, match=text) as caught, explained({}, plan.memory.large_settings):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")
    assert f"algo.num_envs={plan.experiment.algo.num_envs}" in str(caught.value)
    assert ("or set layout=map" in str(caught.value)) == named


def test_a_disk_that_fails_is_of_the_machine_and_the_memory_of_a_device_is_not():
    for number in (errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EMFILE):
        assert is_of_machine(OSError(number, "x"))
    with pytest.raises(RunError) as caught, explained({}):
        raise ValueError("RESOURCE_EXHAUSTED: No space left [os_error_code='28']")
    assert is_of_machine(caught.value)
    assert is_of_machine(sqlite3.OperationalError("disk I/O error"))
    assert not is_of_machine(RuntimeError("RESOURCE_EXHAUSTED: Out of memory"))
    assert not is_of_machine(OSError(errno.ENOENT, "x"))


def test_other_errors_are_no_limit():
    assert limit_reached(ValueError("x")) is None
    assert limit_reached(OSError(errno.ENOENT, "x")) is None


def test_a_log_on_a_full_disk_ends_with_one_warning(caplog, capsys):
    handler = LogFile("/dev/full")
    log = logging.getLogger("elsinore")
    log.addHandler(handler)
    try:
        for i in range(20):
            log.warning("line %d", i)
    finally:
        log.removeHandler(handler)
        handler.close()
    assert caplog.text.count("/dev/full cannot be written and ends here") == 1
    assert caplog.text.count("line ") == 20
    assert "Logging error" not in capsys.readouterr().err


def created(runs_dir, name, experiment):
    """The name of a new run, which is unlocked again."""
    folder = RunDir.create(runs_dir, name, experiment)
    folder.unlock()
    return folder.name


def test_runs_begun_in_the_same_moment_take_different_names(tmp_path):
    experiment, names, start = load_experiment("CartPole-v1"), [], threading.Barrier(10, timeout=30)

    def begin():
        for _ in range(3):
            start.wait()
            names.append(created(tmp_path, None, experiment))

    threads = [threading.Thread(target=begin) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 30
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_a_name_taken_between_the_look_and_the_rename_is_not_used(tmp_path, monkeypatch):
    names = iter(["a", "b"])

    def free_name(runs_dir, experiment):
        name = next(names)
        if name == "a":  # another process makes it after the look
            (runs_dir / name / "logs").mkdir(parents=True)
        return name

    monkeypatch.setattr(run_dir, "free_name", free_name)
    assert created(tmp_path, None, load_experiment("CartPole-v1")) == "b"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_given_name_that_another_takes_meanwhile_is_refused_as_taken(tmp_path):
    experiment = load_experiment("CartPole-v1")
    outcomes, start = [], threading.Barrier(8, timeout=30)

    def begin():
        start.wait()
        try:
            outcomes.append(created(tmp_path, "mine", experiment))
        except ConfigError as error:
            outcomes.append(str(error).partition(" in ")[0])

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["mine"] + ["name='mine' is taken"] * 7
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_link_of_that_name_is_taken_though_it_leads_nowhere(tmp_path):
    (tmp_path / "mine").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="'mine' is taken"):
        RunDir.create(tmp_path, "mine", load_experiment("CartPole-v1"))
