"""A team that is paid together learns sooner with algorithms that know it is one."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from benchmarks.teams import Orchestra, Params
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.nets.config import NetworkConfig
from tests.algos.trainees import DQN, KEY, PPO, PQN, QUICKLY, make

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AGENTS, SEEDS, PARAMS = 8, 8, Params()
# 64 episodes of eight agents in each of 20 updates: 10,240 agent steps
SHORT = PPO(num_envs=8 * AGENTS, rollout_length=8, num_epochs=4, learning_rate=0.003, gamma=0.9)

REPLAY = DQN(
    num_envs=8 * AGENTS,
    rollout_length=8,
    gradient_steps=16,
    batch_size=64,
    buffer_size=64 * 200,
    learning_starts=512,
    target_period=1024,
    learning_rate=0.003,
    learning_rate_final=None,  # so few updates leave no time for a rate that falls
    gamma=0.9,
    epsilon_final=0.3,
)

ROLLOUTS = PQN(
    num_envs=8 * AGENTS,
    rollout_length=8,
    num_minibatches=4,
    num_epochs=4,
    learning_rate=0.003,
    gamma=0.9,
    epsilon_final=0.3,
    network=NetworkConfig(hidden=(64,), layer_norm=True),
)


def trained(config, env, updates):
    """The policy functions, the states of all seeds and every update's metrics."""
    algo = make(config, env, PARAMS, updates)

    def one(key):
        start = algo.init(key, PARAMS, algo.hyper)
        return jax.lax.scan(lambda state, _: algo.update(state), start, length=updates)

    keys = jax.random.split(KEY, SEEDS)
    return algo.policy, *jax.jit(jax.vmap(one), compiler_options=QUICKLY)(keys)


def probability_of_the_number(config, env, updates):
    """How likely each seed's policy plays the number that its agent sees, and how much of the
    returns' variance its critic explains."""
    policy, states, metrics = trained(config, env, updates)

    def seed(policy_state):
        played = jax.vmap(lambda obs: policy.action_scores(policy_state, (), obs)["probability"])
        return jnp.mean(jnp.diag(played(jnp.eye(2))))

    explained = metrics["value/explained_variance"].total[:, -1]
    return jax.vmap(seed)(states.policy_state), explained


def test_a_critic_that_sees_all_is_not_misled_by_luck():
    own, blind = probability_of_the_number(SHORT, MultiAgentEnv(Orchestra(), AGENTS), 20)
    joint = MultiAgentEnv(Orchestra(), AGENTS, critic="joint")
    mappo, seeing = probability_of_the_number(SHORT, joint, 20)
    assert mappo.min() >= 0.93 and own.mean() <= 0.88
    # the luck is the mean of eight numbers, of which an agent knows one
    assert seeing.min() >= 0.95 and (jnp.abs(blind - 1 / 8) <= 0.05).all()


def gain_of_the_number(config, env, updates):
    """By how much the number that an agent sees is valued above the other, [seed, number]."""
    policy, states, _ = trained(config, env, updates)

    def seed(policy_state):
        valued = jax.vmap(lambda obs: policy.action_scores(policy_state, (), obs)["action value"])
        q = valued(jnp.eye(2))
        return jnp.diag(q) - jnp.diag(q[:, ::-1])

    return jax.vmap(seed)(states.policy_state)


def test_the_sum_of_values_finds_what_each_agent_adds():
    # the reward is the share of agents that are right: one agent adds 1/8
    alone = replace(REPLAY, batch_size=AGENTS * REPLAY.batch_size)  # as many agents' steps
    own = gain_of_the_number(alone, MultiAgentEnv(Orchestra(), AGENTS), 20)
    vdn = gain_of_the_number(REPLAY, MultiAgentEnv(Orchestra(), AGENTS, mixing="sum"), 20)
    assert (jnp.abs(vdn - 1 / AGENTS) <= 0.02).all()
    assert jnp.abs(own - 1 / AGENTS).mean() >= 0.05


def test_the_sum_of_values_finds_it_without_a_replay():
    own = gain_of_the_number(ROLLOUTS, MultiAgentEnv(Orchestra(), AGENTS), 20)
    vdn = gain_of_the_number(ROLLOUTS, MultiAgentEnv(Orchestra(), AGENTS, mixing="sum"), 20)
    assert (jnp.abs(vdn - 1 / AGENTS) <= 0.001).all()
    assert jnp.abs(own - 1 / AGENTS).mean() >= 0.1
