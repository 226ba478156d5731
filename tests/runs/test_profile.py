"""A profile tells where the seconds of a run went."""

import json
import subprocess
import sys
import threading

import pytest

from elsinore.runs import profile
from elsinore.runs.profile import PhaseTimes, Step, phase, programs_of, table_of
from tests.runs.conftest import TINY


class Clock:
    """`Moment`s on demand: seconds by the wall, half of them of cores, one MiB more each time."""

    def __init__(self):
        self.wall, self.peak = 0.0, 100.0

    def __call__(self):
        self.peak += 1.0
        return profile.Moment(self.wall, self.wall / 2, self.peak)


@pytest.fixture
def profiled(monkeypatch):
    """A profile whose clock stands until it is moved."""
    made, clock = PhaseTimes(), Clock()
    made._now = clock
    monkeypatch.setattr(profile, "_active", [made])
    return made, clock


def test_phases_add_up_and_an_inner_one_is_taken_from_the_outer(profiled):
    made, clock = profiled
    clock.wall = 1.0
    with phase("train"):
        clock.wall = 4.0
        with phase("fetch"):
            clock.wall = 4.5
        clock.wall = 6.0
    clock.wall = 7.0
    found = made.report()
    walls = {name: of["wall"] for name, of in found["phases"].items()}
    assert walls == {"start": 2.0, "train": 4.5, "fetch": 0.5}
    assert found["seconds"] == 7.0
    assert found["phases"]["train"]["cores"] == 2.25


def test_a_failing_phase_ends(profiled):
    made, clock = profiled
    with pytest.raises(RuntimeError), phase("train"):
        clock.wall = 2.0
        raise RuntimeError
    clock.wall = 3.0
    assert made.report()["phases"]["start"]["wall"] == 1.0


def test_another_thread_changes_no_phase(profiled):
    made, clock = profiled

    def beside():
        with phase("sinks"):
            clock.wall = 5.0

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert list(made.report()["phases"]) == ["start"]


def test_without_a_profile_a_phase_is_nothing():
    with phase("train"):
        pass


def test_a_program_has_its_own_seconds_and_not_those_of_what_it_calls():
    steps = [
        Step("trace", "inner", 1, 1.0, 2.0, False),
        Step("trace", "chunk", 1, 0.0, 3.0, False),
        Step("lower", "chunk", 1, 3.0, 4.0, False),
        Step("compile", "chunk", 2, 4.0, 9.0, False),
        Step("compile", "inner", 1, 4.0, 4.5, True),
    ]
    rows = {row["program"]: row for row in programs_of(steps)}
    assert (rows["chunk"]["trace"], rows["chunk"]["lower"], rows["chunk"]["compile"]) == (3, 1, 5)
    assert rows["inner"] == {
        "program": "inner",
        "compilations": 1,
        "from_cache": 1,
        "trace": 0.0,
        "lower": 0.0,
        "compile": 0.5,
    }


def test_the_table_adds_up_what_it_does_not_name(profiled):
    made, _ = profiled
    made._steps = [Step("compile", f"p{i}", 1, 0.0, 1.0 + i, i == 0) for i in range(12)]
    lines = table_of(made.report(), most=10)
    assert lines[-1] == "12 compilations, 1 of them from the cache on disk"
    assert lines[-2].split() == ["2", "others", "2", "1", "0.00", "0.00", "3.00"]


def test_a_profiled_run_prints_its_phases_and_keeps_them(tmp_path):
    settings = [part for k, v in TINY.items() for part in ("--set", f"{k}={json.dumps(v)}")]
    command = ["-m", "elsinore.cli", "train", "CartPole-v1", "--runs-dir", str(tmp_path)]
    options = ["--name", "profiled", "--profile", "trace", *settings]
    done = subprocess.run(
        [sys.executable, *command, *options], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "profiled" / "profile.json").read_text())
    phases = {"start", "import", "plan", "trace", "compile", "begin", "train", "evaluate", "exit"}
    assert phases < set(found["phases"])
    assert abs(found["seconds"] - sum(of["wall"] for of in found["phases"].values())) < 1e-6
    assert {"chunk", "init", "evaluate"} <= {row["program"] for row in found["programs"]}
    assert "from the cache on disk" in done.stdout
    assert list((tmp_path / "profiled" / "profile").rglob("*.xplane.pb"))
