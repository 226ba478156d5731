"""What depends on an env and on types alone is traced once, and never taken from another env or
other types.

What is large is compiled once, wherever it is called.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.jaxtools import compile_units
from elsinore.jaxtools.compile_units import cache_by_types, compile_unit
from tests.devices import needs_cpu_programs
from tests.lowered import units


@dataclasses.dataclass  # equal to another of the same number, and not hashable
class World:
    size: int


calls = []


@cache_by_types
def sum_with(env, x):
    calls.append(env)
    return jax.eval_shape(lambda x: x + jnp.ones(env.size, jnp.int32), x)


def test_it_is_called_once_for_each_env_and_types():
    calls.clear()
    one, twin, other = World(3), World(3), World(4)
    floats, ints = jnp.zeros(1), jnp.zeros(1, int)
    assert [sum_with(one, x).dtype for x in (floats, floats + 1, ints)] == [
        jnp.float32,
        jnp.float32,
        jnp.int32,
    ]
    assert calls == [one, one]
    assert sum_with(twin, floats).shape == (3,) and sum_with(other, floats).shape == (4,)
    assert [id(env) for env in calls[2:]] == [id(twin), id(other)]


def test_python_numbers_and_tracers_have_types_too():
    """A Python number takes the type of what it meets."""
    world = World(2)
    assert sum_with(world, 1).dtype == jnp.int32 and sum_with(world, 1.0).dtype == jnp.float32
    inside = jax.jit(lambda x: jnp.zeros(2, sum_with(world, x).dtype))
    assert inside(jnp.float32(1)).dtype == jnp.float32 and inside(jnp.int32(1)).dtype == jnp.int32


@compile_unit
def turned(env, x):
    for _ in range(env.size):
        x = jnp.sin(x)
    return x, -x


def in_two_places(env):
    def both(x):
        inside = jax.lax.fori_loop(0, 3, lambda i, x: turned(env, x)[0], x)
        return inside, turned(env, x)

    return both


def units_in(function, *args) -> list[tuple[str, str]]:
    return units(jax.jit(function).lower(*args).as_text())


@needs_cpu_programs
def test_what_is_large_is_one_unit_wherever_it_is_called():
    assert (
        units_in(in_two_places(World(compile_units.LARGE_UNIT)), jnp.ones(4))
        == [("turned", "turned")] * 2
    )
    assert units_in(in_two_places(World(10)), jnp.ones(4)) == []


@needs_cpu_programs
def test_each_env_and_each_number_of_them_is_a_unit_of_its_own():
    one, other = World(compile_units.LARGE_UNIT), World(compile_units.LARGE_UNIT)
    found = units_in(lambda x: (turned(one, x), turned(other, x), turned(one, x[:2])), jnp.ones(4))
    assert len({function for function, _ in found}) == 3


@needs_cpu_programs
def test_a_unit_gives_what_its_operations_give():
    world, x = World(compile_units.LARGE_UNIT), jnp.linspace(0.1, 1.0, 4)
    by_hand = x
    for _ in range(compile_units.LARGE_UNIT):
        by_hand = jnp.sin(by_hand)
    inside, (outside, negative) = jax.jit(in_two_places(world))(x)
    np.testing.assert_allclose(outside, by_hand, rtol=1e-5)
    np.testing.assert_array_equal(negative, -outside)
    assert (inside < outside).all()


def test_other_machines_fuse_as_they_like(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert units_in(in_two_places(World(compile_units.LARGE_UNIT)), jnp.ones(4)) == []
