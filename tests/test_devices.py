"""jax's CPU is one device a core once elsinore is imported, unless a setting says otherwise."""

import os
import subprocess
import sys

import pytest

from elsinore import cpu_cores

COUNT = "import jax; print(jax.device_count())"
NOBODY_SAYS = {"JAX_NUM_CPU_DEVICES": None, "XLA_FLAGS": None, "JAX_PLATFORMS": "cpu"}


def logged(code, **env):
    """What a fresh process prints, with some environment variables set and others (None) taken
    away."""
    env = {
        name: value
        for name, value in {**os.environ, **NOBODY_SAYS, **env}.items()
        if value is not None
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "before",
    ["import elsinore", "import jax, elsinore", "import elsinore.worlds.balatro.env"],
    ids=["elsinore first", "jax first", "a world of ours, which imports gymnax"],
)
def test_there_is_a_device_for_each_core(before):
    assert logged(f"{before}; {COUNT}") == str(cpu_cores())


def test_what_the_user_says_stands():
    assert logged(f"import elsinore; {COUNT}", JAX_NUM_CPU_DEVICES="3") == "3"
    assert logged(f"import jax, elsinore; {COUNT}", JAX_NUM_CPU_DEVICES="3") == "3"
    assert (
        logged(f"import elsinore; {COUNT}", XLA_FLAGS="--xla_force_host_platform_device_count=3")
        == "3"
    )


@pytest.mark.skipif(cpu_cores() == 1, reason="one core is never idle while another works")
def test_a_jax_that_had_started_is_named_where_cores_would_be_idle():
    warned = (
        "import logging, sys; logging.basicConfig(stream=sys.stdout); from"
        " elsinore.runs.preparation import prepare"
    )
    message = logged(f"import jax; jax.devices(); {warned}; prepare()")
    assert f"with 1 of the CPU's {cpu_cores()} cores" in message
    assert f"JAX_NUM_CPU_DEVICES={cpu_cores()}" in message
    assert logged(f"{warned}; prepare()") == ""
