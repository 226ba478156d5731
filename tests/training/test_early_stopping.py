"""When a seed is said to have converged, by evaluations written out by hand."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import pytest

from elsinore.algos.optimise import Learner
from elsinore.training.chunk import earliest_update, with_score
from elsinore.training.early_stopping import ConvergenceConfig, init_convergence, judge, watched
from elsinore.types import Algorithm, Best, TrainState


def judged(scores, config, min_updates=0, finite=True):
    """The state after each score; evaluation i is made after update 10 (i + 1)."""
    step = jax.jit(
        lambda s, score, update: judge(config, s, score, jnp.bool_(finite), update, min_updates)
    )
    state, states = init_convergence(config), []
    for i, score in enumerate(scores):
        state = step(state, jnp.float32(score), jnp.int32(10 * (i + 1)))
        states.append(state)
    return states


def test_the_mean_of_the_window_must_hold_for_as_long_as_patience_says():
    config = ConvergenceConfig(target=100.0, window=2, patience=2)
    states = judged([90, 100, 110, 100, 0], config)
    #  means of two:  -   95  105  105  50
    assert [int(s.streak) for s in states] == [0, 0, 1, 2, 0]
    assert [int(s.converged_at) for s in states] == [-1, -1, -1, 40, 40]


def test_an_unfilled_window_never_counts():
    assert [
        int(s.converged_at)
        for s in judged([500, 500], ConvergenceConfig(target=1.0, window=3, patience=1))
    ] == [
        -1,
        -1,
    ]


def test_getting_even_better_does_not_cost_patience():
    """The older rule reset its patience at every improvement, so that a run that kept improving
    never converged."""
    config = ConvergenceConfig(target=100.0, window=1, patience=3)
    assert int(judged([101, 102, 103], config)[-1].converged_at) == 30


def test_nothing_converges_before_its_time():
    config = ConvergenceConfig(target=0.0, window=1, patience=1)
    assert [int(s.converged_at) for s in judged([1, 1, 1], config, min_updates=25)] == [-1, -1, 30]


@pytest.mark.parametrize("name", ["window", "patience", "plateau_patience"])
def test_more_evaluations_than_can_be_counted_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}=2147483648 must be at most 2\\^31 - 1"):
        ConvergenceConfig(**{name: 2**31})


def test_a_time_beyond_all_updates_is_their_last():
    config = ConvergenceConfig(target=0.0, window=1, patience=1, min_env_steps=10**13)
    earliest = earliest_update(config, Algorithm(None, None, None, (), steps_per_update=1))
    assert [int(s.converged_at) for s in judged([1, 1], config, min_updates=earliest)] == [-1, -1]


def test_a_plateau_is_so_many_evaluations_without_a_new_best():
    config = ConvergenceConfig(plateau_patience=2, min_delta=1.0)
    states = judged([10, 12, 12.5, 11, 11], config)
    assert [int(s.since_best) for s in states] == [0, 0, 1, 2, 3]
    assert [int(s.plateau_at) for s in states] == [-1, -1, -1, 40, 40]


def test_what_has_converged_is_on_no_plateau():
    config = ConvergenceConfig(target=10.0, window=1, patience=1, plateau_patience=2)
    last = judged([10, 10, 10, 10], config)[-1]
    assert int(last.converged_at) == 10 and int(last.plateau_at) == -1


def test_without_a_target_nothing_converges():
    assert int(judged([1e9] * 5, ConvergenceConfig(window=1, patience=1))[-1].converged_at) == -1


def test_switched_off_it_only_watches():
    config = ConvergenceConfig(enabled=False, target=1.0, window=1, patience=1, plateau_patience=1)
    last = judged([5, 5, 5], config)[-1]
    assert not bool(last.frozen) and float(last.best) == 5.0


def test_parameters_that_are_not_finite_never_converge():
    config = ConvergenceConfig(target=1.0, window=1, patience=1)
    last = judged([5, 5], config, finite=False)[-1]
    assert int(last.converged_at) == -1 and int(last.diverged_at) == 10
    assert jnp.isnan(last.history[0])
    assert last.best == -jnp.inf and int(last.since_best) == 2


def test_a_policy_of_parameters_that_are_not_finite_is_never_the_best():
    """Its actions are one and the same, which may be worth more than all before."""

    def after(value, update):
        learner, nothing = Learner({"w": jnp.full(3, value)}, ()), cast(Any, ())
        return TrainState(
            jax.random.key(0), jnp.int32(update), learner, nothing, nothing, nothing, nothing
        )

    config, first = ConvergenceConfig(), after(1.0, 1)
    best = Best(jnp.float32(-jnp.inf), jnp.int32(0), first.policy_state)
    tested = init_convergence(config), best
    tested = with_score(config, *tested, first, jnp.float32(10.0), 0)
    _, best = with_score(config, *tested, after(jnp.nan, 2), jnp.float32(12.0), 0)
    assert (float(best.score), int(best.update)) == (10.0, 1)
    assert jnp.isfinite(best.policy_state.params["w"]).all()


def test_parameters_that_break_between_evaluations_leave_no_score_behind():
    scored = judged([5, 7], ConvergenceConfig(window=2))[-1]
    for finite, newest in ((True, 7.0), (False, jnp.nan)):
        later = watched(scored, jnp.bool_(finite), jnp.int32(25))
        assert jnp.array_equal(later.history[0], newest, equal_nan=True)
        assert int(later.diverged_at) == (-1 if finite else 25)


def test_training_episodes_can_be_counted_in_place_of_evaluations():
    config = ConvergenceConfig(target=195.0, counts="episodes", window=100, patience=1)
    state = init_convergence(config)
    means = [float("nan"), 194.9, 195.0]  # NaN: fewer than 100 so far
    for i, mean in enumerate(means):
        state = judge(
            config,
            state,
            jnp.float32(500.0),  # evaluations do not count
            jnp.bool_(True),
            jnp.int32(i + 1),
            0,
            jnp.float32(mean),
        )
        assert int(state.converged_at) == (3 if i == 2 else -1)
    assert state.history.shape == (1,)
