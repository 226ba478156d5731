"""A record of settings that is made in Python refuses a field of another type, by its name."""

import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

import elsinore
from elsinore.config_records import record, settings
from elsinore.hyperparameters import traced

# In a process without the type checks of the tests, which come first.
MAKE = """
import dataclasses, json, sys
from typing import Any
import numpy as np
import elsinore
from elsinore.algos.registry import ALGORITHMS, config_type
from elsinore.config.experiment import EvaluationConfig, Experiment
from elsinore.config.search import SweepConfig

def refusal(make):
    try:
        return repr(make())
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def records_in(cls):
    values = [field.default for field in dataclasses.fields(cls)]
    inner = {type(value) for value in values if dataclasses.is_dataclass(value)}
    return {cls}.union(*map(records_in, inner))

records = set().union(*map(records_in, (Experiment, *map(config_type, ALGORITHMS))))
found = {
    f"{cls.__name__}.{field.name}": refusal(lambda: cls(**{field.name: object()}))
    for cls in records for field in dataclasses.fields(cls)
    if field.init and field.type not in (Any, "Any")
}
PPOConfig = elsinore.PPOConfig
given = [line for line in sys.argv[1:]]
found |= {line: refusal(lambda: eval(line)) for line in given}
print(json.dumps(found))
"""
REFUSED = {
    "Experiment(seeds='three')": "seeds='three' must be a whole number.",
    "Experiment(seeds=True)": "seeds=True must be a whole number.",
    "Experiment(env_steps=0.5)": "env_steps=0.5 must be a whole number.",
    "Experiment(evaluation=3)": "evaluation=3 must be a EvaluationConfig.",
    "Experiment(imitation=3)": "imitation=3 must be a ImitationConfig or None.",
    "PPOConfig(gamma='0.9')": "gamma='0.9' must be a number.",
    "PPOConfig(normalize_obs=1)": "normalize_obs=1 must be True or False.",
    "SweepConfig(space=3)": "space=3 must be a dict.",
    "elsinore.train(config=Experiment(algo=3))": "algo=3 must be an algorithm's name or a mapping",
}
NUMBERS = "PPOConfig(gamma=np.float32(0.5), num_envs=8.0, rollout_length=np.int64(4)).gamma"


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    command = [sys.executable, "-c", MAKE, *REFUSED, NUMBERS]
    return json.loads(subprocess.check_output(command, text=True, timeout=120))


def test_every_field_of_every_record_of_settings_is_checked(found):
    fields = {name: text for name, text in found.items() if "(" not in name}
    assert len(fields) > 150
    for name, text in fields.items():
        field = name.partition(".")[2]
        assert text.startswith(f"ConfigError: {field}=<object object at"), name
        assert "must be" in text


@pytest.mark.parametrize("made", REFUSED)
def test_the_message_says_what_it_must_be(found, made):
    assert found[made].startswith(f"ConfigError: {REFUSED[made]}")


def test_numbers_of_other_kinds_pass(found):
    assert found[NUMBERS] == "np.float32(0.5)"


def test_the_check_comes_before_the_classs_own():
    seen = []

    @record
    class Mine:
        count: int = 1

        def __post_init__(self):
            seen.append(self.count)

    @record
    class Further(Mine):
        names: tuple[str, ...] = ()

    Further(count=3, names=["a"])
    with pytest.raises(elsinore.ConfigError, match=r"names=\['a', 3\] must be a tuple"):
        Further(count=4, names=["a", 3])
    with pytest.raises(elsinore.ConfigError, match="count='5'"):
        Further(count="5")
    assert seen == [3]


def test_a_custom_algorithms_settings_are_checked_and_its_own_annotations_are_left_alone():
    @settings
    class Custom:
        gamma: float = traced(0.9)
        other: "Unknown" = None  # pyright: ignore

    assert Custom(other=3).other == 3

    @settings
    class Known:
        gamma: float = traced(0.9)
        sizes: list[int] = dataclasses.field(default_factory=list)

    with pytest.raises(elsinore.ConfigError, match="gamma='x' must be a number"):
        Known(gamma="x")

    @dataclass(frozen=True)
    class Plain(Known):
        more: int = 0

    assert Plain(more=1).more == 1
