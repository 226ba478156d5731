"""The settings of a run that differ from those it would have had by itself."""

from typing import Any

from elsinore.algos.registry import ALGORITHMS
from elsinore.config.load import experiment_from, whole_experiment
from elsinore.config.mappings import dotted
from elsinore.config.parse import as_dict, without_defaults
from elsinore.config.presets import closest_preset
from elsinore.config.yaml_files import parsed_yaml
from elsinore.errors import ConfigError
from elsinore.runs.trust.named_code import marked

OF_THE_RUN = ("env", "algo.name", "seed", "seeds")  # shown elsewhere


def changed_settings(config: str) -> list[tuple[str, Any, Any]] | None:
    """(name, value, value of the preset or default) of a config.yaml, by name.

    None for a config that cannot be read, and for an algorithm of custom code, which is not
    imported to ask for its defaults.
    """
    try:
        data = parsed_yaml(config)
        algo = data["algo"]["name"]
        if algo not in ALGORITHMS:
            return None
        closest = closest_preset(algo, data["env"], settings_by_name(data["algo"]))
        names = {"env": data["env"], "algo": {"name": closest.partition("/")[0]}}
        usual = settings_by_name(as_dict(experiment_from(names)))
        each = data.get("agents", {}).pop("each", [])
        own = [x for agent in each for x in _of_agent(agent, data["env"], data["algo"])]
        written = _without_defaults(data)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    of_all = sorted(
        (name, written.get(name, value), usual.get(name))
        for name, value in settings_by_name(data).items()
        if name not in OF_THE_RUN
        if (value != usual[name] if name in usual else name in written)
    )
    return of_all + own


def _without_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """A config's settings without those that have the default of their group; all of them where it
    is of another version. No file that it names is read."""
    try:
        return settings_by_name(without_defaults(whole_experiment(marked(data))))
    except ConfigError:
        return settings_by_name(data)


def _of_agent(agent: Any, env: str, algo: Any) -> list[tuple[str, Any, Any]]:
    """The settings of an agent that differ from the run's, or from those that another algorithm
    has by itself."""
    settings, usual = settings_by_name(agent["algo"]), settings_by_name(algo)
    if settings["name"] not in ALGORITHMS:
        return [(f"agents.{agent['id']}.algo", settings["name"], algo["name"])]
    if settings["name"] != algo["name"]:
        closest = closest_preset(settings["name"], env, settings)
        names = {"env": env, "algo": {"name": closest.partition("/")[0]}}
        usual |= settings_by_name(as_dict(experiment_from(names))["algo"]) | {"name": algo["name"]}
    return [
        (f"agents.{agent['id']}.{'algo' if name == 'name' else name}", value, usual.get(name))
        for name, value in sorted(settings.items())
        if value != usual.get(name)
    ]


def settings_by_name(settings: Any) -> dict[str, Any]:
    """Settings by dotted name; an empty group, such as `vary`, is a value."""
    return dotted(settings, is_group=lambda value: isinstance(value, dict) and bool(value))
