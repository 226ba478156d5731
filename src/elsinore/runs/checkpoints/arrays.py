"""The arrays of a checkpoint: read by their paths, or as the state of a program."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.errors import ConfigError, one_line
from elsinore.runs.checkpoints.directory import BrokenCheckpoint, Checkpoint, verify
from elsinore.runs.checkpoints.manifest import (
    described,
    differences,
    leaves_by_path,
    type_and_shape,
)
from elsinore.runs.checkpoints.orbax_arrays import load_arrays

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


def read_arrays(
    checkpoint: Checkpoint, wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, np.ndarray]:
    """The leaves of a checkpoint by their path, without the program that made them: all, or those
    whose path is `wanted`.

    Raises:
        BrokenCheckpoint: if its files changed after they were written.
        ConfigError: if its format is none of `READABLE_FORMATS`.
    """
    verify(checkpoint)
    check_format(checkpoint)
    stored = partial(_stored_name, checkpoint.manifest.get("format"))
    leaves = {name: x for name, x in _leaves_in(checkpoint).items() if wanted(name)}
    found = _read(checkpoint, {stored(name): x for name, x in leaves.items()})
    return {name: found[stored(name)] for name in leaves}


def arrays_in(checkpoint: Checkpoint) -> dict[str, str]:
    """Type and shape of each leaf, such as `float32[2, 64]`, by its path."""
    leaves = _leaves_in(checkpoint)
    return {name: type_and_shape(leaf) for name, leaf in leaves.items()}


def restore(checkpoint: Checkpoint, like: PyTree, part: PyTree = None) -> PyTree:
    """The state in a checkpoint, as numpy arrays in the structure of `like` (shapes and types), or
    in that of a `part` of it, the only one that is read then.

    Raises:
        BrokenCheckpoint: if its files changed after they were written, or hold another structure.
        ConfigError: if its format is none of `READABLE_FORMATS`.
    """
    verify(checkpoint)
    check_format(checkpoint)
    check_arrays(checkpoint, like)
    stored = partial(_stored_name, checkpoint.manifest.get("format"))
    part = like if part is None else part
    found = _read(checkpoint, {stored(name): x for name, x in leaves_by_path(part).items()})
    return jax.tree.unflatten(jax.tree.structure(part), found.values())


def check_format(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint of a format that is not read.

    Raises:
        ConfigError: with the formats that are.
    """
    if (found := checkpoint.manifest.get("format")) not in READABLE_FORMATS:
        raise ConfigError(
            f"checkpoint {checkpoint.path} has format {found}, and this elsinore reads"
            f" {', '.join(map(str, READABLE_FORMATS))}; use the elsinore that made it."
        )


def check_arrays(checkpoint: Checkpoint, like: PyTree) -> None:
    """Refuse a checkpoint of another structure, by its manifest.

    Raises:
        BrokenCheckpoint: naming the first difference.
    """
    stored = partial(_stored_name, checkpoint.manifest.get("format"))
    expected = {stored(name): leaf for name, leaf in described(like).items()}
    differing = differences(checkpoint.manifest.get("arrays", {}), expected)
    if differing:
        hint = (
            "A run that was given a network or a curriculum as an object needs it again (in Python,"
            " network=..., curriculum=...);"
            " otherwise begin a new run."
        )
        if differing[0].startswith(".train.key "):
            hint = (
                f"jax_default_prng_impl={jax.config.jax_default_prng_impl!r} makes other random"
                " keys than the run's; set it as it was then (jax's own is 'threefry2x32')."
            )
        raise BrokenCheckpoint(
            f"checkpoint {checkpoint.path} holds another state; found and expected:"
            f" {differing[0]}. {hint}"
        )


def _leaves_in(checkpoint: Checkpoint) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and type of each leaf of a checkpoint by its present path, from the manifest.

    Raises:
        BrokenCheckpoint: naming what is no shape and type.
    """
    renamed = RENAMED_LEAVES if checkpoint.manifest.get("format") == 1 else ()
    leaves = {}
    for name, text in checkpoint.manifest.get("arrays", {}).items():
        for new, old in renamed:
            name = name.replace(old, new)
        try:
            kind, _, shape = text.rstrip("]").partition("[")
            sizes = tuple(int(size) for size in shape.split(", ") if size)
            leaves[name] = jax.ShapeDtypeStruct(sizes, np.dtype(kind))
        except (AttributeError, TypeError, ValueError) as error:
            raise BrokenCheckpoint(
                f"checkpoint {checkpoint.path} is broken: {name} is {text!r} in its manifest, which"
                " is no type and shape of an array."
            ) from error
    return leaves


def _read(checkpoint: Checkpoint, like: dict[str, Any]) -> dict[str, np.ndarray]:
    """The leaves of a checkpoint by the names that it stores them under."""
    try:
        return load_arrays(checkpoint.path / "state", like)
    except Exception as error:  # Orbax and its codecs raise many types on foreign bytes
        text = one_line(error, 200)
        raise BrokenCheckpoint(f"checkpoint {checkpoint.path} cannot be read: {text}") from error


def _stored_name(checkpoint_format: int, name: str) -> str:
    """The name of a leaf in checkpoints of that format."""
    if checkpoint_format == 1:
        for new, old in RENAMED_LEAVES:
            name = name.replace(new, old)
    return name
