"""Each algorithm's file shows only what makes it that algorithm: siblings share few lines.

The rule of counting: a file's lines are those of its code without blank ones, imports, docstrings
and comments, each stripped of its indentation. Lines that two files share are counted as often as
both have them (the intersection of multisets), and are a share of the lines of the shorter file.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

ALGOS = Path(__file__).resolve().parents[2] / "src" / "elsinore" / "algos"
PAIRS = (("a2c", "ppo"), ("pqn", "dqn"), ("td3", "sac"), ("sac_discrete", "sac"))
MOST = 0.20


def lines_of_code(text: str) -> Counter[str]:
    """The lines that count, and how often each is there."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        string = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom) or (
            string and isinstance(node.value.value, str)
        ):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    numbered = enumerate(text.splitlines(), 1)
    code = (line.split("  # ")[0] for i, line in numbered if i not in left_out)
    return Counter(
        stripped for line in code if (stripped := line.strip()) and not stripped.startswith("#")
    )


def shared(a: Counter[str], b: Counter[str]) -> float:
    """The share of the shorter one's lines that both have."""
    return (a & b).total() / min(a.total(), b.total())


def test_the_rule_counts_code_alone_and_a_line_as_often_as_both_have_it():
    first = '"""Docs."""\nimport os\n\n# why\nx = 1  # one\nx = 1\ny = 2\n'
    second = '"""Docs."""\nimport os\nx = 1\nz = 3\n'
    assert lines_of_code(first) == {"x = 1": 2, "y = 2": 1}
    assert shared(lines_of_code(first), lines_of_code(second)) == 1 / 2


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_siblings_share_fewer_than_a_fifth_of_the_shorter_ones_lines(one, other):
    a, b = (lines_of_code((ALGOS / f"{name}.py").read_text()) for name in (one, other))
    assert shared(a, b) < MOST, sorted((a & b).elements())
