"""The list of settings: whole, as the code has it, and the same on the page."""

from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest

from elsinore.algos.ppo import PPOConfig
from elsinore.cli.settings import settings_page
from elsinore.config.load import load_experiment
from elsinore.config.mappings import dotted, set_dotted
from elsinore.config.parse import as_dict
from elsinore.config.settings import (
    algo_settings,
    as_yaml,
    domains_of,
    env_settings,
    groups_of,
    meanings_of,
    topics,
)
from elsinore.errors import ConfigError
from elsinore.hyperparameters import marks_of, traced
from elsinore.validation import at_least, one_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
EVERY = [setting for groups in topics().values() for group in groups for setting in group.settings]
OF_PPO = {s.name: s for group in algo_settings("ppo") for s in group.settings}


@dataclass(frozen=True, kw_only=True)
class Inner:
    """An inner part."""

    width: int = 3  # The width.


@dataclass(frozen=True, kw_only=True)
class Outer:
    """An outer part.

    Not of the first paragraph.
    """

    # A comment of two lines
    # that belongs to the field.
    rate: float = traced(0.5)
    kind: str = "a"  # a | b: the kind of it.
    untold: dict[str, float] = field(default_factory=dict)
    inner: Inner = Inner(width=7)

    def __post_init__(self):
        at_least(self, 0.25, "rate")
        one_of(self, "kind", "a", "b")


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.name)
def test_every_setting_has_a_meaning_that_is_a_sentence(setting):
    assert setting.meaning.endswith((".", "...")) and len(setting.meaning) > 5
    assert setting.meaning[0].isupper() or setting.meaning.startswith(('"module', "metrics.jsonl"))


def test_every_setting_of_an_experiment_is_listed_once():
    listed = [s.name for group in topics()["experiment"] for s in group.settings]
    whole = dotted({**as_dict(load_experiment()), "algo": None})
    missing = {name for name in whole if name not in listed}
    assert len(listed) == len(set(listed)) and not missing


@pytest.mark.parametrize("algo", ["ppo", "a2c", "dqn", "pqn", "sac", "td3"])
def test_an_algorithms_settings_are_those_of_its_config(algo):
    config = as_dict(load_experiment(algo=algo).algo)
    named = {f"algo.{name}" for name in dotted(config)} - {"algo.name"}
    listed = {s.name: s for group in algo_settings(algo) for s in group.settings}
    assert set(listed) == named
    marks = {f"algo.{name}" for name in marks_of(load_experiment(algo=algo).algo)}
    assert {name for name, s in listed.items() if s.traced} == marks


def test_a_field_is_described_by_the_comment_beside_or_above_it():
    outer, inner = groups_of(Outer, "mine")
    rate, kind, untold = outer.settings
    assert outer.meaning == "An outer part."
    assert rate.meaning == "A comment of two lines that belongs to the field."
    assert (rate.name, rate.default, rate.domain, rate.traced) == (
        "mine.rate",
        "0.5",
        "at least 0.25",
        True,
    )
    assert (kind.domain, kind.meaning, kind.type) == ("a | b", "The kind of it.", "text")
    assert (untold.meaning, untold.type, untold.default) == ("", "mapping", "{}")
    assert [(s.name, s.default) for s in inner.settings] == [("mine.inner.width", "7")]


@pytest.mark.parametrize(
    "name, domain",
    [
        ("algo.gamma", "0 to 1"),
        ("algo.learning_rate", "above 0"),
        ("algo.max_grad_norm", "above 0, or .inf"),
        ("algo.target_kl", "above 0, or null"),
        ("algo.num_envs", "at least 1"),
        ("algo.ent_coef", "at least 0"),
        ("algo.normalize_advantage", "minibatch | batch | none"),
        ("algo.network.activation", "tanh | relu | silu | gelu"),
        ("algo.rnd.anneal_window", "at least 2"),
    ],
)
def test_the_domain_is_what_the_checks_of_the_class_allow(name, domain):
    assert OF_PPO[name].domain == domain


@pytest.mark.parametrize("setting", [s for s in OF_PPO.values() if s.domain.startswith("at least")])
def test_a_value_below_the_domain_is_refused(setting):
    least = int(setting.domain.split()[-1])
    with pytest.raises(ConfigError, match=setting.name.rsplit(".", 1)[-1]):
        load_experiment(overrides={setting.name: least - 1})


def test_names_are_those_that_can_be_set():
    for setting in OF_PPO.values():
        data: dict = {}
        set_dotted(data, setting.name, None)
        assert dotted(data) == {setting.name: None}


def test_a_class_without_a_source_has_neither_meanings_nor_domains():
    made = dataclass(type("Made", (), {"__annotations__": {"x": int}, "x": 1}))
    assert meanings_of(made) == {} and domains_of(made) == {}
    assert groups_of(made)[0].settings[0].meaning == ""


def test_defaults_are_written_as_a_config_file_has_them():
    assert [as_yaml(x) for x in (None, True, float("inf"), (64, 64), {"a": 1.0}, "")] == [
        "null",
        "true",
        ".inf",
        "[64, 64]",
        "{a: 1.0}",
        '""',
    ]
    assert as_yaml(PPOConfig()) == "ppo"
    assert as_yaml(next(f for f in fields(Inner)).default) == "3"


def test_an_environments_parameters_are_listed_with_their_defaults():
    (group,) = env_settings("Pendulum-v1")
    params = {s.name: s for s in group.settings}
    assert params["env_params.max_steps_in_episode"].default == "200"
    assert params["env_params.max_steps_in_episode"].meaning == "The time limit, in steps."
    assert params["env_params.g"].default == "10.0"


def test_the_page_of_settings_is_what_the_code_says():
    remedy = "write it anew: elsinore settings --markdown > docs/settings.md"
    assert PAGE.read_text() == settings_page(), remedy
