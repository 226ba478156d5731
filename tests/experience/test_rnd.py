from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from elsinore.experience.rnd import (
    Features,
    RNDConfig,
    RNDState,
    add_intrinsic_reward,
    init_rnd,
    prediction_error,
)
from elsinore.jaxtools.shards import IN_TURN
from elsinore.types import Transition

TIME, ENV, OBS = 5, 2, 8
SMALL = RNDConfig(
    weight=1.0,
    hidden=(16,),
    features=8,
    learning_rate=1e-2,
    batch_size=TIME * ENV,
    return_gamma=0.0,
)
NET = Features(SMALL)
jitted_wonder = jax.jit(add_intrinsic_reward, static_argnums=0)
ones = np.eye(OBS, dtype=np.float32)


def begun(config=SMALL, obs=ones[:ENV], seed=0) -> RNDState:
    rnd = init_rnd(config, jax.random.key(seed), obs)
    assert rnd is not None
    return rnd


def led_to(final_obs, done=None) -> Transition:
    """Steps that led to these observations, [time, env, ...], whatever came before."""
    shape = jax.tree.leaves(final_obs)[0].shape[:2]
    done = jnp.zeros(shape, bool) if done is None else done
    nothing = jnp.zeros(shape)
    return Transition(
        jax.tree.map(jnp.zeros_like, final_obs),
        nothing,
        nothing,
        done,
        ~done & False,
        final_obs,
        (),
    )


def bonus_of(config, rnd, final_obs, done=None, episode_length=None, max_steps=500):
    """What each step is paid beside a reward of 0; the curiosity after it; the metrics."""
    experience = led_to(final_obs, done)
    zero = jnp.zeros(experience.terminated.shape)
    before = jnp.zeros(zero.shape[1], jnp.int32) if episode_length is None else episode_length
    rnd, bonus, metrics = jitted_wonder(
        config, rnd, experience, zero, config.weight, before, max_steps
    )
    return bonus, rnd, metrics


def random_obs(seed, time=TIME):
    return np.random.default_rng(seed).normal(3.0, 2.0, (time, ENV, OBS)).astype(np.float32)


def features(params, seen):
    """The network, written out."""
    hidden, last = params["params"]["MLP_0"]["Dense_0"], params["params"]["Dense_0"]
    return np.maximum(seen @ hidden["kernel"] + hidden["bias"], 0.0) @ last["kernel"] + last["bias"]


# Off and on


def test_at_weight_0_there_is_nothing_of_it():
    config, reward = RNDConfig(), jnp.ones((TIME, ENV))
    assert init_rnd(config, jax.random.key(0), ones[:ENV]) is None
    after, paid, metrics = add_intrinsic_reward(
        config, None, led_to(random_obs(0)), reward, 0.0, jnp.zeros(ENV, jnp.int32), 500
    )
    assert after is None and paid is reward and metrics == {}


def test_the_bonus_is_added_to_the_reward_times_its_weight():
    bonus, _, _ = bonus_of(SMALL, begun(), random_obs(0))
    assert (bonus > 0).all()
    reward = jnp.arange(TIME * ENV, dtype=jnp.float32).reshape(TIME, ENV)
    half, unseen = jnp.float32(0.5), jnp.zeros(ENV, jnp.int32)
    _, paid, metrics = jitted_wonder(
        SMALL, begun(), led_to(random_obs(0)), reward, half, unseen, 500
    )
    np.testing.assert_allclose(paid, reward + 0.5 * bonus, rtol=1e-6)
    assert metrics["rnd/weight"].total == 0.5
    np.testing.assert_allclose(
        metrics["rnd/bonus"].total / metrics["rnd/bonus"].count, bonus.mean(), rtol=1e-6
    )


# What is new


def test_what_is_often_seen_pays_little_and_what_is_new_pays_much():
    rnd, often = begun(), ones[np.arange(TIME * ENV) % 4].reshape(TIME, ENV, OBS)
    first, rnd, _ = bonus_of(SMALL, rnd, often)
    for _ in range(200):
        often_bonus, rnd, metrics = bonus_of(SMALL, rnd, often)
    assert (often_bonus < 0.05 * first).all()
    assert metrics["rnd/loss"].total < 0.01
    mixed = often.copy()
    mixed[-1] = ones[4:6]
    bonus, _, _ = bonus_of(SMALL, rnd, mixed)
    assert bonus[-1].min() > 10 * bonus[:-1].max()


def test_dying_in_the_same_way_again_and_again_is_nothing_new():
    """The last sight of an episode is one no agent acts on: it must be learnt from all the same."""
    rnd, final_obs = begun(), random_obs(3)
    done = jnp.zeros((TIME, ENV), bool).at[-1].set(True)
    first, rnd, _ = bonus_of(SMALL, rnd, final_obs, done)
    for _ in range(300):
        later, rnd, _ = bonus_of(SMALL, rnd, final_obs, done)
    assert (later[-1] < 0.05 * first[-1]).all()


def test_the_target_never_changes_and_the_predictor_does():
    before = begun()
    _, after, _ = bonus_of(SMALL, before, random_obs(0))
    jax.tree.map(np.testing.assert_array_equal, after.target, before.target)
    moved = jax.tree.map(lambda a, b: (a != b).any(), after.predictor, before.predictor)
    assert all(jax.tree.leaves(moved))


def test_every_seed_has_a_target_and_a_predictor_of_its_own():
    kernels = [
        np.asarray(net["params"]["Dense_0"]["kernel"])
        for seed in range(2)
        for net in (begun(seed=seed).target, begun(seed=seed).predictor)
    ]
    assert len({kernel.tobytes() for kernel in kernels}) == 4


def test_a_mask_of_legal_actions_is_nothing_to_see():
    obs = {"seen": random_obs(0), "action_mask": np.ones((TIME, ENV, 3), bool)}
    masked = obs | {"action_mask": np.arange(TIME * ENV * 3).reshape(TIME, ENV, 3) % 2 == 0}
    rnd = begun(obs=jax.tree.map(lambda x: x[0], obs))
    assert rnd.waiting.shape == (SMALL.batch_size, OBS)
    jax.tree.map(
        np.testing.assert_array_equal,
        bonus_of(SMALL, rnd, obs),
        bonus_of(SMALL, rnd, masked),
    )


def test_a_dictionary_is_seen_as_its_parts_side_by_side():
    x = random_obs(0)
    parts = {"a": x[..., :3], "b": x[..., 3:]}
    flat, _, _ = bonus_of(SMALL, begun(), x)
    in_parts, _, _ = bonus_of(SMALL, begun(obs=jax.tree.map(lambda x: x[0], parts)), parts)
    np.testing.assert_array_equal(flat, in_parts)


@pytest.mark.parametrize(
    ("shape", "layer"), [((5, 4, 2), "CNN_0"), ((2, 5, 3), "MLP_0"), ((), "MLP_0")]
)
def test_images_are_convolved_where_they_are_large_enough(shape, layer):
    obs = np.random.default_rng(0).integers(0, 2, (TIME, ENV, *shape)).astype(np.uint8)
    rnd = begun(obs=obs[0])
    assert layer in rnd.target["params"]
    bonus, _, _ = bonus_of(SMALL, rnd, obs)
    assert np.isfinite(bonus).all()


# The numbers


def test_the_bonus_is_the_error_of_the_whitened_observation_over_the_errors_deviation():
    """Two rollouts, so that both scales run on; the second's outlier is cut at 5 deviations."""
    obs = random_obs(0, time=40)
    obs[-1, 0, 0] = 1e4
    _, rnd, _ = bonus_of(SMALL, begun(), obs[:20])
    bonus, _, _ = bonus_of(SMALL, rnd, obs[20:])

    def errors(known, obs, params):
        seen = np.clip((obs - known.mean((0, 1))) / known.std((0, 1)), -5.0, 5.0)
        return np.square(features(params.predictor, seen) - features(params.target, seen)).mean(-1)

    # The predictor had not learnt from either rollout when it was asked about it.
    both = [errors(obs[:20], obs[:20], begun()), errors(obs, obs[20:], rnd)]
    np.testing.assert_allclose(bonus, both[1] / np.std(both), rtol=1e-3)


def test_the_errors_return_goes_on_past_the_end_of_an_episode():
    config, obs = replace(SMALL, return_gamma=0.9), random_obs(0)
    bonus, rnd, _ = bonus_of(config, begun(config), obs, jnp.ones((TIME, ENV), bool))
    seen = (obs - obs.mean((0, 1))) / obs.std((0, 1))
    error = prediction_error(
        NET, begun().predictor, begun().target, jnp.asarray(seen.reshape(-1, OBS))
    ).reshape(TIME, ENV)
    running, returns = np.zeros(ENV), []
    for now in error:
        running = 0.9 * running + now
        returns.append(running)
    np.testing.assert_allclose(bonus, error / np.std(returns), rtol=1e-3)
    np.testing.assert_allclose(rnd.stats.running_return, running, rtol=1e-3)


def test_an_env_that_never_changes_pays_no_fortune():
    """All errors are equal at first, so their deviation is 0: the bonus stops at 10."""
    bonus, _, _ = bonus_of(SMALL, begun(), np.ones((TIME, ENV, OBS), np.float32))
    assert (bonus <= 10.0).all()


# Learning


def adam_steps(rnd, *groups):
    """The predictor after a step of optax's own Adam on each group, layer by layer."""
    adam = optax.adam(SMALL.learning_rate)
    params, state = rnd.predictor, adam.init(rnd.predictor)
    for group in groups:
        seen = jnp.asarray(group)
        gradient = jax.grad(lambda p: prediction_error(NET, p, rnd.target, seen).mean())(params)  # noqa: B023
        updates, state = adam.update(gradient, state)
        params = optax.apply_updates(params, updates)
    return params


def assert_close(a, b):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), a, b)


def test_every_full_group_is_one_adam_step_in_the_order_of_time():
    obs = random_obs(0, time=2 * TIME)
    _, after, metrics = bonus_of(SMALL, begun(), obs)
    seen = (obs - obs.mean((0, 1))) / obs.std((0, 1))
    assert_close(after.predictor, adam_steps(begun(), *seen.reshape(2, -1, OBS)))
    assert metrics["rnd/loss"].count == 2 and after.num_waiting == 0


def test_observations_that_fill_no_group_wait_for_the_next_rollout():
    """Rollouts of 6 observations and groups of 10: a step after the 2nd, the 4th and the 5th, 30 in
    all."""
    rnd, waiting, steps = begun(), [], []
    queue = np.zeros((0, OBS), np.float32)
    for seed in range(5):
        obs = random_obs(seed, time=3)
        _, rnd, metrics = bonus_of(SMALL, rnd, obs)
        known = rnd.stats.obs
        queue = np.concatenate([queue, (obs.reshape(-1, OBS) - known.mean) / np.sqrt(known.var)])
        steps.append(int(metrics["rnd/loss"].count))
        waiting.append(int(rnd.num_waiting))
    assert steps == [0, 1, 0, 1, 1] and waiting == [6, 2, 8, 4, 0]
    assert_close(rnd.predictor, adam_steps(begun(), *queue.reshape(3, 10, OBS)))


# Annealing


def test_the_weight_is_annealed_by_the_episodes_that_finished_for_the_next_rollout():
    """Each env's 200-step episode ends at once, then one of 4 steps: steady until the short
    ones."""
    config = replace(SMALL, anneal=0.5, anneal_window=3)
    done = jnp.zeros((TIME, ENV), bool).at[0].set(True)
    before = jnp.full(ENV, 199)
    for max_steps, left in ((499, 0.5), (501, 1.0)):  # 40 % of them: 199.6 and 200.4
        bonus, after, metrics = bonus_of(
            config, begun(config), random_obs(0), done, before, max_steps
        )
        assert metrics["rnd/weight"].total == 1.0 and after.left == left
    short = jnp.zeros((TIME, ENV), bool).at[3].set(True)
    _, later, _ = bonus_of(config, after, random_obs(1), short, max_steps=499)
    assert later.left == after.left
    np.testing.assert_array_equal(later.recent.lengths, [200, 4, 4])


def test_without_a_time_limit_the_weight_is_annealed_by_the_variance_alone():
    config = replace(SMALL, anneal=0.5, anneal_share=0.0)
    done = jnp.zeros((TIME, ENV), bool).at[0].set(True)
    _, after, _ = bonus_of(config, begun(config), random_obs(0), done, max_steps=np.inf)
    assert after.left == 0.5


def test_two_shards_are_paid_and_learn_as_all_their_rows_together():
    """One env is a shard. What has no axis in `shared` is one value of both, or `vmap` refuses."""
    config = replace(SMALL, anneal=0.5, anneal_min_episodes=2, anneal_share=0.0, return_gamma=0.9)
    final_obs, done = random_obs(1), jnp.zeros((TIME, ENV), bool).at[2:].set(True)
    before = begun(config)
    bonus, after, metrics = bonus_of(config, before, final_obs, done)
    part = replace(config, batch_size=TIME)
    shared = jax.tree.map(lambda _: None, before, is_leaf=lambda x: x is not before)
    stats = before.stats._replace(obs=None, returns=None, running_return=0)
    shared = shared._replace(stats=stats, waiting=0)

    def shard(rnd, final_obs, done):
        bonus, rnd, metrics = bonus_of(part, rnd, final_obs[:, None], done[:, None])
        return bonus[:, 0], rnd, metrics

    begun_in_parts = begun(part)._replace(
        stats=before.stats._replace(running_return=jnp.zeros((ENV, 1))),
        waiting=jnp.zeros((ENV, TIME, OBS)),
    )
    found_bonus, found, totals = jax.vmap(
        shard, in_axes=(shared, 1, 1), out_axes=(1, shared, 0), axis_name=IN_TURN
    )(begun_in_parts, final_obs, done)
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    close(found_bonus, bonus)
    assert after.left == found.left == 0.5**5  # of six episodes the first is too few to judge by
    np.testing.assert_array_equal(found.recent.lengths, after.recent.lengths)
    close(found.opt_state.mu, after.opt_state.mu)
    assert jnp.abs(after.opt_state.mu).max() > 1e-3
    mean = jnp.sum(totals["rnd/loss"].total) / jnp.sum(totals["rnd/loss"].count)
    close(mean, metrics["rnd/loss"].total)


def test_unless_it_is_annealed_nothing_of_annealing_is_kept():
    assert begun().recent is None
    _, after, _ = bonus_of(SMALL, begun(), random_obs(0), jnp.ones((TIME, ENV), bool))
    assert after.left == 1.0 and after.recent is None


# The state


def test_the_state_is_arrays_that_a_scan_can_carry():
    config = replace(SMALL, anneal=0.9)
    before = begun(config)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(before))
    experience, zero = led_to(jnp.asarray(random_obs(0))), jnp.zeros((TIME, ENV))

    def update(rnd, _):
        rnd, bonus, _ = add_intrinsic_reward(
            config, rnd, experience, zero, 1.0, jnp.zeros(ENV, jnp.int32), 500
        )
        return rnd, bonus

    after, bonus = jax.jit(lambda rnd: jax.lax.scan(update, rnd, None, 3))(before)
    one_by_one = before
    for i in range(3):
        paid, one_by_one, _ = bonus_of(config, one_by_one, random_obs(0))
        np.testing.assert_allclose(bonus[i], paid, rtol=1e-4)
    assert_close(after, one_by_one)


@pytest.mark.slow
@pytest.mark.parametrize(
    "over", [jax.vmap, lambda f: lambda *x: jax.lax.map(lambda x: f(*x), x)], ids=["vmap", "map"]
)
def test_many_seeds_at_once_are_each_what_they_are_alone(over):
    config = replace(SMALL, anneal=0.9, batch_size=7)
    obs = jnp.stack([random_obs(seed) for seed in range(2)])
    # seeds differ in how many episodes end
    done = jnp.array([[[True] * ENV] * TIME, [[False] * ENV] * TIME])
    weights = jnp.array([1.0, 0.25])

    def alone(key, weight, obs, done):
        rnd = init_rnd(config, key, obs[0])
        return add_intrinsic_reward(
            config,
            rnd,
            led_to(obs, done),
            jnp.zeros((TIME, ENV)),
            weight,
            jnp.full(ENV, 300),
            500,
        )

    keys = jax.random.split(jax.random.key(0))
    together = jax.jit(over(alone))(keys, weights, obs, done)
    for seed in range(2):
        expected = jax.jit(alone)(keys[seed], weights[seed], obs[seed], done[seed])
        assert_close(jax.tree.map(lambda x: x[seed], together), expected)  # noqa: B023


# The config


@pytest.mark.parametrize(
    "field",
    [
        {"weight": -1.0},
        {"weight": float("inf")},
        {"hidden": ()},
        {"channels": (0,)},
        {"features": 0},
        {"activation": "swish"},
        {"learning_rate": 0.0},
        {"batch_size": 0},
        {"return_gamma": 1.0},
        {"anneal": 0.0},
        {"anneal": 1.5},
        {"anneal_window": 1},
        {"anneal_min_episodes": 1},
        {"anneal_min_episodes": 101},
        {"anneal_variance": 0.0},
        {"anneal_share": 1.0},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_refused_by_name(field):
    ((name, value),) = field.items()
    shown = list(value) if isinstance(value, tuple) else value
    with pytest.raises(ValueError, match=f"^{name}=") as error:
        RNDConfig(**field)
    assert f"{name}={shown!r}" in str(error.value)
