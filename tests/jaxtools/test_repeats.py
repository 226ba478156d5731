"""A function without repeats computes what it did, and each operation once."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.extend.core import Jaxpr, subjaxprs

from elsinore.jaxtools.repeats import without_repeats

X = jnp.array([0.5, -1.5, 2.0])


def operations(jaxpr: Jaxpr) -> list[str]:
    """Names of all operations, those inside loops and branches too."""
    inner = [name for each in subjaxprs(jaxpr) for name in operations(each)]
    return [eqn.primitive.name for eqn in jaxpr.eqns] + inner


def traced(function, *args):
    """A function as it is and without repeats, as jaxprs."""
    closed = jax.make_jaxpr(function)(*args)
    return closed, jax.make_jaxpr(without_repeats(closed))(*jax.tree.leaves(args))


def twice(x):
    return jnp.sin(x) / 2.0 + jnp.sin(x) * 2.0


def in_calls(x):
    return jax.jit(jnp.sin)(x) + jax.jit(lambda y: 3.0 * jnp.sin(y))(x)


def in_a_loop(x):
    return jax.lax.fori_loop(0, 3, lambda _, x: twice(x), x)


def in_branches(x):
    return jax.lax.cond(x[0] > 0, twice, jnp.sin, x)


def of_a_rectifier(x):
    return jax.nn.relu(x) + jax.nn.relu(x)


@pytest.mark.parametrize(
    ("function", "name", "before", "after"),
    [
        (twice, "sin", 2, 1),
        (in_calls, "sin", 2, 1),
        (in_a_loop, "sin", 2, 1),
        (in_branches, "sin", 3, 2),  # one in each branch
        (of_a_rectifier, "max", 2, 1),
    ],
)
def test_an_operation_is_computed_once(function, name, before, after):
    closed, once = traced(function, X)
    assert operations(closed.jaxpr).count(name) == before
    assert operations(once.jaxpr).count(name) == after
    np.testing.assert_array_equal(jax.jit(without_repeats(closed))(X)[0], jax.jit(function)(X))


def test_operations_on_other_values_stay():
    _, once = traced(lambda x: (x + 1.0) * (x + 2.0) * (x + 1) + jnp.float32(1.0), X)
    assert operations(once.jaxpr).count("add") == 3  # of 1, whatever its type was; of 2; the last


def test_keys_that_are_drawn_from_apart_stay_apart():
    key = jax.random.key(0)
    closed, _ = traced(lambda k: [jax.random.normal(x) for x in jax.random.split(k)], key)
    found = without_repeats(closed)(key)
    wanted = [jax.random.normal(x) for x in jax.random.split(key)]
    np.testing.assert_array_equal(found, wanted)
    assert found[0] != found[1]


def test_radam_divides_by_a_correction_that_is_computed_once():
    """optax computes 1 - b2^t in two places: where shards are on several devices XLA merges them
    before it simplifies quotients by them, and on one device after."""
    radam, params = optax.scale_by_radam(), jnp.ones(3)
    closed, once = traced(radam.update, X, radam.init(params))
    assert operations(closed.jaxpr).count("pow") == 3
    assert operations(once.jaxpr).count("pow") == 2
    gradients = (X, radam.init(params))
    found = jax.jit(without_repeats(closed))(*jax.tree.leaves(gradients))
    wanted = jax.tree.leaves(jax.jit(radam.update)(*gradients))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_scalar_is_spread_over_an_array_once():
    """Operations would each do it for themselves: where shards are on several devices XLA merges
    what they do before it asks how many read the scalar, and on one device after."""

    def quotients(x, y):
        return (x / y - y * x) / y + jnp.broadcast_to(y, x.shape)

    _, once = traced(quotients, X, jnp.float32(3.0))
    assert operations(once.jaxpr).count("broadcast_in_dim") == 1
    reads = [x for eqn in once.jaxpr.eqns for x in eqn.invars if x is once.jaxpr.invars[1]]
    assert len(reads) == 1
    closed = jax.make_jaxpr(quotients)(X, jnp.float32(3.0))
    found = jax.jit(without_repeats(closed))(X, jnp.float32(3.0))[0]
    np.testing.assert_allclose(found, quotients(X, jnp.float32(3.0)), rtol=1e-6)


def test_a_call_that_is_marked_stays_a_call():
    from jax.experimental.xla_metadata import set_xla_metadata

    def marked(x):
        return set_xla_metadata(jax.jit(jnp.sin)(x), unit="sines") + jnp.cos(x)

    _, once = traced(marked, X)
    assert [eqn.primitive.name for eqn in once.jaxpr.eqns][:2] == ["jit", "xla_metadata_value"]
