"""Recorded traces: the objects requested, in order, and their sizes."""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Int

from elsinore.errors import why_unreadable

LARGEST = 2**31 - 1  # bytes of one object, and of a capacity: they are int32
LARGEST_CAPACITY = 2**59  # of a replay: nine times it (S3-FIFO) is an int64
MAX_REQUESTS = 50_000_000  # of a trace that is read: 19 bytes each in its arrays
MAX_RECORDING_BYTES = 2**30  # of these arrays, unpacked


@dataclass(frozen=True, eq=False)
class Trace:
    """One entry per request. `Trace.of` fills in missing columns.

    Raises:
        ValueError: naming the field and the first request that is wrong.
    """

    obj_id: Int[np.ndarray, "request"]  # int32, 0 .. num_objects - 1 in order of first appearance
    size: Int[np.ndarray, "request"]  # int32 bytes, one size for each object
    ts: Int[np.ndarray, "request"]  # int32 seconds since the first request
    op: Int[np.ndarray, "request"]  # int8: 0 read, 1 other (replayed as a read)
    client: Int[np.ndarray, "request"]  # int32, -1 unknown
    cls: Int[np.ndarray, "request"]  # int16 class of the object, -1 unknown

    def __post_init__(self) -> None:
        if len(self.obj_id) == 0:
            raise ValueError("obj_id is empty: the trace has no requests; record or import some.")
        for field in fields(self):
            values = getattr(self, field.name)
            if values.shape != self.obj_id.shape:
                raise ValueError(
                    f"{field.name} has shape {list(values.shape)}, obj_id"
                    f" {list(self.obj_id.shape)}; give one entry for each request."
                )
        _refuse("size", self.size < 1, self.size, "every object has at least 1 byte")
        _refuse("obj_id", self.obj_id < 0, self.obj_id, "objects are numbered from 0")
        seen = np.maximum.accumulate(np.concatenate([[-1], self.obj_id[:-1]]))
        _refuse(
            "obj_id",
            self.obj_id > seen + 1,
            self.obj_id,
            "objects are numbered in order of first appearance; Trace.of does it",
        )
        _refuse(
            "size",
            self.size != self.object_size[self.obj_id],
            self.size,
            "an object keeps the size of its first request",
        )

    @classmethod
    def of(cls, ids: Sequence | np.ndarray, size: Any = 1, /, **known: Any) -> "Trace":
        """A trace of any object ids; sizes default to 1, the rest to unknown."""
        ids = np.asarray(ids)
        _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
        number = np.empty(len(first), np.int32)
        number[np.argsort(first)] = np.arange(len(first))
        count = len(ids)
        defaults = {"ts": np.arange(count), "op": 0, "client": -1, "cls": -1}
        columns = {"size": size} | defaults | known
        types = {
            "size": np.int32,
            "ts": np.int32,
            "op": np.int8,
            "client": np.int32,
            "cls": np.int16,
        }
        full = {name: _column(name, columns[name], count, dtype) for name, dtype in types.items()}
        return cls(obj_id=number[inverse.reshape(-1)] if count else np.zeros(0, np.int32), **full)

    @property
    def num_requests(self) -> int:
        return len(self.obj_id)

    @property
    def num_objects(self) -> int:
        return int(self.obj_id.max()) + 1

    @property
    def object_size(self) -> Int[np.ndarray, "object"]:
        """Bytes of each object, at its first request."""
        return self.size[np.unique(self.obj_id, return_index=True)[1]]

    def weights(self, unit: str) -> Int[np.ndarray, "object"]:
        """Capacity that each object takes, int64: 1 in objects, else its bytes."""
        check_unit(unit)
        return (
            np.ones(self.num_objects, np.int64)
            if unit == "objects"
            else self.object_size.astype(np.int64)
        )


def _column(name: str, values: Any, count: int, dtype: Any) -> np.ndarray:
    """One number for each request, in the type that is kept."""
    values = np.asarray(values)
    if values.dtype.kind not in "biuf" or values.shape not in ((), (count,)):
        raise ValueError(
            f"{name} has shape {list(values.shape)} and type {values.dtype}; give one number for"
            f" each of the {count} requests, or one for all."
        )
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    wrong = ~((values >= least) & (values <= most))  # so is NaN
    if wrong.any():
        bad = values[wrong][0] if values.ndim else values
        if bad > most:
            raise ValueError(f"{name}={bad} is more than {most}, the largest that is kept.")
        raise ValueError(f"{name}={bad} must be a number, of at least {least}.")
    return np.broadcast_to(values, (count,)).astype(dtype)


def _refuse(field: str, wrong: np.ndarray, values: np.ndarray, rule: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"{field}={values[at]} at request {at}, but {rule}.")


def check_unit(unit: str) -> None:
    """Refuse an unknown unit of capacity."""
    if unit not in ("objects", "bytes"):
        raise ValueError(f"unit={unit!r} is unknown; choose objects or bytes.")


def check_capacity(trace: Trace, capacity: int, unit: str) -> None:
    """Refuse a capacity in which no object fits, or that no replay can count with.

    Raises:
        ValueError: naming the capacity, and the smallest or the largest that would do.
    """
    smallest = int(trace.weights(unit).min())
    whole = isinstance(capacity, int | np.integer) and not isinstance(capacity, bool)
    if not whole or capacity < smallest:
        what = "1 object" if unit == "objects" else f"{smallest} bytes, the smallest object"
        raise ValueError(
            f"capacity={capacity} ({unit}) holds nothing of this trace; give a whole number from"
            f" {what}."
        )
    if capacity > LARGEST_CAPACITY:
        raise ValueError(
            f"capacity={capacity} ({unit}) is beyond every cache; give one of at most"
            f" {LARGEST_CAPACITY}."
        )


def load_trace(path: Any) -> Trace:
    """Load a trace from an npz with the arrays of `Trace`; only `obj_id` is required.

    Raises:
        ValueError: naming the file and the mistake.
    """
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise ValueError(f"trace={str(path)!r} is no file.")  # the reader of a pipe would wait
    try:
        _refuse_too_large(path)
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: np.asarray(arrays[name]) for name in arrays.files}
    except FileNotFoundError:
        raise ValueError(f"trace={str(path)!r} does not exist.") from None
    except Exception as error:  # zip and its codecs raise many types on foreign bytes
        foreign = not isinstance(error, OSError) and not zipfile.is_zipfile(path)
        why = "it is no zip archive of arrays" if foreign else why_unreadable(error)
        raise ValueError(
            f"trace={str(path)!r} is no npz of a trace: {why}. `elsinore cache import` makes one of"
            " a log."
        ) from None
    if "obj_id" not in columns:
        raise ValueError(
            f"trace={str(path)!r} has no array obj_id; it has: {', '.join(columns) or 'none'}."
        )
    ids = columns["obj_id"]
    if ids.ndim != 1 or not ids.dtype.itemsize:  # which may have any length in a small file
        raise ValueError(
            f"trace={str(path)!r}: obj_id has shape {list(ids.shape)} and type {ids.dtype}; give"
            " one id for each request."
        )
    if len(ids) > MAX_REQUESTS:
        raise ValueError(
            f"trace={str(path)!r} has {len(ids):,} requests, and at most {MAX_REQUESTS:,} are read;"
            " split it."
        )
    known = {field.name for field in fields(Trace)} - {"obj_id"}
    try:
        return Trace.of(columns["obj_id"], **{name: columns[name] for name in known & set(columns)})
    except ValueError as error:
        raise ValueError(f"trace={str(path)!r}: {error}") from None


def _refuse_too_large(path: Any) -> None:
    """Refuse an archive that would fill the memory; whatever is no archive is left to numpy."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as file:
        size = sum(part.file_size for part in file.infolist())
    if size > MAX_RECORDING_BYTES:
        raise ValueError(
            f"it has {size:,} bytes unpacked, and at most {MAX_RECORDING_BYTES:,} are read"
        )


def zipf_trace(
    num_requests: int = 20_000, num_objects: int = 2_000, exponent: float = 0.9, seed: int = 0
) -> Trace:
    """Independent requests, object k with probability proportional to k^-exponent; log-normal
    sizes, 64 to 262,144 bytes."""
    rng = np.random.default_rng(seed)
    shares = np.cumsum(np.arange(1, num_objects + 1) ** -exponent)
    rank = np.searchsorted(shares, rng.random(num_requests) * shares[-1])
    size = np.clip(np.exp(rng.normal(8.5, 1.5, num_objects)), 64, 262_144).astype(np.int32)
    order = rng.permutation(num_objects)
    return Trace.of(order[rank], size[order[rank]])


def resolve_trace(trace: Any) -> Trace:
    """The trace itself, "zipf" (synthetic), or the npz of that path."""
    if isinstance(trace, Trace):
        return trace
    # a number would be read as an open file
    if not (isinstance(trace, str) or hasattr(trace, "__fspath__")):
        raise ValueError(
            f"trace={trace!r} must be zipf, the path of an npz file, or in Python a Trace."
        )
    return zipf_trace() if trace == "zipf" else load_trace(trace)
