"""From a world file to a `Profile`, refusing whatever does not fit with its place in the file.

Ours lie in `worlds/`; a user's has the same form. `extends: base6` begins from one of ours: settings replace its
settings, and meters, affordances and actions of a name it has change only the fields they give.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from elsinore.envs import HAMLET
from elsinore.envs.hamlet.checks import check
from elsinore.envs.hamlet.profile import Profile

NAMED = ("meters", "affordances", "actions")  # lists of things with names


def profile_of(world: str | Path | Mapping[str, Any]) -> Profile:
    """The world of that name among ours, of a YAML file, or of the data that such a file would hold.

    Raises:
        ValueError: naming the file, the place in it and what would do.
    """
    if isinstance(world, Mapping):
        return built(dict(world), "profile")
    if str(world) in HAMLET:
        return _ours(str(world))
    path = Path(world)
    if not path.is_file():
        raise ValueError(f"profile={str(world)!r} is neither a file nor one of {', '.join(HAMLET)}.")
    return built(_read(path), str(path))


@lru_cache
def _ours(name: str) -> Profile:
    return built(_read(_path(name)), name)


def built(data: dict[str, Any], source: str) -> Profile:
    """The profile that `data` describes; `source` is what to call it in a refusal."""
    try:
        profile = TypeAdapter(Profile).validate_python(whole(data))
        check(profile)
    except ValidationError as error:
        raise ValueError(f"{source}: {'; '.join(map(_told, error.errors()))}.") from error
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    return profile


def whole(data: dict[str, Any]) -> dict[str, Any]:
    """The data with what it extends filled in."""
    data = dict(data)
    base = data.pop("extends", None)
    if base is None:
        return data
    if base not in HAMLET:
        raise ValueError(f"extends={base!r} is not one of {', '.join(HAMLET)}.")
    merged = whole(_read(_path(base)))
    for key, value in data.items():
        if key in NAMED and isinstance(value, list):
            value = _merged(merged.get(key, []), value)
        elif key == "rewards" and isinstance(value, dict):
            value = {**merged.get(key, {}), **value}
        merged[key] = value
    return merged


def _merged(base: list[Any], own: list[Any]) -> list[Any]:
    """Things of the same name become one, in the place of the first."""
    named = {item["name"]: item for item in base}
    nameless = [item for item in own if not (isinstance(item, dict) and isinstance(item.get("name"), str))]
    for item in own:
        if item not in nameless:
            named[item["name"]] = {**named.get(item["name"], {}), **item}
    return [*named.values(), *nameless]  # what has no name is refused where types are


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds {type(data).__name__}; a world is a mapping with name, meters, affordances.")
    return data


def _path(name: str) -> Path:
    return Path(__file__).parent / "worlds" / f"{name}.yaml"


def _told(error: Any) -> str:
    """`affordances[2].price=-3: Input should be greater than or equal to 0`."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    given = "" if error["type"] == "missing" else f"={error['input']!r}"
    reason = "this key is unknown" if error["type"] == "unexpected_keyword_argument" else error["msg"]
    return f"{place}{given}: {reason}"
