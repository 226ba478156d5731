"""Links lead somewhere, every page is in the navigation, and the site builds without a warning."""

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from elsinore.analysis.doctor_checks import LIMITS
from elsinore.analysis.doctor_rules import RULES

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))
site_pages = importlib.import_module("site_pages")

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "notebooks").glob("*.ipynb"),
    ]
)
FENCE = re.compile(r"^ *```.*?^ *```$", re.M | re.S)
LINK = re.compile(r"\]\(((?!https?:|mailto:)[^)\s]+)\)")


def text_of(page: Path) -> str:
    """The prose of a page or a notebook, without its code."""
    if page.suffix == ".ipynb":
        cells = json.loads(page.read_text())["cells"]
        return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    if page == ROOT / "docs" / site_pages.COMMANDS:
        text = site_pages.commands_page()
    else:
        text = text_of(page)
    found: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        found.append(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    generated = ROOT / "docs" / site_pages.COMMANDS
    for link in LINK.findall(text_of(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() or target == generated, f"{link}: there is no {target}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: no heading of {target.name} has this anchor"


def test_a_broken_link_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n[there](#one) [gone](missing.md) [no](#two)\n```\n[code](not-a-link)\n```"
    )
    assert LINK.findall(text_of(page)) == ["#one", "missing.md", "#two"]
    assert anchors(page) == {"one"}


def nav_pages(entry) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [
        page
        for part in (entry.values() if isinstance(entry, dict) else entry)
        for page in nav_pages(part)
    ]


class AnyTag(yaml.SafeLoader):
    """Reads the tags of mkdocs.yml that name Python objects as nothing."""


AnyTag.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def test_every_page_is_in_the_navigation_once():
    listed = nav_pages(yaml.load((ROOT / "mkdocs.yml").read_text(), AnyTag)["nav"])
    here = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    wanted = here | {*site_pages.ELSEWHERE, site_pages.COMMANDS}
    assert sorted(listed) == sorted(wanted), f"nav in mkdocs.yml: {set(listed) ^ wanted}"


def test_the_page_of_doctor_has_every_rule_and_threshold():
    write = "import site_pages; print(site_pages.doctor_page(), end='')"
    remedy = f'write it anew: cd docs && python -c "{write}" > doctor.md'
    page = (ROOT / "docs" / "doctor.md").read_text()
    assert page == site_pages.doctor_page(), remedy
    assert all(f"\n## {rule.name}\n" in page for rule in RULES)
    assert all(f"`{name}`" in page for name in LIMITS._fields)


def test_links_out_of_docs_become_links_in_the_site():
    text = (
        "[a](../SECURITY.md#network) [b](../src/elsinore/types.py) [c](runs.md) [d](https://x.org)"
    )
    assert site_pages.links_in_site("watch.md", text) == (
        "[a](security.md#network) [b](source/src/elsinore/types.py.txt) [c](runs.md)"
        " [d](https://x.org)"
    )
    picture = "![](data:image/png;base64," + 5_000 * "A" + ")"  # an output stored in a notebook
    assert site_pages.links_in_site("notebooks/01_quickstart.md", picture) == picture
    assert not list(site_pages._files_linked("notebooks/01_quickstart.md", picture))
    assert site_pages.links_in_site("security.md", "[r](docs/runs.md)") == "[r](runs.md)"
    assert site_pages.links_in_site("tutorials/x.md", "[r](../runs.md)") == "[r](../runs.md)"


def test_every_command_and_argument_is_on_the_page_of_commands():
    page = site_pages.commands_page()
    for text in ("## elsinore train", "## elsinore cache replay", "`--grace SECONDS`", "`RUN`"):
        assert text in page
    assert "SUPPRESS" not in page and "%(" not in page


@pytest.mark.slow  # and `make docs` builds it as strictly
@pytest.mark.skipif(
    not importlib.util.find_spec("mkdocs"), reason="needs elsinore[docs]: make docs"
)
def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path / "site"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    api = (tmp_path / "site" / "reference" / "api.html").read_text()
    assert 'id="elsinore.runs.api.train"' in api
