"""The reference pages list the public names, and no others."""

import importlib
import re
from pathlib import Path

import pytest

import elsinore
from elsinore import toolkit

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
ENTRY = re.compile(r"^::: (\S+)$", re.M)
PAGES = {  # mkdocs has each object on one page only: what is public in both is on the first
    page: ENTRY.findall((REFERENCE / f"{page}.md").read_text()) for page in ("api", "toolkit")
}


def names(page: str) -> set[str]:
    return {entry.rpartition(".")[2] for entry in PAGES[page]}


@pytest.mark.parametrize(
    ("page", "public", "other"), [("api", elsinore, "toolkit"), ("toolkit", toolkit, "api")]
)
def test_a_page_lists_the_public_names_and_no_others(page, public, other):
    promised = set(public.__all__)
    assert names(page) <= promised
    assert promised <= names(page) | names(other)
    for entry in PAGES[page]:
        module, _, name = entry.rpartition(".")
        assert getattr(importlib.import_module(module), name) is getattr(public, name), entry


def test_no_name_is_listed_twice():
    entries = [*PAGES["api"], *PAGES["toolkit"]]
    assert len(entries) == len(set(entries)) == len(names("api") | names("toolkit"))
