import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

from elsinore.envs.host_spaces import action_space_of
from elsinore.envs.random_action import random_action
from elsinore.envs.spaces import MultiDiscrete

SPACE = MultiDiscrete([3, 1, 2])


def test_a_sample_is_one_number_for_each_choice_and_reaches_every_option():
    drawn = np.asarray(jax.jit(jax.vmap(SPACE.sample))(jax.random.split(jax.random.key(0), 200)))
    assert drawn.shape == (200, 3) and drawn.dtype == SPACE.dtype
    assert [set(column) for column in drawn.T.tolist()] == [{0, 1, 2}, {0}, {0, 1}]


@pytest.mark.parametrize(
    ("action", "inside"),
    [([2, 0, 1], True), ([3, 0, 1], False), ([2, 1, 1], False), ([-1, 0, 0], False)],
)
def test_it_contains_options_of_every_choice(action, inside):
    assert jax.jit(SPACE.contains)(jnp.array(action)) == inside


@pytest.mark.parametrize("nvec", [[], [2, 0], [2, -1], [2.5], 3, None])
def test_a_bad_list_of_sizes_is_refused(nvec):
    with pytest.raises(ValueError, match="nvec="):
        MultiDiscrete(nvec)


def test_it_shows_its_sizes():
    assert repr(SPACE) == "MultiDiscrete([3, 1, 2])"


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-np.inf, np.inf),
        (-3e38, 3e38),
        (2.0, np.inf),
        (-np.inf, -2.0),
        (np.array([-1.0, 0.0], np.float32), np.array([1.0, np.inf], np.float32)),
    ],
)
def test_a_random_action_is_finite_and_within_the_bounds_that_there_are(low, high):
    space = spaces.Box(low, high, (2,))
    draw = jax.jit(jax.vmap(lambda key: random_action(space, key)))
    drawn = np.asarray(draw(jax.random.split(jax.random.key(0), 200)))
    assert np.isfinite(drawn).all() and (drawn >= low).all() and (drawn <= high).all()
    assert (drawn.std(axis=0) > 0.3).all()


def test_a_random_action_within_finite_bounds_is_the_spaces_own():
    key = jax.random.key(0)
    for space in (spaces.Box(-1.0, 2.0, (3,)), spaces.Discrete(5), SPACE):
        np.testing.assert_array_equal(random_action(space, key), space.sample(key))


def test_an_action_without_axes_is_an_array():
    space = action_space_of(gymnasium.spaces.Box(-0.1, 0.1, (), np.float64), "env")
    written = space.write(np.float32([0.1]))
    assert isinstance(written, np.ndarray) and written.shape == ()


@pytest.mark.parametrize("bound", [0.1, 0.4, 1.0, np.inf])
def test_an_action_at_a_bound_of_float64_is_in_its_space(bound):
    given = gymnasium.spaces.Box(-bound, bound, (2, 1), np.float64)
    space = action_space_of(given, "env")
    saturated = np.nan_to_num(np.asarray([space.space.low, space.space.high], np.float32))
    assert all(given.contains(space.write(action)) for action in saturated)
    assert space.write(np.float32([0.05, -0.05])).ravel().tolist() == pytest.approx([0.05, -0.05])
