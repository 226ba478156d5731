"""The import of gymnax: without what draws its pictures, and on a platform that is there.

gymnax imports what its pictures are drawn with (seaborn, and with it pandas and scipy, and
matplotlib's pyplot): 1.6 of the 1.9 s that its import takes, in every process that trains. And it
makes an array, so that JAX starts, or fails to, while gymnax is imported.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from elsinore.deferred import deferred

DRAWING = ("seaborn", "matplotlib.pyplot", "matplotlib.animation")


class GymnaxFinder:
    """Finder of gymnax, as Python's, with which its drawing is deferred.

    Raises:
        ConfigError: where gymnax is imported, for a platform that JAX cannot start on.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "gymnax" else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                from elsinore.errors import ConfigError
                from elsinore.jaxtools.platform import platform_refusal

                if refusal := platform_refusal(several=True):
                    raise ConfigError(refusal)
                with deferred(*DRAWING):
                    execute(module)

            spec.loader.exec_module = exec_module  # of this one loader
        return spec


def prepare_gymnax_import() -> None:
    """Have gymnax imported by `GymnaxFinder`, if it is not imported yet."""
    if "gymnax" not in sys.modules:
        sys.meta_path.insert(0, GymnaxFinder())
