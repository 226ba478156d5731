"""Code that settings name: `"module:name"`.

`import_object` is the one way from a name in a config to code.
"""

import importlib
import inspect
import operator
import os
import sys
from collections.abc import Callable
from typing import Any

from elsinore.errors import ConfigError

# Modules that runs of before the worlds became plug-ins name in their config.
MOVED = {
    "elsinore.nets.candidates": "elsinore.worlds.cache.nets",
    "elsinore.nets.places": "elsinore.worlds.hamlet.nets",
    "elsinore.envs.balatro.players": "elsinore.worlds.balatro.baselines",
    "elsinore.envs.cache.trace.teacher": "elsinore.worlds.cache.trace.teacher",
}


class UntrustedName(str):
    """A `"module:name"` from the files of a run whose code this user has not agreed to import."""

    __slots__ = ()


def current_name(path: str) -> str:
    """`"module:name"` with the module's present place."""
    module, colon, name = path.partition(":")
    return f"{MOVED.get(module, module)}{colon}{name}"


def import_object(path: str, field: str) -> Any:
    """The object at `"module:name"`, where the name may have parts: `"module:Class.Inner"`.

    Raises:
        ConfigError: naming the config field, the object that cannot be imported, and why; for text
            of another form and for an `UntrustedName` before anything is imported.
    """
    if isinstance(path, UntrustedName):
        raise ConfigError(
            f"{field}={path!r} is code, named by a file that carries no signature of yours; read"
            f" the module {path.partition(':')[0]!r}, then allow it with --trust (in Python,"
            " trust=True)."
        )
    module, _, name = current_name(path).partition(":")
    if not (module and name):
        raise ConfigError(f"{field}={path!r} must be 'module:name', such as 'my_code:MyClass'.")
    if "/" in module or module.endswith(".py"):
        parts = [x for x in module.removesuffix(".py").split("/") if x not in ("", ".")]
        outside = module.startswith("/") or ".." in parts
        dotted = ".".join(parts[-1:] if outside else parts)
        raise ConfigError(
            f"{field}={path!r} names a file; write its module, '{dotted}:{name}', with the folder"
            " of the module on the Python path (the current folder is)."
        )
    try:
        return operator.attrgetter(name)(importlib.import_module(module))
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        plain = isinstance(error, ImportError | AttributeError)
        message = error if plain else f"{type(error).__name__}: {error}"
        remedy = (
            "Give it as 'module:name', with the module on the Python path (the current folder is)."
        )
        file = str(getattr(sys.modules.get(module), "__file__", ""))
        installed = module.partition(".")[0] in sys.stdlib_module_names or "-packages" in file
        hidden = os.path.isfile(f"{module.replace('.', os.sep)}.py")
        if isinstance(error, AttributeError) and installed and hidden:
            remedy = f"It is the installed {file}, which comes before a file of yours; rename that."
        if module == "__main__" or "<" in name:
            remedy = (
                "It was made in a script, in a notebook or inside a function: continue there, once"
                " it is made again, or move it to a module of its own and begin a new run."
            )
        raise ConfigError(f"{field}={path!r} cannot be imported: {message}. {remedy}") from error


def import_callable(
    path: str, field: str, wanted: str = "a class or a Python function"
) -> Callable[..., Any]:
    """The class or Python function at `"module:name"`, which the caller is about to call.

    Raises:
        ConfigError: as `import_object`, and for an object of another kind, or one of the standard
            library, also where another module imports it (`mine:system`).
    """
    found = import_object(path, field)
    made = inspect.unwrap(found)
    if not (inspect.isclass(made) or inspect.isfunction(made)):
        kind = type(made).__name__
        raise ConfigError(f"{field}={path!r} is of type {kind}; it must be {wanted}.")
    if str(made.__module__).partition(".")[0] in sys.stdlib_module_names:
        raise ConfigError(
            f"{field}={path!r} is {made.__module__}.{made.__qualname__} of Python's standard"
            f" library, and is not called; it must be {wanted} of your own."
        )
    return found
