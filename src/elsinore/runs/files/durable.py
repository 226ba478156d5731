"""Bring files and folders to the disk, so that a power cut does not take them back; and find out
whether that disk is another machine's. Begin files in folders that others may have filled."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from elsinore.errors import ConfigError


def fsync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Sync all files of a folder, then the folders that name them."""
    for path in sorted(folder.rglob("*"), reverse=True):  # a folder comes after its contents
        fsync(path)
    fsync(folder)


def fsync_parents(path: Path, number: int) -> None:
    """Sync the folder of a path, and the folders above it, `number` in all."""
    for parent in path.absolute().parents[:number]:
        fsync(parent)


def new_file(path: Path) -> Path:
    """`path`, now an empty file; a link of that name, which a copied folder may hold, goes and what
    it leads to stays as it is.

    Raises:
        ConfigError: for a folder of that name.
    """
    if path.is_dir() and not path.is_symlink():
        raise ConfigError(f"{path} is a folder, in the place of a file of a run; remove it.")
    path.unlink(missing_ok=True)
    path.touch(exist_ok=False)  # which follows no link
    return path


@contextlib.contextmanager
def replacing(path: Path, synced: bool = False) -> Iterator[Path]:
    """A new file to write to, which then takes the place of a file in the folder of a run or of a
    sweep, or of a link there; `whole_file` follows links, for files at paths that people choose."""
    unfinished = new_file(path.with_name(f".{path.name}.unfinished"))
    yield unfinished
    if synced:
        fsync(unfinished)
    unfinished.replace(path)
    if synced:
        fsync(path.parent)


# Kinds of file systems, as /proc/mounts names them, that several machines may mount; a FUSE file
# system may be anything.
NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "lustre",
    "ceph",
    "glusterfs",
    "gpfs",
    "beegfs",
    "afs",
    "fuse",
)
MOUNTS = Path("/proc/mounts")


def on_network(path: Path, mounts: Path = MOUNTS) -> bool:
    """True if a path is on a file system that other machines may have mounted, too; False where
    the system does not say."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
        lines = [line.split() for line in table.splitlines()]
    except OSError:
        return False
    parts = path.absolute().resolve().parts
    found = [
        (len(folder.parts), i, kind)
        for i, (_, mount, kind, *_) in enumerate(lines)
        if (folder := Path(mount.replace("\\040", " "))).parts == parts[: len(folder.parts)]
    ]
    return max(found, default=(0, 0, ""))[2].startswith(NETWORK)
