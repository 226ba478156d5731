"""The facts that a checkpoint's manifest records, and what differs between two of them."""

import ast
import contextlib
import hashlib
import importlib.util
import json
import platform
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.experiment import Experiment
from elsinore.config.parse import as_dict
from elsinore.envs import suites
from elsinore.runs.trust.named_code import code_in
from elsinore.runs.trust.redaction import comparable, redacted

MODULE = "module "  # begins the name of custom code among versions
PRECISION = "JAX_DEFAULT_MATMUL_PRECISION"
LIBRARIES = ("elsinore", "jax", "jaxlib", "flax", "optax", "gymnax", "numpy", "orbax-checkpoint")

version = cache(metadata.version)  # which reads a file; every checkpoint asks for eight


def versions() -> dict[str, str]:
    """The versions of Python and of every library that can change a number of any run."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def versions_of(experiment: Experiment) -> dict[str, str]:
    """`versions`, with that of the environment's library, a digest of each module that the settings
    name, and the precision of products where the settings leave it to jax."""
    found, env = versions(), str(experiment.env)
    if experiment.matmul_precision is None:
        found[PRECISION] = str(jax.config.jax_default_matmul_precision or "default")
    if suites.is_suite_name(env):
        package = suites.distribution(env)
        with contextlib.suppress(metadata.PackageNotFoundError):  # its object is given again
            found[package] = version(package)
    modules = {text.partition(":")[0] for text in code_in(as_dict(experiment)).values()}
    digests = {name: source_digest(name) for name in sorted(modules)}
    return found | {MODULE + name: digest for name, digest in digests.items() if digest}


_digests: dict[str, tuple[Any, list[CodeType], str]] = {}


def source_digest(module: str) -> str:
    """The digest of a module's code, without its comments and layout, as it was when this process
    asked first since it loaded it, or a notebook reloaded it; empty where there is no file of it,
    as in a notebook."""
    found = sys.modules.get(module)
    spec, code = getattr(found, "__spec__", None), list(_code_of(found, module))
    known = _digests.get(module)
    if known is None or known[0] is not spec or known[1] != code:
        _digests[module] = known = spec, code, _digest_of_file(module, spec)
    return known[2]


def _code_of(loaded: Any, module: str) -> Iterator[CodeType]:
    """The code of a module's functions and classes; IPython may replace it in place."""
    holders, seen = [loaded], {id(loaded)}  # classes may hold each other
    for holder in holders:
        for x in list(getattr(holder, "__dict__", {}).values()):
            if isinstance(x, FunctionType) and x.__module__ == module:
                yield x.__code__
            elif isinstance(x, type) and x.__module__ == module and id(x) not in seen:
                seen.add(id(x))
                holders.append(x)


def _digest_of_file(module: str, spec: Any) -> str:
    with contextlib.suppress(Exception):  # whatever its import or its text ends in is not said here
        spec = spec or importlib.util.find_spec(module)
        if module != "__main__" and spec is not None and spec.origin is not None:
            code = ast.dump(ast.parse(Path(spec.origin).read_bytes()))
            return hashlib.sha256(code.encode()).hexdigest()[:12]
    return ""


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


def other_settings(then: Experiment, now: Experiment) -> list[str]:
    """Names and values of the settings that differ between a run and what is asked for under its
    name. Of a secret only the server counts."""
    return differences(*(comparable(as_dict(each)) for each in (then, now)))


def differences(then: dict, now: dict) -> list[str]:
    """Names and values of what differs between two nested dicts, as `differing`."""
    return [f"{name} {a!r}, {b!r}" for name, a, b in differing(then, now)]


def differing(then: dict, now: dict, path: str = "") -> list[tuple[str, Any, Any]]:
    """The dotted names of what differs between two nested dicts, with both values.

    Of two algorithms only the names are compared: nearly all of their settings differ.
    """
    if path == "algo." and then.get("name") != now.get("name"):
        then, now = {"name": then.get("name")}, {"name": now.get("name")}
    found = []
    for key in dict.fromkeys((*then, *now)):
        here, a, b = f"{path}{key}", then.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differing(a, b, f"{here}.")
        elif a != b:
            found.append((here, a, b))
    return found
