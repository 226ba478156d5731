"""Platforms that are not there: a sentence with a remedy instead of a traceback."""

import os
import subprocess
import sys

import gymnasium
import jax
import pytest

import elsinore
from elsinore import cli
from elsinore.cli import runs
from elsinore.jaxtools.platform import (
    UNFIT,
    UNFIT_FOR_TRAINING,
    refuse_default_device,
    refuse_jax_settings,
)
from tests.devices import needs_two_devices


def started(*argv, **env):
    return subprocess.run(
        [sys.executable, *argv],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=200,
    )


NO_GPU = not os.path.exists("/dev/nvidia0")


@pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")
@pytest.mark.parametrize(
    "argv",
    [["train", "--plan"], ["check-env", "CartPole-v1"], ["train", "--env-steps", "1000"]],
)
def test_a_platform_that_is_not_there_is_refused_with_a_remedy(argv, tmp_path):
    done = started("-m", "elsinore.cli", *argv, JAX_PLATFORMS="cuda")
    assert done.returncode == 2
    assert done.stderr.startswith("elsinore: JAX_PLATFORMS='cuda' cannot be used: ")
    assert "Unset it or set it to cpu" in done.stderr and "Traceback" not in done.stderr


def test_from_python_it_is_a_config_error_and_nothing_is_written(tmp_path):
    """For every public name that imports gymnax too, which starts JAX while it is imported."""
    calls = [
        f"elsinore.train('CartPole-v1', runs_dir={str(tmp_path)!r})",
        "elsinore.list_envs()",
        "elsinore.make('CartPole-v1')",
        "elsinore.check_env('CartPole-v1')",
        "elsinore.gymnasium_env('CartPole-v1')",
        "elsinore.parallel_env('hamlet')",
        "elsinore.doctor('a_run')",
        "elsinore.Agent",
        "elsinore.wrap",
    ]
    code = f"""
import elsinore
for call in {calls}:
    try:
        eval(call)
    except elsinore.ConfigError as error:
        print(call, error)
"""
    done = started("-c", code, JAX_PLATFORMS="abacus")
    assert not done.stderr
    refused = done.stdout.splitlines()
    for call, line in zip(calls, refused, strict=True):
        assert line.startswith(f"{call} JAX_PLATFORMS='abacus' cannot be used: ")
    assert list(tmp_path.iterdir()) == []


def test_processes_that_joined_each_other_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    with pytest.raises(elsinore.ConfigError, match="has joined 4 processes, and each would train"):
        elsinore.train("CartPole-v1", runs_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_error_on_a_sound_platform_is_not_blamed_on_it(monkeypatch, capsys):
    def broken(args):
        raise RuntimeError("of another kind")

    monkeypatch.setattr(runs, "runs_command", broken)
    assert cli.main(["runs"]) == 1
    assert "of another kind" in (err := capsys.readouterr().err) and "JAX_PLATFORMS" not in err


def test_windows_is_refused_when_elsinore_is_imported():
    done = started("-c", "import sys; sys.platform = 'win32'; import elsinore")
    assert done.returncode == 1
    assert "ImportError: elsinore runs on Linux and macOS. On Windows use it in WSL" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name, unfit in (UNFIT | UNFIT_FOR_TRAINING).items()
        for value in unfit.values
    ],
)
def test_a_setting_of_jax_that_training_cannot_have_is_refused_before_anything_is_written(
    name, value, tmp_path
):
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        with pytest.raises(elsinore.ConfigError, match=f"^{name}={value!r} cannot be used: "):
            elsinore.train("CartPole-v1", env_steps=1_000, runs_dir=tmp_path / "runs")
    finally:
        jax.config.update(name, before)
    assert not list(tmp_path.iterdir())


def test_training_inside_disable_jit_is_refused(tmp_path):
    with jax.disable_jit(), pytest.raises(elsinore.ConfigError, match="^jax_disable_jit=True"):
        elsinore.train("CartPole-v1", env_steps=1_000, runs_dir=tmp_path / "runs")


@needs_two_devices
def test_training_on_another_device_than_the_first_is_refused_by_that_name(tmp_path):
    first, second = jax.local_devices()[:2]
    with jax.default_device(second), pytest.raises(elsinore.ConfigError) as caught:
        elsinore.train("CartPole-v1", env_steps=1_000, runs_dir=tmp_path / "runs")
    assert str(caught.value).startswith(f"jax_default_device={str(second)!r} cannot be used")
    assert "CUDA_VISIBLE_DEVICES" in str(caught.value) and not list(tmp_path.iterdir())
    for allowed in (first, first.platform):
        with jax.default_device(allowed):
            refuse_default_device()


@pytest.mark.parametrize("name", list(UNFIT))
def test_a_run_can_have_the_value_that_a_refusal_names(name):
    before = getattr(jax.config, name)
    jax.config.update(name, UNFIT[name].usual)
    try:
        refuse_jax_settings()
    finally:
        jax.config.update(name, before)


def test_a_policy_and_an_agent_are_not_made_in_64_bits():
    spaces = gymnasium.spaces.Box(-1.0, 1.0, (4,)), gymnasium.spaces.Discrete(2)
    with jax.enable_x64(True):
        with pytest.raises(elsinore.ConfigError, match="^jax_enable_x64=True"):
            elsinore.load("preset:CartPole-v1/ppo").policy()
        with pytest.raises(elsinore.ConfigError, match="^jax_enable_x64=True"):
            elsinore.Agent("dqn", *spaces)
