"""The package's files, parsed once, for tests that hold a rule over all of them."""

import ast
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "elsinore"
FILES = sorted(SOURCE.rglob("*.py"))
OUTSIDE = [
    path
    for folder in ("tests", "benchmarks", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text())


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file's syntax tree."""
    return tuple(ast.walk(tree_of(path)))


def name_of(path: Path) -> str:
    """A file's path below the package, or below the repository if it is outside the package."""
    return path.relative_to(SOURCE if path.is_relative_to(SOURCE) else ROOT).as_posix()


def folder_of(path: Path) -> str:
    """The folder of the package that a file is in; the file's own name if it is in none."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def broken(rule: Callable[[Path], Any], paths: Iterable[Path] = FILES) -> dict[str, Any]:
    """What `rule(path)` finds in each file in which it finds something."""
    return {name_of(path): found for path in paths if (found := rule(path))}
