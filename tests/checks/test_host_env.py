"""`check_env` on a sound environment in Python, and on broken ones that each fail one check."""

import re

import gymnasium
import numpy as np
import pytest

import elsinore
from elsinore.checks.env import check_env
from elsinore.checks.host_env import FIRST_STEPS, HOST_CHECKS, check_first_steps
from elsinore.checks.result import CheckResult
from elsinore.envs import make
from elsinore.envs.host import HostEnv
from elsinore.envs.host_objects import host_env_of, takes_seed

LENGTH, LIMIT = 5, 20


class Hall(gymnasium.Env):
    """A walk along a hall, which ends beyond its right end; passes every check."""

    action_space = gymnasium.spaces.Discrete(3)
    observation_space = gymnasium.spaces.Box(0.0, np.inf, (2,), np.float32)
    max_steps_in_episode = LIMIT

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.time = int(self.np_random.integers(LENGTH)), 0
        return self.look(), {}

    def step(self, action):
        assert action in (0, 1, 2)
        self.place = max(self.place + int(action) - 1, 0)
        self.time += 1
        return self.look(), self.reward(), self.fallen(), False, {}

    def look(self):
        return np.array([self.place, self.time], np.float32)

    def reward(self):
        return 1.0

    def fallen(self):
        return self.place > LENGTH


class FailingStep(Hall):
    def reward(self):
        raise KeyError("brazier")


class SixValues(Hall):
    def step(self, action):
        return (*super().step(action), {})


class FourFlags(Hall):
    def step(self, action):
        return super().step(action)[:4]


class TextFlag(Hall):
    def fallen(self):
        return str(super().fallen())


class LateTextFlag(Hall):
    def fallen(self):
        return "False" if self.time == 10 else super().fallen()


class NumberFlag(Hall):
    def fallen(self):
        return int(super().fallen())


class TextReward(Hall):
    def reward(self):
        return "1.0"


class RewardOfOne(Hall):
    def reward(self):
        return np.ones(1)


class OtherShape(Hall):
    def look(self):
        return np.zeros(3, np.float32)


class CutToIntegers(Hall):
    observation_space = gymnasium.spaces.Box(0, 255, (2,), np.uint8)

    def look(self):
        return super().look() / 30


class Masked(Hall):
    """Sound too; it may not stay where it is."""

    legal = (1, 0, 1)
    observation_space = gymnasium.spaces.Dict(
        {"place": Hall.observation_space, "action_mask": gymnasium.spaces.MultiBinary(3)}
    )

    def look(self):
        return {"place": super().look(), "action_mask": np.array(self.legal, np.int8)}


class LongMask(Masked):
    legal = (1, 0, 1, 1)
    observation_space = gymnasium.spaces.Dict(
        {"place": Hall.observation_space, "action_mask": gymnasium.spaces.MultiBinary(4)}
    )


class EmptyMask(Masked):
    @property
    def legal(self):
        return (0, 0, 0) if self.time == 2 else (1, 0, 1)


class NotANumber(Hall):
    def look(self):
        return np.where(self.time > 10, np.nan, super().look())


class InfiniteReward(Hall):
    def reward(self):
        return np.inf if self.time > 10 else 1.0


class OtherChance(Hall):
    """Its steps draw from a generator that no seed reaches."""

    chance = np.random.default_rng(0)

    def reward(self):
        return self.chance.normal()


class GoesOn(Hall):
    """A reset leaves the clock as it is."""

    time = 0

    def reset(self, *, seed=None, options=None):
        time = self.time
        super().reset(seed=seed)
        self.time = time
        return self.look(), {}


class Shared(Hall):
    """The place is the class's: all copies walk together."""

    def __setattr__(self, name, value):
        setattr(type(self), name, value) if name == "place" else super().__setattr__(name, value)


class Remembering(Hall):
    """Counts its episodes, and starts from that number."""

    episodes = 0
    begun = ()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.begun = (*self.begun, seed)
        self.place = self.begun.index(seed) % LENGTH  # the same for a seed that is given again
        return self.look(), {}


class OutOfBounds(Hall):
    observation_space = gymnasium.spaces.Box(0.0, 3.0, (2,), np.float32)


class Unseeded(Hall):
    def reset(self):
        return super().reset()


class CopiedChance(Unseeded):
    """Its copies have copies of its generator."""

    def __init__(self, seed=None):
        self.np_random = np.random.default_rng(seed)


class OneBeginning(Hall):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return self.look(), {}


class AlwaysTheSame(Hall):
    def look(self):
        return np.ones_like(super().look())


class Endless(Hall):
    max_steps_in_episode = None


class OldDone(Hall):
    """Its time limit is in `done`."""

    def step(self, action):
        obs, reward, *_ = super().step(action)
        return obs, reward, self.time >= LIMIT, {}


class ResetsItself(Hall):
    """Resets in the step that ends an episode, as vector environments do."""

    def step(self, action):
        obs, reward, terminated, truncated, info = super().step(action)
        if terminated:
            info = {"final_obs": obs}
            obs, _ = self.reset()
        return obs, reward, terminated, truncated, info


class ResetsInSilence(OneBeginning):
    def fallen(self):
        return self.time >= LENGTH

    def step(self, action):
        obs, *rest = super().step(action)
        return (self.reset()[0] if self.fallen() else obs), *rest


ERRORS = {
    FailingStep: ("interface", "KeyError: 'brazier'"),
    SixValues: ("interface", "step returned tuple of 6 values"),
    FourFlags: ("interface", "four values, of which the last is a flag"),
    TextFlag: ("flags", "terminated is 'False'; let step return bool(terminated)"),
    LateTextFlag: ("flags", "terminated is 'False'"),
    RewardOfOne: ("interface", "with one number as the reward"),
    TextReward: ("interface", "the reward is the text '1.0'"),
    OtherShape: ("spaces", "obs has shape (3,)"),
    CutToIntegers: ("spaces", "obs is float32, declared uint8, to which it is cut"),
    EmptyMask: ("spaces", "no legal action at step 2 of episode 0 of random actions"),
    NotANumber: ("finite", "obs is NaN or infinite at step 11 of episode"),
    InfiniteReward: ("finite", "the reward is inf at step 11 of episode"),
    Shared: ("copies", "one of two copies changes the other"),
    ResetsItself: ("final", "info['final_obs'] is in the step that ends an episode"),
}
BY_TRAINING = ("interface", "flags", "spaces", "finite")
WARNINGS = {
    NumberFlag: ("flags", "terminated is 0; let step return bool(terminated)"),
    OutOfBounds: ("spaces", "above the declared 3"),
    Unseeded: ("resume", "an exact resume needs a reset that takes a seed"),
    Remembering: (
        "resume",
        "a different episode in a new environment",
    ),
    OneBeginning: ("resets", "8 seeds gave 8 equal first observations"),
    AlwaysTheSame: ("varies", "steps of a random walk; unless that is intended, let it depend on"),
    Endless: ("limit", "env_params.max_steps_in_episode=1000"),
    OldDone: ("limit", "lasted max_steps_in_episode=20 steps were terminated by the last of them"),
}


def failures_of(env):
    return [x for x in check_env(env, num_steps=200) if not x.passed]


def test_a_sound_env_passes_every_check():
    assert check_env(Hall()) == [CheckResult(check, True) for check in HOST_CHECKS]


@pytest.mark.parametrize("broken", ERRORS)
def test_a_broken_env_fails_one_check_with_a_detail(broken):
    check, seen = ERRORS[broken]
    failures = failures_of(broken())
    assert [(x.check, x.level) for x in failures] == [(check, "error")], failures
    assert seen in failures[0].detail


@pytest.mark.parametrize("odd", WARNINGS)
def test_an_odd_env_gets_a_warning(odd):
    check, seen = WARNINGS[odd]
    failures = failures_of(odd())
    assert [(x.check, x.level) for x in failures] == [(check, "warning")], failures
    assert seen in failures[0].detail


def test_copies_that_draw_the_same_numbers_are_seen():
    failures = failures_of(CopiedChance(0))  # whose first episodes begin at 4, 3 and 2
    assert [(x.check, x.level) for x in failures] == [("copies", "warning"), ("resume", "warning")]
    assert "each draws the same numbers as the others" in failures[0].detail
    assert [x.check for x in failures_of(lambda: CopiedChance())] == ["resume"]


@pytest.mark.parametrize("broken", [OtherChance, GoesOn])
def test_what_a_seed_does_not_reach_is_an_error_and_makes_resume_inexact(broken):
    failures = failures_of(broken())
    assert [(x.check, x.level) for x in failures] == [("seeds", "error"), ("resume", "warning")]
    assert "draw all randomness from its seed" in failures[0].detail


def test_a_reset_inside_the_last_step_is_seen_without_a_word_of_it():
    failures = {x.check: x for x in failures_of(ResetsInSilence())}
    assert set(failures) == {"resets", "final"}
    assert "ended with the observation that it began with" in failures["final"].detail


def test_every_check_is_failed_by_some_env():
    assert {check for check, _ in [*ERRORS.values(), *WARNINGS.values()]} | {"seeds"} == set(
        HOST_CHECKS
    )


def test_names_and_functions_are_checked_and_their_environments_closed():
    env, params = make("gym/CartPole-v1")
    assert not [x for x in check_env(env, params) if not x.passed or x.skipped]
    closed = []

    class Closing(Hall):
        def close(self):
            closed.append(self)

    made = []
    assert all(x.passed for x in check_env(lambda: made.append(Closing()) or made[-1]))
    assert len(made) > 3 and set(map(id, made)) == set(map(id, closed))


def test_all_environments_are_closed_though_one_fails(caplog):
    made, closed = [], []

    class Fragile(Hall):
        def __init__(self):
            made.append(self)
            self.number = len(made)
            if self.number == 7:
                raise MemoryError("no room for a seventh")

        def close(self):
            closed.append(self.number)
            if self.number == 3:
                raise OSError("its window is gone")

    env = host_env_of(lambda: Fragile())
    assert closed == [1]  # it was looked at
    env.open_rows(3).close()
    assert "Fragile' failed in close: OSError: its window is gone" in caplog.text
    assert sorted(closed) == [1, 2, 3, 4]
    with pytest.raises(MemoryError):
        env.open_rows(3)  # of which the last cannot be made
    assert sorted(closed) == [1, 2, 3, 4, 5, 6]


def test_a_wrapper_that_hands_on_its_arguments_takes_the_seed():
    class HandsOn(gymnasium.Wrapper):
        def reset(self, **kwargs):
            return self.env.reset(**kwargs)

    class Base(gymnasium.Env):
        def reset(self, **kwargs):
            return super().reset(**kwargs)

    class Old:
        def reset(self, **kwargs):
            return 0

    assert takes_seed(HandsOn(gymnasium.make("CartPole-v1"))) and takes_seed(Base())
    assert not takes_seed(HandsOn(Unseeded())) and not takes_seed(Old())


def test_the_limit_is_that_of_the_outermost_wrapper_that_has_one():
    class Free(Hall):
        max_steps_in_episode = np.int64(0)

    class Plain(gymnasium.Wrapper):
        pass

    limited = Plain(gymnasium.wrappers.TimeLimit(Free(), 30))
    assert host_env_of(limited).limit == 30
    assert host_env_of(gymnasium.wrappers.TimeLimit(Plain(Hall()), 9)).limit == 9
    assert host_env_of(Plain(Hall())).limit == LIMIT
    assert host_env_of(Plain(gymnasium.make("CartPole-v1"))).limit == 500
    assert host_env_of(Free()).limit == 0
    round_ = Free()
    round_.env = round_
    assert host_env_of(round_).limit == 0


@pytest.mark.parametrize(
    ("limit", "steps"), [(20.0, 20), (np.float32(20), 20), (np.inf, 0), (None, 0), (True, 0)]
)
def test_a_limit_may_be_a_whole_number_as_a_float_or_none(limit, steps):
    env = Hall()
    env.max_steps_in_episode = limit
    assert host_env_of(env).limit == steps


@pytest.mark.parametrize("limit", ["20", 20.5])
def test_a_limit_that_is_no_number_of_steps_is_refused_by_name(limit):
    env = Hall()
    env.max_steps_in_episode = limit
    with pytest.raises(elsinore.ConfigError, match=r"Hall\.max_steps_in_episode=.* whole number"):
        host_env_of(env)


def test_a_limit_among_the_arguments_of_gymnasium_may_be_none():
    assert make("gym/CartPole-v1", {"max_episode_steps": -1})[1].max_steps_in_episode == 0
    assert make("gym/CartPole-v1", {"max_episode_steps": 7})[1].max_steps_in_episode == 7
    for wrong in (-2, 1.5, True, "9"):
        with pytest.raises(elsinore.ConfigError, match="max_episode_steps=.*whole number of steps"):
            make("gym/CartPole-v1", {"max_episode_steps": wrong})


def test_the_given_limit_is_the_one_that_is_checked():
    env = host_env_of(OldDone())
    assert isinstance(env, HostEnv)
    params = env.default_params.replace(max_steps_in_episode=LIMIT + 1)
    assert all(x.passed for x in check_env(env, params))


def test_the_command_prints_a_line_for_each_check(capsys):
    from elsinore.cli import main

    assert main(["check-env", "gym/CartPole-v1"]) == 0
    assert capsys.readouterr().out.split("\n")[0] == "ok   interface"
    assert main(["check-env", f"{__name__}:GoesOn"]) != 0
    seen = capsys.readouterr()
    assert "FAIL seeds: seed=" in seen.out and "fails 1 check: seeds" in seen.err


@pytest.mark.parametrize("broken", [x for x, (check, _) in ERRORS.items() if check in BY_TRAINING])
def test_training_refuses_what_it_cannot_learn_from_before_it_begins(broken, tmp_path):
    check, seen = ERRORS[broken]
    with pytest.raises(elsinore.ConfigError, match=f"fails the check {check!r}: ") as error:
        elsinore.train(broken(), "ppo", runs_dir=tmp_path)
    assert seen in str(error.value)
    assert not list(tmp_path.iterdir())


def test_training_checks_a_slow_env_by_a_few_of_its_steps():
    steps = []

    class Slow(Hall):
        max_steps_in_episode = 10_000

        def step(self, action):
            steps.append(action)
            return super().step(action)

        def fallen(self):
            return False

    assert all(x.passed for x in check_first_steps(host_env_of(Slow())))
    assert FIRST_STEPS <= len(steps) <= FIRST_STEPS + 5


def test_what_an_observation_has_beside_its_space_is_left_out():
    class Talkative(Hall):
        observation_space = gymnasium.spaces.Dict({"place": Hall.observation_space})

        def look(self):
            return {"place": super().look(), "name": "Elsinore"}

    assert elsinore.check_env(Talkative()) == [CheckResult(check, True) for check in HOST_CHECKS]


def test_an_action_mask_is_kept():
    class Kept(Masked):
        def step(self, action):
            assert action != 1
            return super().step(action)

    assert elsinore.check_env(Kept()) == [CheckResult(check, True) for check in HOST_CHECKS]


def test_a_mask_of_another_length_fails_the_check_and_the_run(tmp_path):
    reason = "an action_mask of shape (4,), and its action space is Discrete(3"
    (failure,) = failures_of(LongMask())
    assert failure.check == "spaces" and reason in failure.detail
    with pytest.raises(elsinore.ConfigError, match=re.escape(reason)):
        elsinore.train(LongMask(), "ppo", runs_dir=tmp_path)
