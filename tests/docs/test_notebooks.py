"""What readers of a notebook need before its first cell."""

import ast
import json
import tomllib

import pytest

from elsinore.config.presets import PRESETS
from tests.docs.snippets import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
assert NOTEBOOKS


def cells(path) -> list[tuple[str, str]]:
    return [
        (cell["cell_type"], "".join(cell["source"]))
        for cell in json.loads(path.read_text())["cells"]
    ]


def test_the_first_notebook_has_the_target_of_its_preset():
    target = PRESETS["ppo/CartPole-v1"]["convergence"]["target"]
    (text,) = (text for _, text in cells(NOTEBOOKS[0]) if "evaluations have stayed at" in text)
    assert f"stayed at {target:g} or above" in text


def test_a_notebook_installs_the_versions_of_the_extras():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (code,) = (text for _, text in cells(NOTEBOOKS[5]) if "LIBRARIES = " in text)
    libraries = ast.literal_eval(code[len("LIBRARIES = ") : code.index("\nmissing")])
    assert len(libraries) == 3
    assert libraries == {name: extras["optional-dependencies"][name] for name in libraries}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_how_to_open_and_install_it_and_is_linked(path):
    (_, title), (_, hint), (kind, install), *rest = cells(path)
    assert title.startswith("# ") and kind == "code"
    assert "colab.research.google.com" in hint and "GPU" in hint and "keeps Colab's own jax" in hint
    assert 'SOURCE = ""' in install  # no package of an index that may be another's
    assert install == cells(NOTEBOOKS[0])[2][1]
    for kind, text in rest:
        if kind == "code" and "%" not in text:
            compile(text, str(path), "exec")
    assert f"notebooks/{path.name}" in (ROOT / "README.md").read_text()
    assert f"notebooks/{path.stem}.md" in (ROOT / "mkdocs.yml").read_text()
