from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.ops.advantages import bellman, explained_variance, gae, lambda_returns, vtrace
from tests.strategies import float32s

TIME, ENV = 6, 3
GAMMA, LAM = 0.5, 0.9
jitted_gae, jitted_vtrace, jitted_returns, jitted_explained = (
    jax.jit(gae),
    jax.jit(vtrace),
    jax.jit(lambda_returns),
    jax.jit(explained_variance),
)

floats = arrays(np.float32, (TIME, ENV), elements=float32s(-100, 100))
# 1: died, 2: out of time
flags = arrays(np.int8, (TIME, ENV), elements=st.sampled_from([0, 0, 0, 1, 2]))
unit = float32s(0, 1)


def column(*numbers):
    return jnp.array(numbers)[:, None]


def advantages(reward, value, next_value, died=None, out_of_time=None, lam=LAM):
    """One env's advantages; nothing ends unless it is said."""
    never = [False] * len(reward)
    died, out_of_time = died or never, out_of_time or never
    return gae(
        column(*reward),
        column(*value),
        column(*next_value),
        column(*died),
        column(*out_of_time),
        GAMMA,
        lam,
    )[:, 0]


def test_death_has_no_future():
    assert advantages([1.0], [2.0], [10.0], died=[True]) == 1.0 - 2.0


def test_a_time_limit_keeps_its_future():
    assert advantages([1.0], [2.0], [10.0], out_of_time=[True]) == 1.0 + 0.5 * 10.0 - 2.0


def test_the_last_delta_is_kept():
    assert advantages([0.0, 1.0], [0.0, 2.0], [2.0, 10.0])[-1] == 1.0 + 0.5 * 10.0 - 2.0


def test_an_advantage_is_the_discounted_sum_of_the_deltas_after_it():
    reward, nothing = [1.0, 2.0, 4.0], [0.0, 0.0, 0.0]  # without a critic, delta is the reward
    decay = GAMMA * LAM
    expected = [1.0 + decay * 2.0 + decay**2 * 4.0, 2.0 + decay * 4.0, 4.0]
    np.testing.assert_allclose(advantages(reward, nothing, nothing), expected, rtol=1e-6)


@pytest.mark.parametrize("end", ["died", "out_of_time"])
def test_nothing_leaks_into_an_episode_from_the_next(end):
    ends = {end: [False, True, False]}
    calm = advantages([1.0, 1.0, 0.0], [0.0] * 3, [0.0] * 3, **ends)
    stormy = advantages([1.0, 1.0, 1e6], [0.0, 0.0, -1e6], [0.0, 0.0, 1e6], **ends)
    np.testing.assert_array_equal(calm[:2], stormy[:2])


def test_envs_do_not_see_each_other():
    key = jax.random.key(0)
    parts = [jax.random.normal(k, (TIME, ENV)) for k in jax.random.split(key, 3)]
    ended = jax.random.bernoulli(key, 0.3, (TIME, ENV))
    together = jitted_gae(*parts, ended, ~ended & (parts[0] > 1), GAMMA, LAM)
    for env in range(ENV):
        alone = jitted_gae(
            *(x[:, env : env + 1] for x in (*parts, ended, ~ended & (parts[0] > 1))), GAMMA, LAM
        )
        np.testing.assert_allclose(together[:, env], alone[:, 0], rtol=1e-6)


def test_with_a_time_limit_of_ten_an_endless_reward_of_one_is_worth_100_and_not_9_6():
    """The state is the step of the episode; V <- its target until it stays. The last step is a
    time-out."""
    clock_ends = jnp.arange(10)[:, None] == 9
    nowhere = jnp.zeros((10, 1), bool)

    def fixed_point(terminated, truncated):
        def sweep(_, value):
            # the env goes on looking as it did
            next_value = jnp.append(value[1:], value[-1:], axis=0)
            return value + gae(
                jnp.ones((10, 1)), value, next_value, terminated, truncated, 0.99, 0.95
            )

        return jax.lax.fori_loop(0, 3_000, sweep, jnp.zeros((10, 1)))[:, 0]

    np.testing.assert_allclose(fixed_point(nowhere, clock_ends), 100.0, rtol=1e-3)
    # what merging the flags would learn
    assert fixed_point(clock_ends, nowhere)[0] == pytest.approx(9.56, abs=0.01)


@given(floats, floats, floats, flags, unit, unit)
def test_gae_is_what_a_loop_would_compute(reward, value, next_value, ends, gamma, lam):
    terminated, truncated = ends == 1, ends == 2
    expected = np.zeros((TIME, ENV))
    for env in range(ENV):
        later = 0.0
        for t in reversed(range(TIME)):
            future = 0.0 if terminated[t, env] else float(next_value[t, env])
            delta = float(reward[t, env]) + gamma * future - float(value[t, env])
            done = terminated[t, env] or truncated[t, env]
            later = delta + (0.0 if done else gamma * lam * later)
            expected[t, env] = later
    ours = jitted_gae(reward, value, next_value, terminated, truncated, gamma, lam)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-2)


ratios = arrays(np.float32, (TIME, ENV), elements=float32s(0, 4))


@given(floats, floats, floats, flags, ratios, unit, unit)
def test_vtrace_is_the_sum_of_its_definition(reward, value, ahead, ends, ratio, gamma, lam):
    """v_t = V + sum_k (gamma lam)^k (c_t ... c_{t+k-1}) rho_{t+k} delta_{t+k}, term by term."""
    terminated, done = ends == 1, ends > 0
    # inside an episode V(s'_t) is V(s_{t+1})
    next_value = np.where(
        done | (np.arange(TIME) == TIME - 1)[:, None], ahead, np.roll(value, -1, 0)
    )
    delta = reward.astype(float) + gamma * np.where(terminated, 0.0, next_value) - value
    clipped = np.minimum(1.0, ratio.astype(float))
    target = value.astype(float).copy()
    for env in range(ENV):
        for t in range(TIME):
            factor = 1.0
            for k in range(t, TIME):
                target[t, env] += factor * clipped[k, env] * delta[k, env]
                if done[k, env]:
                    break
                factor *= gamma * lam * clipped[k, env]
    flags = (terminated, ends == 2)
    advantage, found = jitted_vtrace(reward, value, next_value, *flags, ratio, gamma, lam)
    np.testing.assert_allclose(found, target, rtol=1e-4, atol=1e-2)
    later = np.where(done[:-1], 0.0, (target - value)[1:])
    expected = delta + gamma * lam * np.append(later, np.zeros((1, ENV)), axis=0)
    np.testing.assert_allclose(advantage, expected, rtol=1e-4, atol=1e-2)


@given(floats, floats, floats, flags, unit, unit)
def test_on_policy_vtrace_is_gae(reward, value, next_value, ends, gamma, lam):
    steps = (reward, value, next_value, ends == 1, ends == 2)
    advantage, target = jitted_vtrace(*steps, jnp.ones((TIME, ENV)), gamma, lam)
    expected = jitted_gae(*steps, gamma, lam)
    np.testing.assert_allclose(advantage, expected, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(target, expected + value, rtol=1e-4, atol=1e-2)


def test_on_policy_at_lambda_one_vtrace_is_the_n_step_return():
    reward, value = column(1.0, 2.0, 4.0), column(5.0, 6.0, 7.0)
    never = jnp.zeros((3, 1), bool)
    next_value = column(6.0, 7.0, 16.0)
    _, target = vtrace(reward, value, next_value, never, never, jnp.ones((3, 1)), GAMMA, 1.0)
    # 4 + 16/2 = 12, 2 + 12/2 = 8, 1 + 8/2 = 5
    np.testing.assert_allclose(target[:, 0], [5.0, 8.0, 12.0])


def test_a_step_that_the_policy_would_not_take_changes_no_target():
    reward, value, next_value = column(1.0, 2.0), column(5.0, 6.0), column(6.0, 16.0)
    never, ratio = jnp.zeros((2, 1), bool), column(0.0, 1.0)
    _, target = vtrace(reward, value, next_value, never, never, ratio, GAMMA, 1.0)
    np.testing.assert_allclose(target[:, 0], [5.0, 10.0])


@given(floats, floats, flags, unit, unit)
def test_a_lambda_return_is_the_advantage_plus_the_value(reward, value, ends, gamma, lam):
    terminated, truncated = ends == 1, ends == 2
    # Inside an episode what a step leads to is what the next begins with; at its end it is another
    # sight.
    ahead = np.where(terminated | truncated, -value, np.append(value[1:], value[:1], axis=0))
    returns = jitted_returns(reward, ahead, terminated, truncated, gamma, lam)
    advantage = jitted_gae(reward, value, ahead, terminated, truncated, gamma, lam)
    np.testing.assert_allclose(returns, advantage + value, rtol=1e-4, atol=1e-2)


def test_at_lambda_one_it_is_the_discounted_return():
    never = jnp.zeros((3, 1), bool)
    returns = partial(
        lambda_returns, column(1.0, 2.0, 4.0), column(7.0, 7.0, 8.0), never, never, 0.5
    )
    np.testing.assert_allclose(
        returns(1.0)[:, 0], [1 + 0.5 * (2 + 0.5 * (4 + 0.5 * 8)), 2 + 0.5 * (4 + 4), 8]
    )


def test_at_lambda_zero_it_is_the_one_step_target():
    never = jnp.zeros((3, 1), bool)
    returns = lambda_returns(column(1.0, 2.0, 4.0), column(7.0, 6.0, 8.0), never, never, 0.5, 0.0)
    np.testing.assert_allclose(returns[:, 0], [4.5, 5.0, 8.0])


def test_a_lambda_return_ends_with_its_episode():
    died, timed_out = column(True, False, False), column(False, True, False)
    returns = lambda_returns(
        column(1.0, 2.0, 4.0), column(7.0, 6.0, 8.0), died, timed_out, 0.5, 1.0
    )
    np.testing.assert_allclose(returns[:, 0], [1.0, 2.0 + 0.5 * 6.0, 8.0])


def test_a_perfect_critic_explains_all_and_the_mean_explains_nothing():
    target = jnp.array([1.0, 2.0, 3.0, 6.0])
    assert explained_variance(target, target) == 1.0
    assert explained_variance(target + 5.0, target) == 1.0  # an offset is not variance
    assert explained_variance(jnp.full(4, 3.0), target) == 0.0
    assert explained_variance(-target, target) == -3.0


@pytest.mark.parametrize(("constant", "size"), [(3.0, 2), (1.5, 7), (0.1, 512), (1000.1, 512)])
def test_where_nothing_varies_nothing_is_explained(constant, size):
    """Not even the rounding of the mean, which is not quite the constant at some sizes."""
    assert jitted_explained(jnp.linspace(1.0, 2.0, size), jnp.full(size, constant)) == 0.0


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_not_explained(broken):
    good, bad = jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, broken, 3.0])
    assert np.isnan([jitted_explained(good, bad), jitted_explained(bad, good)]).all()


@given(
    arrays(np.float32, 16, elements=float32s(-1, 1)),
    st.sampled_from([1e-6, 1e-3, 1.0, 1e3]),
)
def test_explained_variance_does_not_depend_on_the_unit_of_reward(noise, unit):
    target = np.linspace(-1, 1, 16, dtype=np.float32)
    of_one, of_unit = (
        jitted_explained(target + noise, target),
        jitted_explained((target + noise) * unit, target * unit),
    )
    np.testing.assert_allclose(of_unit, of_one, rtol=1e-3, atol=1e-3)


def test_a_target_is_the_reward_and_the_discounted_value_of_the_next_action():
    target = bellman(
        reward=jnp.array([1.0, 2.0]),
        discount=jnp.array([0.5, 0.0]),  # the second transition ended in a terminal state
        next_value=jnp.array([10.0, 40.0]),
    )
    np.testing.assert_array_equal(target, [6.0, 2.0])
