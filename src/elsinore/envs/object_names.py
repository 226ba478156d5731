"""The name by which a config records an environment object, with a mark where that name does not
make the object again. Nothing heavy is imported: suites, which have the mark too, are text."""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

from elsinore.errors import ConfigError

OBJECT = " (object)"  # ends the name of an object that this name does not make again
# An attribute of an environment that was made by its name with arguments: the two.
MADE_WITH = "_elsinore_made_with"
GENERATORS = ("Random", "Generator", "RandomState")  # of Python and numpy; their state is no matter


def refuse_object(name: str) -> None:
    """Refuse the name of an environment that was given as an object and cannot be made by its name.

    Raises:
        ConfigError: with the calls that take the object.
    """
    if name.endswith(OBJECT):
        raise ConfigError(
            f"env={name!r} was an object, which its name does not make again; give that object in"
            " Python: elsinore.train(env), elsinore.resume(run, env=env), elsinore.load(run,"
            " env=env)."
        )


def name_of_object(env: Any) -> str:
    """The name of an object's class, or of a function, marked as by `marked`."""
    kind = env if inspect.isroutine(env) else type(env)
    return marked(f"{kind.__module__}:{kind.__qualname__}", env)


def marked(name: str, env: Any) -> str:
    """The name with `OBJECT` at its end, unless the object is a function, or its class makes a like
    one without arguments."""
    return name if inspect.isroutine(env) or is_made_again(env, type(env)) else f"{name}{OBJECT}"


def is_made_again(env: Any, make: Callable[[], Any]) -> bool:
    """True if `make` gives an object like this one."""
    in_python = not hasattr(env, "reset_env")  # then its attributes change while it is stepped
    try:
        if in_python and not inspect.signature(make).parameters:
            return True
        made = make()
        try:
            return _same(_fields(env), _fields(made), {})
        finally:
            if in_python and hasattr(made, "close"):
                made.close()
    except Exception:  # the user's constructor, or a comparison of theirs, may raise anything
        return False


def _fields(x: Any) -> dict[str, Any]:
    """The attributes of an object, but for those that are computed when first asked for."""
    late = functools.cached_property
    return {k: v for k, v in vars(x).items() if not isinstance(getattr(type(x), k, None), late)}


def _same(a: Any, b: Any, compared: dict[tuple[int, int], Any]) -> bool:
    """True for arrays of the same bytes, functions of the same code, objects of the same attributes
    and other values that are equal."""
    if a is b or (id(a), id(b)) in compared:  # objects may hold each other
        return True
    if type(a) is not type(b):
        return False
    compared[id(a), id(b)] = a, b  # kept, for an id is given again
    if hasattr(a, "__array__"):
        x, y = a.__array__(), b.__array__()
        return (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
    x, y = _parts(a), _parts(b)
    if x is None or y is None:
        return type(a).__name__ in GENERATORS or bool(a == b or (a != a and b != b))
    return len(x) == len(y) and all(_same(p, q, compared) for p, q in zip(x, y, strict=True))


def _parts(x: Any) -> list[Any] | None:
    """The parts of a value, to be compared one by one; None for one that is compared as a whole."""
    if isinstance(x, dict):
        return [*x, *x.values()]
    if isinstance(x, list | tuple):
        return [*x]
    if isinstance(x, functools.partial):
        return [x.func, x.args, x.keywords]
    if isinstance(x, types.MethodType):
        return [x.__func__, x.__self__]
    if isinstance(x, types.FunctionType):
        cells = [cell.cell_contents for cell in x.__closure__ or ()]
        return [x.__code__, x.__defaults__, x.__kwdefaults__, *cells]
    if hasattr(x, "__wrapped__"):  # a function that jax compiles
        return [x.__wrapped__]
    whole = isinstance(x, type | types.ModuleType) or type(x).__name__ in GENERATORS
    return None if whole or not hasattr(x, "__dict__") else [_fields(x)]
