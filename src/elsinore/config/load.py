"""Load an experiment from a preset, a YAML file and overrides; later settings win."""

import copy
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

from elsinore.algos.registry import built_in_behind
from elsinore.config.agent_list import (
    with_built_agents,
    with_complete_agents,
    with_own_learners,
    with_own_settings,
)
from elsinore.config.experiment import Experiment
from elsinore.config.mappings import (
    dotted,
    in_full,
    in_groups,
    merge_settings,
    plain,
    ranges_by_setting,
    set_dotted,
)
from elsinore.config.parse import as_dict, build, build_algo, convert_setting, refuse_unwritable
from elsinore.config.presets import PRESETS, algorithm_behind, preset
from elsinore.config.presets.dqn_variants import OPTIONS
from elsinore.config.units import (
    has_budget,
    in_program_units,
    refuse_two_budgets,
    without_budget,
)
from elsinore.config.yaml_files import read_data, read_yaml, shipped
from elsinore.envs import check_name
from elsinore.errors import ConfigError, quoted
from elsinore.training.curriculum.config import CurriculumConfig

Settings = str | Path | Mapping[str, Any]  # a YAML file, or what it would hold


def load_experiment(
    env: str | None = None,
    algo: Any = None,
    config: Settings | Experiment | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Experiment:
    """The experiment of a command or a call.

    `env` may be a preset (`ppo/CartPole-v1`); `algo` a name, a mapping with a `name`, or a config;
    `overrides` are values by dotted name (`{"algo.gamma": 0.9}`), which win over all others.

    Raises:
        ConfigError: naming the field, its value and a remedy.
    """
    whole = isinstance(config, Experiment)
    data, beside = read_settings(as_dict(config) if isinstance(config, Experiment) else config)
    if "sweep" in data:
        what = f"config {config}" if isinstance(config, str | Path) else "the config"
        raise ConfigError(
            f"{what} has a section `sweep`: search with `elsinore sweep` (in Python,"
            " elsinore.sweep)."
        )
    if env is not None and env in PRESETS:
        preset_algo, env = env.split("/", 1)
        algo = {"name": preset_algo, **algo} if isinstance(algo, dict) else algo or preset_algo
    if env is not None:
        data["env"] = env
    own = {} if algo is None else plain(_algo_as_mapping(algo))
    if own:
        data["algo"] = merge_settings(_named(data, own.get("name")), own)
    for name, value in (overrides or {}).items():
        if name.partition(".")[0] == "sweep":
            raise ConfigError(
                f"{name}={value!r} is a setting of a sweep, and this is one run; search with"
                " `elsinore sweep` (in Python, elsinore.sweep)."
            )
    data = with_overrides(data, overrides or {}, whole)
    if own:  # a mapping in the overrides leaves out what it does not name
        data["algo"] = own | _algo_as_mapping(data["algo"])
    return experiment_from(data, beside)


def read_settings(config: Settings | None) -> tuple[dict, Path | None]:
    """The settings of a YAML file or a mapping, nested, and the folder of the file, to which paths
    in it are relative.

    Raises:
        ConfigError: for a file that `read_yaml` refuses, or a setting that is given twice.
    """
    is_file = isinstance(config, str | Path)
    data = in_groups(plain(dict(read_yaml(Path(config)) if is_file else config or {})))
    if is_complete(data):
        data = with_own_settings(data)
    return data, shipped(Path(config)).parent if is_file else None


def is_complete(data: Mapping[str, Any]) -> bool:
    """True for all settings of an experiment, as elsinore writes them; the budget may be gone, in
    favour of one in another unit."""
    return {field.name for field in fields(Experiment)} - {"env_steps"} <= set(data)


def with_overrides(
    data: dict[str, Any], overrides: Mapping[str, Any], whole: bool = False
) -> dict[str, Any]:
    """Settings with other values by dotted name. A budget among these wins, in whichever unit.

    Raises:
        ConfigError: for a budget in two units, which only data that are `whole` may have: all that
            elsinore wrote.
    """
    refuse_two_budgets(overrides)
    if has_budget(overrides):
        data = without_budget(data)
    given = plain(dict(overrides))
    for name in ("algo", "algo.name"):  # before the settings that are given beside it
        if isinstance(given.get(name), str):
            data["algo"] = _named(data, given[name])
    for name, value in given.items():
        if name == "algo" and isinstance(value, dict):
            value = _in_place(data, value, given.get("env", data.get("env")))
        set_dotted(data, name, value)
    if not whole and not is_complete(data):
        refuse_two_budgets(data)
    return data


def _in_place(data: Mapping[str, Any], algo: dict[str, Any], env: Any) -> dict[str, Any]:
    """A mapping in place of the data's algorithm, which keeps its name where it gets no other. In
    complete data, which get no preset, it also has the settings that it does not name: those of
    before, or another algorithm's preset."""
    then = _algo_as_mapping(data.get("algo", {})).get("name", "ppo")
    named = {"name": then, **algo}
    if not is_complete(data):
        return named if "algo" in data else algo
    if algorithm_behind(named["name"]) == then:
        return merge_settings(_named(data, named["name"]), named)
    return merge_settings(preset(f"{built_in_behind(named['name'])}/{env}").get("algo", {}), named)


def _named(data: Mapping[str, Any], name: Any) -> dict[str, Any]:
    """The settings of the data's algorithm where it gets a name; with the options that the name
    stands for, such as `rainbow`, where they are complete, since no preset is beneath them."""
    algo = _algo_as_mapping(data.get("algo", {}))
    options = OPTIONS.get(name, {}) if isinstance(name, str) and is_complete(data) else {}
    return merge_settings(algo, options)


def experiment_from(data: dict[str, Any], beside: Path | None = None) -> Experiment:
    """An experiment from plain data, merged with the preset of its environment and algorithm where
    it is not complete.

    The path of a curriculum file is relative to the folder `beside`, or else to the current one.
    """
    if "curriculum" in data:
        data = {**data, "curriculum": _curriculum(data["curriculum"], beside)}
    data = _by_setting(in_full(data))
    algo = _algo_as_mapping(data.get("algo", {}))
    name = algo.get("name", "ppo")
    env = data.get("env", "CartPole-v1")
    base = preset(f"{built_in_behind(name)}/{env}")
    if is_complete(data):
        base = {part: base[part] for part in ("env_steps",) if part in base}
    algo = algo | {"name": algorithm_behind(name)}
    # new stages replace the preset's curriculum instead of changing it
    if {"stages", "ladder"} & set(data.get("curriculum") or {}):
        base = {name: value for name, value in base.items() if name != "curriculum"}
    whole = with_complete_agents(merge_settings(base, {**data, "algo": algo}), name)
    return whole_experiment(with_own_learners(whole, data.get("agents")))


def whole_experiment(data: dict[str, Any]) -> Experiment:
    """An experiment from complete data, such as a run's config.yaml, without a preset."""
    if isinstance(data.get("env"), str):
        check_name(data["env"])
    algo = build_algo(_algo_as_mapping(data.get("algo", {})))
    data = with_built_agents(data)
    experiment = build(Experiment, {**in_program_units(data, algo), "algo": algo})
    vary = {
        name: [convert_setting(experiment, name, x, f"vary.{name}[{i}]") for i, x in enumerate(xs)]
        for name, xs in experiment.vary.items()
    }
    for name in ("env_kwargs", "env_params", "wrappers", "vary"):
        refuse_unwritable(getattr(experiment, name), name)
    return replace(experiment, vary=vary)


def with_defaults(recorded: dict[str, Any]) -> dict[str, Any]:
    """A recorded config, marked, with the defaults of the settings that are newer than it; as it is
    where it has one that no longer exists."""
    try:
        return as_dict(whole_experiment(recorded))
    except ConfigError:
        return recorded


def with_settings(experiment: Experiment, settings: Mapping[str, Any]) -> Experiment:
    """The experiment with other values of some settings, by dotted name."""
    data = with_own_settings(copy.deepcopy(as_dict(experiment)))
    for name, value in settings.items():
        set_dotted(data, name, value)
    return whole_experiment(with_complete_agents(data))


def _curriculum(given: Any, beside: Path | None) -> Any:
    """The mapping of a curriculum that is given as a file or as a list of stages."""
    if isinstance(given, str):
        near = beside / given if beside is not None else Path(given)
        try:
            file = near if near.exists() else Path(given)
            found = read_data(file)
        except OSError as error:  # of a name that is too long
            raise ConfigError(f"curriculum={given!r} is no file: {error.strerror}.") from error
        except ConfigError as error:
            raise ConfigError(f"curriculum={given!r}: {error}") from error
        if not isinstance(found, dict):
            return _curriculum_of(found, given)
        others = {f.name for f in fields(Experiment)} - {f.name for f in fields(CurriculumConfig)}
        if other := [name for name in found if name in others]:
            raise ConfigError(
                f"curriculum={given!r} is no curriculum: it has {other[0]!r}, a setting of a whole"
                f" experiment. Give `--config {quoted(file)}` (in Python, config), or a file of"
                " what is below its `curriculum` alone: a list of stages, or a mapping with"
                " `stages` or `ladder`."
            )
        return found
    return given if given is None else _curriculum_of(given, given)


def _curriculum_of(found: Any, given: Any) -> dict[str, Any]:
    if not isinstance(found, list | dict):
        raise ConfigError(f"curriculum={given!r} must be a file, a list of stages or a mapping.")
    return {"stages": found} if isinstance(found, list) else found


def _by_setting(data: dict[str, Any]) -> dict[str, Any]:
    """The data, with the numbers that vary or evolve by dotted name, also where groups hold
    them."""
    if isinstance(data.get("vary"), Mapping):
        data = {**data, "vary": dotted(data["vary"])}
    population = data.get("population")
    pbt = population.get("pbt") if isinstance(population, Mapping) else None
    if isinstance(pbt, Mapping) and "space" in pbt:
        pbt = {**pbt, "space": ranges_by_setting(pbt["space"])}
        data = {**data, "population": {**cast(Mapping, population), "pbt": pbt}}
    return data


def _algo_as_mapping(algo: Any) -> dict[str, Any]:
    if isinstance(algo, str):
        return {"name": algo}
    if is_dataclass(algo) and hasattr(algo, "name"):
        return as_dict(algo)
    if not isinstance(algo, dict):
        raise ConfigError(
            f"algo={algo!r} must be an algorithm's name or a mapping with its settings."
        )
    return dict(algo)
