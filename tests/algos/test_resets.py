"""Resets of DQN's network and targets that shorten, by known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.algos.dqn import dqn
from elsinore.algos.resets import n_step_at, reset_is_due
from elsinore.config.experiment import Experiment
from elsinore.config.shards import refuse_what_shards_do_not_have, shard_of
from elsinore.errors import ConfigError
from elsinore.jaxtools import shards
from elsinore.nets.config import NetworkConfig
from tests.algos.test_recurrent import Count
from tests.algos.trainees import DQN, GRU, SEQUENCES, assert_same, compiled
from tests.small_envs import Corridor

# 32 env steps an update; the first training is in update 4.
RESETS = {
    "reset_period": 320, "n_step": 8, "n_step_final": 2, "n_step_anneal": 64,
    "learning_starts": 128,
}  # fmt: skip


def test_targets_shorten_geometrically_after_learning_starts_and_after_each_reset():
    config = DQN(**RESETS)

    def n_step(update, config=config):
        return int(n_step_at(config, jnp.int32(update), jnp.float32(50)))

    found = [n_step(update) for update in (0, 4, 5, 6, 9)]
    assert found == [8, 8, 4, 2, 2]  # 8, 8 x (1/4)^(1/2), 8 x 1/4
    assert [n_step(update) for update in (10, 11, 12, 19, 20)] == [8, 4, 2, 2, 8]
    # without a reset they stay short: in the last period, and after reset_until
    assert [n_step(update) for update in (40, 42, 49)] == [8, 2, 2]
    early = DQN(**RESETS, reset_until=0.5)
    assert [n_step(update, early) for update in (20, 30, 40)] == [8, 2, 2]
    assert n_step_at(DQN(), jnp.int32(5), jnp.float32(50)) is None
    endless = DQN(**RESETS | {"reset_period": None})  # 2^31 env steps and more
    assert [n_step(u, endless) for u in (2**26, 2**26 + 100, 2**30, 2**31 - 1)] == [2, 2, 2, 2]


def test_shards_shorten_targets_in_the_updates_in_which_the_whole_seed_would():
    whole = DQN(n_step=8, n_step_final=2, n_step_anneal=1_000, learning_starts=128)
    experiment = Experiment(env="CartPole-v1", algo=whole, shards=4, env_steps=10_000)
    part = shard_of(experiment).algo

    def n_step(update):
        return n_step_at(part, update, jnp.float32(50))

    for update in jnp.arange(0, 50, 3):
        of_shards = jax.vmap(lambda _, u=update: n_step(u), axis_name=shards.IN_TURN, axis_size=4)(
            jnp.arange(4)
        )
        assert (of_shards == n_step_at(whole, update, jnp.float32(50))).all()


def test_a_reset_is_due_after_each_period_but_not_shortly_before_the_end():
    def due(until):
        config = DQN(**RESETS, reset_until=until)
        found = [reset_is_due(config, 10, jnp.int32(u), jnp.float32(35)) for u in range(1, 36)]
        return (1 + np.flatnonzero(found)).tolist()

    assert due(1.0) == [10, 20]  # after 30 only 5 are left
    assert due(0.5) == [10] and due(20 / 35) == [10, 20] and due(0.2) == []


@pytest.fixture(scope="module")
def before_a_reset():
    """The algorithm, and its state of before the update that ends the first period."""
    _, begin, update = compiled(DQN(**RESETS), Corridor(), updates=40)
    state = begin()
    for _ in range(9):
        state, _ = update(state)
    return state


def after(state, share):
    """The state after the next update, in which a reset draws that share of each weight anew."""
    return compiled(DQN(**RESETS, reset_share=share), Corridor(), updates=40).update(state)[0]


def test_a_reset_draws_new_weights_and_keeps_the_buffer(before_a_reset):
    kept, new, half = (after(before_a_reset, share) for share in (0.0, 1.0, 0.5))
    assert_same(kept.learner.buffer, new.learner.buffer)
    assert_same(new.learner.params, new.learner.target_params)
    assert all(not np.any(x) for x in jax.tree.leaves(new.learner.opt_state))
    largest = jax.tree.map(
        lambda a, b: np.abs(a - b).max(), kept.learner.params, new.learner.params
    )
    assert max(jax.tree.leaves(largest)) > 0.1
    mean = jax.tree.map(lambda a, b: (a + b) / 2, kept.learner.params, new.learner.params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), half.learner.params, mean
    )


def test_between_resets_learning_is_as_without_them(before_a_reset):
    """Until the first reset a run with resets has the bits of one without."""
    state = before_a_reset
    _, begin, update = compiled(DQN(**RESETS | {"reset_period": None}), Corridor(), updates=40)
    plain = begin()
    for _ in range(9):
        plain, _ = update(plain)
    assert_same(plain.learner, state.learner)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"reset_share": 1.5}, "reset_share"),
        ({"reset_period": 1}, "reset_period"),
        ({"n_step": 2, "n_step_final": 3}, "n_step_final=3 is above n_step=2"),
        ({"n_step": 2, "n_step_final": 0}, "n_step_final"),
        ({"n_step_anneal": 0}, "n_step_anneal"),
        (
            {"n_step": 2, "n_step_final": 1, "network": GRU, **SEQUENCES},
            "n_step_final=1 cannot .* memory",
        ),
        ({"reset_period": 320, "network": GRU, **SEQUENCES}, "reset_period=320 cannot .* memory"),
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(options, named):
    with pytest.raises(ValueError, match=named):
        DQN(**options)


def test_a_custom_network_with_a_memory_keeps_its_sequences():
    env, params = Corridor(), Corridor().default_params
    config = DQN(n_step=2, n_step_final=1, **SEQUENCES)
    with pytest.raises(ValueError, match="n_step_final=1 cannot be used with a memory"):
        dqn(config, env, params, 50, network=Count)
    with pytest.raises(ValueError, match="reset_period=320 cannot be used with a memory"):
        dqn(DQN(reset_period=320, **SEQUENCES), env, params, 50, network=Count)
    dqn(DQN(n_step=2, **SEQUENCES), env, params, 50, network=Count)


def test_shards_refuse_resets():
    algo = DQN(reset_period=320, network=NetworkConfig(hidden=(8,)))
    with pytest.raises(ConfigError, match="algo.reset_period=320"):
        refuse_what_shards_do_not_have(
            Experiment(env="CartPole-v1", algo=algo, shards=2, env_steps=10_000)
        )
