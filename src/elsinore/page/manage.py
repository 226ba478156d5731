"""Rename, tag and delete runs from the page. A deleted run is moved to the trash of its directory.

A run's folder is moved only while this process holds the run's lock, so never while it trains.
"""

import contextlib
import itertools
import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

from elsinore.config.experiment import MAX_TAG, MAX_TAGS
from elsinore.errors import ConfigError
from elsinore.page.launch import refuse_name
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.runs.files.durable import new_file
from elsinore.runs.files.plain_files import is_taken
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_lock import ReadOnlyRun, RunInUse
from elsinore.runs.run_state import is_training

TRASH = ".trash"  # beside the runs; no list shows it
TAGS = "tags.json"


def tags_of(runs: RunsDirectory, run: RunDir, unread: list[str]) -> list[str]:
    """A run's tags; `unread` gets the reason why its file cannot be read."""
    try:
        text = runs.text(run, run.path / TAGS)
        return parse_tags(json.loads(text)) if text else []
    except (PageError, ValueError, RecursionError):
        unread.append(f"{TAGS} is no list of tags.")
        return []


def parse_tags(data: Any) -> list[str]:
    """The tags in plain data, without blanks around them and each once.

    Raises:
        PageError: for anything but a list of at most 16 printable texts of at most 40 characters.
    """
    if not isinstance(data, list) or not all(isinstance(tag, str) for tag in data):
        raise PageError("tags must be a list of texts.")
    tags = list(dict.fromkeys(tag.strip() for tag in data if tag.strip()))
    if len(tags) > MAX_TAGS:
        raise PageError(f"a run has at most {MAX_TAGS} tags, and these are {len(tags)}.")
    for tag in tags:
        if len(tag) > MAX_TAG or not tag.isprintable() or "," in tag:
            raise PageError(
                f"tag {tag[:MAX_TAG]!r} must have at most {MAX_TAG} printable characters, no comma."
            )
    return tags


class Manager:
    """Changes to the folders of runs below one directory."""

    def __init__(self, runs: RunsDirectory):
        self._runs = runs

    def tag(self, name: str, tags: Any) -> list[str]:
        """Replace a run's tags, also while it trains; returns them.

        Raises:
            PageError: for an unknown run, or as `parse_tags`.
        """
        run, tags = self._runs.open(name), parse_tags(tags)
        unfinished = run.path / f".{TAGS}.{uuid.uuid4().hex}"  # two requests may come at once
        with _refused_if_unwritable(name):
            new_file(unfinished).write_text(json.dumps(tags) + "\n", encoding="utf-8")
            unfinished.replace(run.path / TAGS)
        return tags

    def rename(self, name: str, to: str) -> str:
        """Give a run another name; returns it.

        Raises:
            PageError: for a name that is taken or is no folder's, or a run that cannot be moved.
        """
        with self._at_rest(name) as run, _refused_if_unwritable(name):
            refuse_name(to, self._runs)
            run.path.rename(self._runs.top / to)
        return to

    def delete(self, name: str) -> str:
        """Move a run to the trash; returns its path there, relative to the runs.

        Raises:
            PageError: for a run that cannot be moved.
        """
        trash = self._runs.top / TRASH
        with self._at_rest(name) as run, _refused_if_unwritable(name):
            if trash.is_symlink():
                raise PageError(f"{TRASH} is a link, which is not followed; remove it.")
            trash.mkdir(exist_ok=True)
            free = (name if i == 1 else f"{name}-{i}" for i in itertools.count(1))
            target = next(trash / each for each in free if not os.path.lexists(trash / each))
            run.path.rename(target)
        return str(target.relative_to(self._runs.top))

    @contextlib.contextmanager
    def _at_rest(self, name: str) -> Iterator[RunDir]:
        """A run that no process trains, locked against that.

        Raises:
            PageError: for one that trains, and for a run of a comparison or a sweep, whose report
                finds it by its name.
        """
        run = self._runs.open(name)
        if "/" in name or _is_part(run):
            raise PageError(
                f"{name} is neither renamed nor deleted: a comparison or a sweep may know it by"
                " this name."
            )
        if is_taken(run.lock_file):
            raise PageError(f"{name} cannot be changed: .lock is no file of it.")
        try:
            with _refused_if_unwritable(name):
                run.lock()
        except ReadOnlyRun as error:
            raise PageError(f"{name} cannot be changed: its folder cannot be written.") from error
        except RunInUse as error:
            raise PageError(f"{name} is being trained; stop it first.") from error
        except ConfigError as error:
            raise PageError(f"{name} cannot be changed: {error}") from error
        try:
            if is_training(run.path):
                raise PageError(f"{name} is being trained; stop it first.")
            yield run
        finally:
            run.unlock()


def _is_part(run: RunDir) -> bool:
    """True for a run in the folders of a comparison or a sweep, whichever of them is shown."""
    above = run.path.resolve().parent
    of_a_sweep = above.name == "groups" and (above.parent / "sweep.yaml").is_file()
    return of_a_sweep or run.name_in_runs_dir != run.name


@contextlib.contextmanager
def _refused_if_unwritable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PageError(f"{name} cannot be changed: {os.strerror(error.errno or 0)}.") from error
