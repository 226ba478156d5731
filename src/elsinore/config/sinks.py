"""Settings of the sinks: where a run writes what it measures, besides metrics.sqlite."""

import re

from elsinore.config_records import record
from elsinore.validation import at_least


@record
class MLflowConfig:
    """Tracking and model registration with MLflow."""

    enabled: bool = True  # Log to MLflow.
    # The tracking server; null uses MLFLOW_TRACKING_URI, or else mlflow.db in the runs folder.
    tracking_uri: str | None = None
    experiment: str = "elsinore"  # The name of the MLflow experiment.
    points: int = 500  # Values of each metric at most; each is a mean over one or more chunks.
    register: bool = True  # Register a model version, with the alias, if a seed has converged.
    model_name: str | None = None  # The registered model; null names it elsinore-<algo>-<env>.
    alias: str = "champion"  # The alias of the newest model version.

    def __post_init__(self) -> None:
        at_least(self, 1, "points")
        reserved = re.fullmatch(r"latest|v\d+", self.alias, re.IGNORECASE)
        if reserved or not re.fullmatch(r"[\w-]{1,255}", self.alias):
            raise ValueError(
                f"alias={self.alias!r} is none that MLflow takes; use letters, digits, _ and -, and"
                " neither latest nor v1, which mean a version."
            )


@record
class WandbConfig:
    """Weights & Biases, which needs `pip install "elsinore[wandb]"`."""

    enabled: bool = False  # Log to Weights & Biases.
    project: str = "elsinore"  # The name of the project.
    entity: str | None = None  # The team or user; null uses the default of your login.
    mode: str | None = None  # The mode, online or offline; null uses WANDB_MODE, or else online.

    def __post_init__(self) -> None:
        if self.mode not in (None, "online", "offline"):
            raise ValueError(
                f"mode={self.mode!r} is unknown; choose online or offline, or leave it to"
                " WANDB_MODE."
            )


@record
class RemoteConfig:
    """A copy of the run's folder in a bucket or on another file system, with which another machine
    can continue (`elsinore train --go-on`)."""

    url: str | None = None  # The folder of the copies, such as s3://bucket/runs; null: none.
    seconds: float = 60.0  # Seconds at least between two times that what is new is sent.

    def __post_init__(self) -> None:
        at_least(self, 0, "seconds")


@record
class SinksConfig:
    """Metric sinks besides metrics.sqlite, which is always written and fills the others."""

    console: bool = True  # The progress line in the terminal; in a notebook with curves.
    dashboard: bool = False  # Curves and the newest replay in the terminal, too.
    tensorboard: bool = True  # TensorBoard event files in tensorboard/.
    jsonl: bool = True  # One line for each seed and update, in metrics.jsonl.
    # Seconds at least between drawings of training_curves.png while training; 0: at its end only.
    curves_seconds: float = 60.0
    mlflow: MLflowConfig = MLflowConfig()  # MLflow.
    wandb: WandbConfig = WandbConfig()  # Weights & Biases.
    remote: RemoteConfig = RemoteConfig()  # A copy of the run's folder elsewhere.

    def __post_init__(self) -> None:
        at_least(self, 0, "curves_seconds")
