"""What `check_algorithm` says of algorithms that break one law each, and of ours."""

from functools import cache

import pytest
from gymnax.environments import spaces

from elsinore.laws.algorithm import LAWS, THOROUGH, check_algorithm
from elsinore.laws.verdict import Verdict
from tests.laws import broken_algorithms as algorithms
from tests.worlds import Corridor, Dart

ERRORS = {
    "no_algorithm": ("interface", "make gave a tuple without init, update"),
    "half_a_step": ("interface", "steps_per_update is 0.5"),
    "bare_metrics": ("interface", "the metric 'loss/value' is ShapeDtypeStruct"),
    "only_a_state": ("interface", "update gave"),
    "printing": ("pure", "update reaches outside of itself"),
    "growing": ("stable", "one structure before an update, another after"),
    "other_type": ("stable", "state.update is int32[], and float32[] after an update"),
    "weakly_typed": ("stable", "state.learner.params['value'] is weakly typed"),
    "whole_numbers": ("hyper", "hyper.gamma is int32[]"),
    "counting_by_two": ("counts", "0 at first and 2 after an update"),
    "new_key": ("counts", "state.key is not the key that init was given"),
    "miscounting": ("counts", "took 32 env steps, and steps_per_update=33"),
    "one_beginning": ("seeds", "two seeds begin with the same parameters"),
    "one_network": ("seeds", "two seeds begin with the same parameters"),
    "one_fate": ("seeds", "equal parameters and worlds live the same"),
    "spending_the_seed": ("keys", "the seed's own key was spent 2 times"),
    "drawing_twice": ("keys", "2 of"),
    "other_among_others": ("vmap", "seed 0 alone and among two differ in learner: params['value']"),
    "off_the_map": ("act", "act gave 9, which is not in Discrete(4"),
    "forgetful": ("act", "float32[3] for float32[2]"),
    "lawless": ("masks", "where action_mask is"),
    "lawless_in_training": ("masks", "illegal actions were taken in training"),
    "telling_half": ("metrics", "in a world that pays 3 a step"),
    "telling_nothing": ("metrics", "episode/length, episode/return is not told"),
    "telling_no_number": ("metrics", "the metric 'loss/value' came to total nan"),
    "telling_many": ("interface", "make it a Mean of two float32 scalars"),
    "exploding": ("learning", "params['value'] is not finite"),
}


@cache
def verdicts_of(name, thorough=False):
    checked = check_algorithm(getattr(algorithms, name), algorithms.Config(), env_steps=300, thorough=thorough)
    return {verdict.law: verdict for verdict in checked}


def broken_of(name, **kwargs):
    return [verdict for verdict in verdicts_of(name, **kwargs).values() if not verdict.holds]


def test_a_sound_algorithm_keeps_every_law():
    assert list(verdicts_of("sound", True)) == [*LAWS, *THOROUGH]
    assert set(verdicts_of("sound", True).values()) == {Verdict(law, True) for law in LAWS | THOROUGH}


QUICK = list(ERRORS)[::9]  # each compiles an algorithm of its own; the others take their turn with the slow ones


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in ERRORS])
def test_a_broken_algorithm_breaks_one_law_which_is_named_with_what_was_seen(name):
    law, seen = ERRORS[name]
    broken = broken_of(name)
    assert [(verdict.law, verdict.level) for verdict in broken] == [(law, "error")], broken
    assert seen in broken[0].detail


@pytest.mark.slow
def test_one_that_learns_nothing_is_warned_of():
    (verdict,) = broken_of("idle")
    assert (verdict.law, verdict.level) == ("learning", "warning")
    assert "nothing has been learnt in 320 env steps" in verdict.detail


@pytest.mark.slow
def test_one_that_takes_time_outs_for_deaths_is_found_by_what_it_learns():
    (verdict,) = broken_of("mortal", thorough=True)
    assert verdict.law == "time limits" and "a world worth 10 is thought to be worth" in verdict.detail


def test_every_law_is_broken_by_some_algorithm():
    assert {law for law, _ in ERRORS.values()} == set(LAWS)


def test_laws_that_rest_on_a_broken_one_are_skipped_and_not_blamed():
    verdicts = verdicts_of("growing")
    assert {law for law, verdict in verdicts.items() if verdict.skipped} == set(LAWS) - {"interface", "pure", "stable"}


@pytest.mark.parametrize("nothing", [None, object(), lambda config: None])
def test_what_is_no_algorithm_at_all_gets_a_verdict_and_not_an_exception(nothing):
    interface, *others = check_algorithm(nothing)
    assert not interface.holds and all(verdict.skipped for verdict in others)


@pytest.mark.slow
def test_in_a_world_of_the_users_what_only_a_known_one_tells_is_asked_there():
    verdicts = check_algorithm(algorithms.sound, algorithms.Config(), env=Corridor(), env_steps=300)
    assert all(verdict.holds and not verdict.skipped for verdict in verdicts), verdicts


def test_an_algorithm_that_cannot_act_in_the_known_world_is_not_blamed_for_that():
    def continuous_only(config, env, env_params, num_updates, network=None):
        if not isinstance(env.action_space(env_params), spaces.Box):
            raise ValueError("this steers.")
        return algorithms.sound(config, env, env_params, num_updates)

    verdicts = check_algorithm(continuous_only, algorithms.Config(), env=Dart(), env_steps=300)
    assert {verdict.law for verdict in verdicts if verdict.skipped} == {"counts", "masks", "metrics"}
    assert all("which this refuses: ValueError: this steers" in v.detail for v in verdicts if v.skipped)


def test_the_config_is_that_of_the_annotation_where_none_is_given():
    assert all(verdict.holds for verdict in check_algorithm(algorithms.sound, env_steps=100))
