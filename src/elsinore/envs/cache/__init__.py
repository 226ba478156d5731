"""Worlds of caching: which answers to fetch before they are asked for, and which to give up."""

import importlib
from typing import Any

WORLDS = {
    "api": "elsinore.envs.cache.api.env:api_cache",
    "trace": "elsinore.envs.cache.trace:trace_cache",
}


def cache(world: str, **kwargs: Any) -> Any:
    """The world that the name `Cache-<world>` stands for; `kwargs` go to what builds it."""
    module, _, function = WORLDS[world].partition(":")
    return getattr(importlib.import_module(module), function)(**kwargs)
