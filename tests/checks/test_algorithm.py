"""`check_algorithm` on a sound algorithm, and on broken ones that each fail one check."""

from functools import cache

import pytest

from elsinore.algos.a2c import a2c
from elsinore.checks.algorithm import ALGORITHM_CHECKS, THOROUGH_CHECKS, check_algorithm
from elsinore.checks.result import CheckResult
from tests.checks import broken_algorithms as algorithms
from tests.small_envs import Corridor, Dart

ERRORS = {
    "no_algorithm": ("interface", "make gave a tuple without init, update"),
    "fractional_steps": ("interface", "steps_per_update is 0.5"),
    "bare_metrics": ("interface", "its metric 'loss/value' is float32[]"),
    "only_a_state": ("interface", "its update gives a TrainState"),
    "printing": ("pure", "update has side effects"),
    "growing": ("interface", "state.learner.params['more'] is new"),
    "other_type": ("interface", "state.update is int32[] before and float32[] after"),
    "weakly_typed": ("stable", "state.learner.params['value'] is weakly typed"),
    "whole_numbers": ("hyper", "hyper.gamma is int32[]"),
    "constant_hyper": ("interface", "its init gives a constant as state.hyper.gamma"),
    "counting_by_two": ("counts", "0 at first and 2 after one update"),
    "new_key": ("counts", "state.key is not the key that init was given"),
    "wrong_steps_per_update": ("counts", "took 32 env steps, but steps_per_update=33"),
    "equal_inits": ("seeds", "two seeds start with the same parameters"),
    "equal_networks": ("seeds", "two seeds start with the same parameters"),
    "equal_rollouts": ("seeds", "equal parameters and env states have equal rollouts"),
    "consuming_the_seed_key": ("keys", "the seed's own key was consumed 2 times"),
    "reusing_a_key": ("keys", "2 of"),
    "different_under_vmap": (
        "vmap",
        "seed 0 alone and among two differ in learner: params['value']",
    ),
    "action_out_of_space": ("act", "act gave 9, which is not in Discrete(4"),
    "growing_carry": ("interface", "carry is float32[2] before and float32[3] after"),
    "ignoring_masks": ("masks", "where action_mask is"),
    "ignoring_masks_in_training": ("masks", "illegal actions were taken in training"),
    "halved_returns": ("metrics", "in an environment that pays 3 a step"),
    "missing_metrics": ("metrics", "episode/length, episode/return missing from the metrics"),
    "nan_metric": ("metrics", "the metric 'loss/value' has total nan"),
    "vector_metric": ("interface", "make it a Mean of two scalars"),
    "value_of_three": ("interface", "its policy.value gives float32[3]; give one number"),
    "action_of_text": ("interface", "its policy.act gives an action that is a str"),
    "text_in_state": ("interface", "its init gives a state.stats that is a str"),
    "text_in_hyper": ("interface", "its hyper.gamma is a str"),
    "nan_parameters": ("learning", "params['value'] is not finite"),
}


@cache
def results_of(name, thorough=False):
    checked = check_algorithm(
        getattr(algorithms, name), algorithms.Config(), env_steps=300, thorough=thorough
    )
    return {result.check: result for result in checked}


def failures_of(name, **kwargs):
    return [result for result in results_of(name, **kwargs).values() if not result.passed]


def test_a_sound_algorithm_passes_every_check():
    assert list(results_of("sound", True)) == [*ALGORITHM_CHECKS, *THOROUGH_CHECKS]
    assert set(results_of("sound", True).values()) == {
        CheckResult(check, True) for check in ALGORITHM_CHECKS | THOROUGH_CHECKS
    }


# each compiles its own algorithm; the others run with the slow tests
QUICK = list(ERRORS)[::9]


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in ERRORS]
)
def test_a_broken_algorithm_fails_one_check_with_a_detail(name):
    check, seen = ERRORS[name]
    failures = failures_of(name)
    assert [(result.check, result.level) for result in failures] == [(check, "error")], failures
    assert seen in failures[0].detail


@pytest.mark.slow
def test_unchanged_parameters_are_a_warning():
    (result,) = failures_of("never_learning")
    assert (result.check, result.level) == ("learning", "warning")
    assert "the parameters did not change in 320 env steps" in result.detail


@pytest.mark.slow
def test_an_algorithm_that_treats_truncation_as_termination_fails_by_its_values():
    (result,) = failures_of("terminating_at_the_limit", thorough=True)
    assert result.check == "time limits" and "where 10 is right" in result.detail


def test_every_check_is_failed_by_some_algorithm():
    assert {check for check, _ in ERRORS.values()} == set(ALGORITHM_CHECKS)


def test_checks_that_need_a_failed_one_are_skipped():
    results = results_of("growing")
    skipped = {check for check, result in results.items() if result.skipped}
    assert skipped == set(ALGORITHM_CHECKS) - {"interface"}


@pytest.mark.parametrize("nothing", [None, object(), lambda config: None])
def test_a_subject_that_is_no_algorithm_gets_a_result_and_not_an_exception(nothing):
    interface, *others = check_algorithm(nothing)
    assert not interface.passed and all(result.skipped for result in others)


@pytest.mark.slow
def test_with_a_custom_env_the_checks_of_known_rewards_use_the_probe_env():
    results = check_algorithm(algorithms.sound, algorithms.Config(), env=Corridor(), env_steps=300)
    assert all(result.passed and not result.skipped for result in results), results


def test_an_algorithm_that_refuses_the_probe_env_skips_the_checks_that_need_it():
    def darts_only(config, env, env_params, num_updates, network=None):
        if not isinstance(env, Dart):
            raise ValueError("darts only.")
        return algorithms.sound(config, env, env_params, num_updates)

    results = check_algorithm(darts_only, algorithms.Config(), env=Dart(), env_steps=300)
    assert {result.check for result in results if result.skipped} == {
        "counts",
        "masks",
        "metrics",
    }
    assert all(
        "which the algorithm refuses: ValueError: darts only" in v.detail
        for v in results
        if v.skipped
    )


def test_the_default_config_is_that_of_the_annotation():
    assert all(result.passed for result in check_algorithm(algorithms.sound, env_steps=100))


def test_an_env_may_be_given_by_name():
    results = check_algorithm(a2c, env="CartPole-v1", env_steps=300)
    assert [result.detail for result in results if not result.passed] == []


@pytest.mark.parametrize("nothing", ["a2c", algorithms])
def test_what_is_no_function_gets_a_result_that_says_so(nothing):
    interface, *others = check_algorithm(nothing)
    assert (
        interface.detail == f"{nothing!r} is no function; give the function itself, not its name."
    )
    assert all(result.skipped for result in others)
