"""The places of MLflow: the tracking server, the experiment, and the files of its runs."""

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from elsinore.config.sinks import MLflowConfig
from elsinore.errors import printable, shown
from elsinore.runs.sinks.mlflow_client import mlflow_client

log = logging.getLogger("elsinore")


def opened(config: MLflowConfig, runs_dir: Path) -> tuple[Any, str]:
    """A client of the tracking server, and the id of the experiment there."""
    uri = tracking_uri(config, runs_dir)
    client = mlflow_client(uri)
    return client, experiment_id(client, config, uri, runs_dir)


def tracking_uri(config: MLflowConfig, runs_dir: Path) -> str:
    """The tracking server: of the config, or MLFLOW_TRACKING_URI, or mlflow.db beside the runs."""
    path = str((runs_dir / "mlflow.db").resolve())
    # of the letters of a path, only these two mean something to SQLAlchemy
    local = f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"
    return config.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or local


def experiment_id(client: Any, config: MLflowConfig, uri: str, runs_dir: Path) -> str:
    """The id of the config's experiment, which is created if the server has none of its name, and
    restored if it was deleted, since MLflow makes no other of that name. The artifacts of a local
    one are beside the runs, while a server chooses the place itself."""
    found = client.get_experiment_by_name(config.experiment)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
            log.info("MLflow's experiment %r was deleted, and is restored", config.experiment)
        return found.experiment_id
    beside = (runs_dir / "mlartifacts" / folder_name(config.experiment)).resolve().as_uri()
    return client.create_experiment(
        config.experiment, beside if uri.startswith("sqlite:") else None
    )


def may_keep_files(place: str, config: MLflowConfig, runs_dir: Path) -> bool:
    """False where the database beside the runs, which came with them if they were copied, has
    another place for a run's files than the folder beside them: an address, or any other folder."""
    if config.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"):  # this user's choice
        return True
    root, found = (runs_dir / "mlartifacts").resolve(), urlsplit(place)
    is_path = found.scheme in ("", "file") and not found.netloc
    if is_path and Path(unquote(found.path)).resolve().is_relative_to(root):
        return True
    log.warning(
        "mlflow.db keeps files at %s, which is not in %s: files and the model of the run are not"
        " logged; choose another sinks.mlflow.experiment to keep them here, or set"
        " sinks.mlflow.tracking_uri to log them there",
        printable(place),
        shown(root),
    )
    return False


def folder_name(experiment: str) -> str:
    """The name of the folder of an experiment's artifacts: the experiment's, unless that is a path,
    which a run that someone else made could lead anywhere."""
    name = experiment.replace("/", "_")
    return name if name.strip(".") else f"_{name}"
