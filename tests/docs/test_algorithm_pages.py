"""The pages of algorithms: each has one, and what it says of the code is so."""

import ast
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import pytest
from gymnax.environments import spaces

from elsinore.algos.registry import ALGORITHMS, config_type
from elsinore.config.learners import learner_for, with_all_learners
from elsinore.config.load import load_experiment
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.nets.config import NetworkConfig
from elsinore.nets.heads import CONTINUOUS_KINDS
from elsinore.nets.memory import MEMORIES
from elsinore.nets.reparameterised import REPARAMETERISED
from tests.algos.trainees import GRU, KEY, MAKE, VARIANTS
from tests.small_envs import Clocked, Corridor, Dart, Dials, MaskedBandit

ROOT = Path(__file__).resolve().parents[2]
DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "elsinore"
each_algorithm = pytest.mark.parametrize("name", ALGORITHMS)


def page(name):
    return (DOCS / f"{name}.md").read_text()


def rows(text):
    """Cells of the lines of tables."""
    lines = (line for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@each_algorithm
def test_every_algorithm_has_a_page_with_its_equations_details_and_defaults(name):
    text = page(name)
    assert f"src/elsinore/algos/{name}.py" in text and "It is good" in text
    assert re.search(r"## Equations\n+(?:.|\n)*?```text\n", text)
    assert "## Defaults\n" in text and re.search(r"arXiv:\d{4}\.\d{5}|Nature|Schulman", text)
    assert f"- {name}.md" in (ROOT / "mkdocs.yml").read_text()


@each_algorithm
def test_the_defaults_of_a_page_are_those_of_the_code(name):
    config = config_type(name)()
    table = rows(page(name).split("## Defaults\n")[1])[2:]
    assert len(table) > 5
    for setting, value, source in table:
        assert value == str(getattr(config, setting.strip("`"))), setting
        assert source


@cache
def names_in(path):
    tree = ast.parse((SOURCE / path).read_text())
    kinds = ast.FunctionDef | ast.ClassDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("name", [*ALGORITHMS, "algorithms"])
def test_the_places_in_the_code_that_a_page_names_are_there(name):
    places = re.findall(r"`((?:\w+/)+\w+\.py): (\w+)`", page(name))
    assert places or name == "td3"
    missing = [(path, found) for path, found in places if found not in names_in(path)]
    assert not missing


class Unbounded(Dart):
    def action_space(self, params):
        return spaces.Box(-jax.numpy.inf, jax.numpy.inf, (1,))


COLUMNS = {
    "discrete": Corridor(),
    "multi-discrete": Dials(),
    "continuous, bounded": Dart(),
    "continuous, unbounded": Unbounded(),
    "action mask": MaskedBandit(),
}


def builds(name, env, network=None, params=None):
    """True if the algorithm is made for the env and begins; False if it is refused."""
    config = VARIANTS[name]
    config = replace(config, network=network) if network else config
    try:
        algo = MAKE[name](config, env, params or Clocked(), 10)
    except ValueError as error:
        assert "use " in str(error) or "leave" in str(error)  # with a remedy
        return False
    jax.eval_shape(algo.init, KEY, params or Clocked(), algo.hyper)
    return True


TABLE = rows(page("algorithms").split("## What goes with what\n")[1].split("\n## ")[0])


@pytest.mark.parametrize("row", TABLE[2:], ids=lambda row: row[0])
def test_the_table_of_what_goes_with_what_is_true(row):
    name = row[0].strip("`")
    said = {column: cell == "yes" for column, cell in zip(TABLE[0][1:], row[1:], strict=True)}
    assert set(row[1:]) <= {"yes", "no"}
    found = {column: builds(name, env) for column, env in COLUMNS.items()}
    env = Corridor() if said["discrete"] else Dart()
    found["recurrent"] = builds(name, env, GRU)
    agents = MultiAgentEnv(env, 2, frozenset())
    found["several agents"] = all(in_company(name, agents, sharing) for sharing in SHARING)
    assert found == said


SECTION = page("algorithms").split("## Continuous actions\n")[1].split("\n## ")[0]
HEADS = rows(SECTION.split("\n\nTD3")[0])


@pytest.mark.parametrize("row", HEADS[2:], ids=lambda row: row[0])
def test_the_table_of_distributions_of_actions_is_true(row):
    kind = row[0].strip("`")
    for column, cell in zip(HEADS[0][1:], row[1:], strict=True):
        try:
            config = replace(VARIANTS[column.strip("`")], action_distribution=kind)
        except ValueError as error:
            assert cell == "no" and "action_distribution" in str(error)
        else:
            algo = MAKE[config.name](config, Dart(), Clocked(), 10)
            jax.eval_shape(algo.init, KEY, Clocked(), algo.hyper)
            assert cell == "yes"


def test_the_distributions_of_actions_are_those_of_the_settings():
    assert {row[0].strip("`") for row in HEADS[2:]} == {*CONTINUOUS_KINDS, *REPARAMETERISED}
    having = {name for name in ALGORITHMS if hasattr(config_type(name)(), "action_distribution")}
    assert {column.strip("`") for column in HEADS[0][1:]} == having


SHARING = ("shared", "independent")


def in_company(name, env, sharing):
    """True if two agents begin to learn, with that sharing."""
    overrides = {"agents.number": 2, "agents.sharing": sharing}
    world = "CartPole-v1" if isinstance(env.env, Corridor) else "Pendulum-v1"
    experiment = replace(load_experiment(world, name, overrides=overrides), algo=VARIANTS[name])
    learner = learner_for(experiment, env, Clocked(), 10)
    algo, _ = with_all_learners(experiment.agents, learner, env)
    state = jax.eval_shape(algo.init, KEY, Clocked(), algo.hyper)
    jax.eval_shape(algo.update, state)
    return True


def test_every_algorithm_is_in_the_tables():
    for table in (TABLE, rows(page("algorithms"))):
        first = {row[0].split(" ")[0].strip("`") for row in table}
        assert set(ALGORITHMS) <= first
    readme = rows((ROOT / "README.md").read_text().split("## Algorithms and environments")[1])
    named = " ".join(row[0] for row in readme)
    assert all(f"`{name}`" in named for name in ALGORITHMS)


def test_the_recurrent_layers_of_the_page_are_those_of_the_settings():
    text = page("algorithms").split("## Recurrent policies\n")[1].split("\n## ")[0]
    named = {row[0].strip("`").split(":")[0] for row in rows(text)[2:]}
    assert named == set(MEMORIES) <= set(vars(NetworkConfig()))
