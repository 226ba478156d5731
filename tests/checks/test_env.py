"""`check_env` on sound environments, and on broken ones that each fail one check."""

import subprocess
import sys
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import pytest
from gymnax.environments import spaces
from gymnax.environments.environment import EnvState

from elsinore import cli
from elsinore.checks.env import ENV_CHECKS, CheckResult, check_env
from elsinore.envs import make
from elsinore.errors import ConfigError
from elsinore.toolkit import gather_agents
from tests.envs import broken_envs
from tests.small_envs import World

ERRORS = {
    "OldGymnax": ("interface", "is_truncated is missing, as in gymnax before 1.0"),
    "OldDone": ("interface", "it holds the time limit, as in gymnax before 1.0"),
    "SixValues": ("interface", "step_env gave 6 values"),
    "Unpaid": ("interface", "step_env's reward is of type NoneType; it must be one number"),
    "NoActions": ("interface", "action_space raised NotImplementedError"),
    "FailingStep": ("interface", "step_env raised KeyError: 'brazier'"),
    "PythonParams": ("interface", "params is of type OfPython, which jax cannot compile with"),
    "PythonState": ("interface", "let it be a flax.struct.dataclass, in place of one of Python"),
    "TextParam": ("interface", "params.mood is of type str, which jax cannot compile with"),
    "Counting": ("pure", "two results for one key, state and action"),
    "NumpyChance": ("pure", "reset_env gave two results for one key"),
    "Overwriting": ("pure", "step_env changed what it was given"),
    "Printing": ("pure", "step_env has side effects"),
    "CallingBack": ("pure", "pure_callback"),
    "PythonIf": ("jit", "TracerBoolConversionError"),
    "OtherWhenTraced": ("jit", "is 1.0 against 2.0"),
    "GrowingState": ("stable", "state.extra has shape () after a reset, (3,) after a step"),
    "ForgetfulState": ("stable", "one structure after a reset, another after a step"),
    "LongFlag": ("flags", "terminated is bool of shape (1,)"),
    "NumberFlag": ("flags", "is_truncated is float32"),
    "OtherInABatch": ("vmap", "steps differently alone and in the batch"),
    "HalfPrecision": ("float32", "obs is float16"),
    "NotANumber": ("float32", "obs is NaN or infinite around step"),
    "RewardOfOne": ("float32", "the reward has shape (1,)"),
    "InfiniteReward": ("float32", "the reward is inf at step"),
    "OtherShape": ("spaces", "obs has shape (2,)"),
    "MissingPart": ("spaces", "obs['action_mask'] is in the observation only"),
    "NumberMask": ("spaces", "obs['action_mask'] is int32"),
    "NothingLegal": ("spaces", "no legal action at step 0"),
    "SecondIdle": ("spaces", "no legal action at step 0 of a random walk (of agent 1)"),
    "SecondUnseen": ("float32", "is NaN or infinite around step 0 of a random walk (of agent 1)"),
    "SecondUnpaid": ("float32", "the reward is inf at step 0 of a random walk (of agent 1)"),
    "StoppedClock": ("ends", "though max_steps_in_episode=20"),
    "FallsBeforeTheLimit": ("ends", "when max_steps_in_episode is lowered to 1"),
}
WARNINGS = {
    "Remembering": (
        "pure",
        "changes the env's own calls, actions; a compiled program does so once",
    ),
    "SecondFar": ("spaces", "above the declared 20 (of agent 1)"),
    "OutOfBounds": ("spaces", "obs[0] was 6, above the declared 3"),
    "OtherKind": ("spaces", "obs is float32, declared int32"),
    "OneBeginning": ("resets", "8 equal resets"),
    "AlwaysTheSame": ("varies", "the same in all 200 steps of a random walk; unless that is"),
    "Endless": ("ends", "params have no max_steps_in_episode"),
}


@cache
def results_of(name):
    """Results by check, of an environment in `broken_envs` or of gymnax."""
    env, params = (getattr(broken_envs, name)(), None) if hasattr(broken_envs, name) else make(name)
    return {result.check: result for result in check_env(env, params, num_steps=200)}


def failures_of(name):
    return [result for result in results_of(name).values() if not result.passed]


@pytest.mark.parametrize("name", ["Wall", "Masked", "Pair", "Pushed", "Caching"])
def test_a_sound_env_passes_every_check(name):
    assert list(results_of(name)) == list(ENV_CHECKS)
    assert set(results_of(name).values()) == {CheckResult(check, True) for check in ENV_CHECKS}


@pytest.mark.parametrize("name", ERRORS)
def test_a_broken_env_fails_one_check_with_a_detail(name):
    check, seen = ERRORS[name]
    failures = failures_of(name)
    assert [(result.check, result.level) for result in failures] == [(check, "error")], failures
    assert seen in failures[0].detail


@pytest.mark.parametrize("name", WARNINGS)
def test_an_odd_env_gets_a_warning(name):
    check, seen = WARNINGS[name]
    failures = failures_of(name)
    assert [(result.check, result.level) for result in failures] == [(check, "warning")], failures
    assert seen in failures[0].detail
    assert not any(result.skipped for result in results_of(name).values())


def test_every_check_is_failed_by_some_env():
    assert {check for check, _ in [*ERRORS.values(), *WARNINGS.values()]} == set(ENV_CHECKS)


def test_checks_that_need_a_failed_one_are_skipped():
    results = results_of("LongFlag")
    skipped = {check for check, result in results.items() if result.skipped}
    assert skipped == {"float32", "spaces", "varies", "ends"}
    assert all(
        results[check].passed and "needs 'flags'" in results[check].detail for check in skipped
    )


@pytest.mark.parametrize("nothing", [None, object(), 3])
def test_a_subject_that_is_no_env_gets_a_result_and_not_an_exception(nothing):
    interface, *others = check_env(nothing)
    assert not interface.passed and "reset_env" in interface.detail
    assert all(result.skipped for result in others)


def test_the_given_parameters_are_checked():
    results = {
        v.check: v
        for v in check_env(broken_envs.Wall(), broken_envs.Params(max_steps_in_episode=30))
    }
    assert "above the declared 20" in results["spaces"].detail


@pytest.mark.parametrize(
    "name",
    [
        "CartPole-v1",
        "Pendulum-v1",
        "Breakout-MinAtar",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("Catch-bsuite", "FourRooms-misc")),
    ],
)
def test_gymnax_envs_fail_no_check(name):
    assert not [result for result in failures_of(name) if result.level == "error"]
    assert not any(result.skipped for result in results_of(name).values())


def test_a_gymnax_env_that_declares_integers_and_shows_floats_gets_a_warning():
    assert results_of("Catch-bsuite")["spaces"].detail.startswith("obs is float32, declared int32")


def test_the_checks_are_imported_without_gymnax():
    code = "import sys, elsinore.checks.env; sys.exit('gymnax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_an_env_by_name_is_made_and_a_class_is_called_one():
    assert check_env("Catch-bsuite", num_steps=20)[0].passed
    failed = check_env(type(make("CartPole-v1")[0]))[0]
    assert (failed.check, failed.passed) == ("interface", False)
    assert failed.detail == "it is a class; give an instance of it, CartPole(...)."


# Several agents


@dataclass(frozen=True)
class Meeting(World):
    """Agents that see how far the first and the last are apart; `mistake` is a student's."""

    mistake: str = ""

    def observation_space(self, params):
        return spaces.Box(-1.0, 1.0, (1,))

    def action_space(self, params):
        return spaces.Discrete(2)

    def reset_env(self, key, params):
        return jax.random.uniform(key, (1,)), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        actions, _ = gather_agents(jnp.float32(action))
        apart = actions[0] - actions[-1]
        obs, reward, over = apart[None], apart, action > 1
        if self.mistake == "reward":
            reward = jnp.squeeze(actions - apart)
        elif self.mistake == "over":
            over = jnp.squeeze(actions > 1)
        elif self.mistake == "obs":
            obs = actions
        elif self.mistake == "divides":
            reward = jnp.where(actions.size > 1, 1.0 / apart, 0.0)
        elif self.mistake == "not a number":
            obs = jnp.where(actions.size > 1, apart / apart, 0.0)[None]
        elif self.mistake == "raises" and actions.size > 1:
            raise ValueError("two are a crowd")
        return obs, EnvState(time=state.time + 1), reward, over, {}


MISTAKES = {
    "reward": ("agents", "after a step each agent's reward has shape (2,), and () where"),
    "over": ("agents", "each agent's terminated has shape (2,)"),
    "obs": ("agents", "each agent's obs has shape (2,), and (1,) where an agent is alone"),
    "raises": ("agents", "fails in Meeting.step_env (test_env.py:"),
    "divides": ("float32", "the reward is "),
    "not a number": ("float32", "obs is NaN or infinite around step"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_that_only_several_agents_make_is_found(mistake):
    results = check_env(Meeting(mistake=mistake), num_steps=50, agents=2)
    failures = [each for each in results if not each.passed]
    check, seen = MISTAKES[mistake]
    assert [(each.check, each.level) for each in failures] == [(check, "error")]
    assert seen in failures[0].detail


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_agent_alone_does_not_make_it(mistake):
    assert all(result.passed for result in check_env(Meeting(mistake=mistake), num_steps=50))


def test_a_sound_env_of_several_agents_passes_and_an_impossible_number_is_refused(capsys):
    results = check_env(Meeting(), num_steps=50, agents=3)
    assert all(result.passed and not result.skipped for result in results)
    assert [each.check for each in results] == [*[*ENV_CHECKS][:4], "agents", *[*ENV_CHECKS][4:]]
    for number in (0, -1):
        with pytest.raises(ConfigError, match=f"agents={number} is no number of agents"):
            check_env(Meeting(), agents=number)
    assert cli.main(["check-env", "Hamlet-L0_0", "--agents", "2"]) == 0
    assert "ok   agents" in capsys.readouterr().out
