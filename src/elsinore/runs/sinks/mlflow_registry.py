"""MLflow's registry: the policy of a run in which a seed has converged, as a version of a model.

MLflow's fluent API knows one active run, experiment and tracking server in the whole process, where
they are the user's; so a model is saved to a folder, and goes to the server through a client.
"""

import tempfile
from pathlib import Path
from typing import Any

from elsinore.config.sinks import MLflowConfig
from elsinore.runs.export.export import pyfunc_parts, quiet_and_unchecked
from elsinore.runs.sinks.mlflow_names import in_quotes, model_name
from elsinore.runs.summary import final_return

MODEL = "model"  # the folder of a run's artifacts


def is_model(policy: Path) -> bool:
    """True for the folder of one policy; that of independent learners has a policy for each."""
    return (policy / "policy.json").exists()


def register(
    client: Any, run: str, config: MLflowConfig, policy: Path, summary: dict[str, Any]
) -> None:
    """Register the policy of an MLflow run as a new version of the model, with its alias; a version
    that the run has already keeps its place below newer ones."""
    name = config.model_name or model_name(summary["algo"], summary["env"])
    of_name = f"name = {in_quotes(name)}"
    if not client.search_registered_models(of_name):
        _create(client, name)
    found = client.search_model_versions(of_name)
    own = [int(version.version) for version in found if version.run_id == run]
    version = max(own) if own else int(_new_version(client, run, name, policy))
    aliases = client.get_registered_model(name).aliases
    if version >= int(aliases.get(config.alias, 0)):
        client.set_registered_model_alias(name, config.alias, str(version))
    mean = str(final_return(summary, "mean"))
    client.set_model_version_tag(name, str(version), "eval_return", mean)


def _create(client: Any, name: str) -> None:
    """Create a model, unless another run has created it by then."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _new_version(client: Any, run: str, name: str, policy: Path) -> str:
    """Log the policy as a model among the artifacts of the run, and register it."""
    import mlflow
    from mlflow.models import Model
    from mlflow.utils.uri import append_to_uri_path

    with tempfile.TemporaryDirectory() as folder, quiet_and_unchecked():
        path, about = str(Path(folder) / MODEL), Model(artifact_path=MODEL, run_id=run)
        mlflow.pyfunc.save_model(path=path, mlflow_model=about, **pyfunc_parts(policy))
        client.log_artifacts(run, path, MODEL)
    source = append_to_uri_path(client.get_run(run).info.artifact_uri, MODEL)
    return client.create_model_version(name, source, run).version
