"""A recording is the episode as it was."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from gymnax.environments.environment import EnvState

from elsinore.experience.autoreset import env_step, reset
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.jaxtools.agents import gather_agents
from elsinore.jaxtools.prng import for_uses
from elsinore.training.independent_learners import independent
from elsinore.training.random_policy import UNTRAINED, random_policy
from elsinore.training.recording import acting_for_all, record_episode
from elsinore.types import Algorithm, PolicyFunctions, PolicyState
from tests.small_envs import Clocked, Dart, Dials, MaskedBandit, Scripted, World


def player(act, **opinions) -> Algorithm:
    """An algorithm that acts by `act(key, carry, obs) -> (action, carry)` and never learns."""
    return Algorithm(
        init=None,
        update=None,
        policy=PolicyFunctions(
            lambda key, policy_state, carry, obs, greedy: act(key, carry, obs),
            initial_carry=jnp.int32(0),
            **opinions,
        ),
        hyper=(),
        steps_per_update=1,
    )


def with_act(algo: Algorithm, act) -> Algorithm:
    return algo._replace(policy=algo.policy._replace(act=act))


def dying_at(step: int) -> Algorithm:
    """In `Scripted`, whose action 1 dies: the memory counts the steps."""
    return player(lambda key, carry, obs: (jnp.int32(carry == step - 1), carry + 1))


def recorded(algo, env, params=None, max_steps=6, key=0, policy_state=UNTRAINED, greedy=True):
    params = params or env.default_params
    film = jax.jit(
        lambda key: record_episode(algo, env, policy_state, params, key, max_steps, greedy)
    )(jax.random.key(key))
    return jax.tree.map(np.asarray, film)


def test_an_episode_is_recorded_until_it_ends():
    film = recorded(dying_at(3), Scripted())
    assert film.length == 3
    assert film.reward[:3].tolist() == [1.0, 2.0, 3.0]
    assert film.state.time[:4].tolist() == [0, 1, 2, 3]
    assert film.action[:3].tolist() == [0, 0, 1]
    assert film.terminated[:3].tolist() == [False, False, True] and not film.truncated.any()


def test_what_lies_behind_the_end_is_empty():
    film = recorded(dying_at(3), Scripted())
    assert not film.reward[3:].any() and not film.state.time[4:].any()
    assert film.reward.shape == (6,) and film.state.time.shape == (7,)


def test_a_time_limit_truncates():
    film = recorded(dying_at(99), Scripted(), Clocked(max_steps_in_episode=4))
    assert film.length == 4
    assert film.truncated[:4].tolist() == [False, False, False, True] and not film.terminated.any()


def test_a_recording_that_is_too_short_has_no_end():
    film = recorded(dying_at(99), Scripted(), max_steps=5)
    assert film.length == 5 and not film.terminated.any() and not film.truncated.any()


def test_many_episodes_are_recorded_side_by_side_as_they_are_alone():
    env, algo = MaskedBandit(), random_policy(MaskedBandit(), Clocked())
    play = partial(
        record_episode, algo, env, UNTRAINED, env.default_params, max_steps=3, greedy=False
    )
    keys = jax.random.split(jax.random.key(3), 4)
    together = jax.jit(jax.vmap(lambda key: play(key=key)))(keys)
    alone = jax.jit(lambda key: play(key=key))(keys[2])
    chex.assert_trees_all_equal(jax.tree.map(lambda x: x[2], together), alone)


def test_a_recording_is_what_a_plain_loop_sees(cartpole, cartpole_ppo):
    """Agreement with the slow and obvious way."""
    env, params = cartpole
    algo, policy_state = cartpole_ppo.algo, cartpole_ppo.init(jax.random.key(1)).policy_state
    film = recorded(algo, env, params, max_steps=60, key=5, policy_state=policy_state, greedy=False)
    reset_key, act_key, step_key = for_uses(jax.random.key(5), "record", "act", "step")
    step, act = jax.jit(partial(env_step, env)), jax.jit(partial(algo.policy.act, greedy=False))
    obs, state = reset(env, reset_key, params)
    for time in range(int(film.length)):
        np.testing.assert_allclose(film.state.theta[time], state.theta, rtol=1e-5, atol=1e-6)
        action, _ = act(jax.random.fold_in(act_key, time), policy_state, (), obs)
        assert action == film.action[time]
        out = step(jax.random.fold_in(step_key, time), state, action, params)
        obs, state = out.obs, out.state
    assert out.terminated and film.terminated[time]


def test_the_policy_says_what_it_thought(cartpole, cartpole_ppo):
    env, params = cartpole
    policy_state = cartpole_ppo.init(jax.random.key(1)).policy_state
    film = recorded(
        cartpole_ppo.algo, env, params, max_steps=30, policy_state=policy_state, greedy=True
    )
    steps, probability = int(film.length), film.action_scores["probability"]
    np.testing.assert_allclose(probability[:steps].sum(axis=-1), 1.0, rtol=1e-5)
    assert (probability[:steps].argmax(axis=-1) == film.action[:steps]).all()
    assert np.isfinite(film.value[:steps]).all() and film.value[:steps].any()


class Lottery(World):
    """An env that keeps a random key in its state."""

    def reset_env(self, key, params):
        return jnp.ones(1), {"time": jnp.int32(0), "key": key}

    def step_env(self, key, state, action, params):
        state = {"time": state["time"] + 1, "key": jax.random.split(state["key"])[0]}
        return jnp.ones(1), state, jnp.float32(0), jnp.bool_(False), {}

    def is_truncated(self, state, params):
        return state["time"] >= 2


def test_random_keys_are_recorded_as_numbers():
    film = recorded(player(lambda key, carry, obs: (jnp.int32(0), carry)), Lottery())
    assert film.length == 2
    assert film.state["key"].shape == (7, 2) and film.state["key"].dtype == np.uint32
    assert len({tuple(key) for key in film.state["key"][:3].tolist()}) == 3


# Several agents in one env


@struct.dataclass
class Candle(EnvState):
    lit: jax.Array


class Vigil(World):
    """Each step pays everyone as many as there are candles burning; action 1 blows one's own out,
    and ends its life.

    An agent sees its number and the time.
    """

    def reset_env(self, key, params):
        return jnp.array([gather_agents(0)[1], 0]), Candle(time=jnp.int32(0), lit=jnp.int32(1))

    def step_env(self, key, state, action, params):
        candles, me = gather_agents(state.lit)
        state = Candle(time=state.time + 1, lit=state.lit - action)
        return jnp.stack([me, state.time]), state, jnp.float32(candles.sum()), action == 1, {}


THREE = MultiAgentEnv(Vigil(), 3)
BY_AGE = player(
    lambda key, carry, obs: (jnp.int32(obs[1] >= obs[0]), carry),
    value=lambda _, carry, obs: obs[0],
)


def test_every_life_is_recorded_until_it_ends_and_stays_as_it_was():
    film = recorded(acting_for_all(BY_AGE, 3), THREE, Clocked())
    assert film.length == 3
    assert film.state.lit[:4].tolist() == [[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert film.state.time[:4].tolist() == [[0, 0, 0], [1, 1, 1], [1, 2, 2], [1, 2, 3]]
    assert film.terminated[:3].tolist() == np.eye(3, dtype=bool).tolist()


def test_the_living_see_the_others_as_they_were_and_the_dead_earn_nothing():
    film = recorded(acting_for_all(BY_AGE, 3), THREE, Clocked())
    assert film.reward[:3].tolist() == [[3, 3, 3], [0, 2, 2], [0, 0, 1]]
    assert film.value[:3].tolist() == [[0, 1, 2], [0, 1, 2], [0, 0, 2]]


def test_the_clock_ends_the_lives_that_are_left():
    film = recorded(acting_for_all(BY_AGE, 3), THREE, Clocked(max_steps_in_episode=2))
    assert film.length == 2
    assert film.terminated[1].tolist() == [False, True, False] and film.truncated[1].tolist() == [
        False,
        False,
        True,
    ]


def test_each_agent_acts_by_a_policy_of_its_own_where_it_has_one():
    own = player(lambda key, carry, obs: (jnp.int32(0), carry))
    own = with_act(own, lambda key, policy_state, carry, obs, greedy: (policy_state, carry + 1))
    film = recorded(
        independent(own, THREE), THREE, Clocked(), policy_state=jnp.array([0, 1, 0]), max_steps=2
    )
    assert film.action[:2].tolist() == [[0, 1, 0], [0, 0, 0]]
    assert film.reward[1].tolist() == [2, 0, 2]


def test_numbers_that_differ_between_agents_are_each_ones_own():
    params = Clocked(max_steps_in_episode=jnp.array([1, 3, 2]))
    world = MultiAgentEnv(Vigil(), 3, frozenset({"max_steps_in_episode"}))
    still = player(lambda key, carry, obs: (jnp.int32(0), carry))
    film = recorded(acting_for_all(still, 3), world, params)
    assert film.truncated[:3].tolist() == [
        [True, False, False],
        [False, False, True],
        [False, True, False],
    ]


# Who has learnt nothing


@pytest.mark.parametrize("env", [MaskedBandit(), Dials()], ids=lambda env: type(env).__name__)
def test_chance_plays_legal_actions_only(env):
    algo = random_policy(env, env.default_params)
    play = partial(
        record_episode, algo, env, UNTRAINED, env.default_params, max_steps=1, greedy=True
    )
    films = jax.jit(jax.vmap(lambda key: play(key=key)))(jax.random.split(jax.random.key(0), 200))
    assert films.reward.min() >= 0.0  # an illegal one costs 1,000
    assert len(set(map(str, films.action[:, 0].tolist()))) > 2


def test_to_chance_every_legal_action_is_as_good():
    legal = jnp.array([True, False, True, True])
    algo = random_policy(MaskedBandit(), Clocked())
    logged = algo.policy.action_scores(UNTRAINED, (), {"bias": jnp.ones(1), "action_mask": legal})
    np.testing.assert_allclose(logged["probability"], [1 / 3, 0, 1 / 3, 1 / 3], rtol=1e-6)


def test_chance_plays_continuous_actions_within_their_bounds():
    algo = random_policy(Dart(), Clocked())
    act = jax.vmap(lambda key: algo.policy.act(key, PolicyState((), ()), (), None, True)[0])
    actions = act(jax.random.split(jax.random.key(0), 500))
    assert -1.0 <= actions.min() < -0.9 and 0.9 < actions.max() <= 1.0
