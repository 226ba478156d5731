"""JAX's cache of compiled programs: one line if its folder cannot be used."""

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elsinore.errors import one_line, printable, shortened

FAILED = re.compile(
    r"Error (?:read|writ)ing persistent compilation cache entry for '.*?': \w+: \[Errno \d+\] (.*)",
    re.DOTALL,
)


@contextmanager
def one_line_about_the_cache() -> Iterator[None]:
    """Inside, the first failure of the cache's folder is one line on stderr, and no other is shown;
    jax warns of each program. Other warnings are shown as before."""
    shown, is_said = warnings.showwarning, False

    def show(message: Any, *args: Any, **rest: Any) -> None:
        nonlocal is_said
        failed = FAILED.fullmatch(str(message))
        if failed is None:
            shown(message, *args, **rest)
        elif not is_said:
            is_said = True
            print(f"elsinore: warning: {_explained(failed[1])}", file=sys.stderr)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown


def _explained(reason: str) -> str:
    import jax

    return printable(
        shortened(
            f"the compilation cache {jax.config.jax_compilation_cache_dir} cannot be used"
            f" ({one_line(reason)}), so each process compiles its programs; set"
            " JAX_COMPILATION_CACHE_DIR to a folder that can be written, or unset it."
        )
    )
