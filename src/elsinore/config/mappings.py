"""Settings as nested mappings, and by dotted name."""

from collections.abc import Mapping
from typing import Any

from elsinore.errors import ConfigError


def set_dotted(data: dict[str, Any], name: str, value: Any) -> None:
    """Set `data["a"]["b"] = value` for the name "a.b"."""
    *parents, last = name.split(".")
    if not all((*parents, last)):
        raise ConfigError(f"{name!r} is not a setting: a part between dots is empty.")
    here = data
    if name == "algo" and isinstance(value, str) and isinstance(data.get("algo"), dict):
        # another algorithm's name, beside earlier settings
        here, last = data["algo"], "name"
    for parent in parents:
        if parent == "algo" and isinstance(here.get("algo"), str):
            here["algo"] = {"name": here["algo"]}
        here = here.setdefault(parent, {})
        if not isinstance(here, dict):
            raise ConfigError(
                f"{name} cannot be set: {parent}={here!r} is a value, not a group of settings."
            )
    here[last] = value


def dotted(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        flat |= dotted(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


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
