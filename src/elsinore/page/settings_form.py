"""The choices of the dialog that starts a run: environments, algorithms, and settings with the
values that the run would have by itself, from the settings reference."""

from typing import Any

from elsinore.config.parse import as_dict
from elsinore.page.changed_settings import settings_by_name
from elsinore.runs.files.natural import natural

ELSEWHERE = ("env", "algo", "seeds", "start")  # fields of the dialog, or no matter of it


def settings_choices() -> dict[str, list[str]]:
    """The environments and algorithms that are known by name, and the presets."""
    from elsinore import envs
    from elsinore.algos.registry import ALGORITHMS
    from elsinore.config.presets import PRESETS
    from elsinore.config.presets.dqn_variants import OPTIONS

    return {
        "envs": sorted(envs.names(), key=natural),
        "algos": [*ALGORITHMS, *OPTIONS],
        "presets": sorted(PRESETS, key=natural),
    }


def settings_form(env: str, algo: str) -> list[dict[str, Any]]:
    """The settings of a run: `name`, `type`, `choices` (of a text with few values), `domain`,
    `meaning`, and the `value` of the preset or default, as YAML.

    No custom code is imported: of an algorithm `"module:function"` there are none, and of an
    environment the parameters only if it is known by name.

    Raises:
        ConfigError: for an unknown environment or algorithm.
    """
    from elsinore import envs
    from elsinore.algos.registry import ALGORITHMS
    from elsinore.config.experiment import Experiment
    from elsinore.config.load import load_experiment
    from elsinore.config.presets import algorithm_behind
    from elsinore.config.settings import algo_settings, as_yaml, env_settings, groups_of
    from elsinore.envs.registry import FETCHED

    behind = algorithm_behind(algo)
    known = behind in ALGORITHMS
    usual = settings_by_name(as_dict(load_experiment(env, algo))) if known else {}
    groups = [*groups_of(Experiment), *(algo_settings(behind) if known else ())]
    if env in envs.names() and env not in FETCHED:
        groups += env_settings(env)
    return [
        _row(setting, as_yaml(usual[setting.name]) if setting.name in usual else setting.default)
        for group in groups
        for setting in group.settings
        if setting.name.split(".")[0] not in ELSEWHERE or setting.name.startswith("algo.")
    ]


def _row(setting: Any, value: str) -> dict[str, Any]:
    choices = [one.strip() for one in setting.domain.split(" | ")] if "|" in setting.domain else []
    if setting.type == "bool":
        choices = ["true", "false"]
    return {
        "name": setting.name,
        "type": setting.type,
        "choices": choices,
        "domain": setting.domain,
        "meaning": setting.meaning,
        "value": value,
    }
