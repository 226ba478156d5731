"""The facts that a checkpoint's manifest records, and what differs between two of them."""

import hashlib
import json
import platform
from functools import cache
from importlib import metadata
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.experiment import Experiment
from elsinore.config.parse import as_dict
from elsinore.runs.redaction import redacted

version = cache(metadata.version)  # which reads a file; every checkpoint asks for eight


def versions() -> dict[str, str]:
    """The versions of Python and of every library that can change a number."""
    names = ("elsinore", "jax", "jaxlib", "flax", "optax", "gymnax", "numpy", "orbax-checkpoint")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def config_digest(experiment: Experiment) -> str:
    config = redacted(as_dict(experiment))
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def params_sha256(params: PyTree) -> str:
    """The digest of all seeds' parameters: names, shapes, types and bits."""
    digest = hashlib.sha256()
    for name, x in leaves_by_path(params).items():
        digest.update(f"{name}{x.shape}{x.dtype}".encode())
        digest.update(np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()


def described(tree: PyTree) -> dict[str, str]:
    """Type and shape of each leaf; Orbax itself casts types silently."""
    return {name: type_and_shape(leaf) for name, leaf in leaves_by_path(tree).items()}


def type_and_shape(leaf: Any) -> str:
    return f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"


def leaves_by_path(tree: PyTree) -> dict[str, Any]:
    """Leaves by path, a structure that does not depend on the Orbax version."""
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path): leaf for path, leaf in paths}


def digest_of(manifest: dict[str, Any]) -> str:
    rest = {k: v for k, v in manifest.items() if k != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def differences(then: dict, now: dict, path: str = "") -> list[str]:
    """Names and values of what differs between two nested dicts."""
    found = []
    for key in dict.fromkeys((*then, *now)):
        here, a, b = f"{path}{key}", then.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{here}.")
        elif a != b:
            found.append(f"{here} {a!r}, {b!r}")
    return found
