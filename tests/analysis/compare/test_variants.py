"""Variants are parsed from one short text: algorithm, settings and label."""

import pytest

from elsinore.analysis.compare.thresholds import check_thresholds, parse_thresholds
from elsinore.analysis.compare.variants import Variant, parse_variant, split_algos, variants_of
from elsinore.config.presets import PRESETS
from elsinore.errors import ConfigError
from tests.analysis.compare.synthetic import NAN


def test_an_algorithm_goes_by_its_name():
    assert parse_variant("ppo") == Variant("ppo", "ppo")


def test_a_variant_has_a_name_and_settings():
    assert parse_variant("fast=ppo:algo.learning_rate=3e-3:algo.gamma=0.9") == Variant(
        "fast", "ppo", {"algo.learning_rate": 3e-3, "algo.gamma": 0.9}
    )


def test_a_custom_algorithm_keeps_its_colon():
    assert parse_variant("my.module:make") == Variant("make", "my.module:make")
    assert parse_variant("mine=my.module:make:algo.size=3") == Variant(
        "mine", "my.module:make", {"algo.size": 3}
    )


def test_a_value_keeps_its_colon():
    assert parse_variant("net=ppo:algo.network.custom=my.module:net:seeds=2").settings == {
        "algo.network.custom": "my.module:net",
        "seeds": 2,
    }


def test_a_preset_lends_its_settings_of_the_algorithm_and_nothing_else():
    variant = parse_variant("ppo/Pendulum-v1")
    assert (variant.label, variant.algo) == ("ppo-Pendulum-v1", "ppo")
    assert (
        variant.preset["algo.network.activation"]
        == PRESETS["ppo/Pendulum-v1"]["algo"]["network"]["activation"]
    )
    assert all(name.startswith("algo.") for name in variant.preset)
    assert variant.settings == {}


def test_commas_in_brackets_separate_no_algorithms():
    assert split_algos(
        "ppo, wide=ppo:algo.network.hidden=[64,64] ,x=ppo:env_kwargs={a: 1, b: 2}"
    ) == [
        "ppo",
        "wide=ppo:algo.network.hidden=[64,64]",
        "x=ppo:env_kwargs={a: 1, b: 2}",
    ]


def test_a_mapping_says_the_same():
    mapping = {"ppo": "ppo", "fast": {"algo": "ppo", "algo.gamma": 0.9}}
    assert variants_of(mapping) == variants_of(["ppo", "fast=ppo:algo.gamma=0.9"])


@pytest.mark.parametrize(
    ("algos", "message"),
    [
        ([], "--algos (in Python, algos) is empty"),
        (
            ["ppo", "ppo"],
            "--algos (in Python, algos) has the label 'ppo' twice; give one another label: LABEL",
        ),
        (["=ppo"], "algos='=ppo' must have the form LABEL=ALGO"),
        (["x="], "algos='x=' must have the form LABEL=ALGO"),
        (["ppo:algo.gamma"], "algos='ppo:algo.gamma' must have the form LABEL=ALGO"),
        (
            ["x=ppo/CartPole-v1:algo.gamma"],
            "algos='x=ppo/CartPole-v1:algo.gamma' must have the form LABEL=ALGO",
        ),
        (["a/b=ppo"], "algos: the label 'a/b' is not a folder name"),
        (["..=ppo"], "algos: the label '..' is not a folder name"),
        (["ppo/Nothing-v1"], "algos='ppo/Nothing-v1' is not a preset; choose from ppo/"),
        (["x=ppo:algo.gamma=[1"], "--set algo.gamma: the value '[1' is not valid YAML"),
        ({"x": 3}, "algos['x']=3 must be an algorithm's name or a mapping"),
        ({"x": {"algo": 3}}, "algos: the algorithm of 'x' is 3"),
    ],
)
def test_what_cannot_be_read_is_refused(algos, message):
    with pytest.raises(ConfigError) as refusal:
        variants_of(algos)
    assert str(refusal.value).startswith(message)


def test_thresholds_are_for_all_or_for_one_environment():
    assert parse_thresholds(["475", "my:World=-3.5"], ["my:World=-10:2.5"]) == {
        "thresholds": {"": 475.0, "my:World": -3.5},
        "references": {"my:World": (-10.0, 2.5)},
    }


@pytest.mark.parametrize(
    ("thresholds", "references", "message"),
    [
        (["high"], [], "--threshold 'high' must be a return"),
        ([], ["22:500"], "--reference '22:500' must be ENV=LOW:HIGH"),
        (
            [],
            ["CartPole-v1=500:22"],
            "--reference 'CartPole-v1=500:22' must be ENV=LOW:HIGH with LOW < HIGH",
        ),
        ([], ["CartPole-v1=22"], "--reference 'CartPole-v1=22' must be ENV=LOW:HIGH"),
    ],
)
def test_thresholds_of_another_form_are_refused(thresholds, references, message):
    with pytest.raises(ConfigError) as refusal:
        parse_thresholds(thresholds, references)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("thresholds", "references", "message"),
    [
        (
            {"Cartpole": 1.0},
            {},
            "--threshold .* names the environment 'Cartpole', .*did you mean 'CartPole-v1'?",
        ),
        (
            {"": 1.0},
            {"Pong": (0.0, 1.0)},
            "--reference .* names the environment 'Pong', .*the environments are CartPole-v1, C",
        ),
    ],
)
def test_a_threshold_for_an_environment_outside_the_comparison_is_refused(
    thresholds, references, message
):
    with pytest.raises(ConfigError, match=message):
        check_thresholds(["CartPole-v1", "Catch", "Catch"], thresholds, references)


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_a_threshold_that_no_return_can_reach_is_refused(value):
    with pytest.raises(ConfigError, match="the threshold CartPole-v1=.* must be a finite return"):
        check_thresholds(["CartPole-v1"], {"CartPole-v1": value}, {})


@pytest.mark.parametrize("bounds", [(500, 22), (5, 5), (0, NAN), (float("-inf"), 1), (1, 2, 3)])
def test_references_that_are_no_range_are_refused(bounds):
    with pytest.raises(ConfigError, match="must be two finite returns, the lower first"):
        check_thresholds(["CartPole-v1"], {}, {"CartPole-v1": bounds})


def test_a_threshold_for_all_or_for_a_known_environment_is_accepted():
    check_thresholds(["CartPole-v1"], {"": 1.0, "CartPole-v1": 2.0}, {"CartPole-v1": (0.0, 1.0)})
