"""Several choices at once, from the space to the policy that makes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.checks.env import check_env
from tests.algos.trainees import A2C, DQN, KEY, PARAMS, PPO, PQN, make, mean, train
from tests.small_envs import Dart, Dials


@pytest.mark.slow
@pytest.mark.parametrize("make", [PPO, A2C], ids=["ppo", "a2c"])
def test_every_dial_is_set_to_its_best_legal_setting_and_never_to_another(make):
    trained = train(make(), Dials(), updates=150 if make is PPO else None)
    assert (trained.metrics["episode/return"].total >= 0.0).all()
    assert mean(trained.metrics["episode/return"]) > 2.8  # of 3; chance is near 1.8

    def act(obs):
        return trained.algo.policy.act(KEY, trained.state.policy_state, (), obs, True)[0]

    obs = jax.vmap(Dials().reset_env, (0, None))(jax.random.split(KEY, 64), PARAMS)[0]
    chosen = np.asarray(jax.jit(jax.vmap(act))(obs))
    assert chosen.shape == (64, 3)
    for dial, mask in enumerate(np.split(np.asarray(obs["action_mask"]), [3, 5], axis=1)):
        assert mask[np.arange(64), chosen[:, dial]].all()


@pytest.mark.parametrize("config", [DQN(), PQN()], ids=["dqn", "pqn"])
@pytest.mark.parametrize(
    ("world", "message"),
    [
        (Dials(), "action space is MultiDiscrete; use algo: ppo or a2c"),
        (Dart(), "action space is Box; use algo: sac, td3, ppo or a2c"),
    ],
)
def test_algorithms_of_action_values_refuse_it_with_what_takes_it(config, world, message):
    with pytest.raises(ValueError, match=message):
        make(config, world)


def test_an_env_of_several_choices_passes_every_check():
    assert [result for result in check_env(Dials(), num_steps=100) if not result.passed] == []


class Short(Dials):
    """Its mask lacks a flag."""

    def sight(self, legal):
        return {"legal": legal.astype(jnp.float32), "action_mask": legal[:-1]}

    def observation_space(self, params):
        space = super().observation_space(params)
        space.spaces["action_mask"].shape = (8,)
        return space


def test_a_mask_of_another_length_is_refused():
    results = {result.check: result for result in check_env(Short(), num_steps=50)}
    assert "it must be bool of shape (9,)" in results["spaces"].detail


@pytest.mark.parametrize("make_config", [PPO, A2C], ids=["ppo", "a2c"])
def test_no_algorithm_is_made_for_a_mask_of_another_length(make_config):
    with pytest.raises(ValueError, match=r"action_mask of shape \(8,\).*give it shape \(9,\)"):
        make(make_config(), Short())
