"""A layout of seeds whose results would differ by rounding is not resumed without a word."""

import json

import pytest

import elsinore
from elsinore.config.load import whole_experiment
from elsinore.errors import ConfigError
from elsinore.runs import checkpoint_choice, checkpoints
from elsinore.runs.checkpoint_match import agree_on_layout, check_layout
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store import Store
from elsinore.training.layout import Layout
from tests.devices import needs_two_devices
from tests.runs.conftest import on_devices
from tests.toys import TOY


def layout_events(run) -> list[str]:
    store = Store(run / "metrics.sqlite", read_only=True)
    events = store._db.execute("SELECT text FROM events WHERE kind = 'layout'").fetchall()
    store.close()
    return [text for (text,) in events]


def experiment(**settings):
    return whole_experiment(TOY | settings)


def checkpoint_of(tmp_path, kind, devices, batch):
    layout = {"kind": kind, "devices": devices, "batch": batch}
    return checkpoints.Checkpoint(tmp_path / "4", "latest", {"update": 4, "layout": layout})


@pytest.mark.parametrize(
    ("kind", "devices", "seeds", "batch"),
    [("map", 2, 4, 1), ("map", 1, 4, 1), ("vmap", 2, 4, 2), ("vmap", 1, 4, 4), ("vmap", 2, 2, 1)],
)
def test_a_batch_is_the_seeds_that_a_device_computes_at_once(kind, devices, seeds, batch):
    layout = Layout(kind, tuple(range(devices)), seeds)
    assert layout.described() == {"kind": kind, "devices": devices, "batch": batch}


@needs_two_devices
@pytest.mark.parametrize(
    ("then", "now", "differs"),
    [
        (("map", 1, 1), "map", False),
        (("vmap", 2, 2), "vmap", False),
        (("vmap", 1, 4), "vmap", True),
        (("map", 2, 1), "vmap", True),
        (("vmap", 4, 1), "map", False),
    ],
)
def test_only_a_layout_that_rounds_otherwise_is_refused(tmp_path, then, now, differs):
    checkpoint, config = checkpoint_of(tmp_path, *then), experiment(seeds=4, layout=now)
    if not differs:
        return check_layout(checkpoint, config)
    with pytest.raises(ConfigError, match=f"then {then[0]} on {then[1]} device") as caught:
        check_layout(checkpoint, config)
    assert "--accept-layout" in str(caught.value)


def test_a_checkpoint_without_a_layout_is_accepted(tmp_path):
    old = checkpoints.Checkpoint(tmp_path, "latest", {"update": 4})
    check_layout(old, experiment(seeds=4, layout="vmap"))


def test_a_runs_checkpoints_have_its_layout_and_another_is_an_event(tmp_path):
    config = {name: value for name, value in TOY.items() if name != "algo"}
    run = elsinore.train(
        algo=TOY["algo"]["name"],
        config=config | {"seeds": 4, "layout": "vmap", "replays": {"share": 0}},
        runs_dir=tmp_path,
        name="toy",
        check=False,
    )
    found = run.checkpoint()
    assert found.manifest["layout"] == {"kind": "vmap", "devices": 2, "batch": 2}
    other = json.loads(json.dumps(found.manifest)) | {
        "layout": {"kind": "vmap", "devices": 1, "batch": 4}
    }
    with pytest.raises(ConfigError, match="--accept-layout"):
        agree_on_layout(RunDir(run.path), found._replace(manifest=other), run.experiment, False)
    agree_on_layout(RunDir(run.path), found._replace(manifest=other), run.experiment, True)
    assert layout_events(run.path) == [
        "another layout is accepted: then vmap on 1 device, now vmap on 2"
    ]


STOPPED = """
import sys
import elsinore
from elsinore.runs.checkpoint_manager import CheckpointManager
from tests.runs.conftest import train_tiny
from tests.runs.test_resume import Accident, on_call

CheckpointManager._save_due = on_call(4, CheckpointManager._save_due)
settings = {"layout": "vmap", "checkpoints.interval_seconds": 0}
try:
    train_tiny(sys.argv[1], "run", settings)
except Accident:
    print("stopped")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_of_two_devices_goes_on_on_one_only_if_that_is_accepted(tmp_path):
    assert on_devices(2, "-c", STOPPED, str(tmp_path)).stdout == "stopped\n"
    run = tmp_path / "run"
    resume = ("-m", "elsinore.cli", "train", "--resume", str(run))
    refused = on_devices(1, *resume)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "then vmap on 2 devices, now vmap on 1" in refused.stderr
    assert "--accept-layout" in refused.stderr
    assert not (run / "summary.json").exists()
    accepted = on_devices(1, *resume, "--accept-layout")
    assert accepted.returncode == 0, accepted.stderr
    assert elsinore.load(run).summary["stopped_by"] == "budget"
    assert layout_events(run) == [
        "another layout is accepted: then vmap on 2 devices, now vmap on 1"
    ]
    newest = checkpoint_choice.newest(run / "checkpoints")
    assert newest.manifest["layout"] == {"kind": "vmap", "devices": 1, "batch": 2}
