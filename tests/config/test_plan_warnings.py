"""Warnings of a plan about actions that a normal does not fit. Pendulum's preset begins with a
deviation of 0.61."""

from types import SimpleNamespace

import jax.numpy as jnp
import pytest
from gymnax.environments import spaces

from elsinore import envs
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.config.plan_warnings import unscaled_actions


class Levers(type(envs.make("Pendulum-v1")[0])):
    """Pendulum with two actions, the second within bounds of the test."""

    def __init__(self, low, high):
        super().__init__()
        self.bounds = jnp.array([-2.0, low]), jnp.array([2.0, high])

    def action_space(self, params):
        return spaces.Box(*self.bounds, (2,))

    def step_env(self, key, state, action, params):
        return super().step_env(key, state, action[:1], params)


def warned(env, algo="ppo", **settings):
    overrides = {f"algo.{name.replace('__', '.')}": value for name, value in settings.items()}
    experiment = load_experiment("Pendulum-v1", algo, overrides=overrides)
    return [x for x in plan_facts(plan_for(experiment, env)) if "actions begin as normals" in x]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (10.0, 20.0, "of which 0.0% lie within the bounds"),
        (-0.01, 0.01, "of which 1.3% lie within the bounds"),
        (-1000.0, 1000.0, "which reach 0.1% of the range"),
        (0.0, 255.0, "which reach 0.5% of the range"),
    ],
)
def test_a_plan_warns_of_bounds_that_the_first_actions_hardly_meet(low, high, said):
    (line,) = warned(Levers(low, high))
    assert said in line and f"of action 1, from {low:g} to {high:g}" in line
    assert not warned(Levers(low, high), action_distribution="squashed")
    assert not warned(Levers(low, high), "sac")
    assert warned(Levers(low, high), action_distribution="gsde")


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0), (0.0, jnp.inf), (-30.0, 30.0)])
def test_a_plan_does_not_warn_of_bounds_that_they_meet(low, high):
    assert not warned(Levers(low, high))


def test_the_deviation_counts():
    assert warned(Levers(-30.0, 30.0), network__initial_log_std=-1.0)
    assert not warned(Levers(-0.01, 0.01), network__initial_log_std=-3.0)


def test_an_algorithm_that_no_agent_learns_by_is_not_warned_of():
    """`algo` is ppo by default, and where agents have their own algorithms trains none of them."""
    for name, warns in (("sac", False), ("ppo", True)):
        agents = [{"id": x, "algo": name} for x in "ab"]
        experiment = load_experiment("Pendulum-v1", overrides={"agents": agents})
        plan = SimpleNamespace(env=Levers(10.0, 20.0), env_params=None, experiment=experiment)
        assert bool(unscaled_actions(plan)) is warns


def test_discrete_actions_are_not_warned_of():
    experiment = load_experiment("CartPole-v1")
    assert not any("begin as normals" in x for x in plan_facts(plan_for(experiment)))


@pytest.mark.parametrize(
    ("budget", "remedy"),
    [
        ({"env_steps": 4000}, "raise env_steps=4000"),
        ({"stop.episodes": 8}, "raise stop.episodes=8"),
    ],
)
def test_a_plan_warns_of_rivals_that_never_move_by_policy(budget, remedy):
    overrides = {"self_play": {"period": 1000}} | budget
    facts = plan_facts(plan_for(load_experiment("Nim", overrides=overrides)))
    (line,) = [fact for fact in facts if "freezes no policy" in fact]
    assert line.endswith(f"every rival moves at random; lower it, or {remedy}")
