"""A file's bytes, and its lines, decompressed where its name ends in .gz or .zst."""

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from elsinore.errors import ConfigError

SUFFIXES = (".gz", ".zst")
BLOCK = 2**20  # bytes that are read at a time
COMPRESSED_BLOCK = 2**10  # likewise: little, for it may be a thousand times as much unpacked
LONGEST_LINE = 2**20  # characters
GZIP = 31  # zlib's name of the format


def blocks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """The file's bytes, block by block.

    Raises:
        ConfigError: where a compressed file is damaged or cut off, or zstandard is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        yield from iter(lambda: file.read(BLOCK), b"")
        return
    begin, stream = _decompressor(path), None
    padding = b""  # zeros may follow a gzip stream, to the end of a tape's block
    for block in iter(lambda: file.read(COMPRESSED_BLOCK), b""):
        # a file may have several compressed streams, one after another
        while block := block.lstrip(padding) if stream is None else block:
            stream = stream or begin()
            try:
                yield stream.decompress(block)
            except Exception as error:  # zstandard's own kind, which may not be installed
                raise ConfigError(f"{path} cannot be decompressed: {error}.") from None
            block, stream = (stream.unused_data, None) if stream.eof else (b"", stream)
            padding = b"\0" if path.suffix.lower() == ".gz" else b""
    if stream is not None:
        raise ConfigError(
            f"{path} ends before its compressed data does. Was it cut off? Copy it again."
        )


def _decompressor(path: Path) -> Callable[[], Any]:
    if path.suffix.lower() == ".gz":
        return lambda: zlib.decompressobj(GZIP)
    try:
        import zstandard
    except ImportError:
        raise ConfigError(
            f"{path} is compressed by zstd, and the package zstandard is not installed; install it,"
            " or decompress the file."
        ) from None
    return zstandard.ZstdDecompressor().decompressobj


def lines(file: IO[bytes], path: Path) -> Iterator[str]:
    """The file's lines, whatever ends them; a byte order mark is left out.

    Raises:
        ConfigError: as `blocks`, and for a line that is too long.
    """
    text = io.TextIOWrapper(
        io.BufferedReader(_Stream(blocks(file, path))), encoding="utf-8-sig", errors="replace"
    )
    for number, line in enumerate(iter(lambda: text.readline(LONGEST_LINE), ""), 1):
        if len(line) == LONGEST_LINE:
            raise ConfigError(
                f"{path}, line {number} has more than {LONGEST_LINE:,} characters. Is `--format`"
                " right?"
            )
        yield line


class _Stream(io.RawIOBase):
    """Blocks of bytes as an open file."""

    def __init__(self, source: Iterator[bytes]):
        self._source, self._rest = source, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if (block := next(self._source, None)) is None:
                return 0
            self._rest = block
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
