"""A real browser, for pages to be looked at as people do; whatever goes wrong in one fails the
test."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")


@contextlib.contextmanager
def chromium() -> Iterator:
    """A browser, or a skipped test that says why."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs a Chromium at {CHROMIUM}")
    with playwright.sync_playwright() as started:
        options = {"executable_path": str(CHROMIUM), "args": ["--no-sandbox", "--disable-gpu"]}
        browser = started.chromium.launch(**options)
        yield browser
        browser.close()


@contextlib.contextmanager
def looking(browser, url: str, **options) -> Iterator:
    """A page at an address; in the end there must be no script error, refused policy or request to
    another host."""
    usual = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "no-preference"}
    context = browser.new_context(**(usual | options))
    context.set_default_timeout(30_000)
    page, wrong, own = context.new_page(), [], "/".join(url.split("/")[:3])
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on(
        "console",
        lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None,
    )
    page.on(
        "request",
        lambda sent: (
            None if sent.url.startswith((own, "data:")) else wrong.append(f"asked {sent.url}")
        ),
    )
    page.goto(url)
    yield page
    context.close()
    assert not wrong
