"""A run that other code began is not resumed: that would be no exact resume."""

import importlib
import sys
from pathlib import Path

import jax
import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.runs.checkpoints.directory import Checkpoint
from elsinore.runs.checkpoints.manifest import (
    PRECISION,
    _digests,
    source_digest,
    versions,
    versions_of,
)
from elsinore.runs.checkpoints.match import other_versions
from tests.runs.conftest import TINY

CODE = "from gymnax.environments import CartPole\n\n\nclass Mine(CartPole):\n    number = {}\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes the module `own_world`, as another process would find it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text):
        (tmp_path / "own_world.py").write_text(text)
        sys.modules.pop("own_world", None)
        _digests.clear()

    yield write
    sys.modules.pop("own_world", None)
    _digests.clear()


def digest_of(write, text):
    write(text)
    return source_digest("own_world")


def test_a_digest_is_of_what_a_module_computes(write):
    now = digest_of(write, "x = (1 +\n     2)  # of two\n")
    assert len(now) == 12
    assert now == digest_of(write, "# a comment\n\nx = 1 + 2\n")
    assert now != digest_of(write, "x = 1 + 3\n")


@pytest.mark.parametrize("module", ["__main__", "no_such_module", "no.such.module", "sys"])
def test_code_without_a_file_has_no_digest(module):
    assert source_digest(module) == ""


def test_code_that_does_not_parse_has_no_digest(write):
    assert digest_of(write, "x = (\n") == ""


def test_a_digest_is_of_the_code_that_this_process_imported(write, tmp_path):
    first = digest_of(write, "x = 1\n")
    (tmp_path / "own_world.py").write_text("x = 2\n")
    assert source_digest("own_world") == first


def test_a_digest_is_of_the_code_that_a_notebook_reloaded(write, tmp_path):
    first = digest_of(write, "def f():\n    return 1\n")
    module = importlib.import_module("own_world")
    assert source_digest("own_world") == first
    (tmp_path / "own_world.py").write_text("def f():\n    return 20\n")
    assert source_digest("own_world") == first  # it is not loaded yet
    importlib.reload(module)
    assert (second := source_digest("own_world")) != first
    (tmp_path / "own_world.py").write_text("def f():\n    return 300\n")
    exec("def f():\n    return 300", vars(module))  # as IPython replaces a function in place
    assert source_digest("own_world") not in (first, second)


def test_classes_that_hold_each_other_have_a_digest(write):
    text = "class A: ...\n\n\nclass B:\n    a = A\n\n\nA.b = B\n"
    first = digest_of(write, text)
    importlib.import_module("own_world")
    assert source_digest("own_world") == first != ""


def test_versions_are_those_of_the_libraries_and_of_the_modules_that_settings_name(write):
    write(CODE.format(5))
    algo = "tests.checks.broken_algorithms:sound"
    own = versions_of(load_experiment("own_world:Mine", algo)).keys() - versions().keys()
    assert own == {"module own_world", "module tests.checks.broken_algorithms", PRECISION}
    exact = load_experiment("CartPole-v1", "ppo", overrides={"matmul_precision": "highest"})
    assert versions_of(exact) == versions()


def test_a_precision_that_the_settings_leave_to_jax_is_recorded_and_compared():
    experiment = load_experiment("CartPole-v1", "ppo")
    with jax.default_matmul_precision("highest"):
        then = versions_of(experiment)
    checkpoint = Checkpoint(Path("4"), "latest", {"versions": then})
    assert other_versions(checkpoint, experiment) == [f"{PRECISION} 'highest', 'default'"]
    before = {name: x for name, x in then.items() if name != PRECISION}
    assert not other_versions(checkpoint._replace(manifest={"versions": before}), experiment)


def test_the_library_of_the_environment_is_one_of_the_versions():
    jumanji = pytest.importorskip("jumanji")
    found = versions_of(load_experiment("jumanji/Snake-v1", "ppo"))
    assert found["jumanji"] == jumanji.__version__


def test_a_run_is_resumed_with_the_code_that_began_it(write, tmp_path, caplog):
    write(CODE.format(5))
    run = elsinore.train("own_world:Mine", "ppo", overrides=TINY, runs_dir=tmp_path, name="x")
    more = 2 * run.summary["env_steps"]
    write("# a comment\n" + CODE.format(5))
    elsinore.resume(run, env_steps=more)
    write(CODE.format(6))
    with pytest.raises(ConfigError) as refused:
        elsinore.resume(run, env_steps=2 * more)
    assert "module own_world '" in str(refused.value)
    assert "--accept-versions" in str(refused.value)
    caplog.clear()
    elsinore.load("x", runs_dir=tmp_path).evaluate(episodes=2)
    assert "module own_world '" in caplog.text
    assert "has other code than best/" in caplog.text
    settings = {"from_run": run, "from_parts": "all", "env_steps": 2 * more}
    elsinore.train(**settings, runs_dir=tmp_path, name="y")
    assert "this run may differ from that one resumed" in caplog.text
    elsinore.resume(run, env_steps=2 * more, accept_versions=True)
