"""Policies that remember: what they can do, and that they forget where an episode ends."""

from dataclasses import replace
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.algos.common import collect, observation_of
from elsinore.algos.on_policy import apply, decide, episode_starts, with_advantages
from elsinore.jaxtools.prng import for_update, for_uses
from elsinore.nets.build import actor_critic_network
from elsinore.nets.heads import head_for
from tests.algos.trainees import GRU, KEY, PPO, VARIANTS, compiled, make, mean, train, values
from tests.small_envs import Clocked, Echo, MaskedEcho, Scripted, Seesaw

HARDER = {"num_envs": 16, "rollout_length": 12, "ent_coef": 0.005}


class Count(nn.Module):
    """A network that remembers how many steps of the episode it has seen, and takes that for its
    value."""

    num_outputs: int

    def initial_carry(self):
        return jnp.float32(0.0)

    @nn.compact
    def __call__(self, carry, obs):
        bias = self.param("bias", nn.initializers.zeros, (self.num_outputs,))
        return carry + 1.0, (bias, carry + 1.0)


@pytest.mark.slow
def test_who_remembers_repeats_what_was_said_and_who_does_not_guesses():
    remembering, forgetful = (
        train(PPO(**HARDER, **own), Echo(), updates=150) for own in ({"network": GRU}, {})
    )
    assert mean(remembering.metrics["episode/return"]) > 0.97
    assert mean(forgetful.metrics["episode/return"], last=50) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_masks_and_memory_work_together():
    trained = train(PPO(**HARDER, network=GRU), MaskedEcho(), updates=150)
    # nothing illegal ever cost its 1,000
    assert (trained.metrics["episode/return"].total >= 0.0).all()
    assert mean(trained.metrics["episode/return"]) > 0.97


@pytest.mark.parametrize("name", ["ppo gru", "a2c gru"])
def test_the_future_beyond_a_time_limit_keeps_its_value(name):
    """The last sight of an episode is judged with what the episode has left in memory."""
    trained = train(replace(VARIANTS[name], gamma=0.5), Seesaw(), Clocked(max_steps_in_episode=8))
    down, up = values(trained, *jnp.eye(2))
    assert (up, down) == pytest.approx((4 / 3, 2 / 3), abs=0.1)


def test_what_is_remembered_is_that_of_the_running_episode():
    """The count is that of the episode's steps, in the state that a checkpoint holds too."""
    params = Clocked(max_steps_in_episode=5)
    _, begin, update = compiled(PPO(), Scripted(), params, network=Count)
    state = begin()
    for _ in range(3):
        state, _ = update(state)
        np.testing.assert_array_equal(state.actor.carry, state.actor.episode_length)
    assert len(set(np.asarray(state.actor.carry).tolist())) > 1


def collected(network=GRU, custom=None, **config):
    """One rollout of Scripted, whose episodes end in both ways, as a batch; and the network and
    head that apply to it."""
    config, params = PPO(network=network, **config), Clocked(max_steps_in_episode=3)
    env = Scripted()
    head = head_for(env.action_space(params))
    net = actor_critic_network(config.network, head, observation_of(env, params), custom)
    _, begin, update = compiled(config, env, params, network=custom)
    state, _ = update(begin())  # so that the next begins amid episodes

    @jax.jit
    def batch_of(state):
        act_key, rollout_key = for_uses(for_update(KEY, state.update), "act", "rollout")
        policy = partial(decide, net, head, state.learner.params, state.stats)
        noise = head.noise(act_key, (config.rollout_length, config.num_envs))
        after, experience, _ = collect(
            config, env, state, policy, rollout_key, noise, net.initial_carry
        )
        before = (state.learner.params, state.stats, state.actor.carry)
        return with_advantages(net, *before, experience, state.hyper), after

    return partial(apply, net, head), state, *batch_of(state)


def test_an_episode_begins_after_the_step_that_ended_one():
    done = jnp.array([[False, True], [True, False], [False, False]])
    np.testing.assert_array_equal(
        episode_starts(done), [[False, False], [False, True], [True, False]]
    )


def test_each_step_is_judged_by_what_was_remembered_then():
    _, state, sample, _ = collected(custom=Count)
    time = np.asarray(sample.obs)[..., 1]  # steps of the episode before this one
    np.testing.assert_array_equal(sample.value, time + 1)
    np.testing.assert_array_equal(sample.carry, state.actor.carry)


def test_what_a_step_led_to_is_judged_with_one_more_step_remembered():
    """The count's target: reward + gamma x (time + 2), unless it died; a time-out keeps it."""
    _, _, sample, _ = collected(custom=Count, gae_lambda=0.0, gamma=0.5)
    time, died = np.asarray(sample.obs)[..., 1], np.asarray(sample.action) == 1
    np.testing.assert_allclose(sample.target, (time + 1) + 0.5 * (time + 2) * ~died, rtol=1e-6)


def test_unrolled_it_is_what_it_was_step_by_step():
    """So the first ratio is 1: the log-probabilities of acting are those of learning."""
    apply_to, state, sample, _ = collected()
    policy, value = jax.jit(apply_to)(state.learner.params, sample)
    assert np.asarray(sample.episode_start).any()
    np.testing.assert_allclose(
        policy.log_prob(sample.action), sample.log_prob, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(value, sample.value, rtol=1e-5, atol=1e-6)


def test_envs_in_another_order_are_the_same_envs_in_another_order():
    apply_to, state, sample, _ = collected()
    order = jnp.array([3, 1, 0, 2, 7, 6, 5, 4])
    shuffled = jax.tree.map(lambda x: x[order], sample)
    read = jax.jit(apply_to)
    (policy, value), (policy_2, value_2) = (
        read(state.learner.params, s) for s in (sample, shuffled)
    )
    np.testing.assert_allclose(value_2, value[order], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        policy_2.log_prob(shuffled.action), policy.log_prob(sample.action)[order], rtol=1e-5
    )


def test_the_first_ratio_of_an_update_is_one():
    trained = train(
        PPO(network=GRU, num_minibatches=1, num_epochs=1, normalize_obs=True), Echo(), updates=3
    )
    np.testing.assert_allclose(trained.metrics["policy/kl"].total, 0.0, atol=1e-9)


def test_acting_hands_on_what_it_remembers():
    trained = train(PPO(**HARDER, network=GRU), Echo(), updates=150)
    act = jax.jit(trained.algo.policy.act, static_argnums=4)
    for cue in (0, 1):
        carry = trained.algo.policy.initial_carry
        for sight in ([1.0 - cue, float(cue), 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]):
            action, carry = act(KEY, trained.state.policy_state, carry, jnp.array(sight), True)
        assert action == cue


@pytest.mark.parametrize("name", ["dqn", "pqn"])
def test_a_memory_that_cannot_be_trained_is_refused_with_what_can(name):
    with pytest.raises(ValueError, match=r"network with gru=16, .* is recurrent.*use ppo or a2c"):
        make(replace(VARIANTS[name], network=GRU), Echo())


def test_minibatches_of_a_recurrent_policy_are_whole_envs():
    with pytest.raises(
        ValueError, match=r"num_minibatches=16 does not divide num_envs=8, and a recurrent"
    ):
        PPO(network=GRU, num_minibatches=16)


def test_minibatches_of_a_recurrent_network_of_ones_own_are_whole_envs_too():
    with pytest.raises(
        ValueError, match=r"num_minibatches=16 does not divide num_envs=8, and a recurrent"
    ):
        make(PPO(num_minibatches=16), Echo(), network=Count)
