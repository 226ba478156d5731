"""Imports that wait until they are needed.

gymnax imports what its pictures are drawn with (seaborn, and with it pandas and scipy, and
matplotlib's pyplot): 1.6 of the 1.9 s that its import takes, in every process that trains.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

DRAWING = ("seaborn", "matplotlib.pyplot", "matplotlib.animation")


class DeferredModule(ModuleType):
    """A module that is imported when one of its names is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of those that look through all modules, such as `inspect`
            raise AttributeError(f"module {self.__name__!r} is not imported yet")
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def deferred(*names: str) -> Iterator[None]:
    """A context in which imports of these modules give a `DeferredModule`.

    Modules that are imported already stay what they are; after the context all import the modules
    themselves.
    """
    waiting = {name: DeferredModule(name) for name in names if name not in sys.modules}
    sys.modules.update(waiting)
    try:
        yield
    finally:
        for name, module in waiting.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class GymnaxFinder:
    """Finder of gymnax, as Python's, with which its drawing is deferred."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "gymnax" else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                with deferred(*DRAWING):
                    execute(module)

            spec.loader.exec_module = exec_module  # of this one loader
        return spec


def defer_drawing() -> None:
    """Have gymnax imported without what it draws with, if it is not imported yet."""
    if "gymnax" not in sys.modules:
        sys.meta_path.insert(0, GymnaxFinder())
