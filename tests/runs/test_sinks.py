"""Every sink holds what the store holds, once, whatever happens to it; and none can stop the
training."""

import errno
import json
import logging
import os
import shutil
import time
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.config.sinks import MLflowConfig, SinksConfig
from elsinore.runs.members import facts_of_replicas
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_log import logging_to
from elsinore.runs.sinks import jsonl as jsonl_sink
from elsinore.runs.sinks import mlflow as mlflow_sink
from elsinore.runs.sinks import mlflow_places
from elsinore.runs.sinks.jsonl import JSONLinesSink
from elsinore.runs.sinks.mlflow import MLflowSink
from elsinore.runs.sinks.mlflow_env import configure_mlflow
from elsinore.runs.sinks.mlflow_names import with_tag
from elsinore.runs.sinks.mlflow_registry import register
from elsinore.runs.sinks.seed_means import StoredSeedMeans
from elsinore.runs.sinks.sync import sinks_of
from elsinore.runs.sinks.tensorboard import TensorBoardSink
from elsinore.runs.store import store as store_module
from elsinore.runs.summary import write_json
from elsinore.runs.workers import sink_worker
from tests.runs.conftest import STEPS, Tracked, count_in_log, record, train_tiny

# What is read back, as {(update, seed): {name: value}}, from each sink and from the store


def in_store(store) -> dict:
    found = {}
    for row in store.rows():
        found.setdefault((row.update, row.seed), {})[row.name] = row.value
    return found


def in_jsonl(path) -> dict:
    found = {}
    for line in path.read_text().splitlines():
        values = json.loads(line)
        update, seed, env_steps = values.pop("update"), values.pop("seed"), values.pop("env_steps")
        assert env_steps == update * STEPS
        assert (update, seed) not in found, "logged twice"
        found[update, seed] = {k: np.nan if v is None else v for k, v in values.items()}
    return found


def in_tensorboard(folder) -> dict:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for path in folder.glob("seed_*"):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0}).Reload()
        for tag in events.Tags()["scalars"]:
            for event in events.Scalars(tag):
                values = found.setdefault(
                    (event.step // STEPS, int(path.name.removeprefix("seed_"))), {}
                )
                assert tag not in values, "logged twice"
                values[tag] = event.value
    return found


def assert_equal(found: dict, expected: dict, single: bool = False) -> None:
    assert found.keys() == expected.keys()
    for at, values in expected.items():
        wanted = {k: float(np.float32(v)) if single else v for k, v in values.items()}
        assert found[at].keys() == wanted.keys()
        np.testing.assert_equal(found[at], wanted)


SINKS = {
    "jsonl": (
        lambda tmp: JSONLinesSink(tmp / "metrics.jsonl", tmp / "metrics.sqlite", STEPS),
        in_jsonl,
        "metrics.jsonl",
    ),
    "tensorboard": (
        lambda tmp: TensorBoardSink(tmp / "tensorboard", tmp / "metrics.sqlite", STEPS),
        in_tensorboard,
        "tensorboard",
    ),
}


@pytest.fixture(params=SINKS)
def sink(request, tmp_path):
    """(a sink's maker, what reads it back, whether it keeps single precision)"""
    make, read, name = SINKS[request.param]
    return lambda: make(tmp_path), lambda: read(tmp_path / name), request.param == "tensorboard"


def odd_chunk(update: int) -> ChunkRecord:
    values = {"a": float("nan"), "b": 1 / 3, "c": -1e30, "d/e f": 0.0}
    return ChunkRecord(
        update,
        update * STEPS,
        [Row(update, 3, "", k, v) for k, v in values.items()],
        1.7e9,
        1.0,
        1.0,
    )


def test_a_sink_holds_exactly_what_the_store_holds(sink, store):
    make, read, single = sink
    mine = make()
    mine.open()
    mine.catch_up()  # of nothing
    for update in (4, 8):
        store.write(record(update))
        mine.catch_up()
        mine.catch_up()
    for each in (record(12, seeds=(1,)), odd_chunk(16)):  # several at once; a seed has stopped
        store.write(each)
    mine.catch_up()
    mine.close()
    assert_equal(read(), in_store(store), single)


def test_a_sink_opened_again_after_a_resume_holds_exactly_what_the_store_holds(sink, store):
    make, read, single = sink
    killed = make()
    killed.open()
    for update in (4, 8, 12):
        store.write(record(update, value=0.1))
    killed.catch_up()
    store.forget_after(4)
    mine = make()
    mine.open()
    store.write(record(8, value=0.7))
    mine.catch_up()
    mine.close()
    assert_equal(read(), in_store(store), single)
    assert (12, 0) not in read()


def test_env_steps_beyond_2_to_the_31_are_written_whole(sink, store):
    make, read, _ = sink
    update = 2**31 - 1
    store.write(
        ChunkRecord(update, update * STEPS, [Row(update, 0, "", "a", 1.0)], 1.7e9, 1.0, 1.0)
    )
    mine = make()
    mine.open()
    mine.catch_up()
    mine.close()
    assert read() == {(update, 0): {"a": 1.0}}


# A disk that is full


def test_json_lines_on_a_full_disk_warn_once_and_block_no_training(
    store, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(jsonl_sink, "new_file", lambda path: path)  # which would remove the link
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    worker = sink_worker(JSONLinesSink(full, tmp_path / "metrics.sqlite", STEPS))
    began = time.monotonic()
    for update in range(4, 400, 4):
        store.write(record(update))
        worker.put(None)
    assert time.monotonic() - began < 5.0
    worker.finish(10.0)
    failures = [
        r for r in caplog.records if r.name == "elsinore" and "No space left" in r.getMessage()
    ]
    assert len(failures) == 1


def fill(disk) -> None:
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 1024):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", SINKS)
def test_a_sink_is_whole_again_once_there_is_room_again(store, tmp_path, tiny_disk, kind):
    path = tiny_disk / SINKS[kind][2]
    mine = type(SINKS[kind][0](tmp_path))(path, tmp_path / "metrics.sqlite", STEPS)
    mine.open()
    for update in (4, 8):
        store.write(record(update))
    mine.catch_up()
    fill(tiny_disk)
    for update in range(12, 200, 4):  # more than what is left of the file's last block
        store.write(record(update))
    failures = sum(fails(mine.catch_up) for _ in range(3))
    (tiny_disk / "ballast").unlink()
    for _ in range(3):  # as often as its worker likes
        fails(mine.catch_up)
    fails(mine.close)
    assert failures
    assert_equal(SINKS[kind][1](path), in_store(store), single=kind == "tensorboard")


def fails(action) -> bool:
    try:
        action()
    except Exception:
        return True
    return False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_tensorboard_on_a_full_disk_warns_once_and_blocks_no_training(
    store, tmp_path, tiny_disk, caplog
):
    worker = sink_worker(
        TensorBoardSink(tiny_disk / "tensorboard", tmp_path / "metrics.sqlite", STEPS)
    )
    store.write(record(4))
    worker.put(None)
    worker.flush(10.0)
    fill(tiny_disk)
    began = time.monotonic()
    for update in range(8, 800, 4):
        store.write(record(update))
        worker.put(None)
    assert time.monotonic() - began < 5.0
    assert worker.finish(20.0)
    failures = [r for r in caplog.records if r.name == "elsinore" and r.levelno >= logging.WARNING]
    assert len(failures) == 1


@pytest.mark.parametrize("sink", [JSONLinesSink, TensorBoardSink])
def test_a_run_whose_sink_is_on_a_full_disk_goes_on_and_warns_once(tmp_path, monkeypatch, sink):
    def full(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sink, "catch_up", full)
    run = train_tiny(tmp_path, "full", {"sinks.tensorboard": True})
    assert run.summary["stopped_by"] == "budget"
    assert len(run.metrics) > 0
    assert count_in_log(run.path, "No space left on device") == 1
    assert count_in_log(run.path, "WARNING") == 1


def test_a_callback_that_raises_is_warned_of_once_and_training_goes_on(tmp_path):
    got = []

    def mine(record):
        got.append(record.update)
        raise RuntimeError("my own fault")

    run = train_tiny(tmp_path, "callback", callbacks=[mine])
    assert run.summary["stopped_by"] == "budget"
    assert got == list(range(4, 44, 4))
    assert count_in_log(run.path, "callback mine failed: RuntimeError: my own fault") == 1
    assert count_in_log(run.path, "WARNING") == 1


def test_the_log_is_whole_though_something_was_logged_before_the_run(tmp_path):
    (tmp_path / "logs").mkdir()
    log = logging.getLogger("elsinore")
    log.info("to nobody, for nobody listens yet")
    with logging_to(RunDir(tmp_path).log):
        log.info("compiled")
    assert count_in_log(tmp_path, "compiled") == 1


def test_a_tracking_server_that_cannot_be_reached_is_warned_of_once_and_training_goes_on(tmp_path):
    overrides = {"sinks.mlflow.enabled": True, "sinks.mlflow.tracking_uri": "http://127.0.0.1:9"}
    run = train_tiny(tmp_path, "alone", overrides)
    assert run.summary["stopped_by"] == "budget"
    assert count_in_log(run.path, "MLflow failed") == 1
    assert count_in_log(run.path, "WARNING") == 1
    assert (run.path / "metrics.jsonl").read_text().count("\n") == 40


# MLflow


def expected(store, seeds=(0, 1)) -> dict:
    """Each chunk's mean, then the mean of those seeds' means, at the chunk's env steps; a seed that
    has stopped keeps its evaluation."""
    found, chunks = {}, store.chunks()
    for i, (update, env_steps, *_) in enumerate(chunks):
        rows = [
            r
            for r in store.rows(chunks[i - 1][0] if i else -1)
            if r.update <= update and r.seed in seeds
        ]
        for name in {r.name for r in rows}:
            means = {
                s: np.mean([r.value for r in rows if (r.seed, r.name) == (s, name)])
                for s in {r.seed for r in rows}
            }
            if name == "eval/return":
                before = store.rows(names=[name], until=update)
                means = {r.seed: r.value for r in before if r.seed in seeds} | means
            mean = float(np.mean([means[s] for s in sorted(means)]))
            found.setdefault(name, []).append((env_steps, mean))
    return found


def assert_logged(tracked, store) -> None:
    for seed in (0, 1):
        assert tracked.logged(f"seed_{seed}") == expected(store, (seed,))
    logged = tracked.logged("parent")
    speeds = logged.pop("steps_per_second")
    assert logged == expected(store)
    assert speeds == [(env_steps, 1e4) for _, env_steps, *_ in store.chunks()]


def test_mlflow_has_a_run_with_a_child_for_each_seed(tracked, store):
    store.write(record(4))
    tracked.caught_up()
    runs = tracked.runs()
    assert runs.keys() == {"parent", "seed_0", "seed_1"}
    parent = runs.pop("parent")
    assert "mlflow.parentRunId" not in parent.data.tags
    assert parent.info.run_name == tracked.folder.name
    for part, run in runs.items():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.run_name == f"{tracked.folder.name}/{part}"
        assert run.data.params == {"algo.gamma": "0.9", "env": "x", "seed": part[-1]}
    assert parent.data.params == {"algo.gamma": "0.9", "env": "x"}
    assert parent.info.status == "RUNNING"


def test_mlflow_has_each_chunks_means_at_its_env_steps_and_over_seeds_in_the_parent(tracked, store):
    store.write(record(4))
    sink = tracked.caught_up()
    for each in (record(8), record(12, seeds=(1,))):
        store.write(each)
    sink.catch_up()
    assert_logged(tracked, store)
    assert tracked.logged("seed_1")["loss/value"][0] == (256, 0.5 + 3 + 100 + 1000)
    assert tracked.logged("parent")["loss/value"][0] == (256, 0.5 + 3 + 50 + 1000)


def test_the_parent_of_a_population_has_the_means_of_its_best_member(tracked, store):
    store.describe(first_seed=0, seeds=2, members='["gamma=0.9", "gamma=0.99"]')
    store.write(record(4))
    # the best member is frozen: its last evaluation counts
    store.write(record(8, value=-9.0, seeds=(0,)))
    tracked.caught_up()
    logged, best = tracked.logged("parent"), tracked.logged("seed_1")
    assert logged.pop("steps_per_second") == [(4 * STEPS, 1e4), (8 * STEPS, 1e4)]
    best["eval/return"].append((8 * STEPS, 5.5))
    assert logged == best


def test_what_is_sent_again_has_the_means_of_the_member_that_was_best_then(store):
    store.describe(first_seed=0, seeds=2, members='["gamma=0.9", "gamma=0.99"]')
    store.write(record(4, value=9.0, seeds=(0,)))
    store.write(record(8, value=50.0, seeds=(1,)))
    means, new = StoredSeedMeans(store), {0: 1.0, 1: 2.0}
    assert [means.at(update).of("a", new) for update in (4, 8, 4, 8)] == [1.0, 2.0, 1.0, 2.0]


def test_mlflow_is_sent_nothing_twice(tracked, store, monkeypatch):
    store.write(record(4))
    sink = tracked.caught_up()
    sent = []
    monkeypatch.setattr(
        sink._client, "log_batch", lambda *args, **kwargs: sent.append((args, kwargs))
    )
    sink.catch_up()
    assert sent == []
    assert_logged(tracked, store)


def test_mlflow_goes_on_with_the_same_runs_after_a_resume_and_adds_nothing_twice(tracked, store):
    for update in (4, 8):
        store.write(record(update))
    first = tracked.caught_up()
    store.forget_after(4)  # the checkpoint was older than what MLflow had
    store.write(record(8)._replace(finished_at=1.8e9))
    store.write(record(12)._replace(finished_at=1.8e9))
    second = tracked.caught_up()
    assert (first._parent, first._children) == (second._parent, second._children)
    assert_logged(tracked, store)


def test_a_copy_of_a_runs_folder_has_mlflow_runs_of_its_own_and_a_moved_one_goes_on(
    tracked, store, tmp_path, mlflow_uri
):
    store.describe(run_id=tracked.id)
    store.write(record(4))
    first = tracked.caught_up()
    beside = tmp_path.with_name(f"{tmp_path.name}-copy")
    shutil.copytree(tmp_path, beside)
    copy = Tracked(**vars(tracked) | {"folder": RunDir(beside)})
    second, again = copy.caught_up(), copy.caught_up()
    assert second._logged.keys() == again._logged.keys()
    assert not first._logged.keys() & second._logged.keys()
    moved = beside.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    copy.folder = RunDir(moved)
    assert copy.caught_up()._logged.keys() == second._logged.keys()
    assert tracked.caught_up()._logged.keys() == first._logged.keys()


def test_a_parameter_whose_name_mlflow_refuses_reaches_it_and_holds_back_no_metric(tracked, store):
    keys = ("food+water", "food=water", "(0, 1)", "x/", "..", "long" * 90)
    tracked.facts = {f"env_kwargs.{key}": i for i, key in enumerate(keys)}
    store.write(record(4))
    tracked.caught_up()
    params = tracked.runs()["parent"].data.params
    expected = {"food_water": "0", "_0_ 1_": "2", "x/_": "3", "..": "4"}
    assert {k.removeprefix("env_kwargs."): v for k, v in params.items() if len(k) < 99} == expected
    assert "eval/return" in tracked.logged("parent")


def test_a_child_of_a_population_has_the_settings_of_its_member(tracked):
    vary = {"algo.learning_rate": [1e-3, 3e-4]}
    experiment = load_experiment(overrides={"seed": 4, "seeds": 2, "vary": vary})
    assert facts_of_replicas(experiment) == {
        4: {"seed": 4, "algo.learning_rate": 1e-3},
        5: {"seed": 5, "algo.learning_rate": 1e-3},
        6: {"seed": 4, "algo.learning_rate": 3e-4},
        7: {"seed": 5, "algo.learning_rate": 3e-4},
    }
    experiment = replace(
        experiment, sinks=SinksConfig(mlflow=MLflowConfig(tracking_uri=tracked.uri))
    )
    sink = next(
        x for x in sinks_of(tracked.folder, experiment, tracked.id, STEPS) if x.name == "MLflow"
    )
    sink.open()
    rates = {part: run.data.params["algo.learning_rate"] for part, run in tracked.runs().items()}
    assert rates.pop("parent") == str(experiment.algo.learning_rate)
    assert rates == {"seed_4": "0.001", "seed_5": "0.001", "seed_6": "0.0003", "seed_7": "0.0003"}


def test_the_settings_of_every_agent_that_are_not_those_of_algo_reach_mlflow(tracked):
    agents = [{"id": f"a{i}", "gamma": 0.9 + i / 1000} for i in range(12)]
    agents += [{"id": "same"}, {"id": "cat", "algo": "dqn"}]
    overrides = {"agents": agents, "sinks.mlflow.tracking_uri": tracked.uri}
    sinks = sinks_of(tracked.folder, load_experiment(overrides=overrides), tracked.id, STEPS)
    next(sink for sink in sinks if sink.name == "MLflow").open()
    params = tracked.runs()["parent"].data.params
    assert params["agents.each"] == str([agent["id"] for agent in agents])
    for agent in agents[:12]:
        own = {name for name in params if name.startswith(f"{agent['id']}/")}
        assert own == {f"{agent['id']}/algo.gamma"}
        assert params[own.pop()] == str(agent["gamma"])
    assert not any(name.startswith("same/") for name in params)
    assert params["cat/algo.name"] == "dqn" and "cat/algo.buffer_size" in params
    assert params["algorithms"] == "ppo, dqn" != params["algo.name"]
    assert max(map(len, params.values())) < 6000


def test_a_number_that_was_logged_from_outside_reaches_mlflow_with_the_next_sync(tracked, store):
    for update in (4, 8):
        store.write(record(update))
    tracked.caught_up()
    store.log([Row(8, seed, "", "mine/score", 3.0 + seed) for seed in (0, 1)], "{}")
    tracked.caught_up()
    logged = tracked.logged("parent")
    assert logged["mine/score"] == [(8 * STEPS, 3.5)]
    assert len(logged["eval/return"]) == len(logged["steps_per_second"]) == 2


class ServerGone(Exception):
    pass


def send_in_part(tracked, monkeypatch, batches: int) -> MLflowSink:
    """Values go out five at a time, and after some the server is gone."""
    monkeypatch.setattr(mlflow_sink, "MAX_BATCH", 5)
    sink = tracked.sink()
    sink.open()
    send, calls = sink._client.log_batch, []

    def log_batch(*args, **kwargs):
        calls.append(args)
        if len(calls) > batches:
            raise ServerGone
        return send(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(ServerGone):
        patch.setattr(sink._client, "log_batch", log_batch)
        sink.catch_up()
    return sink


@pytest.mark.parametrize("batches", range(1, 6))
def test_mlflow_gets_the_rest_of_what_it_got_in_part(tracked, store, monkeypatch, batches):
    for update in (4, 8, 12):
        store.write(record(update))
    sink = send_in_part(tracked, monkeypatch, batches)
    sink.catch_up()
    assert_logged(tracked, store)


@pytest.mark.parametrize("calls", range(3))
def test_mlflow_gets_the_parameters_that_a_killed_process_had_not_logged(
    tracked, store, monkeypatch, calls
):
    from mlflow import MlflowClient

    log_batch, made = MlflowClient.log_batch, []

    def killed(client, run, params=(), **kwargs):
        made.append(run)
        if len(made) > calls:  # a part has reached the server
            log_batch(client, run, params=list(params)[:1])
            raise ServerGone
        return log_batch(client, run, params=params, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(ServerGone):
        patch.setattr(MlflowClient, "log_batch", killed)
        tracked.sink().open()
    tracked.caught_up()
    for part, run in tracked.runs().items():
        own = {} if part == "parent" else {"seed": part[-1]}
        assert run.data.params == {"algo.gamma": "0.9", "env": "x"} | own
    assert len(tracked.runs()) == 3


@pytest.mark.parametrize("batches", [1, 3])
def test_mlflow_gets_the_rest_of_what_it_got_in_part_after_a_resume(
    tracked, store, monkeypatch, batches
):
    for update in (4, 8, 12):
        store.write(record(update))
    send_in_part(tracked, monkeypatch, batches)
    tracked.caught_up()
    assert_logged(tracked, store)


@pytest.mark.parametrize("batches", [1, 3])
def test_mlflow_has_nothing_twice_though_the_chunk_it_got_in_part_was_done_again(
    tracked, store, monkeypatch, batches
):
    for update in (4, 8, 12):
        store.write(record(update))
    send_in_part(tracked, monkeypatch, batches)
    store.forget_after(0)
    for update in (4, 8, 12):
        store.write(record(update)._replace(finished_at=1.8e9 + update))  # the same numbers, later
    tracked.caught_up()
    assert_logged(tracked, store)


def run_of(chunks: int, points: int, tracked, store) -> MLflowSink:
    """A run of so many chunks, of which MLflow is to have so many points."""
    store.describe(updates_per_chunk=4, num_updates=4 * chunks)
    sink = tracked.sink(points=points)
    sink.open()
    return sink


@pytest.mark.parametrize(("chunks", "points", "updates"), [
    (8, 8, [4, 8, 12, 16, 20, 24, 28, 32]),
    (8, 4, [8, 16, 24, 32]),
    (8, 5, [8, 16, 24, 32]),
    (7, 3, [12, 24, 28]),  # the last span is shorter
    (7, 1, [28]),
])  # fmt: skip
def test_mlflow_has_no_more_points_of_a_metric_than_the_setting_says(
    tracked, store, chunks, points, updates
):
    sink = run_of(chunks, points, tracked, store)
    for update in range(4, 4 * chunks + 4, 4):
        store.write(record(update))
        sink.catch_up()
    for part in ("parent", "seed_0", "seed_1"):
        for name, history in tracked.logged(part).items():
            assert [step // STEPS for step, _ in history] == updates, name
    rows = [row for row in store.rows(names=["loss/value"]) if row.seed == 0]
    ends = [0, *updates]
    means = [
        np.mean([row.value for row in rows if after < row.update <= until])
        for after, until in pairwise(ends)
    ]
    assert [value for _, value in tracked.logged("seed_0")["loss/value"]] == means


def test_mlflow_has_the_same_points_of_a_run_that_was_killed_within_a_span(tracked, store):
    sink = run_of(9, 3, tracked, store)
    for update in range(4, 24, 4):
        store.write(record(update))
    sink.catch_up()
    store.forget_after(16)  # where the checkpoint was
    again = tracked.sink(points=3)
    again.open()
    for update in range(20, 40, 4):
        store.write(record(update))
    again.catch_up()
    assert [step // STEPS for step, _ in tracked.logged("seed_1")["loss/value"]] == [12, 24, 36]


def test_the_points_of_a_run_that_ends_early_reach_its_end(tracked, store, whole):
    sink = run_of(9, 3, tracked, store)
    for update in range(4, 24, 4):
        store.write(record(update))
    sink.catch_up()
    assert [step // STEPS for step, _ in tracked.logged("seed_1")["eval/return"]] == [12]
    summary = json.loads((whole / "summary.json").read_text())
    write_json(
        tracked.folder.summary, summary | {"stopped_by": "converged", "env_steps": 20 * STEPS}
    )
    sink.close()
    assert [step // STEPS for step, _ in tracked.logged("seed_1")["eval/return"]] == [12, 20]


def test_a_history_of_many_chunks_is_read_some_at_a_time(sink, store, monkeypatch):
    monkeypatch.setattr(store_module, "CHUNKS_A_PAGE", 3)
    make, read, single = sink
    for update in range(4, 4 * 11, 4):
        store.write(record(update))
    assert [len({row.update for row in page}) for page in store.pages(-1)] == [6, 6, 6, 2]
    mine = make()
    mine.open()
    mine.catch_up()
    mine.close()
    assert_equal(read(), in_store(store), single)


def test_what_is_not_a_number_reaches_mlflow_as_such(tracked, store):
    rows = [
        Row(4, seed, "", name, v)
        for seed in (0, 1)
        for name, v in (("a", float("nan")), ("eval/return", 1.0))
    ]
    store.write(ChunkRecord(4, 256, rows, 1.7e9, 1.0, 1e4))
    tracked.caught_up()
    assert np.isnan(tracked.logged("seed_0")["a"][0][1])


def test_a_metric_whose_name_mlflow_refuses_reaches_it_and_holds_back_no_other(tracked, store):
    odd = {
        "mine/gap %": "mine/gap _",
        "a=b[1]": "a_b_1_",
        "../x": "__/x",
        "/a//b/": "_/a/_/b/_",
        "a\nb": "a_b",
        "long" * 90: ("long" * 90)[:250],
        "mine/Größe: 1.5": "mine/Größe: 1.5",
        "eval/return": "eval/return",
    }
    rows = [Row(4, seed, "", name, 1.0) for seed in (0, 1) for name in odd]
    store.write(ChunkRecord(4, 256, rows, 1.7e9, 1.0, 1e4))
    sink = tracked.caught_up()
    sink.catch_up()
    assert tracked.logged("seed_1") == {name: [(256, 1.0)] for name in odd.values()}
    assert set(tracked.logged("parent")) == {*odd.values(), "steps_per_second"}


@pytest.fixture(scope="module")
def converged(tmp_path_factory):
    """A real run that converges at its first evaluation, tracked in a database beside it."""
    easy = {"convergence.target": 5.0, "convergence.window": 1, "convergence.patience": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        before = dict(os.environ)
        run = train_tiny(
            tmp_path_factory.mktemp("runs"), "easy", easy | {"sinks.mlflow.enabled": True}
        )
        changed = {k for k in os.environ if os.environ[k] != before.get(k)}
        yield SimpleNamespace(
            run=run, uri=f"sqlite:///{run.path.parent / 'mlflow.db'}", changed=changed
        )


@pytest.fixture
def client(converged):
    from mlflow import MlflowClient

    return MlflowClient(converged.uri)


def runs_of(client) -> dict:
    found = client.search_runs([client.get_experiment_by_name("elsinore").experiment_id])
    return {run.data.tags["elsinore.part"]: run for run in found}


def test_a_finished_run_is_in_a_database_beside_the_runs_with_its_files(converged, client):
    run, runs = converged.run, runs_of(client)
    assert run.summary["stopped_by"] == "converged"
    assert runs.keys() == {"parent", "seed_0", "seed_1"}
    parent = runs["parent"]
    assert {r.info.status for r in runs.values()} == {"FINISHED"}
    assert parent.data.tags["stopped_by"] == "converged"
    assert parent.data.metrics["final/return"] == run.summary["eval_return"]["mean"]
    assert runs["seed_1"].data.metrics["final/return"] == run.summary["eval_return"]["per_seed"][1]
    files = {f.path for f in client.list_artifacts(parent.info.run_id)}
    assert files >= {"config.yaml", "summary.json", "training_curves.png", "train.log", "policy"}
    assert parent.data.params["algo.num_envs"] == "4"
    assert count_in_log(run.path, "WARNING") == 0


def test_the_registered_champion_acts_as_the_run_does(converged, client, monkeypatch):
    import mlflow

    name = "elsinore-ppo-CartPole-v1"
    version = client.get_model_version_by_alias(name, "champion")
    assert version.run_id == runs_of(client)["parent"].info.run_id
    assert version.tags["eval_return"] == str(converged.run.summary["eval_return"]["mean"])
    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", converged.uri)
    mlflow.set_tracking_uri(converged.uri)
    try:
        model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    finally:
        mlflow.set_tracking_uri(before)
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(obs), converged.run.policy()(obs))


def test_a_model_that_is_registered_again_stays_one_version_below_newer_ones(converged, client):
    name, parent = "elsinore-ppo-CartPole-v1", runs_of(client)["parent"].info.run_id
    policy, summary = converged.run.path / "policy", converged.run.summary
    own = client.get_model_version_by_alias(name, "champion").version
    client.delete_registered_model_alias(name, "champion")  # killed in between
    register(client, parent, MLflowConfig(), policy, summary)
    assert client.get_model_version_by_alias(name, "champion").version == own
    newer = client.create_model_version(name, str(converged.run.path)).version
    client.set_registered_model_alias(name, "champion", newer)
    register(client, parent, MLflowConfig(), policy, summary)
    assert client.get_model_version_by_alias(name, "champion").version == newer
    assert len(client.search_model_versions(f"name = '{name}'")) == 2
    client.delete_model_version(name, newer)
    client.set_registered_model_alias(name, "champion", own)


def test_the_name_of_a_registered_model_may_have_a_quote(tmp_path):
    """MLflow refused the filter, and the run stayed as it is while it trains."""
    asked, own = [], SimpleNamespace(version="1", run_id="parent")

    def found(text):
        asked.append(text)
        return [own]

    client = SimpleNamespace(
        search_registered_models=found,
        search_model_versions=found,
        get_registered_model=lambda name: SimpleNamespace(aliases={}),
        set_registered_model_alias=lambda *_: None,
        set_model_version_tag=lambda *_: None,
    )
    config = MLflowConfig(model_name="Anna's agent")
    register(client, "parent", config, tmp_path, {"eval_return": {"mean": 1.0}})
    assert asked == ['name = "Anna\'s agent"'] * 2


def test_a_run_does_not_change_the_tracking_server_of_the_next(converged):
    assert "MLFLOW_TRACKING_URI" not in converged.changed


def test_a_converged_run_that_lost_its_summary_is_concluded_again_and_logs_nothing_twice(
    converged, client
):
    summary, rows = converged.run.summary, converged.run.metrics
    (converged.run.path / "summary.json").unlink()
    again = elsinore.resume(converged.run.path)
    assert again.summary["stopped_by"] == "converged"
    assert again.summary["params_sha256"] == summary["params_sha256"]
    assert again.summary["eval_return"] == summary["eval_return"]
    assert again.metrics.equals(rows)
    for run in runs_of(client).values():
        history = client.get_metric_history(run.info.run_id, "eval/return")
        assert [m.step for m in history] == [512]
    speeds = client.get_metric_history(runs_of(client)["parent"].info.run_id, "steps_per_second")
    assert [m.step for m in speeds] == [512]


@pytest.mark.parametrize("name", ["a?b", "50%25", "exp#1"])
def test_the_database_beside_runs_is_at_a_path_of_any_letters(tmp_path, name, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / name
    folder.mkdir()
    uri = mlflow_places.tracking_uri(MLflowConfig(), folder)
    mlflow_places.experiment_id(MlflowClient(uri), MLflowConfig(), uri, folder)
    assert (folder / "mlflow.db").is_file()


@pytest.mark.parametrize("path", ["/runs/plain", "/o'brien/runs", '/a "quoted" name'])
def test_mlflow_runs_are_found_by_a_path_with_quotes(mlflow_uri, path):
    configure_mlflow()
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_uri)
    place = client.create_experiment(path)
    made = client.create_run(place, tags={"elsinore.sweep": path}).info.run_id
    (found,) = client.search_runs([place], with_tag("elsinore.sweep", path))
    assert found.info.run_id == made
