import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from elsinore.experience.prioritised import EPS, prioritised
from elsinore.experience.replay_buffer import BatchIndices
from elsinore.jaxtools.shards import IN_TURN
from elsinore.ops.losses import importance_weight
from elsinore.types import Transition
from tests.experience.test_sum_tree import assert_every_node_is_the_sum_of_its_children
from tests.strategies import float32s

SLOTS, ENV, N_STEP = 20, 2, 3
GAMMA, ALPHA, BETA = 0.9, 0.6, 0.4
KEY = jax.random.key(0)
FLAG = jnp.bool_(False)
LIKE = Transition(jnp.float32(0), jnp.int32(0), jnp.float32(0), FLAG, FLAG, jnp.float32(0), ())
memory = prioritised(SLOTS * ENV, ENV, N_STEP)
add, reprioritise = jax.jit(memory.add), jax.jit(memory.reprioritise)
sample = jax.jit(memory.sample, static_argnums=2)


def steps(time):
    return jax.tree.map(lambda x: jnp.zeros((time, ENV, *x.shape), x.dtype), LIKE)


def priorities(buffer):
    """[slot, env]."""
    return np.asarray(buffer.tree.levels[0]).reshape(-1)[: SLOTS * ENV].reshape(SLOTS, ENV)


def everywhere():
    slot, env = jnp.divmod(jnp.arange(SLOTS * ENV), ENV)
    return BatchIndices(slot, env)


def full():
    """The oldest slot is 0; the newest n - 1 have no whole window."""
    return add(memory.init(LIKE), steps(SLOTS))


def test_the_first_transitions_get_priority_one_once_their_window_is_whole():
    buffer = add(memory.init(LIKE), steps(2))
    assert not priorities(buffer).any()
    buffer = add(buffer, steps(3))
    np.testing.assert_array_equal(priorities(buffer)[:4, 0], [1, 1, 1, 0])


def test_new_transitions_get_the_largest_priority_seen_so_far_even_if_it_has_gone():
    buffer = reprioritise(
        full(), BatchIndices(jnp.array([4]), jnp.array([1])), jnp.array([7.0]), 1.0
    )
    buffer = reprioritise(
        buffer, BatchIndices(jnp.array([4]), jnp.array([1])), jnp.array([2.0]), 1.0
    )
    np.testing.assert_allclose(priorities(buffer)[4], [1.0, 2.0], rtol=1e-5)
    buffer = add(buffer, steps(1))
    np.testing.assert_allclose(priorities(buffer)[[17, 18, 19, 0], 0], [1, 7, 0, 0], rtol=1e-5)


def test_a_surprise_counts_by_its_size_to_the_power_alpha():
    errors = jnp.linspace(-3, 3, SLOTS * ENV)
    buffer = reprioritise(full(), everywhere(), errors, ALPHA)
    expected = ((np.abs(errors) + EPS) ** ALPHA).reshape(SLOTS, ENV)
    np.testing.assert_allclose(priorities(buffer)[:-2], expected[:-2], rtol=1e-5)


def test_a_start_that_is_not_whole_never_gets_a_priority():
    buffer = reprioritise(full(), everywhere(), jnp.ones(SLOTS * ENV), ALPHA)
    assert not priorities(buffer)[-2:].any() and priorities(buffer)[:-2].all()


def test_of_two_errors_of_one_transition_the_larger_counts():
    where = BatchIndices(jnp.array([3, 3]), jnp.array([0, 0]))
    buffer = reprioritise(full(), where, jnp.array([-5.0, 2.0]), 1.0)
    assert priorities(buffer)[3, 0] == pytest.approx(5.0)


def surprised():
    """Errors of seven sizes, and how often each transition should then be drawn: [slot, env]."""
    buffer = reprioritise(full(), everywhere(), jnp.arange(SLOTS * ENV) % 7 + 0.5, ALPHA)
    mass = priorities(buffer).astype(np.float64)
    return buffer, mass / mass.sum()


@pytest.mark.parametrize("batch_size", [1, 50])
def test_transitions_are_drawn_in_proportion_to_their_priorities(batch_size):
    buffer, expected = surprised()
    keys = jax.random.split(KEY, 50_000 // batch_size)
    where = jax.vmap(lambda key: sample(buffer, key, batch_size, GAMMA, BETA)[1])(keys)
    counts = np.zeros((SLOTS, ENV))
    np.add.at(counts, (np.asarray(where.slot), np.asarray(where.env)), 1)
    assert not counts[expected == 0].any()
    counts, expected = counts[expected > 0], 50_000 * expected[expected > 0]
    np.testing.assert_allclose(counts, expected, rtol=0.2)
    # draws of one batch are not independent: their counts vary less than chi-square's
    if batch_size == 1:
        assert 0.01 < chisquare(counts, expected).pvalue < 0.99


def test_a_batch_takes_one_from_each_equal_share_of_the_mass():
    buffer = reprioritise(full(), everywhere(), jnp.ones(SLOTS * ENV), 1.0)
    _, where, _ = sample(buffer, KEY, (SLOTS - 2) * ENV, GAMMA, BETA)
    numbers = np.asarray(where.slot * ENV + where.env)
    # its own share, but for rounding at its ends
    assert (np.abs(numbers - np.arange((SLOTS - 2) * ENV)) <= 1).all()


@given(arrays(np.float32, 16, elements=float32s(np.float32(1e-3), 1e3)), st.floats(0, 1))
def test_weights_are_schauls(priority, beta):
    """(N P(i))^-beta over the largest of the batch, with any N and any total."""
    unnormalised = (1_000 * priority.astype(np.float64) / 4_321.0) ** -beta
    np.testing.assert_allclose(
        importance_weight(jnp.asarray(priority), beta), unnormalised / unnormalised.max(), rtol=1e-4
    )


def test_weights_undo_what_priorities_do():
    """With beta 1 the weighted mean over draws is the plain mean over all transitions."""
    buffer, _ = surprised()
    _, where, weights = sample(buffer, KEY, 50_000, GAMMA, 1.0)
    value = np.sin(np.asarray(where.slot * ENV + where.env))
    plain = np.sin(np.arange((SLOTS - 2) * ENV)).mean()
    np.testing.assert_allclose(np.average(value, weights=weights), plain, atol=2e-3)
    assert weights.max() == 1.0


def of_two_shards(function, *args):
    """`function` of each of two shards that share all but the first axis of `args`."""
    return jax.jit(jax.vmap(function, axis_name=IN_TURN))(*args)


def two_buffers(errors):
    """Two shards' full buffers, [shard, ...], with priorities of these errors, [shard, start]."""
    one = lambda error: memory.reprioritise(full(), everywhere(), error, ALPHA)  # noqa: E731
    return of_two_shards(one, errors)


def test_weights_of_shards_are_schauls_over_the_batch_of_both():
    """Shard s draws as often as the other, so that P(i) = p_i / (2 sum of p in s)."""
    errors = jnp.stack([jnp.arange(1.0, 41.0), jnp.full(40, 100.0)])
    buffers, keys = two_buffers(errors), jax.random.split(KEY)
    _, where, weight = of_two_shards(lambda *x: memory.sample(*x, 16, GAMMA, BETA), buffers, keys)
    p = np.asarray(buffers.tree.levels[0], np.float64).reshape(2, -1)
    drawn = np.take_along_axis(p, np.asarray(where.slot * ENV + where.env), axis=1)
    likelihood = drawn / (2 * p.sum(axis=1, keepdims=True))
    wanted = (2 * 36 * likelihood) ** -BETA  # of 36 starts in each
    np.testing.assert_allclose(weight, wanted / wanted.max(), rtol=1e-5)
    assert weight.max() == 1.0 and (weight.min(axis=1) < 1.0).any()


def test_new_transitions_get_the_largest_priority_of_any_shard():
    buffers = two_buffers(jnp.stack([jnp.full(40, 2.0), jnp.full(40, 7.0)]))
    np.testing.assert_allclose(buffers.largest, 7.0**ALPHA, rtol=1e-5)
    after = of_two_shards(lambda buffer: memory.add(buffer, steps(1)), buffers)
    newest = np.asarray(after.tree.levels[0]).reshape(2, -1)[:, (SLOTS - N_STEP + 1) * ENV]
    np.testing.assert_allclose(newest, 7.0**ALPHA, rtol=1e-5)


@pytest.mark.parametrize("error", [np.nan, np.inf, -np.inf])
def test_an_error_that_is_no_number_counts_as_the_largest_so_far(error):
    buffer = reprioritise(
        full(), BatchIndices(jnp.array([1]), jnp.array([0])), jnp.array([9.0]), 1.0
    )
    buffer = reprioritise(
        buffer, BatchIndices(jnp.array([2]), jnp.array([0])), jnp.array([error]), 1.0
    )
    np.testing.assert_allclose(priorities(buffer)[:4, 0], [1, 9, 9, 1], rtol=1e-5)
    assert buffer.largest == pytest.approx(9.0)


@pytest.mark.parametrize("errors", [(0.0, 0.0), (1e-30, 1e30), (3e38, 3e38), (0.0, 3e38)])
def test_extreme_errors_leave_every_start_some_mass_and_every_weight_a_number(errors):
    buffer = reprioritise(full(), everywhere(), jnp.tile(jnp.array(errors), SLOTS), 1.0)
    assert (priorities(buffer)[:-2] > 0).all() and np.isfinite(buffer.tree.levels[-1]).all()
    for i in range(20):
        _, where, weights = sample(buffer, jax.random.fold_in(KEY, i), 128, GAMMA, 1.0)
        assert (priorities(buffer)[where.slot, where.env] > 0).all()
        assert np.isfinite(weights).all() and weights.max() == 1.0


operations = st.lists(
    st.one_of(
        st.integers(1, 4),
        st.tuples(
            arrays(np.int32, 6, elements=st.integers(0, SLOTS * ENV - 1)),
            arrays(np.float32, 6, elements=float32s(-100, 100)),
        ),
    ),
    max_size=25,
)


@given(operations)
def test_priorities_are_what_a_list_would_hold(todo):
    """The slow reference: each transition ever made has a priority; those overwritten or not whole
    do not count."""
    buffer, made, largest, given = memory.init(LIKE), 0, 1.0, {}
    for what in todo:
        whole = range(max(made - SLOTS, 0), made - N_STEP + 1)
        if isinstance(what, int):
            buffer, made = add(buffer, steps(what)), made + what
            for step in range(whole.stop if whole else 0, made - N_STEP + 1):
                given |= {(step, env): largest for env in range(ENV)}
        else:
            where = BatchIndices(*(jnp.asarray(x) for x in np.divmod(what[0], ENV)))
            buffer = reprioritise(buffer, where, what[1], ALPHA)
            surprises = {}
            for leaf, error in zip(*what, strict=True):
                step = next((s for s in whole if s % SLOTS == leaf // ENV), None)
                if step is not None:
                    start = (step, leaf % ENV)
                    surprises[start] = max(
                        surprises.get(start, 0.0), (abs(float(error)) + EPS) ** ALPHA
                    )
            given |= surprises
            largest = max([largest, *surprises.values()])
    expected = np.zeros((SLOTS, ENV))
    for (step, env), priority in given.items():
        if step >= made - SLOTS:
            expected[step % SLOTS, env] = priority
    np.testing.assert_allclose(priorities(buffer), expected, rtol=1e-4)
    assert float(buffer.largest) == pytest.approx(largest, rel=1e-4)
    assert_every_node_is_the_sum_of_its_children(buffer.tree)


def test_thousands_of_turns_in_one_program_leave_it_consistent():
    large = prioritised(4_000, ENV, N_STEP)

    def turn(buffer, i):
        seen = steps(1)._replace(reward=jnp.full((1, ENV), i, jnp.float32))
        buffer = large.add(buffer, seen)
        batch, where, weights = large.sample(buffer, jax.random.fold_in(KEY, i), 32, 1.0, BETA)
        error = jax.random.cauchy(jax.random.fold_in(KEY, -i), (32,)) * 10.0 ** (i % 7 - 3)
        # Steps are numbered by their rewards: a window is whole where it sums three that follow
        # each other.
        first = jnp.where(where.slot > i % 2_000, i - i % 2_000 - 2_000, i - i % 2_000) + where.slot
        whole = (batch.reward == 3 * first + 3) & (first >= 0) & (first <= i - (N_STEP - 1))
        return (
            large.reprioritise(buffer, where, error, ALPHA),
            whole.all() & jnp.isfinite(weights).all(),
        )

    buffer, right = jax.jit(lambda b: jax.lax.scan(turn, b, jnp.arange(5_000)))(large.init(LIKE))
    assert right[N_STEP - 1 :].all()
    assert_every_node_is_the_sum_of_its_children(buffer.tree)
    mass = np.asarray(buffer.tree.levels[0]).reshape(-1)[:4_000].reshape(2_000, ENV)
    newest = [(5_000 - 1 - age) % 2_000 for age in range(N_STEP - 1)]
    assert not mass[newest].any() and (np.delete(mass, newest, axis=0) > 0).all()
