"""The copy of a run in a bucket or on another file system.

A run can be resumed from its copy whenever a sending is cut off. A file keeps its old content until
the new one is whole: an object store shows no part of an object, and on a file system a file is
written under another name first. metrics.sqlite is a snapshot, which has the chunks of each
checkpoint that is sent after it; the manifest of a checkpoint is its last file, without which it is
none. A checkpoint that the run removes is removed from the copy when another of its kind is there.
A summary says that a run is finished: it is sent last, and removed first from the copy of a run
that has none any more, since training continues. The config is sent after the metrics:
`lengthen.py` writes it last, too.

The name of an empty file in the copy, `.run-` and the run's id, says whose it is.
"""

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from elsinore.errors import ConfigError
from elsinore.runs.checkpoints.directory import CHECKPOINT_KINDS, NAME
from elsinore.runs.files.durable import fsync, new_file
from elsinore.runs.files.plain_files import has_links
from elsinore.runs.remote import (
    CHECKPOINTS,
    CONFIG,
    MANIFEST,
    OWNER,
    UNFINISHED,
    file_system,
    is_unfinished,
    name_in,
)
from elsinore.runs.store.store import Store

DATABASE, SUMMARY = "metrics.sqlite", "summary.json"
HELD = ".sending"
LOCAL = {"file", "local"}
FILE_SYSTEMS = LOCAL | {"sftp", "ssh"}  # whose `mv` puts a file in another's place at once


class Copy:
    """The copy of a run, which is brought up to date by `send`."""

    def __init__(self, folder: Path, url: str):
        """`folder` is the run's; `url` that of the folder of all copies."""
        self._folder = folder
        self._url = f"{url.rstrip('/')}/{folder.name}"
        self._files, root = file_system(url)
        self._root = f"{root}/{folder.name}"
        self._sent: dict[Path, tuple[int, int]] = {}  # size and time of each file that was sent

    def send(self) -> None:
        """Send what is new; an error leaves a copy from which the run can be resumed.

        Raises:
            ConfigError: if the copy is another run's.
        """
        names = self._names_there()
        self._claim(names)
        begun = set(filter(None, map(_checkpoint_of, names)))
        there = {name for name in begun if f"{name}/{MANIFEST}" in names}
        self._remove_parts(names, begun - there)
        summary = self._folder / SUMMARY
        # then what belongs to its end is there by now
        finished = summary.is_file() and not summary.is_symlink()
        if SUMMARY in names and not finished:
            self._files.rm_file(f"{self._root}/{SUMMARY}")
        here = self._checkpoints_here()
        with self._held(here - there) as held:
            self._send_database()  # which has the chunks of all checkpoints that are held
            for path in self._other_files():
                self._send_if_new(path)
            for name in held:
                self._send_checkpoint(self._folder / HELD / name, name)
        if finished:
            self._send_if_new(summary)
        kept = {_kind_of(name) for name in (here & there).union(held)}
        for name in there - here:
            if _kind_of(name) in kept:
                self._remove(name)

    def _names_there(self) -> set[str]:
        """The files of the copy, by their path in it."""
        self._files.invalidate_cache()
        return {name_in(self._root, path) for path in self._files.find(self._root)}

    def _claim(self, names: set[str]) -> None:
        """Mark the copy as this run's.

        Raises:
            ConfigError: if it is another run's.
        """
        with contextlib.closing(Store(self._folder / DATABASE, read_only=True)) as store:
            mine = OWNER + quote(str(store.info()["run_id"]), safe="")
        for other in {name for name in names if name.startswith(OWNER)} - {mine}:
            if CONFIG in names:
                raise ConfigError(
                    f"{self._url} is the copy of another run of this name, or of this one before"
                    f" its metrics.sqlite was lost: it has the id {other.removeprefix(OWNER)!r},"
                    f" not {mine.removeprefix(OWNER)!r}; move that copy elsewhere, or begin this"
                    " run again with another name or sinks.remote.url."
                )
            self._files.rm_file(f"{self._root}/{other}")  # its sending never came to a copy
        if mine not in names:
            self._make_folder()
            self._files.pipe_file(f"{self._root}/{mine}", b"")

    def _make_folder(self) -> None:
        """Make the copy's folder, on this machine's file systems as private as the run's: a config
        may hold secrets."""
        if self._is_of(LOCAL):
            mode = stat.S_IMODE(self._folder.stat().st_mode)
            Path(self._root).mkdir(mode=mode, parents=True, exist_ok=True)
        else:
            self._files.makedirs(self._root, exist_ok=True)

    def _remove_parts(self, names: set[str], checkpoints: set[str]) -> None:
        """Remove what a sending left that was cut off. Another checkpoint of that name may have
        other files."""
        for name in checkpoints:
            self._remove(name)
        for name in filter(is_unfinished, names):
            if _checkpoint_of(name) not in checkpoints:
                self._files.rm_file(f"{self._root}/{name}")

    def _checkpoints_here(self) -> set[str]:
        """The run's complete checkpoints, by their path in its folder. One with links is none of
        ours: a run that someone else made could have any file of this machine sent by them."""
        found = (self._folder / CHECKPOINTS).glob("*/*")
        own = (x for x in found if NAME.fullmatch(x.name) and not has_links(x))
        whole = (x for x in own if (x / MANIFEST).is_file())
        return {path.relative_to(self._folder).as_posix() for path in whole}

    @contextlib.contextmanager
    def _held(self, lacking: set[str]) -> Iterator[list[str]]:
        """The checkpoints that the copy lacks, linked in another folder: the run may remove its own
        while they are sent. Those that it has removed by now are left out."""
        folder, held = self._folder / HELD, []
        shutil.rmtree(folder, ignore_errors=True)
        try:
            for name in sorted(lacking):
                try:
                    shutil.copytree(self._folder / name, folder / name, copy_function=_link)
                    held.append(name)
                except (FileNotFoundError, shutil.Error):
                    if (self._folder / name / MANIFEST).is_file():
                        raise  # it is still there
            yield held
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _other_files(self) -> Iterator[Path]:
        """All files but the database's, the summary and those of checkpoints; hidden ones stay
        here."""
        for path in sorted(self._folder.rglob("*")):
            parts = path.relative_to(self._folder).parts
            hidden = any(part.startswith(".") for part in parts)
            own_way = parts[0] in (CHECKPOINTS, SUMMARY) or parts[0].startswith(DATABASE)
            if not hidden and not own_way and path.is_file() and not path.is_symlink():
                yield path

    def _send_if_new(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            version = found.st_size, found.st_mtime_ns
            if self._sent.get(path) != version:
                self._send(path, path.relative_to(self._folder).as_posix())
                self._sent[path] = version

    def _send(self, path: Path, name: str) -> None:
        target = f"{self._root}/{name}"
        folder, _, last = target.rpartition("/")
        self._files.makedirs(folder, exist_ok=True)
        if not self._is_of(FILE_SYSTEMS):
            self._files.put_file(str(path), target)
            return
        unfinished = f"{folder}/.{last}{UNFINISHED}"
        try:
            self._files.put_file(str(path), unfinished)
            if self._is_of(LOCAL):
                fsync(Path(unfinished))
            self._files.mv(unfinished, target)
        except BaseException:
            with contextlib.suppress(Exception):  # a full disk needs the room
                self._files.rm_file(unfinished)
            raise

    def _is_of(self, kinds: set[str]) -> bool:
        found = self._files.protocol
        return not kinds.isdisjoint([found] if isinstance(found, str) else found)

    def _send_database(self) -> None:
        """Send a snapshot: the file itself is written to meanwhile."""
        snapshot = self._folder / f".{DATABASE}.copy"
        try:
            with (
                contextlib.closing(sqlite3.connect(self._folder / DATABASE)) as source,
                contextlib.closing(sqlite3.connect(new_file(snapshot))) as target,
            ):
                source.backup(target)
            self._send(snapshot, DATABASE)
        finally:
            snapshot.unlink(missing_ok=True)

    def _send_checkpoint(self, checkpoint: Path, name: str) -> None:
        files = [path for path in sorted(checkpoint.rglob("*")) if path.is_file()]
        for path in sorted(files, key=lambda path: path == checkpoint / MANIFEST):
            self._send(path, f"{name}/{path.relative_to(checkpoint).as_posix()}")

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{name}/{MANIFEST}")
        with contextlib.suppress(FileNotFoundError):
            self._files.rm(f"{self._root}/{name}", recursive=True)


def _checkpoint_of(name: str) -> str:
    """The checkpoint that a file of a copy belongs to, by its path in the copy; empty for none."""
    parts = name.split("/")
    if len(parts) < 4 or parts[0] != CHECKPOINTS or parts[1] not in CHECKPOINT_KINDS:
        return ""
    return "/".join(parts[:3]) if NAME.fullmatch(parts[2]) else ""


def _kind_of(checkpoint: str) -> str:
    """The kind of a checkpoint, by its path; an emergency one takes the place of a latest."""
    kind = checkpoint.split("/")[1]
    return "latest" if kind == "emergency" else kind


def _link(source: str, target: str) -> None:
    """Another name of a file, or a copy on file systems without such."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
