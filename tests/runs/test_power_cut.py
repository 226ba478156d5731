"""A power cut at any moment leaves a run whose store covers its checkpoints, all of them whole."""

import os
import shutil
import sys
from pathlib import Path

import pytest

import elsinore
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store
from elsinore.runs.summary import is_finished, read_summary
from tests.runs.conftest import TINY, assert_same_run
from tests.runs.power_cuts import Disk, lay_out, recorded
from tests.runs.processes import QUIET, beginning

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

WRITES = """
import os, sys
from pathlib import Path
top = Path(sys.argv[1])
(top / "a").mkdir()
with (top / "a" / "file").open("w") as file:
    file.write("first")
    file.flush()
    os.fsync(file.fileno())
    file.write(", second")
folder = os.open(top, os.O_RDONLY)
os.fsync(folder)
(top / "a").rename(top / "b")
folder = os.open(top / "b", os.O_RDONLY)
os.fsync(folder)
"""


@needs_strace
@pytest.mark.parametrize("ordered", [False, True])
def test_a_cut_keeps_what_was_synced(tmp_path, ordered):
    (tmp_path / "top").mkdir()
    calls = recorded([sys.executable, "-c", WRITES, str(tmp_path / "top")], tmp_path / "trace")
    states = list(Disk(tmp_path / "top").states(calls, ordered))
    first = {"file": b"first"}
    if ordered:  # renamed at once
        assert states == [{"a": {}}, {"a": {"file": b""}}, {"a": first}, {"b": first}]
    else:  # nothing before the top is synced, then the old name, with the file at last
        assert states == [{}, {"a": {}}, {"a": first}]


@needs_strace
def test_a_key_and_a_signature_are_on_the_disk_before_they_have_their_names(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "config.yaml").write_text("env: CartPole-v1\n")
    sign = f"""
from pathlib import Path
from elsinore.runs.trust import signature
signature.sign(Path({str(tmp_path / "config.yaml")!r}))
"""
    calls = recorded([sys.executable, "-c", sign], tmp_path / "trace")
    synced, named = set(), []
    for call in calls:
        if call.name == "fsync":
            synced.add(call.descriptors[0][1])
        elif call.name.startswith(("link", "rename")) and tmp_path in call.paths()[-1].parents:
            source, target = map(str, call.paths())
            assert source in synced
            named.append(Path(target).name)
    assert named == ["key", "config.signature"]
    assert {str(tmp_path), str(tmp_path / "state" / "elsinore")} <= synced


def check(path: Path) -> tuple[int, int]:
    """(updates that the store covers, update of the newest checkpoint), of a run that was cut."""
    folder = RunDir(path)
    folder.experiment()
    covered, newest = 0, 0
    if folder.database.exists():
        store = Store(folder.database)
        store.check()
        covered = store.covered() if store.chunks() else 0
        store.close()
    checkpoints.clean(folder.checkpoints)
    for checkpoint in checkpoints.list_checkpoints(folder.checkpoints):
        checkpoints.verify(checkpoint)
        newest = max(newest, checkpoint.update)
    assert newest <= covered
    if read_summary(folder.summary):
        assert is_finished(folder)
    return covered, newest


@needs_strace
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_power_cut_at_any_moment_leaves_a_consistent_run(tmp_path, whole):
    settings = TINY | {"checkpoints.interval_seconds": 0}
    (tmp_path / "top").mkdir()
    calls = recorded(
        beginning(tmp_path / "top" / "runs", "whole", settings),
        tmp_path / "trace",
        **QUIET,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    for ordered in (False, True):
        reached = []
        for number, state in enumerate(Disk(tmp_path / "top").states(calls, ordered)):
            cut = tmp_path / f"cut-{ordered}-{number}"
            lay_out(state, cut)
            if (path := cut / "runs" / "whole").exists():
                reached.append(check(path))
                if reached[-1] == (24, 20) and reached.count((24, 20)) == 1:
                    elsinore.resume(path)
                    assert_same_run(path, whole)
            shutil.rmtree(cut)
        assert {newest for _, newest in reached} >= set(range(0, 44, 4))
        assert reached[-1] == (40, 40)
        assert len(reached) > 50
