"""What is learnt where the answer is known, by every algorithm and every option of it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from tests.algos.trainees import A2C, DQN, PPO, PQN, SAC, TD3, VARIANTS, mean, train, values
from tests.small_envs import Clocked, Corridor, Forever, Seesaw, Wait

plain = pytest.mark.parametrize(
    "make", [PPO, A2C, DQN, PQN, SAC, TD3], ids=["ppo", "a2c", "dqn", "pqn", "sac", "td3"]
)
BOOTSTRAPPING = [
    "ppo",
    "a2c",
    "a2c gae adam",
    "dqn",
    "dqn double",
    "dqn n-step",
    "dqn rainbow",
    "dqn polyak",
    "pqn",
    "sac",
    "sac n-step prioritised",
    "td3",
    "td3 n-step prioritised",
    "ddpg",
]
EXPLORING = [
    "ppo",
    "ppo gru",
    "ppo rnd",
    "a2c",
    "a2c gru",
    "a2c rnd",
    "dqn dueling",
    "dqn prioritised",
    "dqn rainbow",
    "dqn episodes",
    "dqn huber",
    "dqn rnd",
    "pqn",
    "pqn rnd",
    "sac",
    "sac fixed",
    "sac rnd",
    "td3",
]


@plain
def test_a_reward_that_always_comes_is_worth_itself(make):
    trained = train(make(), Wait(1))
    assert values(trained, jnp.ones(1)) == pytest.approx([1.0], abs=0.02)
    assert (
        mean(trained.metrics["episode/return"]) == 1.0
        and mean(trained.metrics["episode/length"]) == 1.0
    )


@plain
def test_a_reward_that_comes_later_is_worth_less_by_gamma_a_step(make):
    trained = train(make(gamma=0.5), Wait(3))
    assert values(trained, *jnp.eye(3)) == pytest.approx([0.25, 0.5, 1.0], abs=0.03)


@pytest.mark.parametrize("options", [{"n_step": 2}, {"n_step": 3}, {"n_step": 5}], ids=str)
def test_several_steps_at_once_never_run_on_into_the_next_episode(options):
    trained = train(DQN(gamma=0.5, **options), Wait(3))
    assert values(trained, *jnp.eye(3)) == pytest.approx([0.25, 0.5, 1.0], abs=0.03)


@plain
def test_a_time_limit_takes_nothing_from_what_a_world_without_end_is_worth(make):
    """1 / (1 - 0.9) = 10; a learner that takes time-outs for deaths would find some 4."""
    trained = train(make(gamma=0.9), Forever(), Clocked(max_steps_in_episode=10))
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


def test_every_option_is_tried_in_one_world_at_least():
    assert set(BOOTSTRAPPING) | set(EXPLORING) == set(VARIANTS)
