"""JaxMARL's environments: their agents share one world, and a limit is no death.

Skipped where JaxMARL is not installed; `pip install 'elsinore[jaxmarl]'` installs it.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.checks.algorithm_fixture import FAST_COMPILE
from elsinore.checks.env import check_env
from elsinore.config.agents import AgentsConfig
from elsinore.config.learners import multi_agent_env
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.envs import make, suites
from elsinore.envs.time_limit import LIMIT
from elsinore.errors import ConfigError
from elsinore.experience.autoreset import batched_autoreset_step, batched_reset
from elsinore.experience.multi_agent import MultiAgentEnv

pytestmark = pytest.mark.skipif(
    not suites.is_installed("jaxmarl"), reason="needs elsinore[jaxmarl]"
)
SPREAD = "jaxmarl/MPE_simple_spread_v3"
KEY = jax.random.key(0)


@cache
def made(name):
    return make(name)


def team(name):
    env, params = made(name)
    return MultiAgentEnv(env, env.fixed_agents), params


def test_all_agents_of_an_env_are_in_one_world_which_is_jaxmarls():
    env, params = team(SPREAD)
    native, names = env.env.native, env.env.names
    keys = jax.random.split(KEY, 6)  # two envs of three agents
    obs, state = jax.jit(partial(batched_reset, env))(keys, params)
    actions = jnp.array([1, 2, 3, 4, 0, 1])
    step = jax.jit(partial(batched_autoreset_step, env), compiler_options=FAST_COMPILE)
    out = step(keys, keys, state, actions, params)
    for first in (0, 3):  # the key of the first agent is the env's
        key = jax.random.key_data(keys[first])
        seen, world = native.reset(key)
        taken = {agent: actions[first + i] for i, agent in enumerate(names)}
        after, _, reward, _, _ = native.step_env(key, world, taken)
        for i, agent in enumerate(names):
            np.testing.assert_allclose(obs[first + i], seen[agent], rtol=1e-6)
            np.testing.assert_allclose(out.obs[first + i], after[agent], rtol=1e-5)
            np.testing.assert_allclose(out.reward[first + i], reward[agent], rtol=1e-5)


def test_a_limit_of_five_truncates_all_agents_with_the_true_final_observation():
    env, defaults = team(SPREAD)
    assert defaults.max_steps_in_episode == 25

    @partial(jax.jit, compiler_options=FAST_COMPILE)
    def walk(limit):
        params, keys = defaults.replace(max_steps_in_episode=limit), jax.random.split(KEY, 6)

        def step(carry, i):
            out = batched_autoreset_step(
                env, jax.vmap(jax.random.fold_in, (0, None))(keys, i), keys, carry,
                jnp.zeros(6, jnp.int32), params,
            )  # fmt: skip
            return out.state, (out.terminated, out.truncated, out.final_obs, out.state.time)

        return jax.lax.scan(step, batched_reset(env, keys, params)[1], jnp.arange(5))[1]

    (terminated, truncated, final_obs, time), longer = walk(5), walk(30)
    assert not terminated.any() and not longer[1].any()
    assert truncated.all(axis=1).tolist() == truncated.any(axis=1).tolist() == [False] * 4 + [True]
    np.testing.assert_array_equal(final_obs, longer[2])
    assert not time[-1].any()


@pytest.mark.parametrize("limits", ["agents.params", "a wrapper"])
def test_limits_that_differ_between_agents_end_an_episode_for_all_together(limits):
    env, params = make(SPREAD)
    if limits == "a wrapper":
        env, params = make(SPREAD, wrappers=[{"randomise": {LIMIT: [3, 9]}}])
        team = MultiAgentEnv(env, 3)
    else:
        team, params = multi_agent_env(
            AgentsConfig(number=3, params={LIMIT: (4, 2, 9)}), env, params
        )
    keys = jax.random.split(KEY, 6)

    @partial(jax.jit, compiler_options=FAST_COMPILE)
    def walk(state):
        def step(state, i):
            at = jax.vmap(jax.random.fold_in, (0, None))(keys, i)
            still = jnp.zeros(6, jnp.int32)
            out = batched_autoreset_step(team, at, keys, state, still, params)
            return out.state, out.truncated

        return jax.lax.scan(step, state, jnp.arange(9))[1]

    truncated = walk(batched_reset(team, keys, params)[1]).reshape(9, 2, 3)
    assert truncated.any(axis=0).all() and (truncated == truncated[:, :, :1]).all()
    if limits == "agents.params":
        assert np.flatnonzero(truncated[:, 0, 0]).tolist() == [3, 7]


def test_the_number_of_agents_is_the_environments():
    for number in (1, 2):
        with pytest.raises(ConfigError, match=rf"agents.number={number} .*{SPREAD}.*has 3 agents"):
            plan_for(load_experiment(SPREAD, overrides={"agents.number": number}))


def test_the_preset_is_of_the_whole_team():
    plan = plan_for(load_experiment(SPREAD))
    assert plan.env.agents == 3 and not plan.has_learners_of_their_own


def test_agents_that_differ_are_refused():
    import jaxmarl  # pyright: ignore[reportMissingImports]

    with pytest.raises(ConfigError, match="has agents that differ: "):
        make(jaxmarl.make("MPE_simple_speaker_listener_v4"))


def test_an_object_is_taken_out_of_its_wrappers():
    import jaxmarl  # pyright: ignore[reportMissingImports]
    from jaxmarl.wrappers.baselines import LogWrapper  # pyright: ignore[reportMissingImports]

    native = jaxmarl.make("MPE_simple_spread_v3")
    env, params = make(LogWrapper(LogWrapper(native)))
    assert type(env.native) is type(native) and params.max_steps_in_episode == 25


def test_a_clock_that_cannot_be_lifted_is_refused():
    import jaxmarl  # pyright: ignore[reportMissingImports]

    with pytest.raises(ConfigError, match="CoinGame.* = 100 steps as if by death, and that clock"):
        make(jaxmarl.make("coin_game"))


@pytest.mark.filterwarnings("ignore:MABrax is deprecated")
@pytest.mark.skipif(not suites.is_installed("brax"), reason="needs elsinore[brax]")
def test_a_body_of_mabrax_has_no_limit_and_no_reset_of_its_own():
    import jaxmarl  # pyright: ignore[reportMissingImports]

    native = jaxmarl.make(
        "ant_4x2", homogenisation_method="max", episode_length=9, action_repeat=2, backend="spring"
    )
    env, params = make(native)
    assert params.max_steps_in_episode == 5
    assert env.native.env.episode_length > 10**6 and env.native.env.action_repeat == 2
    assert env.native.env.env is native.env.unwrapped


@pytest.mark.parametrize("critic", ["own", "joint"])
def test_a_team_can_be_planned(critic):
    settings = {"agents.number": 3, "agents.sharing": "shared", "agents.critic": critic}
    plan = plan_for(load_experiment(SPREAD, overrides=settings | {"env_steps": 30_000}))
    plan.trace()


@pytest.mark.parametrize("env_id", suites.ids("jaxmarl") if suites.is_installed("jaxmarl") else ())
def test_the_observation_space_is_one_agents(env_id):
    env, params = made(f"jaxmarl/{env_id}")
    obs, _ = jax.eval_shape(env.reset_env, KEY, params)
    space = env.observation_space(params)
    parts = space.spaces if isinstance(obs, dict) else {"": space}
    seen = obs if isinstance(obs, dict) else {"": obs}
    assert {name: x.shape for name, x in parts.items()} == {k: x.shape for k, x in seen.items()}


@pytest.mark.slow
@pytest.mark.parametrize("env_id", suites.ids("jaxmarl") if suites.is_installed("jaxmarl") else ())
def test_every_law_holds(env_id):
    env, params = made(f"jaxmarl/{env_id}")
    params = params.replace(max_steps_in_episode=20)
    failed = [result.check for result in check_env(env, params, num_steps=50) if not result.passed]
    assert failed == (["resets"] if env_id == "overcooked_v2" else [])  # its kitchen is always one


@pytest.mark.slow
@pytest.mark.parametrize("env_id", suites.ids("jaxmarl") if suites.is_installed("jaxmarl") else ())
def test_every_id_is_stepped_with_all_its_agents(env_id):
    env, params = team(f"jaxmarl/{env_id}")
    keys = jax.random.split(KEY, 2 * env.agents)
    obs, state = jax.eval_shape(partial(batched_reset, env), keys, params)
    actions = jnp.zeros(2 * env.agents, jnp.int32)
    out = jax.eval_shape(partial(batched_autoreset_step, env), keys, keys, state, actions, params)
    assert jax.tree.structure(out.obs) == jax.tree.structure(obs)
    assert out.reward.shape == out.terminated.shape == (2 * env.agents,)
