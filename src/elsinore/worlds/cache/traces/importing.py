"""Import of a log into a trace, line by line; skipped lines are counted and reported."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from elsinore.errors import ConfigError, counted
from elsinore.runs.files.whole_file import whole_file
from elsinore.worlds.cache.trace.recording import LARGEST, MAX_REQUESTS, Trace
from elsinore.worlds.cache.traces import oracle_general, weblog
from elsinore.worlds.cache.traces.compressed import SUFFIXES, blocks, lines
from elsinore.worlds.cache.traces.records import MalformedRecord, Record, SkippedLines
from elsinore.worlds.cache.traces.table import CsvParser, parse_json

FORMATS = ("weblog", "csv", "jsonl", "oracleGeneral")
SIZES = ("exact", "largest", "first")  # size of an object whose requests differ


@dataclass
class ImportedTrace:
    """Result of an import."""

    trace: Trace
    skipped: SkippedLines
    lines: int


@dataclass
class IdTable:
    """Ids in order of first appearance."""

    known: dict[object, int] = field(default_factory=dict)

    def of(self, thing: object | None) -> int:
        return -1 if thing is None else self.known.setdefault(thing, len(self.known))


def format_of(path: Path) -> str:
    """Format by the file's name: .csv, .jsonl or .ndjson, .log, oracleGeneral in its name (or .bin,
    or .zst alone), else a web log; a last .gz or .zst does not count."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes.pop() if suffixes[-1:] and suffixes[-1] in SUFFIXES else ""
    last = suffixes[-1] if suffixes else ""
    if "oraclegeneral" in path.name.lower() or last == ".bin":
        return "oracleGeneral"
    if last == ".csv":
        return "csv"
    if last in (".jsonl", ".ndjson"):
        return "jsonl"
    return "oracleGeneral" if packed == ".zst" and last != ".log" else "weblog"


def import_trace(
    path: str | Path,
    format: str | None = None,
    sizes: str | None = None,
    progress: Callable[[int], Any] = lambda at: None,
) -> ImportedTrace:
    """Import a log. `progress` receives the number of bytes read.

    `sizes` resolves objects whose requests differ in size: `exact` refuses them, `largest` and
    `first` choose. The default is `largest` for web logs, where an answer may be partial or empty,
    and `exact` for the rest.

    Raises:
        ConfigError: naming the file, the line and the field.
    """
    path, format = Path(path), format or format_of(Path(path))
    for name, value, choices in (("format", format, FORMATS), ("sizes", sizes or "exact", SIZES)):
        if value not in choices:
            raise ConfigError(f"{name}={value!r} is unknown; choose one of {', '.join(choices)}.")
    try:
        with path.open("rb") as file:
            return _imported(
                _records(file, path, format), path, format, sizes, lambda: progress(file.tell())
            )
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None


def _records(
    file: IO[bytes], path: Path, format: str
) -> Iterator[tuple[int, Record | MalformedRecord]]:
    """(line number from 1, record or the reason why there is none)."""
    if format == "oracleGeneral":
        yield from oracle_general.read_entries(blocks(file, path), path)
        return
    if format == "csv":
        yield from CsvParser(lines(file, path), path).records()
        return
    parse = parse_json if format == "jsonl" else weblog.parse
    for number, line in enumerate(lines(file, path), 1):
        if not line.strip():
            continue
        try:
            yield number, parse(line)
        except MalformedRecord as reason:
            yield number, reason


def _imported(
    records: Iterator, path: Path, format: str, sizes: str | None, progress: Callable[[], Any]
) -> ImportedTrace:
    sizes = sizes or ("largest" if format == "weblog" else "exact")
    objects, clients, classes = IdTable(), IdTable(), IdTable()
    weight: list[int] = []
    rows, skipped, count = [], SkippedLines(), 0
    for line, record in records:
        count += 1
        if count > MAX_REQUESTS:
            raise ConfigError(
                f"{path} has more than {MAX_REQUESTS:,} requests, the most that are read; split it."
            )
        if count % 10_000 == 0:
            progress()
        if isinstance(record, MalformedRecord):
            skipped.add(str(record), line)
            continue
        _weigh(weight, objects.of(record.obj), record.size, sizes, f"{path}, line {line}")
        rows.append(
            (
                objects.of(record.obj),
                record.ts,
                record.op,
                clients.of(record.client),
                classes.of(record.cls),
            )
        )
    progress()
    if not rows:
        lines = f" Of {counted(count, 'line')}"
        reasons = f"{lines}: {'; '.join(skipped.lines())}." if count else " It is empty."
        raise ConfigError(
            f"{path} holds no request as {format} has them.{reasons} Is `--format` right, of"
            f" {', '.join(FORMATS)}?"
        )
    try:
        return ImportedTrace(_trace(rows, weight), skipped, count)
    except ValueError as error:
        raise ConfigError(f"{path}: {error} Times are seconds.") from None


def _weigh(weight: list[int], obj: int, size: int | None, sizes: str, where: str) -> None:
    """Note the size of an object's request; 0 while it is unknown."""
    if size is not None and not 1 <= size <= LARGEST:
        raise ConfigError(f"{where}: size={size} must be 1 to {LARGEST} bytes.")
    if obj == len(weight):
        weight.append(0)
    if sizes == "exact" and size is not None and weight[obj] not in (0, size):
        raise ConfigError(
            f"{where}: size={size}, but this object had {weight[obj]} before. `--sizes largest` or "
            "`--sizes first` chooses one."
        )
    if size is not None:
        weight[obj] = max(weight[obj], size) if sizes == "largest" else weight[obj] or size


def _trace(rows: list[tuple], weight: list[int]) -> Trace:
    obj, ts, op, client, cls = zip(*rows, strict=True)
    timed = all(time is not None for time in ts)
    seconds = np.array(ts if timed else range(len(ts)), float)
    with np.errstate(over="ignore"):  # an infinite time is refused
        seconds = seconds - seconds[0]
    sizes = np.maximum(np.array(weight, np.int64), 1)[list(obj)]
    return Trace.of(obj, sizes, ts=seconds, op=op, client=client, cls=np.minimum(cls, 2**15 - 1))


def save_trace(trace: Trace, path: Path) -> None:
    """Write the npz that `load_trace` reads.

    Raises:
        ConfigError: where the file cannot be written.
    """
    arrays = {
        name: getattr(trace, name) for name in ("obj_id", "size", "ts", "op", "client", "cls")
    }
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)
