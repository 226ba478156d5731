"""A comparison in MLflow: one run with the report, its figures and the scores."""

from collections.abc import Iterable
from pathlib import Path

from elsinore.analysis.compare.scores import Scores
from elsinore.config.experiment import Experiment
from elsinore.runs.run_dir import as_file_name
from elsinore.runs.sinks.mlflow_client import only_warned
from elsinore.runs.sinks.mlflow_names import with_tag
from elsinore.runs.sinks.mlflow_places import may_keep_files, opened


def log_report_to_mlflow(experiments: Iterable[Experiment], scores: Scores, folder: Path) -> None:
    """Log the report in `folder`, where MLflow is on for a run of the comparison; with the first
    such run's tracking server and experiment. A failure of MLflow is only a warning."""
    with_mlflow = next((x for x in experiments if x.sinks.mlflow.enabled), None)
    if with_mlflow is None:
        return
    with only_warned(f"the report is in {folder}"):
        _log(with_mlflow, scores, folder)


def _log(experiment: Experiment, scores: Scores, folder: Path) -> None:
    config = experiment.sinks.mlflow
    client, place = opened(config, folder.parent)
    tag, value = "elsinore.comparison", str(folder.resolve())
    # the same comparison, with more runs or after a resume, has the same MLflow run
    known = client.search_runs([place], with_tag(tag, value))
    new = known or [client.create_run(place, tags={tag: value}, run_name=folder.name)]
    run = new[0].info.run_id
    for result in scores.results.finished:
        name = as_file_name(f"{result.env}.{result.label}")
        client.log_metric(run, f"iqm.{name}", scores.over_seeds(result, "iqm").value)
        client.log_metric(run, f"seeds.{name}", result.seeds)
    if may_keep_files(client.get_run(run).info.artifact_uri, config, folder.parent):
        for report in ("report.html", "report.md"):
            client.log_artifact(run, str(folder / report))
        client.log_artifacts(run, str(folder / "figures"), "figures")
    client.set_terminated(run)
