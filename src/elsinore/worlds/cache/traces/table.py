"""CSV and JSON lines with named columns, under their common names."""

import csv
import json
import math
from collections.abc import Iterator
from itertools import chain

from elsinore.errors import ConfigError
from elsinore.worlds.cache.traces.records import MalformedRecord, Record

COLUMNS = {  # of a field's names in a heading the first counts
    # "id" last: it is often the number of the row
    "obj": ("obj_id", "obj", "object", "object_id", "key", "url", "path", "id"),
    "size": ("size", "obj_size", "bytes", "object_size"),
    "ts": ("ts", "time", "timestamp"),
    "op": ("op", "method", "operation"),
    "client": ("client", "client_id", "user", "host"),
    "cls": ("cls", "class", "type"),
}
DELIMITERS = ",;\t"  # of equally common ones the first
READ_OPERATIONS = ("", "0", "read", "get", "gets", "head")


class CsvParser:
    """Parser of a heading, in which the delimiter is the commonest, and of the rows below it.

    Raises:
        ConfigError: for a heading without a column of objects, and as `records` does.
    """

    def __init__(self, lines: Iterator[str], path: object):
        heading = next(lines, "")
        self._path, self._line, self._at_end = path, 0, False
        delimiter = max(DELIMITERS, key=heading.count)
        self._reader = csv.reader(self._taken(chain([heading], lines)), delimiter=delimiter)
        try:
            names = [name.strip().lower() for name in next(self._reader, [])]
        except csv.Error:  # a name beyond 131,072 characters
            names = []
        self.places = {
            field: names.index(next(name for name in known if name in names))
            for field, known in COLUMNS.items()
            if set(known) & set(names)
        }
        self.width = len(names)
        if "obj" not in self.places:
            raise ConfigError(
                f"{path}, line 1: the heading {heading.strip()[:80]!r} names no object; call its"
                f" column one of {', '.join(COLUMNS['obj'])}."
            )

    def records(self) -> Iterator[tuple[int, Record | MalformedRecord]]:
        """(the row's first line, record or the reason why there is none). A quoted column may have
        line breaks.

        Raises:
            ConfigError: for a row of several lines that is no record, since a quote that is missing
                would hide the requests up to the next one.
        """
        while True:
            first = self._line + 1
            try:
                values = next(self._reader, None)
                if values is None:
                    return
                found = self._parse(values) if "".join(values).strip() or values[1:] else None
            except csv.Error:  # a field beyond 131,072 characters
                found = MalformedRecord("with a column that is too long")
            except MalformedRecord as reason:
                found = reason
            if isinstance(found, MalformedRecord) and self._line > first:
                raise ConfigError(
                    f"{self._path}, line {first}: a row {found}, which by its quotes reaches line"
                    f" {self._line}. Is a quote missing?"
                )
            if found is not None:
                yield first, found

    def _taken(self, lines: Iterator[str]) -> Iterator[str]:
        """The lines, which are counted; a row that asks for more than there are has an open
        quote."""
        for line in lines:
            self._line += 1
            yield line
        self._at_end = True

    def _parse(self, values: list[str]) -> Record:
        """Parse a row; raise MalformedRecord for a wrong number of columns, an invalid number or a
        quote that is still open at the end."""
        if self._at_end:
            raise MalformedRecord("whose quoted column does not end")
        if len(values) != self.width:
            raise MalformedRecord("with more or fewer columns than the heading")
        return _record({field: values[place].strip() for field, place in self.places.items()})


def parse_json(line: str) -> Record:
    """Parse a line of JSON whose names are those of a CSV's columns; raise MalformedRecord for one
    that is no object, and as a row of CSV."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # a number of very many digits, or very many brackets
        found = None
    if not isinstance(found, dict):
        raise MalformedRecord("not a JSON object")
    values = {name.strip().lower(): value for name, value in found.items()}
    names = {
        field: next((name for name in known if name in values), None)
        for field, known in COLUMNS.items()
    }
    return _record({field: _text(values[name], field) for field, name in names.items() if name})


def _text(value: object, field: str) -> str:
    """A value of JSON as CSV has it; null is an empty column."""
    if isinstance(value, dict | list):
        raise MalformedRecord(f"with {field} that is no text or number")
    text = "" if value is None else str(value).strip()
    if len(text) > csv.field_size_limit():
        raise MalformedRecord("with a column that is too long")
    return text


def _record(row: dict[str, str]) -> Record:
    if not row.get("obj"):
        raise MalformedRecord("without an object")
    size = parse_number(row.get("size", ""), "size")
    ts = parse_number(row.get("ts", ""), "ts")
    op = int(row.get("op", "").lower() not in READ_OPERATIONS)
    return Record(
        row["obj"],
        None if size is None else int(size),
        ts,
        op,
        row.get("client") or None,
        row.get("cls") or None,
    )


def parse_number(text: str, column: str) -> float | None:
    """A number, or None for an empty text."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise MalformedRecord(f"with a {column} that is no number") from None
    if not math.isfinite(value):
        raise MalformedRecord(f"with a {column} that is no number")
    return value
