"""CSV with named columns, under their common names."""

import csv
import math

from elsinore.errors import ConfigError
from elsinore.worlds.cache.traces.records import MalformedRecord, Record

COLUMNS = {
    "obj": ("obj_id", "obj", "object", "object_id", "id", "key", "url", "path"),
    "size": ("size", "obj_size", "bytes", "object_size"),
    "ts": ("ts", "time", "timestamp"),
    "op": ("op", "method", "operation"),
    "client": ("client", "client_id", "user", "host"),
    "cls": ("cls", "class", "type"),
}
DELIMITERS = ",;\t"  # of equally common ones the first
READ_OPERATIONS = ("", "0", "read", "get", "gets", "head")


class CsvParser:
    """Parser of the lines below a heading, in which the delimiter is the commonest.

    Raises:
        ConfigError: for a heading without a column of objects.
    """

    def __init__(self, heading: str, path: object):
        self.delimiter = max(DELIMITERS, key=heading.count)
        names = [name.strip().lower() for name in self._columns(heading)]
        self.places = {
            field: names.index(name)
            for field, known in COLUMNS.items()
            for name in known
            if name in names
        }
        self.width = len(names)
        if "obj" not in self.places:
            raise ConfigError(
                f"{path}, line 1: the heading {heading.strip()[:80]!r} names no object; call its"
                f" column one of {', '.join(COLUMNS['obj'])}."
            )

    def parse(self, line: str) -> Record:
        """Parse a line; raise MalformedRecord for a wrong number of columns or an invalid
        number."""
        values = self._columns(line)
        if len(values) != self.width:
            raise MalformedRecord("with more or fewer columns than the heading")
        row = {field: values[place].strip() for field, place in self.places.items()}
        if not row["obj"]:
            raise MalformedRecord("without an object")
        size, ts = (
            parse_number(row.get("size", ""), "size"),
            parse_number(row.get("ts", ""), "ts"),
        )
        op = int(row.get("op", "").lower() not in READ_OPERATIONS)
        return Record(
            row["obj"],
            None if size is None else int(size),
            ts,
            op,
            row.get("client") or None,
            row.get("cls") or None,
        )

    def _columns(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self.delimiter), [])
        except csv.Error:  # a field beyond 131,072 characters
            raise MalformedRecord("with a column that is too long") from None


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
