"""Load a world file into a `Profile`; an error names the place in the file.

The shipped files are in `worlds/`; a user's has the same form. `extends: base6` starts from a
shipped one: settings replace its settings, and meters, affordances and actions of the same name
change only the fields they give.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from elsinore.config.parse import build, convert
from elsinore.config.yaml_files import read_yaml
from elsinore.worlds.hamlet import LEVELS
from elsinore.worlds.hamlet.checks import check, check_known
from elsinore.worlds.hamlet.incentives import INCENTIVES
from elsinore.worlds.hamlet.profile import Profile

NAMED = ("meters", "affordances", "actions")  # lists of named items


def load_profile(world: str | Path | Mapping[str, Any]) -> Profile:
    """Profile of a shipped level, of a YAML file, or of the data that such a file would hold.

    Raises:
        ValueError: naming the file, the place in it and a remedy.
    """
    if isinstance(world, Mapping):
        return build_profile(dict(world), "profile")
    if str(world) in LEVELS:
        return _ours(str(world))
    path = Path(world)
    if not path.is_file():
        raise ValueError(
            f"profile={str(world)!r} is neither a file nor one of {', '.join(LEVELS)}."
        )
    return build_profile(read_yaml(path), str(path))


@lru_cache
def _ours(name: str) -> Profile:
    return build_profile(read_yaml(_path(name)), name)


def build_profile(data: dict[str, Any], source: str) -> Profile:
    """Build and check the profile that `data` describes; errors begin with `source`."""
    try:
        data = resolve_extends(data)
        profile = build(Profile, data | {"rewards": _rewards(data.get("rewards", {}))})
        check(profile)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    return profile


def _rewards(data: Any) -> dict[str, Any]:
    """The records of reward terms; a term's `kind` chooses its class."""
    records = {}
    for name, term in convert(dict, data, "rewards").items():
        fields = convert(dict, term, f"rewards.{name}")
        kind = fields.pop("kind", None)
        check_known(f"rewards.{name}.kind", kind, INCENTIVES)
        records[name] = build(INCENTIVES[kind], fields, f"rewards.{name}")
    return records


def resolve_extends(data: dict[str, Any]) -> dict[str, Any]:
    """Merge the data over the shipped profile that it extends."""
    data = dict(data)
    base = data.pop("extends", None)
    if base is None:
        return data
    if base not in LEVELS:
        raise ValueError(f"extends={base!r} is not one of {', '.join(LEVELS)}.")
    merged = resolve_extends(read_yaml(_path(base)))
    for key, value in data.items():
        if key in NAMED and isinstance(value, list):
            value = _merged(key, merged.get(key, []), value)
        elif key == "rewards" and isinstance(value, dict):
            value = {**merged.get(key, {}), **value}
        merged[key] = value
    return merged


def _merged(key: str, base: list[Any], own: list[Any]) -> list[Any]:
    """Merge items of the same name, in the place of the first."""
    named = {item["name"]: item for item in base}
    nameless = [
        item for item in own if not (isinstance(item, dict) and isinstance(item.get("name"), str))
    ]
    given: set[str] = set()
    for i, item in enumerate(own):
        if item not in nameless:
            if item["name"] in given:
                raise ValueError(
                    f"{key}[{i}].name={item['name']!r} is taken; put all its fields in one place."
                )
            given.add(item["name"])
            named[item["name"]] = {**named.get(item["name"], {}), **item}
    return [*named.values(), *nameless]  # items without a name are refused by the types


def _path(name: str) -> Path:
    return Path(__file__).parent / "worlds" / f"{name}.yaml"
