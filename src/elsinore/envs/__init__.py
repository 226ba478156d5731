"""Environments: the registry, spaces, and scenes for drawing them."""

from elsinore.envs.registry import check_name, make, names

__all__ = ["check_name", "make", "names"]
