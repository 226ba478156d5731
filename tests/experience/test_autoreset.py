from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.experience.autoreset import (
    autoreset_step,
    batched_autoreset_step,
    batched_reset,
    reset,
)
from elsinore.jaxtools.agents import AGENTS, gather_agents
from tests.small_envs import Clocked, Scripted

LIVE, DIE = 0, 1
KEYS = jax.random.split(jax.random.key(0), 3)
step = jax.jit(partial(autoreset_step, Scripted()))


def after(actions, limit=1_000):
    """What the last of some actions led to."""
    params = Clocked(max_steps_in_episode=limit)
    obs, state = reset(Scripted(), KEYS[0], params)
    for action in actions:
        out = step(KEYS[1], KEYS[2], state, action, params)
        state = out.state
    return obs, out


def test_while_it_lives_the_agent_sees_what_the_step_led_to():
    born, out = after([LIVE])
    assert not out.terminated and not out.truncated and out.reward == 1.0
    np.testing.assert_array_equal(out.obs, [born[0], 1.0])
    np.testing.assert_array_equal(out.obs, out.final_obs)
    assert out.state.time == 1


@pytest.mark.parametrize(
    ("actions", "limit", "terminated", "truncated"),
    [([LIVE, DIE], 9, True, False), ([LIVE, LIVE], 2, False, True), ([LIVE, DIE], 2, True, False)],
    ids=["death", "time limit", "death at the time limit"],
)
def test_an_episode_ends_for_one_reason_and_its_last_sight_is_kept(
    actions, limit, terminated, truncated
):
    born, out = after(actions, limit)
    assert (bool(out.terminated), bool(out.truncated)) == (terminated, truncated)
    np.testing.assert_array_equal(out.final_obs, [born[0], 2.0])
    assert out.reward == 2.0
    fresh, state = reset(Scripted(), KEYS[2], Clocked())
    np.testing.assert_array_equal(out.obs, fresh)  # the first sight of another episode
    assert out.obs[0] != born[0] and out.obs[1] == 0.0
    jax.tree.map(np.testing.assert_array_equal, out.state, state)


def test_every_env_goes_on_from_an_episode_of_its_own():
    keys = jax.random.split(jax.random.key(1), (3, 8))
    params = Clocked(max_steps_in_episode=1)
    _, state = jax.vmap(partial(reset, Scripted()), in_axes=(0, None))(keys[0], params)
    out = jax.vmap(step, in_axes=(0, 0, 0, None, None))(keys[1], keys[2], state, LIVE, params)
    assert len(set(out.obs[:, 0].tolist()) | set(out.final_obs[:, 0].tolist())) == 16


def test_an_env_that_begins_with_python_numbers_keeps_one_dtype():
    _, state = reset(Scripted(), KEYS[0], Clocked())
    out = step(KEYS[1], KEYS[2], state, LIVE, Clocked())
    for before, later in zip(jax.tree.leaves(state), jax.tree.leaves(out.state), strict=True):
        assert before.dtype == later.dtype and not before.weak_type and not later.weak_type
    assert (state.time.dtype, state.warmth.dtype) == (jnp.int32, jnp.float32)


def test_it_is_gymnaxs_own_step_given_the_same_keys(cartpole):
    env, params = cartpole
    # a random walk falls after 10 to 30 steps: both ends are met
    params = params.replace(max_steps_in_episode=15)
    key = jax.random.key(0)

    @jax.jit
    def both(state, key):
        act_key, key = jax.random.split(key)
        action = env.action_space(params).sample(act_key)
        step_key, reset_key = jax.random.split(key)
        ours = autoreset_step(env, step_key, reset_key, state, action, params)
        return ours, env.step(key, state, action, params)

    _, state = reset(env, key, params)
    ends = set()
    for i in range(120):
        ours, theirs = both(state, jax.random.fold_in(key, i))
        obs, _, reward, _, _, info = theirs
        for mine, other in [
            (ours.obs, obs),
            (ours.state, theirs[1]),
            (ours.reward, reward),
            (ours.terminated, info["terminated"]),
            (ours.truncated, info["truncated"] & ~info["terminated"]),
            (ours.final_obs, info["final_observation"]),
        ]:
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), mine, other)
        ends |= {(bool(ours.terminated), bool(ours.truncated))}
        state = ours.state
    assert ends == {(False, False), (True, False), (False, True)}


class Dear(Scripted):
    """An env whose resets are drawn one by one."""

    draw_at_once = 1


@pytest.mark.parametrize("env", [Scripted(), Dear()], ids=lambda env: type(env).__name__)
@pytest.mark.parametrize("ending", [0, 1, 8, 9, 20, 40], ids="{} ended".format)
def test_of_many_envs_those_that_ended_begin_as_each_would_alone(ending, env):
    params, num_envs = Clocked(), 40  # more than are drawn at a time
    keys = jax.random.split(jax.random.key(2), (3, num_envs))
    _, state = jax.vmap(partial(reset, Scripted()), in_axes=(0, None))(keys[0], params)
    dies = jax.random.permutation(jax.random.key(3), jnp.arange(num_envs) < ending)
    action = jnp.where(dies, DIE, LIVE)
    together = jax.jit(partial(batched_autoreset_step, env))(
        keys[1], keys[2], state, action, params
    )
    alone = jax.vmap(partial(autoreset_step, Scripted()), in_axes=(0, 0, 0, 0, None))
    jax.tree.map(
        np.testing.assert_array_equal, together, alone(keys[1], keys[2], state, action, params)
    )
    assert together.terminated.sum() == ending


@pytest.mark.parametrize(("env", "num_envs", "drawn"), [(Scripted(), 40, 8), (Dear(), 3, 1)])
def test_as_many_episodes_are_drawn_at_once_as_the_env_says(env, num_envs, drawn):
    keys = jax.random.split(jax.random.key(2), num_envs)
    _, state = jax.vmap(partial(reset, env), in_axes=(0, None))(keys, Clocked())
    action = jnp.zeros(num_envs, int)
    program = jax.make_jaxpr(partial(batched_autoreset_step, env))(
        keys, keys, state, action, Clocked()
    )
    loop = next(eqn for eqn in program.eqns if eqn.primitive.name == "while")
    gathered = [eqn for eqn in loop.params["body_jaxpr"].eqns if eqn.primitive.name == "gather"]
    assert {eqn.outvars[0].aval.shape[0] for eqn in gathered} == {drawn}


class Fair(Scripted):
    """An env whose agents see one number, drawn from the first one's key."""

    draw_at_once = 8

    def reset_env(self, key, params):
        keys, _ = gather_agents(jax.random.key_data(key))
        obs, state = super().reset_env(jax.random.wrap_key_data(keys[0]), params)
        return obs, state


class FewFairs(Fair):
    draw_at_once = 2


def test_agents_that_end_together_begin_together_in_whichever_envs_others_end():
    params, keys = Clocked(), jax.random.split(jax.random.key(2), (3, 2, 5))
    # agent 0 ends in env 3, agent 1 in env 1, too
    action = jnp.array([[LIVE, LIVE, LIVE, DIE, LIVE], [LIVE, DIE, LIVE, DIE, LIVE]])

    def seen(env):
        def of_agent(begin, step, reset, action):
            _, state = batched_reset(env, begin, params)
            return batched_autoreset_step(env, step, reset, state, action, params)

        return jax.jit(jax.vmap(of_agent, axis_name=AGENTS))(*keys, action)

    few, all_at_once = seen(FewFairs()), seen(Fair())
    jax.tree.map(np.testing.assert_array_equal, few, all_at_once)
    assert (few.obs[0, 3] == few.obs[1, 3]).all() and (few.obs[0, 3] != few.final_obs[0, 3]).any()
    assert (few.obs[0, 1] == few.final_obs[0, 1]).all()  # its episode continues
