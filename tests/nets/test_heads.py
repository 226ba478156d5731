import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

from elsinore.nets.heads import action_mask, head_for

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
