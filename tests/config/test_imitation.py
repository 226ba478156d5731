"""A teacher is asked for by a word; one that cannot teach is refused before anything is
compiled."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import elsinore
from elsinore.config.load import load_experiment, whole_experiment
from elsinore.config.parse import as_dict
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.errors import ConfigError
from elsinore.training.imitation import ImitationConfig

SMALL = {
    "env_kwargs.capacity": 16, "imitation.env_steps": 512, "imitation.num_envs": 4,
    "imitation.rollout_length": 32, "algo.num_envs": 2, "algo.rollout_length": 8,
    "algo.num_minibatches": 1, "env_steps": 64,
}  # fmt: skip


NO_KWARGS = {"env_kwargs.capacity": None, "env_kwargs": {}}
CACHES = Path(__file__).resolve().parents[2] / "configs" / "cache"


def planned(env="Cache-trace", **settings):
    return plan_for(load_experiment(env, "ppo", overrides=SMALL | settings))


def other_world(env):
    return lambda state, env_params: (state.no_such_field, True)


def best_arm(env):
    """Of the legal arms of a `MaskedBandit` the last, which pays most."""
    return lambda state, env_params: (3 - jnp.argmax(state.legal[::-1]), jnp.bool_(True))


ODD_ADVICE = {
    "fraction": (lambda: (jnp.float32(1.0), True), "gives action as float32[]", "an integer"),
    "pair": (lambda: (jnp.zeros(2, jnp.int32), True), "gives action as int32[2]", "an integer"),
    "flags": (lambda: (0, jnp.ones(4, bool)), "gives matters as bool[4]", "one bool"),
    "few": (lambda: (0, True, jnp.ones(3)), "gives worth as float32[3]", "4 numbers"),
}


@pytest.mark.parametrize("odd", ODD_ADVICE)
def test_advice_of_another_shape_is_refused(odd, monkeypatch):
    advice, given, needed = ODD_ADVICE[odd]
    teacher = lambda env: lambda state, env_params: advice()  # noqa: E731
    monkeypatch.setattr("tests.config.test_imitation.other_world", teacher)
    settings = {"imitation.teacher": "tests.config.test_imitation:other_world"}
    with pytest.raises(ConfigError) as refused:
        planned("tests.small_envs:MaskedBandit", **NO_KWARGS, **settings)
    assert given in str(refused.value) and f"has {needed} there" in str(refused.value)


def test_one_word_asks_for_a_teacher():
    asked = load_experiment("Cache-trace", "ppo", overrides={"imitation": "belady"})
    assert asked.imitation == ImitationConfig(teacher="belady")
    assert whole_experiment(as_dict(asked)) == asked
    assert load_experiment("Cache-trace", "ppo").imitation is None


@pytest.mark.parametrize(("name", "unit"), [("belady", "objects"), ("belady_bytes", "bytes")])
def test_the_file_to_copy_is_of_a_run_that_can_be_made(name, unit):
    plan = plan_for(load_experiment(config=CACHES / f"{name}.yaml"))
    imitation = plan.experiment.imitation
    assert (
        imitation is not None
        and imitation.loss == "worth"
        and plan.env.fallback
        and plan.env.unit == unit
    )
    assert plan.env_steps < imitation.env_steps / 1_000  # next to nothing by reward


@pytest.mark.slow
def test_a_run_begins_as_what_the_teacher_made_of_it():
    plan, plain = planned(), planned(imitation=None)
    assert any("imitation       of belady, for 512 env steps" in line for line in plan_facts(plan))
    begun, untaught = (
        jax.jit(p.program.init)(jax.random.key(0)).train.learner.params for p in (plan, plain)
    )
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), begun, untaught)
    assert any(jax.tree.leaves(changed))


def test_its_last_loss_and_agreement_are_metrics_of_the_first_row(tmp_path):
    settings = {name: x for name, x in SMALL.items() if not name.startswith("env_kwargs")}
    settings |= {"imitation.teacher": "tests.config.test_imitation:best_arm", "env_steps": 160}
    settings |= {"imitation.env_steps": 4_096, "sinks.mlflow.enabled": False}
    env = "tests.small_envs:MaskedBandit"
    run = elsinore.train(env, "ppo", seeds=2, overrides=settings, runs_dir=tmp_path, check=False)
    table = run.metrics
    found = table[table["name"].str.startswith("imitation/")]
    assert len(table["update"].unique()) > 1
    assert (found["update"] == table["update"].min()).all()
    assert sorted(found["seed"]) == [0, 0, 1, 1]
    values = found.pivot_table(index="seed", columns="name", values="value")
    assert (values["imitation/agreement"] > 0.95).all()
    assert ((values["imitation/loss"] > 0) & (values["imitation/loss"] < 0.2)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"imitation.teacher": "beladi"},
            "imitation.teacher='beladi' is unknown; did you mean 'belady'",
        ),
        (
            {"imitation.teacher": "nowhere:nobody"},
            "imitation.teacher='nowhere:nobody' cannot be imported",
        ),
        (
            {"imitation.teacher": "tests.config.test_imitation:other_world"},
            "does not teach in TraceCache",
        ),
        ({"imitation.loss": "mse"}, "imitation.loss='mse' is unknown"),
        ({"imitation.steps": 3}, "imitation.steps is not a setting"),
        ({"algo.normalize_obs": True}, "set algo.normalize_obs: false"),
        ({"algo.network.gru": 8}, "no recurrent network"),
        (
            {"imitation.env_steps": 100},
            "imitation.env_steps=100 must be at least one update of 128 steps",
        ),
    ],
)
def test_an_algorithm_that_imitation_cannot_train_is_refused(settings, message):
    with pytest.raises(ConfigError) as refused:
        planned(**settings)
    assert message in str(refused.value)


@pytest.mark.parametrize("algo", ["ppo", "sac", "td3"])
def test_continuous_actions_are_not_imitated(algo):
    imitation = {name: x for name, x in SMALL.items() if name.startswith("imitation.")}
    message = "imitation='belady' fits choices among n actions, and the action space of Pendulum-v1"
    with pytest.raises(ConfigError, match=message):
        plan_for(load_experiment("Pendulum-v1", algo, overrides=imitation))


def test_belady_teaches_no_other_env():
    message = "'belady' does not teach in .* 'belady' takes the TraceCache of Cache-api or Cache-tr"
    with pytest.raises(ConfigError, match=message):
        planned("CartPole-v1", **NO_KWARGS)
