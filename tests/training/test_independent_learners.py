"""Agents that live in one env see one another, and learn each for itself or all together."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from gymnax.environments.environment import EnvState

from elsinore.config.agents import AgentsConfig
from elsinore.config.learners import multi_agent_env
from elsinore.experience.autoreset import batched_reset
from elsinore.experience.multi_agent import MultiAgentEnv, over_agents
from elsinore.experience.rollout import rollout
from elsinore.jaxtools.agents import AGENTS, gather_agents
from elsinore.training.evaluation import evaluate
from elsinore.training.independent_learners import evaluate_each, independent, key_of
from elsinore.types import PER_AGENT, Actor, Decision, Mean, Metrics
from tests.algos.trainees import DQN, KEY, PPO, QUICKLY, make
from tests.small_envs import Clocked, Corridor, World
from tests.training.test_recording import with_act


@struct.dataclass
class Taste(Clocked):
    max_steps_in_episode: int = 3
    sweet: float = 0.0  # paid beside the company


@dataclass(frozen=True)
class Crowd(World):
    """An action pays how many agents of this env chose it, and `sweet` besides."""

    @property
    def default_params(self) -> Taste:
        return Taste()

    def reset_env(self, key, params):
        return jnp.ones(1), EnvState(time=0)

    def step_env(self, key, state, action, params):
        everyone, me = gather_agents(action)
        state = state.replace(time=state.time + 1)
        reward = jnp.sum(everyone == everyone[me]).astype(jnp.float32) + params.sweet
        return jnp.ones(1), state, reward, jnp.bool_(False), {}


CROWD, TASTE = Crowd(), Taste()
THREE = MultiAgentEnv(CROWD, 3)


def rewards(world, params, actions):
    """Rewards of one step of an env with these actions, [agent]."""
    actions = jnp.array(actions)
    keys = jax.random.split(KEY, len(actions))
    _, states = batched_reset(world, keys, params)
    return over_agents(world, CROWD.step_env, params)(keys, states, actions)[2]


# Company


def test_an_agent_that_is_alone_sees_itself_only():
    everyone, me = gather_agents({"at": jnp.array([1.0, 2.0])})
    np.testing.assert_array_equal(everyone["at"], [[1.0, 2.0]])
    assert me == 0


def test_agents_of_one_env_see_each_other_only():
    np.testing.assert_array_equal(rewards(THREE, TASTE, [1, 1, 0, 1, 1, 1]), [2, 2, 1, 3, 3, 3])
    np.testing.assert_array_equal(rewards(CROWD, TASTE, [1, 1, 0]), [1, 1, 1])


def test_what_differs_between_agents_reaches_each_in_every_env():
    config = AgentsConfig(number=3, params={"sweet": [0.5, 0.0, -1.0]})
    world, params = multi_agent_env(config, CROWD, TASTE)
    assert world.differing == {"sweet"} and world.params_of(params, 2).sweet == -1.0
    np.testing.assert_array_equal(rewards(world, params, [1, 1, 0] * 2), [2.5, 2.0, 0.0] * 2)


def test_a_rollout_has_metrics_of_all_agents_and_of_each():
    world, params = multi_agent_env(
        AgentsConfig(number=3, params={"sweet": [0.0, 10.0, 20.0]}), CROWD, TASTE
    )
    actor_keys = jax.random.split(KEY, 6)
    obs, states = batched_reset(world, actor_keys, params)
    actor = Actor(states, obs, (), jnp.zeros(6), jnp.zeros(6, jnp.int32))

    def always(noise, carry, obs):
        return Decision(jnp.ones(6, jnp.int32), jnp.ones(6, jnp.int32), ())

    _, experience, metrics = rollout(world, params, always, actor, KEY, jnp.zeros((3, 6)))
    assert experience.truncated[-1].all() and not experience.terminated.any()
    np.testing.assert_array_equal(
        metrics[PER_AGENT]["episode/return"].total, [2 * 9, 2 * 39, 2 * 69]
    )
    np.testing.assert_array_equal(metrics[PER_AGENT]["episode/return"].count, [2, 2, 2])
    assert (
        metrics["episode/return"].total == 2 * (9 + 39 + 69)
        and metrics["episode/length"].total == 18
    )


def test_a_value_of_each_agent_becomes_a_metric_of_each():
    means = {
        PER_AGENT: {"loss": Mean(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0]))},
        "loss": Mean(jnp.float32(3.0), jnp.float32(5.0)),
    }
    metrics = Metrics.of(means)
    assert metrics.names == (("", "loss"), ("agent_0", "loss"), ("agent_1", "loss"))
    assert [tuple(map(float, mean)) for _, mean in metrics.items()] == [(3, 5), (1, 1), (2, 4)]


# Each for itself


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [pytest.param(PPO(), marks=pytest.mark.slow), DQN()], ids=["ppo", "dqn"]
)
def test_independent_agents_that_do_not_interact_learn_as_if_alone(config):
    alone = make(config, Corridor(), Clocked())
    world = MultiAgentEnv(Corridor(), 2)
    everyone = independent(alone, world)
    assert everyone.steps_per_update == 2 * alone.steps_per_update

    def run(algo, key):
        start = algo.init(key, Clocked(), algo.hyper)
        return jax.lax.scan(lambda state, _: algo.update(state), start, length=6)

    state, metrics = jax.jit(partial(run, everyone), compiler_options=QUICKLY)(KEY)
    assert state.update == 6
    single = jax.jit(partial(run, alone), compiler_options=QUICKLY)
    for agent in range(2):
        expected, logged = single(key_of(KEY, agent))
        mine = jax.tree.map(lambda x, agent=agent: x[agent], state.learner.params)
        jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), mine, expected.learner.params)
        np.testing.assert_allclose(
            metrics[PER_AGENT]["episode/length"].total[:, agent], logged["episode/length"].total
        )
    np.testing.assert_allclose(
        metrics["loss/value"].count, metrics[PER_AGENT]["loss/value"].count.sum(1)
    )


@dataclass(frozen=True)
class Draw(World):
    """The agents of an env share a number that is drawn at its reset; each sees it and its own."""

    def reset_env(self, key, params):
        numbers, me = gather_agents(jax.random.randint(key, (), 0, 1000))
        return jnp.stack([numbers[0], me]).astype(jnp.float32), EnvState(time=0)

    def step_env(self, key, state, action, params):
        return jnp.zeros(2), state, jnp.float32(0), jnp.bool_(False), {}


def test_the_first_episodes_of_independent_agents_begin_together():
    alone = make(DQN(num_envs=5), Draw(), Clocked())
    state = independent(alone, MultiAgentEnv(Draw(), 3)).init(KEY, Clocked(), alone.hyper)
    shared, me = jnp.moveaxis(state.actor.obs, -1, 0)  # [agent, env]
    np.testing.assert_array_equal(shared, np.broadcast_to(shared[0], (3, 5)))
    np.testing.assert_array_equal(me, np.broadcast_to(np.arange(3)[:, None], (3, 5)))
    of_first = alone.init(key_of(KEY, 0), Clocked(), alone.hyper).actor.obs
    np.testing.assert_array_equal(shared[0], of_first[:, 0])


def test_each_agent_is_evaluated_with_its_own_policy_among_the_others():
    world, params = multi_agent_env(
        AgentsConfig(number=3, params={"sweet": [0.0, 10.0, 20.0]}), CROWD, TASTE
    )
    alone = make(PPO(), CROWD, TASTE)
    always_their_own = with_act(
        alone, lambda key, policy_state, carry, obs, greedy: (policy_state, carry)
    )
    play = evaluate_each(evaluate, always_their_own, world)
    episodes = play(
        None, world, params, jnp.array([1, 0, 1]), KEY, episodes=2, max_steps=10, greedy=True
    )
    # three steps of 2, 1 and 2 of a kind
    np.testing.assert_array_equal(episodes.returns, [6.0, 33.0, 66.0] * 2)
    assert episodes.ended.all() and (episodes.lengths == 3).all()


def test_one_learner_is_evaluated_in_every_body_of_an_env():
    learner = make(PPO(num_envs=6), THREE, TASTE)
    learner = with_act(learner, lambda key, policy_state, carry, obs, greedy: (jnp.int32(1), carry))
    episodes = evaluate(learner, THREE, TASTE, None, KEY, episodes=2, max_steps=10, greedy=True)
    np.testing.assert_array_equal(episodes.returns, [9.0] * 6)


def test_agents_that_are_many_are_one_along_the_axis():
    """The axis is there whatever is batched around it."""
    one_world = jax.vmap(lambda x: gather_agents(x)[0].sum(), axis_name=AGENTS)
    np.testing.assert_array_equal(
        jax.vmap(one_world)(jnp.arange(6.0).reshape(2, 3)), [[3, 3, 3], [12, 12, 12]]
    )


# The config


@pytest.mark.parametrize(("number", "shared"), [(2, False), (9, False), (10, True), (100, True)])
def test_agents_share_a_learner_from_ten_on(number, shared):
    assert AgentsConfig(number=number).shared is shared
    assert AgentsConfig(number=number, sharing="shared").shared
    assert not AgentsConfig(number=number, sharing="independent").shared


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"number": 0}, "number=0 must be from 1 to 100"),
        ({"number": 101}, "number=101 must be from 1 to 100"),
        ({"sharing": "some"}, "sharing='some' is unknown; choose auto, independent or shared"),
        ({"threshold": 0}, "threshold=0"),
        (
            {"number": 2, "params": {"sweet": [1.0]}},
            r"params.sweet=\[1.0\] must be a list of a value for each of 2 agents",
        ),
    ],
)
def test_a_config_that_cannot_be_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        AgentsConfig(**config)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"sour": [1.0, 2.0]},
            "agents.params.sour is no parameter of Crowd; it has: max_steps_in_episode, sweet",
        ),
        ({"sweet": [1.0, "much"]}, "agents.params.sweet=.* must be like its default"),
        ({"sweet": [1.0, [1.0, 2.0]]}, "agents.params.sweet=.* must be like its default"),
    ],
)
def test_values_that_the_env_cannot_take_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        multi_agent_env(AgentsConfig(number=2, params=params), CROWD, TASTE)
