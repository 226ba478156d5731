"""Folders that this process cannot write, as on a read-only disk."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

OTHER_USER = 65534  # whom the superuser becomes, since nothing is closed to the superuser


@contextlib.contextmanager
def read_only_copy(source: Path) -> Iterator[Path]:
    """A copy of a folder that can be read and not written."""
    top = Path(tempfile.mkdtemp())
    copy = Path(shutil.copytree(source, top / source.name))
    user = os.geteuid()
    try:
        for path in (top, copy, *copy.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        if user == 0:
            os.seteuid(OTHER_USER)
        yield copy
    finally:
        os.seteuid(user)
        for path in (top, copy, *copy.rglob("*")):
            path.chmod(0o755)
        shutil.rmtree(top)
