"""A disk that loses power, from a recording (strace) of all that a process wrote.

A file keeps the bytes that it had when it was last synced. Of a folder's entries there are two
extremes, and real file systems are between them: only those that were synced are kept (`strict`),
or all changes so far, in their order (`ordered`). Folders that a resumed run deletes unread are
left out.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

CALLS = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,"
    "fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,lseek,close,link,"
    "linkat,copy_file_range,sendfile"
)
NOT_MODELLED = {"truncate", "fallocate", "link", "linkat", "copy_file_range", "sendfile", "creat"}
LINE = re.compile(r"([0-9.]+) (\w+)\((.*)\)\s+= (-?[0-9]+)(?:<(.*?)>)?.* <([0-9.]+)>")
TEXT = r"((?:\\x[0-9a-f]{2})*)"


def recorded(args: list[str], folder: Path, **rest) -> list["Call"]:
    """Run a command, and return its calls in the order in which they took effect."""
    folder.mkdir()
    options = ["-f", "-ff", "-o", str(folder / "t"), "-ttt", "-T", "-y", "-xx", "-s", "16777216"]
    strace = ["strace", *options, "--seccomp-bpf", "-e", f"trace={CALLS}"]
    subprocess.run([*strace, *args], check=True, **rest)
    calls = [parsed(line) for path in folder.glob("t.*") for line in path.read_text().splitlines()]
    return sorted((call for call in calls if call is not None), key=lambda call: call.end)


class Call(NamedTuple):
    begin: float
    end: float
    name: str
    args: str
    result: int
    descriptors: list[tuple[str, str]]  # (number, path)
    strings: list[bytes]
    opened: str  # the path of the returned descriptor

    def paths(self) -> list[PurePosixPath]:
        """The paths in the arguments, joined to the folders that they are relative to."""
        if "write" in self.name:  # its strings are data
            return []
        below = [path for _, path in self.descriptors] or [""] * len(self.strings)
        return [PurePosixPath(b) / s.decode() for b, s in zip(below, self.strings, strict=False)]


def parsed(line: str) -> Call | None:
    """A call that succeeded."""
    found = LINE.match(line)
    if not found or int(found[4]) < 0:
        return None
    begin, name, args, result, opened, took = found.groups()
    return Call(
        float(begin),
        float(begin) + float(took),
        name,
        args,
        int(result),
        [(n, unhex(p).decode()) for n, p in re.findall(rf"(AT_FDCWD|\d+)<{TEXT}>", args)],
        [unhex(text) for text in re.findall(rf'"{TEXT}"', args)],
        unhex(opened or "").decode(),
    )


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


class File:
    def __init__(self):
        self.data, self.synced = bytearray(), b""

    def write(self, data: bytes, at: int) -> None:
        self.data.extend(bytes(max(at - len(self.data), 0)))
        self.data[at : at + len(data)] = data

    def now(self) -> Any:
        return bytes(self.data)

    def kept(self, ordered: bool) -> Any:
        return self.synced


class Folder:
    def __init__(self):
        self.entries: dict[str, Any] = {}
        self.synced: dict[str, Any] = {}

    def now(self) -> Any:
        return dict(self.entries)

    def kept(self, ordered: bool) -> Any:
        entries = self.entries if ordered else self.synced
        return {
            name: node.kept(ordered)
            for name, node in entries.items()
            if not name.startswith((".unfinished-", ".trash-"))
        }


class Disk:
    """The files below a folder, as they are and as they are after a power cut."""

    def __init__(self, top: Path):
        self._top, self.root = top, Folder()
        # [file, position] of each descriptor; with its path, since numbers are used again
        self._open: dict[tuple[str, str], list] = {}

    def node(self, path: PurePosixPath) -> Any:
        node: Any = self.root
        for name in path.relative_to(self._top).parts:
            node = node.entries[name]
        return node

    def states(self, calls: list[Call], ordered: bool) -> Iterator[dict]:
        """What is left after a cut, wherever that differs from before."""
        last = None
        for call in self._effects(calls):
            if call.name not in ("write", "pwrite64", "writev", "lseek", "close", "ftruncate"):
                state = self.root.kept(ordered)
                if state != last:
                    yield state
                last = state

    def _effects(self, calls: list[Call]) -> Iterator[Call]:
        """Apply the calls; a sync keeps what was there as it began."""
        begun = [(call.begin, 0, call) for call in calls if call.name in ("fsync", "fdatasync")]
        contents: dict[Call, Any] = {}
        order = [*begun, *((call.end, 1, call) for call in calls)]
        for _, ends, call in sorted(order, key=lambda each: each[:2]):
            paths = [*call.paths(), *(PurePosixPath(p) for _, p in call.descriptors[:1])]
            if not any(
                path.is_relative_to(self._top) for path in [*paths, PurePosixPath(call.opened)]
            ):
                continue
            if "fsync" not in call.name and "fdatasync" not in call.name:
                self._apply(call)
            elif not ends:
                contents[call[:2]] = (node := self._synced(call)) and node.now()
            elif (node := self._synced(call)) is not None:
                node.synced = contents[call[:2]]
            if ends:
                yield call

    def _synced(self, call: Call) -> Any:
        opened, path = call.descriptors[0], PurePosixPath(call.descriptors[0][1])
        return self._open[opened][0] if opened in self._open else self.node(path)

    def _apply(self, call: Call) -> None:
        assert call.name not in NOT_MODELLED, call.name
        paths = call.paths()
        if call.name in ("open", "openat"):
            self._open[str(call.result), call.opened] = [self._opened(call), 0]
        elif call.name.startswith("mkdir"):
            self.node(paths[0].parent).entries[paths[0].name] = Folder()
        elif call.name.startswith("rename"):
            moved = self.node(paths[0].parent).entries.pop(paths[0].name)
            self.node(paths[1].parent).entries[paths[1].name] = moved
        elif call.name.startswith("unlink") or call.name == "rmdir":
            if not paths[0].name.endswith(".sock"):  # sockets are not recorded
                del self.node(paths[0].parent).entries[paths[0].name]
        else:
            self._write(call)

    def _opened(self, call: Call) -> Any:
        path = PurePosixPath(call.opened)
        folder = self.node(path.parent) if path != self._top else None
        if folder is not None and path.name not in folder.entries:
            folder.entries[path.name] = File()
        node = self.node(path)
        if "O_TRUNC" in call.args:
            node.data.clear()
        return node

    def _write(self, call: Call) -> None:
        if call.name == "close":
            self._open.pop(call.descriptors[0], None)
            return
        if call.name == "lseek" and call.descriptors[0] not in self._open:  # a folder that is read
            return
        opened = self._open[call.descriptors[0]]
        if call.name == "ftruncate":
            del opened[0].data[int(call.args.split(", ")[-1]) :]
        elif call.name == "lseek":
            opened[1] = call.result
        elif call.name.startswith("pwrite"):
            opened[0].write(b"".join(call.strings)[: call.result], int(call.args.split(", ")[-1]))
        else:
            opened[0].write(b"".join(call.strings)[: call.result], opened[1])
            opened[1] += call.result


def lay_out(state: dict, folder: Path) -> None:
    """Write what is left after a cut, without the shared memory of SQLite, which is no file."""
    folder.mkdir()
    for name, kept in state.items():
        if isinstance(kept, dict):
            lay_out(kept, folder / name)
        elif not name.endswith("-shm"):
            (folder / name).write_bytes(kept)
