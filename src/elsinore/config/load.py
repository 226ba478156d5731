"""Preset, then YAML, then overrides: later ones win, and each is refused where it does not fit."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from elsinore.config.build import ConfigError, build, build_algo
from elsinore.config.experiment import Experiment
from elsinore.config.presets import PRESETS, preset
from elsinore.envs import check_name


def load_experiment(
    env: str | None = None,
    algo: str | None = None,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Experiment:
    """The experiment that a command or a call describes.

    `env` may name a preset (`ppo/CartPole-v1`); `overrides` are dotted names and values (`{"algo.gamma": 0.9}`).

    Raises:
        ConfigError: naming the field, its value and what would do.
    """
    data = read_yaml(Path(config)) if config is not None else {}
    if "sweep" in data:
        raise ConfigError(f"config {config} has a section `sweep`: search with `elsinore sweep {config}`.")
    for name, value in (overrides or {}).items():
        set_dotted(data, name, value)
    if env is not None and env in PRESETS:
        preset_algo, env = env.split("/", 1)
        algo = algo or preset_algo
    if env is not None:
        data["env"] = env
    data["algo"] = _algo_as_mapping(data.get("algo", {}))
    if algo is not None:
        data["algo"]["name"] = algo
    return experiment_from(data, beside=Path(config).parent if config is not None else None)


def experiment_from(data: dict[str, Any], beside: Path | None = None) -> Experiment:
    """An experiment from plain data, on top of the preset for its environment and algorithm.

    A curriculum may be a file's path: from the folder `beside` which it is named, or else from the present one.
    """
    data = {**data, "curriculum": _curriculum(data["curriculum"], beside)} if "curriculum" in data else data
    if isinstance(data.get("imitation"), str):
        data = {**data, "imitation": {"teacher": data["imitation"]}}
    algo = _algo_as_mapping(data.get("algo", {}))
    base = preset(f"{algo.get('name', 'ppo')}/{data.get('env', 'CartPole-v1')}")
    if {"stages", "ladder"} & set(data.get("curriculum") or {}):  # another course, not changes to the preset's
        base = {name: value for name, value in base.items() if name != "curriculum"}
    return whole_experiment(merge(base, {**data, "algo": algo}))


def whole_experiment(data: dict[str, Any]) -> Experiment:
    """An experiment from data that say it all, as a run's config.yaml does: no preset is put under them."""
    if isinstance(data.get("env"), str):
        try:
            check_name(data["env"])
        except ValueError as error:
            raise ConfigError(str(error)) from error
    return build(Experiment, {**data, "algo": build_algo(_algo_as_mapping(data.get("algo", {})))})


def _curriculum(given: Any, beside: Path | None) -> Any:
    """The mapping that a curriculum's path stands for, or a list of stages."""
    if isinstance(given, str):
        near = beside / given if beside is not None else Path(given)
        return read_yaml(near if near.exists() else Path(given))
    return {"stages": given} if isinstance(given, list) else given


def _algo_as_mapping(algo: Any) -> dict[str, Any]:
    if isinstance(algo, str):
        return {"name": algo}
    if not isinstance(algo, dict):
        raise ConfigError(f"algo={algo!r} must be an algorithm's name or a mapping with its settings.")
    return dict(algo)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: where there is no file, it cannot be read, is no YAML, or holds no mapping.
    """
    try:
        text = path.read_text()
        data = yaml.safe_load(text)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(f"config {path} cannot be read: {reason}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict) or not data:
        found = "empty" if not data else f"a {type(data).__name__}"
        raise ConfigError(f"config {path} is {found}; it must hold settings, such as `env: CartPole-v1`.")
    return data


def parse_set(assignments: list[str]) -> dict[str, Any]:
    """`["algo.gamma=0.9", ...]` as a mapping; values are read as YAML."""
    overrides = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {text!r} must have the form name=value, such as --set algo.gamma=0.9.")
        try:
            overrides[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {name}: the value {value!r} is not valid YAML.") from error
    return overrides


def set_dotted(data: dict[str, Any], name: str, value: Any) -> None:
    """`data["a"]["b"] = value` for the name "a.b"."""
    *parents, last = name.split(".")
    if not all((*parents, last)):
        raise ConfigError(f"{name!r} is no setting's name: a part between dots is empty.")
    here = data
    if name == "algo" and isinstance(value, str) and isinstance(data.get("algo"), dict):
        here, last = data["algo"], "name"  # another algorithm's name, beside settings that came before
    for parent in parents:
        if parent == "algo" and isinstance(here.get("algo"), str):
            here["algo"] = {"name": here["algo"]}
        here = here.setdefault(parent, {})
        if not isinstance(here, dict):
            raise ConfigError(f"{name} cannot be set: {parent}={here!r} is a value, not a group of settings.")
    here[last] = value


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings, level by level; where both have a value `top`'s wins."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
