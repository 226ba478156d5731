"""The code that a run's settings name as `"module:name"`: where it is, and how it is marked so that
nothing imports it."""

from collections.abc import Iterator, Mapping
from functools import cache
from re import fullmatch
from typing import Any

from elsinore.algos.registry import ALGORITHMS
from elsinore.config.imitation import teachers
from elsinore.config.presets import PRESETS
from elsinore.imports import UntrustedName, current_name

CODE_SETTINGS = (
    "env",
    "algo",
    "algo.name",
    "algo.network.custom",
    "algo.network.encoder",
    "agents",
    "imitation",
    "imitation.teacher",
    "sweep.space",
    "wrappers",
)
BUILT_IN_NETWORK = r"elsinore\.worlds\.\w+\.nets(\.\w+)*:\w+"


def code_in(data: Mapping[str, Any]) -> dict[str, str]:
    """The code from outside elsinore and its plug-ins that settings name, by setting."""
    found = {}
    for setting in CODE_SETTINGS:
        value: Any = data
        for part in setting.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if setting in ("sweep.space", "wrappers", "agents"):
            texts = enumerate(filter(_is_code, _texts(value)))
            found |= {f"{setting}[{i}]": text for i, text in texts}
        elif _is_code(value):
            found[setting] = value
    return found


def marked(data: Any) -> Any:
    """Plain data with every text that could be imported as an `UntrustedName`."""
    return _marked(data, {})


def _marked(data: Any, done: dict[int, Any]) -> Any:
    if id(data) in done:  # YAML may hold one list at many places, or within itself
        return done[id(data)]
    if isinstance(data, dict):
        done[id(data)] = copy = {}
        copy.update((key, _marked(value, done)) for key, value in data.items())
        return copy
    if isinstance(data, list):
        done[id(data)] = copy = []
        copy.extend(_marked(value, done) for value in data)
        return copy
    return UntrustedName(data) if _is_code(data) else data


def _is_code(text: Any) -> bool:
    return isinstance(text, str) and ":" in text and not _is_known(current_name(text))


def _is_known(name: str) -> bool:
    """True for code of elsinore or of a plug-in that settings name by themselves."""
    return name in _known_names() or fullmatch(BUILT_IN_NETWORK, name) is not None


@cache
def _known_names() -> frozenset[str]:
    return frozenset({*ALGORITHMS.values(), *teachers().values(), *_texts(dict(PRESETS))})


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list | tuple):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _texts(value)
