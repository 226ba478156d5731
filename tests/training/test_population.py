"""Members that do badly go on from members that do well, with other numbers, and nothing else
changes."""

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsinore.algos.ppo import ppo
from elsinore.experience.normalisation import Normalisers
from elsinore.ops.running_statistics import RunningStats
from elsinore.training.early_stopping import ConvergenceConfig, init_convergence
from elsinore.training.layout import layout_for
from elsinore.training.population import Number, PBTConfig, Population, evolve, parents
from elsinore.training.replicas import init_seeds, over_seeds
from elsinore.types import RunState
from tests.algos.trainees import CURIOUS, GRU, PPO
from tests.toys import BEST, ToyConfig, toy_program

GAIN = Number("gain", ("gain", "gain_final"), 0.0, 1.0, log=False)


def population_of(gains, seeds: int = 1, chunks: int = 1, noise: float = 0.0):
    """Toys with these gains, trained for a few chunks of two updates."""
    program = toy_program(ToyConfig(), num_updates=200)
    layout = layout_for(len(gains) * seeds)
    numbers = jnp.repeat(jnp.array(gains, jnp.float32), seeds)
    hyper = program.algo.hyper._replace(
        gain=numbers, gain_final=numbers, noise=jnp.full_like(numbers, noise)
    )
    state = init_seeds(program, layout, 0, hyper)
    launch = over_seeds(program.chunk, layout)
    for _ in range(chunks):
        state, _ = launch(state, jnp.int32(2))
    return state, launch


def scores(state):
    return np.asarray(state.train.learner.params["score"])


@given(share=st.integers(1, 50), members=st.integers(2, 200))
def test_a_share_of_members_is_rounded_down_as_its_decimal_is(share, members):
    config = PBTConfig(quantile=share / 100)
    assert config.replaced(members) == max(1, share * members // 100)


def test_a_member_is_worth_the_mean_over_its_seeds_of_their_last_evaluation():
    state, _ = population_of([0.2, 0.7], seeds=2)
    history = jnp.array([[1.0], [3.0], [5.0], [jnp.nan]]) * jnp.ones((1, 3))
    state = state._replace(convergence=state.convergence._replace(history=history))
    np.testing.assert_array_equal(Population(2, 2).scores(state), [2.0, -np.inf])
    np.testing.assert_array_equal(Population(2, 2, mode="min").scores(state), [-2.0, -np.inf])


def test_the_worst_go_on_from_the_best_and_the_others_from_themselves():
    score = jnp.array([5.0, -jnp.inf, 3.0, 8.0, 1.0, 4.0])
    for seed in range(20):
        found = np.asarray(parents(jax.random.key(seed), score, 2))
        assert (found[[0, 2, 3, 5]] == -1).all()
        assert set(found[[1, 4]].tolist()) <= {0, 3}
    drawn = {
        tuple(np.asarray(parents(jax.random.key(seed), score, 2))[[1, 4]].tolist())
        for seed in range(30)
    }
    assert drawn == {(0, 0), (0, 3), (3, 0), (3, 3)}


def test_a_copy_has_what_its_parent_learnt_and_half_of_its_number_if_halving_is_the_only_change():
    state, _ = population_of([0.6, 0.1, 0.3, 0.5], seeds=2)
    between = evolve(PBTConfig(perturb=(0.5,), resample=0.0), (GAIN,), Population(4, 2))
    after, logged = between(state, jnp.int32(1))
    np.testing.assert_allclose(
        after.train.hyper.gain, [0.6, 0.6, 0.3, 0.3, 0.3, 0.3, 0.5, 0.5], rtol=1e-6
    )
    # it follows
    np.testing.assert_array_equal(after.train.hyper.gain_final, after.train.hyper.gain)
    np.testing.assert_array_equal(scores(after), scores(state)[[0, 1, 0, 1, 4, 5, 6, 7]])
    np.testing.assert_array_equal(
        after.convergence.history, state.convergence.history[jnp.array([0, 1, 0, 1, 4, 5, 6, 7])]
    )
    np.testing.assert_array_equal(
        logged["population/parent"], [np.nan, np.nan, 0, 0, np.nan, np.nan, np.nan, np.nan]
    )
    np.testing.assert_array_equal(logged["hyper/gain"], after.train.hyper.gain)


def test_keys_envs_and_each_ones_own_best_stay():
    state, _ = population_of([0.6, 0.1, 0.3, 0.5])
    state = state._replace(best=state.best._replace(score=jnp.arange(4.0)))
    state = state._replace(train=state.train._replace(key=jax.random.split(jax.random.key(3), 4)))
    after, _ = evolve(PBTConfig(), (GAIN,), Population(4, 1))(state, jnp.int32(1))
    assert (after.train.key == state.train.key).all()
    np.testing.assert_array_equal(after.best.score, state.best.score)
    np.testing.assert_array_equal(after.train.actor.obs, state.train.actor.obs)


def test_a_copy_scales_rewards_as_its_parent_and_adds_to_the_returns_of_its_own_envs():
    state, _ = population_of([0.6, 0.1, 0.3, 0.5])
    known = RunningStats(*(jnp.arange(4.0) for _ in RunningStats._fields))
    stats = Normalisers(None, known, jnp.arange(8.0).reshape(4, 2))
    state = state._replace(train=state.train._replace(stats=stats))
    after, logged = evolve(PBTConfig(), (GAIN,), Population(4, 1))(state, jnp.int32(1))
    assert logged["population/parent"][1] == 0
    np.testing.assert_array_equal(after.train.stats.returns.mean, [0, 0, 2, 3])
    np.testing.assert_array_equal(after.train.stats.running_return, stats.running_return)


@pytest.mark.slow
def test_numbers_stay_within_their_ranges():
    state, _ = population_of([0.7, 0.1, 0.2, 0.3, 0.05, 0.4, 0.9, 1.0])
    for chunk in range(1, 40):
        config = PBTConfig(quantile=0.5, perturb=(0.01, 100.0), resample=0.5)
        number = Number("gain", ("gain",), 0.2, 0.8, log=True)
        after, logged = evolve(config, (number,), Population(8, 1))(state, jnp.int32(chunk))
        replaced = np.isfinite(logged["population/parent"])
        assert replaced.sum() == 4
        gains = np.asarray(after.train.hyper.gain)
        assert ((gains[replaced] >= 0.2 - 1e-6) & (gains[replaced] <= 0.8 + 1e-6)).all()
        np.testing.assert_array_equal(
            gains[~replaced], np.asarray(state.train.hyper.gain)[~replaced]
        )


def test_drawn_afresh_a_number_is_anywhere_in_its_range():
    state, _ = population_of([0.7, 0.1])
    between = jax.jit(
        evolve(
            PBTConfig(resample=1.0, quantile=0.5),
            (Number("gain", ("gain",), 1e-4, 1.0, True),),
            Population(2, 1),
        )
    )
    drawn = np.array([between(state, jnp.int32(c))[0].train.hyper.gain[1] for c in range(1, 200)])
    assert np.median(np.log10(drawn)) == pytest.approx(-2.0, abs=0.4)
    assert drawn.min() < 5e-4 and drawn.max() > 0.2


def test_nothing_happens_between_the_periods():
    state, _ = population_of([0.6, 0.1])
    between = evolve(PBTConfig(period=3, quantile=0.5), (GAIN,), Population(2, 1))
    for chunk in (1, 2, 4, 5):
        after, logged = between(state, jnp.int32(chunk))
        np.testing.assert_array_equal(scores(after), scores(state))
        assert np.isnan(logged["population/parent"]).all()
    assert np.isfinite(between(state, jnp.int32(3))[1]["population/parent"]).sum() == 1


def test_a_broken_member_lives_again_as_a_copy():
    state, launch = population_of([0.6, 2.0, 0.5, 0.4])
    assert np.isnan(scores(state)[1]) and bool(state.convergence.frozen[1])
    after, _ = evolve(PBTConfig(resample=0.0, perturb=(1.0,)), (GAIN,), Population(4, 1))(
        state, jnp.int32(1)
    )
    assert not after.convergence.frozen.any()
    later, _ = launch(after, jnp.int32(2))
    np.testing.assert_array_equal(later.train.update, [4, 4, 4, 4])
    assert np.isfinite(scores(later)).all()


def test_what_a_copy_remembers_begins_anew():
    """Its own envs go on, and what it remembers of them is of the network before."""
    state, _ = population_of([0.6, 0.1, 0.3, 0.5], seeds=2)
    actor = state.train.actor._replace(carry=jnp.ones((8, 3, 2)))  # [replica, env, ...]
    state = state._replace(train=state.train._replace(actor=actor))
    between = evolve(PBTConfig(), (GAIN,), Population(4, 2), jnp.array([0.0, 5.0]))
    after, _ = between(state, jnp.int32(1))
    remembered = np.asarray(after.train.actor.carry)
    np.testing.assert_array_equal(remembered[2:4], np.broadcast_to([0.0, 5.0], (2, 3, 2)))
    assert (remembered[[0, 1, 4, 5, 6, 7]] == 1.0).all()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"network": GRU}, {"rnd": CURIOUS}], ids=["gru", "rnd"])
def test_nothing_of_a_broken_members_envs_breaks_its_copy(options):
    """Actions that are not finite leave an env, a carry and a bonus that are not."""
    env, params = gymnax.make("Pendulum-v1")
    algo = ppo(PPO(num_envs=4, **options), env, params, 100)
    update = jax.jit(algo.update)
    good, bad = (algo.init(jax.random.key(seed), params, algo.hyper) for seed in (0, 1))
    nothing = jax.tree.map(lambda x: jnp.nan * x, bad.learner.params)
    bad = update(bad._replace(learner=bad.learner._replace(params=nothing)))[0]
    assert np.isnan(bad.actor.obs).any()
    judged = init_convergence(ConvergenceConfig())._replace(history=jnp.zeros(3))
    members = [
        RunState(train, jnp.int32(stage), judged._replace(diverged_at=jnp.int32(at)), score)
        for train, stage, at, score in ((update(good)[0], 1, -1, 5.0), (bad, 0, 1, 3.0))
    ]
    state = jax.tree.map(lambda *x: jnp.stack(x), *members)
    number = Number("gamma", ("gamma",), 0.9, 1.0, log=False)
    initial = algo.policy.initial_carry
    step = evolve(PBTConfig(quantile=0.5), (number,), Population(2, 1), initial)
    after, _ = step(state, jnp.int32(1))
    np.testing.assert_array_equal(after.curriculum, [1, 1])
    np.testing.assert_array_equal(after.best, [5.0, 3.0])
    copy = jax.tree.map(lambda x: x[1], after.train)
    assert (copy.key == bad.key).all()
    for _ in range(2):
        copy = update(copy)[0]
        assert all(np.isfinite(x).all() for x in jax.tree.leaves((copy.learner, copy.rnd)))


def test_padding_is_left_alone():
    state, _ = population_of([0.6, 0.1, 0.5])
    padded = jax.tree.map(lambda x: jnp.concatenate([x, x[:2]]), state)
    after, logged = evolve(PBTConfig(), (GAIN,), Population(3, 1))(padded, jnp.int32(1))
    np.testing.assert_array_equal(scores(after)[3:], scores(padded)[3:])
    np.testing.assert_array_equal(after.train.hyper.gain[3:], padded.train.hyper.gain[3:])


def test_what_happens_is_a_function_of_state_and_chunk_alone():
    state, _ = population_of([0.6, 0.1, 0.5, 0.2])
    between = jax.jit(evolve(PBTConfig(), (GAIN,), Population(4, 1)))
    once, again, later = (between(state, jnp.int32(c))[0].train.hyper.gain for c in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert (once != later).any()


def test_numbers_move_to_where_the_score_is_best():
    gains = np.linspace(0.0, 0.3, 8)
    state, launch = population_of(gains, noise=0.001)
    between = jax.jit(evolve(PBTConfig(), (GAIN,), Population(8, 1)))
    for chunk in range(1, 40):
        state, _ = between(state, jnp.int32(chunk))
        state, _ = launch(state, jnp.int32(2))
    assert abs(float(np.median(state.train.hyper.gain)) - BEST) < 0.15  # it began 0.55 away
    alone, _ = population_of(gains, chunks=40, noise=0.001)
    # both are losses: it lost less than half
    assert scores(state).max() > 0.5 * scores(alone).max()
