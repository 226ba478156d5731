"""A trained policy taken out of its run: as a file that jax calls, or as a model that MLflow loads and serves."""

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.build import ConfigError
from elsinore.host import checkpoints
from elsinore.host.mlflow_manners import teach_mlflow
from elsinore.host.result import Run

PYFUNC = Path(__file__).parent / "sinks" / "mlflow_policy.py"


def export(
    run: Run, form: str = "jax", out: Path | None = None, *, checkpoint: str = "latest", seed: int | None = None,
    agent: str | None = None,
) -> Path:  # fmt: skip
    """Write one seed's greedy policy, as it was in a checkpoint, and return the folder.

    Args:
        form: `jax` (policy.jaxexport, policy.json) or `mlflow` (a folder for `mlflow.pyfunc.load_model`).
        out: a folder that is not there yet; by default `export/<form>` in the run's.
        checkpoint, seed, agent: as for `Run.policy`.

    Raises:
        ConfigError: for an unknown form, a folder that is in use, a checkpoint that is not there or not this run's.
    """
    if form not in FORMS:
        raise ConfigError(f"--format {form!r} is unknown; choose one of {', '.join(FORMS)}.")
    out = run.path / "export" / form if out is None else out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out} is there already; choose another, or remove it.")
    found = run.checkpoint(checkpoint)
    checkpoints.check_match(found, run.experiment, accept_versions=True)
    policy = run.policy(seed, found.name, agent)
    with _whole_or_not_at_all(out) as folder:
        FORMS[form](policy, folder, {"env": run.experiment.env, "run": run.name, "checkpoint": found.name})
    return out


@contextlib.contextmanager
def _whole_or_not_at_all(out: Path) -> Iterator[Path]:
    """A folder to write in, which takes its name once all is written.

    Raises:
        ConfigError: where it cannot be written.
    """
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    except OSError as error:
        raise ConfigError(f"--out {out} cannot be written: {error.strerror}; choose another.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_jax(policy: Any, folder: Path, facts: dict[str, str]) -> None:
    """policy.jaxexport and policy.json."""
    told = {name: value for name, value in facts.items() if name != "env"}
    policy.export(folder, facts["env"], **told)


def write_mlflow(policy: Any, folder: Path, facts: dict[str, str]) -> None:
    """A model's folder; the exported function and its description are among its artifacts."""
    teach_mlflow()
    import mlflow

    exported = folder / "exported"
    write_jax(policy, exported, facts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for an example beside the signature it is given
        mlflow.pyfunc.save_model(path=str(folder / "model"), **pyfunc_parts(exported))
    shutil.rmtree(exported)
    for path in (folder / "model").iterdir():
        path.rename(folder / path.name)
    (folder / "model").rmdir()


FORMS: dict[str, Callable[[Any, Path, dict[str, str]], None]] = {"jax": write_jax, "mlflow": write_mlflow}


def pyfunc_parts(exported: Path) -> dict[str, Any]:
    """What MLflow needs to make a model of the files that `Policy.export` wrote: code, artifacts, signature."""
    about = json.loads((exported / "policy.json").read_text())
    return {
        "python_model": str(PYFUNC),
        "artifacts": {"policy": str(exported / "policy.jaxexport"), "about": str(exported / "policy.json")},
        "pip_requirements": [f"jax=={about['jax']}", "numpy", "flatbuffers"],
        "signature": signature_of(about),
    }


def signature_of(about: dict[str, Any]) -> Any:
    """Types and shapes of observations and actions, any number at once; a dictionary's arrays are told by name."""
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    takes = [
        TensorSpec(np.dtype(part["dtype"]), (-1, *part["shape"]), name=part["name"] or None) for part in about["obs"]
    ]
    gives = TensorSpec(np.dtype(about["action_dtype"]), (-1, *about["action_shape"]))
    remembers = ParamSchema([ParamSpec("begin", "boolean", False)]) if about["memory_shapes"] else None
    return ModelSignature(Schema(takes), Schema([gives]), remembers)
