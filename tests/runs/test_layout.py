"""A layout of seeds whose results would differ by rounding is not resumed without a word."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import elsinore
from elsinore.config.load import whole_experiment
from elsinore.config.plan import Plan, plan_for
from elsinore.config.plan_lines import plan_lines
from elsinore.errors import ConfigError
from elsinore.runs.call import resolve_experiment
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.match import agree_on_layout, check_layout
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store
from elsinore.training.layout import Layout
from tests.devices import needs_two_devices
from tests.runs.conftest import on_devices
from tests.toys import TOY


def layout_events(run) -> list[str]:
    store = Store(run / "metrics.sqlite", read_only=True)
    events = store._db.execute("SELECT text FROM events WHERE kind = 'layout'").fetchall()
    store.close()
    return [text for (text,) in events]


def plan(**settings) -> Plan:
    return plan_for(whole_experiment(TOY | settings))


def checkpoint_of(tmp_path, kind, devices, batch, **rest):
    layout = {"kind": kind, "devices": devices, "batch": batch, **rest}
    return checkpoints.Checkpoint(tmp_path / "4", "latest", {"update": 4, "layout": layout})


@pytest.mark.parametrize(
    ("kind", "devices", "seeds", "batch"),
    [("map", 2, 4, 1), ("map", 1, 4, 1), ("vmap", 2, 4, 2), ("vmap", 1, 4, 4), ("vmap", 2, 2, 1)],
)
def test_a_batch_is_the_seeds_that_a_device_computes_at_once(kind, devices, seeds, batch):
    layout = Layout(kind, (SimpleNamespace(platform="gpu"),) * devices, seeds)
    same = {"kind": kind, "devices": devices, "batch": batch, "platform": "gpu"}
    assert layout.described() == same


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
    checkpoint, planned = checkpoint_of(tmp_path, *then), plan(seeds=4, layout=now)
    if not differs:
        return check_layout(checkpoint, planned)
    with pytest.raises(ConfigError, match=f"then {then[0]} on {then[1]} device") as caught:
        check_layout(checkpoint, planned)
    assert "--accept-layout" in str(caught.value)


@pytest.mark.parametrize("platform, name", [("tpu", "tpu"), ("gpu", "cuda")])
def test_a_checkpoint_of_another_platform_is_refused_with_a_way_to_resume_it(
    tmp_path, platform, name
):
    here = jax.default_backend()
    check_layout(checkpoint_of(tmp_path, "map", 1, 1, platform=here), plan(layout="map"))
    elsewhere = checkpoint_of(tmp_path, "map", 1, 1, platform=platform)
    with pytest.raises(ConfigError, match=f"then map on {platform}, now map on {here}") as caught:
        check_layout(elsewhere, plan(layout="map"))
    remedy = f"resume it on {platform} (JAX_PLATFORMS={name}), begin a new run from it"
    assert remedy in str(caught.value)
    assert "as many devices" not in str(caught.value)


def test_a_checkpoint_without_a_layout_is_accepted(tmp_path):
    old = checkpoints.Checkpoint(tmp_path, "latest", {"update": 4})
    check_layout(old, plan(seeds=4, layout="vmap"))


class Still:
    """An environment in Python."""

    num_actions, max_steps_in_episode = 2, 5

    def reset(self):
        return np.zeros(2, np.float32)

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, {}


@needs_two_devices
@pytest.mark.parametrize("layout", ["auto", "vmap"])
def test_seeds_of_an_environment_on_the_host_take_turns_on_one_device(tmp_path, layout):
    of_two = plan_for(*resolve_experiment(Still(), "ppo", seeds=2, overrides={"layout": layout}))
    one = plan_for(*resolve_experiment(Still(), "ppo", seeds=1))
    assert (of_two.layout.kind, of_two.devices_used, of_two.layout.batch) == ("map", 1, 1)
    assert f"1 of {len(jax.devices())} devices: seeds take turns" in "\n".join(plan_lines(of_two))
    # each replica is learnt from alone, so that another batch rounds alike
    check_layout(checkpoint_of(tmp_path, "vmap", 1, 2), of_two)
    assert of_two.layout.padded == 2 and one.layout.padded == 1


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
    here = {"platform": jax.default_backend()}
    assert found.manifest["layout"] == {"kind": "vmap", "devices": 2, "batch": 2} | here
    other = json.loads(json.dumps(found.manifest)) | {
        "layout": {"kind": "vmap", "devices": 1, "batch": 4}
    }
    with pytest.raises(ConfigError, match="--accept-layout"):
        agree_on_layout(RunDir(run.path), found._replace(manifest=other), run.plan, False)
    agree_on_layout(RunDir(run.path), found._replace(manifest=other), run.plan, True)
    assert layout_events(run.path) == [
        "another layout is accepted: then vmap on 1 device, now vmap on 2"
    ]


STOPPED = """
import sys
import elsinore
from elsinore.runs.checkpoints.manager import CheckpointManager
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
    layout = {"kind": "vmap", "devices": 1, "batch": 2, "platform": "cpu"}
    assert newest.manifest["layout"] == layout
