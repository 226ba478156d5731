"""The files of configs/hamlet: each describes a run that can be made, and says what it means to."""

import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest

from elsinore.algos.registry import steps_per_update
from elsinore.config.load import load_experiment
from elsinore.config.parse import as_dict
from elsinore.config.plan import Plan, plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.config.yaml_files import read_yaml, shipped
from elsinore.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = {path.stem: path for path in sorted((CONFIGS / "hamlet").glob("*.yaml"))}
CURRICULA = {path.stem: path for path in sorted((CONFIGS / "curricula").glob("hamlet-*.yaml"))}
assert FILES and CURRICULA
RECURRENT = ("L2", "L3")
RECIPES = ("curriculum", "dqn-seed", "example_dqn", "few_episodes")
each_file = pytest.mark.parametrize("name", FILES)
each_world = pytest.mark.parametrize("name", [name for name in FILES if name not in RECIPES])

# Two updates of next to nothing: what is compiled is the same program, only smaller.
TINY = {
    "algo.network.hidden": [4], "evaluation.period": 2, "evaluation.episodes": 2,
    "evaluation.final_episodes": 2, "evaluation.max_steps": 4,
}  # fmt: skip
TINY_PPO = {
    "algo.num_envs": 2,
    "algo.rollout_length": 4,
    "algo.num_minibatches": 2,
    "algo.num_epochs": 1,
}
TINY_DQN = {"algo.learning_starts": 1, "algo.buffer_size": 64, "algo.batch_size": 4}


def experiment(name: str, **overrides):
    return load_experiment(config=FILES[name], overrides=overrides)


def tiny_plan(name: str) -> Plan:
    algo = experiment(name).algo
    tiny = TINY | (TINY_DQN if algo.name == "dqn" else TINY_PPO)
    update = steps_per_update(experiment(name, **tiny).algo)
    # three updates of two steps in each env hold the targets of five steps of some DQN files
    return plan_for(experiment(name, **tiny, env_steps=3 * update))


def test_there_is_a_file_for_every_world_and_an_example_of_each_kind():
    worlds = ("classic4", "base6", "mood6", "L0_0", "L0_5", "L1", "L2", "L3")
    assert set(FILES) == {*worlds, *RECIPES}


@each_world
def test_a_file_trains_in_the_world_it_is_named_after(name):
    assert experiment(name).env == f"Hamlet-{name}"


@each_world
def test_the_world_alone_is_trained_by_the_recipe_of_its_file(name):
    alone = load_experiment(f"Hamlet-{name}")
    written = {"sinks", "replays", "checkpoints"}  # what does not change the learning
    recipe = as_dict(experiment(name))
    assert {k: v for k, v in as_dict(alone).items() if k not in written} == {
        k: v for k, v in recipe.items() if k not in written
    }
    plain = load_experiment("Hamlet-custom", overrides={"env_kwargs": {}})
    assert alone.algo != plain.algo  # it has a recipe of its own


def test_a_shipped_file_is_found_by_its_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = load_experiment(config="configs/hamlet/mood6.yaml")
    assert found == experiment("mood6")
    stages = load_experiment(
        "Hamlet-classic4", overrides={"curriculum": "configs/curricula/hamlet-four-stages.yaml"}
    )
    assert stages.curriculum.all_stages[0].name == "sleep"
    # one of the user's own, of the same name, goes first
    mine = tmp_path / "configs" / "hamlet" / "mood6.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("env: CartPole-v1\n")
    assert load_experiment(config="configs/hamlet/mood6.yaml").env == "CartPole-v1"
    with pytest.raises(ConfigError, match="configs/hamlet/none.yaml cannot be read: No such file"):
        load_experiment(config="configs/hamlet/none.yaml")


def test_the_wheel_has_the_configs_where_they_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = tomllib.loads((CONFIGS.parent / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"configs": "elsinore/configs"}
    found = shipped(Path("configs/hamlet/base6.yaml"))
    assert found.samefile(CONFIGS / "hamlet" / "base6.yaml")


def test_a_world_without_a_preset_says_so_in_the_plan():
    lines = plan_facts(plan_for(load_experiment("Cache-trace")))
    assert "preset          none for ppo/Cache-trace: the algorithm's defaults" in lines


@each_file
def test_a_file_says_in_its_first_lines_how_to_use_it(name):
    assert f"elsinore train --config configs/hamlet/{name}.yaml" in FILES[name].read_text()


@each_file
def test_a_file_describes_a_run_that_can_be_planned(name):
    plan = plan_for(experiment(name))
    assert plan.schedule.num_chunks >= 10 and plan.env_steps > 0.9 * plan.experiment.env_steps


@pytest.mark.parametrize("name", RECURRENT)
def test_who_cannot_see_everything_has_a_memory(name):
    assert jax.tree.leaves(plan_for(experiment(name)).program.algo.policy.initial_carry)


@each_file
def test_evaluations_begin_at_the_worlds_own_start_and_count_its_own_reward(name):
    """Whatever it learns from."""
    plan = plan_for(experiment(name))
    curriculum = plan.experiment.curriculum
    assert curriculum is None or curriculum.evaluate_on == "target"
    assert float(plan.env_params.random_start_share) == 0.0
    own, *others = np.asarray(plan.env_params.reward_weights)
    assert plan.env.rewards[0] == plan.env.profile.reward and own == 1.0 and not np.any(others)


@pytest.mark.parametrize("name", ["classic4", "base6", "L1", "L2", "L3"])
def test_a_recipe_is_the_preset_written_out(name):
    assert experiment(name) == load_experiment(f"Hamlet-{name}")


def test_the_example_for_beginners_is_the_preset_written_out():
    assert experiment("example_dqn") == load_experiment("Hamlet-base6", "dqn")


def test_the_older_example_is_the_original_deep_q_learner():
    algo = experiment("dqn-seed").algo
    assert algo.network.hidden == (128, 128) and algo.network.activation == "relu"
    assert (algo.learning_rate, algo.gamma, algo.max_grad_norm, algo.loss) == (
        2.5e-4,
        0.99,
        10.0,
        "mse",
    )
    assert (algo.buffer_size, algo.batch_size, algo.learning_starts) == (10_000, 64, 1_000)
    assert (algo.epsilon, algo.epsilon_final, algo.epsilon_decay, algo.epsilon_schedule) == (
        1,
        0.01,
        0.995,
        "episodes",
    )
    assert steps_per_update(algo) == 1 and algo.gradient_steps == 1
    assert not (algo.double or algo.dueling or algo.prioritized) and algo.n_step == 1


@pytest.mark.slow
@each_file
def test_a_file_trains(name):
    plan = tiny_plan(name)
    state = jax.jit(plan.program.init)(jax.random.key(0))
    state, report = jax.jit(plan.program.chunk)(state, 2)
    assert int(state.train.update) == 2 and np.isfinite(np.asarray(report.episodes.returns)).all()


# The curricula


def stages(name: str) -> list[dict]:
    return read_yaml(CURRICULA[name])["stages"]


def test_the_four_stages_are_those_of_the_first_design():
    sleep, wash, eat, earn, live = (
        stage.get("params", {}) for stage in stages("hamlet-four-stages")
    )
    assert [sum(stage["fatal"]) for stage in (sleep, wash)] == [1, 2] and "fatal" not in eat | earn
    assert [stage.get("max_steps_in_episode") for stage in (sleep, wash, eat, earn)] == [
        50,
        100,
        None,
        None,
    ]
    assert (
        sleep["use_bonus"] == 5
        and sleep["reward_weights"][1] == 1
        and eat["reward_weights"][1] == 0
        and not live
    )
    rules = [stage["advance_when"] for stage in stages("hamlet-four-stages")[:-1]]
    assert [rule["above"] for rule in rules] == [40, 0, 200, 0.9] and {
        rule["window"] for rule in rules
    } == {100}


def test_the_adversary_is_ever_harder_and_its_last_stage_is_the_world():
    *short, whole, last = [stage.get("params", {}) for stage in stages("hamlet-adversarial")]
    assert [sum(stage["fatal"]) for stage in short] == [2, 3, 4, 5]
    assert {stage["max_steps_in_episode"] for stage in short} == {60}
    assert whole.keys() == {"random_start_share", "reward_weights", "death_penalty"}
    assert last == {}


def test_a_curriculum_for_people_fits_its_world_and_nothing_about_it_is_doubtful():
    adversary = {"curriculum": str(CURRICULA["hamlet-adversarial"]), "env_steps": 2_000_000}
    for plan, number in (
        (plan_for(experiment("curriculum")), 5),
        (plan_for(load_experiment("Hamlet-mood6", overrides=adversary)), 6),
    ):
        lines = plan_facts(plan)
        assert f"curriculum      {number} stages, evaluated in the target environment" in lines
        assert not [line for line in lines if line.startswith("warning")]
