"""What depends on a world and on types alone is traced once, and never taken from another world or other types."""

import dataclasses

import jax
import jax.numpy as jnp

from elsinore.experience.tracing import once_for_types


@dataclasses.dataclass  # equal to another of the same number, and not hashable
class World:
    size: int


calls = []


@once_for_types
def sum_with(env, x):
    calls.append(env)
    return jax.eval_shape(lambda x: x + jnp.ones(env.size, jnp.int32), x)


def test_it_is_called_once_for_each_world_and_types():
    calls.clear()
    one, twin, other = World(3), World(3), World(4)
    floats, ints = jnp.zeros(1), jnp.zeros(1, int)
    assert [sum_with(one, x).dtype for x in (floats, floats + 1, ints)] == [jnp.float32, jnp.float32, jnp.int32]
    assert calls == [one, one]
    assert sum_with(twin, floats).shape == (3,) and sum_with(other, floats).shape == (4,)
    assert [id(env) for env in calls[2:]] == [id(twin), id(other)]


def test_python_numbers_and_tracers_have_types_too():
    """A Python number takes the type of what it meets."""
    world = World(2)
    assert sum_with(world, 1).dtype == jnp.int32 and sum_with(world, 1.0).dtype == jnp.float32
    inside = jax.jit(lambda x: jnp.zeros(2, sum_with(world, x).dtype))
    assert inside(jnp.float32(1)).dtype == jnp.float32 and inside(jnp.int32(1)).dtype == jnp.int32
