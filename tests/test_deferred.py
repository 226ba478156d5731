"""What gymnax draws with is imported when something is drawn."""

import subprocess
import sys
from importlib import import_module

import pytest

from elsinore.deferred import DeferredModule, deferred

DRAWN_WITH = "('seaborn', 'pandas', 'scipy.stats', 'matplotlib.pyplot')"
AFTER = f"""
import sys
import elsinore
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
plan_for(load_experiment("CartPole-v1"))
print([name for name in {DRAWN_WITH} if name in sys.modules])
from gymnax.environments.misc import pong, rooms
print(len(pong.sns.color_palette("cubehelix", 3)), rooms.plt.subplots()[0].axes != [])
import matplotlib.pyplot
import seaborn
print(type(seaborn).__name__, type(matplotlib.pyplot).__name__)
"""


def test_a_plan_imports_nothing_that_draws_and_gymnax_can_draw():
    found = subprocess.run(
        [sys.executable, "-c", AFTER], capture_output=True, text=True, check=False
    )
    assert found.stdout.splitlines() == ["[]", "3 True", "module module"], found.stderr


def test_a_module_is_imported_at_its_first_use(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    with deferred("slow_to_import", "json"):
        slow_to_import = import_module("slow_to_import")
    assert isinstance(slow_to_import, DeferredModule) and "slow_to_import" not in sys.modules
    assert not isinstance(sys.modules["json"], DeferredModule)  # imported by then
    with pytest.raises(AttributeError):
        _ = slow_to_import.__wrapped__
    assert "slow_to_import" not in sys.modules
    assert slow_to_import.answer == 42
    assert sys.modules.pop("slow_to_import").answer == 42


def test_a_module_that_is_used_while_others_are_imported_is_imported(tmp_path, monkeypatch):
    (tmp_path / "used_at_once.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    with deferred("used_at_once"):
        assert import_module("used_at_once").answer == 42
    assert sys.modules.pop("used_at_once").answer == 42
