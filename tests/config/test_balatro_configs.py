"""The files of configs/balatro: each describes a run that can be made, and the older framework's
say it all."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.presets import PRESETS

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "balatro"
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
SEEDS = [name for name in FILES if name.endswith("-seed")]
# or of what is switched off
assert SEEDS
each_file = pytest.mark.parametrize("name", FILES)
each_seed = pytest.mark.parametrize("name", SEEDS)


@each_file
def test_a_file_says_in_its_first_lines_how_to_use_it(name):
    assert f"configs/balatro/{name}.yaml" in "".join(
        FILES[name].read_text().splitlines(keepends=True)[:5]
    )


@each_file
def test_a_file_describes_a_run_that_can_be_planned(name):
    plan = plan_for(load_experiment(config=FILES[name]))
    assert plan.schedule.num_chunks >= 10 and plan.env_steps > 0.9 * plan.experiment.env_steps


def test_the_older_frameworks_three_algorithms_have_one_each():
    assert SEEDS == ["a2c-seed", "dqn-seed", "ppo-seed"]


@each_seed
def test_the_older_frameworks_settings_are_complete_so_that_no_preset_is_under_them(name):
    settings = yaml.safe_load(FILES[name].read_text())["algo"]
    algo = load_experiment(config=FILES[name]).algo
    silent = {field.name for field in fields(algo)} - set(settings)
    assert {key: getattr(algo, key) for key in silent} == {
        key: getattr(type(algo)(), key) for key in silent
    }


@each_seed
def test_each_of_the_older_frameworks_settings_says_where_it_is_from(name):
    algo = FILES[name].read_text().partition("algo:\n")[2].partition("env_steps:")[0]
    silent = {line for line in algo.splitlines() if "#" not in line}
    allowed = (
        "name:",
        "network:",
        "encoder:",
        "rollout_length: 1",
        "dueling:",
        "n_step:",
        "prioritized:",
    )
    assert all(line.strip().startswith(allowed) for line in silent)


@each_seed
def test_the_older_frameworks_network_is_a_plain_one_of_two_layers_of_256(name):
    network = load_experiment(config=FILES[name]).algo.network
    assert (network.encoder, network.hidden, network.shared) == ("mlp", (256, 256), False)


@pytest.mark.parametrize("name", [name for name in PRESETS if "/Balatro-" in name])
def test_a_preset_evaluates_as_many_games_as_it_learns_from(name):
    """The kernels of their step are then the same, and made once."""
    algo, env = name.split("/")
    experiment = load_experiment(env, algo)
    assert experiment.evaluation.episodes == experiment.algo.num_envs
