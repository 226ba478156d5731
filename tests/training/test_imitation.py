"""Learning from a teacher: a student comes to act as it does, and to do as well."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from elsinore.algos.dqn import DQNConfig, dqn
from elsinore.algos.ppo import PPOConfig, ppo
from elsinore.experience.autoreset import batched_reset
from elsinore.jaxtools import shards
from elsinore.nets.config import NetworkConfig
from elsinore.training.imitation import (
    Advice,
    ImitationConfig,
    allowed,
    choice_loss,
    imitate,
    labelled_rollout,
    legal_or_all,
    teacher_steps,
    worth_loss,
)
from elsinore.types import Algorithm, PolicyFunctions, PolicyState
from elsinore.worlds.cache.nets import CandidateScorer
from elsinore.worlds.cache.trace import TraceCache, replay, zipf_trace
from elsinore.worlds.cache.trace.teacher import belady_teacher
from tests.algos.trainees import QUICKLY
from tests.small_envs import Corridor, MaskedBandit

SOME = zipf_trace(6_000, 400)
SHORT = {"num_envs": 8, "rollout_length": 8, "env_steps": 60 * 64}
STUDENTS = {
    "ppo": (
        ppo,
        PPOConfig(
            num_envs=2, rollout_length=4, num_minibatches=1, network=NetworkConfig(hidden=(32,))
        ),
    ),
    "dqn": (dqn, DQNConfig(num_envs=2, learning_starts=0, network=NetworkConfig(hidden=(32,)))),
}


def imitated(student, env, env_params, teacher, **settings):
    """The algorithm, its state after imitation, and the metrics of imitation."""
    make, config = STUDENTS[student]
    algo = make(config, env, env_params, 1)
    state = algo.init(jax.random.key(0), env_params, algo.hyper)
    learn = jax.jit(
        lambda state: imitate(
            jax.random.key(1), algo, state, env, teacher, ImitationConfig(**settings)
        )
    )
    return algo, *learn(state)


def best_arm(state, env_params):
    """Of those that are legal, the one that pays most; an arm is worth its number."""
    return 3 - jnp.argmax(state.legal[::-1]), jnp.bool_(True), jnp.arange(4.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "loss"),
    [
        ("ppo", "choice"),
        pytest.param("ppo", "worth", marks=pytest.mark.slow),
        ("dqn", "worth"),
    ],
)
def test_a_student_comes_to_choose_exactly_as_its_teacher_does(student, loss):
    env = MaskedBandit()
    algo, state, metrics = imitated(student, env, env.default_params, best_arm, loss=loss, **SHORT)
    assert (metrics["agreement"][-5:] == 1.0).all() and metrics["agreement"][0] < 0.8
    assert metrics["loss"][-1] < 0.2 < metrics["loss"][0]
    for i in range(20):
        obs, world = env.reset_env(jax.random.key(i), env.default_params)
        chosen, _ = algo.policy.act(jax.random.key(i), state.policy_state, (), obs, greedy=True)
        assert int(chosen) == int(best_arm(world, env.default_params)[0])


def test_a_student_whose_parameters_are_not_finite_has_no_finite_loss():
    env = MaskedBandit()
    settings = SHORT | {"env_steps": 2 * 64, "learning_rate": 1e30, "loss": "worth"}
    _, _, metrics = imitated("dqn", env, env.default_params, best_arm, **settings)
    assert jnp.isfinite(metrics["loss"][0]) and jnp.isnan(metrics["loss"][1])


@pytest.mark.parametrize("action", [-1, 4, 99])
@pytest.mark.parametrize("loss", ["choice", "worth"])
def test_an_action_that_does_not_exist_is_not_taught_in_silence(loss, action):
    env = MaskedBandit()

    def teacher(state, env_params):
        _, matters, worth = best_arm(state, env_params)
        return jnp.int32(action), matters, worth

    settings = SHORT | {"env_steps": 64, "num_epochs": 1, "loss": loss}
    _, state, metrics = imitated("dqn", env, env.default_params, teacher, **settings)
    assert jnp.isnan(metrics["loss"]).all()
    assert all(jnp.isnan(leaf).all() for leaf in jax.tree.leaves(state.learner.params)[-1:])


def test_the_student_acts_where_advice_without_weight_is_no_action():
    env = Corridor()
    seen = batched_reset(env, jax.random.split(jax.random.key(1), 8), env.default_params)
    policy = PolicyFunctions(lambda key, *_: (jax.random.randint(key, (), 0, 2), ()))
    student = Algorithm(lambda *_: None, lambda _: None, policy, (), 1)  # never trained

    @partial(jax.jit, static_argnums=1)
    def cells(action, own_share):
        advice = lambda state, params: (action, jnp.bool_(False))  # noqa: E731
        config = ImitationConfig(**SHORT, own_share=own_share)
        play = partial(labelled_rollout, algo=student, env=env, teacher=advice, config=config)
        _, batch = play(jax.random.key(2), PolicyState({}, ()), env.default_params, seen)
        return batch.obs.argmax(axis=-1)

    students = cells(1, 1.0)
    assert (students > 0).any()
    for none in (-1, 2):
        np.testing.assert_array_equal(cells(none, 0.0), students)
    assert not np.array_equal(cells(1, 0.0), students)


def test_only_legal_actions_or_states_without_weight_are_allowed():
    legal = jnp.array([[True, False]] * 5)
    advice = Advice(
        jnp.array([0, 1, 1, -1, 2]), matters=jnp.array([True, True, False, False, True])
    )
    np.testing.assert_array_equal(allowed(legal, advice), [True, False, True, True, False])


def test_two_shards_learn_from_their_rows_what_all_rows_teach():
    """Shards have other numbers of rows that matter; a step is the mean over all of them."""
    params, rows = jnp.arange(3.0), jax.random.normal(jax.random.key(0), (8, 3))
    matters = jnp.arange(8) < 5  # four of the first shard, one of the second

    def loss(params, batch):
        (rows, matters), num_rows = batch
        weight = matters / num_rows
        return jnp.sum(weight * jnp.square(rows @ params - 1.0)), jnp.sum(weight * rows[:, 0])

    def learnt(rows, matters):
        batch = (rows, matters), shards.total(jnp.sum(matters))
        descent = optax.sgd(0.1)
        return teacher_steps(loss, descent, params, descent.init(params), batch, 3)

    whole = learnt(rows, matters)
    each = jax.vmap(learnt, axis_name=shards.IN_TURN)(rows.reshape(2, 4, 3), matters.reshape(2, 4))
    for one, all_ in zip(jax.tree.leaves(each), jax.tree.leaves(whole), strict=True):
        for shard in one:
            np.testing.assert_allclose(shard, all_, rtol=1e-5)


def test_a_state_without_weight_may_have_any_action():
    legal = jnp.ones((4, 2), bool)
    advice = Advice(jnp.array([0, 2, 99, -4]), jnp.array([True, False, False, False]))
    np.testing.assert_allclose(choice_loss(jnp.zeros((4, 2)), legal, advice), np.log(2), rtol=1e-6)


@pytest.mark.parametrize("loss", [choice_loss, worth_loss])
def test_a_state_without_legal_actions_has_a_finite_loss(loss):
    obs = {"x": jnp.ones((2, 1)), "action_mask": jnp.array([[False] * 3, [True, False, True]])}
    outputs, worth = jnp.zeros((2, 3)), jnp.ones((2, 3))
    legal = legal_or_all(obs, outputs)
    np.testing.assert_array_equal(legal, [[True] * 3, [True, False, True]])
    advice = Advice(jnp.zeros(2, jnp.int32), jnp.array([False, True]), worth)
    assert np.isfinite(loss(outputs, legal, advice)).all()
    gradient = jax.grad(lambda x: jnp.sum(advice.matters * loss(x, legal, advice)))(outputs)
    assert np.isfinite(gradient).all()


def test_targets_are_those_of_what_was_learnt():
    env = MaskedBandit()
    _, state, _ = imitated("dqn", env, env.default_params, best_arm, loss="worth", **SHORT)
    same = jax.tree.map(
        lambda a, b: bool((a == b).all()), state.learner.params, state.learner.target_params
    )
    assert all(jax.tree.leaves(same))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["choice", "worth"])
def test_who_imitates_belady_hits_more_than_lru(loss):
    env = TraceCache(SOME, 40)
    env_params = env.default_params.replace(max_steps_in_episode=1_000)
    algo, state, metrics = imitated("ppo", env, env_params, belady_teacher(env), loss=loss)
    assert metrics["loss"][-10:].mean() < metrics["loss"][0]
    start = env.default_params.replace(random_start=False, max_steps_in_episode=10**6)

    def step(seen, key):
        action, _ = algo.policy.act(key, state.policy_state, (), seen[0], greedy=True)
        return env.step_env(key, seen[1], action, start)[:2], None

    keys = jax.random.split(jax.random.key(2), SOME.num_requests)
    hits = jax.jit(
        lambda: jax.lax.scan(step, env.reset_env(jax.random.key(0), start), keys)[0][1].hits
    )()
    assert int(hits) > replay(SOME, "lru", 40).hits * 1.1


def test_the_teacher_does_what_belady_with_bypass_would():
    env = TraceCache(SOME, 40, decide="sampled", candidates=40)  # it may choose among all
    params = env.default_params.replace(random_start=False, max_steps_in_episode=10**6)
    teach = belady_teacher(env)

    def step(state, key):
        return env.step_env(key, state, teach(state, params)[0], params)[1], None

    keys = jax.random.split(jax.random.key(0), SOME.num_requests)
    last = jax.jit(
        lambda: jax.lax.scan(step, env.reset_env(jax.random.key(0), params)[1], keys)[0]
    )()
    optimum = replay(SOME, "belady_bypass", 40).hits
    assert int(last.hits) == optimum


def test_a_student_with_a_memory_is_refused():
    env = MaskedBandit()
    config = PPOConfig(
        num_envs=2, rollout_length=4, num_minibatches=1, network=NetworkConfig(gru=4)
    )
    algo = ppo(config, env, env.default_params, 1)
    with pytest.raises(ValueError, match=r"no recurrent network \(algo.network.gru\)"):
        state = algo.init(jax.random.key(0), env.default_params, algo.hyper)
        imitate(jax.random.key(0), algo, state, env, best_arm, ImitationConfig())


def test_the_newcomer_is_judged_as_an_entry_that_was_stored_this_instant():
    scorer = CandidateScorer(4)
    obs = {
        "globals": jnp.zeros(12),
        "candidates": jnp.zeros((3, 8)),
        "action_mask": jnp.ones(4, bool),
    }
    params = scorer.init(jax.random.key(0), obs)
    scores, _ = scorer.apply(
        params, obs | {"candidates": jax.random.normal(jax.random.key(1), (3, 8))}
    )
    mirrored, _ = scorer.apply(
        params, obs | {"candidates": jax.random.normal(jax.random.key(1), (3, 8))[::-1]}
    )
    assert scores.shape == (4,)
    # the order of candidates means nothing
    assert jnp.allclose(mirrored, scores[jnp.array([2, 1, 0, 3])], atol=1e-6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_envs", 0),
        ("env_steps", 100),
        ("env_steps", 2**43),
        ("loss", "mse"),
        ("learning_rate", 0.0),
        ("own_share", 1.5),
    ],
)
def test_a_config_that_cannot_be_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field}={value!r} "):
        ImitationConfig(**{field: value})


def test_a_student_of_action_values_learns_the_same_whatever_the_unit_of_its_rewards():
    env = Corridor()
    config = DQNConfig(
        num_envs=2, learning_starts=0, normalize_rewards=True, network=NetworkConfig(hidden=(4,))
    )
    algo = dqn(config, env, env.default_params, 1)
    settings = ImitationConfig(num_envs=2, rollout_length=2, env_steps=8, loss="choice")
    advice = (jnp.int32(1), jnp.bool_(True), jnp.arange(2.0))

    @partial(jax.jit, compiler_options=QUICKLY)
    def taught(deviation):
        state = algo.init(jax.random.key(0), env.default_params, algo.hyper)
        returns = state.stats.returns._replace(var=deviation**2)
        state = state._replace(stats=state.stats._replace(returns=returns))
        return imitate(jax.random.key(1), algo, state, env, lambda *_: advice, settings)[1]

    once, again = taught(1.0), taught(20.0)
    assert once["loss"].tolist() == again["loss"].tolist()
