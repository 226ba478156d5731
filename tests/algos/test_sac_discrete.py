"""What is SAC's own over n actions: exact targets, a target entropy by the legal actions, masks."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

from tests.algos.trainees import MAKE, PARAMS, SAC_DISCRETE, compiled, mean, train
from tests.small_envs import Dart, Dials, Forever, Gate, MaskedBandit

ONE_STEP = {"learning_starts": 0, "rollout_length": 1, "gradient_steps": 1}
FIXED = {"tune_temperature": False}


def updated(world, online, target, **config):
    """The metrics of one update from critics of constant values and a uniform policy."""
    _, begin, update = compiled(SAC_DISCRETE(gamma=0.5, **ONE_STEP, **config), world)
    state = begin()

    def constant(critics, values):
        critics = jax.tree.map(jnp.zeros_like, critics)
        for i, value in enumerate(values):
            critics["params"][f"q_{i}"]["bias"] = jnp.array(value)
        return critics

    learner, zeros = state.learner, jax.tree.map(jnp.zeros_like, state.learner.params.actor)
    learner = learner._replace(
        params=type(learner.params)(zeros, constant(learner.params.critics, online)),
        target_params=learner.target_params._replace(
            critics=constant(learner.target_params.critics, target)
        ),
    )
    return update(state._replace(learner=learner))


def test_the_target_is_the_expectation_over_the_legal_actions():
    """Gate's second step has one legal action; both steps pay 1, and the second is the last.

    After the first step V is the least of 8 and 6 of action 0, with entropy 0, so its target is
    1 + 0.5 x 6; after the second it is 1. Sampled are both kinds of steps, of equal worth 0 so far.
    """
    online = [[0.0, 0.0], [0.0, 0.0]]
    target = [[8.0, 99.0], [6.0, 99.0]]
    _, metrics = updated(Gate(), online, target, **FIXED, temperature=0.5)
    # the first rollout has first steps alone
    assert metrics["loss/td_error"].total == pytest.approx(1.0 + 0.5 * 6.0, abs=1e-5)


def test_the_actors_loss_is_minus_the_soft_value_of_its_policy():
    online = [[1.0, 3.0], [2.0, 1.0]]
    _, metrics = updated(Gate(), online, online, **FIXED, temperature=0.5)
    # of first steps: both actions are legal, and the least values of both are 1 before the step
    # of the critics, which moves them by at most the learning rate
    assert metrics["policy/entropy"].total == pytest.approx(np.log(2.0), abs=1e-4)
    assert metrics["loss/policy"].total == pytest.approx(-1.0 - 0.5 * np.log(2.0), abs=0.05)


def test_the_target_entropy_is_a_share_of_that_of_the_legal_actions():
    state, metrics = updated(Gate(), [[0.0, 0.0]] * 2, [[0.0, 0.0]] * 2, target_entropy=0.98)
    assert metrics["policy/largest_entropy"].total == pytest.approx(np.log(2.0), abs=1e-4)
    # the uniform policy has more than 0.98 of it, so the temperature falls
    assert state.learner.temperature.params < 0.0


@dataclass(frozen=True)
class OneButton(Forever):
    def action_space(self, params):
        return spaces.Discrete(1)


def test_a_single_action_has_values_and_no_entropy():
    _, begin, update = compiled(SAC_DISCRETE(gamma=0.5, **ONE_STEP), OneButton())
    _, metrics = update(begin())
    assert metrics["policy/entropy"].total == metrics["policy/largest_entropy"].total == 0.0
    assert np.isfinite(metrics["loss/value"].total)


def test_the_best_of_the_legal_actions_is_learnt_and_no_other_is_taken():
    algo, state, metrics = train(SAC_DISCRETE(), MaskedBandit())
    assert (metrics["episode/return"].total >= 0.0).all()
    legal = (jnp.arange(1, 16)[:, None] >> jnp.arange(4)) & 1 == 1
    act = jax.vmap(algo.policy.act, in_axes=(None, None, None, 0, None))
    obs = {"bias": jnp.ones((15, 1)), "action_mask": legal}
    best, _ = act(jax.random.key(0), state.policy_state, (), obs, True)
    share = np.mean(np.asarray(best) == np.array([3 - int(jnp.argmax(m[::-1])) for m in legal]))
    assert share > 0.85
    scores = jax.vmap(algo.policy.action_scores, in_axes=(None, None, 0))(
        state.policy_state, (), obs
    )["probability"]
    assert (scores[~legal] == 0.0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)


def test_actions_are_uniform_among_the_legal_ones_until_learning_starts():
    config = SAC_DISCRETE(num_envs=64, rollout_length=16, learning_starts=2_000, batch_size=8)
    _, begin, update = compiled(config, MaskedBandit())
    _, metrics = update(begin())
    # the mean of the legal rewards 0 to 3 is 1.5 in the long run
    assert mean(jax.tree.map(lambda x: x[None], metrics["episode/return"])) == pytest.approx(
        1.5, abs=0.15
    )


@pytest.mark.parametrize(
    ("world", "message"),
    [
        (Dart(), "action space is Box; use algo: sac, td3, ppo or a2c"),
        (Dials(), "action space is MultiDiscrete; use algo: ppo or a2c"),
    ],
)
def test_another_action_space_is_refused_with_what_takes_it(world, message):
    with pytest.raises(ValueError, match=message):
        MAKE["sac_discrete"](SAC_DISCRETE(), world, PARAMS, 10)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"noise_correlation": 0.5}, "noise_correlation=0.5 applies to continuous actions only"),
        ({"temperature": 0.0}, "temperature=0.0 cannot be tuned"),
        ({"target_entropy": 1.5}, "target_entropy=1.5 must lie in"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        SAC_DISCRETE(**setting)
