"""Load a world file into a `Profile`; an error names the place in the file.

The shipped files are in `worlds/`; a user's has the same form. `extends: base6` starts from a
shipped one: settings replace its settings, and meters, affordances and actions of the same name
change only the fields they give.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from elsinore.config.load import read_yaml
from elsinore.worlds.hamlet import LEVELS
from elsinore.worlds.hamlet.checks import check
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
        profile = TypeAdapter(Profile).validate_python(resolve_extends(data))
        check(profile)
    except ValidationError as error:
        raise ValueError(f"{source}: {'; '.join(map(_told, error.errors()))}.") from error
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    return profile


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
            value = _merged(merged.get(key, []), value)
        elif key == "rewards" and isinstance(value, dict):
            value = {**merged.get(key, {}), **value}
        merged[key] = value
    return merged


def _merged(base: list[Any], own: list[Any]) -> list[Any]:
    """Merge items of the same name, in the place of the first."""
    named = {item["name"]: item for item in base}
    nameless = [
        item for item in own if not (isinstance(item, dict) and isinstance(item.get("name"), str))
    ]
    for item in own:
        if item not in nameless:
            named[item["name"]] = {**named.get(item["name"], {}), **item}
    return [*named.values(), *nameless]  # items without a name are refused by the types


def _path(name: str) -> Path:
    return Path(__file__).parent / "worlds" / f"{name}.yaml"


def _told(error: Any) -> str:
    """`affordances[2].price=-3: Input should be greater than or equal to 0`."""
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]
    ).lstrip(".")
    given = "" if error["type"] == "missing" else f"={error['input']!r}"
    reason = (
        "this key is unknown" if error["type"] == "unexpected_keyword_argument" else error["msg"]
    )
    return f"{place}{given}: {reason}"
