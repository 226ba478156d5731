"""What is learnt where the answer is known, by every algorithm and every option of it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.experience.normalisation import without_unit
from tests.algos.trainees import (
    A2C,
    DQN,
    KEY,
    PARAMS,
    PPO,
    PQN,
    SAC,
    SAC_DISCRETE,
    TD3,
    VARIANTS,
    make,
    mean,
    train,
    values,
)
from tests.small_envs import Clocked, Corridor, Forever, Seesaw, Wait

MAKERS = {
    "ppo": PPO, "a2c": A2C, "dqn": DQN, "pqn": PQN,
    "sac": SAC, "sac_discrete": SAC_DISCRETE, "td3": TD3,
}  # fmt: skip
DEAR = ("sac", "sac_discrete", "td3")  # to compile


def slow(*values, **named):
    return pytest.param(*values, marks=pytest.mark.slow, **named)


def all_but(dear):
    """Every algorithm; those that are dear to compile are slow."""
    params = (slow if name in dear else pytest.param for name in MAKERS)
    each = [param(x, id=name) for param, (name, x) in zip(params, MAKERS.items(), strict=True)]
    return pytest.mark.parametrize("make", each)


cheap = all_but(DEAR)
without_another_quick_case = all_but(("sac", "td3"))  # which have one in BOOTSTRAPPING
BOOTSTRAPPING = [
    "ppo",
    slow("ppo vtrace"),
    slow("ppo popart"),
    slow("ppo gsde"),
    "a2c",
    slow("a2c gae adam"),
    slow("dqn"),
    slow("dqn double"),
    "dqn n-step",
    slow("dqn rainbow"),
    slow("dqn polyak"),
    slow("dqn c51"),
    slow("dqn qr"),
    slow("dqn iqn"),
    slow("pqn"),
    "sac",
    slow("sac n-step prioritised"),
    slow("sac tqc"),
    slow("sac beta"),
    slow("sac gsde"),
    slow("sac_discrete"),
    slow("sac_discrete n-step prioritised"),
    "td3",
    slow("td3 n-step prioritised"),
    slow("ddpg"),
]
EXPLORING = [
    "ppo",
    slow("ppo spo"),
    slow("ppo vtrace"),
    slow("ppo gru"),
    slow("ppo lstm"),
    slow("ppo lru"),
    slow("ppo squashed"),
    slow("ppo beta"),
    slow("ppo rnd"),
    slow("a2c"),
    slow("a2c gru"),
    slow("a2c popart"),
    slow("a2c rnd"),
    slow("dqn dueling"),
    "dqn prioritised",
    slow("dqn rainbow"),
    slow("dqn episodes"),
    slow("dqn huber"),
    slow("dqn rnd"),
    slow("dqn noisy"),
    slow("dqn munchausen"),
    slow("dqn munchausen iqn"),
    slow("dqn resets"),
    slow("dqn whole rainbow"),
    slow("dqn gru"),
    slow("dqn lru r2d2"),
    slow("dqn lstm c51"),
    "pqn",
    slow("pqn gru"),
    slow("pqn lru"),
    slow("pqn rnd"),
    "sac",
    slow("sac fixed"),
    slow("sac rnd"),
    slow("sac tqc"),
    slow("sac droq"),
    slow("sac beta"),
    slow("sac gsde"),
    slow("sac_discrete"),
    slow("td3"),
]


@cheap
def test_a_reward_that_always_comes_is_worth_itself(make):
    trained = train(make(), Wait(1))
    assert values(trained, jnp.ones(1)) == pytest.approx([1.0], abs=0.02)
    assert (
        mean(trained.metrics["episode/return"]) == 1.0
        and mean(trained.metrics["episode/length"]) == 1.0
    )


@cheap
def test_a_reward_that_comes_later_is_worth_less_by_gamma_a_step(make):
    trained = train(make(gamma=0.5), Wait(3))
    assert values(trained, *jnp.eye(3)) == pytest.approx([0.25, 0.5, 1.0], abs=0.03)


@pytest.mark.parametrize(
    "options", [{"n_step": 3}, slow({"n_step": 2}), slow({"n_step": 5})], ids=str
)
def test_several_steps_at_once_never_run_on_into_the_next_episode(options):
    trained = train(DQN(gamma=0.5, **options), Wait(3))
    assert values(trained, *jnp.eye(3)) == pytest.approx([0.25, 0.5, 1.0], abs=0.03)


@without_another_quick_case
def test_a_time_limit_takes_nothing_from_what_an_env_without_end_is_worth(make):
    """1 / (1 - 0.9) = 10; a learner that takes time-outs for deaths would find some 4."""
    trained = train(make(gamma=0.9), Forever(), Clocked(max_steps_in_episode=10))
    assert values(trained, jnp.ones(1)) == pytest.approx([10.0], abs=0.4)


@pytest.mark.parametrize(
    "options",
    [
        {"distribution": "c51", "v_min": 0.0, "v_max": 16.0, "atoms": 33},
        slow({"distribution": "qr", "quantiles": 8}),
    ],
    ids=["c51", "qr"],
)
def test_a_time_limit_takes_nothing_from_a_distribution_of_returns(options):
    config = DQN(gamma=0.9, learning_rate=0.03, **options)
    trained = train(config, Forever(), Clocked(max_steps_in_episode=10))
    assert values(trained, jnp.ones(1)) == pytest.approx([10.0], abs=0.4)


@pytest.mark.parametrize("name", BOOTSTRAPPING)
def test_the_future_beyond_a_time_limit_is_that_of_the_last_sight_and_not_of_the_next_first(name):
    """Every step is timed out; by the fresh episode's sight, which is either, up would be worth 1.5
    and down 0.5."""
    config = replace(VARIANTS[name], gamma=0.5)
    trained = train(config, Seesaw(), Clocked(max_steps_in_episode=1))
    down, up = values(trained, *jnp.eye(2))
    assert (up, down) == pytest.approx((4 / 3, 2 / 3), abs=0.1)


@pytest.mark.parametrize("name", EXPLORING)
def test_it_learns_to_walk_to_the_end_of_the_corridor(name):
    config = replace(VARIANTS[name], gamma=0.9)
    trained = train(config, Corridor(), Clocked(max_steps_in_episode=20))
    lengths = trained.metrics["episode/length"]
    assert mean(jax.tree.map(lambda x: x[:5], lengths)) > 6.0
    # four steps are the least; one random action in ten costs half a step
    assert mean(lengths) < 4.9
    assert mean(trained.metrics["episode/return"]) == 1.0  # raw, whatever it learns from


def test_every_option_is_tried_in_one_env_at_least():
    tried = (getattr(x, "values", (x,))[0] for x in (*BOOTSTRAPPING, *EXPLORING))
    assert set(tried) == set(VARIANTS)


@pytest.mark.parametrize("make_config", MAKERS.values(), ids=MAKERS)
def test_a_value_is_shown_in_the_unit_of_the_rewards_though_scaled_ones_are_learnt(make_config):
    algo = make(make_config(normalize_rewards=True), Corridor(), updates=1)
    state = jax.eval_shape(lambda key: algo.init(key, PARAMS, algo.hyper), KEY)
    state = jax.tree.map(lambda x: jnp.full(x.shape, 0.1, x.dtype), state.policy_state)
    obs = jnp.ones(5)

    def shown(stats):
        policy_state = state._replace(stats=stats)
        scores = algo.policy.action_scores(policy_state, (), obs)
        return algo.policy.value(policy_state, (), obs), scores.get("action value", jnp.ones(()))

    learnt, learnt_scores = shown(without_unit(state.stats))
    deviation = state.stats._replace(returns=state.stats.returns._replace(var=jnp.float32(400.0)))
    value, scores = shown(deviation)
    assert abs(learnt) > 1e-3
    np.testing.assert_allclose(value, 20.0 * learnt, rtol=1e-5)
    unit = 20.0 if "action value" in algo.policy.action_scores(state, (), obs) else 1.0
    np.testing.assert_allclose(scores, unit * learnt_scores, rtol=1e-5)
