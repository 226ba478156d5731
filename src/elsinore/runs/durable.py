"""Bring files and folders to the disk, so that a power cut does not take them back."""

import os
from pathlib import Path


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
