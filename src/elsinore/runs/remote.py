"""Runs in a bucket or on another file system, by fsspec: a machine may be lost with its disk, and
another one resumes from the copy, which `remote_copy.py` sends.

    s3://bucket/runs/NAME/config.yaml, metrics.sqlite, checkpoints/latest/0000000160/...
"""

import contextlib
import logging
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsinore.errors import ConfigError, one_line, quoted
from elsinore.runs.failures import limit_reached
from elsinore.runs.files.durable import fsync_parents, fsync_tree
from elsinore.runs.trust.redaction import folder_mode

log = logging.getLogger("elsinore")
CONFIG, MANIFEST, CHECKPOINTS = "config.yaml", "manifest.json", "checkpoints"
OWNER = ".run-"  # what the name of a file begins with that says whose a copy is
UNFINISHED = ".unfinished"  # the end of a hidden file's name until the file is whole
SCHEMES = "s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or file:///FOLDER"


def is_remote(place: Any) -> bool:
    """True for a URL."""
    return "://" in str(place)


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it; nothing is asked of it yet.

    Raises:
        ConfigError: for a URL of no kind that fsspec knows, or whose library is missing.
    """
    if not is_remote(url):
        raise ConfigError(f"sinks.remote.url={url!r} is no URL; give {SCHEMES}.")
    try:
        import fsspec

        return fsspec.core.url_to_fs(url.rstrip("/"))
    except ImportError as error:
        raise ConfigError(
            f"{url} needs a library that is not installed: {str(error).rstrip('.')}."
            " `pip install 'elsinore[remote]'` has those of s3:// and gs://."
        ) from error
    except ValueError as error:
        raise ConfigError(f"{url} cannot be read: {error}; give {SCHEMES}.") from error


def name_in(root: str, path: str) -> str:
    """The path of a file in a copy."""
    return path.removeprefix(root).lstrip("/")


def is_unfinished(name: str) -> bool:
    """True for a file whose sending was cut off."""
    last = name.rpartition("/")[2]
    return last.startswith(".") and last.endswith(UNFINISHED)


def has_copy(url: str) -> bool:
    """True where the URL is that of a run's copy.

    Raises:
        ConfigError: if it cannot be asked.
    """
    files, root = file_system(url)
    with _reached(url):
        return files.exists(f"{root}/{CONFIG}")


def refuse_if_copied(url: str | None, name: str) -> None:
    """Refuse a new run of a name that has a copy in the folder `url` already. A place that cannot
    be reached refuses nothing: the run trains, and is sent later.

    Raises:
        ConfigError: naming the copy.
    """
    copy = f"{(url or '').rstrip('/')}/{name}"
    try:
        taken = url is not None and has_copy(copy)
    except ConfigError:
        return
    if taken:
        raise ConfigError(
            f"name={name!r}: {copy} is the copy of another run; continue that one by `elsinore"
            f" train --resume {quoted(copy)}`, or choose another name or sinks.remote.url."
        )


def fetched(url: str, runs_dir: Path) -> Path:
    """The folder of a run here, brought from its copy unless it is here already.

    Raises:
        ConfigError: if there is no such copy, or it cannot be read.
    """
    files, root = file_system(url)
    name = root.rpartition("/")[2]
    target = runs_dir / name
    if target.exists():
        log.info("%s is here already; its copy %s is not read", target, url)
        return target
    if not has_copy(url):
        raise ConfigError(f"{url} is no copy of a run: it has no config.yaml.")
    unfinished = runs_dir / f".{name}.{uuid.uuid4().hex[:12]}"
    try:
        with _reached(url):
            config = files.cat_file(f"{root}/{CONFIG}").decode(errors="replace")
            unfinished.mkdir(mode=folder_mode(config), parents=True)
            for path in files.find(root):
                name_there = _inside(name_in(root, path), url)
                if is_unfinished(name_there) or name_there.startswith(OWNER):
                    continue
                place = unfinished / name_there
                place.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(path, str(place))
        _drop_parts(unfinished)
        fsync_tree(unfinished)
        try:
            unfinished.rename(target)
        except OSError:
            if not target.exists():
                raise
            log.info("%s was fetched by another process meanwhile", target)
            return target
        fsync_parents(target, 2)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    log.info("%s is fetched from %s", target, url)
    return target


def _inside(name: str, url: str) -> str:
    """The name of a file of a copy, if it stays in the copy's folder: names in a bucket may be any.

    Raises:
        ConfigError: if it does not.
    """
    if not name or ".." in name.split("/") or "\\" in name:
        raise ConfigError(
            f"{url} holds a file {name!r}, which would leave its folder; do not use it."
        )
    return name


def _drop_parts(folder: Path) -> None:
    """Remove the checkpoints whose sending was cut off."""
    for path in (folder / CHECKPOINTS).glob("*/*"):
        if path.is_dir() and not (path / MANIFEST).is_file():
            shutil.rmtree(path)


@contextlib.contextmanager
def _reached(url: str) -> Iterator[None]:
    """Errors of a file system as one sentence."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # each file system has its own types
        if (limit := limit_reached(error)) is not None:
            raise ConfigError(f"{url} is not fetched: {limit}.") from error
        said = one_line(error, 200) or type(error).__name__
        raise ConfigError(
            f"{url} cannot be read: {said}; check its name, the network and your credentials."
        ) from error
