"""Files of a run's folder, which others may have made. In the place of one there may be a folder, a
device, a pipe (whose reader waits without end) or a link (through which a writer writes elsewhere).
"""

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("elsinore")


def is_no_file(path: Path) -> bool:
    """True where something else is in the place of a file; links are followed."""
    return path.exists() and not path.is_file()


def is_taken(path: Path) -> bool:
    """True where something else is in the place of a file that will be written, also a link."""
    return os.path.lexists(path) and (path.is_symlink() or not path.is_file())


def has_links(path: Path) -> bool:
    """True where something in a folder, or the folder or file, is a link; also where it is removed
    meanwhile."""
    try:
        return any(each.is_symlink() for each in (path, *path.rglob("*")))
    except FileNotFoundError:  # which Python 3.11 raises
        return True


def may_be_sent(path: Path, run: Path) -> bool:
    """True for a file or folder of a run that is there and holds nothing from outside it: a link in
    a run that someone else made could have any file of this machine sent."""
    if not path.exists():
        return False
    folders = (each for each in path.parents if each.is_relative_to(run) and each != run)
    if has_links(path) or any(each.is_symlink() for each in folders):
        log.warning("%s is not sent: it is or holds a link, or lies in a folder that is one", path)
        return False
    return True


def clean_beside(path: Path) -> None:
    """Delete the unfinished files `.NAME.*` of a file, which killed processes left beside it."""
    for unfinished in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):  # a folder, which is none of ours
            unfinished.unlink()


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: if it cannot be read, or is no file.
    """
    if is_no_file(path):
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return path.read_text(encoding="utf-8")
