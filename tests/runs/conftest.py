"""One tiny experiment, the same for all, so that its program is compiled once; and stores to fill
sinks from."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import elsinore
from elsinore.config.sinks import MLflowConfig
from elsinore.runs.checkpoints.manifest import digest_of
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.mlflow import MLflowSink
from elsinore.runs.store.store import Store

# 40 updates of 128 env steps in 10 chunks of 4; two rows of metrics a chunk, two seeds.
TINY = {
    "env_steps": 5120,
    "rows_per_chunk": 2,
    "algo.num_envs": 4,
    "algo.rollout_length": 32,
    "algo.num_epochs": 1,
    "algo.network.hidden": [8],
    "evaluation.period": 4,
    "evaluation.episodes": 4,
    "evaluation.final_episodes": 4,
    "evaluation.max_steps": 50,
    "convergence.target": 475.0,
    "checkpoints.best": 2,
    "checkpoints.period": 3,
    "replays.share": 0,
    "sinks.console": False,
    "sinks.tensorboard": False,
    "sinks.mlflow.enabled": False,
}
CLOCKS = ("compile_seconds", "train_seconds", "evaluation_seconds", "steps_per_second")
STEPS = 64  # env steps an update takes in the stores below


def train_tiny(runs_dir: Path, name: str, overrides=None, **rest):
    return elsinore.train(
        "CartPole-v1",
        overrides=TINY | (overrides or {}),
        seeds=2,
        name=name,
        runs_dir=runs_dir,
        **{"grace": 600.0} | rest,  # also where a loaded machine compiles for long
    )


def learnt(run: Path) -> dict:
    """What a run came to, without what the clock says."""
    return {
        k: v for k, v in json.loads((run / "summary.json").read_text()).items() if k not in CLOCKS
    }


def rows_in(run: Path) -> list[tuple]:
    """The metrics table; NaN is None, so that tables can be compared."""
    store = Store(run / "metrics.sqlite", read_only=True)
    try:
        return store._db.execute(
            "SELECT * FROM metrics ORDER BY update_, seed, agent, name"
        ).fetchall()
    finally:
        store.close()


def chunk_ends(run: Path) -> list[tuple[int, int]]:
    store = Store(run / "metrics.sqlite", read_only=True)
    try:
        return [(update, env_steps) for update, env_steps, *_ in store.chunks()]
    finally:
        store.close()


def kept(run: Path, *kinds: str) -> dict[str, list[str]]:
    """Names of a run's checkpoints."""
    return {kind: sorted(p.name for p in (run / "checkpoints" / kind).glob("*")) for kind in kinds}


def assert_same_run(run: Path, whole: Path) -> None:
    """A run that was stopped and resumed came to what the other did in one go."""
    assert learnt(run) == learnt(whole)
    assert rows_in(run) == rows_in(whole)
    assert chunk_ends(run) == chunk_ends(whole)
    assert (run / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    assert kept(run, "best", "periodic") == kept(whole, "best", "periodic")


MADE_ELSEWHERE = {
    "accept_versions": {"versions": {"jax": "0.0.1"}},
    "accept_layout": {"layout": {"kind": "vmap", "devices": 1, "batch": 64}},
}


def made_elsewhere(run: Path, option: str) -> None:
    """Make a run one that is not finished, and that `option` alone lets resume here."""
    (run / "summary.json").unlink()
    for path in run.glob("checkpoints/*/*/manifest.json"):
        manifest = json.loads(path.read_text()) | MADE_ELSEWHERE[option]
        manifest.pop("digest")
        manifest["digest"] = digest_of(manifest)
        path.write_text(json.dumps(manifest, indent=1))


def as_if_killed_before_its_sinks_were_done(run: Path) -> None:
    """Make a finished run one whose summary was there, and its sinks were not closed."""
    with contextlib.closing(Store(run / "metrics.sqlite")) as store:
        store.describe(sinks_done="")


def record(
    update: int, seeds=(0, 1), value: float = 0.5, names=("episode/return", "loss/value")
) -> ChunkRecord:
    """A chunk of four updates ending at `update`: two rows of each name, and an evaluation."""
    rows = [
        Row(at, seed, "", name, value + at + 100 * seed + 1000 * i)
        for at in (update - 2, update)
        for seed in seeds
        for i, name in enumerate(names)
    ]
    rows += [Row(update, seed, "", "eval/return", value + update + seed) for seed in seeds]
    return ChunkRecord(update, update * STEPS, rows, 1.7e9 + update, 0.25, 1e4)


def count_in_log(run: Path, text: str) -> int:
    return (run / "logs" / "train.log").read_text().count(text)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "metrics.sqlite")
    store.describe(steps_per_update=STEPS)
    yield store
    store.close()


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The tiny run that nothing stopped, saving after every chunk."""
    return train_tiny(
        tmp_path_factory.mktemp("whole"), "whole", {"checkpoints.interval_seconds": 0}
    ).path


@pytest.fixture(scope="session")
def mlflow_uri(tmp_path_factory) -> str:
    """One database for all: its first use takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


class Tracked(SimpleNamespace):
    """A store and the MLflow runs filled from it."""

    def sink(self, **config) -> MLflowSink:
        config, replicas = (
            MLflowConfig(tracking_uri=self.uri, **config),
            {0: {"seed": 0}, 1: {"seed": 1}},
        )
        facts = getattr(self, "facts", {"algo.gamma": 0.9, "env": "x"})
        agents = getattr(self, "agents", ())
        return MLflowSink(config, self.folder, self.id, facts, replicas, STEPS, agents)

    def caught_up(self) -> MLflowSink:
        sink = self.sink()
        sink.open()
        sink.catch_up()
        return sink

    def runs(self) -> dict:
        """By part: `parent`, `seed_0`, ..."""
        experiment = self.client.get_experiment_by_name("elsinore").experiment_id
        found = self.client.search_runs([experiment], f"tags.`elsinore.run` = '{self.id}'")
        parts = [run.data.tags["elsinore.part"] for run in found]
        assert len(parts) == len(set(parts)), "begun twice"
        return dict(zip(parts, found, strict=True))

    def logged(self, part: str) -> dict:
        """{name: [(step, value), ...]} in the order of logging."""
        run = self.runs()[part]
        return {
            name: [(m.step, m.value) for m in self.client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }


@pytest.fixture
def tracked(store, tmp_path, mlflow_uri):
    from mlflow import MlflowClient

    (tmp_path / "logs").mkdir()
    return Tracked(
        uri=mlflow_uri,
        folder=RunDir(tmp_path),
        id=tmp_path.name,
        client=MlflowClient(mlflow_uri),
    )


@pytest.fixture
def tiny_disk(tmp_path):
    """A folder with room for 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True
        ).returncode
    ):
        pytest.skip("needs leave to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def on_devices(number: int, *args: str) -> subprocess.CompletedProcess:
    """Run Python with that number of CPU devices."""
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(number), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, *args], env=environment, capture_output=True, text=True, timeout=280
    )
