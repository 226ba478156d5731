"""The experiment that the arguments of a call describe."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from elsinore.config.experiment import Experiment
from elsinore.config.hints import SETTINGS, is_of_algorithm
from elsinore.config.load import load_experiment
from elsinore.config.mappings import dotted, plain
from elsinore.config.parse import as_dict, changed_in, refuse_unwritable
from elsinore.config.yaml_files import parsed_yaml, yaml_text
from elsinore.envs import refuse_no_env, suites
from elsinore.envs.object_names import MADE_WITH, OBJECT, is_made_again, marked
from elsinore.envs.registry import env_of
from elsinore.envs.wrapped import entries_of, modules_in, unwrapped
from elsinore.errors import ConfigError, user_code
from elsinore.runs.lineage.continuation import with_source
from elsinore.runs.lineage.go_on import bring_copy
from elsinore.runs.lineage.source import settings_of_source
from elsinore.runs.trust.trust import Trust


def resolve_experiment(
    env: Any = None,
    algo: Any = None,
    *,
    runs_dir: str | Path = "runs",
    goes_on: str | None = None,
    brings: bool = False,
    **call: Any,
) -> tuple[Experiment, Any]:
    """The experiment of `asked_experiment` with the full names of the run and the checkpoint that
    it begins from, and the environment if it is an object. A run `goes_on`, if one of that name has
    begun, from the checkpoint that it began from; `brings`: its copy is fetched first where it is
    not here."""
    experiment, env_object = asked_experiment(env, algo, runs_dir=runs_dir, **call)
    begun = []
    if goes_on is not None:
        if brings:
            bring_copy(Path(runs_dir), goes_on, experiment.sinks.remote.url)
        begun = [path for path in [Path(runs_dir) / goes_on / "config.yaml"] if path.is_file()]
    return with_source(experiment, Path(runs_dir), env_object, begun), env_object


def asked_experiment(
    env: Any = None,
    algo: Any = None,
    *,
    config: Any = None,
    overrides: Any = None,
    runs_dir: str | Path = "runs",
    trust: Trust = False,
    **named: Any,
) -> tuple[Experiment, Any]:
    """The experiment of a call's arguments with `start` as it is asked for, and the environment if
    it is an object.

    `named` are overrides, too, unless they are None; `overrides` win over them. A run that begins
    from another one, by `start.run` in the overrides, has the other's settings where none are
    given.
    """
    env_object = None if env is None or isinstance(env, str) else suites.adapted(env)
    made_with: dict[str, Any] = {}
    if env_object is not None:
        with user_code(env=env_object):
            refuse_no_env(env_object)
    overrides = dict(overrides or {})
    if env_object is not None:
        if "env" in overrides:
            raise ConfigError(
                f"env={overrides['env']!r} is a name, and env is given as an object, too; give one"
                " of them."
            )
        env, recorded = _description_of(env_object, overrides)
        given, overrides = overrides, recorded | overrides
        made_again = recorded.get("wrappers") and getattr(env_object, "made_from", None)
        if made_again and not list(modules_in(recorded["wrappers"])):
            env_object = None
        else:
            _refuse_kwargs(given)
            made_with = recorded.get("env_kwargs", {})
    overrides = {name: value for name, value in named.items() if value is not None} | overrides
    if (source := dotted(overrides).get("start.run")) and env is algo is config is None:
        config = settings_of_source(str(source), Path(runs_dir), trust, dotted(overrides))
    experiment = load_experiment(env, algo, config, overrides)
    if env_object is not None:  # which has neither the arguments of a preset nor those of a config
        experiment = replace(experiment, env_kwargs=plain(made_with))
    return experiment, env_object


def as_override(name: str, value: Any) -> str:
    """The way to give a setting to a function that has no argument of this name, or the call that
    `resume` means; empty for no setting."""
    if name == "resume":
        return f"continue a run with elsinore.resume({value!r})"
    meant = setting_of(name)
    if meant == "env_params" and (changed := changed_in(value)):  # a record is no mapping
        given = {f"{meant}.{field}": x for field, x in changed.items()}
        return f"give what differs as overrides={given!r}"
    return f"give this setting as overrides={{{meant!r}: {value!r}}}" if meant else ""


def setting_of(name: str) -> str:
    """The setting, by its dotted name, that a name means, here or elsewhere; empty for none."""
    known = name if name.partition(".")[0] in Experiment.__dataclass_fields__ else ""
    known = f"algo.{name}" if is_of_algorithm(name) else known
    return SETTINGS.get(name.lower(), known)


def _refuse_kwargs(names: Iterable[str]) -> None:
    """Refuse arguments of a constructor beside an object, which would not have them.

    Raises:
        ConfigError: naming the setting.
    """
    for name in names:
        if name.partition(".")[0] == "env_kwargs":
            raise ConfigError(
                f"{name} goes to the constructor of an environment, and env is an object, which"
                " has been made; give it to its constructor, or the environment by name."
            )


def _description_of(env: Any, overrides: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(the name, the settings) by which a config records an environment that is an object.

    Raises:
        ConfigError: for wrappers both around it and in the overrides.
    """
    (innermost, _), wrappers = unwrapped(env), list(entries_of(env))
    if wrappers and "wrappers" in overrides:
        raise ConfigError(
            f"wrappers={overrides['wrappers']!r} and an env in {wrappers!r} are both given; give"
            " one of them."
        )
    settings: dict[str, Any] = {"wrappers": wrappers} if wrappers else {}
    if wrappers and (made_from := getattr(env, "made_from", None)):
        return made_from, settings
    name = f"{type(innermost).__module__}:{type(innermost).__qualname__}"
    adapted = name.startswith(("elsinore.envs.suites.", "elsinore.envs.host:"))
    if adapted or name.startswith("gymnax."):
        name = getattr(innermost, "name", name)
    if dataclasses.is_dataclass(innermost):  # how to make it again
        return name, settings | {"env_kwargs": dataclasses.asdict(innermost)}
    made_with, kwargs = getattr(innermost, MADE_WITH, ("", {}))
    again = partial(env_of, made_with, kwargs)
    if kwargs and _can_be_written(kwargs) and (adapted or is_made_again(innermost, again)):
        return made_with, settings | {"env_kwargs": kwargs}
    if adapted:
        return f"{name.removesuffix(OBJECT)}{OBJECT}" if kwargs else name, settings
    return marked(name, innermost), settings


def _can_be_written(kwargs: dict[str, Any]) -> bool:
    """True if a config file gives these arguments back as they are. Of a tuple it makes a list."""
    try:
        refuse_unwritable(kwargs, "env_kwargs")
        return parsed_yaml(yaml_text(as_dict(kwargs))) == kwargs
    except ValueError:
        return False
