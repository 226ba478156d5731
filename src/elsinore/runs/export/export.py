"""Export a trained policy: as a file that jax calls, as an ONNX graph, or as a model that MLflow
loads and serves."""

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.experiment import Experiment
from elsinore.errors import ConfigError
from elsinore.runs.export.jax_function import write_jax
from elsinore.runs.export.onnx_graph import write_onnx
from elsinore.runs.shipped import FOLDER
from elsinore.runs.sinks.mlflow_env import configure_mlflow

PYFUNC = Path(__file__).parents[1] / "sinks" / "mlflow_policy.py"


def default_folder(run: Path, experiment: Experiment, name: str) -> Path:
    """The folder that an export of the run in the folder `run` goes to: `export/<name>` in it; of a
    policy that comes with the package `<env>-<algo>-<name>` in the current one."""
    if run.is_relative_to(FOLDER):
        return Path(f"{experiment.env}-{experiment.algo.name}-{name}")
    return run / "export" / name


def refuse_export(form: str, out: Path) -> None:
    """Refuse an export that `write_export` could not write, before a policy is read.

    Raises:
        ConfigError: for an unknown form, a folder that is not empty, or the current one.
    """
    if form not in FORMS:
        raise ConfigError(f"form={form!r} is unknown; choose one of {', '.join(FORMS)}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"out={str(out)!r} exists already; choose another, or remove it.")
    if out.resolve() == Path.cwd():  # the shell would be left in a folder that is gone
        raise ConfigError(
            f"out={str(out)!r} is the current folder, which an export would replace; choose a new"
            f" one in it, such as {form}."
        )


def write_export(policy: Any, form: str, out: Path, facts: dict[str, str]) -> None:
    """Write a greedy policy to a new or empty folder.

    Args:
        form: `jax` (policy.jaxexport, policy.json), `onnx` (policy.onnx, policy.json) or `mlflow`
            (a folder for `mlflow.pyfunc.load_model`).
        facts: its `env`, `run` and `checkpoint`, for policy.json.

    Raises:
        ConfigError: if the folder cannot be written.
    """
    with _atomic_folder(out) as folder:
        FORMS[form](policy, folder, facts)


@contextlib.contextmanager
def _atomic_folder(out: Path) -> Iterator[Path]:
    """A temporary folder, renamed to `out` at the end.

    Raises:
        ConfigError: if it cannot be written.
    """
    target = out.resolve()  # a path such as x/.. ends with no name
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)  # which x/../new needs, too
        unfinished.mkdir(parents=True)
        yield unfinished
        if target.exists():
            target.rmdir()
        unfinished.rename(target)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}; choose another.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_mlflow(policy: Any, folder: Path, facts: dict[str, str]) -> None:
    """Write an MLflow model with the exported function and its policy.json as artifacts."""
    configure_mlflow()
    import mlflow

    exported = folder / "exported"
    write_jax(policy, exported, facts)
    with quiet_and_unchecked():
        mlflow.pyfunc.save_model(path=str(folder / "model"), **pyfunc_parts(exported))
    shutil.rmtree(exported)
    for path in (folder / "model").iterdir():
        path.rename(folder / path.name)
    (folder / "model").rmdir()


FORMS: dict[str, Callable[[Any, Path, dict[str, str]], None]] = {
    "jax": write_jax,
    "onnx": write_onnx,
    "mlflow": write_mlflow,
}


@contextlib.contextmanager
def quiet_and_unchecked() -> Iterator[None]:
    """A context in which MLflow saves a model without comparing its requirements with what is
    installed, which they are made from: it would list the files of all packages, 1.1 s."""
    from mlflow.utils import environment

    check = "warn_dependency_requirement_mismatches"
    before = getattr(environment, check, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants an example in addition to the signature
        setattr(environment, check, lambda requirements: None)
        try:
            yield
        finally:
            setattr(environment, check, before)


def pyfunc_parts(exported: Path) -> dict[str, Any]:
    """The arguments of `mlflow.pyfunc.save_model` for the files of `write_jax`."""
    about = json.loads((exported / "policy.json").read_text(encoding="utf-8"))
    return {
        "python_model": str(PYFUNC),
        "artifacts": {
            "policy": str(exported / "policy.jaxexport"),
            "about": str(exported / "policy.json"),
        },
        "pip_requirements": [f"jax=={about['jax']}", "numpy", "flatbuffers"],
        "signature": model_signature(about),
    }


def model_signature(about: dict[str, Any]) -> Any:
    """The MLflow signature: types and shapes of batches of observations and actions; arrays of a
    dict by name."""
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    inputs = [
        TensorSpec(np.dtype(part["dtype"]), (-1, *part["shape"]), name=part["name"] or None)
        for part in about["obs"]
    ]
    output = TensorSpec(np.dtype(about["action_dtype"]), (-1, *about["action_shape"]))
    begin = ParamSchema([ParamSpec("begin", "boolean", False)]) if about["memory_shapes"] else None
    return ModelSignature(Schema(inputs), Schema([output]), begin)
