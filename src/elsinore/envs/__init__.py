"""Environments: the registry, spaces, and scenes for drawing them."""

from elsinore.envs.make import make
from elsinore.envs.registry import check_name, is_known, names, refuse_no_env

__all__ = ["check_name", "is_known", "make", "names", "refuse_no_env"]
