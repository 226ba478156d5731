"""Clients of MLflow, whose local database is made whole or not at all."""

import contextlib
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsinore.errors import one_line
from elsinore.runs.files.durable import fsync
from elsinore.runs.sinks.mlflow_env import configure_mlflow

log = logging.getLogger("elsinore")


@contextlib.contextmanager
def only_warned(rest: str) -> Iterator[None]:
    """A failure of MLflow is only a warning, with `rest` on what is there without it."""
    try:
        yield
    except Exception as error:
        text = one_line(error, 300)
        log.warning("MLflow failed: %s: %s (%s)", type(error).__name__, text, rest)


def mlflow_client(uri: str) -> Any:
    """A client of the tracking server at `uri`, with its database where that is a new file."""
    configure_mlflow()
    from mlflow import MlflowClient

    path = _local_database(uri)
    if path is not None and path.parent.is_dir() and not path.exists():
        _make_database(path)
    return MlflowClient(uri)


def _local_database(uri: str) -> Path | None:
    """The file of a database of SQLite; None for any other server."""
    if not uri.startswith("sqlite:"):
        return None
    from sqlalchemy.engine import make_url

    url = make_url(uri)
    name = url.database or ":memory:"
    return None if url.query or name.startswith((":memory:", "file:")) else Path(name)


def _make_database(path: Path) -> None:
    """Make a database with all of MLflow's tables, unless another process has made it by then.

    MLflow needs seconds to make them, one by one, and cannot use a database in which a kill or a
    full disk left some of them; so they are made in another folder, and the file gets its name when
    it has them all.
    """
    from mlflow import MlflowClient

    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{made}").search_experiments()
        try:
            shutil.copyfile(made, unfinished)
            fsync(unfinished)
            _place(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)


def _place(unfinished: Path, path: Path) -> None:
    """Give a whole database its name, which no other one has."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        unfinished.rename(path)
    fsync(path.parent)
