"""A checkpoint has its name only when it is whole, and what is read back is what was written."""

import json
import shutil
import threading
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.config.experiment import CheckpointsConfig, Experiment
from elsinore.config.parse import as_dict
from elsinore.errors import ConfigError
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints import manager as checkpoint_manager
from elsinore.runs.checkpoints import match as checkpoint_match
from elsinore.runs.checkpoints import orbax_arrays
from elsinore.runs.checkpoints.arrays import read_arrays, restore
from elsinore.runs.checkpoints.directory import BrokenCheckpoint
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.checkpoints.manifest import params_sha256, versions
from elsinore.runs.checkpoints.match import check_match
from elsinore.runs.files import durable
from elsinore.training.schedule import Schedule
from tests.runs.conftest import chunk_ends, rows_in, train_tiny


class Learner(NamedTuple):
    params: dict
    count: np.ndarray


class State(NamedTuple):
    key: np.ndarray
    learner: Learner
    alive: np.ndarray


def state_of(number: int = 0) -> State:
    """Of two seeds: every type that a run's state has, and values that compare badly."""
    odd = np.array([np.nan, -0.0, np.inf, 1e-45, number], np.float32)
    kernel = np.random.default_rng(number).normal(size=(2, 5)).astype(np.float32)
    keys = jnp.stack([jax.random.key(number), jax.random.key(number + 1)])
    return State(
        key=np.asarray(jax.random.key_data(keys)),
        learner=Learner(
            {"Dense_0": {"kernel": kernel, "bias": np.stack([odd, -odd])}},
            np.array([number, 2**31 - 1], np.int32),
        ),
        alive=np.array([True, False]),
    )


def manifest_of(update: int) -> dict:
    return {
        "update": update,
        "metric": None,
        "config": as_dict(Experiment()),
        "versions": versions(),
    }


def saved(folder, update: int = 4, kind: str = "latest"):
    checkpoints.save(folder, kind, state_of(update), manifest_of(update))
    return next(
        c for c in checkpoints.list_checkpoints(folder) if (c.kind, c.update) == (kind, update)
    )


def shapes_of(state) -> State:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)


def assert_equal_bits(a, b) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for (path, x), y in zip(jax.tree.leaves_with_path(a), jax.tree.leaves(b), strict=True):
        assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()), path


def flip(path, at: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.write_bytes(data)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A folder with one checkpoint in it, to be copied by those who break it."""
    folder = tmp_path_factory.mktemp("one")
    saved(folder)
    return folder


@pytest.fixture
def copy(one, tmp_path):
    folder = tmp_path / "checkpoints"
    shutil.copytree(one, folder)
    return folder


# What is read back


def test_arrays_without_elements_come_back_too(tmp_path):
    """An environment may have them in its state, and Orbax saves none."""
    state = {"none": np.zeros((2, 0, 3), np.float16), "some": np.arange(2.0)}
    checkpoints.save(tmp_path, "latest", state, manifest_of(4))
    found = checkpoint_choice.newest(tmp_path)
    assert_equal_bits(restore(found, state), state)
    assert read_arrays(found)["['none']"].shape == (2, 0, 3)


def test_a_part_of_a_state_is_read_without_the_rest(tmp_path, monkeypatch):
    state = {"large": np.zeros(2**18), "small": np.arange(2.0)}
    checkpoints.save(tmp_path, "latest", state, manifest_of(4))
    found = checkpoint_choice.newest(tmp_path)
    asked = []

    def load(path, like):
        asked.append(list(like))
        return orbax_arrays.load_arrays(path, like)

    monkeypatch.setattr("elsinore.runs.checkpoints.arrays.load_arrays", load)
    assert read_arrays(found, "['small']".__eq__).keys() == {"['small']"}
    part = restore(found, state, {"small": state["small"]})
    assert_equal_bits(part, {"small": state["small"]})
    assert asked == [["['small']"]] * 2
    with pytest.raises(BrokenCheckpoint, match="holds another state"):
        restore(found, state | {"small": np.zeros(3)}, {"large": state["large"]})


def test_an_array_of_another_shape_than_the_manifest_says_is_broken(tmp_path):
    path = tmp_path / "state"
    orbax_arrays.save_arrays(path, {"x": np.zeros((2, 3))})
    for like in (np.zeros((3, 2)), np.zeros((2, 3), np.float32)):
        with pytest.raises(ValueError, match=r"x is float64\[2, 3\]"):
            orbax_arrays.load_arrays(path, {"x": like})


def test_arrays_are_written_without_a_copy_of_them_first(tmp_path):
    arrays = {"x": np.zeros((1, 2**22))}
    orbax_arrays.save_arrays(tmp_path / "first", arrays)  # which imports Orbax
    tracemalloc.start()
    try:
        orbax_arrays.save_arrays(tmp_path / "second", arrays)
        assert tracemalloc.get_traced_memory()[1] < arrays["x"].nbytes / 2
    finally:
        tracemalloc.stop()


def test_a_state_comes_back_bit_for_bit_with_its_types(one):
    state = restore(checkpoint_choice.newest(one), shapes_of(state_of()))
    assert_equal_bits(state, state_of(4))


def test_restored_keys_draw_what_they_would_have_drawn(one):
    state = restore(checkpoint_choice.newest(one), shapes_of(state_of()))
    again = jax.random.wrap_key_data(jnp.asarray(state.key))
    assert jax.random.uniform(again[1]) == jax.random.uniform(jax.random.key(5))


def test_a_folder_may_be_named_relative_to_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = (tmp_path / "runs" / "checkpoints").relative_to(tmp_path)
    checkpoint = saved(folder)
    assert_equal_bits(restore(checkpoint, shapes_of(state_of())), state_of(4))


def test_no_file_names_a_folder_of_the_machine_that_wrote_it(tmp_path):
    path = saved(tmp_path).path
    files = {file.name: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert len(files) > 3
    assert [name for name, data in files.items() if str(tmp_path).encode() in data] == []


def test_saving_the_same_update_again_replaces_it(tmp_path):
    saved(tmp_path)
    checkpoints.save(tmp_path, "latest", state_of(9), manifest_of(4))
    (checkpoint,) = checkpoints.list_checkpoints(tmp_path)
    assert_equal_bits(restore(checkpoint, shapes_of(state_of())), state_of(9))
    assert [p.name for p in (tmp_path / "latest").iterdir()] == ["0000000004"]


@pytest.mark.parametrize(
    "other",
    [
        lambda s: s._replace(alive=jax.ShapeDtypeStruct((3,), np.bool_)),
        lambda s: s._replace(
            learner=s.learner._replace(params={"Dense_1": s.learner.params["Dense_0"]})
        ),
        lambda s: s._replace(
            learner=s.learner._replace(count={"more": s.learner.count, "less": s.learner.count})
        ),
    ],
    ids=["shape", "name", "structure"],
)
def test_a_state_of_another_structure_is_refused(one, other):
    with pytest.raises(BrokenCheckpoint, match="holds another state"):
        restore(checkpoint_choice.newest(one), other(shapes_of(state_of())))


def test_a_state_of_another_type_is_refused_rather_than_cast(one):
    like = shapes_of(state_of())
    with pytest.raises(BrokenCheckpoint):
        restore(
            checkpoint_choice.newest(one), like._replace(alive=jax.ShapeDtypeStruct((2,), np.int32))
        )


# What is broken


def test_one_flipped_bit_in_any_file_is_found_and_the_file_is_named(copy):
    folder = copy / "latest" / "0000000004"
    files = [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size]
    assert {p.name for p in files} >= {"manifest.json", "_METADATA", "manifest.ocdbt"}
    for path in files:
        whole = path.read_bytes()
        flip(path)
        with pytest.raises(BrokenCheckpoint, match=path.relative_to(folder).as_posix()):
            checkpoint_choice.newest(copy)
        with pytest.raises(BrokenCheckpoint, match=path.relative_to(folder).as_posix()):
            restore(checkpoints.list_checkpoints(copy)[0], shapes_of(state_of()))
        path.write_bytes(whole)
    checkpoint_choice.newest(copy)


def test_a_flipped_bit_anywhere_in_the_manifest_is_found(copy):
    path = copy / "latest" / "0000000004" / "manifest.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        flip(path, at)
        with pytest.raises(BrokenCheckpoint, match=r"manifest\.json"):
            checkpoint_choice.newest(copy)
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "other",
    [{"metric": 5}, {"metric": {"value": "x"}}, {"metric": {"name": "x"}}, {"config": [1]}],
    ids=str,
)
def test_a_manifest_of_another_shape_is_as_one_that_cannot_be_read(copy, other):
    path = copy / "latest" / "0000000004" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | other, indent=1))
    (found,) = checkpoints.list_checkpoints(copy)
    assert checkpoint_choice.best_of([found], Experiment()) == found
    with pytest.raises(BrokenCheckpoint, match=r"manifest\.json has changed"):
        checkpoint_choice.newest(copy)


def test_a_missing_file_is_found_and_named(copy):
    path = copy / "latest" / "0000000004" / "state" / "_METADATA"
    path.unlink()
    with pytest.raises(BrokenCheckpoint, match="state/_METADATA is missing"):
        checkpoint_choice.newest(copy)


def test_an_empty_checkpoint_folder_is_broken_not_overlooked(copy):
    (copy / "latest" / "0000000008").mkdir()
    with pytest.raises(BrokenCheckpoint, match="0000000008"):
        checkpoint_choice.newest(copy)


def test_a_manifest_without_files_is_broken(tmp_path, monkeypatch):
    """As a process wrote them that had joined others: Orbax gives numpy arrays to the first."""
    monkeypatch.setattr(checkpoints, "_digests", lambda folder: {})
    alone = saved(tmp_path)
    with pytest.raises(BrokenCheckpoint, match="holds no data, only its manifest"):
        checkpoints.verify(alone)
    assert not checkpoints.is_whole(alone)


def test_a_checkpoint_that_is_removed_while_it_is_listed_is_none(tmp_path, monkeypatch):
    for update in (4, 8):
        saved(tmp_path, update)
    text_of = checkpoints.text_of

    def gone(path):
        if path.parent.name == "0000000004":
            shutil.rmtree(path.parent)
        return text_of(path)

    monkeypatch.setattr(checkpoints, "text_of", gone)
    assert [c.update for c in checkpoints.list_checkpoints(tmp_path)] == [8]


def test_a_checkpoint_that_goes_before_its_size_is_known_has_none(copy):
    (checkpoint,) = checkpoints.list_checkpoints(copy)
    assert checkpoints.size_of(checkpoint) > 1000
    shutil.rmtree(checkpoint.path)
    with pytest.raises(FileNotFoundError):
        checkpoints.size_of(checkpoint)


def test_a_broken_checkpoint_says_how_to_go_on(copy):
    flip(copy / "latest" / "0000000004" / "state" / "_METADATA")
    with pytest.raises(BrokenCheckpoint, match="--fall-back"):
        checkpoint_choice.newest(copy)


def test_falling_back_goes_to_the_newest_that_is_whole_and_only_when_allowed(tmp_path):
    for update in (4, 8, 12, 16):
        saved(tmp_path, update)
    for name in ("0000000012", "0000000016"):
        flip(tmp_path / "latest" / name / "state" / "_METADATA")
    with pytest.raises(BrokenCheckpoint, match="0000000016"):
        checkpoint_choice.newest(tmp_path)
    assert checkpoint_choice.newest(tmp_path, fall_back=True).update == 8


def test_without_any_whole_checkpoint_falling_back_is_refused(copy, tmp_path):
    flip(copy / "latest" / "0000000004" / "state" / "_METADATA")
    with pytest.raises(ConfigError, match="only broken checkpoints"):
        checkpoint_choice.newest(copy, fall_back=True)
    with pytest.raises(ConfigError, match="no checkpoint yet"):
        checkpoint_choice.newest(tmp_path / "nowhere")


def test_a_file_too_many_is_found_and_named(copy):
    (copy / "latest" / "0000000004" / "state" / "notes.txt").write_text("mine")
    with pytest.raises(BrokenCheckpoint, match=r"state/notes\.txt does not belong to it"):
        checkpoint_choice.newest(copy)


@pytest.mark.parametrize("name", ["00000old", "0000000004.bak", "4", "00000000040", "٠٠٠٠٠٠٠٠٠٤"])
def test_a_folder_of_another_name_is_no_checkpoint_and_stays(copy, name):
    shutil.copytree(copy / "latest" / "0000000004", copy / "latest" / name)
    shutil.copytree(copy / "latest" / "0000000004", copy / "best" / name)
    assert [c.name for c in checkpoints.list_checkpoints(copy)] == ["latest/0000000004"]
    keep_all(manager_of(copy, best=1), [1.0, 2.0, 3.0], first=5)
    assert (copy / "latest" / name).is_dir() and (copy / "best" / name).is_dir()


# What kills leave behind


class Killed(BaseException):
    pass


def killed(*_, **__):
    raise Killed


def test_a_writer_killed_midway_leaves_nothing_that_is_listed(copy, monkeypatch):
    import orbax.checkpoint as ocp

    before = [c.name for c in checkpoints.list_checkpoints(copy)]
    for holder, name in ((ocp.Checkpointer, "save"), (checkpoints, "_digests"), (json, "dumps")):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(holder, name, killed)
            checkpoints.save(copy, "latest", state_of(8), manifest_of(8))
        assert list(copy.glob("latest/.*"))
        assert [c.name for c in checkpoints.list_checkpoints(copy)] == before
        assert checkpoint_choice.newest(copy).update == 4
        checkpoints.clean(copy)
        assert not list(copy.glob("*/.*"))
    assert checkpoint_choice.newest(copy).update == 4


def test_a_save_that_a_signal_ends_while_its_threads_write_does_not_disturb_the_next(
    copy, monkeypatch
):
    folders = []
    save_arrays = checkpoints.save_arrays

    def interrupted(folder, arrays):
        folders.append(folder)
        raise KeyboardInterrupt

    def in_the_background(folder, arrays):
        save_arrays(folder, arrays)
        folders[0].mkdir(parents=True, exist_ok=True)  # as by the threads of the first save
        (folders[0] / "late").write_text("")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "save_arrays", interrupted)
        checkpoints.save(copy, "emergency", state_of(8), manifest_of(8))
    monkeypatch.setattr(checkpoints, "save_arrays", in_the_background)
    checkpoints.save(copy, "emergency", state_of(8), manifest_of(8))
    newest = checkpoint_choice.newest(copy)
    checkpoints.verify(newest)
    assert (newest.kind, newest.update) == ("emergency", 8)
    assert not list(newest.path.rglob("late"))
    checkpoints.clean(copy)
    assert not list(copy.glob("*/.*"))


def test_one_killed_while_deleting_leaves_nothing_that_is_listed(copy, monkeypatch):
    saved(copy, 8)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.shutil, "rmtree", lambda *_, **__: None)  # it never came to that
        checkpoints.remove_checkpoint(copy / "latest" / "0000000004")
    assert list(copy.glob("latest/.trash-*"))
    assert [c.update for c in checkpoints.list_checkpoints(copy)] == [8]
    checkpoints.clean(copy)
    assert not list(copy.glob("*/.*"))
    assert checkpoint_choice.newest(copy).update == 8


@pytest.mark.parametrize("rename", [1, 2])
def test_one_killed_while_it_is_written_again_is_there_after_cleaning(copy, monkeypatch, rename):
    """The first rename takes the older one away, the second names the new one."""
    renames, renamed = [], type(copy).rename

    def killing(self, target):
        renames.append(self)
        if len(renames) == rename:
            raise Killed
        return renamed(self, target)

    def deleted(path, *args, **kwargs):
        assert ".trash-0000000004" not in str(path) or (copy / "latest" / "0000000004").exists()
        return rmtree(path, *args, **kwargs)

    rmtree = shutil.rmtree
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(type(copy), "rename", killing)
        saved(copy)
    monkeypatch.setattr(checkpoints.shutil, "rmtree", deleted)
    checkpoints.clean(copy)
    assert not list(copy.glob("*/.*"))
    newest = checkpoint_choice.newest(copy)
    assert newest.update == 4 and checkpoints.is_whole(newest)


def test_cleaning_leaves_whole_checkpoints_alone(copy):
    checkpoints.clean(copy)
    assert checkpoint_choice.newest(copy).update == 4


# Which one


@pytest.mark.parametrize("kind", checkpoints.CHECKPOINT_KINDS)
def test_the_newest_of_all_kinds_is_chosen(tmp_path, kind):
    for other in checkpoints.CHECKPOINT_KINDS:
        saved(tmp_path, 12 if other == kind else 8, other)
    assert checkpoint_choice.newest(tmp_path).name == f"{kind}/0000000012"


def test_of_equally_new_ones_the_latest_is_chosen(tmp_path):
    for kind in reversed(checkpoints.CHECKPOINT_KINDS):
        saved(tmp_path, 4, kind)
    assert [c.kind for c in checkpoints.list_checkpoints(tmp_path)] == list(
        checkpoints.CHECKPOINT_KINDS
    )
    assert checkpoint_choice.newest(tmp_path).kind == "latest"


# What must agree


def test_a_checkpoint_of_the_same_config_and_versions_matches(one):
    check_match(checkpoint_choice.newest(one), Experiment())


def test_a_checkpoint_of_before_a_setting_existed_matches_its_default(tmp_path):
    manifest = manifest_of(4)
    assert manifest["config"]["checkpoints"].pop("latest") == 2
    checkpoints.save(tmp_path, "latest", state_of(4), manifest)
    check_match(checkpoint_choice.newest(tmp_path), Experiment())
    other = Experiment(checkpoints=CheckpointsConfig(latest=3))
    with pytest.raises(ConfigError, match=r"checkpoints\.latest 2, 3"):
        check_match(checkpoint_choice.newest(tmp_path), other)


def test_a_checkpoint_of_another_budget_matches(one):
    longer = Experiment(env_steps=900_000, earlier_env_steps=(500_000,))
    check_match(checkpoint_choice.newest(one), longer)


def test_another_config_is_refused_with_a_list_of_what_differs(one):
    other = Experiment(seeds=3, algo=replace(Experiment().algo, gamma=0.5))
    with pytest.raises(ConfigError) as refused:
        check_match(checkpoint_choice.newest(one), other, accept_versions=True)
    assert "algo.gamma 0.99, 0.5" in str(refused.value)
    assert "seeds 1, 3" in str(refused.value)
    assert "clip_eps" not in str(refused.value)


def test_other_versions_are_refused_with_a_list_of_what_differs_unless_accepted(one, monkeypatch):
    now = versions() | {"jax": "99.0", "python": "4.0"}
    monkeypatch.setattr(checkpoint_match, "versions_of", lambda experiment: now)
    checkpoint = checkpoint_choice.newest(one)
    with pytest.raises(ConfigError) as refused:
        check_match(checkpoint, Experiment())
    assert f"jax {jax.__version__!r}, '99.0'" in str(refused.value)
    assert "python" in str(refused.value)
    assert "flax" not in str(refused.value)
    assert "--accept-versions" in str(refused.value)
    check_match(checkpoint, Experiment(), accept_versions=True)


def test_a_checkpoint_of_a_newer_format_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "CHECKPOINT_FORMAT", checkpoints.CHECKPOINT_FORMAT + 1)
        saved(tmp_path)
    with pytest.raises(ConfigError, match=f"has format {checkpoints.CHECKPOINT_FORMAT + 1}"):
        check_match(checkpoint_choice.newest(tmp_path), Experiment())


# What is kept


def manager_of(folder, **config) -> CheckpointManager:
    return CheckpointManager(
        folder, Experiment(checkpoints=CheckpointsConfig(interval_seconds=0.0, **config))
    )


def keep_all(manager: CheckpointManager, scores, save_every: int = 1, first: int = 1) -> None:
    for update, score in enumerate(scores, first):
        if manager.best.consider(update, score):
            manager.best.offer(update, score, state_of(update))
        if update % save_every == 0:
            manager.save("latest", update, state_of(update), score)


def updates_of(folder, kind: str) -> list[int]:
    return [c.update for c in checkpoints.list_checkpoints(folder, (kind,))]


@pytest.mark.parametrize("save_every", [1, 3])
@pytest.mark.parametrize(("mode", "best"), [("max", {4, 2}), ("min", {3, 5})])
def test_the_best_are_kept_whenever_they_came(tmp_path, mode, best, save_every):
    keep_all(manager_of(tmp_path, best=2, mode=mode), [3.0, 9.0, 1.0, 11.0, 2.0, 8.0], save_every)
    assert set(updates_of(tmp_path, "best")) == best
    for checkpoint in checkpoints.list_checkpoints(tmp_path, ("best",)):
        assert (
            checkpoint.manifest["metric"]["value"]
            == [3.0, 9.0, 1.0, 11.0, 2.0, 8.0][checkpoint.update - 1]
        )
        state = restore(checkpoint, shapes_of(state_of()))
        assert_equal_bits(state, state_of(checkpoint.update))


@pytest.mark.parametrize(
    ("metric", "mode"), [("loss/value", "min"), ("policy/entropy", "max"), ("eval/length", "max")]
)
def test_the_best_by_a_logged_metric_are_those_of_its_best_values(tmp_path, metric, mode):
    settings = {"checkpoints.metric": metric, "checkpoints.mode": mode, "env_steps": 2560}
    run = train_tiny(tmp_path, "by-metric", settings)
    ends, scores = {update for update, _ in chunk_ends(run.path)}, {}
    for update, _, agent, name, value in rows_in(run.path):
        if (name, agent) == (metric, "") and update in ends:
            scores.setdefault(update, []).append(value)
    means = {update: float(np.mean(values)) for update, values in scores.items()}
    assert len(means) == 5 and all(len(values) == 2 for values in scores.values())
    best = sorted(means, key=means.__getitem__, reverse=mode == "max")[:2]
    found = {row["update"]: row for row in run.checkpoints() if row["kind"] == "best"}
    assert set(found) == set(best)
    for update, row in found.items():
        assert row["metric"] == metric and row["value"] == pytest.approx(means[update], rel=1e-6)


def test_the_latest_two_are_kept_though_they_are_not_the_best(tmp_path):
    keep_all(manager_of(tmp_path, best=1), [9.0, 1.0, 2.0, 3.0])
    assert updates_of(tmp_path, "latest") == [4, 3]
    assert updates_of(tmp_path, "best") == [1]


@pytest.mark.parametrize("number", [1, 3])
def test_as_many_of_the_latest_are_kept_as_asked_for(tmp_path, number):
    keep_all(manager_of(tmp_path, best=0, latest=number), [0.0, 0.0, 0.0, 0.0])
    assert updates_of(tmp_path, "latest") == [4, 3, 2][:number]


def test_the_best_of_those_that_are_kept_is_known(tmp_path):
    keep_all(manager_of(tmp_path, best=3, mode="min"), [3.0, 9.0, 1.0])
    found = checkpoints.list_checkpoints(tmp_path, ("best",))
    for mode, update in (("max", 2), ("min", 3)):
        experiment = Experiment(checkpoints=CheckpointsConfig(mode=mode))
        assert checkpoint_choice.best_of(found, experiment).update == update
    assert checkpoint_choice.best_of([], Experiment()) is None


def test_checkpoints_newer_than_the_state_that_is_saved_do_not_displace_it(tmp_path):
    for update in (40, 44):  # a run that begins again before them, since its store lost rows
        saved(tmp_path, update)
    keep_all(manager_of(tmp_path), [0.0, 0.0, 0.0])
    assert updates_of(tmp_path, "latest") == [44, 40, 3, 2]


def test_the_newest_that_the_store_covers_is_of_the_same_versions(tmp_path, monkeypatch):
    for update in (4, 8):
        saved(tmp_path, update)
    others = versions() | {"jax": "0.1"}
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "versions", lambda: others)
        saved(tmp_path, 12)
    saved(tmp_path, 16)
    saved(tmp_path, 20)
    flip(tmp_path / "latest" / "0000000008" / "state" / "_METADATA")
    newest = checkpoint_choice.newest(tmp_path)
    found = {
        n: checkpoint_choice.newest_covered(tmp_path, newest, n) for n in (99, 20, 16, 15, 4, 3)
    }
    assert {n: c and c.update for n, c in found.items()} == {
        99: 20,
        20: 20,
        16: 16,
        15: 4,
        4: 4,
        3: None,
    }
    assert checkpoint_choice.newest_covered(tmp_path, None, 8) is None


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps, fsync, rename = [], checkpoints.fsync, type(tmp_path).rename
    monkeypatch.setattr(durable, "fsync", lambda path: steps.append(path) or fsync(path))
    monkeypatch.setattr(checkpoints, "fsync", lambda path: steps.append(path) or fsync(path))

    def renamed(self, target):
        files = [p.relative_to(self) for p in self.rglob("*")]
        steps.append("rename")
        missing = [p for p in files if self / p not in steps] if ".trash" not in target.name else []
        assert not missing and (self in steps or ".trash" in target.name)
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", renamed)
    saved(tmp_path / "checkpoints")
    after = steps[steps.index("rename") :]
    assert after[1:] == [tmp_path / "checkpoints" / "latest", tmp_path / "checkpoints", tmp_path]
    checkpoints.remove_checkpoint(tmp_path / "checkpoints" / "latest" / "0000000004")
    assert steps[-2:] == ["rename", tmp_path / "checkpoints" / "latest"]


def test_the_best_are_written_before_the_latest(tmp_path, monkeypatch):
    written, save = [], checkpoints.save
    monkeypatch.setattr(
        checkpoints,
        "save",
        lambda folder, kind, *rest: written.append(kind) or save(folder, kind, *rest),
    )
    keep_all(manager_of(tmp_path, best=2), [1.0, 2.0, 0.0], save_every=3)
    assert written == ["best", "best", "latest"]


def test_a_score_that_is_no_number_is_never_the_best(tmp_path):
    manager = manager_of(tmp_path, best=2)
    assert not any(
        manager.best.consider(1, score) for score in (float("nan"), float("inf"), -float("inf"))
    )
    manager.save("latest", 1, state_of(1), float("nan"))
    assert checkpoint_choice.newest(tmp_path).manifest["metric"] is None


def test_an_equal_score_does_not_replace_an_older_one(tmp_path):
    keep_all(manager_of(tmp_path, best=1), [5.0, 5.0])
    assert updates_of(tmp_path, "best") == [1]


def test_none_are_kept_where_none_are_wanted(tmp_path):
    keep_all(manager_of(tmp_path, best=0), [1.0, 2.0])
    assert updates_of(tmp_path, "best") == []


def test_a_new_manager_knows_the_best_that_are_on_disk(tmp_path):
    keep_all(manager_of(tmp_path, best=2), [9.0, 1.0, 8.0])
    keep_all(manager_of(tmp_path, best=2), [2.0, 8.5], first=4)
    assert set(updates_of(tmp_path, "best")) == {1, 5}


@pytest.mark.parametrize(("number", "left"), [(None, [4, 3, 2, 1]), (2, [4, 3])])
def test_periodic_ones_stay_for_good_unless_they_are_bounded(tmp_path, number, left):
    manager = manager_of(tmp_path, periodic=number)
    for update in range(1, 5):
        manager.save("periodic", update, state_of(update), 0.0)
        manager.save("latest", update, state_of(update), 0.0)
    assert updates_of(tmp_path, "periodic") == left


def test_one_is_due_once_the_interval_has_passed_since_the_last(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    manager = CheckpointManager(
        tmp_path, Experiment(checkpoints=CheckpointsConfig(interval_seconds=30.0))
    )
    assert not manager.due()
    now[0] = 130.0
    assert manager.due()
    manager.save("latest", 1, state_of(1), None)
    assert not manager.due()


def test_the_interval_is_planned_from_the_time_between_failures(tmp_path, monkeypatch):
    now, hold = [100.0], [0.5]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    manager = CheckpointManager(
        tmp_path,
        Experiment(checkpoints=CheckpointsConfig(interval_seconds=30.0, mtbf_hours=10.0)),
        schedule=Schedule(num_updates=100, updates_per_chunk=1),
    )
    keep = checkpoints.save

    def save(*args):
        now[0] += hold[0]
        return keep(*args)

    monkeypatch.setattr(checkpoints, "save", save)

    def saved_after(seconds: float) -> bool:
        now[0] += seconds
        before = updates_of(tmp_path, "latest")
        number = manager.chunks + 1
        manager.after_chunk(
            SimpleNamespace(state=state_of(number), index=number - 1, frozen=False, last=False),
            float("nan"),
        )
        return updates_of(tmp_path, "latest") != before

    assert not saved_after(29.0) and saved_after(1.0)  # as set, until a save was measured
    assert not saved_after(189.0) and saved_after(1.0)  # sqrt(2 x 0.5 x 36,000) = 189.7
    hold[0] = 8.0
    for _ in range(3):
        assert saved_after(10_000.0)
    assert not saved_after(758.0) and saved_after(2.0)  # the median is 8: sqrt(576,000) = 758.9


# The digest of a run's parameters

PARAMS = {
    "a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)},
    "b": np.zeros(2, np.float32),
}


def test_equal_parameters_have_equal_digests_whatever_holds_them():
    fortran = {
        "b": np.zeros(2, np.float32),
        "a": {"kernel": np.asfortranarray(PARAMS["a"]["kernel"])},
    }
    assert params_sha256(PARAMS) == params_sha256(fortran)
    assert params_sha256(PARAMS) == params_sha256(jax.tree.map(np.copy, PARAMS))
    assert len(params_sha256(PARAMS)) == 64


@pytest.mark.parametrize(
    "other",
    [
        {"a": {"kernel": np.nextafter(PARAMS["a"]["kernel"], np.float32(9))}, "b": PARAMS["b"]},
        {"a": {"kernel": PARAMS["a"]["kernel"].reshape(3, 2)}, "b": PARAMS["b"]},
        {"a": {"weight": PARAMS["a"]["kernel"]}, "b": PARAMS["b"]},
        {"a": {"kernel": PARAMS["a"]["kernel"]}, "b": -PARAMS["b"]},
        {"a": {"kernel": PARAMS["a"]["kernel"]}},
    ],
    ids=["value", "shape", "name", "sign of zero", "one fewer"],
)
def test_another_value_shape_or_name_gives_another_digest(other):
    assert params_sha256(other) != params_sha256(PARAMS)


# Large states are written behind


class Behind:
    """A manager that writes every state behind, and a device that takes its memory back."""

    def __init__(self, folder, monkeypatch, **config):
        monkeypatch.setattr(checkpoint_manager, "WRITTEN_BEHIND", 0)
        config = {"interval_seconds": 0.0} | config
        self.manager = CheckpointManager(
            folder,
            Experiment(checkpoints=CheckpointsConfig(**config)),
            schedule=Schedule(num_updates=100, updates_per_chunk=1),
        )
        self.write, self.writes = threading.Event(), []
        keep = checkpoints.save

        def slow(folder, kind, state, manifest):
            self.writes.append((kind, manifest["update"], threading.current_thread()))
            assert self.write.wait(60)
            return keep(folder, kind, state, manifest)

        monkeypatch.setattr(checkpoints, "save", slow)

    def chunk(self, number: int, score: float = 0.0) -> None:
        """A chunk ends, and the device takes the state's memory for the next."""
        state = jax.tree.map(np.array, state_of(number))
        chunk = SimpleNamespace(state=state, index=number - 1, frozen=False, last=False)
        self.manager.after_chunk(chunk, score)
        for x in jax.tree.leaves(state):
            x.fill(0)


def test_a_manager_is_closed_once_it_has_written(tmp_path, monkeypatch):
    behind = Behind(tmp_path, monkeypatch, best=0)
    behind.chunk(1)
    threading.Timer(0.1, behind.write.set).start()
    behind.manager.close()
    assert updates_of(tmp_path, "latest") == [1]


def test_training_goes_on_while_a_large_state_is_written(tmp_path, monkeypatch):
    behind = Behind(tmp_path, monkeypatch, best=0)
    for number in (1, 2, 3):  # the first is still being written
        behind.chunk(number)
    assert updates_of(tmp_path, "latest") == []
    behind.write.set()
    behind.manager.wait()
    behind.chunk(4)
    behind.manager.wait()
    assert updates_of(tmp_path, "latest") == [4, 1]
    assert threading.main_thread() not in {thread for *_, thread in behind.writes}
    for checkpoint in checkpoints.list_checkpoints(tmp_path):
        state = restore(checkpoint, shapes_of(state_of()))
        assert_equal_bits(state, state_of(checkpoint.update))


def test_a_save_that_is_asked_for_while_another_waits_for_the_store_is_made(tmp_path, monkeypatch):
    behind = Behind(tmp_path, monkeypatch, best=0, interval_seconds=1e9)
    manager, stored = behind.manager, threading.Event()
    manager._store.flush = lambda timeout, patient=False: stored.wait(60)
    behind.write.set()
    for number in (1, 2):
        manager._controls.ask("save")
        behind.chunk(number)  # the second is still due when the first is written
    stored.set()
    manager.wait()
    behind.chunk(3)
    manager.wait()
    assert updates_of(tmp_path, "latest") == [3, 1]
    behind.chunk(4)  # what was asked for is done
    manager.wait()
    assert updates_of(tmp_path, "latest") == [3, 1]


def test_a_best_state_found_while_another_is_written_is_written_with_the_next(
    tmp_path, monkeypatch
):
    behind = Behind(tmp_path, monkeypatch, best=1)
    behind.chunk(1, 1.0)
    behind.chunk(2, 5.0)
    behind.chunk(3, 2.0)
    behind.write.set()
    behind.manager.wait()
    assert updates_of(tmp_path, "best") == []  # that of chunk 1 is the best no more
    behind.chunk(4, 3.0)
    behind.manager.wait()
    assert updates_of(tmp_path, "best") == [2]
    (best,) = checkpoints.list_checkpoints(tmp_path, ("best",))
    assert_equal_bits(restore(best, shapes_of(state_of())), state_of(2))


def test_a_state_of_a_fixed_chunk_waits_for_the_one_before(tmp_path, monkeypatch):
    behind = Behind(tmp_path, monkeypatch, best=0, period=2)
    threading.Timer(0.3, behind.write.set).start()
    for number in range(1, 5):
        behind.chunk(number)
    behind.manager.wait()
    assert updates_of(tmp_path, "periodic") == [4, 2]


def test_a_state_that_cannot_be_written_behind_is_warned_of_and_held_on(
    tmp_path, monkeypatch, caplog
):
    behind = Behind(tmp_path, monkeypatch, best=1)
    behind.write.set()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", lambda *_: (_ for _ in ()).throw(OSError("full")))
        behind.chunk(1, 9.0)
        behind.manager.wait()
    assert "could not be written" in caplog.text
    behind.chunk(2, 1.0)
    behind.manager.wait()
    assert updates_of(tmp_path, "best") == [1] and updates_of(tmp_path, "latest") == [2]


def test_a_checkpoint_that_the_run_removes_while_another_process_reads_it(tmp_path):
    checkpoints.save(tmp_path, "latest", {"x": np.zeros(2)}, {"update": 4})
    (found,) = checkpoints.list_checkpoints(tmp_path)
    checkpoints.remove_checkpoint(found.path)
    with pytest.raises(checkpoints.BrokenCheckpoint, match="was removed while it was read"):
        read_arrays(found)
    assert not checkpoints.is_whole(found)
