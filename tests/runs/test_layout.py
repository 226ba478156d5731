"""A layout of seeds whose results would differ by rounding is not resumed without a word."""

import json

import pytest

import elsinore
from elsinore.config.load import whole_experiment
from elsinore.errors import ConfigError
from elsinore.runs import api, checkpoints
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store import Store
from elsinore.training.replicas import Layout
from tests.toys import TOY


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


@pytest.mark.parametrize(
    ("then", "now", "differs"),
    [
        (("map", 1, 1), "map", False),  # the tests have two devices
        (("vmap", 2, 2), "vmap", False),
        (("vmap", 1, 4), "vmap", True),
        (("map", 2, 1), "vmap", True),
        (("vmap", 4, 1), "map", False),
    ],
)
def test_only_a_layout_that_rounds_otherwise_is_refused(tmp_path, then, now, differs):
    checkpoint, config = checkpoint_of(tmp_path, *then), experiment(seeds=4, layout=now)
    if not differs:
        return checkpoints.check_layout(checkpoint, config)
    with pytest.raises(ConfigError, match=f"then {then[0]} on {then[1]} device") as caught:
        checkpoints.check_layout(checkpoint, config)
    assert "--accept-layout" in str(caught.value)


def test_a_checkpoint_without_a_layout_is_accepted(tmp_path):
    old = checkpoints.Checkpoint(tmp_path, "latest", {"update": 4})
    checkpoints.check_layout(old, experiment(seeds=4, layout="vmap"))


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
        api._agree_on_layout(
            RunDir(run.path), found._replace(manifest=other), run.experiment, False
        )
    api._agree_on_layout(RunDir(run.path), found._replace(manifest=other), run.experiment, True)
    store = Store(run.path / "metrics.sqlite", read_only=True)
    events = store._db.execute("SELECT text FROM events WHERE kind = 'layout'").fetchall()
    store.close()
    assert [text for (text,) in events] == [
        "another layout is accepted: then vmap on 1 device(s), now vmap on 2"
    ]
