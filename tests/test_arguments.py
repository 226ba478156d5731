"""An argument of another type is refused with its name, before anything is made."""

import inspect
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import gymnax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments.classic_control.cartpole import CartPole
from gymnax.environments.classic_control.pendulum import Pendulum

import elsinore
from elsinore import cli
from elsinore.analysis.compare.api import report
from elsinore.arguments import checked, in_home
from elsinore.envs.wrapped import entries_of
from elsinore.errors import ConfigError
from elsinore.runs.run import Run
from elsinore.training.chunk import Program
from elsinore.training.layout import Layout

FUNCTIONS = {
    name: function
    for name in elsinore.__all__
    if inspect.isfunction(function := getattr(elsinore, name))
} | {"report": report}
METHODS = {
    f"Run.{name}": function
    for name, function in vars(Run).items()
    if inspect.isfunction(function) and not name.startswith("_")
}
REQUIRED = {  # values that are accepted, of the parameters without a default
    "run": "nowhere",
    "runs": ["nowhere"],
    "target": "nowhere",
    "name": "x",
    "env": "CartPole-v1",
    "make": lambda *args: None,
    "program": Program(*[None] * len(Program._fields)),  # pyright: ignore[reportArgumentType]
    "layout": Layout("map", (), 1),
    "self": None,
    "callback": lambda *args: None,
    "value": 1.0,
    "settings": {},
    "replay": "replay.npz",
}
ARGUMENTS = [
    pytest.param(function, name, id=f"{owner}({name})")
    for owner, function in (FUNCTIONS | METHODS).items()
    for name, parameter in inspect.signature(function).parameters.items()
    if parameter.annotation not in (Any, inspect.Parameter.empty)
    and "PyTree" not in str(parameter.annotation)
]


class Nothing:
    """An object that no argument can be."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())  # nothing is left behind


def call_with(function, name, value):
    """Call a function with one argument, and accepted values of those that have no default."""
    parameters = inspect.signature(function).parameters
    needed = {n: REQUIRED[n] for n, p in parameters.items() if p.default is inspect.Parameter.empty}
    return function(**(needed | {name: value}))


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_every_annotated_argument_of_a_public_function_is_checked(function, name):
    with pytest.raises(elsinore.ConfigError) as caught:
        call_with(function, name, Nothing())
    assert str(caught.value).startswith(f"{name}=")
    assert "must be" in str(caught.value)


def test_hardly_any_argument_is_annotated_as_anything():
    free = {
        (owner, name)
        for owner, function in (FUNCTIONS | METHODS).items()
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.annotation is Any
    }
    # `make` of check_algorithm: what is no algorithm gets a failed check
    assert {name for _, name in free} == {"env", "envs", "config", "make", "wrappers"}


@pytest.mark.parametrize("function", [elsinore.train, elsinore.make, elsinore.gymnasium_env])
@pytest.mark.parametrize("env", [42, CartPole, Nothing(), ["CartPole-v1"], {}])
def test_an_env_that_is_none_is_refused(function, env):
    with pytest.raises(elsinore.ConfigError, match="^env="):
        function(env)


@pytest.mark.parametrize("env", [42, None, CartPole, Nothing()])
def test_what_is_no_env_is_not_wrapped(env):
    with pytest.raises(elsinore.ConfigError, match="^env="):
        elsinore.wrap(env, "flatten")


def test_the_pair_that_gymnax_makes_is_refused_with_a_remedy():
    pair = gymnax.make("CartPole-v1")
    with pytest.raises(elsinore.ConfigError, match=r"env=\(CartPole, EnvParams\) is a tuple"):
        elsinore.train(pair)


def test_a_comparison_of_an_env_that_is_none_is_refused():
    with pytest.raises(elsinore.ConfigError, match="env=CartPole is a class"):
        elsinore.compare([CartPole], env_steps=1000)


def test_an_argument_resume_is_answered_with_the_function():
    with pytest.raises(elsinore.ConfigError, match=r"; continue a run with elsinore.resume\('a'\)"):
        elsinore.train(**{"resume": "a"})


def test_an_env_object_beside_a_name_in_the_overrides_is_refused():
    with pytest.raises(
        elsinore.ConfigError, match="^env='Pendulum-v1' is a name, and env is given"
    ):
        elsinore.train(CartPole(), overrides={"env": "Pendulum-v1"})


@pytest.mark.parametrize("seeds", [[1, 2], (3,), range(3), np.arange(2)])
def test_a_list_of_seeds_is_answered_with_the_two_settings_of_seeds(seeds):
    refusal = r"^seeds=.* must be a whole number\. It is how many there are; `seed` is the first"
    with pytest.raises(elsinore.ConfigError, match=refusal):
        elsinore.train("CartPole-v1", seeds=seeds)


@pytest.mark.parametrize(
    "given",
    [
        {"seeds": "3"},
        {"seeds": True},
        {"seeds": 2.0},
        {"seed": 1.5},
        {"env": 42},
        {"env": CartPole},
        {"name": 3},
        {"name": ""},
        {"name": "a\0b"},
        {"name": Path("a")},
        {"overrides": ["seeds=3"]},
        {"overrides": {3: 4}},
        {"overrides": {"env_kwargs": {"x": object()}}},
        {"overrides": {"env_steps": 10**5000}},
        {"overrides": {"algo.learning_rate": 1e39}},
        {"config": 3},
        {"config": {"seds": 3}},
        {"config": {"seeds": 0}},
        {"config": ""},
        {"config": "\0"},
        {"runs_dir": None},
        {"runs_dir": ""},
        {"runs_dir": "\0"},
        {"network": 3},
        {"curriculum": 3},
        {"callbacks": 3},
        {"callbacks": [3]},
        {"callbacks": "print"},
        {"check": "no"},
        {"algo": 3},
        {"algo": "os:system"},
    ],
    ids=lambda given: "-".join(given),
)
def test_training_with_it_is_refused(given):
    with pytest.raises(elsinore.ConfigError) as caught:
        elsinore.train(**({"env": "CartPole-v1"} | given))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_config_may_be_a_mapping_and_stays_as_it_is():
    from elsinore.runs.call import resolve_experiment

    config = {"env": "CartPole-v1", "algo": {"gamma": 0.9}}
    experiment, _ = resolve_experiment(config=config, overrides={"algo.gamma": 0.8}, seeds=2)
    assert (experiment.algo.gamma, experiment.seeds) == (0.8, 2)
    both = {"seeds": 3, "env_steps": 2000}
    experiment, _ = resolve_experiment("CartPole-v1", seeds=2, env_steps=1000, overrides=both)
    assert (experiment.env_steps, experiment.seeds) == (2000, 3)
    assert config == {"env": "CartPole-v1", "algo": {"gamma": 0.9}}


@pytest.mark.parametrize("function", [elsinore.train, elsinore.compare, elsinore.sweep])
@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("learning_rate", "algo.learning_rate"),
        ("LR", "algo.learning_rate"),
        ("buffer_size", "algo.buffer_size"),
        ("total_timesteps", "env_steps"),
        ("env_params", "env_params"),
        ("algo.gamma", "algo.gamma"),
    ],
)
def test_a_setting_that_is_no_argument_is_refused_with_the_way_to_give_it(function, name, setting):
    remedy = f"no argument {name}=3; give this setting as overrides={{'{setting}': 3}}."
    with pytest.raises(elsinore.ConfigError, match=re.escape(remedy)):
        function(**{name: 3})


def test_parameters_of_an_environment_are_refused_with_those_that_differ():
    params = Pendulum().default_params.replace(g=5.0)
    remedy = r"env_params=EnvParams\(.*\); give what differs as overrides={'env_params.g': 5.0}\.$"
    with pytest.raises(elsinore.ConfigError, match=remedy):
        elsinore.train("Pendulum-v1", env_params=params)  # pyright: ignore[reportCallIssue]
    for given in ({"overrides": {"env_params": params}}, {"config": {"env_params": params}}):
        with pytest.raises(elsinore.ConfigError, match=r" must be a mapping, such as {g: 5.0}\.$"):
            elsinore.train("Pendulum-v1", **given)


def test_an_unknown_argument_is_refused_with_the_closest_or_all():
    with pytest.raises(elsinore.ConfigError, match="train has no argument callback=3; did you"):
        elsinore.train(callback=3)  # pyright: ignore[reportCallIssue]
    with pytest.raises(elsinore.ConfigError, match="load has no argument x=3; it has: run"):
        elsinore.load("first", x=3)  # pyright: ignore[reportCallIssue]


def test_numbers_of_numpy_count_as_numbers():
    @checked
    def add(a: int, b: float = 0.0, c: bool = False) -> float:
        return a + b + c

    assert add(np.int64(1), np.float32(2.0), np.bool_(True)) == 4.0
    with pytest.raises(elsinore.ConfigError, match="a=array"):
        add(np.ones(2))  # pyright: ignore[reportArgumentType]


def test_a_number_of_numpy_or_jax_arrives_as_one_of_python():
    @checked
    def given(a: int, b: Sequence[int] = (), c: float = 0.0) -> tuple[Any, ...]:
        return a, b, c

    plain = given(np.int64(1), (np.int32(2), 3), jnp.float32(0.5))
    assert plain == (1, (2, 3), 0.5)
    assert [type(x) for x in (plain[0], *plain[1], plain[2])] == [int, int, int, float]


def test_an_element_that_does_not_fit_is_named_with_its_own_value():
    with pytest.raises(elsinore.ConfigError, match=r"^callbacks\[1\]=3 must be callable"):
        elsinore.train("CartPole-v1", callbacks=[print, 3])  # pyright: ignore[reportArgumentType]


def test_a_call_with_too_many_or_too_few_arguments_is_refused_with_the_functions_name():
    with pytest.raises(TypeError, match=r"query\(\) takes 1 positional argument but 2 were given"):
        elsinore.query("first", "return")  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match=r"load\(\) missing 1 required positional argument: 'run'"):
        elsinore.load()  # pyright: ignore[reportCallIssue]


def test_the_arguments_that_a_method_has_are_listed_without_self():
    with pytest.raises(elsinore.ConfigError, match="it has: episodes, checkpoint, sample"):
        Run.evaluate(None, nothing=0)  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_an_algorithm_that_is_a_function_is_asked_for_by_its_name():
    with pytest.raises(elsinore.ConfigError, match=r"; give it by name, 'inspect:getsource'\.$"):
        elsinore.train("CartPole-v1", algo=inspect.getsource)  # pyright: ignore[reportArgumentType]


def test_a_replay_that_is_not_there_is_refused():
    with pytest.raises(elsinore.ConfigError, match="^replay='no.npz' cannot be read: No such file"):
        elsinore.scene("no.npz")


def test_an_env_whose_name_is_close_is_suggested():
    with pytest.raises(elsinore.ConfigError, match="^suite='cartpole' is unknown; did you mean 'C"):
        elsinore.list_envs("cartpole")


def test_a_network_that_is_a_module_is_refused_with_a_remedy():
    class Network(nn.Module):
        num_outputs: int

        def __call__(self, obs):
            return obs

    with pytest.raises(
        elsinore.ConfigError, match=r"network=Network\(...\) is a module, where the"
    ):
        elsinore.train("CartPole-v1", network=Network(2))


def test_a_number_of_numpy_in_a_wrapper_is_one_of_python():
    wrapped = elsinore.wrap("CartPole-v1", {"time_limit": np.int64(5)})
    assert entries_of(wrapped) == ({"time_limit": 5},)


@pytest.mark.parametrize(
    ("text", "reason"), [("a\0b", "NUL"), ("a\ud800b", "half of a surrogate pair")]
)
def test_a_text_that_is_no_path_is_refused_in_one_line(text, reason, tmp_path):
    calls = [
        lambda: elsinore.train(config=text),
        lambda: elsinore.train("CartPole-v1", runs_dir=text),
        lambda: elsinore.train("CartPole-v1", runs_dir=Path(text)),
        lambda: elsinore.train("CartPole-v1", overrides={"curriculum": text}, runs_dir=tmp_path),
        lambda: elsinore.sweep(text),
        lambda: elsinore.load(text),
        lambda: report([text]),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match=f" is no path; use one without {reason}.$") as found:
            call()
        assert repr(text) in str(found.value) and "\n" not in str(found.value)


def test_the_bytes_of_a_file_name_that_is_no_utf8_are_a_path(tmp_path):
    path = tmp_path / os.fsdecode(b"\xe4.yaml")
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        elsinore.train(config=path)


def test_a_network_by_its_name_is_a_setting_and_an_object_is_an_argument():
    with pytest.raises(elsinore.ConfigError, match=r"overrides={'algo.network.custom': 'my:Net'}"):
        elsinore.train("CartPole-v1", network="my:Net")
    with pytest.raises(elsinore.ConfigError, match=r" Give it by its name, 'inspect:getsource'\.$"):
        elsinore.train("CartPole-v1", overrides={"algo.network.custom": inspect.getsource})


@pytest.mark.parametrize("kind", [str, Path])
def test_a_tilde_in_a_path_is_the_home_folder(kind, tmp_path, monkeypatch, capsys):
    """A shell leaves it as it is in `--runs-dir=~/runs`, and a folder `~` was made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=f"lists those in {tmp_path}/runs"):
        elsinore.load("nothing", runs_dir=kind("~/runs"))
    with pytest.raises(ConfigError, match=f"^{tmp_path}/nothing is not a run"):
        elsinore.load(kind("~/nothing"))
    assert cli.main(["runs", "--runs-dir=~/runs"]) == 0
    assert f"no runs in {tmp_path}/runs" in capsys.readouterr().out
    assert in_home("name", "~/x") == "~/x"
    assert in_home("out", "a/~") == "a/~"
    with pytest.raises(ConfigError, match=f"^{tmp_path}/a is neither a run nor a comparison"):
        report([kind("~/a"), "b"])
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "config.yaml").write_text("env: 1\n")
    with pytest.raises(ConfigError, match=r"every run is excluded \(.*c is unreadable"):
        report(["mine=~/c"])
    shutil.rmtree(tmp_path / "c")
    with pytest.raises(ConfigError, match="^replay='/.* cannot be read"):
        elsinore.scene(kind("~/replay.npz"))


def test_a_path_of_another_kind_is_refused_by_its_type():
    """One of `os.scandir` has no constructor."""
    with os.scandir(Path(__file__).parent) as entries:
        entry = next(entries)
    with pytest.raises(ConfigError, match=r"^run=<DirEntry '.*'> must be text or "):
        elsinore.load(entry)  # pyright: ignore[reportArgumentType]
