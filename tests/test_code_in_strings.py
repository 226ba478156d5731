"""Programs that stand in strings, such as those that tests give to `python -c`, use what exists.

Neither the linter nor the type checker reads them, and the tests that run them may be slow ones.
"""

import ast
import builtins
import textwrap
from collections.abc import Iterable, Iterator

from tests.sources import FILES, OUTSIDE, broken, nodes_of


def text_of(node: ast.AST) -> str | None:
    """The text of a literal, with `0` for what an f-string fills in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "0" for part in node.values)
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None


def programs(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, ast.Module]]:
    """(line, tree) of each string in code that is Python and imports something of ours."""
    for node in nodes:
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


def faults_of(nodes: Iterable[ast.AST]) -> list[tuple[int, list[str]]]:
    """(line, faults) of each program in a string of code that has some."""
    return [(line, found) for line, tree in programs(nodes) if (found := faults(tree))]


def test_a_program_in_a_string_uses_names_that_exist():
    assert broken(lambda path: faults_of(nodes_of(path)), FILES + OUTSIDE) == {}


def test_a_name_that_is_gone_is_found():
    program = "from {}.runs import trust, gone\nsigned.sign(trust)".format("elsinore")
    assert faults_of(ast.walk(ast.parse(f"given = {program!r}"))) == [
        (1, ["elsinore.runs:gone", "signed"])
    ]
