"""MAPPO: the critic of a shared learner reads the observations of all agents of an env, its policy
only those of one."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.teams import Orchestra, Params
from elsinore.algos.common import observation_of
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.errors import ConfigError
from elsinore.experience.joint_observations import critic_view, example_of, joint_observation
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.nets.build import actor_critic_network
from elsinore.nets.centralised import decentralised
from elsinore.nets.heads import discrete_head
from tests.algos.trainees import A2C, GRU, KEY, LRU, PPO, TINY, assert_same, compiled
from tests.devices import needs_cpu_programs
from tests.small_envs import Dials, MaskedEcho

ENV, PARAMS, AGENTS = Orchestra(), Params(), 3
JOINT = MultiAgentEnv(ENV, AGENTS, critic="joint")
IDS = MultiAgentEnv(ENV, AGENTS, critic="joint", ids=True)
ONE = jax.ShapeDtypeStruct((2,), jnp.float32)
ROWS = PPO(num_envs=6, num_minibatches=2, num_epochs=1, rollout_length=8)
OBS = jnp.arange(12.0).reshape(6, 2)  # of two envs with three agents each


def network(config=TINY, env=JOINT):
    net = actor_critic_network(config, discrete_head(2), ONE, joint=True)
    return decentralised(net, example_of(env, ONE)), critic_view(env, ONE)


# What the critic reads


def test_each_row_has_the_observations_of_its_env_in_the_order_of_its_agents():
    seen = joint_observation(JOINT, ONE, OBS)
    assert seen.shape == (6, 3, 2)
    for row in range(6):
        np.testing.assert_array_equal(seen[row], OBS[:3] if row < 3 else OBS[3:])
    over_time = joint_observation(JOINT, ONE, jnp.stack([OBS, -OBS]))
    np.testing.assert_array_equal(over_time, jnp.stack([seen, -seen]))


def test_an_id_says_which_agent_a_row_is():
    seen = joint_observation(IDS, ONE, jnp.stack([OBS, OBS]))
    np.testing.assert_array_equal(seen["id"], jnp.tile(jnp.eye(3), (2, 2, 1)))
    np.testing.assert_array_equal(seen["everyone"][0], joint_observation(JOINT, ONE, OBS))


def test_a_mask_is_the_policys_alone():
    obs = {"heard": OBS, "action_mask": jnp.ones((6, 2), bool)}
    one = {"heard": ONE, "action_mask": jax.ShapeDtypeStruct((2,), bool)}
    assert set(joint_observation(JOINT, one, obs)) == {"heard"}
    assert set(joint_observation(IDS, one, obs)["everyone"]) == {"heard"}


def test_images_become_one_with_the_channels_of_all_and_a_plane_for_the_id():
    image = jnp.arange(6 * 4 * 5 * 2.0).reshape(6, 4, 5, 2)
    one = jax.ShapeDtypeStruct((4, 5, 2), jnp.float32)
    seen = joint_observation(IDS, one, image)
    assert seen.shape == (6, 4, 5, 3 * 2 + 3)
    for agent in range(3):
        np.testing.assert_array_equal(seen[4, ..., 2 * agent : 2 * agent + 2], image[3 + agent])
    np.testing.assert_array_equal(seen[4, ..., 6:], jnp.broadcast_to(jnp.eye(3)[1], (4, 5, 3)))


# Policy and critic


@pytest.mark.parametrize(
    "config",
    [TINY, pytest.param(GRU, marks=pytest.mark.slow), pytest.param(LRU, marks=pytest.mark.slow)],
    ids=["mlp", "gru", "lru"],
)
def test_the_value_depends_on_what_all_see_and_the_policy_on_its_own(config):
    net, view = network(config)
    params = net.init(KEY, OBS[0])
    carry = jax.tree.map(lambda x: jnp.stack([x] * 6), net.initial_carry)

    def value_of_the_first(obs):
        return net.step(params, carry, view(obs))[2][0]

    def outputs_of_the_first(obs):
        return net.step(params, carry, view(obs))[1][0].sum()

    by_value, by_outputs = jax.grad(value_of_the_first)(OBS), jax.grad(outputs_of_the_first)(OBS)
    assert (jnp.abs(by_value[:3]) > 0).all() and (by_value[3:] == 0).all()
    assert (jnp.abs(by_outputs[0]) > 0).all() and (by_outputs[1:] == 0).all()


@pytest.mark.parametrize("config", [TINY, GRU], ids=["mlp", "gru"])
def test_the_policy_needs_its_own_observation_only(config):
    net, view = network(config)
    params = net.init(KEY, OBS[0])
    carry = jax.tree.map(lambda x: jnp.stack([x] * 6), net.initial_carry)
    after, outputs, value = net.step(params, carry, view(OBS))
    own_after, own_outputs, no_value = net.step(params, carry, OBS)
    np.testing.assert_array_equal(own_outputs, outputs)
    assert jnp.isfinite(value).all() and jnp.isnan(no_value).all()
    if carry:
        np.testing.assert_array_equal(own_after[0], after[0])  # the policy's memory


@pytest.mark.parametrize("config", [ROWS, replace(ROWS, network=GRU)], ids=["mlp", "gru"])
def test_no_action_depends_on_what_others_see(config):
    algo, begin, _ = compiled(config, JOINT, PARAMS, 4)
    state = begin()
    context, noise = algo.parts.prepare(state, KEY)
    obs, now = state.actor.obs, jax.tree.map(lambda x: x[0], noise)
    decide = jax.jit(lambda obs: algo.parts.decide(state, context, now, state.actor.carry, obs))
    plain, other = decide(obs), decide(obs.at[1].set(1.0 - obs[1]))
    np.testing.assert_array_equal(np.delete(other.log_prob, 1), np.delete(plain.log_prob, 1))
    np.testing.assert_array_equal(np.delete(other.env_action, 1), np.delete(plain.env_action, 1))
    assert other.log_prob[1] != plain.log_prob[1]


def test_the_policy_has_no_value_to_show():
    assert compiled(ROWS, JOINT, PARAMS, 4).algo.policy.value is None


# Learning


@pytest.mark.slow
@needs_cpu_programs
@pytest.mark.parametrize(
    "config", [PPO(), pytest.param(A2C(), marks=pytest.mark.slow)], ids=["ppo", "a2c"]
)
def test_one_agent_learns_bit_for_bit_what_it_does_with_its_own_critic(config):
    found = []
    for critic in ("own", "joint"):
        _, begin, update = compiled(config, MultiAgentEnv(ENV, 1, critic=critic), PARAMS, 4)
        state, _ = update(begin())
        found.append(update(state)[0])
    assert_same(found[0].learner, found[1].learner)


@pytest.mark.slow
@pytest.mark.parametrize("env", [MaskedEcho(), Dials()], ids=["mask", "several choices"])
def test_masks_and_normalisers_are_those_of_a_shared_learner(env):
    config = replace(ROWS, normalize_obs=True)
    masked = MultiAgentEnv(env, AGENTS, critic="joint", ids=True)
    _, begin, update = compiled(config, masked, PARAMS, 4)
    state, metrics = update(begin())
    own = compiled(config, MultiAgentEnv(env, AGENTS), PARAMS, 4)
    shared, _ = own.update(own.begin())
    assert_same(state.stats, shared.stats)
    assert float(metrics["episode/return"].total) > -1_000  # an illegal action costs 1,000


# Settings

TEAM = {"agents.number": 3, "agents.sharing": "shared", "agents.critic": "joint"}


def test_a_run_says_what_its_critic_sees():
    experiment = load_experiment("CartPole-v1", overrides=TEAM | {"agents.ids": True})
    assert experiment.agents.described().endswith("one learner for all, whose critic sees all")
    plan = plan_for(experiment)
    assert plan.env.critic == "joint" and plan.env.ids
    widths = {x.shape[0] for x in jax.tree.leaves(plan.state_shapes.train.learner.params)}
    assert {4, 3 * 4 + 3} < widths  # what the policy reads of CartPole, and what its critic does
    assert observation_of(plan.env, plan.env_params).shape == (4,)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"agents.number": 1}, "critic='joint' is of several agents"),
        ({"agents.sharing": "independent"}, "sharing='independent'; use agents.sharing: shared"),
        ({"agents.sharing": "auto"}, "sharing='auto'; use agents.sharing: shared"),
        ({"agents.critic": "all"}, "critic='all' is unknown; choose own or joint"),
        ({"agents.critic": "own", "agents.ids": True}, "ids=True adds to what a joint critic"),
        ({"algo": "dqn"}, "agents.critic='joint' is of algo: ppo or a2c, and not of algo='dqn'"),
        ({"algo.network.shared": True}, "agents.critic='joint' needs a trunk of its own"),
        ({"algo.network.custom": "tests.nets.test_build:Recurrent"}, "needs a trunk of its own"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message):
        plan_for(load_experiment("CartPole-v1", overrides=TEAM | settings))
