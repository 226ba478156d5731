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
    """Each shard's `function(row of X)`, [shard, ...], with the shards on so many CPU devices."""
    mesh = jax.make_mesh(
        (devices,), (shards.DEVICES,), (AxisType.Auto,), devices=jax.devices("cpu")[:devices]
    )
    each = jax.vmap(function, axis_name=shards.IN_TURN)
    spec = P(shards.DEVICES)
    found = jax.shard_map(each, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    return jax.tree.map(np.asarray, jax.jit(found)(X))


@pytest.mark.parametrize("devices", [1, 2])
def test_each_shard_has_its_number_and_a_key_of_its_own(devices):
    index, number, key = on(
        devices,
        lambda x: (shards.index(), shards.number(), jax.random.key_data(shards.own_key(KEY))),
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
    rows = on(2, shards.gather_rows)
    for i in range(NUMBER):
        np.testing.assert_array_equal(rows[i], np.concatenate(list(X)))


def test_envs_come_side_by_side_in_the_shards_order():
    found = on(2, lambda x: shards.gather_envs(x.T))  # five steps of three envs
    for i in range(NUMBER):
        np.testing.assert_array_equal(found[i], np.concatenate([x.T for x in X], axis=1))


def rounds(x):
    return jnp.sum(jnp.tanh(x @ x.T), axis=0)


def test_what_is_apart_is_computed_as_one_shard_alone_computes_it():
    with jax.default_device(jax.devices("cpu")[0]):
        alone = np.stack([jax.jit(rounds)(np.asarray(x)) for x in X])
    for devices in (1, 2):
        np.testing.assert_array_equal(on(devices, shards.per_shard(rounds)), alone)


def by_one_scalar(mass):
    """A step of CartPole's physics: three quotients by one scalar, and one of them read twice."""

    def step(state, action):
        angle, speed, position = state
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        push = (10.0 * action + 0.05 * speed**2 * sin) / mass
        turn = (9.8 * sin - cos * push) / (0.5 * (4.0 / 3.0 - 0.1 * cos**2 / mass))
        move = push - 0.05 * turn * cos / mass
        return (angle + 0.02 * speed, speed + 0.02 * turn, position + 0.02 * move), position

    return step


@pytest.mark.parametrize("steps", [1, 2])
def test_a_rollout_of_one_step_has_the_same_bits_on_any_devices(steps):
    """XLA unrolls a scan of one step into the code around it, where nothing else reads its scalars:
    CartPole's pole then moved by 1.5e-8 otherwise on two devices than on one."""

    def rollout(x):
        mass = jnp.float32(1.1) * jnp.max(jnp.ones(3) + 0.0 * x[0, 0])
        played = shards.per_shard(
            lambda state, mass: jax.lax.scan(by_one_scalar(mass), state, jnp.ones((steps, 5)))
        )
        return jax.lax.fori_loop(0, 50, lambda _, state: played(state, mass)[0], tuple(x))

    jax.tree.map(np.testing.assert_array_equal, on(1, rollout), on(2, rollout))


def test_what_is_apart_may_read_values_around_it():
    def around(x):
        own, common = 2.0 * x, jnp.float32(3.0)
        return shards.per_shard(lambda y: y * own * common)(x + 1)

    np.testing.assert_allclose(on(1, around), np.asarray((X + 1) * 2 * X * 3), rtol=1e-6)


def test_one_shard_is_left_as_it_is():
    tree = {"x": X}
    assert shards.number() == 1 and shards.own_key(KEY) is KEY
    for function in (shards.total, shards.mean, shards.gather_rows):
        assert function(tree) is tree
    jaxpr = jax.make_jaxpr(shards.per_shard(rounds))(X[0])
    assert str(jaxpr) == str(jax.make_jaxpr(rounds)(X[0]))
