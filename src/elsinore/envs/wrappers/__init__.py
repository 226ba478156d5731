"""Wrappers: pure environments around others, by name (`wrap`)."""

from elsinore.envs.wrappers.wrap import WRAPPERS, wrap
from elsinore.envs.wrappers.wrapper import Wrapper

__all__ = ["WRAPPERS", "Wrapper", "wrap"]
