import inspect
import math
import re
from dataclasses import dataclass, fields, is_dataclass

import jax.numpy as jnp
import pytest

from elsinore.algos.ppo import PPOConfig
from elsinore.algos.registry import ALGORITHMS, config_type
from elsinore.config_records import inherited, settings
from elsinore.experience.rnd import RNDConfig
from elsinore.hyperparameters import marks_of, numbers_of, traced, value_of, varies


@dataclass(frozen=True, kw_only=True)
class Inner:
    weight: float = traced(0.0, off=0.0)
    depth: int = 3


@dataclass(frozen=True, kw_only=True)
class Outer:
    rate: float = traced(0.5)
    rate_final: float | None = traced(None, absent="rate")
    bound: float | None = traced(None, absent=math.inf)
    size: int = 4
    inner: Inner = Inner()


def test_the_record_holds_every_traced_number_as_a_float32_scalar():
    numbers = numbers_of(Outer(), num_updates=7)
    assert numbers._fields == ("rate", "rate_final", "bound", "inner_weight", "num_updates")
    assert {(x.shape, x.dtype) for x in numbers} == {((), jnp.dtype("float32"))}
    assert numbers.num_updates == 7.0


def test_what_is_none_becomes_what_stands_for_it():
    assert numbers_of(Outer(rate=0.25))[:3] == (0.25, 0.25, jnp.inf)
    assert numbers_of(Outer(rate_final=0.0, bound=2.0))[:3] == (0.5, 0.0, 2.0)


def test_two_configs_of_one_kind_give_one_structure():
    assert type(numbers_of(Outer())) is type(numbers_of(Outer(rate=1.0, bound=3.0)))


@pytest.mark.parametrize(
    ("name", "value", "may"),
    [
        ("rate", 0.1, True),
        ("rate", 1, True),
        ("bound", None, False),
        ("bound", 2.0, True),
        ("size", 8, False),
        ("inner.weight", 0.5, True),
        ("inner.weight", 0.0, False),
        ("inner.depth", 2, False),
        ("inner", 1.0, False),
        ("rate", True, False),
        ("rate", "0.1", False),
        ("unknown", 1.0, False),
        ("inner.unknown", 1.0, False),
    ],
)
def test_a_number_varies_unless_its_value_makes_another_program(name, value, may):
    assert varies(Outer(), name, value) is may


def test_settings_are_read_by_dotted_name():
    assert value_of(Outer(inner=Inner(weight=2.0)), "inner.weight") == 2.0
    assert value_of(Outer(), "inner.nothing.at.all") is None


def test_the_weight_of_curiosity_is_among_the_numbers_of_an_algorithm():
    config = PPOConfig(rnd=RNDConfig(weight=0.25))
    assert "rnd.weight" in marks_of(config) and numbers_of(config).rnd_weight == 0.25


@settings
class Base:
    size: int = 1
    rate: float = traced(0.5)
    gamma: float = traced(0.9)
    depth: int = 2


@settings
class Derived(Base):
    size: int = 4
    heads: int = 3  # new: behind `size`
    gamma: float = inherited()
    rate: float = traced(0.1)  # named after gamma


def test_settings_stand_in_the_order_of_the_body_also_among_inherited_ones():
    assert [f.name for f in fields(Derived)] == ["size", "heads", "gamma", "rate", "depth"]
    assert list(marks_of(Derived())) == ["gamma", "rate"]
    assert Derived(depth=7) == Derived(size=4, heads=3, rate=0.1, depth=7)
    assert [f.name for f in fields(Base)] == ["size", "rate", "gamma", "depth"]
    assert Derived().gamma == 0.9


def test_a_config_repeats_no_default_of_its_base_class():
    configs = {cls for algo in ALGORITHMS for cls in config_type(algo).__mro__ if is_dataclass(cls)}
    for cls in configs:
        base = {f.name: f for f in fields(cls.__base__)} if is_dataclass(cls.__base__) else {}
        source = inspect.getsource(cls)
        for name in vars(cls)["__annotations__"].keys() & base.keys():
            field = cls.__dataclass_fields__[name]
            same = (field.default, field.metadata) == (base[name].default, base[name].metadata)
            marked = re.search(rf"^    {name}: .* = inherited\(\)", source, re.M) is not None
            assert marked == same, f"{cls.__name__}.{name}"
