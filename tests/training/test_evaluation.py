"""An evaluation is the first episode of each env, whole, and unbiased by how long it is."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments.environment import EnvState

from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.jaxtools.agents import gather_agents
from elsinore.training.evaluation import evaluate
from elsinore.training.independent_learners import evaluate_each
from elsinore.types import Algorithm, PolicyFunctions, PolicyState
from tests.algos.trainees import assert_same
from tests.small_envs import Clocked, World


@struct.dataclass
class Sand(EnvState):
    left: jax.Array  # steps until the end


@dataclass(frozen=True)
class Hourglasses(World):
    """Half of all episodes last 1 step, half 100; each step pays 1. The mean return is 50.5."""

    def reset_env(self, key, params):
        left = jnp.where(jax.random.bernoulli(key), 1, 100)
        return jnp.ones(1), Sand(time=jnp.int32(0), left=left)

    def step_env(self, key, state, action, params):
        state = Sand(time=state.time + 1, left=state.left - 1)
        return jnp.ones(1), state, jnp.float32(1.0), state.left == 0, {}


UNTRAINED = Algorithm(
    init=None,
    update=None,
    policy=PolicyFunctions(lambda key, policy_state, carry, obs, greedy: (jnp.int32(0), carry)),
    hyper=None,
    steps_per_update=1,
)


def played(env, params, episodes=200, max_steps=1_000):
    return evaluate(
        UNTRAINED,
        env,
        params,
        PolicyState((), ()),
        jax.random.key(0),
        episodes=episodes,
        max_steps=max_steps,
        greedy=True,
    )


def test_short_episodes_are_not_counted_more_often():
    result = played(Hourglasses(), Clocked())
    assert set(np.unique(result.returns)) == {1.0, 100.0}
    # the mean of all that end in a window would be near 2
    assert abs(float(result.returns.mean()) - 50.5) < 10
    assert bool(result.ended.all())


def test_each_episode_is_played_once_and_whole():
    result = played(Hourglasses(), Clocked())
    np.testing.assert_array_equal(result.returns, result.lengths)


def test_a_time_limit_ends_an_episode():
    result = played(Hourglasses(), Clocked(max_steps_in_episode=30))
    assert set(np.unique(result.lengths)) == {1, 30} and bool(result.ended.all())


def test_an_episode_that_is_cut_is_said_to_be_unfinished():
    result = played(Hourglasses(), Clocked(), max_steps=10)
    np.testing.assert_array_equal(result.ended, np.asarray(result.lengths) == 1)
    assert set(np.unique(result.lengths)) == {1, 10}


def test_evaluating_leaves_no_trace_in_training(program):
    """Two programs that evaluate differently train alike, also after their first evaluation."""
    from gymnax.environments.classic_control.cartpole import CartPole

    from elsinore.training.chunk import build_program
    from elsinore.training.early_stopping import ConvergenceConfig
    from elsinore.training.evaluation import EvaluationConfig
    from elsinore.training.schedule import Schedule

    def trained(episodes):
        built = build_program(
            program.algo,
            CartPole(),
            CartPole().default_params,
            Schedule(4, 2),
            EvaluationConfig(episodes=episodes),
            ConvergenceConfig(enabled=False),
            max_steps=20,
        )
        chunk = jax.jit(built.chunk)
        state, _ = chunk(jax.jit(built.init)(jax.random.key(0)), jnp.int32(2))
        return chunk(state, jnp.int32(2))[0].train

    assert_same(trained(2), trained(3))


# Several agents in one env


class Dials(World):
    """Agent n turns its dial for n + 1 steps, and then it ends; a step pays the sum of all dials
    before it. An agent sees its number.
    """

    def reset_env(self, key, params):
        return gather_agents(0)[1], Sand(time=jnp.int32(0), left=jnp.int32(0))

    def step_env(self, key, state, action, params):
        dials, me = gather_agents(state.left)
        state = Sand(time=state.time + 1, left=state.left + 1)
        return me, state, jnp.float32(dials.sum()), state.left > me, {}


def test_an_agent_whose_episode_has_ended_stays_as_it_was_for_the_others():
    """Dials before each step: [0, 0, 0], [1, 1, 1], [1, 2, 2]."""
    env, how = MultiAgentEnv(Dials(), 3), {"episodes": 2, "max_steps": 9, "greedy": True}
    last = Clocked(), PolicyState((), ()), jax.random.key(0)
    expected = [0.0, 0.0 + 3.0, 0.0 + 3.0 + 5.0]
    shared = evaluate(UNTRAINED, env, *last, **how)
    np.testing.assert_array_equal(shared.returns, expected * 2)
    np.testing.assert_array_equal(shared.lengths, [1, 2, 3] * 2)
    independent = evaluate_each(evaluate, UNTRAINED, env)(UNTRAINED, env, *last, **how)
    np.testing.assert_array_equal(independent.returns, expected * 2)
    np.testing.assert_array_equal(independent.lengths, [1, 2, 3] * 2)
