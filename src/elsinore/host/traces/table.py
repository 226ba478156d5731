"""CSV with named columns, under the names that are common for them."""

import csv
import math

from elsinore.config.build import ConfigError
from elsinore.host.traces.records import Malformed, Record

COLUMNS = {
    "obj": ("obj_id", "obj", "object", "object_id", "id", "key", "url", "path"),
    "size": ("size", "obj_size", "bytes", "object_size"),
    "ts": ("ts", "time", "timestamp"),
    "op": ("op", "method", "operation"),
    "client": ("client", "client_id", "user", "host"),
    "cls": ("cls", "class", "type"),
}
READS = ("", "0", "read", "get", "gets", "head")


class Table:
    """Parses the lines below a heading.

    Raises:
        ConfigError: for a heading that names no object.
    """

    def __init__(self, heading: str, path: object):
        names = [name.strip().lower() for name in next(csv.reader([heading]), [])]
        self.places = {field: names.index(name) for field, known in COLUMNS.items() for name in known if name in names}
        self.width = len(names)
        if "obj" not in self.places:
            raise ConfigError(f"{path}, line 1: the heading {heading.strip()[:80]!r} names no object; call its column "
                              f"one of {', '.join(COLUMNS['obj'])}.")  # fmt: skip

    def parse(self, line: str) -> Record:
        """Raises Malformed where the line is of another width, or holds a number that is none."""
        values = next(csv.reader([line]), [])
        if len(values) != self.width:
            raise Malformed("with more or fewer columns than the heading")
        told = {field: values[place].strip() for field, place in self.places.items()}
        if not told["obj"]:
            raise Malformed("without an object")
        size, ts = number(told.get("size", ""), "size"), number(told.get("ts", ""), "ts")
        op = int(told.get("op", "").lower() not in READS)
        return Record(told["obj"], None if size is None else int(size), ts, op, told.get("client") or None,
                      told.get("cls") or None)  # fmt: skip


def number(text: str, column: str) -> float | None:
    """A number, or None for nothing."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise Malformed(f"with a {column} that is no number") from None
    if not math.isfinite(value):
        raise Malformed(f"with a {column} that is no number")
    return value
