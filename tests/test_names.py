"""The names that code asks for exist, also in programs that stand in strings.

No type checker of ours looks: flax's attributes are made as a program runs, and no linter reads
strings, such as those that tests give to `python -c`. A slow test would be the last to show it.
"""

import ast
import builtins
import re
import textwrap
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from tests.sources import FILES, OUTSIDE, ROOT, broken, nodes_of

OURS = ("elsinore", "benchmarks", "tests")
# peers run in environments of their own
CALLERS = FILES + [path for path in OUTSIDE if "peers" not in path.parts]
Nodes = Sequence[ast.AST]


def imported(nodes: Nodes) -> Iterator[tuple[ast.ImportFrom, ast.alias]]:
    """What code imports from modules of ours."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            yield from ((node, name) for name in node.names)


def found_in(module: str, name: str) -> Any:
    """What `from module import name` gives.

    Raises:
        ImportError: if there is nothing of that name.
    """
    home = import_module(module)
    return getattr(home, name) if hasattr(home, name) else import_module(f"{module}.{name}")


def missing_names(nodes: Nodes) -> Iterator[str]:
    """Names asked of a module of ours (`module.name`, or `from module import name`) that it has
    not."""
    bound = {}
    for node, name in imported(nodes):
        try:
            bound[name.asname or name.name] = found_in(node.module or "", name.name)
        except ImportError:
            yield f"line {node.lineno}: {node.module}.{name.name}"
    for node in nodes:  # a name that stands for something else too says nothing
        if isinstance(node, ast.arg) or (
            isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ):
            bound.pop(node.arg if isinstance(node, ast.arg) else node.id, None)
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = bound.get(node.value.id)
            if isinstance(owner, ModuleType) and not hasattr(owner, node.attr):
                yield f"line {node.lineno}: {owner.__name__}.{node.attr}"


def unbound_names(nodes: Nodes) -> Iterator[str]:
    """Names that code reads and that nothing in it binds."""
    bound = set(dir(builtins))
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(name.asname or name.name).split(".")[0] for name in node.names}
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            bound.add(node.name or "")
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    for node in nodes:
        if isinstance(node, ast.Name) and node.id not in bound:
            yield f"line {node.lineno}: {node.id}"


def text_of(node: ast.AST) -> str | None:
    """The text of a literal, with `0` for what an f-string fills in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "0" for part in node.values)
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None


def programs(nodes: Nodes) -> Iterator[Nodes]:
    """The nodes of each string in code that is Python and imports something of ours."""
    for node in nodes:
        text = text_of(node) or ""
        if "import" in text and "elsinore" in text:
            try:
                program = list(ast.walk(ast.parse(textwrap.dedent(text).replace("%d", "0"))))
            except SyntaxError:
                continue
            if any(isinstance(each, ast.Import | ast.ImportFrom) for each in program):
                yield program


def missing_in_strings(nodes: Nodes) -> list[str]:
    """Names that the programs in strings ask for in vain; lines are counted in each string."""
    return [
        name
        for program in programs(nodes)
        for name in (*missing_names(program), *unbound_names(program))
    ]


def test_what_is_asked_of_a_module_is_there():
    assert broken(lambda path: list(missing_names(nodes_of(path))), CALLERS) == {}


def test_what_a_program_in_a_string_asks_for_is_there():
    assert broken(lambda path: missing_in_strings(nodes_of(path)), FILES + OUTSIDE) == {}


def test_a_name_that_is_gone_is_found():
    code = "from benchmarks import tables, gone\ntables.TABLES\ntables.held_out\n"
    assert list(missing_names(list(ast.walk(ast.parse(code))))) == [
        "line 1: benchmarks.gone",
        "line 3: benchmarks.tables.held_out",
    ]


def test_a_name_that_is_gone_is_found_in_a_string():
    program = "from {}.runs import trust\ntrust.held_out(3)\nsigned.sign()".format("elsinore")
    code = f"given = {program!r}"
    assert missing_in_strings(list(ast.walk(ast.parse(code)))) == [
        "line 2: elsinore.runs.trust.held_out",
        "line 3: signed",
    ]


def named_in(page: str) -> set[tuple[str, str]]:
    """(file, function) of each test that a page names, the file below `tests`."""
    found = re.findall(r"`(?:tests/)?([\w/]+\.py)::(?:Test\w+::)?(test_\w+)", page)
    return set(found)


def has_test(file: str, name: str) -> bool:
    path = ROOT / "tests" / file
    return path.exists() and f"def {name}(" in path.read_text()


def test_a_test_that_a_page_names_is_there():
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    named = {each for page in pages for each in named_in(page.read_text())}
    assert len(named) > 50
    assert [each for each in sorted(named) if not has_test(*each)] == []
