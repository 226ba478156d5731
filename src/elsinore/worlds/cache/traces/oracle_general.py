"""libCacheSim's binary format `oracleGeneral`: 24 bytes a request, little-endian, plain or
compressed by zstd."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from elsinore.errors import ConfigError
from elsinore.worlds.cache.traces.records import MalformedRecord, Record

ENTRY = np.dtype([("ts", "<u4"), ("obj", "<u8"), ("size", "<u4"), ("next", "<i8")])
BLOCK = 65_536  # requests that are read at a time


def decompressed(file: IO[bytes], path: Path) -> Any:
    """A file's byte stream, decompressed where its name ends in .zst.

    Raises:
        ConfigError: where zstandard is not installed.
    """
    if path.suffix != ".zst":
        return file
    try:
        import zstandard
    except ImportError:
        raise ConfigError(
            f"{path} is compressed by zstd, and the package zstandard is not installed; install it,"
            " or decompress the file."
        ) from None
    return zstandard.ZstdDecompressor().stream_reader(file)


def read_entries(stream: Any, path: Path) -> Iterator[tuple[int, Record | MalformedRecord]]:
    """(number from 1, record or its mistake) of each request.

    Raises:
        ConfigError: where the file ends within a request, or cannot be decompressed.
    """
    number, rest = 0, b""
    while True:
        try:
            read = stream.read(BLOCK * ENTRY.itemsize)
        except Exception as error:  # zstandard's own kind, which may not be installed
            raise ConfigError(f"{path} cannot be decompressed: {error}.") from None
        if not read:
            break
        data = rest + read
        whole = len(data) // ENTRY.itemsize * ENTRY.itemsize
        for ts, obj, size, following in np.frombuffer(data[:whole], ENTRY).tolist():
            number += 1
            yield number, check_entry(number, ts, obj, size, following)
        rest = data[whole:]
    if rest:
        raise ConfigError(
            f"{path} ends {len(rest)} bytes into request {number + 1}; oracleGeneral has "
            f"{ENTRY.itemsize} bytes a request. Was it cut off?"
        )


def check_entry(
    number: int, ts: int, obj: int, size: int, following: int
) -> Record | MalformedRecord:
    """A record; its next request must be later (-1 or the largest integer: there is none)."""
    if following != -1 and following < number:
        return MalformedRecord("whose next request is not later")
    return Record(obj, size, float(ts)) if size else MalformedRecord("of size 0")
