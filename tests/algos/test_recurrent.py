"""Policies that remember: what they can do, and that they forget where an episode ends."""

from dataclasses import replace
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.algos.actor_critic_policy import decide
from elsinore.algos.common import learning_rewards, observation_of
from elsinore.algos.on_policy_batch import evaluate_batch, with_advantages
from elsinore.algos.sequences import (
    Remembered,
    Sequences,
    carries_before,
    episode_starts,
    outputs_of,
    sequence_batch,
    sequence_error,
)
from elsinore.experience.normalisation import Normalisers
from elsinore.experience.rollout import rollout
from elsinore.jaxtools.prng import for_update, for_uses
from elsinore.nets.build import actor_critic_network, q_network
from elsinore.nets.config import NetworkConfig
from elsinore.nets.heads import head_for
from elsinore.types import Transition
from tests.algos.trainees import (
    DQN,
    GRU,
    KEY,
    LRU,
    PPO,
    PQN,
    SEQUENCES,
    VARIANTS,
    compiled,
    make,
    mean,
    train,
    values,
)
from tests.small_envs import Clocked, Corridor, Echo, MaskedEcho, Scripted, Seesaw

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


# PPO and A2C share the targets
@pytest.mark.parametrize(
    "name", [pytest.param("ppo gru", marks=pytest.mark.slow), "a2c gru", "pqn gru"]
)
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


def collected(custom=None, **config):
    """One rollout of Scripted, whose episodes end in both ways, as a batch; and the network and
    head that apply to it. The network is `custom`, or a built-in one with a GRU."""
    built_in = {"network": GRU} if custom is None else {}
    config, params = PPO(**built_in, **config), Clocked(max_steps_in_episode=3)
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
        actor, experience, _ = rollout(
            env, state.env_params, policy, state.actor, rollout_key, noise, net.initial_carry
        )
        after, experience, _ = learning_rewards(config, state, actor, experience)
        before = (state.learner.params, state.stats, state.actor.carry)
        return with_advantages(net, *before, experience, state.hyper, None, lambda obs: obs), after

    return partial(evaluate_batch, net, head), state, *batch_of(state)


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


@pytest.mark.slow  # as the one above, through a whole update
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


@pytest.mark.parametrize("name", ["sac", "td3"])
def test_a_memory_that_cannot_be_trained_is_refused_with_what_can(name):
    with pytest.raises(ValueError, match=r"network with gru=16 is recurrent.*use ppo or a2c"):
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


# Action values


QUICK = {"learning_rate": 0.01, "epsilon_final": 0.05, "epsilon_fraction": 0.3}
REMEMBERING = {
    "dqn": DQN(network=GRU, sequence_length=3, batch_size=64, target_period=256, **QUICK),
    "dqn lru": DQN(
        network=LRU, sequence_length=4, burn_in=2, n_step=2, double=True, batch_size=64, **QUICK
    ),
    "pqn": PQN(network=GRU, num_envs=16, rollout_length=12, **QUICK),
    "pqn lru": PQN(network=LRU, num_envs=16, rollout_length=12, **QUICK),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REMEMBERING)
def test_action_values_with_a_memory_repeat_what_was_said(name):
    """Without a memory the share is one half; one action in twenty is random."""
    trained = train(REMEMBERING[name], Echo(), updates=600)
    assert mean(trained.metrics["episode/return"], last=50) > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["lstm", "lru"])
def test_every_memory_repeats_what_was_said(memory):
    config = PPO(**HARDER, network=NetworkConfig(hidden=(16,), **{memory: 16}))
    assert mean(train(config, Echo(), updates=150).metrics["episode/return"]) > 0.97


OFF = Normalisers(None, None, None)


def window(reward, terminated=(), truncated=()):
    """One sequence in which step t shows t, led to 10 + t, and was begun with the carry 100 + t."""
    time = len(reward)
    ends = lambda at: jnp.array([[t in at for t in range(time)]])  # noqa: E731
    obs = Remembered(jnp.arange(time)[None, :, None] * 1.0, 100.0 + jnp.arange(time)[None])
    return Transition(
        obs,
        jnp.arange(time)[None],
        jnp.array([reward]),
        ends(terminated),
        ends(truncated),
        final_obs=10.0 + jnp.arange(time)[None, :, None],
        log_prob=(),
    )


def test_a_sequence_is_learnt_between_its_burn_in_and_its_last_returns():
    """Six steps, two of them burnt in, two steps a target: three are learnt."""
    batch = sequence_batch(window([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), OFF, 2, 2, 0.5)
    np.testing.assert_array_equal(batch.action, [2, 3, 4])
    np.testing.assert_array_equal(batch.reward, [3 + 0.5 * 4, 4 + 0.5 * 5, 5 + 0.5 * 6])
    np.testing.assert_array_equal(batch.discount, [0.25] * 3)
    np.testing.assert_array_equal(batch.obs.carry, [100.0])  # that of the first step
    np.testing.assert_array_equal(batch.obs.valued()[:, 0], [2, 3, 4])
    # two steps after step t is what step t + 1 led to
    np.testing.assert_array_equal(batch.next_obs.valued()[:, 0], [13, 14, 15])


def test_a_target_of_a_sequence_ends_with_its_episode():
    batch = sequence_batch(window([1.0, 2.0, 3.0, 4.0], (0,), (2,)), OFF, 2, 0, 0.5)
    np.testing.assert_array_equal(batch.reward, [1, 2 + 0.5 * 3, 3])
    np.testing.assert_array_equal(batch.discount, [0.0, 0.25, 0.5])
    np.testing.assert_array_equal(batch.next_obs.valued()[:, 0], [10, 12, 12])
    np.testing.assert_array_equal(batch.obs.episode_start[0], [False, True, False, True])


def remembering(memory="gru"):
    config = NetworkConfig(hidden=(4,), **{memory: 4})
    net = q_network(config, 2, jnp.zeros(3), recurrent=True)
    return net, net.init(KEY, jnp.zeros(3))


def sequences(steps, after=(), time=6):
    """Two sequences, in the first of which an episode starts at step 3."""
    obs = jax.random.normal(jax.random.key(3), (2, time, 3))
    start = jnp.zeros((2, time), bool).at[0, 3].set(True)
    carry = (jnp.ones((2, 4)),)
    return Sequences(carry, obs, start, jnp.broadcast_to(jnp.array(steps), (2, len(steps))), after)


@pytest.mark.slow
@pytest.mark.parametrize("burn_in", [0, 2, 4])
def test_values_of_a_sequence_are_those_of_its_steps_one_by_one(burn_in):
    net, params = remembering()
    seen = sequences([1, 4, 5], after=jax.random.normal(KEY, (2, 6, 3)))
    now = outputs_of(net, params, seen._replace(after=()), burn_in).reshape(2, 3, 2)
    later = outputs_of(net, params, seen, burn_in).reshape(2, 3, 2)
    for row in range(2):
        carry = (seen.carry[0][row : row + 1],)
        for t in range(6):
            carry = jax.tree.map(jnp.zeros_like, carry) if seen.episode_start[row, t] else carry
            carry, q, _ = net.step(params, carry, seen.obs[row, t][None])
            next_q = net.step(params, carry, seen.after[row, t][None])[1]
            if t in (1, 4, 5):
                at = [1, 4, 5].index(t)
                np.testing.assert_allclose(now[row, at], q[0], rtol=1e-4, atol=1e-6)
                np.testing.assert_allclose(later[row, at], next_q[0], rtol=1e-4, atol=1e-6)


def test_no_gradient_goes_through_the_burn_in():
    net, params = remembering("lru")
    seen = sequences([2, 5])._replace(carry=(jnp.ones((2, 2, 4)),))

    def total(obs, burn_in):
        return outputs_of(net, params, seen._replace(obs=obs), burn_in).sum()

    gradient = jax.jit(jax.grad(total), static_argnums=1)
    through = jnp.abs(gradient(seen.obs, 0)).sum(axis=(0, 2))
    stopped = jnp.abs(gradient(seen.obs, 2)).sum(axis=(0, 2))
    assert (through[:2] > 0.0).all() and not stopped[:2].any()
    np.testing.assert_allclose(stopped[3:], through[3:], rtol=1e-4)


def test_the_stored_carry_is_that_of_acting():
    """Count's carry is the number of the episode's steps before this one."""
    config = DQN(num_envs=4, rollout_length=6, learning_starts=2_000)
    params = Clocked(max_steps_in_episode=5)
    _, begin, update = compiled(config, Scripted(), params, network=Count)
    state = begin()
    for _ in range(2):
        state, _ = update(state)
    stored = state.learner.buffer.experience.obs
    filled = np.asarray(state.learner.buffer.filled)
    np.testing.assert_array_equal(stored.carry[:filled], stored.obs[:filled, :, 1])
    assert filled == 12 and len(set(np.asarray(stored.carry[:filled]).ravel().tolist())) > 2


def test_the_carry_before_a_step_is_empty_where_an_episode_starts():
    net, params = remembering()
    seen = sequences([0])
    obs, start = (jnp.swapaxes(x, 0, 1) for x in (seen.obs, seen.episode_start))
    before = carries_before(net, params, seen.carry, obs, start)[0]
    np.testing.assert_array_equal(before[0], seen.carry[0])
    assert not before[3, 0].any() and before[3, 1].any() and before[4, 0].any()


def test_the_priority_of_a_sequence_is_nine_tenths_of_its_largest_error():
    error = sequence_error(jnp.array([1.0, -3.0, 0.0, 2.0]), 2)
    np.testing.assert_allclose(error, [0.9 * 3 + 0.1 * 2, 0.9 * 2 + 0.1 * 1], rtol=1e-6)


def test_settings_of_sequences_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"burn_in=4 applies to recurrent networks.*network.gru"):
        make(DQN(burn_in=4), Corridor())
    with pytest.raises(
        ValueError, match=r"buffer_size=64 holds 8 steps .* fewer than the 20 of a sequence"
    ):
        DQN(network=GRU, buffer_size=64, burn_in=4, learning_starts=0)
    with pytest.raises(ValueError, match=r"is recurrent, which distribution='iqn' does not train"):
        make(DQN(network=GRU, distribution="iqn", **SEQUENCES), Corridor())
    with pytest.raises(ValueError, match=r"gru=4 and lru=8 are several recurrent layers"):
        NetworkConfig(gru=4, lru=8)
    with pytest.raises(ValueError, match=r"num_minibatches=4 does not divide num_envs=6"):
        PQN(network=GRU, num_envs=6)
