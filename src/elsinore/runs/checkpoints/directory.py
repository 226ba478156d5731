"""Save and restore a run's state.

    checkpoints/{latest,best,periodic,emergency}/<updates>/state/...   Orbax
                                                         /manifest.json

A checkpoint is written under another name and renamed when it is complete; a deleted one is renamed
first. So after a kill at any moment, a folder with a checkpoint's name is complete. All of it is on
the disk before the folder gets its name, so this also holds after a power cut. The manifest has the
digest of every file.
"""

import hashlib
import itertools
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import PyTree

from elsinore.errors import ConfigError
from elsinore.runs.checkpoints.manifest import (
    described,
    digest_of,
    leaves_by_path,
)
from elsinore.runs.checkpoints.orbax_arrays import save_arrays
from elsinore.runs.files.durable import fsync, fsync_tree
from elsinore.runs.files.plain_files import text_of

CHECKPOINT_FORMAT = 2
CHECKPOINT_KINDS = ("latest", "emergency", "periodic", "best")
NAME = re.compile("[0-9]{10}")
_numbers = itertools.count()  # of the saves of this process


class Checkpoint(NamedTuple):
    """One checkpoint on disk."""

    path: Path
    kind: str
    manifest: dict[str, Any]

    @property
    def update(self) -> int:
        return self.manifest["update"]

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.path.name}"

    @property
    def has_all(self) -> bool:
        """True if a run can continue from it; False if it has no replay buffer."""
        return "without" not in self.manifest


class BrokenCheckpoint(ConfigError):
    """A checkpoint whose files changed after they were written."""


def save(folder: Path, kind: str, state: PyTree, manifest: dict[str, Any]) -> Path:
    """Write a checkpoint of `state` (numpy arrays) under another name, then rename it."""
    target = folder / kind / f"{manifest['update']:010d}"
    unfinished = _unfinished(target)
    unfinished.mkdir(parents=True)
    try:
        save_arrays(unfinished / "state", leaves_by_path(state))
        commit = unfinished / "state" / "commit_success.txt"
        if commit.exists():  # Orbax writes the folder's path into it; a checkpoint may be shared
            commit.write_text("Saved by elsinore.\n", encoding="utf-8")
        manifest = {"format": CHECKPOINT_FORMAT, "time": time.time(), **manifest}
        manifest |= {"arrays": described(state), "files": _digests(unfinished)}
        return _name(unfinished, target, manifest)
    except Exception:
        shutil.rmtree(unfinished, ignore_errors=True)  # a full disk needs the room
        raise


def _unfinished(target: Path) -> Path:
    """A folder's name until it is complete; what a killed process left there is gone. In this
    process each is new: where a signal has ended a save, Orbax's threads may still write there."""
    process = f"{os.getpid()}.{next(_numbers)}"
    unfinished = target.with_name(f".unfinished-{target.name}-{process}")
    shutil.rmtree(unfinished, ignore_errors=True)
    return unfinished


def _name(unfinished: Path, target: Path, manifest: dict[str, Any]) -> Path:
    """Give a complete checkpoint its manifest and its name, when all of it is on the disk."""
    manifest = {name: x for name, x in manifest.items() if name != "digest"}
    manifest["digest"] = digest_of(manifest)
    (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    fsync_tree(unfinished)
    replaced = _renamed_away(target) if target.exists() else None
    unfinished.rename(target)
    for parent in target.parents[:3]:  # new folders are entries too
        fsync(parent)
    if replaced is not None:
        shutil.rmtree(replaced, ignore_errors=True)
    return target


def adopt(checkpoint: Checkpoint, folder: Path, kind: str, facts: dict[str, Any]) -> Path:
    """Copy a checkpoint into another run's folder of checkpoints, with other `facts` in its
    manifest, likewise under another name first.

    Raises:
        BrokenCheckpoint: if its files changed after they were written.
    """
    verify(checkpoint)
    unfinished = _unfinished(folder / kind / checkpoint.path.name)
    _copy(checkpoint.path, unfinished)
    return _name(unfinished, folder / kind / checkpoint.path.name, checkpoint.manifest | facts)


def _copy(folder: Path, target: Path) -> None:
    """Copy a folder's files, with the permissions of new ones: the folder may be read-only."""
    target.mkdir(parents=True)
    for path in folder.iterdir():
        (_copy if path.is_dir() else shutil.copyfile)(path, target / path.name)


def verify(checkpoint: Checkpoint) -> None:
    """Compare the files of a checkpoint with the digests in its manifest.

    Raises:
        BrokenCheckpoint: naming the first file that differs; or if the checkpoint is gone.
    """
    try:
        _compare(checkpoint)
    except FileNotFoundError as error:
        raise BrokenCheckpoint(
            f"checkpoint {checkpoint.path} was removed while it was read, as a run that trains does"
            " with older ones; try again."
        ) from error


def _compare(checkpoint: Checkpoint) -> None:
    manifest = checkpoint.manifest
    if digest_of(manifest) != manifest.get("digest") or not _is_as_written(checkpoint):
        raise BrokenCheckpoint(
            f"checkpoint {checkpoint.path} is broken: manifest.json has changed since it was"
            " written."
        )
    if not manifest["files"]:
        raise BrokenCheckpoint(
            f"checkpoint {checkpoint.path} is broken: it holds no data, only its manifest."
        )
    found = _digests(checkpoint.path)
    for name, digest in manifest["files"].items():
        if found.get(name) != digest:
            state = "is missing" if name not in found else "has changed since it was written"
            raise BrokenCheckpoint(f"checkpoint {checkpoint.path} is broken: {name} {state}.")
    if foreign := sorted(found.keys() - manifest["files"].keys()):
        raise BrokenCheckpoint(
            f"checkpoint {checkpoint.path} is broken: {foreign[0]} does not belong to it; remove"
            " that file."
        )


def is_whole(checkpoint: Checkpoint) -> bool:
    try:
        verify(checkpoint)
    except BrokenCheckpoint:
        return False
    return True


def _is_as_written(checkpoint: Checkpoint) -> bool:
    """Compare the manifest as text, since a change of a float's last digit may parse to the same
    float."""
    return (checkpoint.path / "manifest.json").read_bytes() == json.dumps(
        checkpoint.manifest, indent=1
    ).encode()


def list_checkpoints(folder: Path, kinds: tuple[str, ...] = CHECKPOINT_KINDS) -> list[Checkpoint]:
    """All checkpoints, newest first; one with an unreadable manifest has an empty list of files.

    A folder whose name is not a number of updates, such as a copy made by hand, is none.
    """
    found = []
    for order, kind in enumerate(kinds):
        for path in (p for p in folder.glob(f"{kind}/*") if NAME.fullmatch(p.name)):
            try:
                manifest = json.loads(text_of(path / "manifest.json"))
                manifest["update"] = int(manifest["update"])
                _refuse_another_shape(manifest)
            except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
                if not os.path.lexists(path):  # a run that trains has removed it meanwhile
                    continue
                manifest = {"update": int(path.name), "files": {}}
            found.append((-manifest["update"], order, Checkpoint(path, kind, manifest)))
    return [checkpoint for *_, checkpoint in sorted(found, key=lambda x: x[:2])]


def _refuse_another_shape(manifest: dict[str, Any]) -> None:
    """Raises:
    TypeError: for a manifest in which the parts that are read unverified have other types.
    """
    metric = manifest.get("metric") or {"value": 0.0}
    mappings = (metric, *(manifest.get(name, {}) for name in ("config", "arrays", "files")))
    is_number = isinstance(metric["value"], int | float)
    if not is_number or not all(isinstance(x, dict) for x in mappings):
        raise TypeError("metric, config, arrays or files")


def size_of(checkpoint: Checkpoint) -> int:
    """The bytes of its files.

    Raises:
        FileNotFoundError: if the checkpoint is gone.
    """
    size = sum(path.stat().st_size for path in checkpoint.path.rglob("*") if path.is_file())
    checkpoint.path.stat()  # some versions of Python find no file in a folder that is gone
    return size


def remove_checkpoint(path: Path) -> None:
    """Rename, then delete, so that a kill leaves nothing that looks like a checkpoint."""
    shutil.rmtree(_renamed_away(path), ignore_errors=True)


def _renamed_away(path: Path) -> Path:
    """The new path of a checkpoint that is to be deleted."""
    trash = path.with_name(f".trash-{path.name}-{os.getpid()}")
    shutil.rmtree(trash, ignore_errors=True)
    path.rename(trash)
    fsync(path.parent)  # or a power cut may leave its name to a folder that has lost files
    return trash


def clean(folder: Path) -> None:
    """Delete the unfinished folders of killed processes. A checkpoint that was written again, and
    whose process was killed between the two renames, gets its name."""
    for trash in folder.glob("*/.trash-*"):
        name, _, process = trash.name.removeprefix(".trash-").rpartition("-")
        written_by = f".unfinished-{name}-{process}"
        for written in (trash.with_name(written_by), *trash.parent.glob(f"{written_by}.*")):
            # it has a manifest, and is on the disk, before the older one is renamed
            if (written / "manifest.json").exists() and not os.path.lexists(trash.with_name(name)):
                written.rename(trash.with_name(name))
    for pattern in ("*/.trash-*", "*/.unfinished-*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }
