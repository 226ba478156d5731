import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

from elsinore.algos.registry import algorithm_of, config_type
from elsinore.nets.heads import action_mask, head_for
from tests.small_envs import Forever

LOW, HIGH = jnp.array([-1.0, -2.0]), jnp.array([1.0, 0.0])


def test_a_discrete_space_needs_one_output_an_action():
    head = head_for(spaces.Discrete(5))
    assert head.num_outputs == 5 and not head.continuous
    assert head.noise(jax.random.key(0), (7, 3)).shape == (7, 3, 5)


def test_a_box_needs_a_mean_and_a_log_std_for_each_dimension():
    head = head_for(spaces.Box(LOW, HIGH, (2,)))
    assert head.num_outputs == 4 and head.continuous
    policy = head.distribution(jnp.array([1.0, 2.0, 3.0, 4.0]), None)
    np.testing.assert_array_equal(policy.mean, [1.0, 2.0])
    np.testing.assert_array_equal(policy.log_std, [3.0, 4.0])


@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (-1.0, 1.0)])
def test_the_env_action_is_clipped_and_the_sample_is_not(low, high):
    head = head_for(spaces.Box(low, high, (2,)))
    policy = head.distribution(jnp.zeros(4), None)
    action = policy.sample(jnp.array([9.0, -9.0]))
    np.testing.assert_array_equal(action, [9.0, -9.0])
    np.testing.assert_array_equal(
        head.env_action(action), [np.broadcast_to(high, 2)[0], np.broadcast_to(low, 2)[1]]
    )
    np.testing.assert_allclose(policy.log_prob(action), -81.0 - np.log(2 * np.pi), rtol=1e-6)


def test_a_mask_in_the_observation_excludes_actions():
    obs = {"seen": jnp.ones(2), "action_mask": jnp.array([0, 1, 0], jnp.int8)}
    policy = head_for(spaces.Discrete(3)).distribution(jnp.zeros(3), obs)
    np.testing.assert_array_equal(np.exp(policy.log_probs), [0.0, 1.0, 0.0])


def test_without_a_mask_every_action_is_legal():
    assert action_mask(jnp.ones(3)) is None and action_mask({"seen": jnp.ones(3)}) is None


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0.0, 1.0, (2, 2)),
        spaces.Box(0.0, 1.0, ()),
        spaces.Box(0, 5, (2,), jnp.int32),  # a policy's floats are no integers
        spaces.Dict({"move": spaces.Discrete(2)}),
        spaces.Tuple([spaces.Discrete(2)]),
    ],
    ids=lambda space: (
        f"{type(space).__name__}{getattr(space, 'shape', '')}{getattr(space, 'dtype', '')}"
    ),
)
def test_an_unsupported_space_is_refused(space):
    with pytest.raises(ValueError, match=r"action space .* Discrete\(n\), one-dimensional Box"):
        head_for(space)


BOX = spaces.Box(LOW, HIGH, (2,))


@pytest.mark.parametrize("kind", ["squashed", "beta"])
def test_a_bounded_head_reaches_its_bounds_and_never_passes_them(kind):
    head = head_for(BOX, kind)
    noise = head.noise(jax.random.key(0), (1_000,))
    outputs = jnp.array([9.0, -9.0, 0.0, 0.0] if kind == "squashed" else [99.0, 0.0, 0.0, 99.0])
    policy = head.distribution(jnp.broadcast_to(outputs, (1_000, 4)), None)
    actions = head.env_action(policy.sample(noise))
    assert (actions >= LOW).all() and (actions <= HIGH).all()
    np.testing.assert_allclose(actions.mean(axis=0), [1.0, -2.0], atol=0.1)
    middle = head.env_action(head.distribution(jnp.zeros(4), None).mode())
    np.testing.assert_allclose(middle, [0.0, -1.0], atol=1e-6)


def test_the_noise_of_the_state_is_held_for_a_period():
    head = head_for(BOX, "gsde", features=3, noise_period=4)
    assert head.num_outputs == 2 + 3 * 2 and not head.continuous
    keys = jax.random.key_data(head.noise(jax.random.key(0), (10, 2)))
    for start, end in ((0, 4), (4, 8), (8, 10)):
        assert (keys[start:end] == keys[start]).all()
    assert len(np.unique(keys.reshape(-1, keys.shape[-1]), axis=0)) == 3 * 2
    assert head.noise(jax.random.key(0), (1,)).shape == (1,)


@pytest.mark.parametrize("kind", ["squashed", "beta", "gsde"])
def test_a_distribution_of_continuous_actions_is_refused_for_others(kind):
    with pytest.raises(ValueError, match=rf"action_distribution='{kind}' applies to continuous"):
        head_for(spaces.Discrete(3), kind)


@pytest.mark.parametrize("kind", ["squashed", "beta"])
def test_without_finite_bounds_a_bounded_distribution_is_refused(kind):
    with pytest.raises(ValueError, match=r"to their bounds, .* use normal or gsde"):
        head_for(spaces.Box(-jnp.inf, jnp.inf, (2,)), kind)


@pytest.mark.parametrize(
    ("algo", "space", "message"),
    [
        ("ppo", spaces.Discrete(0), "has no actions; give it at least one"),
        ("dqn", spaces.Discrete(0), "has no actions; give it at least one"),
        ("sac_discrete", spaces.Discrete(0), "has no actions; give it at least one"),
        ("ppo", spaces.Box(-1.0, 1.0, (0,)), "has no actions; give it at least one"),
        ("sac", spaces.Box(-1.0, 1.0, (0,)), "has no actions; give it at least one"),
        ("ppo", spaces.Box(1.0, -1.0, (1,)), "above the upper one, or NaN; exchange them"),
        ("td3", spaces.Box(jnp.zeros(2), jnp.array([1.0, jnp.nan]), (2,)), "above the upper one"),
    ],
)
def test_a_space_without_actions_is_refused(monkeypatch, algo, space, message):
    monkeypatch.setattr(Forever, "action_space", lambda self, params: space)
    env = Forever()
    with pytest.raises(ValueError, match=message):
        algorithm_of(config_type(algo)(), env, env.default_params, 1)
