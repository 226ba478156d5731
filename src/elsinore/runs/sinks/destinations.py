"""The places outside a run's folder to which the sinks of a config send data."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from elsinore.config.sinks import SinksConfig

# Settings by which a sink writes outside a run's folder, with this user's rights and credentials
DESTINATIONS = (
    "sinks.remote.url",
    "sinks.mlflow.tracking_uri",
    "sinks.mlflow.model_name",
    "sinks.mlflow.alias",
    "sinks.wandb.entity",
    "sinks.wandb.project",
)


def destinations_in(data: Mapping[str, Any]) -> dict[str, str]:
    """The settings by which the sinks of a config write outside the run's folder, where they are
    given and differ from the defaults."""
    found = {}
    for setting in DESTINATIONS:
        _, sink, name = setting.split(".")
        default = getattr(SinksConfig(), sink)
        given: Any = data.get("sinks")
        given = given.get(sink) if isinstance(given, Mapping) else None
        given = given if isinstance(given, Mapping) else {}
        enabled = given.get("enabled", getattr(default, "enabled", True))
        value = given.get(name, default_of(setting))
        if enabled and value != default_of(setting):
            found[setting] = str(value)
    return found


def default_of(destination: str) -> Any:
    return attrgetter(destination.removeprefix("sinks."))(SinksConfig())
