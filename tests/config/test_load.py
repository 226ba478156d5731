"""Preset, YAML, overrides: the later word wins, and a file or a word that cannot be read is refused
by name."""

import re
import typing
from dataclasses import fields, is_dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.algos.ppo import PPOConfig
from elsinore.config.experiment import Experiment
from elsinore.config.load import load_experiment, whole_experiment, with_settings
from elsinore.config.mappings import SWITCHES, dotted, merge_settings
from elsinore.config.parse import as_dict
from elsinore.config.presets import PRESETS, SAME_GAMES, closest_preset, preset
from elsinore.config.presets.dqn_variants import OPTIONS
from elsinore.config.yaml_files import parse_set, read_yaml, yaml_text
from elsinore.errors import ConfigError


@pytest.fixture
def yaml_file(tmp_path):
    def write(text):
        path = tmp_path / "settings.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize("value", ["010", "-017", "1:30", "0_7", "1:30.5"])
def test_a_number_that_yaml_would_read_in_another_base_is_refused(value):
    with pytest.raises(ConfigError, match=f"--set seed: .*{value} is not a decimal number"):
        parse_set([f"seed={value}"])
    assert parse_set(["a=0", "b=0x10", "c=1_000", "d=10:30:x", "e='010'"]) == {
        "a": 0, "b": 16, "c": 1000, "d": "10:30:x", "e": "010",
    }  # fmt: skip


def test_the_settings_of_each_preset_are_recognised_as_its_own():
    """As the plan and the page name it: `c51/CartPole-v1`, not `dqn/CartPole-v1`, which is what its
    algorithm's name says."""
    for name in PRESETS:
        algo, _, env = name.partition("/")
        settings = dotted(as_dict(load_experiment(env, algo).algo))
        assert closest_preset(settings["name"], env, settings) == name
    settings = dotted(as_dict(load_experiment("CartPole-v1", "c51").algo)) | {"gamma": 0.5}
    assert closest_preset("dqn", "CartPole-v1", settings) == "c51/CartPole-v1"
    assert closest_preset("dqn", "Pong-misc", settings) == "dqn/Pong-misc"  # which has none


# The later word wins


def test_the_defaults_hold_where_nothing_else_is_said():
    assert load_experiment("UmbrellaChain-bsuite") == Experiment(env="UmbrellaChain-bsuite")


def test_a_game_of_another_library_has_the_preset_of_gymnaxs():
    for env, gymnaxs in SAME_GAMES.items():
        for algo in ("ppo", "a2c", "pqn", "dqn", "rainbow", "sac"):
            assert preset(f"{algo}/{env}") == preset(f"{algo}/{gymnaxs}")
    assert preset("pqn/pgx/minatar-breakout")["env_steps"] == 500_000
    assert load_experiment("pgx/minatar-breakout", "pqn").env_steps == 500_000


def test_a_preset_beats_the_defaults():
    assert load_experiment("CartPole-v1").algo.gamma == 0.98 != Experiment().algo.gamma


def test_yaml_beats_the_preset_and_leaves_the_rest_of_it(yaml_file):
    experiment = load_experiment(config=yaml_file("env: CartPole-v1\nalgo: {gamma: 0.9}"))
    assert experiment.algo.gamma == 0.9
    assert experiment.algo.gae_lambda == 0.8
    assert experiment.convergence.target == 490.0


def test_overrides_beat_yaml_and_leave_the_rest_of_it(yaml_file):
    config = yaml_file("seeds: 3\nalgo: {gamma: 0.9, num_epochs: 7}")
    experiment = load_experiment(config=config, overrides={"algo.gamma": 0.8})
    assert (experiment.algo.gamma, experiment.algo.num_epochs, experiment.seeds) == (0.8, 7, 3)


def test_settings_below_an_override_leave_the_callers_mapping_as_it_is():
    algo, kwargs = {"name": "ppo", "gamma": 0.9}, {"size": 3}
    overrides = {"algo": algo, "algo.gamma": 0.8, "env_kwargs": kwargs, "env_kwargs.size": 4}
    experiment = load_experiment(overrides=overrides)
    assert (experiment.algo.gamma, experiment.env_kwargs) == (0.8, {"size": 4})
    assert (algo["gamma"], kwargs["size"]) == (0.9, 3)
    assert with_settings(experiment, {"env_kwargs.size": 5}).env_kwargs == {"size": 5}
    assert experiment.env_kwargs == {"size": 4}


class Uncopied:
    """A rival that cannot be copied, as a policy is."""

    def __reduce__(self):
        raise TypeError("not to be copied")

    def __repr__(self):
        return "a rival"

    def __call__(self, key, obs):
        return 0


def test_an_object_is_refused_as_a_setting_by_its_name_also_where_it_cannot_be_copied():
    said = "env_kwargs.rival=a rival cannot be written to a config file.* elsinore.train\\(env\\)"
    with pytest.raises(ConfigError, match=said):
        load_experiment("Nim", overrides={"env_kwargs.rival": Uncopied()})
    with pytest.raises(ConfigError, match="algo.gamma=a rival must be a number"):
        load_experiment("Nim", config={"algo": {"gamma": Uncopied()}})


def test_an_env_that_is_named_beats_the_one_in_yaml(yaml_file):
    experiment = load_experiment("UmbrellaChain-bsuite", config=yaml_file("env: CartPole-v1"))
    assert experiment == Experiment(env="UmbrellaChain-bsuite")


def test_an_override_of_the_env_brings_its_preset():
    assert load_experiment(overrides={"env": "CartPole-v1"}) == load_experiment("CartPole-v1")


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_name_stands_for_its_env_and_algorithm(name):
    algo, env = name.split("/", 1)
    assert load_experiment(name) == load_experiment(env, algo)


SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in PRESETS
    if not name.endswith("/CartPole-v1")
]


@pytest.mark.parametrize(
    "name", [*(name for name in PRESETS if name.endswith("/CartPole-v1")), *SLOW]
)
def test_a_preset_is_an_experiment_that_can_be_planned(name):
    from elsinore.config.plan import plan_for
    from elsinore.envs import suites

    suite, _, rest = name.partition("/")[2].partition("/")
    if rest and not suites.is_installed(suite):
        pytest.skip(f"needs elsinore[{suite}]")
    assert plan_for(load_experiment(name)).env_steps > 0


def test_the_caller_keeps_the_overrides_as_they_were():
    overrides = {"algo.gamma": 0.5, "env_params": {"max_steps_in_episode": 9}}
    load_experiment("CartPole-v1", overrides=overrides)
    assert overrides == {"algo.gamma": 0.5, "env_params": {"max_steps_in_episode": 9}}
    assert load_experiment("CartPole-v1").algo.gamma == 0.98


def test_merging_goes_level_by_level_and_changes_neither():
    base, top = {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "b": {"z": 4}}
    assert merge_settings(base, top) == {"a": {"x": 1, "y": 3}, "b": {"z": 4}}
    assert (base, top) == ({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "b": {"z": 4}})


# Algorithms, however they are said


@pytest.mark.parametrize("text", ["algo: ppo", "algo: {name: ppo}", "algo: {}", "seeds: 1"])
def test_an_override_reaches_an_algorithm_however_yaml_names_it(yaml_file, text):
    experiment = load_experiment(
        "Catch-bsuite", config=yaml_file(text), overrides={"algo.gamma": 0.5}
    )
    assert (experiment.algo.name, experiment.algo.gamma) == ("ppo", 0.5)


def test_an_algorithm_that_is_named_beats_the_one_in_yaml(yaml_file):
    config = yaml_file("env: Catch-bsuite\nalgo: {name: no-such, gamma: 0.5}")
    assert load_experiment(algo="ppo", config=config).algo.gamma == 0.5


OWN = "tests.algos.own_algorithms:sound"


@pytest.mark.parametrize("text", [f"algo: {OWN}", f"algo: {{name: {OWN}}}", "algo: ppo"])
def test_an_algorithm_of_ones_own_may_be_named_anywhere(yaml_file, text):
    own = load_experiment("Catch-bsuite", OWN, overrides={"algo.boldness": 0.25})
    assert (own.algo.name, own.algo.boldness) == (OWN, 0.25)
    overrides = parse_set([f"algo={OWN}", "algo.boldness=0.25"])
    assert load_experiment("Catch-bsuite", config=yaml_file(text), overrides=overrides) == own


def test_an_algorithm_of_ones_own_has_no_preset():
    assert load_experiment("CartPole-v1", OWN).env_steps == Experiment().env_steps


def test_an_algorithm_of_ones_own_takes_the_place_of_a_presets_and_nothing_of_its_settings():
    assert load_experiment("ppo/CartPole-v1", OWN) == load_experiment("CartPole-v1", OWN)


# Names of an algorithm with some of its options


NETWORK = OPTIONS["sample_efficient"]["network"]


@pytest.mark.parametrize("name", OPTIONS)
def test_a_name_of_options_is_dqn_with_them_on_its_own_preset(name):
    for env in ("CartPole-v1", "Catch-bsuite", "Asterix-MinAtar"):
        algo = load_experiment(env, name).algo
        plain = load_experiment(env, "dqn").algo
        assert (algo.name, algo.tau, algo.target_period) == ("dqn", plain.tau, plain.target_period)
        options = {option: getattr(algo, option) for option in OPTIONS[name]}
        if "network" in options:  # a part of it
            options["network"] = {part: getattr(algo.network, part) for part in NETWORK}
        assert options == OPTIONS[name]


def test_a_preset_with_options_goes_by_its_name_and_settings_go_before_it():
    rainbow = load_experiment("rainbow/CartPole-v1")
    assert (rainbow.env, rainbow.algo.v_min, rainbow.algo.v_max) == ("CartPole-v1", 0.0, 100.0)
    assert rainbow == load_experiment("CartPole-v1", {"name": "rainbow"})
    changed = load_experiment("rainbow/CartPole-v1", overrides={"algo.noisy": False})
    assert not changed.algo.noisy and changed.algo.distribution == "c51"
    assert with_settings(rainbow, {}) == rainbow


# Files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it must hold settings, such as `env: CartPole-v1`."),
        ("# nothing yet\n", "is empty; it must hold settings"),
        ("{}", "is empty; it must hold settings"),
        ("- CartPole-v1", "is a list; it must hold settings"),
        ("CartPole-v1", "is a str; it must hold settings"),
        ("3", "is a int; it must hold settings"),
        ("algo: {gamma: 0.9", "is not valid YAML: "),
        ("a: b: c", "is not valid YAML: "),
        ("\tseeds: 3", "is not valid YAML: "),
        ("!!python/object:os.system {}", "is not valid YAML: "),
        (b"\xff\xfe\xfa", "is not valid YAML: "),
        (b"\x00\x01", "is not valid YAML: "),
    ],
)
def test_a_file_that_holds_no_settings_is_refused_by_name(yaml_file, text, message):
    path = yaml_file(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"config {path} {message}")
    assert "\n" not in str(caught.value)


def test_a_file_may_have_settings_by_dotted_name(yaml_file):
    found = load_experiment(
        config=yaml_file("algo.gamma: 0.9\nalgo: {network.hidden: [8], name: a2c}")
    )
    assert found.algo.name == "a2c"
    assert found.algo.gamma == 0.9 and found.algo.network.hidden == (8,)
    assert load_experiment(config={"algo": "dqn", "algo.gamma": 0.9}).algo.name == "dqn"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("algo.gamma: 0.9\nalgo: {gamma: 0.8}", "algo.gamma"),
        ("algo: {network.hidden: [8], network: {hidden: [4]}}", "algo.network.hidden"),
        ("algo.network: {gru: 8}\nalgo: {network: {hidden: [4]}}", "algo.network"),
        ("vary: {algo.gamma: [0.9], algo: {gamma: [0.8]}}", "vary.algo.gamma"),
        (
            "population.pbt.space: {algo.gamma: {log: [0.9, 1]}, algo: {gamma: {log: [0.8, 1]}}}",
            "population.pbt.space.algo.gamma.log",
        ),
        (
            "sweep: {space: {algo.gamma: {log: [0.9, 1]}, algo: {gamma: {log: [0.8, 1]}}}}",
            "sweep.space.algo.gamma.log",
        ),
    ],
)
def test_a_setting_in_two_forms_in_one_file_is_refused(yaml_file, text, name):
    with pytest.raises(ConfigError, match=f"^{name} is given twice; leave one of the two out."):
        load_experiment(config=yaml_file(text))


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(
        ConfigError, match=r"config .*missing\.yaml cannot be read: No such file or directory\."
    ):
        load_experiment(config=tmp_path / "missing.yaml")


def test_a_searchs_file_is_refused_with_the_command_that_takes_it(yaml_file):
    path = yaml_file("env: CartPole-v1\nsweep: {trials: 3}\n")
    said = r" has a section `sweep`: search with `elsinore sweep` \(in Python, elsinore\.sweep\)"
    with pytest.raises(ConfigError, match=re.escape(str(path)) + said):
        load_experiment(config=path)
    with pytest.raises(ConfigError, match=f"^the config{said}"):  # which has no path
        load_experiment(config={"env": "CartPole-v1", "sweep": {"trials": 3}})


def test_a_folder_is_refused_as_a_file(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory\."):
        load_experiment(config=str(tmp_path))


# --set


def test_assignments_are_read_as_yaml():
    assert parse_set(
        ["algo.gamma=0.9", " seeds =4", "env=a=b", "convergence.target=null", "x.y=[64, 64]"]
    ) == {
        "algo.gamma": 0.9,
        "seeds": 4,
        "env": "a=b",
        "convergence.target": None,
        "x.y": [64, 64],
    }


def test_of_two_assignments_the_later_wins():
    assert parse_set(["seeds=1", "seeds=2"]) == {"seeds": 2}


@pytest.mark.parametrize("text", ["algo.gamma", "=0.9", " =1", ""])
def test_an_assignment_of_another_form_is_refused(text):
    with pytest.raises(ConfigError) as caught:
        parse_set([text])
    assert (
        str(caught.value)
        == f"--set {text!r} must have the form name=value, such as --set algo.gamma=0.9."
    )


@pytest.mark.parametrize("value", ["[1", "{a: b", "a: b: c"])
def test_an_assignment_of_broken_yaml_is_refused(value):
    with pytest.raises(ConfigError) as caught:
        parse_set([f"algo.gamma={value}"])
    assert str(caught.value).startswith(
        f"--set algo.gamma: the value {value!r} is not valid YAML: "
    )


def test_nothing_can_be_set_inside_a_value(yaml_file):
    with pytest.raises(
        ConfigError,
        match=r"^seeds\.more cannot be set: seeds=3 is a value, not a group of settings; leave one",
    ):
        load_experiment(config=yaml_file("seeds: 3"), overrides={"seeds.more": 1})
    with pytest.raises(ConfigError, match=r"^seeds={'more': 1} must be a whole number\.$"):
        load_experiment(overrides={"seeds.more": 1})


@pytest.mark.parametrize(
    "overrides",
    [
        {"imitation": "belady", "imitation.env_steps": 40_000},
        {"imitation.env_steps": 40_000, "imitation": "belady"},
        {"imitation": {"teacher": "belady", "env_steps": 40_000}},
    ],
)
def test_a_name_stands_for_a_group_whose_other_settings_can_be_set(overrides):
    imitation = load_experiment("Cache-trace", overrides=overrides).imitation
    assert (imitation.teacher, imitation.env_steps) == ("belady", 40_000)


def groups_with_a_switch(cls, prefix="", above=()):
    """Names of the groups of settings that have `enabled`."""
    for name, hint in typing.get_type_hints(cls).items():
        kind = next((x for x in (hint, *typing.get_args(hint)) if is_dataclass(x)), None)
        if kind is not None and kind not in above:
            if "enabled" in {field.name for field in fields(kind)}:
                yield f"{prefix}{name}"
            yield from groups_with_a_switch(kind, f"{prefix}{name}.", (*above, kind))


def test_true_and_false_stand_for_each_group_that_has_a_switch(yaml_file):
    assert sorted(groups_with_a_switch(Experiment)) == sorted(SWITCHES)
    for name in SWITCHES:
        for value in (True, False):
            wanted = load_experiment("CartPole-v1", overrides={f"{name}.enabled": value})
            assert load_experiment("CartPole-v1", overrides={name: value}) == wanted
    written = yaml_file("env: CartPole-v1\nconvergence: true\nsinks: {mlflow: false}")
    experiment = load_experiment(config=written)
    assert experiment.convergence == load_experiment("CartPole-v1").convergence  # the preset's
    assert not experiment.sinks.mlflow.enabled


def test_a_curriculum_that_is_not_there_is_named_as_the_setting():
    with pytest.raises(
        ConfigError, match=r"^curriculum='no\.yaml': config no\.yaml cannot be read"
    ):
        load_experiment(overrides={"curriculum": "no.yaml"})


def test_an_experiment_in_place_of_a_curriculum_is_refused_by_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "all.yaml"
    path.write_text("curriculum: {stages: [{name: easy}]}\nevaluation: {period: 4}\n")
    begin = "curriculum='all.yaml' is no curriculum: it has 'curriculum', .*`--config all.yaml`"
    with pytest.raises(ConfigError, match=f"^{begin}"):
        load_experiment(overrides={"curriculum": "all.yaml"})
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "whole.yaml").write_text(path.read_text())
    config = tmp_path / "below" / "run.yaml"
    config.write_text("env: CartPole-v1\ncurriculum: whole.yaml\n")
    with pytest.raises(ConfigError, match=r"`--config below/whole\.yaml` \(in Python, config\)"):
        load_experiment(config=config)
    path.write_text("stages: [{name: easy}]\n")
    assert load_experiment(overrides={"curriculum": "all.yaml"}).curriculum is not None


def test_numbers_that_vary_or_evolve_may_be_given_in_groups_or_by_dotted_name():
    gammas, rates = [0.9, 0.95], {"log": [1e-4, 1e-2]}
    wanted = {"vary": {"algo.gamma": gammas}}
    for given in ({"vary.algo.gamma": gammas}, {"vary": {"algo": {"gamma": gammas}}}):
        assert load_experiment(overrides=given) == load_experiment(overrides=wanted)
    pbt = "population.pbt.space"
    wanted |= {pbt: {"algo.learning_rate": rates}}
    for given in (
        {f"{pbt}.algo.learning_rate": rates},
        {f"{pbt}.algo.learning_rate.log": rates["log"]},
        {pbt: {"algo": {"learning_rate": rates}}},
    ):
        assert load_experiment(overrides=wanted | given) == load_experiment(overrides=wanted)
    assert load_experiment(overrides=wanted).population.pbt.space == {"algo.learning_rate": rates}


def test_a_whole_config_is_read_as_it_was_written_whatever_presets_there_are():
    experiment = load_experiment("Hamlet-base6", overrides={"curriculum": None})
    data = as_dict(experiment) | {"env_kwargs": {}}
    assert whole_experiment(data).env_kwargs == {} and whole_experiment(data).curriculum is None
    assert load_experiment("Hamlet-base6").env_kwargs  # the preset's


def test_another_curriculum_takes_the_place_of_the_presets():
    ladder = {"param": "max_steps_in_episode", "initial": 100, "increment": 200, "maximum": 500}
    rule = {"metric": "survival", "above": 0.5}
    given = {"curriculum": {"ladder": ladder, "advance_when": rule}}
    assert len(load_experiment("Hamlet-base6", overrides=given).curriculum.all_stages) == 3
    changed = load_experiment(
        "Hamlet-base6", overrides={"curriculum.evaluate_on": "stage"}
    ).curriculum
    assert (
        changed.stages == load_experiment("Hamlet-base6").curriculum.stages
        and changed.evaluate_on == "stage"
    )


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "+1e-3", "1.e-3", ".1e-2"])
def test_exponents_of_yaml_1_2_are_numbers_anywhere(number):
    settings = parse_set(
        [f"vary={{'algo.learning_rate': [{number}, 2.5e-4]}}", f"env_params.gravity={number}"]
    )
    experiment = load_experiment("CartPole-v1", overrides=settings)
    assert experiment.vary == {"algo.learning_rate": [0.001, 0.00025]}
    assert experiment.env_params == {"gravity": 0.001}


def test_text_in_vary_is_converted_to_the_type_of_its_setting():
    for given, converted in (
        ({"algo.learning_rate": ["1e-3", 2]}, {"algo.learning_rate": [0.001, 2]}),
        ({"algo.nope": ["1", 1]}, {"algo.nope": ["1", 1]}),  # refused as members are made
    ):
        assert load_experiment(overrides={"vary": given}).vary == converted


def test_text_in_vary_that_is_no_number_is_refused():
    with pytest.raises(ConfigError, match=r"vary.algo.gamma\[1\]='high' must be a number"):
        load_experiment(overrides={"vary": {"algo.gamma": [0.9, "high"]}})


def test_yaml_text_is_read_back_equal(yaml_file):
    data = {"a": "1e-3", "b": 1e-3, "c": 1e-12, "d": "1", "e": [True, None, "null"]}
    assert read_yaml(yaml_file(yaml_text(data))) == data


@pytest.mark.parametrize(
    "algo", [PPOConfig(gamma=0.4), {"gamma": 0.4}, {"name": "ppo", "gamma": 0.4}]
)
def test_overrides_beat_the_arguments(algo):
    overrides = {"env": "Acrobot-v1", "algo.gamma": 0.6}
    found = load_experiment("CartPole-v1", algo, None, overrides)
    assert (found.env, found.algo.gamma) == ("Acrobot-v1", 0.6)
    assert load_experiment("CartPole-v1", "ppo", None, {"algo": "dqn"}).algo.name == "dqn"


def test_an_override_of_some_settings_keeps_the_algorithm_of_the_argument():
    algo = {"name": "dqn", "tau": 0.1, "network": {"hidden": [8]}}
    found = load_experiment("CartPole-v1", algo, None, {"algo": {"gamma": 0.5}}).algo
    assert (found.name, found.tau, found.gamma) == ("dqn", 0.1, 0.5)
    load_experiment("CartPole-v1", algo, None, {"algo.network.hidden": [4]})
    assert algo["network"] == {"hidden": [8]}


def test_a_setting_of_a_sweep_is_answered_with_its_command():
    with pytest.raises(ConfigError, match=r"^sweep.trials=3 is .* search with `elsinore sweep`"):
        load_experiment("CartPole-v1", overrides={"sweep.trials": 3})


@pytest.mark.parametrize("array", [np.array, jnp.array])
def test_settings_may_be_numbers_and_arrays_of_numpy_and_jax(array):
    given = {
        "algo.network.hidden": array([32, 16]),
        "algo.normalize_obs": array(True),
        "env_params.force_mag": array(3.0),
        "env_params": {"max_steps_in_episode": array(30)},
        "vary": {"algo.gamma": array([0.5, 0.75])},
        "seeds": array(3),
    }
    experiment = load_experiment("CartPole-v1", overrides=given)
    assert experiment.algo.network.hidden == (32, 16) and experiment.algo.normalize_obs is True
    assert experiment.env_params == {"max_steps_in_episode": 30}  # a group replaces what it names
    assert experiment.vary == {"algo.gamma": [0.5, 0.75]} and experiment.seeds == 3
    assert type(experiment.env_params["max_steps_in_episode"]) is int
    assert load_experiment(config=experiment) == experiment


# Complete settings, as a run's config.yaml has them


def test_a_name_with_options_changes_a_complete_config_to_them():
    whole = as_dict(load_experiment("CartPole-v1", "dqn"))
    for given in ({"algo": "rainbow"}, {"overrides": {"algo": "rainbow", "algo.gamma": 0.9}}):
        found = load_experiment(config=whole, **given).algo
        wanted = dotted(OPTIONS["rainbow"])
        assert {name: x for name, x in dotted(as_dict(found)).items() if name in wanted} == wanted
        assert found.gamma == (0.9 if "overrides" in given else whole["algo"]["gamma"])
    own = {"algo.noisy": False}
    assert load_experiment(config=whole, algo="rainbow", overrides=own).algo.noisy is False


def test_no_preset_is_beneath_a_complete_config():
    for env in ("brax/hopper", "Balatro-stage0", "Hamlet-L1", "CartPole-v1"):
        written = Experiment(env=env)
        assert (
            load_experiment(config=written) == written == load_experiment(config=as_dict(written))
        )


def test_another_budget_leaves_a_complete_config_complete():
    for env in ("brax/hopper", "Balatro-stage0", "Hamlet-L1"):
        whole = as_dict(Experiment(env=env))
        longer = load_experiment(config=whole, overrides={"stop.updates": 10})
        assert (longer.env_kwargs, longer.env_params) == ({}, {}), env
    whole = as_dict(load_experiment("CartPole-v1", "dqn"))
    budget = {"stop.updates": 10, "algo": "rainbow"}
    assert load_experiment(config=whole, overrides=budget).algo.noisy


def test_of_a_complete_config_a_mapping_changes_what_it_names():
    whole = as_dict(load_experiment("CartPole-v1", "ppo", overrides={"algo.num_envs": 4}))
    found = load_experiment(config=whole, overrides={"algo": {"gamma": 0.9}}).algo
    assert (found.num_envs, found.gamma) == (4, 0.9)
    whole = as_dict(load_experiment("CartPole-v1", "dqn"))
    beside = {"algo.n_step": 5, "algo": "rainbow"}
    assert load_experiment(config=whole, overrides=beside).algo.n_step == 5


@pytest.mark.parametrize("env", ["CartPole-v1", "Catch-bsuite"])
@pytest.mark.parametrize("name", ["dqn", "rainbow", "a2c"])
def test_in_a_complete_config_a_mapping_of_another_algorithm_has_its_preset(name, env):
    whole = as_dict(load_experiment("CartPole-v1", "ppo"))
    given = {"env": env, "algo": {"name": name, "gamma": 0.9}}
    found = load_experiment(config=whole, overrides=given).algo
    assert found == replace(load_experiment(env, name).algo, gamma=0.9)
    same = as_dict(load_experiment("CartPole-v1", "dqn", overrides={"algo.num_envs": 4}))
    named = load_experiment(config=same, overrides={"algo": {"name": "rainbow"}}).algo
    assert named.noisy and named.num_envs == 4


def test_what_is_null_in_a_complete_config_is_begun_by_its_settings():
    whole = as_dict(Experiment())
    found = load_experiment(config=whole, overrides={"start.run": "x", "self_play.pool": 3})
    assert found.start is not None and found.start.run == "x"
    assert found.self_play is not None and found.self_play.pool == 3


@pytest.mark.parametrize("agents", [{"number": 3}, None, [{"id": "a"}, {"id": "b"}]])
def test_agents_of_a_complete_config_may_be_written_anew(agents):
    whole = as_dict(load_experiment("Catch-bsuite")) | {"agents": agents or {}}
    found = load_experiment(config=whole).agents
    assert found.number == (3 if isinstance(agents, dict) else len(agents or [1]))


# Names and groups


def test_an_algorithm_keeps_its_name_where_its_settings_are_given_as_a_mapping(yaml_file):
    assert load_experiment("dqn/CartPole-v1", {"gamma": 0.9}).algo.name == "dqn"
    file = yaml_file("algo: {name: dqn, network: {hidden: [32], layer_norm: true}}")
    found = load_experiment(config=file, overrides={"algo": {"gamma": 0.9}})
    assert (found.algo.name, found.algo.gamma) == ("dqn", 0.9)
    found = load_experiment(config=file, algo={"name": "dqn", "network": {"hidden": [8]}})
    assert list(found.algo.network.hidden) == [8] and found.algo.network.layer_norm


def test_a_switch_of_a_file_is_changed_by_true_false_or_a_setting(yaml_file):
    file = yaml_file("convergence: true\nsinks: {mlflow: false}\n")
    found = load_experiment(
        config=file, overrides={"convergence.window": 5, "sinks.mlflow.points": 7}
    )
    assert (found.convergence.enabled, found.convergence.window) == (True, 5)
    assert not found.sinks.mlflow.enabled
    assert not load_experiment(config=file, overrides={"convergence": False}).convergence.enabled


def test_a_list_of_agents_keeps_the_other_settings_of_agents_in_a_preset(monkeypatch):
    team = PRESETS["dqn/jaxmarl/MPE_simple_spread_v3"]["agents"]
    monkeypatch.setitem(PRESETS, "dqn/Catch-bsuite", {"agents": team})
    each = [{"id": name} for name in ("a", "b")]
    for given in ({"agents": each}, {"agents.each": each, "agents.number": 2}):
        found = load_experiment("Catch-bsuite", "dqn", overrides=given).agents
        assert (found.names, found.mixing, found.sharing) == (["a", "b"], "sum", "shared")


def test_listed_agents_that_differ_leave_out_the_one_learner_of_a_preset():
    spread, team = "jaxmarl/MPE_simple_spread_v3", [{"id": "a", "gamma": 0.5}, {"id": "b"}]
    team += [{"id": "c"}]
    for given in (team, {"each": team}, {"sharing": "independent", "each": team}):
        found = load_experiment(spread, "dqn", overrides={"agents": given}).agents
        assert not found.shared and (found.mixing, found.critic) == ("none", "own")
    for own in ({"sharing": "shared"}, {"mixing": "sum"}):
        with pytest.raises(ConfigError, match="sharing='shared' trains|'sum' is of several agents"):
            load_experiment(spread, "dqn", overrides={"agents": own | {"each": team}})
    names = [{"id": each["id"]} for each in team]
    assert load_experiment(spread, "dqn", overrides={"agents": names}).agents.mixing == "sum"


def test_an_agent_names_the_plain_algorithm_beside_one_with_options():
    each = [{"id": "a"}, {"id": "b", "algo": "dqn"}]
    found = load_experiment("CartPole-v1", "rainbow", overrides={"agents": each}).agents.each
    assert [agent.algo.distribution for agent in found] == ["c51", "none"]


def test_tuples_in_mappings_are_written_as_lists():
    found = load_experiment("CartPole-v1", overrides={"wrappers": [{"clip_reward": (-1, 1)}]})
    assert as_dict(found)["wrappers"] == [{"clip_reward": [-1, 1]}]
