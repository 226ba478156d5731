"""Web servers' access logs: the common format, and the combined one with referrer and user
agent."""

import re
from datetime import datetime
from urllib.parse import urlsplit

from elsinore.worlds.cache.trace.recording import LARGEST
from elsinore.worlds.cache.traces.records import MalformedRecord, Record

LINE = re.compile(
    r'(?P<client>\S+) \S+ .*?\[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3})'
    r" (?P<bytes>\d{1,18}(?!\d)|-)"
)
READ_METHODS = ("GET", "HEAD")


def parse(line: str) -> Record:
    """The request of one line. Its object is the path with its query, its class the file's type.

    Raises:
        MalformedRecord: for a line of another form, or one answered by an error.
    """
    found = LINE.match(line)
    if found is None:
        raise MalformedRecord("not of the common log format")
    method, _, target = found["request"].partition(" ")
    target = target.removesuffix(target[target.rfind(" HTTP/") :]) if " HTTP/" in target else target
    if not target or not method.isalpha():
        raise MalformedRecord("without a method and a path")
    if int(found["status"]) >= 400:
        raise MalformedRecord("answered by an error (status 400 or more)")
    try:
        time = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    except ValueError:
        raise MalformedRecord("with a time that is none") from None
    size = None if found["bytes"] == "-" else int(found["bytes"])
    if size is not None and size > LARGEST:
        raise MalformedRecord(f"of more than {LARGEST} bytes")
    return Record(
        target,
        size or None,
        time,
        int(method not in READ_METHODS),
        found["client"],
        file_type(target),
    )


def file_type(target: str) -> str:
    """Suffix of a path, or `page` where it has none."""
    try:
        name = urlsplit(target).path.rpartition("/")[2]
    except ValueError:  # brackets that are no address
        return "page"
    return name.rpartition(".")[2].lower() if "." in name else "page"
