"""A curriculum as it is written: what it becomes, and what is refused with its place."""

import copy
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from elsinore.config.curricula import curriculum_for, curriculum_lines, longest_episode
from elsinore.config.experiment import Experiment
from elsinore.config.load import experiment_from, load_experiment
from elsinore.config.parse import as_dict, build
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.config.reachability import EpisodeBounds, unreachable
from elsinore.errors import ConfigError
from elsinore.training.curriculum.conditions import Condition
from elsinore.training.curriculum.config import CurriculumConfig, LadderConfig
from elsinore.training.curriculum.stages import Stages, staged
from tests.training.hourglass import HOURGLASS, Hourglass, LiveConfig, forgetful, live

ENV = Hourglass()
TARGET = ENV.default_params
GOOD: dict[str, Any] = {
    "stages": [{"params": {"grains": 3}}, {"params": {"grains": 5, "prize": 2}}, {}],
    "advance_when": {"metric": "length", "above": 2},
}


def experiment(curriculum: Any, **settings) -> Experiment:
    return experiment_from(
        copy.deepcopy(HOURGLASS) | {"env_params": {}, "curriculum": curriculum} | settings
    )


def made(curriculum: Any, algo=live):
    """The curriculum of the hourglass, and its description."""
    config = experiment(curriculum).curriculum
    assert config is not None
    return curriculum_for(config, ENV, TARGET, algo(LiveConfig(), ENV, TARGET, 10)), config


def refusal(curriculum: Any, algo=live) -> str:
    with pytest.raises((ConfigError, ValueError)) as caught:
        made(curriculum, algo)
    return str(caught.value)


def changed(**what) -> dict[str, Any]:
    return copy.deepcopy(GOOD) | what


def by(**rule) -> dict[str, Any]:
    return changed(advance_when=rule)


def with_params(**params) -> dict[str, Any]:
    return changed(stages=[{}, {"params": params}, {}])


# What it becomes


def test_a_stage_has_the_experiments_env_but_for_what_it_says():
    curriculum, _ = made(GOOD)
    stage_state, params = curriculum.begin(TARGET)
    assert (int(params.grains), float(params.prize)) == (3, 1.0) and int(stage_state.stage) == 0
    assert (
        curriculum.num_stages == 3
        and curriculum.recorded == ("length",)
        and curriculum.window == 100
    )


def test_a_list_is_the_stages_and_each_may_have_its_own_rule():
    rule = {"metric": "return", "above": 1, "window": 7}
    config = experiment([{"name": "a", "advance_when": rule}, {"name": "b"}]).curriculum
    assert [stage.name for stage in config.all_stages] == ["a", "b"]
    assert (
        config.all_stages[0].advance_when.window == 7 and config.all_stages[1].advance_when is None
    )


def test_rules_of_the_curriculum_are_those_of_stages_without_but_lead_nowhere_from_the_ends():
    config = experiment(changed(retreat_when={"metric": "length", "below": 2})).curriculum
    assert [stage.advance_when is not None for stage in config.all_stages] == [True, True, False]
    assert [stage.retreat_when is not None for stage in config.all_stages] == [False, True, True]


@pytest.mark.parametrize(
    "ladder, values",
    [
        ({"initial": 2, "increment": 1, "maximum": 8}, [2, 3, 4, 5, 6, 7, 8]),
        ({"initial": 2, "increment": 4, "maximum": 8}, [2, 6, 8]),
        ({"initial": 8, "maximum": 8}, [8]),
        ({"initial": 0.1, "increment": 0.1, "maximum": 0.3}, [0.1, 0.2, 0.3]),
    ],
)
def test_a_ladder_is_a_stage_a_rung(ladder, values):
    assert LadderConfig(param="x", **ladder).values == pytest.approx(values)


def test_rungs_that_differ_in_the_seventh_digit_have_their_own_names():
    ladder = {"param": "x", "initial": 1_000_000, "maximum": 1_000_002}
    config = build(CurriculumConfig, {"ladder": ladder, "advance_when": {"min_steps": 1}})
    assert [stage.name for stage in config.all_stages][1] == "x=1000001"


@pytest.mark.parametrize(
    "curriculum, place",
    [
        ({"stages": [{}, {"params": {"max_ante": 20}}]}, "curriculum.stages[1].params.max_ante=20"),
        ({"ladder": {"param": "max_ante", "initial": 0, "maximum": 2}}, "ladder.max_ante=0"),
    ],
)
def test_a_stage_with_which_the_env_cannot_run_is_refused(curriculum, place):
    overrides = {"curriculum": {**curriculum, "advance_when": {"min_steps": 5}}}
    with pytest.raises(ConfigError) as error:
        plan_for(load_experiment("Balatro-stage0", overrides=overrides))
    assert f"{place} must be a whole number from 1 to 8" in str(error.value)


def test_balatros_ladder_is_seven_stages():
    ladder = {"param": "grains", "initial": 2, "increment": 1, "maximum": 8}
    curriculum, config = made(
        {"ladder": ladder, "advance_when": {"metric": "won", "at_least": 0.8}}
    )
    assert [stage.name for stage in config.all_stages] == [f"grains={i}" for i in range(2, 9)]
    assert curriculum.num_stages == 7 and curriculum.recorded == ("won",)
    assert int(curriculum.begin(TARGET)[1].grains) == 2


def test_an_array_is_given_whole_or_as_a_number_that_fills_it():
    curriculum, _ = made(
        changed(stages=[{"params": {"weights": [3, 4]}}, {"params": {"weights": 0.5}}, {}])
    )
    np.testing.assert_array_equal(curriculum.begin(TARGET)[1].weights, [3.0, 4.0])


def test_written_out_and_read_again_it_is_the_same():
    nested = {
        "all": [{"metric": "won", "above": 0.5}, {"any": [{"metric": "length", "below": 3}] * 2}],
        "window": 9,
    }
    first = experiment(by(**nested))
    assert experiment_from(yaml.safe_load(yaml.safe_dump(as_dict(first)))) == first


def test_a_file_is_found_beside_the_config_that_names_it(tmp_path, monkeypatch):
    (tmp_path / "curricula").mkdir()
    (tmp_path / "curricula" / "mine.yaml").write_text(yaml.safe_dump(GOOD))
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(HOURGLASS | {"curriculum": "curricula/mine.yaml"})
    )
    found = load_experiment(config=tmp_path / "config.yaml").curriculum
    assert found == experiment(GOOD).curriculum
    monkeypatch.chdir(tmp_path)
    overrides = {"curriculum": "curricula/mine.yaml"}
    assert load_experiment("CartPole-v1", overrides=overrides).curriculum == found


def test_an_experiment_without_one_has_none():
    assert load_experiment("CartPole-v1").curriculum is None


# What is refused


@pytest.mark.parametrize(
    "curriculum, message",
    [
        (
            with_params(grain=3),
            (
                "curriculum.stages[1].params.grain: 'grain' is no parameter that a stage can"
                " change; did you mean 'grains'?"
            ),
        ),
        (
            with_params(colour="red"),
            (
                "curriculum.stages[1].params.colour: 'colour' is no parameter that a stage can"
                " change; known: max_steps_in_episode, grains, prize, weights."
            ),
        ),
        (
            with_params(grains=2.5),
            "curriculum.stages[1].params.grains=2.5 must be like the parameter's own value, 4.",
        ),
        (
            with_params(weights=[1, 2, 3]),
            "params.weights=[1, 2, 3] must be like the parameter's own value, [1.0, 2.0].",
        ),
        (
            with_params(prize="much"),
            "params.prize='much' must be like the parameter's own value, 1.0.",
        ),
        (
            with_params(max_steps_in_episode=-5),
            (
                "params.max_steps_in_episode=-5 must be like the parameter's own value, "
                "100, and at least 1."
            ),
        ),
        (
            {
                "ladder": {"param": "max_ante", "initial": 1, "maximum": 3},
                "advance_when": {"min_steps": 5},
            },
            "curriculum.ladder.param: 'max_ante' is no parameter that a stage can change",
        ),
        (
            by(metric="wun", above=0.5),
            "curriculum.advance_when.metric='wun' is unknown; did you mean 'won'?",
        ),
        (
            by(all=[{"metric": "won", "above": 0}, {"metric": "luck", "above": 1}]),
            (
                "curriculum.advance_when.all[1].metric='luck' is unknown; known: length, return,"
                " survival,"
            ),
        ),
        (
            by(metric="weights", above=1),
            "advance_when.metric='weights' has the shape (2,); it must be a number.",
        ),
        (
            by(metric="policy/entropi", below=1),
            (
                "curriculum.advance_when.metric='policy/entropi' is no metric of this "
                "algorithm; did you mean 'policy/entropy'?"
            ),
        ),
        (
            by(metric="length"),
            "curriculum.advance_when.metric='length' has no bound; add one of above,",
        ),
        (by(above=3), "curriculum.advance_when.above=3.0 bounds nothing; say which metric"),
        (by(window=3), "curriculum.advance_when: a rule says nothing"),
        (
            by(metric="length", above=3, any=[{"metric": "won", "above": 0}]),
            "curriculum.advance_when: metric and any stand side by side",
        ),
        (by(metric="length", over=3), "curriculum.advance_when.over is not a setting"),
        (
            by(metric="length", above=3, statistic="median"),
            "curriculum.advance_when.statistic='median' is unknown",
        ),
        (
            by(metric="steps", above=3, statistic="progress"),
            "curriculum.advance_when.statistic='progress' is of episodes",
        ),
        (
            by(metric="length", above=3, window=0),
            "curriculum.advance_when.window=0 must be at least 1 episode.",
        ),
        (
            by(metric="length", above=3, window=2**40),
            f"curriculum.advance_when.window={2**40} must be at least 0 and below 2^30.",
        ),
        (
            by(metric="length", above=0, statistic="progress", window=1),
            "advance_when.window=1 has no two halves",
        ),
        (by(min_steps=-1), "curriculum.advance_when.min_steps=-1 must be at least 0"),
        (changed(stages=[]), "curriculum.stages=[] must hold stages, or ladder describe them"),
        (
            changed(evaluate_on="both"),
            "curriculum.evaluate_on='both' is unknown; choose target or stage.",
        ),
        (
            changed(stages=[{"name": "a"}, {"name": "a"}]),
            "curriculum.stages=['a', 'a'] has 'a' twice",
        ),
        (
            changed(advance_when=None),
            "curriculum.stages[0].advance_when is missing, so nothing comes after stage '0'",
        ),
        (
            changed(stages=[{}, {"advance_when": {"min_steps": 5}}]),
            "curriculum.stages[1].advance_when leads nowhere: there is no stage after it",
        ),
        (
            changed(stages=[{"retreat_when": {"min_steps": 5}}, {}]),
            "curriculum.stages[0].retreat_when leads nowhere: there is no stage before it",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(curriculum, message):
    assert message in refusal(curriculum)


def test_the_length_of_episodes_without_a_time_limit_may_fall_by_any_number():
    rule = Condition(metric="length", statistic="progress", below=-100.0)
    for max_steps, reasons in ((np.inf, 0), (101.0, 1), (102.0, 0)):
        assert len(unreachable(rule, EpisodeBounds(max_steps, frozenset()), "rule")) == reasons


@pytest.mark.parametrize(
    "rule, message",
    [
        (
            {"metric": "length", "above": 100},
            (
                "curriculum.advance_when.above=100 can never hold: an episode of this stage "
                "has 1 to 100 steps (max_steps_in_episode). So stage '0' can never be left by it"
            ),
        ),
        (
            {"metric": "survival", "above": 1},
            "advance_when.above=1 can never hold: survival is the length of an episode",
        ),
        (
            {"metric": "won", "at_least": 1.01},
            "advance_when.at_least=1.01 can never hold: won is true or false",
        ),
        (
            {"metric": "entropy", "below": 0},
            "advance_when.below=0 can never hold: entropy is a share",
        ),
        (
            {"metric": "won", "statistic": "progress", "above": 1},
            "so its progress is between -1 and 1",
        ),
        (
            {"metric": "length", "statistic": "progress", "below": -100},
            "so its progress is between -99 and 99",
        ),
        (
            {"metric": "return", "statistic": "progress", "below": float("-inf")},
            "below=-inf can never hold: return is a finite number.",
        ),
        (
            {"metric": "return", "above": 5, "below": 3},
            "advance_when: no return is mean return > 5 and mean return < 3.",
        ),
        (
            {"metric": "return", "above": 5, "at_most": 5},
            "advance_when: no return is mean return > 5 and mean return <= 5.",
        ),
        (
            {"metric": "return", "at_least": float("inf")},
            "at_least=inf can never hold: return is a finite number.",
        ),
        (
            {"all": [{"metric": "length", "above": 5}, {"metric": "won", "above": 2}]},
            "when.all[1].above=2 can never",
        ),
        (
            {"any": [{"metric": "won", "above": 2}, {"metric": "won", "below": 0}]},
            "advance_when.any[0].above=2 can never",
        ),
    ],
)
def test_a_stage_that_can_never_be_left_is_refused(rule, message):
    assert message in refusal(by(**rule))


def test_a_bound_on_the_edge_can_hold():
    made(by(any=[{"metric": "won", "above": 2}, {"metric": "length", "at_least": 100}]))
    made(by(metric="won", at_least=1))


def test_it_is_the_stages_own_time_limit_that_counts():
    stages = [{"params": {"max_steps_in_episode": 50}}, {}]
    assert "an episode of this stage has 1 to 50 steps" in refusal(
        {"stages": stages} | by_length(60)
    )
    made({"stages": stages} | by_length(40))


def by_length(least: float) -> dict[str, Any]:
    return {"advance_when": {"metric": "length", "above": least}}


def test_an_algorithm_that_records_nothing_is_refused_before_it_is_compiled():
    assert "does not record its episodes" in refusal(GOOD, forgetful)


def test_entropy_needs_an_algorithm_that_logs_it_and_actions_that_can_be_counted():
    overrides = {
        "curriculum": changed(stages=[{"params": {"gravity": 5}}, {}]) | {"advance_when": ENTROPY}
    }
    with pytest.raises(
        ConfigError, match="metric='entropy' needs 'policy/entropy', which is no metric"
    ):
        plan_for(load_experiment("CartPole-v1", "dqn", overrides=overrides))
    swing = {"curriculum": {"stages": [{"params": {"g": 5.0}}, {}], "advance_when": ENTROPY}}
    with pytest.raises(
        ConfigError, match="this environment's actions \\(Box\\) have none; use policy/entropy"
    ):
        plan_for(load_experiment("Pendulum-v1", overrides=swing))


ENTROPY = {"metric": "entropy", "below": 0.5}


def test_members_of_a_population_are_not_compared_in_different_envs():
    vary = {"vary": {"algo.gamma": [0.9, 0.99]}, "curriculum": GOOD | {"evaluate_on": "stage"}}
    with pytest.raises(ConfigError, match="evaluate_on='stage' evaluates each member"):
        load_experiment("CartPole-v1", overrides=vary)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vary": {"algo.gamma": [0.9, 0.99]}}, "evaluate_on='stage' evaluates each member"),
        (
            {"convergence.counts": "episodes", "convergence.target": 400.0},
            "counts='episodes' cannot",
        ),
    ],
    ids=str,
)
def test_an_object_in_place_of_a_curriculum_is_refused_what_a_curriculum_is(settings, message):
    stages = Stages({"gravity": jnp.array([5.0, 9.8])}, (None, None), (None, None))
    experiment = load_experiment("CartPole-v1", overrides=settings | {"env_steps": 10_000})
    with pytest.raises(ConfigError, match=message):
        plan_for(experiment, curriculum=staged(stages, "stage"))


# What is said before anything is trained


def lines(curriculum: Any, env_steps: int = 10_000) -> list[str]:
    return curriculum_lines(experiment(curriculum).curriculum, ENV, TARGET, env_steps)


def test_the_plan_lists_the_stages():
    retreat = {
        "any": [
            {"metric": "won", "below": 0.3},
            {"metric": "return", "statistic": "progress", "below": 0},
        ]
    }
    assert lines(changed(retreat_when=retreat | {"min_steps": 1000})) == [
        "curriculum      3 stages, evaluated in the target environment",
        "  stage 0: grains=3; on when mean length > 2 over 100 episodes",
        (
            "  stage 1: grains=5, prize=2; on when mean length > 2 over 100 episodes; back when"
            " mean won < 0.3 or progress return < 0 over 100 episodes, after 1,000 env steps"
        ),
        (
            "  stage 2: the experiment's own parameters; back when mean won < 0.3 or progress"
            " return < 0 over 100 episodes, after 1,000 env steps"
        ),
    ]


def test_a_stage_beyond_the_budget_is_warned_of():
    """100 episodes of more than 2 steps each take 200 steps at least, at each of two stages."""
    (warning,) = (line for line in lines(GOOD, env_steps=399) if "warning" in line)
    assert (
        "stage 2 '2' cannot be reached: the rules before it need 400 env steps at least" in warning
    )
    assert not [line for line in lines(GOOD, env_steps=400) if "warning" in line]


def test_rules_that_quarrel_and_a_last_stage_that_is_not_the_target_are_warned_of():
    both = lines(changed(retreat_when={"metric": "length", "below": 3}))
    assert "at stage 1 '1' one score can hold for both rules" in both[-1]
    other = lines(changed(stages=[{}, {"params": {"grains": 9}}]))
    assert "the last stage differs from the evaluation environment in grains" in other[-1]


def test_the_plan_of_an_experiment_has_it_and_evaluations_are_as_long_as_they_can_be():
    plan = plan_for(experiment(GOOD))
    assert "curriculum      3 stages, evaluated in the target environment" in plan_facts(plan)
    longer = CurriculumConfig(
        **vars(experiment([{"params": {"max_steps_in_episode": 300}}]).curriculum)
    )
    assert longest_episode(longer, TARGET) == 100
    own = experiment(
        {"stages": [{"params": {"max_steps_in_episode": 300}}], "evaluate_on": "stage"}
    ).curriculum
    assert longest_episode(own, TARGET) == 300


# The files that are shipped

FILES = sorted((Path(__file__).resolve().parents[2] / "configs" / "curricula").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_is_read_and_ends_in_the_env_that_is_evaluated_in(path):
    config = load_experiment("CartPole-v1", overrides={"curriculum": str(path)}).curriculum
    assert len(config.all_stages) > 3 and config.evaluate_on == "target"
    assert config.all_stages[-1].params in ({}, {"max_ante": 8})


@pytest.mark.slow
@pytest.mark.parametrize(
    "env, name, kwargs, stages",
    [
        ("Hamlet-mood6", "hamlet-adversarial", {}, 6),
        ("Balatro-stage2", "balatro-antes", {}, 7),
    ],
)
def test_a_shipped_file_fits_its_env(env, name, kwargs, stages):
    (path,) = (path for path in FILES if path.stem == name)
    overrides = {"curriculum": str(path), "env_kwargs": kwargs, "env_steps": 2_000_000}
    lines = plan_facts(plan_for(load_experiment(env, overrides=overrides)))
    assert f"curriculum      {stages} stages, evaluated in the target environment" in lines
    assert not [line for line in lines if line.startswith("warning")]


def test_a_file_may_be_a_list_of_stages(tmp_path):
    stages = [{"name": "short", "advance_when": {"metric": "length", "above": 9}}, {"name": "own"}]
    file = tmp_path / "stages.yaml"
    file.write_text(yaml.safe_dump(stages))
    from_file, inline = (
        load_experiment("CartPole-v1", overrides={"curriculum": x}) for x in (str(file), stages)
    )
    assert from_file == inline
    file.write_text("short")
    with pytest.raises(ConfigError, match="must be a file, a list of stages or a mapping"):
        load_experiment("CartPole-v1", overrides={"curriculum": str(file)})
