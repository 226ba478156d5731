"""Programs that stand in strings, such as those that tests give to `python -c`, use what exists.

Neither the linter nor the type checker reads them, and the tests that run them may be slow ones.
"""

import ast
import builtins
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = ("tests", "benchmarks", "scripts", "src/elsinore")
FILES = [path for folder in FOLDERS for path in sorted(Path(folder).rglob("*.py"))]


def text_of(node: ast.AST) -> str | None:
    """The text of a literal, with `0` for what an f-string fills in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "0" for part in node.values)
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None


def programs(source: str) -> Iterator[tuple[int, ast.Module]]:
    """(line, tree) of each string of `source` that is Python and imports something of ours."""
    for node in ast.walk(ast.parse(source)):
        text = text_of(node) or ""
        if "import" in text and "elsinore" in text:
            try:
                tree = ast.parse(textwrap.dedent(text).replace("%d", "0"))
            except SyntaxError:
                continue
            if any(isinstance(each, ast.Import | ast.ImportFrom) for each in ast.walk(tree)):
                yield node.lineno, tree


def faults(tree: ast.Module) -> list[str]:
    """Names that `tree` reads and nothing in it binds, and names it imports that do not exist."""
    bound, found = set(dir(builtins)), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(name.asname or name.name).split(".")[0] for name in node.names}
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in bound:
            found.append(node.id)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("elsinore"):
            found += [f"{node.module}:{name.name}" for name in node.names if not exists(node, name)]
    return found


def exists(node: ast.ImportFrom, name: ast.alias) -> bool:
    try:
        exec(f"from {node.module} import {name.name}", {})
    except ImportError:
        return False
    return True


WITH_PROGRAMS = [path for path in FILES if any(programs(path.read_text()))]


@pytest.mark.parametrize("path", WITH_PROGRAMS, ids=str)
def test_a_program_in_a_string_uses_names_that_exist(path):
    found = [(line, faults(tree)) for line, tree in programs(path.read_text())]
    assert [each for each in found if each[1]] == []
