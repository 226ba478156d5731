"""A condition whose shared arguments stay shared under `vmap`."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Jaxpr, subjaxprs

from elsinore.jaxtools.conditions import cond_with_shared


def count_up(own, turns):
    """Add 1 to a large array `turns` times, and split the key as often."""

    def turn(_, carry):
        x, key = carry
        return x + 1.0, jax.random.split(key, 1)[0]

    return jax.lax.fori_loop(0, turns, turn, own)


def stay(own, turns):
    return own


def states(number: int):
    keys = jax.vmap(jax.random.key)(jnp.arange(number))
    return jnp.arange(number)[:, None] + jnp.zeros((number, 1000)), keys


def numbers_of(state):
    return np.asarray(state[0]), np.asarray(jax.random.key_data(state[1]))


@pytest.mark.parametrize("transform", [jax.vmap, lambda f, in_axes: over_a_map(f)])
def test_it_is_the_condition_for_one_and_for_many(transform):
    stopped, own = jnp.array([False, True, False]), states(3)
    shared = jax.jit(
        transform(lambda p, x, n: cond_with_shared(p, stay, count_up, x, n), in_axes=(0, 0, None))
    )(stopped, own, jnp.int32(5))
    plain = jax.vmap(lambda p, x: jax.lax.cond(p, stay, count_up, x, jnp.int32(5)))(stopped, own)
    for found, expected in zip(numbers_of(shared), numbers_of(plain), strict=True):
        np.testing.assert_array_equal(found, expected)


def over_a_map(function):
    return lambda p, x, n: jax.lax.map(lambda each: function(*each, n), (p, x))


@pytest.mark.parametrize(("condition", "copied"), [(cond_with_shared, False), (jax.lax.cond, True)])
def test_a_loop_in_a_branch_does_not_choose_in_every_turn(condition, copied):
    many = jax.vmap(lambda p, x, n: condition(p, stay, count_up, x, n), in_axes=(0, 0, None))
    program = jax.make_jaxpr(many)(jnp.zeros(3, bool), states(3), jnp.int32(5)).jaxpr
    (loop,) = loops(program)
    (goes_on,) = loop.params["cond_jaxpr"].out_avals
    assert goes_on.shape == ((3,) if copied else ())  # of many conditions, a loop chooses by turn


def loops(program: Jaxpr):
    """The outermost loops of a program."""
    found = [eqn for eqn in program.eqns if eqn.primitive.name == "while"]
    yield from found
    for part in () if found else subjaxprs(program):
        yield from loops(part)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Positive:
    """A record that refuses numbers that are not positive."""

    number: Any

    def __post_init__(self):
        if isinstance(self.number, int) and self.number < 1:
            raise ValueError(f"{self.number} is not positive")


def test_a_record_that_checks_its_numbers_is_given_numbers_only():
    def more(own, n):
        return Positive(own.number + n)

    many = jax.vmap(
        lambda p, x, n: cond_with_shared(p, lambda own, n: own, more, x, n), in_axes=(0, 0, None)
    )
    found = many(jnp.array([True, False]), Positive(jnp.array([1, 2])), jnp.int32(5))
    assert found.number.tolist() == [1, 7]
