"""First states of Hamlet's episodes."""

from functools import partial

import jax
import numpy as np
import pytest

from elsinore.worlds.hamlet.env import hamlet
from tests.worlds.hamlet.worlds import CABIN

MANY = 2_000


def starts(env, **params):
    params = env.default_params.replace(**params)
    keys = jax.random.split(jax.random.key(0), MANY)
    return jax.device_get(jax.jit(jax.vmap(env.reset_env, (0, None)))(keys, params)[1])


def test_the_standard_start_is_in_the_middle_and_well():
    env = hamlet("base6")
    states = starts(env)
    assert (states.position == 4).all()
    assert (env.meters(states) == [100, 100, 100, 50, 0, 50]).all()


def test_a_share_of_lives_begins_anywhere_with_meters_from_their_ranges():
    env = hamlet("base6")
    low, high = [40, 0, 10, -20, 5, 50], [100, 10, 10, 20, 5, 60]
    states = starts(env, random_start_share=0.25, start_low=low, start_high=high)
    random = env.meters(states)[:, 4] == 5
    assert random.mean() == pytest.approx(0.25, abs=0.03)
    drawn = env.meters(states)[random]
    assert (drawn >= np.array(low) - 1e-3).all() and (drawn <= np.array(high) + 1e-3).all()
    assert drawn.mean(0) == pytest.approx((np.array(low) + np.array(high)) / 2, abs=3)
    assert len(np.unique(states.position[random], axis=0)) == 64
    assert (states.position[~random] == 4).all()


@pytest.mark.parametrize("world", ["L1", "L0_0"])
def test_things_are_drawn_into_cells_of_their_own_and_the_agent_beside_them(world):
    env = hamlet(world)
    states = starts(env)
    placed = list(env.profile.placed)
    width, height = env.profile.grid
    cells = states.cells[:, placed]
    assert all(len(set(row)) == len(placed) for row in cells.tolist())
    assert (np.delete(states.cells, placed, axis=1) == -1).all()
    agent = states.position[:, 0] + width * states.position[:, 1]
    assert not (cells == agent[:, None]).any()
    counts = np.bincount(np.concatenate([cells.ravel(), agent]), minlength=width * height)
    expected = counts.sum() / (width * height)
    # every cell as often as every other
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()
    at = np.take_along_axis(states.ground, cells.astype(int), axis=1)
    assert (at == placed).all()
    assert ((states.ground >= 0).sum(1) == len(placed)).all()


def test_what_is_drawn_keeps_clear_of_what_is_fixed_and_of_the_start():
    env = hamlet("custom", profile=CABIN)
    states = starts(env)
    assert (states.cells[:, :2] == [0, 5]).all()
    drawn = set(states.cells[:, 2].tolist())
    assert drawn == set(range(30)) - {0, 5, 2 + 2 * 6}


def test_a_change_of_start_compiles_nothing_anew():
    env = hamlet("base6")
    reset = jax.jit(partial(env.reset_env, jax.random.key(0)))
    for share in (0.0, 0.5, 1.0):
        reset(env.default_params.replace(random_start_share=share))
    assert reset._cache_size() == 1
