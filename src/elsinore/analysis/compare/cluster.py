"""The runs of a comparison as tasks of a cluster."""

import os
from collections.abc import Callable, Mapping

from elsinore.analysis.cluster import Cluster
from elsinore.analysis.cluster_task import Task, wait_until_free
from elsinore.analysis.compare.grid import GridCell
from elsinore.analysis.compare.training import Trained, summary_line
from elsinore.config.parse import as_dict
from elsinore.errors import ConfigError, quoted
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import Stop, stop_on_signals
from elsinore.runs.sinks.sync import finish_sinks


def check_for_cluster(cells: list[GridCell]) -> None:
    """Refuse cells that other machines cannot train, and wait for runs that a lost worker may
    still hold.

    Raises:
        ConfigError: for an env object, or MLflow in a file that all runs would write.
    """
    for cell in cells:
        if cell.env is not None:
            raise ConfigError(
                f"{cell.name}: an env that is an object cannot be sent to a cluster; give its name,"
                " or 'module:Class'."
            )
        mlflow = cell.experiment.sinks.mlflow
        server = mlflow.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        if mlflow.enabled and not server.startswith(("http://", "https://", "databricks")):
            raise ConfigError(
                f"{cell.name}: sinks.mlflow.enabled=True, and on a cluster many runs would write"
                " one MLflow database; set sinks.mlflow.tracking_uri to a server, or leave MLflow"
                " off."
            )
        wait_until_free(cell.folder)


def train_on(
    cluster: Cluster,
    cells: list[GridCell],
    states: list[str],
    accept: Mapping[str, bool],
    progress: Callable[[str], None],
    name: str,
) -> Trained:
    """Train or resume the cells as tasks; a task that fails leaves the others as they are. `name`
    is the comparison's."""
    left, ended, trained = [], 0, Trained()
    for i, (cell, state) in enumerate(zip(cells, states, strict=True)):
        cell.folder.parent.mkdir(parents=True, exist_ok=True)
        if state == "finished":
            progress(f"[{i + 1}/{len(cells)}] {cell.name}: finished already")
            finish_sinks(RunDir(cell.folder), only_recorded=True, trust=True)
        else:
            left.append(_task(cell, accept))
    done, stop = len(cells) - len(left), Stop()
    resume_with = f"the same command with --name {quoted(name)} (in Python, name={name!r})"
    with stop_on_signals(stop):
        for task, result in cluster.each(
            left, stop, progress, failures=True, resume_with=resume_with
        ):
            ended += 1
            prefix = f"[{done + ended}/{len(cells)}] {task.name}"
            if isinstance(result, Exception):
                trained.fail(task.name, prefix, result, progress)
            else:
                progress(f"{prefix}: {summary_line(result)}")
    trained.interrupted = ended < len(left)
    return trained


def _task(cell: GridCell, accept: Mapping[str, bool]) -> Task:
    experiment = cell.experiment
    args = str(cell.folder.absolute()), as_dict(experiment), dict(accept)
    return Task(cell.name, "train_cell", args, cell.env_steps, experiment.replicas)
