"""A search is checked whole before anything is compiled, and its trials fall into as few programs
as they can."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from elsinore import config
from elsinore.analysis.sweep.programs import signature
from elsinore.config.load import load_experiment
from elsinore.config.load_sweep import load_sweep
from elsinore.config.parse import as_dict
from elsinore.config.plan import plan_for
from elsinore.config.search import (
    SweepTrial,
    grid_of,
    random_trials,
    trial_groups,
    trials_of,
)
from elsinore.config.yaml_files import yaml_text
from elsinore.errors import ConfigError
from elsinore.runs.traced_settings import refuse_untraced
from elsinore.training.layout import layout_for
from elsinore.types import Algorithm
from tests.toys import TOY, ToyConfig, toy


@dataclass(frozen=True, kw_only=True)
class UntracedConfig:
    num_envs: int = 1
    rollout_length: int = 1
    network: Any = None


def untraced(config: UntracedConfig, env, env_params, num_updates, network=None) -> Algorithm:
    n = config.num_envs
    return toy(ToyConfig(num_envs=n, ballast=n), env, env_params, num_updates)


GAIN = {"algo.gain": {"uniform": [0.0, 1.0]}}


def search(space=GAIN, overrides=None, **sweep):
    return load_sweep(TOY | {"sweep": {"space": space, **sweep}}, overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        {"sweep.space.algo.gain": {"uniform": [0.0, 0.5]}},
        {"sweep.space.algo.gain.uniform": [0.0, 0.5]},
        {"sweep.space": {"algo": {"gain": {"uniform": [0.0, 0.5]}}}},
    ],
)
def test_a_range_may_be_given_in_groups_or_by_dotted_name(overrides):
    assert search(overrides=overrides) == search({"algo.gain": {"uniform": [0.0, 0.5]}})


# Trials


def test_a_trial_is_the_same_however_many_there_are():
    space = search(GAIN | {"algo.ballast": {"choice": [1, 2, 4]}}).space
    assert random_trials(space, 0, 10) == random_trials(space, 0, 20)[:10]
    assert random_trials(space, 1, 10) != random_trials(space, 0, 10)
    assert len({trial.settings["algo.gain"] for trial in random_trials(space, 0, 50)}) == 50


def test_a_grid_is_every_combination():
    space = search(
        {"algo.gain": {"uniform": [0, 1], "count": 2}, "algo.ballast": {"choice": [1, 2]}},
        sampler="grid",
    ).space
    assert [trial.settings for trial in grid_of(space)] == [
        {"algo.gain": 0.0, "algo.ballast": 1},
        {"algo.gain": 0.0, "algo.ballast": 2},
        {"algo.gain": 1.0, "algo.ballast": 1},
        {"algo.gain": 1.0, "algo.ballast": 2},
    ]


def test_there_are_64_trials_or_a_whole_grid_unless_it_is_said():
    assert len(trials_of(search())) == 64
    assert len(trials_of(search(trials=3))) == 3
    assert len(trials_of(search({"algo.ballast": {"int": [1, 5]}}, sampler="grid"))) == 5


# Groups


def test_trials_that_differ_in_traced_numbers_are_one_population():
    sweep = search(trials=64)
    (group,) = trial_groups(sweep, trials_of(sweep))
    assert group.experiment.vary == {"algo.gain": [t.settings["algo.gain"] for t in group.trials]}
    assert group.members == tuple(range(64))


def test_what_changes_the_program_makes_a_group_in_order_of_first_trials():
    trials = [
        SweepTrial(i, {"algo.gain": g, "algo.ballast": b})
        for i, (g, b) in enumerate([(0.1, 4), (0.2, 2), (0.3, 4)])
    ]
    groups = trial_groups(search(GAIN | {"algo.ballast": {"choice": [2, 4]}}), trials)
    assert [[t.number for t in group.trials] for group in groups] == [[0, 2], [1]]
    assert [group.experiment.algo.ballast for group in groups] == [4, 2]
    assert [group.experiment.vary for group in groups] == [
        {"algo.gain": [0.1, 0.3]},
        {"algo.gain": [0.2]},
    ]


def test_a_number_that_may_be_null_is_two_programs():
    trials = [SweepTrial(i, {"algo.gain_final": x}) for i, x in enumerate([None, 0.5, 0.7, None])]
    groups = trial_groups(search({"algo.gain_final": {"choice": [None, 0.5, 0.7]}}), trials)
    assert [[t.number for t in group.trials] for group in groups] == [[0, 3], [1, 2]]
    assert [group.experiment.vary for group in groups] == [{}, {"algo.gain_final": [0.5, 0.7]}]
    assert groups[0].members == (0, 0)  # two trials that are equal are trained once


def test_the_weight_of_curiosity_is_searched_within_one_program_but_for_none_of_it():
    found = {"space": {"algo.rnd.weight": {"choice": [0.0, 0.1, 1.0]}}, "sampler": "grid"}
    sweep = load_sweep({"env": "Catch-bsuite", "sweep": found})
    groups = trial_groups(sweep, trials_of(sweep))
    assert [group.experiment.vary for group in groups] == [{}, {"algo.rnd.weight": [0.1, 1.0]}]
    assert plan_for(groups[0].experiment).hyper is None
    np.testing.assert_allclose(plan_for(groups[1].experiment).hyper.rnd_weight, [0.1, 1.0])


OFF = {
    "algo.value_clip_eps": {"uniform": [0.1, 0.5]},
    "algo.target_kl": {"uniform": [0.01, 0.05]},
    "algo.rnd.weight": {"uniform": [0.1, 0.5]},
}


@pytest.mark.parametrize("name", OFF)
def test_a_setting_that_is_off_evolves_only_from_numbers_of_its_own(name):
    pbt = {name: OFF[name]}
    settings = {"vary": {"algo.gamma": [0.9, 0.99]}, "population.pbt.space": pbt}
    with pytest.raises(ConfigError, match=f"pbt.space.{name} cannot evolve from {name}="):
        plan_for(load_experiment("CartPole-v1", overrides=settings))
    plan_for(load_experiment("CartPole-v1", overrides=settings | {"vary": {name: [0.2, 0.3]}}))
    sweep = {"space": pbt, "sampler": "pbt", "trials": 2}
    assert load_sweep({"env": "CartPole-v1", "sweep": sweep}).num_trials == 2


def test_a_temperature_that_is_tuned_neither_evolves_nor_is_set():
    """Training reads it at its begin alone."""
    space = {"algo.temperature": {"log": [0.1, 1.0]}}
    settings = {"vary": {"algo.gamma": [0.9, 0.99]}, "population.pbt.space": space}
    off = {"algo.tune_temperature": False}
    with pytest.raises(ConfigError, match=r"space='algo.temperature' is where the tuning of"):
        plan_for(load_experiment("Pendulum-v1", "sac", overrides=settings))
    plan_for(load_experiment("Pendulum-v1", "sac", overrides=settings | off))
    alone = plan_for(load_experiment("Pendulum-v1", "sac"))
    with pytest.raises(ConfigError, match=r"Action.set='algo.temperature' is where the tuning of"):
        refuse_untraced(alone, "algo.temperature", 0.5)
    refuse_untraced(
        plan_for(load_experiment("Pendulum-v1", "sac", overrides=off)), "algo.temperature", 0.5
    )


@pytest.mark.parametrize("name", ["algo.gamma", "algo.rnd.weight"])
def test_groups_of_other_traced_numbers_share_a_program(name):
    signatures = set()
    for values in ([0.2, 0.3], [0.4, 0.5], [0.6, 0.7, 0.8]):
        plan = plan_for(load_experiment("CartPole-v1", overrides={"vary": {name: values}}))
        signatures.add(signature(plan, layout_for(len(values), "vmap")))
    assert len(signatures) == 2  # of two members and of three


def test_a_group_writes_to_its_store_alone_and_halves_only_where_there_is_someone_to_prefer():
    sweep = search(GAIN | {"algo.ballast": {"choice": [2, 4]}}, halving={"eta": 2, "rungs": 1})
    many, one = trial_groups(
        sweep,
        [SweepTrial(i, {"algo.gain": 0.1 * i, "algo.ballast": b}) for i, b in enumerate([2, 2, 4])],
    )
    assert many.experiment.population.halving == sweep.config.halving
    assert one.experiment.population.halving is None
    sinks = many.experiment.sinks
    assert not (sinks.mlflow.enabled or sinks.jsonl or sinks.tensorboard)


@pytest.mark.parametrize(
    ("metric", "mode"), [("eval/return", "min"), ("eval/length", "max"), ("episode/length", "max")]
)
def test_the_best_member_of_a_run_is_by_its_return_in_the_mode_of_that_alone(metric, mode):
    sweep = search(metric=metric, mode="min", trials=2)
    (group,) = trial_groups(sweep, trials_of(sweep))
    assert group.experiment.population.mode == mode


def test_a_range_of_real_numbers_with_a_count_may_be_whole_numbers():
    space = {"algo.ballast": {"uniform": [1, 3], "count": 3}}
    assert len(trials_of(search(space, sampler="grid"))) == 3


def test_a_population_that_evolves_has_the_ranges_of_the_search():
    sweep = search(sampler="pbt", trials=4, pbt={"period": 2})
    (group,) = trial_groups(sweep, trials_of(sweep))
    assert group.experiment.population.pbt.space == GAIN
    assert group.experiment.population.pbt.period == 2


def test_a_search_is_read_back_as_it_was_written():
    sweep = search(
        trials=5, halving={"eta": 2, "rungs": 2}, overrides={"seeds": 3, "sweep.mode": "min"}
    )
    assert load_sweep(sweep.as_dict()) == sweep
    assert (sweep.experiment.seeds, sweep.config.mode) == (3, "min")
    assert as_dict(sweep.config)["trials"] == 5


# What is refused


@pytest.mark.parametrize(
    ("space", "sweep", "message"),
    [
        ({}, {}, r"sweep.space=\{\} is empty"),
        (
            {"algo.gian": {"uniform": [0, 1]}},
            {},
            r"sweep.space.algo.gian reaches 0.0, .* did you mean 'algo.gain'",
        ),
        (
            {"algo.gain": {"uniform": [-0.5, 1]}},
            {},
            r"algo.gain reaches -0.5, which cannot be run: algo.gain",
        ),
        ({"algo.ballast": {"uniform": [1, 2.5]}}, {}, r"reaches 2.5, .* must be a whole number"),
        (
            {"algo.ballast": {"uniform": [1, 8]}},
            {"sampler": "optuna"},
            r"sweep.space.algo.ballast holds 3.899.*, which cannot be run: algo.ballast=3.899.*"
            r" must be a whole number.* A range of whole numbers is int: \[1, 8\]\.",
        ),
        (
            {"algo.ballast": {"log": [1, 8]}},
            {},
            r"sweep.space.algo.ballast holds 2.366.* is int: \[1, 8\]\.",
        ),
        (
            {"algo.ballast": {"uniform": [10_000, 60_000]}},
            {"sampler": "optuna"},
            r"sweep.space.algo.ballast holds 30710.6.*, which cannot be run",
        ),
        (
            {"algo.ballast": {"uniform": [16_384, 1_048_576]}},
            {"sampler": "optuna"},
            r" is int: \[16384, 1048576\]\.",
        ),
        ({"env_steps": {"choice": [12, 0]}}, {}, r"sweep.space.env_steps reaches 0"),
        ({"seeds": {"int": [1, 4]}}, {}, r"sweep.space.seeds cannot be searched"),
        ({"algo.name": {"choice": ["ppo"]}}, {}, r"sweep.space.algo.name cannot be searched"),
        ({"start.run": {"choice": ["a", "b"]}}, {}, r"sweep.space.start.run cannot be searched"),
        ({"start.checkpoint": {"choice": ["best"]}}, {}, r"start.checkpoint cannot be searched"),
        ({"start": {"choice": [None, {"run": "a"}]}}, {}, r"sweep.space.start cannot be searched"),
        ({"sinks.jsonl": {"choice": [True]}}, {}, r"sweep.space.sinks.jsonl cannot be searched"),
        (GAIN, {"trails": 3}, r"sweep.trails is not a setting; did you mean 'sweep.trials'"),
        (GAIN, {"trials": 0}, r"sweep.trials=0 must be at least 1; null runs 64, or the whole"),
        (GAIN, {"batch": 0}, r"sweep.batch=0 must be at least 1; null takes all, or 16 with"),
        (GAIN, {"batch": 0}, r"sweep.batch=0 must be at least 1"),
        (
            GAIN,
            {"sampler": "bayes"},
            r"sweep.sampler='bayes' is unknown; choose random, grid, optuna or pbt",
        ),
        (
            GAIN,
            {"metric": "reward"},
            r"sweep.metric='reward' is unknown; choose eval/return",
        ),
        (GAIN, {"mode": "best"}, r"sweep.mode='best' is unknown"),
        (
            GAIN,
            {"metric": "episode/return", "halving": {}},
            r"metric='episode/return' cannot be used with halving",
        ),
        (GAIN, {"sampler": "grid"}, r"sweep.space.algo.gain: a grid needs a count"),
        (
            {"algo.ballast": {"choice": [1, 2]}},
            {"sampler": "grid", "trials": 3},
            r"trials=3, and the grid has 2",
        ),
        ({"algo.gain": {"uniform": [0, 1], "count": 3}}, {}, r"a count is for grids"),
        (
            GAIN,
            {"halving": {"eta": 3, "rungs": 3}},
            r"^sweep.halving.rungs=3 with eta=3 do not fit into 6 chunks",
        ),
        (GAIN, {"halving": {"eta": 1}}, r"sweep.halving.eta=1 must be at least 2"),
        (GAIN, {"pbt": {}}, r"set sweep.sampler: pbt"),
        (
            GAIN,
            {"sampler": "pbt", "pbt": {"space": {"algo.gain": {"uniform": [0.2, 0.3]}}}},
            r"^sweep.pbt.space=\{.*\} cannot be set: .* give these in sweep.space",
        ),
        (GAIN, {"sampler": "pbt", "halving": {}}, r"halving cannot be set with sampler: pbt"),
        (GAIN, {"sampler": "pbt", "trials": 1}, r"trials=1 is no population"),
        (
            {"algo.gain": {"choice": [0.1, 0.2]}},
            {"sampler": "pbt"},
            r"algo.gain cannot evolve: it must be a uniform or log",
        ),
        ({"algo.ballast": {"int": [1, 4]}}, {"sampler": "pbt"}, r"algo.ballast cannot evolve"),
        (
            GAIN,
            {"sampler": "pbt", "pbt": {"quantile": 0.9}},
            r"sweep.pbt.quantile=0.9 must be above 0 and at most 0.5",
        ),
        (
            GAIN,
            {"sampler": "pbt", "pbt": {"perturb": [0.0]}},
            r"perturb=\[0.0\] must hold factors above 0",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused(space, sweep, message):
    with pytest.raises(ConfigError, match=message):
        search(space, **sweep)


STAGES = {"stages": [{"advance_when": {"metric": "steps", "at_least": 1}}, {}]}
ON_STAGE = {"curriculum": STAGES | {"evaluate_on": "stage"}}


@pytest.mark.parametrize(
    ("settings", "space", "place"),
    [
        (ON_STAGE, {"algo.num_envs": {"choice": [4, 8]}}, "^"),
        (ON_STAGE, {"algo.gamma": {"uniform": [0.9, 0.99]}}, "^"),
        (
            {"curriculum": STAGES},
            {"curriculum.evaluate_on": {"choice": ["target", "stage"]}},
            "^sweep.space.curriculum.evaluate_on reaches 'stage', which cannot be run: ",
        ),
    ],
)
def test_trials_are_not_compared_by_scores_of_different_stages(settings, space, place):
    """Also where each is a run of its own."""
    sweep = {"space": space, "trials": 2, "split": 1}
    said = f"{place}curriculum.evaluate_on='stage' evaluates each trial of a sweep at the stage"
    with pytest.raises(ConfigError, match=said):
        load_sweep({"env": "CartPole-v1", "sweep": sweep} | settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"env": "gym/CartPole-v1"},
            r"^sweep\.sampler='pbt' needs an environment in JAX, .* on the host; leave it out\.",
        ),
        (
            {"env": "Nim", "self_play": {}},
            r"with sweep\.pbt, which .*; choose another sweep\.sampler, or set self_play: null\.",
        ),
        (
            {"env": "CartPole-v1", "agents": {"number": 2, "sharing": "independent"}},
            r"^sweep\.pbt cannot copy one of several independent agents",
        ),
    ],
)
def test_a_refusal_of_pbt_names_the_settings_of_a_sweep(settings, said):
    if settings["env"].startswith("gym/"):
        pytest.importorskip("gymnasium")
    sweep = {"space": {"algo.learning_rate": {"log": [1e-4, 1e-2]}}, "sampler": "pbt"}
    with pytest.raises(ConfigError, match=said) as refusal:
        load_sweep(settings | {"sweep": sweep})
    assert "population" not in str(refusal.value)


def test_numbers_that_can_evolve_are_named_as_settings():
    sweep = {"space": {"algo.num_envs": {"choice": [4, 8]}}, "sampler": "pbt"}
    with pytest.raises(ConfigError, match=r"algo\.gamma, .*algo\.value_clip_eps, ") as refusal:
        load_sweep({"env": "CartPole-v1", "sweep": sweep})
    assert "num_updates" not in str(refusal.value)  # the length of a schedule is no setting


def test_settings_that_are_sound_alone_and_not_together_are_refused_naming_the_trial():
    space = {"algo.num_envs": {"choice": [1, 2]}, "algo.ballast": {"choice": [2, 3]}}
    with pytest.raises(
        ConfigError,
        match=r"trial 3 .* cannot be run: algo.ballast=3 must be a multiple of num_envs=2",
    ):
        search(space, sampler="grid")


def test_a_setting_that_needs_another_is_sound_if_the_search_has_that():
    space = {"algo.num_envs": {"choice": [1, 2]}, "algo.ballast": {"choice": [2, 4]}}
    # with one number of ballast, two envs would not do
    assert len(trials_of(search(space, sampler="grid"))) == 4


def test_an_end_is_tried_with_each_end_of_the_others_however_many_there_are():
    more = ("algo.gain", "algo.noise", "evaluation.max_steps", "evaluation.episodes")
    more += ("evaluation.final_episodes", "evaluation.period")
    pairs = {name: {"choice": [1, 2]} for name in more} | {"algo.gain": {"choice": [0.1, 0.2]}}
    # 3 needs three envs, which are the second of their values
    space = {"algo.num_envs": {"choice": [2, 3]}} | pairs | {"algo.ballast": {"choice": [2, 3]}}
    base = {"algo.num_envs": 2, "algo.ballast": 2}
    assert search(space, base, sampler="optuna").space.keys() == space.keys()


def test_halving_of_an_algorithm_without_numbers_that_can_differ_in_a_run_is_refused():
    sweep = {"space": {"algo.num_envs": {"choice": [1, 2]}}, "halving": {}}
    algo = "tests.config.test_search:untraced"
    with pytest.raises(ConfigError, match=f"sweep.halving compares .* of algo='{algo}'"):
        load_sweep(TOY | {"algo": {"name": algo}, "sweep": sweep})


@pytest.mark.parametrize(
    "overrides",
    [{"env_steps": 640}, {"stop.updates": 10}, {"stop.seconds": 5}, {"stop.episodes": 7}],
)
def test_a_budget_that_is_given_replaces_that_of_the_file_as_in_a_run(overrides):
    file = {name: value for name, value in TOY.items() if name != "env_steps"}
    file |= {"stop": {"episodes": 100}}
    found = load_sweep(file | {"sweep": {"space": GAIN}}, overrides).experiment
    assert found == load_experiment(config=file, overrides=overrides)


def test_a_budget_in_two_units_is_refused():
    with pytest.raises(ConfigError, match="env_steps=128 and stop.episodes=9 are a budget in two"):
        load_sweep(TOY | {"env_steps": 128, "stop": {"episodes": 9}, "sweep": {"space": GAIN}})
    steps = {"env_steps": {"choice": [128, 256]}}
    with pytest.raises(ConfigError, match="env_steps and stop.episodes are a budget in two units"):
        search(steps, {"stop.episodes": 9})
    with pytest.raises(ConfigError, match="env_steps and stop.seconds are a budget in two units"):
        search(steps | {"stop.seconds": {"choice": [1.0, 2.0]}})


def test_halving_beside_a_budget_that_may_end_a_run_early_is_refused():
    with pytest.raises(ConfigError, match="sweep.halving compares .* stop.episodes=9 may end the"):
        search(overrides={"stop.episodes": 9}, trials=9, halving={"eta": 3})


def test_more_trials_than_one_run_can_hold_are_several_runs(monkeypatch):
    for module in (config.experiment, config.search):
        monkeypatch.setattr(module, "MAX_MEMBERS", 4)
    for split in (None, 8):
        sweep = search(trials=10, split=split)
        groups = trial_groups(sweep, trials_of(sweep))
        assert [len(group.trials) for group in groups] == [4, 4, 2]


def test_no_more_trials_are_compared_in_one_run_than_it_can_hold(monkeypatch):
    for module in (config.experiment, config.search):
        monkeypatch.setattr(module, "MAX_MEMBERS", 4)
    halving = {"eta": 3, "rungs": 1}
    with pytest.raises(ConfigError, match=r"sweep.trials=6: 6 would be compared in one run, in wh"):
        search(trials=6, halving=halving)
    assert search(trials=6, batch=3, halving=halving).batch == 3


@pytest.mark.parametrize(
    ("space", "sweep", "text"),
    [
        (GAIN, {"trials": 10**9}, "sweep.trials=1000000000 must be at most 10,000"),
        (
            {"algo.gain": {"uniform": [0, 1], "count": 10**9}},
            {"sampler": "grid"},
            "algo.gain.count=1000000000 must be a whole number from 1 to 10,000",
        ),
        (
            {"algo.ballast": {"int": [1, 10**12]}},
            {"sampler": "grid"},
            "sweep.space has 1,000,000,000,000 combinations, and a grid at most 10,000",
        ),
    ],
)
def test_more_trials_than_can_be_drawn_are_refused_at_once(space, sweep, text):
    with pytest.raises(ConfigError, match=text):
        search(space, **sweep)


def test_a_search_reads_the_curriculum_beside_its_file_and_dotted_names(tmp_path):
    when = {"metric": "length", "above": 50}
    stages = [{"name": "first", "advance_when": when}, {"name": "own"}]
    (tmp_path / "stages.yaml").write_text(yaml_text(stages))
    data = {"env": "CartPole-v1", "curriculum": "stages.yaml", "algo.gae_lambda": 0.5}
    space = {"algo.gamma": {"uniform": [0.9, 0.99]}}
    (tmp_path / "s.yaml").write_text(yaml_text(data | {"sweep": {"space": space}}))
    (tmp_path / "run.yaml").write_text(yaml_text(data))
    found = load_sweep(tmp_path / "s.yaml").experiment
    assert found == load_experiment(config=tmp_path / "run.yaml")
    assert [stage.name for stage in found.curriculum.stages] == ["first", "own"]
    assert found.algo.gae_lambda == 0.5


def test_a_config_without_a_search_or_with_a_population_of_its_own_is_refused():
    with pytest.raises(ConfigError, match="has no section `sweep`"):
        load_sweep(TOY)
    with pytest.raises(ConfigError, match="vary and population cannot be set in a sweep"):
        search(overrides={"vary": {"algo.gain": [0.1]}})


def test_choices_that_are_text_have_the_type_of_their_setting():
    assert search({"algo.gain": {"choice": ["1e-1", 0.5]}}).space["algo.gain"].values == (0.1, 0.5)
