from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.experience import sum_tree
from elsinore.experience.sum_tree import BRANCHING
from tests.strategies import float32s

SIZES = (1, BRANCHING, BRANCHING + 1, 1_500)  # one row, one full row, two levels, three levels
NUM = SIZES[-1]
update, find = jax.jit(sum_tree.update), jax.jit(sum_tree.find)
whole_numbers = arrays(np.int32, NUM, elements=st.integers(0, 50))
# From the least to the most that a priority may be: sums of these lose every small one to rounding.
EXTREMES: list[float] = [0.0, 0.0, 0.0, 1e-20, 1e-7, 1.0, 10 / 3, 1e7, 1e28]
extremes = arrays(np.float32, NUM, elements=st.sampled_from(EXTREMES).map(np.float32))


def tree_of(mass):
    mass = jnp.asarray(mass, jnp.float32)
    return update(sum_tree.init(mass.size), jnp.arange(mass.size), mass)


def assert_every_node_is_the_sum_of_its_children(tree):
    for below, above in pairwise(tree.levels):
        sums = np.asarray(below, np.float64).sum(axis=1)
        np.testing.assert_allclose(np.asarray(above).reshape(-1)[: sums.size], sums, rtol=1e-5)
        assert not np.asarray(above).reshape(-1)[sums.size :].any()


@pytest.mark.parametrize("size", SIZES)
def test_a_level_holds_a_node_for_every_row_below(size):
    levels = sum_tree.init(size).levels
    assert levels[0].size >= size and levels[-1].shape[0] == 1
    assert all(below.shape[0] <= above.size for below, above in pairwise(levels))


@given(whole_numbers)
def test_a_target_finds_the_leaf_where_the_running_sum_passes_it(mass):
    mass[0] += 1  # something to find; whole numbers below 2^24 add up without rounding
    tree = tree_of(mass)
    assert sum_tree.total_mass(tree) == mass.sum()
    targets = np.linspace(0, mass.sum() - 0.5, 97).astype(np.float32)
    np.testing.assert_array_equal(
        find(tree, targets), np.searchsorted(np.cumsum(mass), targets, side="right")
    )


@pytest.mark.parametrize("size", SIZES)
def test_every_target_finds_the_only_leaf_with_mass(size):
    for leaf in {0, size // 2, size - 1}:
        for mass in (1e-20, 0.1, 1e28):
            tree = tree_of(np.zeros(size, np.float32))
            tree = update(tree, jnp.array([leaf]), jnp.array([mass]))
            total = sum_tree.total_mass(tree)
            targets = total * jnp.array([0.0, 0.5, 1.0, 1.5])
            targets = jnp.append(targets, jnp.nextafter(total, jnp.float32(0)))
            np.testing.assert_array_equal(find(tree, targets), leaf)


@given(extremes, st.integers(0, NUM - 1), st.integers(0, 2**32 - 1))
def test_a_leaf_without_mass_is_never_found(mass, lucky, seed):
    mass[lucky] = max(mass[lucky], np.float32(1e-20))
    tree = tree_of(mass)
    total = sum_tree.total_mass(tree)
    edges = jnp.array([0.0, 1e-30, 1.0])
    edges = jnp.concatenate([edges * total, jnp.nextafter(total, jnp.array([0.0, jnp.inf]))])
    inside = jax.random.uniform(jax.random.key(seed), (256,)) * total
    # where one leaf ends and the next begins, but for rounding
    borders = np.cumsum(mass)[:: NUM // 64]
    found = find(
        tree, np.concatenate([edges, inside, borders, np.nextafter(borders, np.float32(0))])
    )
    assert (mass[np.asarray(found)] > 0).all()


def test_of_a_leaf_named_twice_the_larger_mass_wins_in_any_order():
    for mass in ([1.0, 5.0, 2.0], [5.0, 2.0, 1.0], [2.0, 1.0, 5.0]):
        tree = update(tree_of(np.ones(NUM)), jnp.array([7, 7, 7]), jnp.array(mass))
        # also where it held more, or less, before
        assert sum_tree.mass_of(tree, jnp.array([7])) == 5.0
        assert sum_tree.total_mass(tree) == NUM - 1 + 5.0
        tree = update(tree, jnp.array([7, 7]), jnp.array([0.5, 0.25]))
        assert sum_tree.total_mass(tree) == NUM - 1 + 0.5


@given(
    st.lists(
        st.tuples(
            arrays(np.int32, 20, elements=st.integers(0, NUM - 1)),
            arrays(np.float32, 20, elements=float32s(0, 1e6)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_after_any_updates_it_is_the_tree_of_the_masses_that_stand(updates):
    tree, stands = sum_tree.init(NUM), np.zeros(NUM, np.float32)
    for leaves, mass in updates:
        tree = update(tree, leaves, mass)
        stands[leaves] = 0.0
        np.maximum.at(stands, leaves, mass)
    np.testing.assert_array_equal(np.asarray(tree.levels[0]).reshape(-1)[:NUM], stands)
    assert_every_node_is_the_sum_of_its_children(tree)


def test_sums_do_not_drift_though_huge_masses_come_and_go():
    def turn(tree, i):
        tree = sum_tree.update(tree, jnp.array([3, 40]), jnp.array([1e20, 1.0]))
        return sum_tree.update(tree, jnp.array([3]), jnp.array([0.125])), None

    tree, _ = jax.jit(lambda tree: jax.lax.scan(turn, tree, jnp.arange(1_000)))(sum_tree.init(NUM))
    assert sum_tree.total_mass(tree) == 1.125
