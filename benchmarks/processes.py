"""What the processes below this one take of the machine, as the kernel counts it. Linux only."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TICK = 1.0 / os.sysconf("SC_CLK_TCK")  # seconds


class Process(NamedTuple):
    """One moment of a process."""

    command: str
    cpu_seconds: float  # of all its threads, since it began
    resident_bytes: int


def usage(kinds: tuple[tuple[str, str], ...]) -> dict[str, Process]:
    """What everything that was started below this process has taken so far, by kind.

    `kinds` names processes: (kind, a part of the command), the first that fits; the others are left
    out.
    """
    found = {kind: Process(kind, 0.0, 0) for kind, _ in kinds}
    for process in descendants(os.getpid()):
        kind = next((kind for kind, part in kinds if part in process.command), None)
        if kind is not None:
            _, cpu, resident = found[kind]
            found[kind] = Process(
                kind, cpu + process.cpu_seconds, resident + process.resident_bytes
            )
    return found


def descendants(pid: int) -> Iterator[Process]:
    """Every process that was started by `pid`, or by one of those."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if fields := _fields(folder):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    below = list(children.get(pid, []))
    for child in below:  # which grows as it is gone through
        below += children.get(child, [])
        if (process := _seen(child)) is not None:
            yield process


def _seen(pid: int) -> Process | None:
    folder = Path("/proc") / str(pid)
    try:
        command = (
            (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        )
        resident = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # it has ended meanwhile
        return None
    fields = _fields(folder)
    return (
        Process(command, TICK * (int(fields[11]) + int(fields[12])), resident) if fields else None
    )


def _fields(folder: Path) -> list[str]:
    """Of `/proc/<pid>/stat` what stands after the name, which may hold anything: the state, the
    parent, ..."""
    try:
        return (folder / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []
