from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.ops.running_statistics import (
    RunningStats,
    empty,
    merge,
    normalise,
    of_batch,
)
from tests.strategies import float32s

jitted_merge, jitted_of_batch = jax.jit(merge), jax.jit(of_batch)
offsets = st.sampled_from([0.0, 1.0, -100.0])


def batch(size):
    return arrays(np.float32, (size, 2), elements=float32s(-10, 10))


def exact_count(stats: RunningStats) -> int:
    return (int(stats.count_high) << 32) + int(stats.count_low)


def seen(count: int) -> RunningStats:
    """A record of `count` numbers, of mean 0 and variance 1."""
    return RunningStats(
        jnp.uint32(count >> 32), jnp.uint32(count & 0xFFFFFFFF), jnp.zeros(()), jnp.ones(())
    )


def assert_describes(stats: RunningStats, x: np.ndarray):
    assert exact_count(stats) == len(x)
    x = x.astype(np.float64)
    np.testing.assert_allclose(stats.mean, x.mean(axis=0), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(stats.var, x.var(axis=0), rtol=1e-3, atol=1e-2)


def test_normalising_by_nothing_changes_nothing():
    x = jnp.array([-3.0, 0.0, 0.25, 7.0])
    np.testing.assert_allclose(normalise(empty(), x), x, rtol=1e-6)


def test_normalising_takes_off_the_mean_and_divides_by_the_deviation():
    stats = of_batch(jnp.array([1.0, 3.0]))  # mean 2, deviation 1
    np.testing.assert_allclose(
        normalise(stats, jnp.array([2.0, 3.5, 1e6, -1e6])), [0.0, 1.5, 10.0, -10.0], atol=1e-6
    )


def test_the_first_batch_is_taken_as_it_is():
    x = jnp.array([[1.0, -4.0], [3.0, 4.0]])
    both = merge(empty((2,)), of_batch(x))
    assert exact_count(both) == 2
    np.testing.assert_array_equal(both.mean, [2.0, 0.0])
    np.testing.assert_array_equal(both.var, [1.0, 16.0])


def test_two_empty_records_are_an_empty_record():
    jax.tree.map(np.testing.assert_array_equal, merge(empty((2,)), empty((2,))), empty((2,)))


@given(batch(5), batch(11), offsets)
def test_merging_gives_the_statistics_of_the_concatenation(a, b, offset):
    b = b + np.float32(offset)
    merged = jitted_merge(jitted_of_batch(a), jitted_of_batch(b))
    assert_describes(merged, np.concatenate([a, b]))


@given(batch(5), batch(11), batch(1), st.permutations(range(3)), offsets)
def test_the_order_of_merging_does_not_matter(a, b, c, order, offset):
    parts = [a, b + np.float32(offset), c]
    assert_describes(
        reduce(jitted_merge, [jitted_of_batch(parts[i]) for i in order]), np.concatenate(parts)
    )


def test_a_million_small_merges_do_not_drift():
    x = jax.random.normal(jax.random.key(0), (1_000, 7)) * 3 + 5

    @jax.jit
    def stream(stats):
        return jax.lax.fori_loop(0, 1_000_000, lambda i, s: merge(s, of_batch(x[i % 1_000])), stats)

    stats = stream(empty())
    assert exact_count(stats) == 7_000_000
    np.testing.assert_allclose((stats.mean, stats.var), (x.mean(), x.var()), rtol=5e-3)


@pytest.mark.parametrize("edge", [2**24, 2**31, 2**32, 2**32 + 2**24, 2**40])
def test_counts_stay_exact_past_the_edges_of_float32_and_int32(edge):
    one = of_batch(jnp.array([5.0]))
    stats = seen(edge - 2)
    for _ in range(4):
        stats = jitted_merge(stats, one)
    assert exact_count(stats) == edge + 2


def test_two_long_records_carry_into_the_high_word_together():
    assert exact_count(merge(seen(2**32 - 1), seen(2**32 - 1))) == 2**33 - 2


def test_a_long_record_is_still_moved_by_what_comes():
    # 2^32 of them
    far = RunningStats(jnp.uint32(1), jnp.uint32(0), jnp.float32(10.0), jnp.float32(1.0))
    both = merge(seen(2**32), far)
    np.testing.assert_allclose((both.mean, both.var), (5.0, 26.0), rtol=1e-6)
