"""Budgets and periods in other units: converted where the program can be exact, refused where two
contradict each other."""

import pytest

from elsinore.algos.registry import steps_per_update
from elsinore.config.load import load_experiment
from elsinore.config.parse import as_dict
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.config.yaml_files import read_yaml, yaml_text
from elsinore.errors import ConfigError

SMALL = {"algo.num_envs": 4, "algo.rollout_length": 8, "algo.num_minibatches": 1}  # 32 steps


def loaded(**settings):
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    return load_experiment("CartPole-v1", overrides=SMALL | dotted)


@pytest.mark.parametrize(
    ("settings", "env_steps"),
    [({"stop": {"updates": 7}}, 7 * 32), ({"stop": {"env_steps": 640}}, 640)],
)
def test_a_budget_of_the_program_is_exact(settings, env_steps):
    assert loaded(**settings).env_steps == env_steps


@pytest.mark.parametrize(
    ("period", "updates"),
    [("20 updates", 20), ("1 update", 1), ("64 env steps", 2), ("65 env steps", 3), ("20", 20)],
)
def test_a_period_is_whole_updates_rounded_up(period, updates):
    assert loaded(evaluation__period=period).evaluation.period == updates


@pytest.mark.parametrize("name", ["evaluation", "checkpoints", "replays"])
@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("50 episodes", "50 episodes"),
        ("1 episode", "1 episodes"),
        (" 1_000  episodes", "1000 episodes"),
        ("60 seconds", "60 seconds"),
        ("0.25 second", "0.25 seconds"),
    ],
)
def test_a_period_that_only_a_run_can_count_is_text_of_one_form(name, text, period, tmp_path):
    experiment = loaded(**{f"{name}__period": text})
    assert getattr(experiment, name).period == period
    (tmp_path / "config.yaml").write_text(yaml_text(as_dict(experiment)))
    assert load_experiment(config=tmp_path / "config.yaml") == experiment


@pytest.mark.parametrize("name", ["checkpoints", "replays"])
@pytest.mark.parametrize(
    ("text", "period"),
    [("7 chunks", 7), ("20_000 env steps", "20000 env steps"), ("3 updates", "3 updates")],
)
def test_other_periods_may_count_what_the_schedule_counts(name, text, period):
    assert getattr(loaded(**{f"{name}__period": text}), name).period == period


def test_the_plan_says_what_periods_are_rounded_to():
    plan = plan_for(
        loaded(
            evaluation__period="50 episodes",
            checkpoints__period="200 episodes",
            env_steps=32 * 800,
        )
    )
    assert (plan.schedule.updates_per_chunk, plan.schedule.num_chunks) == (2, 400)
    lines = "\n".join(plan_facts(plan))
    assert (
        "evaluations     every 50 episodes of each seed that learns, rounded up to a chunk" in lines
    )
    assert "of 64 env steps, of 32 episodes, and one of 128 at the end" in lines
    assert "checkpoints     every 200 episodes, rounded up to a chunk" in lines


def test_steps_of_several_agents_count_together():
    assert loaded(agents__number=3, stop={"updates": 5}).env_steps == 5 * 3 * 32


@pytest.mark.parametrize(
    ("config", "overrides", "budget"),
    [
        ({"env_steps": 640}, {"stop.episodes": 9}, (9, None)),
        ({"env_steps": 640}, {"stop": {"seconds": 9.0}}, (None, 9.0)),
        ({"stop": {"episodes": 9}}, {"env_steps": 640}, (None, None, 640)),
        ({"stop": {"episodes": 9}}, {"stop.updates": 20}, (None, None, 640)),
        ({"stop": {"updates": 9}}, {"stop.episodes": 8}, (8, None)),
        ({"stop": {"episodes": 9}}, {"stop.seconds": 3.0}, (None, 3.0)),
        ({"env_steps": 640}, {"stop.episodes": None}, (None, None, 640)),
    ],
)
@pytest.mark.parametrize("written", [False, True])
def test_a_budget_in_another_unit_is_replaced_by_what_wins(config, overrides, budget, written):
    """Also that of a run's config.yaml, in which every setting has a value."""
    given = {"env": "CartPole-v1", **config} | {"algo": {"name": "ppo"}}
    small = load_experiment(config=given, overrides=SMALL)
    source = as_dict(small) if written else given
    found = load_experiment(config=source, overrides=SMALL | overrides)
    stop = (found.stop.episodes, found.stop.seconds, found.env_steps)
    assert stop[: len(budget)] == budget


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"env_steps": 640, "stop": {"episodes": 9}}, "env_steps=640 and stop.episodes=9 are a"),
        ({"stop": {"seconds": 9, "episodes": 9}}, "are a budget in two units; give one"),
        ({"stop": {"updates": 9, "seconds": 9}}, "are a budget in two units"),
        ({"stop": {"updates": 0}}, "stop.updates=0 must be a whole number"),
        ({"stop": {"episodes": 0}}, "stop.episodes=0 must be at least 1"),
        ({"stop": {"seconds": 0}}, "stop.seconds=0.0 must be above 0"),
        ({"stop": {"epochs": 3}}, "stop.epochs is not a setting"),
        ({"evaluation.period": "3 chunks"}, "a chunk is the time between two evaluations; give"),
        ({"evaluation.period": "0 episodes"}, "evaluation.period=0 episodes must be at least 1"),
        ({"evaluation.period": "1.5 episodes"}, "evaluation.period='1.5 episodes' must be a whole"),
        ({"checkpoints.period": "daily"}, "checkpoints.period='daily' must be a whole number, or"),
        ({"replays.period": "-1 episodes"}, "replays.period='-1 episodes' must be a whole number"),
        (
            {
                "evaluation.period": "50 episodes",
                "vary": {"algo.gamma": [0.9, 0.99]},
                "population.pbt": {},
            },
            "evaluation.period='50 episodes' leaves chunks without one; give it in updates or env",
        ),
        ({"evaluation.period": "often"}, "evaluation.period='often' must be a whole number"),
    ],
)
def test_what_cannot_be_counted_is_refused(settings, said):
    with pytest.raises(ConfigError) as refused:
        load_experiment("CartPole-v1", overrides=SMALL | settings)
    assert said in str(refused.value)


def test_two_budgets_beside_a_whole_config_are_refused():
    whole = as_dict(load_experiment("CartPole-v1", overrides=SMALL))
    with pytest.raises(ConfigError, match=r"env_steps=640 and stop.updates=5 are a budget in two"):
        load_experiment(config=whole, overrides={"env_steps": 640, "stop.updates": 5})


def test_a_budget_is_written_and_read_again(tmp_path):
    experiment = loaded(stop={"episodes": 100})
    (tmp_path / "config.yaml").write_text(yaml_text(as_dict(experiment)))
    assert load_experiment(config=tmp_path / "config.yaml") == experiment
    assert load_experiment(config=read_yaml(tmp_path / "config.yaml")) == experiment


def test_the_plan_says_what_episodes_take_at_most():
    plan = plan_for(loaded(stop={"episodes": 9}, env_params={"max_steps_in_episode": 50}))
    # four envs finish three episodes of 50 steps each: 600 steps, 19 updates of 32
    assert plan.env_steps == 19 * 32
    (line,) = [line for line in plan_facts(plan) if line.startswith("budget")]
    assert "9 episodes of each seed, rounded up to a chunk; at most 608 env steps" in line


def test_the_plan_counts_one_as_one():
    one = {"evaluation": {"episodes": 1}, "stop": {"episodes": 1}}
    text = "\n".join(plan_facts(plan_for(loaded(**one, env_params={"max_steps_in_episode": 50}))))
    assert " of 1 episode, and one of " in text and " 1 episode of each seed, " in text


def test_the_plan_warns_of_evaluations_too_small_for_their_target():
    few = loaded(convergence__target=195, convergence__window=1, evaluation__episodes=10)
    (line,) = [line for line in plan_facts(plan_for(few)) if "standard error" in line]
    assert "error of 12, and cannot tell 182.7 from 195;" in line
    enough = loaded(convergence__target=195, convergence__window=3, evaluation__episodes=10)
    assert not [line for line in plan_facts(plan_for(enough)) if "standard error" in line]


@pytest.mark.parametrize(("given", "number"), [("1e3", 1000), (1e3, 1000), ("10", 10)])
def test_a_budget_in_updates_is_read_as_other_numbers_are(given, number):
    found = load_experiment("CartPole-v1", overrides={"stop.updates": given})
    assert found == load_experiment("CartPole-v1", overrides={"stop.updates": number})


def test_true_is_no_number_of_updates():
    with pytest.raises(ConfigError, match="stop.updates=True must be a whole number"):
        load_experiment("CartPole-v1", overrides={"stop.updates": True})


def test_the_number_of_agents_is_a_number_also_where_it_is_text():
    settings = {"stop.updates": 10, "agents.number": "3"}
    found = load_experiment("Catch-bsuite", overrides=settings)
    assert found.env_steps == 10 * 3 * steps_per_update(found.algo)
    with pytest.raises(ConfigError, match="agents.number=None"):
        load_experiment("Catch-bsuite", overrides=settings | {"agents.number": None})
