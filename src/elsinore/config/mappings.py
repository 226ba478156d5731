"""Settings as nested mappings, and by dotted name."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from elsinore.errors import ConfigError

# Groups that text may stand for, and the setting that the text then is.
NAMED = {"algo": "name", "imitation": "teacher"}
NUMERIC = ("b", "i", "u", "f")  # Kinds of the dtypes of arrays that are numbers.
# Groups that true or false may stand for.
SWITCHES = ("convergence", "sinks.mlflow", "sinks.wandb")


def plain(settings: Any) -> Any:
    """A copy of settings, with Python's lists and numbers in place of arrays of numpy and JAX. An
    object that cannot be copied is as it is: no setting can be one, and its refusal names it."""
    if isinstance(settings, Mapping):
        return {name: plain(value) for name, value in settings.items()}
    if type(settings) in (list, tuple):
        return type(settings)(map(plain, settings))
    numeric = getattr(getattr(settings, "dtype", None), "kind", None) in NUMERIC
    if numeric:
        return settings.tolist()
    try:
        return copy.deepcopy(settings)
    except Exception:  # of any type: objects say by their own methods what they cannot
        return settings


def set_dotted(data: dict[str, Any], name: str, value: Any) -> None:
    """Set `data["a"]["b"] = value` for the name "a.b"."""
    *parents, last = name.split(".")
    if not all((*parents, last)):
        raise ConfigError(f"{name!r} is not a setting: a part between dots is empty.")
    if name in SWITCHES and isinstance(value, bool):
        parents, last = name.split("."), "enabled"
    here = data
    if name in NAMED and isinstance(value, str) and isinstance(data.get(name), dict):
        # another name, beside earlier settings
        here, last = data[name], NAMED[name]
    for depth, parent in enumerate(parents, 1):
        there = here.get(parent)
        if there is None:  # absent, or off
            here[parent] = {}
        elif parent in NAMED and isinstance(there, str):
            here[parent] = {NAMED[parent]: there}
        elif isinstance(there, bool) and ".".join(parents[:depth]) in SWITCHES:
            here[parent] = {"enabled": there}
        here = here[parent]
        if not isinstance(here, dict):
            raise ConfigError(
                f"{name} cannot be set: {parent}={here!r} is a value, not a group of settings;"
                " leave one of the two out."
            )
    here[last] = value


def nested(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`; `prefix` is the name of the group, for a refusal.

    Raises:
        ConfigError: if a setting is given in both forms.
    """
    by_dotted_name = [name for name in data if isinstance(name, str) and "." in name]
    found = {name: value for name, value in data.items() if name not in by_dotted_name}
    for name in by_dotted_name:
        if any(given == name or given.startswith(f"{name}.") for given in dotted(found)):
            raise ConfigError(f"{prefix}{name} is given twice; leave one of the two out.")
        set_dotted(found, name, data[name])
    names = Counter(_names_in(found))
    for name in (name for name, times in names.items() if times > 1):  # within a group
        raise ConfigError(f"{prefix}{name} is given twice; leave one of the two out.")
    return found


def in_groups(data: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a file or a call, `nested`, those of the algorithm, too.

    Raises:
        ConfigError: if a setting is given in both forms.
    """
    found = nested(data)
    if isinstance(found.get("algo"), dict):
        found["algo"] = nested(found["algo"], "algo.")
    return found


def _names_in(data: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted name of each setting, as often as it is given."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _names_in(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def dotted(
    data: Mapping[str, Any],
    prefix: str = "",
    is_group: Callable[[Any], bool] = lambda value: isinstance(value, Mapping),
) -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        flat |= dotted(value, f"{name}.", is_group) if is_group(value) else {name: value}
    return flat


def ranges_by_setting(space: Any) -> Any:
    """`{"a": {"b": {"uniform": [0, 1]}}}` as `{"a.b": {"uniform": [0, 1]}}`; what is no mapping as
    it is."""

    def is_group(value: Any) -> bool:  # a range has a list
        return isinstance(value, Mapping) and bool(value) and all(map(is_mapping, value.values()))

    def is_mapping(value: Any) -> bool:
        return isinstance(value, Mapping)

    return dotted(space, is_group=is_group) if is_mapping(space) else space


def in_full(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with mappings where text, true or false, or a list of agents stand for a group."""
    given = dict(data)
    if isinstance(agents := given.get("agents"), list | tuple) and agents:
        given["agents"] = {"number": len(agents), "each": agents}
    for name, setting in NAMED.items():
        if isinstance(given.get(name), str):
            given[name] = {setting: given[name]}
    for name in SWITCHES:
        group, _, rest = name.partition(".")
        here = given.get(group)
        if not rest and isinstance(here, bool):
            given[group] = {"enabled": here}
        elif isinstance(here, Mapping) and isinstance(here.get(rest), bool):
            given[group] = {**here, rest: {"enabled": here[rest]}}
    return given


def merge_settings(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings, level by level; the values of `top` win."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        merged[key] = (
            merge_settings(old, value)
            if isinstance(old, dict) and isinstance(value, dict)
            else value
        )
    return merged
