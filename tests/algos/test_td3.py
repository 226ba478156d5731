"""What is TD3's own: an actor that waits for its critics, targets near the target actor's action,
and DDPG without them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.algos.off_policy_steps import actors_turns
from elsinore.algos.td3 import TD3Config
from tests.algos.trainees import KEY, PLAIN, TD3, compiled, mean, train, values
from tests.small_envs import Clocked, Corridor, Dart, Forever, Honest

ONE_STEP = {"learning_starts": 0, "rollout_length": 1, "gradient_steps": 1}


def differs(a, b) -> bool:
    return any(bool((x != y).any()) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


@pytest.mark.parametrize(("steps", "delay"), [(1, 1), (1, 2), (3, 2), (2, 3), (5, 3), (4, 2)])
def test_every_delayth_of_all_gradient_steps_is_the_actors(steps, delay):
    found = [bool(x) for u in range(7) for x in actors_turns(jnp.int32(u), steps, delay)]
    assert found == [n % delay == delay - 1 for n in range(7 * steps)]
    last = actors_turns(jnp.int32(2**31 - 1), steps, delay).tolist()
    assert last == [((2**31 - 1) * steps + n) % delay == delay - 1 for n in range(steps)]


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_the_actor_and_every_target_wait_for_the_critics(delay):
    _, begin, update = compiled(TD3(policy_delay=delay, **ONE_STEP), Corridor())
    state = begin()
    for number in range(7):
        before, (state, metrics) = state.learner, update(state)
        after, turn = state.learner, number % delay == delay - 1
        assert differs(before.params.critics, after.params.critics)
        assert differs(before.params.actor, after.params.actor) == turn
        assert metrics["loss/value"].count == 1.0 and metrics["loss/policy"].count == float(turn)
        expected = before.target_params
        if turn:
            expected = jax.tree.map(
                lambda old, new: 0.95 * old + 0.05 * new, expected, after.params
            )
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7),
            after.target_params,
            expected,
        )


def constant(critics, *values):
    """Critics that give these values, whatever they see."""
    zeros = jax.tree.map(jnp.zeros_like, critics)
    for i, value in enumerate(values):
        zeros["params"][f"q_{i}"]["bias"] = jnp.float32([value])
    return zeros


def updated(online, target, params=None, **config):
    """The metrics of one update from critics of constant values."""
    options = ONE_STEP | {"gamma": 0.5} | config
    _, begin, update = compiled(TD3(**options), Forever(), params or Clocked())
    learner = begin().learner
    learner = learner._replace(
        params=learner.params._replace(critics=constant(learner.params.critics, *online)),
        target_params=learner.target_params._replace(
            critics=constant(learner.target_params.critics, *target)
        ),
    )
    return update(begin()._replace(learner=learner))[1]


def test_the_target_is_the_reward_and_the_least_of_the_target_critics():
    metrics = updated(online=(0.0, 1.0), target=(8.0, 6.0))
    target = 1.0 + 0.5 * 6.0
    assert metrics["loss/td_error"].total == pytest.approx((target + (target - 1.0)) / 2)
    assert metrics["loss/value"].total == pytest.approx(0.5 * target**2 + 0.5 * (target - 1.0) ** 2)


def test_one_critic_is_ddpgs():
    metrics = updated(online=(0.0,), target=(8.0,), **PLAIN)
    assert metrics["loss/td_error"].total == pytest.approx(1.0 + 0.5 * 8.0)
    assert metrics["loss/policy"].count == 1.0


def test_a_step_that_is_timed_out_bootstraps():
    metrics = updated((0.0, 0.0), (8.0, 8.0), Clocked(max_steps_in_episode=1), n_step=3,
                      rollout_length=3)  # fmt: skip
    assert metrics["loss/td_error"].total == pytest.approx(1.0 + 0.5 * 8.0)


@pytest.mark.parametrize(
    ("quiet", "noisy", "same"),
    [
        ({"target_noise": 0.0}, {"target_noise": 0.5}, False),
        ({"target_noise": 0.0}, {"target_noise": 0.5, "target_noise_clip": 0.0}, True),
    ],
)
def test_the_noise_of_targets_is_clipped(quiet, noisy, same):
    def learnt(options):
        _, begin, update = compiled(TD3(**ONE_STEP | options), Corridor())
        return update(begin())[0].learner.params.critics

    assert differs(learnt(quiet), learnt(noisy)) != same


def test_without_noise_it_acts_as_it_thinks_best_and_with_noise_near_that():
    def drawn(noise):
        config = TD3(learning_starts=0, exploration_noise=noise, rollout_length=64)
        algo, begin, update = compiled(config, Honest())
        state = begin()
        act = algo.policy.act(state.key, state.policy_state, (), jnp.ones(1), True)[0]
        held = update(state)[0].learner.buffer.experience
        return act, np.asarray(held.action[:64]).reshape(-1, 2), np.asarray(held.reward[:64])

    best, actions, rewards = drawn(0.0)
    assert np.ptp(actions, axis=0).max() == 0.0
    # what is stored is in [-1, 1], what the env is given within its bounds
    low, high = np.float32([-2.0, 0.25]), np.float32([6.0, 0.5])
    np.testing.assert_allclose(best, low + 0.5 * (actions[0] + 1.0) * (high - low), rtol=1e-6)
    np.testing.assert_allclose(rewards, best[0] + 10.0 * best[1], rtol=1e-6)
    _, noisy, _ = drawn(0.2)
    np.testing.assert_allclose(noisy.mean(axis=0), actions[0], atol=0.05)
    np.testing.assert_allclose(noisy.std(axis=0), 0.2, atol=0.03)


@pytest.mark.parametrize("options", [{}, PLAIN], ids=["td3", "ddpg"])
def test_it_learns_where_to_throw(options):
    # after half as many, some keys are still at 0.3 or 0.99; after these, twelve at 0.48 to 0.51
    trained = train(TD3(learning_rate=0.003, **options), Dart(), updates=800)
    act = trained.algo.policy.act(KEY, trained.state.policy_state, (), jnp.ones(1), True)[0]
    assert float(act[0]) == pytest.approx(0.5, abs=0.05)
    assert values(trained, jnp.ones(1)) == pytest.approx([0.0], abs=0.05)
    assert mean(trained.metrics["episode/return"]) > -0.05  # of noise of 0.1: -0.01


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("policy_delay", 0),
        ("policy_delay", 2**31),
        ("num_critics", 0),
        ("exploration_noise", -0.1),
        ("target_noise", -0.1),
        ("noise_correlation", 0.9),  # of a rollout of one step
        ("target_noise_clip", float("inf")),
        ("gamma", 1.1),
        ("tau", 0.0),
        ("buffer_size", 100),  # less than a batch
        ("learning_starts", 2_000_000),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ValueError) as refusal:
        TD3Config(**{field: value})
    assert f"{field}={value!r}" in str(refusal.value)
