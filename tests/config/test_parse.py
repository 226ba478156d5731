"""An experiment is data: what is written is read back, and what does not fit is refused where it
stands."""

from dataclasses import dataclass, field, replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from elsinore.algos.registry import ALGORITHMS, config_type
from elsinore.config.experiment import Experiment
from elsinore.config.load import experiment_from, load_experiment
from elsinore.config.parse import as_dict, build, build_algo
from elsinore.errors import ConfigError


def refusal(overrides, **where):
    with pytest.raises(ConfigError) as caught:
        load_experiment(overrides=overrides, **where)
    return str(caught.value)


# What is written is read back


def keys_of(data, path=""):
    for key, value in data.items():
        yield f"{path}{key}"
        if isinstance(value, dict):
            yield from keys_of(value, f"{path}{key}.")


def test_every_default_is_written_out():
    written = set(keys_of(as_dict(Experiment())))
    for name in (
        "env",
        "env_steps",
        "seed",
        "layout",
        "algo.name",
        "algo.gamma",
        "algo.clip_eps_final",
        "algo.network.hidden",
        "evaluation.final_episodes",
        "convergence.target",
        "checkpoints.interval_seconds",
        "sinks.mlflow.alias",
    ):
        assert name in written


def test_what_is_written_holds_plain_data_only():
    def check(x):
        assert x is None or type(x) in (dict, list, str, int, float, bool)
        for item in x.values() if isinstance(x, dict) else x if isinstance(x, list) else ():
            check(item)

    check(as_dict(Experiment()))


positive = st.floats(1e-8, 1e8)
# a program cannot hold a number that is 0 in float32
targets = st.floats(-1e9, 1e9, width=32, allow_subnormal=False)
experiments = st.fixed_dictionaries(
    {
        "env": st.sampled_from(["CartPole-v1", "Pendulum-v1", "mine:World"]),
        "env_steps": st.integers(1, 2**62),
        "seeds": st.integers(1, 1000),
        "seed": st.integers(0, 2**31 - 2000),
        "env_kwargs": st.dictionaries(st.sampled_from(["rows", "columns"]), st.integers()),
        "env_params": st.dictionaries(st.just("max_steps_in_episode"), st.integers(1, 1000)),
        "algo": st.fixed_dictionaries(
            {
                "learning_rate": positive,
                "learning_rate_final": st.none() | positive,
                "max_grad_norm": positive | st.just(float("inf")),
                "gamma": st.just(0.0) | st.floats(1e-8, 1),
                "target_kl": st.none() | positive,
                "num_envs": st.integers(1, 4096),
                "num_minibatches": st.just(1),
                "normalize_obs": st.booleans(),
                "network": st.fixed_dictionaries(
                    {"hidden": st.lists(st.integers(1, 512), min_size=1, max_size=4)}
                ),
            }
        ),
        "convergence": st.fixed_dictionaries({"target": st.none() | targets}),
        "sinks": st.fixed_dictionaries(
            {
                "mlflow": st.fixed_dictionaries(
                    {
                        "experiment": st.text(st.characters(codec="utf-8"), max_size=20),
                        "tracking_uri": st.none(),
                    }
                )
            }
        ),
    }
)


@settings(max_examples=20)
@given(experiments)
def test_an_experiment_written_as_yaml_is_read_back_equal(data):
    experiment = experiment_from(data)
    assert experiment_from(yaml.safe_load(yaml.safe_dump(as_dict(experiment)))) == experiment


def test_a_preset_does_not_creep_into_what_was_written_without_it():
    # CartPole with the algorithm's own defaults, which the preset would change
    written = as_dict(Experiment())
    assert experiment_from(written) == Experiment()


# Unknown keys


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("env_step", "env_steps"),
        ("sed", "seed"),
        ("algo.gama", "algo.gamma"),
        ("algo.clip", "algo.clip_eps"),
        ("algo.network.hiden", "algo.network.hidden"),
        ("evaluation.episode", "evaluation.episodes"),
        ("convergence.targets", "convergence.target"),
        ("checkpoints.interval", "checkpoints.interval_seconds"),
        ("sinks.tensorbord", "sinks.tensorboard"),
        ("sinks.mlflow.enable", "sinks.mlflow.enabled"),
    ],
)
def test_an_unknown_setting_is_refused_with_its_place_and_the_closest_known_one(name, meant):
    assert refusal({name: 1}) == f"{name} is not a setting; did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("algo", "key", "owners"),
    [
        ("ppo", "double", "dqn"),
        ("a2c", "num_minibatches", "ppo and pqn"),
        ("pqn", "vf_coef", "ppo and a2c"),
        ("sac", "policy_delay", "td3"),
        ("dqn", "num_critics", "sac and sac_discrete and td3"),
    ],
)
def test_a_setting_of_another_algorithm_is_refused_with_whose_it_is(algo, key, owners):
    message = refusal({"algo": algo, f"algo.{key}": 1})
    assert message.startswith(f"algo.{key} is a setting of {owners}, not of {algo}; leave it out, ")
    assert f"{algo} has: num_envs, rollout_length, " in message


def test_a_setting_like_no_other_is_refused_with_all_there_are():
    assert (
        refusal({"sinks.xyz": 1})
        == "sinks.xyz is not a setting; the settings here are: console, dashboard, tensorboard,"
        " jsonl, curves_seconds, mlflow, wandb, remote."
    )


def test_a_key_that_is_no_text_is_refused_like_any_other():
    with pytest.raises(ConfigError, match="7 is not a setting; the settings here are: env, "):
        experiment_from({7: 1})


# Values of another type

A_WHOLE_NUMBER, A_NUMBER, A_FLAG, A_TEXT = "a whole number", "a number", "true or false", "text"


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("seeds", "many", A_WHOLE_NUMBER),
        ("seeds", "", A_WHOLE_NUMBER),
        ("seeds", 0.5, A_WHOLE_NUMBER),
        ("seeds", True, A_WHOLE_NUMBER),
        ("seeds", None, A_WHOLE_NUMBER),
        ("seeds", [4], A_WHOLE_NUMBER),
        ("seeds", {"a": 4}, A_WHOLE_NUMBER),
        ("seeds", float("nan"), A_WHOLE_NUMBER),
        ("env_steps", float("inf"), A_WHOLE_NUMBER),
        ("env_steps", "1e-5", A_WHOLE_NUMBER),
        ("algo.gamma", "high", A_NUMBER),
        ("algo.gamma", False, A_NUMBER),
        ("algo.gamma", [0.9], A_NUMBER),
        ("algo.gamma", None, A_NUMBER),
        ("algo.normalize_obs", 1, A_FLAG),
        ("algo.normalize_obs", "yes please", A_FLAG),
        ("sinks.console", None, A_FLAG),
        ("env", 3, A_TEXT),
        ("layout", ["auto"], A_TEXT),
        ("sinks.mlflow.experiment", 3, A_TEXT),
        ("algo.network.hidden", 64, "a list, such as [64]"),
        ("algo.network.hidden", "64", "a list, such as ['64']"),
        ("wrappers", {"frame_stack": 4}, "a list, such as [{'frame_stack': 4}]"),
        ("env_params", [1], "a mapping, such as {name: value}"),
        ("env_kwargs", 3, "a mapping, such as {name: value}"),
        ("vary", [1e-3], "a mapping, such as {algo.gamma: [0.9, 0.99]}"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_is_wanted(name, value, wanted):
    assert refusal({name: value}) == f"{name}={value!r} must be {wanted}."


def test_an_item_of_a_list_is_refused_by_its_place():
    assert (
        refusal({"algo.network.hidden": [64, "wide"]})
        == "algo.network.hidden[1]='wide' must be a whole number."
    )


@pytest.mark.parametrize("value", [float("nan"), "nan"])
@pytest.mark.parametrize("name", ["algo.gamma", "algo.learning_rate", "convergence.target"])
def test_what_is_not_a_number_is_refused_as_one(name, value):
    assert (
        refusal({name: value})
        == f"{name}={value!r} is not a number that can be used; give a finite one."
    )


@pytest.mark.parametrize("name", ["algo.learning_rate", "algo.adam_eps", "algo.gamma"])
def test_a_number_that_float32_rounds_to_nothing_is_refused(name):
    text = f"{name}=1e-40 is 0 in float32; use at least 1.18e-38, or 0 where it is allowed."
    assert refusal({name: 1e-40}) == text


@pytest.mark.parametrize("group", ["evaluation", "convergence", "checkpoints", "sinks"])
@pytest.mark.parametrize("value", [3, None, "x", [1]])
def test_a_value_where_a_group_is_meant_is_refused_with_the_settings_of_the_group(group, value):
    assert refusal({group: value}).startswith(
        f"{group}={value!r} must be a mapping with the keys: "
    )


@pytest.mark.parametrize(
    ("group", "value", "example"),
    [
        ("self_play", True, "pool, period, latest, such as {pool: 8}, or {} for the defaults."),
        ("self_play", "x", "pool, period, latest, such as {pool: 8}."),
        ("agents", 3, "params, each, such as {number: 3}."),
        ("evaluation", 10, "max_steps, such as {period: 10}."),
        ("stop", 0.5, "episodes, seconds."),
        ("sinks", False, "remote, such as {console: false}."),
        ("population.pbt", True, "resample, space, such as {period: 1}."),
    ],
)
def test_a_group_that_is_refused_has_an_example(group, value, example):
    assert refusal({group: value}).endswith(example)


# Numbers as people write them


def test_numbers_may_be_written_as_yaml_takes_for_text():
    experiment = experiment_from(
        yaml.safe_load("{env_steps: 1e5, algo: {learning_rate: 1e-3, ent_coef: 1e-2}}")
    )
    assert (experiment.env_steps, type(experiment.env_steps)) == (100_000, int)
    assert (experiment.algo.learning_rate, experiment.algo.ent_coef) == (0.001, 0.01)


def test_a_whole_float_is_a_whole_number_and_a_whole_number_is_a_float():
    experiment = load_experiment(overrides={"seeds": 4.0, "algo.vf_coef": 1})
    assert (experiment.seeds, type(experiment.seeds)) == (4, int)
    assert (experiment.algo.vf_coef, type(experiment.algo.vf_coef)) == (1.0, float)


def test_a_large_whole_number_keeps_its_last_digit():
    assert load_experiment(overrides={"env_steps": 2**53 + 1}).env_steps == 2**53 + 1


def test_nothing_is_a_value_only_where_it_may_be():
    experiment = load_experiment(
        overrides={"convergence.target": None, "algo.learning_rate_final": None}
    )
    assert experiment.convergence.target is None
    assert experiment.algo.learning_rate_final is None


# The algorithm

KNOWN = (
    "ppo, a2c, dqn, pqn, sac, sac_discrete, td3; a custom algorithm is given as 'module:function'."
)


@pytest.mark.parametrize("algo", ["ppo", {"name": "ppo"}, {}])
def test_an_algorithm_is_a_word_or_a_mapping(algo):
    assert experiment_from({"env": "Catch-bsuite", "algo": algo}) == experiment_from(
        {"env": "Catch-bsuite"}
    )


@pytest.mark.parametrize(
    ("algo", "message"),
    [
        ("pppo", f"algo='pppo' is unknown; did you mean 'ppo'? Known: {KNOWN}"),
        ({"name": "pppo"}, f"algo='pppo' is unknown; did you mean 'ppo'? Known: {KNOWN}"),
        ("zzz", f"algo='zzz' is unknown. Known: {KNOWN}"),
        (
            "no_such_module:mine",
            "algo='no_such_module:mine' cannot be imported: No module named 'no_such_module'.",
        ),
        (
            {"name": "json:mine"},
            "algo='json:mine' cannot be imported: module 'json' has no attribute 'mine'.",
        ),
        (
            "__main__:no_such_cell",
            "algo='__main__:no_such_cell' cannot be imported: module '__main__' has no attribute"
            " 'no_such_cell'. It was made in a script, in a notebook or inside a function:"
            " continue there, once it is made again, or move it",
        ),
        (":mine", "algo=':mine' must be 'module:name', such as 'my_code:MyClass'."),
        ("json:", "algo='json:' must be 'module:name', such as 'my_code:MyClass'."),
        ({"name": ["ppo"]}, r"algo=['ppo'] is unknown"),
        ({"name": {"ppo": 1}}, "algo={'ppo': 1} is unknown. "),
        (3, "algo=3 must be an algorithm's name or a mapping"),
        (None, "algo=None must be an algorithm's name or a mapping"),
        (["ppo"], "algo=['ppo'] must be an algorithm's name or a mapping"),
    ],
)
def test_what_is_no_algorithm_is_refused(algo, message):
    for read in (experiment_from, lambda data: load_experiment(overrides=data)):
        with pytest.raises(ConfigError) as caught:
            read({"algo": algo})
        assert str(caught.value).startswith(message)


def test_an_algorithm_can_be_built_by_itself():
    assert build_algo({"name": "ppo", "gamma": 0.5}).gamma == 0.5
    assert build_algo("ppo").name == "ppo"


@pytest.mark.parametrize("algo", [*ALGORITHMS, "tests.algos.own_algorithms:sound"])
def test_every_algorithm_is_written_and_read_back_equal(algo):
    experiment = experiment_from({"env": "CartPole-v1", "algo": algo, "env_steps": 1000})
    written = yaml.safe_dump(as_dict(experiment))
    assert experiment_from(yaml.safe_load(written)) == experiment
    assert yaml.safe_load(written)["algo"]["name"] == experiment.algo.name == algo


# Values that fit their type and nothing else: the field, the value, and what would do

AT_LEAST_1 = "must be at least 1"
REFUSED = [
    ("env_steps", 0, AT_LEAST_1),
    ("env_steps", -5, AT_LEAST_1),
    ("seeds", 0, AT_LEAST_1),
    ("rows_per_chunk", 0, AT_LEAST_1),
    ("seed", -1, "at least 0"),
    ("seed", 2**31, "below 2^31"),
    ("layout", "pmap", "choose auto, map or vmap"),
    ("matmul_precision", "fp8", "choose default, high, highest, bfloat16, te"),
    ("algo.num_envs", 0, AT_LEAST_1),
    ("algo.rollout_length", -1, AT_LEAST_1),
    ("algo.num_minibatches", 0, AT_LEAST_1),
    ("algo.num_minibatches", 7, "choose a divisor"),
    ("algo.num_epochs", 0, AT_LEAST_1),
    ("algo.gamma", 1.5, "must lie in [0, 1]"),
    ("algo.gae_lambda", -0.1, "must lie in [0, 1]"),
    ("algo.popart_step", 0.0, "above 0 and at most 1"),
    ("algo.popart_step", 1.5, "above 0 and at most 1"),
    ("algo.learning_rate", 0.0, "must be above 0"),
    ("algo.learning_rate", -1.0, "must be above 0"),
    ("algo.clip_eps", 0.0, "must be above 0"),
    ("algo.max_grad_norm", -0.5, "must be above 0"),
    ("algo.target_kl", 0.0, "null turns it off"),
    ("algo.ent_coef", -0.01, "must not be negative"),
    ("algo.clip_eps_final", -0.1, "must not be negative"),
    ("algo.normalize_advantage", "always", "choose minibatch, batch or none"),
    ("algo.network.encoder", "rnn", "choose auto, mlp, cnn, nature, or"),
    ("algo.network.activation", "tan", "choose tanh"),
    ("algo.network.hidden", [], "one or more layer sizes"),
    ("algo.network.hidden", [64, 0], "at least 1"),
    ("evaluation.episodes", 0, AT_LEAST_1),
    ("evaluation.final_episodes", -1, AT_LEAST_1),
    ("evaluation.period", -1, "0 (automatic) or more"),
    ("evaluation.max_steps", -1, "0 (automatic) or more"),
    ("convergence.window", 0, AT_LEAST_1),
    ("convergence.patience", 0, AT_LEAST_1),
    ("convergence.min_env_steps", -1, "must not be negative"),
    ("convergence.plateau_patience", 0, "null turns it off"),
    ("convergence.min_delta", -1.0, "must not be negative"),
    ("convergence.target", float("inf"), "must be finite"),
    ("checkpoints.interval_seconds", -1.0, "must be at least 0"),
    ("checkpoints.best", -1, "must be at least 0"),
    ("checkpoints.period", -1, "must be at least 0"),
    ("checkpoints.mode", "most", "choose max or min"),
    ("env", "Cartpole-v1", "did you mean 'CartPole-v1'?"),
]


@pytest.mark.parametrize(
    ("name", "value", "remedy"), REFUSED, ids=[f"{name}={value}" for name, value, _ in REFUSED]
)
def test_a_value_that_cannot_be_is_refused_with_field_value_and_remedy(name, value, remedy):
    message = refusal({name: value})
    assert message.startswith(f"{name}={value!r} ")
    assert remedy in message
    assert "\n" not in message
    assert message.endswith((".", "?"))


# The builder by itself


@dataclass(frozen=True)
class Brazier:
    heat: float = 1.0

    def __post_init__(self):
        if self.heat > 9:
            raise ValueError(f"heat={self.heat} would set the wall alight; keep to 9.")


@dataclass(frozen=True)
class Wall:
    brazier: Brazier = Brazier()
    sentries: tuple[str, ...] = ()


def test_a_record_in_a_record_is_built_from_mappings():
    assert build(Wall, {"brazier": {"heat": 2}, "sentries": ["Bernardo"]}) == Wall(
        Brazier(2.0), ("Bernardo",)
    )


def test_what_a_mapping_leaves_out_is_as_in_the_field_s_own_default():
    @dataclass(frozen=True)
    class Torch:
        heat: float = 1.0
        hours: int = 1

    @dataclass(frozen=True)
    class Guard:
        torch: Torch = Torch(heat=5.0)

    @dataclass(frozen=True)
    class Tower:
        guard: Guard = Guard(Torch(heat=7.0))
        second: Guard = field(default_factory=lambda: Guard(Torch(heat=8.0)))

    assert build(Guard, {"torch": {"hours": 3}}) == Guard(Torch(5.0, 3))
    assert build(Tower, {"guard": {"torch": {"hours": 3}}}) == Tower(Guard(Torch(7.0, 3)))
    assert build(Tower, {"second": {"torch": {"hours": 3}}}) == Tower(second=Guard(Torch(8.0, 3)))
    with pytest.raises(
        ConfigError,
        match=r"guard\.torch\.hour is not a setting; did you mean 'guard\.torch\.hours'",
    ):
        build(Tower, {"guard": {"torch": {"hour": 3}}})


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_one_setting_of_the_network_leaves_the_algorithm_its_others(algo):
    default = config_type(algo)().network
    narrow = load_experiment(
        "UmbrellaChain-bsuite", algo, overrides={"algo.network.hidden": [8]}
    ).algo.network
    assert narrow == replace(default, hidden=(8,))


def test_what_has_no_default_must_be_given():
    @dataclass(frozen=True)
    class Watch:
        hour: int
        sentries: tuple[str, ...] = ()

    assert build(Watch, {"hour": 12}).hour == 12
    with pytest.raises(ConfigError, match=r"^watch\.hour has no default; give it a value\.$"):
        build(Watch, {"sentries": ["Francisco"]}, "watch")


def test_a_record_may_be_given_ready_made():
    assert build(Wall, {"brazier": Brazier(3.0)}) == Wall(Brazier(3.0))


def test_a_value_that_a_record_refuses_is_named_with_its_place():
    with pytest.raises(
        ConfigError, match=r"^brazier\.heat=10\.0 would set the wall alight; keep to 9\.$"
    ):
        build(Wall, {"brazier": {"heat": 10}})
