"""What shards combine does not depend on where they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from elsinore.jaxtools import shards

NUMBER = 4
X = jax.random.normal(jax.random.key(1), (NUMBER, 3, 5))
KEY = jax.random.key(2)


def on(devices: int, function):
    """Each shard's `function(row of X)`, [shard, ...], with the shards on so many devices."""
    mesh = jax.make_mesh(
        (devices,), (shards.DEVICES,), (AxisType.Auto,), devices=jax.devices()[:devices]
    )
    each = jax.vmap(function, axis_name=shards.IN_TURN)
    spec = P(shards.DEVICES)
    found = jax.shard_map(each, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    return jax.tree.map(np.asarray, jax.jit(found)(X))


@pytest.mark.parametrize("devices", [1, 2])
def test_each_shard_has_its_number_and_a_key_of_its_own(devices):
    index, number, key = on(
        devices, lambda x: (shards.index(), shards.number(), jax.random.key_data(shards.own(KEY)))
    )
    assert index.tolist() == list(range(NUMBER))
    assert (number == NUMBER).all()
    wanted = [jax.random.key_data(jax.random.fold_in(KEY, i)) for i in range(NUMBER)]
    np.testing.assert_array_equal(key, np.stack(wanted))


@pytest.mark.parametrize("devices", [1, 2])
def test_sums_and_means_are_those_of_all_shards_in_their_order(devices):
    total, mean, count = on(
        devices, lambda x: (shards.total(x), shards.mean(x), shards.total(jnp.int32(2)))
    )
    wanted = ((X[0] + X[1]) + X[2]) + X[3]
    for i in range(NUMBER):
        np.testing.assert_array_equal(total[i], wanted)
        np.testing.assert_array_equal(mean[i], wanted / NUMBER)
    assert (count == 2 * NUMBER).all()


def test_rows_come_together_in_the_shards_order():
    rows = on(2, shards.together)
    for i in range(NUMBER):
        np.testing.assert_array_equal(rows[i], np.concatenate(list(X)))


def rounds(x):
    return jnp.sum(jnp.tanh(x @ x.T), axis=0)


def test_what_is_apart_is_computed_as_one_shard_alone_computes_it():
    alone = np.stack([jax.jit(rounds)(x) for x in X])
    for devices in (1, 2):
        np.testing.assert_array_equal(on(devices, shards.apart(rounds)), alone)


def test_what_is_apart_may_read_values_around_it():
    def around(x):
        own, common = 2.0 * x, jnp.float32(3.0)
        return shards.apart(lambda y: y * own * common)(x + 1)

    np.testing.assert_allclose(on(1, around), np.asarray((X + 1) * 2 * X * 3), rtol=1e-6)


def test_one_shard_is_left_as_it_is():
    tree = {"x": X}
    assert shards.number() == 1 and shards.own(KEY) is KEY
    for function in (shards.total, shards.mean, shards.together):
        assert function(tree) is tree
    jaxpr = jax.make_jaxpr(shards.apart(rounds))(X[0])
    assert str(jaxpr) == str(jax.make_jaxpr(rounds)(X[0]))
