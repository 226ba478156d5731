import ast
from itertools import permutations as orders_of

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from elsinore.jaxtools.prng import for_update, for_use, permutations
from tests.sources import FILES, nodes_of

KEY = jax.random.key(0)


def same(a, b) -> bool:
    return bool((jax.random.key_data(a) == jax.random.key_data(b)).all())


@pytest.mark.parametrize(("num", "size"), [(3, 1), (4, 5), (4, 512), (2, 2**16), (2, 2**16 + 3)])
def test_every_index_comes_once(num, size):
    orders = permutations(KEY, num, size)
    assert orders.shape == (num, size) and orders.dtype == np.int32
    np.testing.assert_array_equal(
        np.sort(orders, axis=1), np.broadcast_to(np.arange(size), (num, size))
    )


@pytest.mark.parametrize("size", [512, 2**16, 2**16 + 3])
def test_no_two_orders_agree_more_than_chance_has_it(size):
    a, b = permutations(KEY, 2, size)
    c = permutations(jax.random.key(1), 1, size)[0]
    for one, other in [(a, b), (a, c), (b, c), (a, np.arange(size))]:
        assert np.sum(one == other) < 10  # one is expected, and ten or more once in a million


def test_the_same_key_gives_the_same_orders():
    np.testing.assert_array_equal(permutations(KEY, 4, 512), permutations(KEY, 4, 512))


def test_all_orders_of_four_are_equally_likely():
    drawn = np.asarray(permutations(KEY, 24_000, 4)) @ [64, 16, 4, 1]
    counts = [np.sum(drawn == np.array(order) @ [64, 16, 4, 1]) for order in orders_of(range(4))]
    assert sum(counts) == 24_000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_every_index_is_as_likely_early_as_late_in_the_largest_packed_size():
    """At 2^16 only 16 random bits are left to sort by; ties keep their order and must not be
    felt."""
    size = 2**16
    first_half = np.asarray(permutations(KEY, 8, size))[:, : size // 2]
    # hypergeometric: half of them, with deviation sqrt(size) / 4 a row
    low = np.sum(first_half < size // 2)
    assert abs(low - 8 * size / 4) < 5 * np.sqrt(8 * size) / 4


def uses_in(path) -> set[str]:
    """The names of uses that stand in a file."""
    found = set()
    for node in nodes_of(path):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("for_use", "for_uses"):
            given = node.args[1:]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "algorithm_from":
            given = [x.value for x in node.keywords if x.arg == "uses"]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "uses":
            given = [node.value]
        found |= {
            x.value
            for argument in given
            for x in ast.walk(argument)
            if isinstance(x, ast.Constant) and isinstance(x.value, str)
        }
    return found


def test_each_use_has_a_key_of_its_own():
    uses = set[str]().union(*map(uses_in, FILES))
    assert uses >= {"act", "rollout", "evaluate", "rnd target", "target weights", "train"}
    keys = {jax.random.key_data(for_use(KEY, name)).tobytes() for name in uses}
    assert len(keys) == len(uses)


def test_a_use_has_the_same_key_in_every_caller():
    assert same(for_use(KEY, "act"), for_use(KEY, "act"))
    # CRC-32 of b"act", on any machine
    assert same(for_use(KEY, "act"), jax.random.fold_in(KEY, 0xAFECF544))


def test_each_update_has_a_key_of_its_own_up_to_the_last():
    updates = [0, 1, 2, 2**24, 2**24 + 1, 2**31 - 2, 2**31 - 1]
    keys = {jax.random.key_data(for_update(KEY, jnp.int32(update))).tobytes() for update in updates}
    assert len(keys) == len(updates)
    assert not same(for_update(KEY, jnp.int32(1)), for_update(jax.random.key(1), jnp.int32(1)))


def test_an_update_can_be_replayed_alone():
    in_a_row = jax.lax.map(lambda update: jax.random.normal(for_update(KEY, update)), np.arange(5))
    assert in_a_row[3] == jax.random.normal(for_update(KEY, jnp.int32(3)))
