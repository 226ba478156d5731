"""Saving and restoring a run, so that a kill at any moment loses nothing.

    checkpoints/{latest,best,periodic,emergency}/<updates>/state/...   Orbax
                                                         /manifest.json

A checkpoint is written under another name and renamed when it is whole; one that goes is renamed before it is
deleted. What has its name is therefore whole, and its manifest has the digest of every file in it.
"""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.build import ConfigError, as_dict
from elsinore.config.experiment import Experiment
from elsinore.host.versions import versions

FORMAT = 1
KINDS = ("latest", "emergency", "periodic", "best")


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


class BrokenCheckpoint(ConfigError):
    """A checkpoint whose files are not what was written."""


def save(folder: Path, kind: str, state: PyTree, manifest: dict[str, Any]) -> Path:
    """Write one checkpoint of `state` (numpy arrays); it appears under its name whole, or not at all."""
    import orbax.checkpoint as ocp

    target = folder / kind / f"{manifest['update']:010d}"
    unfinished = folder / kind / f".unfinished-{target.name}-{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
        checkpointer.save((unfinished / "state").absolute(), args=ocp.args.StandardSave(_flat(state)))
    manifest = {"format": FORMAT, "time": time.time(), **manifest}
    manifest |= {"arrays": _described(state), "files": _digests(unfinished)}
    manifest["digest"] = _digest_of(manifest)
    (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=1))
    if target.exists():
        remove(target)
    unfinished.rename(target)
    return target


def restore(checkpoint: Checkpoint, like: PyTree) -> PyTree:
    """The state in a checkpoint, as numpy arrays in the structure of `like` (shapes and types).

    Raises:
        BrokenCheckpoint: where its files have changed since they were written, or hold another structure.
    """
    import orbax.checkpoint as ocp

    verify(checkpoint)
    differing = _differences(checkpoint.manifest.get("arrays", {}), _described(like))
    if differing:
        raise BrokenCheckpoint(f"checkpoint {checkpoint.path} holds another state; it has and should: {differing[0]}.")
    template = {name: np.zeros(x.shape, x.dtype) for name, x in _flat(like).items()}
    try:
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            found = checkpointer.restore(
                (checkpoint.path / "state").absolute(), args=ocp.args.StandardRestore(template)
            )
    except Exception as error:  # whatever Orbax and its codecs raise on bytes that are not theirs
        text = " ".join(str(error).split())[:200]
        raise BrokenCheckpoint(f"checkpoint {checkpoint.path} cannot be read: {text}") from error
    leaves = [np.asarray(found[name]) for name in template]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def verify(checkpoint: Checkpoint) -> None:
    """Raises:
    BrokenCheckpoint: naming the first file that differs from what was written."""
    manifest = checkpoint.manifest
    if _digest_of(manifest) != manifest.get("digest") or not _is_as_written(checkpoint):
        raise BrokenCheckpoint(
            f"checkpoint {checkpoint.path} is broken: manifest.json has changed since it was written."
        )
    found = _digests(checkpoint.path)
    for name, digest in manifest["files"].items():
        if found.get(name) != digest:
            what = "is missing" if name not in found else "has changed since it was written"
            raise BrokenCheckpoint(f"checkpoint {checkpoint.path} is broken: {name} {what}.")


def _is_as_written(checkpoint: Checkpoint) -> bool:
    """The manifest as text: a float's last digit may change, and the text be read as the same float."""
    return (checkpoint.path / "manifest.json").read_bytes() == json.dumps(checkpoint.manifest, indent=1).encode()


def listed(folder: Path, kinds: tuple[str, ...] = KINDS) -> list[Checkpoint]:
    """Every checkpoint, newest first; one whose manifest cannot be read is listed with what is known of it."""
    found = []
    for order, kind in enumerate(kinds):
        for path in folder.glob(f"{kind}/[0-9]*"):
            try:
                manifest = json.loads((path / "manifest.json").read_text())
                manifest["update"] = int(manifest["update"])
            except (OSError, ValueError, KeyError, TypeError):
                manifest = {"update": int(path.name), "files": {}}
            found.append((-manifest["update"], order, Checkpoint(path, kind, manifest)))
    return [checkpoint for *_, checkpoint in sorted(found, key=lambda x: x[:2])]


def newest(folder: Path, fall_back: bool = False) -> Checkpoint:
    """The newest checkpoint, or with `fall_back` the newest that is whole.

    Raises:
        ConfigError: where there is none.
        BrokenCheckpoint: where the newest is broken and falling back was not asked for.
    """
    candidates = listed(folder)
    for checkpoint in candidates:
        try:
            verify(checkpoint)
            return checkpoint
        except BrokenCheckpoint as error:
            if not fall_back:
                raise BrokenCheckpoint(
                    f"{error} Pass --fall-back to go on from the newest checkpoint that is whole."
                ) from error
    what = "no checkpoint that is whole" if candidates else "no checkpoint yet"
    raise ConfigError(f"{folder} holds {what}; start the run anew under another name.")


def check_match(checkpoint: Checkpoint, experiment: Experiment, accept_versions: bool = False) -> None:
    """Refuse to go on with other settings or other libraries than the checkpoint was made with.

    Raises:
        ConfigError: listing what differs.
    """
    manifest = checkpoint.manifest
    if manifest.get("format") != FORMAT:
        raise ConfigError(
            f"checkpoint {checkpoint.path} has format {manifest.get('format')}, and this elsinore reads {FORMAT}."
        )
    differing = _differences(manifest["config"], as_dict(experiment))
    if differing:
        raise ConfigError(
            f"checkpoint {checkpoint.path} was made with another config; then and now: {'; '.join(differing)}. "
            "Put the run's config.yaml back, or begin a new run."
        )
    differing = _differences(manifest["versions"], versions())
    if differing and not accept_versions:
        raise ConfigError(
            f"checkpoint {checkpoint.path} was made with other versions; then and now: {'; '.join(differing)}. "
            "The resumed run may not be bit for bit what it would have been: pass --accept-versions to go on."
        )


def is_whole(checkpoint: Checkpoint) -> bool:
    try:
        verify(checkpoint)
    except BrokenCheckpoint:
        return False
    return True


def remove(path: Path) -> None:
    """Rename, then delete: a kill in between leaves nothing that looks like a checkpoint."""
    trash = path.with_name(f".trash-{path.name}-{os.getpid()}")
    shutil.rmtree(trash, ignore_errors=True)
    path.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def clean(folder: Path) -> None:
    """Delete what kills have left behind."""
    for pattern in ("*/.trash-*", "*/.unfinished-*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def config_digest(experiment: Experiment) -> str:
    return hashlib.sha256(json.dumps(as_dict(experiment), sort_keys=True).encode()).hexdigest()


def params_sha256(params: PyTree) -> str:
    """One digest of every seed's parameters: names, shapes, types and bits."""
    digest = hashlib.sha256()
    for name, x in _flat(params).items():
        digest.update(f"{name}{x.shape}{x.dtype}".encode())
        digest.update(np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()


def _flat(tree: PyTree) -> dict[str, Any]:
    """Leaves by path, a structure that every Orbax version reads alike."""
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path): leaf for path, leaf in paths}


def _described(tree: PyTree) -> dict[str, str]:
    """Type and shape of each leaf: Orbax casts one type to another without a word."""
    return {name: f"{np.dtype(x.dtype).name}{list(x.shape)}" for name, x in _flat(tree).items()}


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _digest_of(manifest: dict[str, Any]) -> str:
    told = {k: v for k, v in manifest.items() if k != "digest"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _differences(then: dict, now: dict, path: str = "") -> list[str]:
    found = []
    for key in dict.fromkeys((*then, *now)):
        here, a, b = f"{path}{key}", then.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{here}.")
        elif a != b:
            found.append(f"{here} {a!r}, {b!r}")
    return found
