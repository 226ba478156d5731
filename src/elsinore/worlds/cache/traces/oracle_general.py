"""libCacheSim's binary format `oracleGeneral`: 24 bytes a request, little-endian."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from elsinore.errors import ConfigError, counted
from elsinore.worlds.cache.traces.records import MalformedRecord, Record

ENTRY = np.dtype([("ts", "<u4"), ("obj", "<u8"), ("size", "<u4"), ("next", "<i8")])


def read_entries(
    blocks: Iterable[bytes], path: Path
) -> Iterator[tuple[int, Record | MalformedRecord]]:
    """(number from 1, record or its mistake) of each request.

    Raises:
        ConfigError: where the file ends within a request.
    """
    number, rest = 0, b""
    for block in blocks:
        data = rest + block
        whole = len(data) // ENTRY.itemsize * ENTRY.itemsize
        for ts, obj, size, following in np.frombuffer(data[:whole], ENTRY).tolist():
            number += 1
            yield number, check_entry(number, ts, obj, size, following)
        rest = data[whole:]
    if rest:
        raise ConfigError(
            f"{path} ends {counted(len(rest), 'byte')} into request {number + 1}; oracleGeneral"
            f" has {ENTRY.itemsize} bytes a request. Was it cut off?"
        )


def check_entry(
    number: int, ts: int, obj: int, size: int, following: int
) -> Record | MalformedRecord:
    """A record; its next request must be later (-1 or the largest integer: there is none)."""
    if following != -1 and following < number:
        return MalformedRecord("whose next request is not later")
    return Record(obj, size, float(ts)) if size else MalformedRecord("of size 0")
