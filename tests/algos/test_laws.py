"""What must hold of any algorithm, asked of every one of ours."""

import re
import sys
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from elsinore.checks.algorithm import check_algorithm
from tests.algos.trainees import KEY, MAKE, QUICKLY, VARIANTS, assert_same, compiled
from tests.small_envs import Corridor, MaskedBandit


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_it_passes_every_check(name):
    config = VARIANTS[name]
    if name in (
        "ppo gsde",
        "sac gsde",
    ):  # noise that is held is drawn from one key at each of its steps
        config = replace(config, noise_period=1)
    if getattr(config, "distribution", None) == "c51":  # the checks' values reach 10
        config = replace(config, v_max=12.0)
    results = check_algorithm(
        MAKE[config.name], config, env_steps=1_000, thorough=config.network.memory is None
    )
    assert [result for result in results if result.skipped or not result.passed] == []


def deriving_modules():
    """The modules of algorithms, experience and nets that derive the keys of uses."""
    mine = re.compile(r"elsinore\.(algos|experience|nets)\.")
    return [
        module
        for name, module in sys.modules.items()
        if mine.match(name) and (hasattr(module, "for_use") or hasattr(module, "for_uses"))
    ]


@pytest.mark.parametrize("name", VARIANTS)
def test_no_two_uses_in_an_update_share_a_name(monkeypatch, name):
    """A key that is derived twice in one way would be two keys to jax, and one to chance."""
    used = []

    def noting(derive, key, *names):
        used.extend((key, name) for name in names)  # kept alive, so that its id is its own
        return derive(key, *names)

    config = VARIANTS[name]
    algo, begin, _ = compiled(config, Corridor())
    state = jax.eval_shape(algo.init, KEY, Corridor().default_params, algo.hyper)
    for module in deriving_modules():
        for function in ("for_use", "for_uses"):
            if hasattr(module, function):
                monkeypatch.setattr(module, function, partial(noting, getattr(module, function)))
    with jax.debug_key_reuse(True):
        jax.make_jaxpr(lambda state: algo.update(state))(state)
    addresses = [(id(key), use) for key, use in used]
    assert {"act", "rollout"} <= {use for _, use in addresses}
    assert len(addresses) == len(set(addresses))


@pytest.mark.parametrize("name", ["dqn rainbow", pytest.param("td3", marks=pytest.mark.slow)])
def test_a_state_can_be_given_away_to_the_update(name):
    """Donated, none of its arrays being there twice: the target network begins as the online
    one."""
    algo, begin, update = compiled(VARIANTS[name], Corridor())
    expected, _ = update(begin())
    after, _ = jax.jit(algo.update, donate_argnums=0, compiler_options=QUICKLY)(begin())
    assert_same(after.learner, expected.learner)


@pytest.mark.parametrize("name", ["ppo", "a2c", "dqn", "pqn", "sac", "sac_discrete", "td3"])
def test_every_traced_number_is_that_of_the_config(name):
    config = VARIANTS[name]
    algo, _, _ = compiled(config, Corridor())
    for field, x in algo.hyper._asdict().items():
        assert (x.shape, x.dtype) == ((), jnp.dtype("float32"))
        if isinstance(given := getattr(config, field, None), float):
            assert x == jnp.float32(given), field


SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("a2c gru", "dqn double", "dqn iqn", "dqn munchausen")
]


@pytest.mark.parametrize("name", ["a2c", "dqn whole rainbow", "sac_discrete", *SLOW])
def test_an_illegal_action_never_happens(name):
    _, begin, update = compiled(VARIANTS[name], MaskedBandit())
    state = begin()
    for _ in range(10):
        state, metrics = update(state)
        assert metrics["episode/return"].total >= 0.0  # one costs 1,000, and the best pays 3
