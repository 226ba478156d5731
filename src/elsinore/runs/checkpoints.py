"""Save and restore a run's state.

    checkpoints/{latest,best,periodic,emergency}/<updates>/state/...   Orbax
                                                         /manifest.json

A checkpoint is written under another name and renamed when it is complete; a deleted one is renamed
first. So after a kill at any moment, a folder with a checkpoint's name is complete. All of it is on
the disk before the folder gets its name, so this also holds after a power cut. The manifest has the
digest of every file.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.experiment import Experiment
from elsinore.config.parse import ConfigError, as_dict
from elsinore.runs.durable import fsync, fsync_tree
from elsinore.runs.masks import masked
from elsinore.training.replicas import layout_for

CHECKPOINT_FORMAT = 2
READABLE_FORMATS = (1, 2)
# Leaves that format 1 calls by other names: (format 2, format 1).
RENAMED_LEAVES = (
    (".actor.carry", ".actor.memory"),
    (".actor.episode_stats", ".actor.outcomes"),
    (".train.rnd", ".train.curiosity"),
    (".learner.target_params", ".learner.target"),
    (".best.policy_state", ".best.acting"),
    (".curriculum.metrics", ".curriculum.told"),
)
CHECKPOINT_KINDS = ("latest", "emergency", "periodic", "best")
NAME = re.compile("[0-9]{10}")


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
    """A checkpoint whose files changed after they were written."""


def save(folder: Path, kind: str, state: PyTree, manifest: dict[str, Any]) -> Path:
    """Write a checkpoint of `state` (numpy arrays) under another name, then rename it."""
    import orbax.checkpoint as ocp

    target = folder / kind / f"{manifest['update']:010d}"
    unfinished = folder / kind / f".unfinished-{target.name}-{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
        checkpointer.save(
            (unfinished / "state").absolute(), args=ocp.args.StandardSave(_flat(state))
        )
    manifest = {"format": CHECKPOINT_FORMAT, "time": time.time(), **manifest}
    manifest |= {"arrays": _described(state), "files": _digests(unfinished)}
    manifest["digest"] = _digest_of(manifest)
    (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=1))
    fsync_tree(unfinished)
    if target.exists():
        remove_checkpoint(target)
    unfinished.rename(target)
    for parent in (target.parent, folder, folder.parent):  # new folders are entries too
        fsync(parent)
    return target


def restore(checkpoint: Checkpoint, like: PyTree) -> PyTree:
    """The state in a checkpoint, as numpy arrays in the structure of `like` (shapes and types).

    Raises:
        BrokenCheckpoint: if its files changed after they were written, or hold another structure.
    """
    import orbax.checkpoint as ocp

    verify(checkpoint)
    stored = partial(_stored_name, checkpoint.manifest.get("format"))
    expected = {stored(name): leaf for name, leaf in _described(like).items()}
    differing = _differences(checkpoint.manifest.get("arrays", {}), expected)
    if differing:
        raise BrokenCheckpoint(
            f"checkpoint {checkpoint.path} holds another state; found and expected:"
            f" {differing[0]}. Begin a new run."
        )
    template = {stored(name): np.zeros(x.shape, x.dtype) for name, x in _flat(like).items()}
    try:
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            found = checkpointer.restore(
                (checkpoint.path / "state").absolute(), args=ocp.args.StandardRestore(template)
            )
    except Exception as error:  # Orbax and its codecs raise many types on foreign bytes
        text = " ".join(str(error).split())[:200]
        raise BrokenCheckpoint(f"checkpoint {checkpoint.path} cannot be read: {text}") from error
    leaves = [np.asarray(found[name]) for name in template]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def verify(checkpoint: Checkpoint) -> None:
    """Compare the files of a checkpoint with the digests in its manifest.

    Raises:
        BrokenCheckpoint: naming the first file that differs.
    """
    manifest = checkpoint.manifest
    if _digest_of(manifest) != manifest.get("digest") or not _is_as_written(checkpoint):
        raise BrokenCheckpoint(
            f"checkpoint {checkpoint.path} is broken: manifest.json has changed since it was"
            " written."
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
                manifest = json.loads((path / "manifest.json").read_text())
                manifest["update"] = int(manifest["update"])
            except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
                manifest = {"update": int(path.name), "files": {}}
            found.append((-manifest["update"], order, Checkpoint(path, kind, manifest)))
    return [checkpoint for *_, checkpoint in sorted(found, key=lambda x: x[:2])]


def newest(folder: Path, fall_back: bool = False) -> Checkpoint:
    """The newest checkpoint, or with `fall_back` the newest that is not broken.

    Raises:
        ConfigError: if there is none.
        BrokenCheckpoint: if the newest is broken, without `fall_back`.
    """
    candidates = list_checkpoints(folder)
    for checkpoint in candidates:
        try:
            verify(checkpoint)
            return checkpoint
        except BrokenCheckpoint as error:
            if not fall_back:
                raise BrokenCheckpoint(
                    f"{error} Pass --fall-back to resume from the newest checkpoint that is not"
                    " broken."
                ) from error
    found = "only broken checkpoints" if candidates else "no checkpoint yet"
    raise ConfigError(f"{folder} holds {found}; start the run again under another name.")


def newest_covered(folder: Path, newest: Checkpoint | None, covered: int) -> Checkpoint | None:
    """The newest whole checkpoint after at most `covered` updates, of the same config and versions
    as `newest`; None if there is none, so that the run begins anew."""
    if newest is None or newest.update <= covered:
        return newest
    same = ("format", "config", "versions")
    for each in list_checkpoints(folder):
        like = all(each.manifest.get(key) == newest.manifest[key] for key in same)
        if each.update <= covered and like and is_whole(each):
            return each
    return None


def check_match(
    checkpoint: Checkpoint, experiment: Experiment, accept_versions: bool = False
) -> None:
    """Refuse a checkpoint of another config or other library versions.

    Raises:
        ConfigError: with the list of differences.
    """
    manifest = checkpoint.manifest
    if manifest.get("format") not in READABLE_FORMATS:
        raise ConfigError(
            f"checkpoint {checkpoint.path} has format {manifest.get('format')}, and this elsinore"
            f" reads {', '.join(map(str, READABLE_FORMATS))}; use the elsinore that made it."
        )
    differing = _differences(masked(manifest["config"]), masked(as_dict(experiment)))
    if differing:
        raise ConfigError(
            f"checkpoint {checkpoint.path} was made with another config; then and now:"
            f" {'; '.join(differing)}. Put the run's config.yaml back, or begin a new run."
        )
    differing = _differences(manifest["versions"], versions())
    if differing and not accept_versions:
        raise ConfigError(
            f"checkpoint {checkpoint.path} was made with other versions; then and now:"
            f" {'; '.join(differing)}. The resumed run may differ from an uninterrupted one: pass"
            " --accept-versions to resume it."
        )


def other_layout(checkpoint: Checkpoint, experiment: Experiment) -> str | None:
    """The layout then and now, where their results differ by rounding; None where they do not."""
    then = checkpoint.manifest.get("layout")
    now = layout_for(experiment.replicas, experiment.layout).described()
    if then is None or then.get("batch") == now["batch"]:
        return None
    return "then {kind} on {devices} device(s)".format(**then) + ", now {kind} on {devices}".format(
        **now
    )


def check_layout(checkpoint: Checkpoint, experiment: Experiment) -> None:
    """Refuse a checkpoint of a layout whose results differ.

    Raises:
        ConfigError: with the layout then and now.
    """
    if differs := other_layout(checkpoint, experiment):
        raise ConfigError(
            f"checkpoint {checkpoint.path} was made with another layout: {differs}. The resumed run"
            " would differ by rounding from an uninterrupted one: use as many devices as then, or"
            " pass --accept-layout to resume it."
        )


def is_whole(checkpoint: Checkpoint) -> bool:
    try:
        verify(checkpoint)
    except BrokenCheckpoint:
        return False
    return True


def remove_checkpoint(path: Path) -> None:
    """Rename, then delete, so that a kill leaves nothing that looks like a checkpoint."""
    trash = path.with_name(f".trash-{path.name}-{os.getpid()}")
    shutil.rmtree(trash, ignore_errors=True)
    path.rename(trash)
    fsync(path.parent)  # or a power cut may leave its name to a folder that has lost files
    shutil.rmtree(trash, ignore_errors=True)


def clean(folder: Path) -> None:
    """Delete the unfinished folders of killed processes."""
    for pattern in ("*/.trash-*", "*/.unfinished-*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def versions() -> dict[str, str]:
    """The versions of Python and of every library that can change a number."""
    names = ("elsinore", "jax", "jaxlib", "flax", "optax", "gymnax", "numpy", "orbax-checkpoint")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def config_digest(experiment: Experiment) -> str:
    config = masked(as_dict(experiment))
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def params_sha256(params: PyTree) -> str:
    """The digest of all seeds' parameters: names, shapes, types and bits."""
    digest = hashlib.sha256()
    for name, x in _flat(params).items():
        digest.update(f"{name}{x.shape}{x.dtype}".encode())
        digest.update(np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()


def _flat(tree: PyTree) -> dict[str, Any]:
    """Leaves by path, a structure that does not depend on the Orbax version."""
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path): leaf for path, leaf in paths}


def _stored_name(checkpoint_format: int, name: str) -> str:
    """The name of a leaf in checkpoints of that format."""
    if checkpoint_format == 1:
        for new, old in RENAMED_LEAVES:
            name = name.replace(new, old)
    return name


def _described(tree: PyTree) -> dict[str, str]:
    """Type and shape of each leaf; Orbax itself casts types silently."""
    return {name: f"{np.dtype(x.dtype).name}{list(x.shape)}" for name, x in _flat(tree).items()}


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def _digest_of(manifest: dict[str, Any]) -> str:
    rest = {k: v for k, v in manifest.items() if k != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _differences(then: dict, now: dict, path: str = "") -> list[str]:
    found = []
    for key in dict.fromkeys((*then, *now)):
        here, a, b = f"{path}{key}", then.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{here}.")
        elif a != b:
            found.append(f"{here} {a!r}, {b!r}")
    return found
