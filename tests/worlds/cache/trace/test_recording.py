"""Traces: numbering of objects, and refusals."""

import os
import zipfile

import numpy as np
import pytest

from elsinore.worlds.cache.trace import Trace, load_trace, recording, zipf_trace


def test_objects_are_numbered_as_they_appear():
    trace = Trace.of(["b", "a", "b", "c"], [5, 6, 5, 7])
    assert trace.obj_id.tolist() == [0, 1, 0, 2]
    assert trace.object_size.tolist() == [5, 6, 7]
    assert trace.num_objects == 3


def test_a_field_that_a_source_lacks_is_unknown():
    trace = Trace.of([4, 4])
    assert (trace.size.tolist(), trace.client.tolist(), trace.cls.tolist()) == (
        [1, 1],
        [-1, -1],
        [-1, -1],
    )
    assert {x.dtype.name for x in (trace.obj_id, trace.size, trace.ts, trace.client)} == {"int32"}


def test_the_made_up_trace_is_the_same_every_time():
    one, other = zipf_trace(500, 50, seed=3), zipf_trace(500, 50, seed=3)
    assert (one.obj_id == other.obj_id).all() and (one.size == other.size).all()
    assert (zipf_trace(500, 50, seed=4).obj_id != one.obj_id).any()


@pytest.mark.parametrize(
    ("ids", "size", "message"),
    [
        ([], 1, "obj_id is empty"),
        ([0, 1, 0], [3, -2, 3], "size=-2 at request 1, but every object has at least 1 byte"),
        (
            [0, 1, 0],
            [3, 2, 4],
            "size=4 at request 2, but an object keeps the size of its first request",
        ),
        ([0, 1], [3, 2**31], "size=2147483648 is more than 2147483647"),
    ],
)
def test_a_trace_that_cannot_be_is_refused_with_its_field_and_request(ids, size, message):
    with pytest.raises(ValueError, match=message):
        Trace.of(ids, size)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"size": ["a", "b"]}, "size has shape .2. and type <U1; give one number for each"),
        ({"ts": [1, 2, 3]}, "ts has shape .3. and type int64"),
        ({"ts": [np.nan, 1]}, "ts=nan must be a number, of at least -2147483648"),
        ({"client": [-(2**40), 1]}, "client=-1099511627776 must be a number"),
        ({"cls": [70_000, 1]}, "cls=70000 is more than 32767"),
    ],
)
def test_a_column_that_cannot_be_kept_is_refused(tmp_path, column, message):
    np.savez(tmp_path / "t.npz", obj_id=[0, 1], **column)
    with pytest.raises(ValueError, match=rf"t.npz': {message}"):
        load_trace(tmp_path / "t.npz")


def test_a_file_that_is_no_trace_is_refused_by_name(tmp_path):
    garbage, empty = tmp_path / "garbage.npz", tmp_path / "other.npz"
    garbage.write_bytes(bytes(range(256)) * 40)
    np.savez(empty, something=np.zeros(3))
    refused = {
        garbage: "is no npz of a trace: it is no zip archive",
        tmp_path / "none.npz": "does not exist",
        empty: "has no array obj_id; it has: something",
    }
    for path, message in refused.items():
        with pytest.raises(ValueError, match=message):
            load_trace(path)


def test_a_file_that_numpy_reads_otherwise_or_not_at_all_is_refused_by_name(tmp_path):
    array, folder, damaged, text = (
        tmp_path / name for name in ("x.npy", "folder.npz", "damaged.npz", "text.npz")
    )
    np.save(array, np.arange(10))
    folder.mkdir()
    trace = zipf_trace()
    np.savez_compressed(damaged, obj_id=trace.obj_id, size=trace.size)
    content = bytearray(damaged.read_bytes())
    content[3_000:3_050] = bytes(byte ^ 0x5A for byte in content[3_000:3_050])
    damaged.write_bytes(content)
    with zipfile.ZipFile(text, "w") as file:
        file.writestr("obj_id", "1, 2, 1")
    refused = {
        array: "x.npy' is no npz of a trace: it is no zip archive of arrays. `elsinore cache",
        folder: "folder.npz' is no npz of a trace: Is a directory",
        damaged: "damaged.npz' is no npz of a trace: ",
        text: "text.npz': obj_id has shape .* give one id",
    }
    for path, message in refused.items():
        with pytest.raises(ValueError, match=message):
            load_trace(path)


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", obj_id=np.zeros(10_000, np.int32))
    monkeypatch.setattr(recording, "MAX_RECORDING_BYTES", 40_000)
    with pytest.raises(ValueError, match="it has 40,128 bytes unpacked, and at most 40,000 are"):
        load_trace(tmp_path / "bomb.npz")


def test_more_requests_than_are_imported_are_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "long.npz", obj_id=np.zeros(1001, np.int8))
    monkeypatch.setattr(recording, "MAX_REQUESTS", 1000)
    with pytest.raises(ValueError, match=r"long.npz' has 1,001 requests, and at most 1,000 are"):
        load_trace(tmp_path / "long.npz")


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe' is no file"):
        load_trace(tmp_path / "pipe")


@pytest.mark.parametrize("ids", [np.zeros(3 * 10**8, "V0"), np.zeros((3 * 10**8, 0), np.int32)])
def test_ids_that_take_no_bytes_are_refused(tmp_path, ids):
    np.savez(tmp_path / "bomb.npz", obj_id=ids)
    assert (tmp_path / "bomb.npz").stat().st_size < 1000
    with pytest.raises(ValueError, match=r"obj_id has shape \[300000000.*give one id"):
        load_trace(tmp_path / "bomb.npz")


def test_a_file_is_read_as_it_was_written(tmp_path):
    trace = zipf_trace(200, 30)
    np.savez(tmp_path / "t.npz", obj_id=trace.obj_id, size=trace.size)
    read = load_trace(tmp_path / "t.npz")
    assert (read.obj_id == trace.obj_id).all() and (read.size == trace.size).all()
