import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
