"""Constructors of the cache environments by name."""

from typing import Any

from elsinore.arguments import check_settings
from elsinore.imports import import_object

CONSTRUCTORS = {
    "Cache-api": "elsinore.worlds.cache.api.env:api_cache",
    "Cache-trace": "elsinore.worlds.cache.trace.env:TraceCache",
}


def make_cache(name: str, **kwargs: Any) -> Any:
    """Make the environment of that name; `kwargs` go to its constructor."""
    constructor = import_object(CONSTRUCTORS[name], "env")
    check_settings(constructor, kwargs, "env_kwargs")
    return constructor(**kwargs)
