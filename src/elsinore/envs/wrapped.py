"""Wrapped environments taken apart, without gymnax, whose import takes seconds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jaxtyping import PyTree


def is_wrapper(env: Any) -> bool:
    """True for an `elsinore.envs.wrappers.Wrapper`."""
    return getattr(type(env), "is_wrapper", False) is True


def unwrapped(env: Any) -> tuple[Any, Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]]:
    """The environment inside all wrappers, and a function from (state, params) of the wrapped one
    to its own."""
    if not is_wrapper(env):
        return env, lambda state, params: (state, params)
    innermost, bare = unwrapped(env.env)
    return innermost, lambda state, params: bare(*env.bare(state, params))


def entries_of(env: Any) -> tuple[Any, ...]:
    """The wrappers around an environment, the innermost first, as a config writes them."""
    return (*entries_of(env.env), env.entry) if is_wrapper(env) else ()


def modules_in(entries: Any) -> Iterator[str]:
    """Each `"module:name"` in wrappers that are given as in a config."""
    if isinstance(entries, str):
        yield from (entries,) if ":" in entries else ()
    elif isinstance(entries, Mapping | list | tuple):
        for part in entries.values() if isinstance(entries, Mapping) else entries:
            yield from modules_in(part)
