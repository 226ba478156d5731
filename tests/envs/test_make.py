"""Environments by name, and the errors for wrong names."""

from typing import NamedTuple

import jax
import numpy as np
import pytest

import elsinore
from elsinore.envs import make
from elsinore.envs.registry import GYMNAX, check_name, names, refuse_no_env
from elsinore.envs.rivals import Rival, at_random
from elsinore.errors import ConfigError
from elsinore.imports import import_object
from elsinore.worlds.cache.trace.env import TraceCache
from tests.envs.broken_envs import Params, Wall


def test_an_env_is_made_by_its_gymnax_name():
    env, params = make("Catch-bsuite", {"rows": 6}, {"max_steps_in_episode": 9})
    assert env.name == "Catch-bsuite"
    assert env.rows == 6
    assert params.max_steps_in_episode == 9


def test_an_env_is_made_from_a_module_and_a_class():
    env, params = make("tests.envs.broken_envs:Wall")
    assert isinstance(env, Wall)
    assert params == Params()


def test_a_gymnax_that_another_package_has_overwritten_is_refused(monkeypatch):
    from gymnax.environments.environment import Environment

    monkeypatch.delattr(Environment, "is_truncated")
    with pytest.raises(ConfigError, match="pip uninstall stable-gymnax"):
        make("CartPole-v1")


def test_an_instance_is_kept():
    wall = Wall()
    env, params = make(wall, params={"max_steps_in_episode": 3})
    assert env is wall
    assert params == Params(max_steps_in_episode=3)


def test_the_names_listed_are_those_that_gymnax_has():
    import gymnax

    assert set(GYMNAX) == set(gymnax.registered_envs)


@pytest.mark.parametrize("name", names())
def test_a_listed_name_is_accepted(name):
    check_name(name)


def test_a_name_with_a_colon_is_left_to_the_import():
    check_name("no.such.module:World")


@pytest.mark.parametrize(
    ("env", "kwargs", "wanted"),
    [
        ("Balatro-stage4", {"auto_select_blind": "no"}, "true or false"),
        ("Balatro-stage4", {"shop_moves": 1.5}, "a whole number"),
        ("Balatro-stage4", {"shop_moves": 2**40}, "to 1,000"),
        ("Balatro-stage4", {"jokers": [None]}, "text or a whole number"),
        ("Cache-trace", {"trace": 1}, "text"),
        ("Cache-trace", {"capacity": float("inf")}, "a whole number"),
        ("Cache-trace", {"decide": "sampled", "candidates": 2.5}, "a whole number"),
        ("Cache-trace", {"fallback": "no"}, "true or false"),
        ("Cache-api", {"streams": "x"}, "a whole number"),
        ("Cache-api", {"streams": 10**12}, "at most 20,000"),
        ("Hamlet-base6", {"occupancy": "no"}, "true or false"),
    ],
)
def test_a_setting_of_another_type_than_a_world_takes_is_refused(env, kwargs, wanted):
    with pytest.raises(ValueError, match=rf"{list(kwargs)[-1]}.* {wanted}") as refusal:
        make(env, kwargs)
    assert repr(list(kwargs.values())[-1]).strip("[]") in str(refusal.value)


@pytest.mark.parametrize(
    ("env", "params", "message"),
    [
        ("CartPole-v1", {"max_steps_in_episode": 0}, "max_steps_in_episode=0 must be at least 1"),
        ("Hamlet-base6", {"drain_multiplier": np.inf}, "drain_multiplier=inf must be finite"),
        ("Hamlet-base6", {"random_start_share": 2.0}, "=2.0 must be finite and at least 0 and at"),
        ("Cache-trace", {"capacity": 0}, "capacity=0 must be finite and at least 1"),
        ("Cache-trace", {"smallest_capacity": 65}, "smallest_capacity=65 must be .*at most 64"),
        ("Cache-api", {"full_load": 0.0}, "full_load=0.0 must be finite and above 0"),
        ("Balatro-stage0", {"max_ante": 9}, "max_ante=9 must be"),
    ],
)
@pytest.mark.parametrize("wrappers", [(), ({"time_limit": 50},)])
def test_a_parameter_with_which_a_world_cannot_run_is_refused(env, params, message, wrappers):
    if wrappers and "max_steps_in_episode" in params:
        pytest.skip("the wrapper has a limit of its own")
    with pytest.raises(ValueError, match=message):
        make(env, {}, params, wrappers)


def test_a_number_is_no_trace_and_no_open_file_is_read():
    with pytest.raises(ValueError, match="trace=True must be zipf, the path of an npz file"):
        TraceCache(trace=True)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("Cartpole-v1", "CartPole-v1"), ("Breakout", "Breakout-MinAtar"), ("catch", "Catch-bsuite")],
)
def test_an_unknown_name_is_refused_with_the_closest_one(wrong, right):
    with pytest.raises(ValueError, match=f"env='{wrong}' is unknown; did you mean '{right}'"):
        make(wrong)


def test_a_name_like_no_other_is_refused_without_a_guess():
    with pytest.raises(ValueError, match="env='%' is unknown. `elsinore envs` lists"):
        check_name("%")


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError,
        match=r"env_params.max_steps is no parameter of Wall; it has: max_steps_in_episode",
    ):
        make(Wall(), params={"max_steps": 3})


def test_a_parameter_is_a_number_as_its_default_is():
    """An integer for a float counted as one, so that a range of floats gave whole numbers."""
    _, params = make("CartPole-v1", params={"force_mag": 5, "max_steps_in_episode": 9.0})
    assert type(params.force_mag) is float and type(params.max_steps_in_episode) is int
    drawn = [{"randomise": {"force_mag": [1.0, 2.0]}}]
    for given in ([5, 15], (5, 15), np.array([5, 15])):
        env, params = make("CartPole-v1", params={"force_mag_range": given}, wrappers=drawn)
        assert params.force_mag_range.dtype == np.float32
        _, whole = env.reset_env(jax.random.key(0), params.replace(force_mag_range=given))
        _, state = env.reset_env(jax.random.key(0), params)
        assert whole.own == state.own  # also where a curriculum has put it
        assert state.own["force_mag"] % 1 and 5 <= state.own["force_mag"] <= 15


def test_parameters_of_another_type_cannot_be_set():
    class Pair(NamedTuple):
        max_steps_in_episode: int = 3

    for params in ({"max_steps_in_episode": 3}, Pair()):
        env = type("Odd", (Wall,), {"default_params": params})()
        with pytest.raises(ConfigError, match="default_params of Odd are (dict|Pair);"):
            make(env, params={"max_steps_in_episode": 5})
    with pytest.raises(ConfigError, match="env_params.replace is no parameter of Wall"):
        make(Wall(), params={"replace": 1})


def test_arguments_of_a_constructor_beside_an_object_are_refused(tmp_path):
    """They were ignored, and recorded by a run as those of its environment."""
    for env in (Wall(), lambda: Wall()):
        with pytest.raises(ConfigError, match="env_kwargs={'rows': 9} go to the constructor"):
            make(env, {"rows": 9})
    with pytest.raises(ConfigError, match="env_kwargs.rows goes to the constructor"):
        elsinore.train(Wall(), overrides={"env_kwargs.rows": 9}, runs_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_arguments_that_do_not_fit_the_constructor_are_refused():
    with pytest.raises(
        ValueError, match="env_kwargs={'row': 6} do not fit .* unexpected keyword argument 'row'"
    ) as caught:
        make("Catch-bsuite", {"row": 6})
    # newer Pythons end with a question, "Did you mean 'rows'?"
    assert str(caught.value).endswith(("?", ".")) and not str(caught.value).endswith("?.")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no_such_module:World", "No module named 'no_such_module'"),
        ("tests.envs.broken_envs:NoSuchWorld", "has no attribute 'NoSuchWorld'"),
    ],
)
def test_a_path_that_cannot_be_imported_is_refused_with_the_field_and_the_reason(path, why):
    with pytest.raises(
        ValueError, match=f"env='{path}' cannot be imported: .*{why}.*'module:name'"
    ):
        make(path)
    with pytest.raises(ValueError, match=f"algo='{path}' cannot be imported"):
        import_object(path, "algo")


@pytest.mark.parametrize("path", ["__main__:NoWorld", "tests.toys:<lambda>"])
def test_what_was_made_in_a_script_or_a_function_is_to_be_used_there(path):
    with pytest.raises(ConfigError, match=f"network='{path}' cannot .* move it to a module"):
        import_object(path, "network")


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("./my_env.py:World", "my_env:World"),
        ("my-env.py:World", "my-env:World"),
        ("envs/my_env:World", "envs.my_env:World"),
        ("../my_env.py:World", "my_env:World"),
        ("/home/ada/my_env.py:World", "my_env:World"),
    ],
)
def test_a_path_of_a_file_is_refused_with_its_module(path, module):
    with pytest.raises(ConfigError, match=f"env='{path}' names a file; write .* '{module}', with"):
        make(path)


@pytest.mark.parametrize("path", [":World", "tests.toys:", "tests.toys"])
def test_a_path_without_module_or_name_is_refused_with_its_form(path):
    with pytest.raises(ValueError, match=f"network='{path}' must be 'module:name', such as"):
        import_object(path, "network")


def test_a_class_that_takes_arguments_is_made_with_them_or_given_as_an_object():
    class_of_nim = "elsinore.worlds.nim.env:Nim"  # as in the config of a run of such an object
    with pytest.raises(ValueError, match=r"arguments.*env_kwargs.*elsinore\.load\(run, env=env\)"):
        make(class_of_nim)
    env, _ = make(class_of_nim, {"heap": 9, "most": 2, "rival": Rival(at_random)})
    assert env.num_actions == 2


def test_the_error_of_an_environments_own_property_is_not_called_its_absence():
    class Misspelt(Wall):
        @property
        def default_params(self):
            return self.parms  # pyright: ignore[reportAttributeAccessIssue]

    with pytest.raises(AttributeError, match="has no attribute 'parms'"):
        refuse_no_env(Misspelt())
    with pytest.raises(ConfigError, match="it has no default_params"):
        refuse_no_env(object())


@pytest.mark.parametrize("name", ["configs/cartpole.yaml", "third.yml"])
def test_a_file_of_settings_in_place_of_an_environment_is_told_so(name):
    """A path was answered as the name of an unknown suite."""
    with pytest.raises(ConfigError, match=f"is a file of settings .* --config {name} "):
        elsinore.train(name)
