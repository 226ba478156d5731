"""axe-core's rules of accessibility on an open page (WCAG 2.1, levels A and AA)."""

from pathlib import Path

import pytest

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


def violations(page) -> list[str]:
    """The rules that a page breaks, each with the first element that does."""
    package = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    page.evaluate((Path(package.__path__[0]) / "axe.min.js").read_text())
    run = "(levels) => axe.run(document, {runOnly: levels, resultTypes: ['violations']})"
    found = page.evaluate(run, LEVELS)["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:160]}" for one in found]
