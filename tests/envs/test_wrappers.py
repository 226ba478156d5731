"""Wrappers: each is a lawful environment, alone and in a stack, and does what its name says."""

import copy
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import EnvParams

import elsinore
from elsinore.checks.env import check_env
from elsinore.checks.probe_env import ProbeEnv
from elsinore.envs import make
from elsinore.envs.spaces import MultiDiscrete
from elsinore.envs.views import view_of
from elsinore.envs.wrapped import entries_of
from elsinore.envs.wrappers import WRAPPERS, Wrapper
from elsinore.errors import ConfigError
from elsinore.experience.autoreset import env_step, reset
from tests.small_envs import Scripted, World


def doubled(obs, action, reward, next_obs):
    return 2.0 * reward


def height(obs):
    return jnp.sum(obs)


@struct.dataclass
class Numbered(EnvParams):
    max_steps_in_episode: int = 9


class Counter(World):
    """Shows a count that begins at 0, 1 or 2; each step pays 1."""

    @property
    def default_params(self):
        return Numbered()

    def observation_space(self, params):
        return spaces.Discrete(12)

    def reset_env(self, key, params):
        count = jax.random.randint(key, (), 0, 3)
        return count, {"time": jnp.int32(0), "count": count}

    def step_env(self, key, state, action, params):
        state = {name: x + 1 for name, x in state.items()}
        return state["count"], state, jnp.float32(1.0), jnp.bool_(False), {}

    def is_truncated(self, state, params):
        return state["time"] >= params.max_steps_in_episode


class Loud(Wrapper):
    """A wrapper of the user's own."""

    def step_env(self, key, state, action, params):
        obs, state, reward, *rest = super().step_env(key, state, action, params)
        return obs, state, reward + 100.0, *rest


ENTRIES = {
    "clip_reward": {"clip_reward": [-0.5, 0.5]},
    "flatten": "flatten",
    "frame_stack": {"frame_stack": 3},
    "obs_dtype": {"obs_dtype": "uint8"},
    "one_hot": "one_hot",
    "randomise": {"randomise": {"max_steps_in_episode": [3, 7]}},
    "scale_reward": {"scale_reward": 0.1},
    "shape_reward": {"shape_reward": doubled},
    "time_limit": {"time_limit": 5},
}
STACKS = {
    **{name: [entry] for name, entry in ENTRIES.items()},
    "potential": [{"shape_reward": {"potential": height, "gamma": 0.9}}],
    "obs_dtype": [{"obs_dtype": "uint8"}, {"frame_stack": 2}],
    "stack": [{"frame_stack": 3}, {"scale_reward": 0.1}, {"time_limit": 5}],
    "another stack": [{"clip_reward": [0, 1]}, {"randomise": {"reward_high": [0.5, 1]}}, "flatten"],
    "custom": ["tests.envs.test_wrappers:Loud"],
}
QUICK = ("one_hot", "potential", "stack", "another stack")  # these hold every kind but "custom"


@cache
def world_for(name):
    """A world that the stack fits: one with a mask, two of whose stacks need numbers alone."""
    if name == "obs_dtype":
        return make("Catch-bsuite")[0]
    if name in ("one_hot", "potential", "shape_reward"):
        return Counter()
    return ProbeEnv()


@cache
def stacked(name):
    return elsinore.wrap(world_for(name), *STACKS[name])


def walked(env, actions, seed=0, params=None):
    """The steps of an episode with these actions, as `env_step` gives them."""
    params = env.default_params if params is None else params
    _, state = reset(env, jax.random.key(seed), params)
    steps = []
    for i, action in enumerate(actions):
        steps.append(env_step(env, jax.random.key(i), state, jnp.int32(action), params))
        state = steps[-1].state
    return steps


def test_every_wrapper_is_tried_here():
    assert set(ENTRIES) == set(WRAPPERS)


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in STACKS],
)
def test_a_wrapped_environment_is_lawful(name):
    results = check_env(stacked(name), num_steps=60)
    assert not [result for result in results if not result.passed]


def test_rewards_are_scaled_and_the_raw_return_stays_visible():
    env = elsinore.wrap(Scripted(), {"clip_reward": [0, 2]}, {"scale_reward": 0.5})
    steps = walked(env, [0, 0, 0])  # the n-th step pays n
    assert [float(step.reward) for step in steps] == [0.5, 1.0, 1.0]
    assert [float(step.info["raw_return"]) for step in steps] == [1.0, 3.0, 6.0]
    assert env.episode_facts == {"raw_return": "raw return"}


def test_a_wrappers_numbers_are_traced_parameters():
    env = elsinore.wrap(Scripted(), {"scale_reward": 0.5})
    assert walked(env, [0], params=env.default_params.replace(reward_scale=3.0))[0].reward == 3.0
    assert make(Scripted(), {}, {"reward_scale": 3.0}, [{"scale_reward": 0.5}])[1].reward_scale == 3
    step = jax.jit(env.step_env)
    for scale in (1.0, 2.0):
        params = env.default_params.replace(reward_scale=scale)
        _, state = reset(env, jax.random.key(0), params)
        assert step(jax.random.key(0), state, 0, params)[2] == scale
    assert step._cache_size() == 1


def test_a_potential_of_a_terminal_state_is_zero_and_of_a_truncated_one_is_not():
    shaped = {"shape_reward": {"potential": lambda obs: 10.0 + obs[1], "gamma": 0.5}}
    env = elsinore.wrap(Scripted(), {"time_limit": 2}, shaped)
    first, ended = walked(env, [0, 0])
    assert first.reward == 1 + 0.5 * 11 - 10
    assert ended.truncated and ended.reward == 2 + 0.5 * 12 - 11
    died = walked(env, [1])[0]
    assert died.terminated and died.reward == 1 - 10


def test_frames_are_joined_oldest_first_and_the_true_final_observation_is_kept():
    env = elsinore.wrap(Counter(), {"frame_stack": 3}, {"time_limit": 2})
    obs, state = reset(env, jax.random.key(0), env.default_params)
    first = int(state.env_state.env_state["count"])
    assert obs.tolist() == [first] * 3
    steps = walked(env, [0, 0])
    assert [step.obs.tolist() for step in steps] == [
        [first, first, first + 1],
        [first, first + 1, first + 2],
    ]
    assert [bool(step.truncated) for step in steps] == [False, True]
    assert not any(step.terminated for step in steps)


def test_frames_of_an_image_are_channels():
    env = elsinore.wrap("Breakout-MinAtar", {"frame_stack": 4})
    params = env.default_params
    assert env.observation_space(params).shape == (10, 10, 16)
    assert jax.eval_shape(env.reset_env, jax.random.key(0), params)[0].shape == (10, 10, 16)


def test_whole_numbers_take_a_byte_and_stay_what_they_are():
    plain, params = make("Breakout-MinAtar")
    env = elsinore.wrap("Breakout-MinAtar", {"obs_dtype": "bool"})
    (before, _), (obs, _) = (reset(each, jax.random.key(0), params) for each in (plain, env))
    assert before.dtype == jnp.float32 and obs.dtype == bool and (obs == before).all()
    space = env.observation_space(params)
    assert (space.dtype, space.shape, space.low, space.high) == (np.dtype(bool), (10, 10, 4), 0, 1)
    discrete = elsinore.wrap(MaskedCount(), {"obs_dtype": "int8"})
    obs, _ = reset(discrete, jax.random.key(0), discrete.default_params)
    dtypes = {name: x.dtype.name for name, x in obs.items()}
    assert dtypes == {"action_mask": "bool", "step": "int8"}
    assert discrete.observation_space(discrete.default_params).spaces["step"].high == 9


class Halves(Counter):
    """Bounds that are whole numbers, of observations that are not."""

    def observation_space(self, params):
        return spaces.Box(0, 100, (1,))

    def step_env(self, key, state, action, params):
        obs, *rest = super().step_env(key, state, action, params)
        return obs + 0.5, *rest


def test_a_dtype_that_loses_fractions_fails_the_checks():
    found = {result.check: result for result in check_env(Halves(), num_steps=20)}
    assert found["float32"].passed
    narrow = elsinore.wrap(Halves(), {"obs_dtype": "uint8"}, {"frame_stack": 2})
    found = {result.check: result for result in check_env(narrow, num_steps=20)}
    assert "obs_dtype='uint8' changes numbers" in found["float32"].detail


def test_an_action_mask_passes_through():
    plain, env = ProbeEnv(), elsinore.wrap(ProbeEnv(), {"frame_stack": 2}, "flatten")
    obs, state = reset(env, jax.random.key(0), env.default_params)
    before = reset(plain, jax.random.key(0), plain.default_params)[0]
    assert obs["action_mask"].tolist() == before["action_mask"].tolist()
    assert obs["observation"].tolist() == [*before["sight"], *before["sight"]]


class MaskedCount(Counter):
    """A mask that is declared as choices, beside a choice."""

    def observation_space(self, params):
        return spaces.Dict({"action_mask": MultiDiscrete([2, 2]), "step": spaces.Discrete(10)})

    def reset_env(self, key, params):
        _, state = super().reset_env(key, params)
        return self.shown(state), state

    def step_env(self, key, state, action, params):
        _, state, *rest = super().step_env(key, state, action, params)
        return self.shown(state), state, *rest

    def shown(self, state):
        return {"action_mask": jnp.array([True, False]), "step": state["time"]}


@pytest.mark.parametrize("entries", [["one_hot"], [{"frame_stack": 2}], ["one_hot", "flatten"]])
def test_a_mask_is_kept_however_its_space_is_declared(entries):
    env = elsinore.wrap(MaskedCount(), *entries)
    params = env.default_params
    obs, _ = reset(env, jax.random.key(0), params)
    assert obs["action_mask"].tolist() == [True, False]
    declared = env.observation_space(params).spaces
    assert {name: x.shape for name, x in obs.items()} == {k: x.shape for k, x in declared.items()}
    with pytest.raises(ConfigError, match="finds nothing discrete"):
        elsinore.wrap(MaskedCount(), {"frame_stack": 2}, "one_hot")


def test_a_time_limit_counts_where_the_environment_does_not():
    env = elsinore.wrap(ProbeEnv(), {"time_limit": 3})
    assert env.default_params.max_steps_in_episode == 3
    steps = walked(env, [0] * 3)
    assert [bool(step.truncated) for step in steps] == [False, False, True]


def test_a_parameter_is_drawn_once_for_each_episode():
    env = elsinore.wrap("CartPole-v1", {"randomise": {"force_mag": [5, 15]}})
    params = env.default_params
    drawn = [
        float(reset(env, jax.random.key(seed), params)[1].own["force_mag"]) for seed in range(30)
    ]
    assert len(set(drawn)) == 30 and 5 <= min(drawn) < 7 and 13 < max(drawn) <= 15
    steps = walked(env, [0, 1, 0], seed=3)
    assert {float(step.state.own["force_mag"]) for step in steps} == {drawn[3]}
    # the step is that of the drawn force
    inside, _ = make("CartPole-v1")
    _, state = reset(env, jax.random.key(3), params)
    strong = inside.default_params.replace(force_mag=drawn[3])
    expected = env_step(inside, jax.random.key(0), state.env_state, jnp.int32(0), strong)
    np.testing.assert_array_equal(steps[0].obs, expected.obs)


def test_the_largest_whole_number_may_be_drawn():
    """The bound beyond it has no room in 32 bits: the lower bound alone was drawn."""
    env = elsinore.wrap("CartPole-v1", {"randomise": {"max_steps_in_episode": [1, 2**31 - 1]}})
    keys = jax.random.split(jax.random.key(0), 8)
    _, states = jax.vmap(env.reset_env, (0, None))(keys, env.default_params)
    drawn = states.own["max_steps_in_episode"]
    assert len(set(drawn.tolist())) == 8 and drawn.min() >= 1


def test_a_number_that_is_drawn_instead_is_doubted():
    env = elsinore.wrap("CartPole-v1", {"randomise": {"force_mag": [5, 15]}})
    assert env.doubts(env.default_params) == []
    (doubt,) = env.doubts(env.default_params.replace(force_mag=3.0))
    assert "force_mag is drawn from force_mag_range" in doubt


@pytest.mark.parametrize(
    ("wrappers", "params", "text"),
    [
        (
            [{"randomise": {"force_mag": [5, 15]}}, "flatten"],
            {"force_mag_range": [15.0, 5.0]},
            r"env_params\.force_mag_range=\[15\.0, 5\.0\] must have its lower number first",
        ),
        (
            [{"randomise": {"max_steps_in_episode": [3, 7]}}],
            {"max_steps_in_episode_range": [0, 7]},
            r"max_steps_in_episode_range=\[0, 7\] must be at least 1 step",
        ),
        (
            [{"clip_reward": [-1, 1]}],
            {"reward_low": 2.0},
            r"reward_low=2\.0 must not be above reward_high=1\.0",
        ),
    ],
)
def test_numbers_of_a_wrapper_that_cannot_be_run_with_are_refused(wrappers, params, text):
    with pytest.raises(elsinore.ConfigError, match=text):
        make("CartPole-v1", None, params, wrappers)


def test_a_whole_number_is_drawn_with_both_ends():
    env = elsinore.wrap(ProbeEnv(), {"randomise": {"max_steps_in_episode": [3, 4]}})
    keys = jax.vmap(jax.random.key)(jnp.arange(40))
    states = jax.vmap(partial(reset, env), (0, None))(keys, env.default_params)[1]
    drawn = states.own["max_steps_in_episode"]
    assert set(drawn.tolist()) == {3, 4} and drawn.dtype == jnp.int32


def test_a_wrapped_environment_is_drawn_as_the_one_inside():
    plain = make("CartPole-v1")[0]
    env = elsinore.wrap(
        "CartPole-v1", {"randomise": {"length": [1.0, 1.0]}}, {"frame_stack": 2}, "flatten"
    )
    state = jax.device_get(reset(env, jax.random.key(1), env.default_params)[1])
    long = plain.default_params.replace(length=1.0)
    inside = state.env_state.env_state
    scene = view_of(plain).scene(plain, long, inside)
    assert view_of(env).scene(env, env.default_params, state) == scene
    assert view_of(env).action_names(env, env.default_params) == ("push left", "push right")


def test_a_wrapped_environment_is_copied_and_says_what_it_is():
    env = elsinore.wrap("CartPole-v1", {"shape_reward": doubled}, {"frame_stack": 2})
    assert copy.copy(env).default_params == env.default_params
    assert env.name == "CartPole-v1" and env.made_from == "CartPole-v1"
    assert entries_of(env) == (
        {"shape_reward": "tests.envs.test_wrappers:doubled"},
        {"frame_stack": 2},
    )
    assert isinstance(env.default_params, type(make("CartPole-v1")[1]))


REFUSED = {
    "an unknown name": (["framestack"], "did you mean 'frame_stack'?"),
    "two in one": ([{"flatten": 1, "one_hot": 1}], "is no wrapper"),
    "no value": (["frame_stack"], "needs a value"),
    "a value too many": ([{"flatten": 2}], "takes no value"),
    "one frame": ([{"frame_stack": 1}], "frame_stack=1 must be a whole number from 2 to 1024"),
    "frames that fill the memory": ([{"frame_stack": 10**9}], "a whole number from 2 to 1024"),
    "no limit": ([{"time_limit": 0}], "time_limit=0 must be"),
    "a limit beyond 32 bits": ([{"time_limit": 2**31}], "of steps, from 1 to 2147483647"),
    "a draw beyond 32 bits": (
        [{"randomise": {"max_steps_in_episode": [1, 2**31]}}],
        "which must be from -2147483647 to 2147483647",
    ),
    "an infinite draw": (
        [{"clip_reward": [0, 1]}, {"randomise": {"reward_high": [0, 1e39]}}],
        "which must be from -1.7",
    ),
    "no bounds": ([{"clip_reward": 1}], "must be two numbers"),
    "bounds turned round": ([{"clip_reward": [1, -1]}], "its lower number first"),
    "no number": ([{"scale_reward": "much"}], "must be a finite number"),
    "a number beyond float32": ([{"scale_reward": 1e39}], "must be from -3.4e+38 to 3.4e+38"),
    "bounds beyond float32": ([{"clip_reward": [-1, 1e39]}], "must be from -3.4e+38"),
    "no step": ([{"randomise": {"max_steps_in_episode": [0, 3]}}], "must be at least 1 step"),
    "no function": ([{"shape_reward": "doubled"}], "must name a function"),
    "another mapping": ([{"shape_reward": {"potentials": height}}], "must be a function, or"),
    "no such function": (
        [{"shape_reward": "nowhere:f"}],
        "wrappers[0].shape_reward='nowhere:f' cannot be imported",
    ),
    "no such wrapper": (["nowhere:Loud"], "wrappers[0]='nowhere:Loud' cannot be imported"),
    "a class": ([Loud], "this one is 'tests.envs.test_wrappers:Loud'."),
    "a value of one's own wrapper": (
        [{"tests.envs.test_wrappers:Loud": 3}],
        "takes no value: write tests.envs.test_wrappers:Loud.",
    ),
    "no parameter": ([{"randomise": {"forces": [0, 1]}}], "'forces', which is no parameter"),
    "half a step": ([{"randomise": {"max_steps_in_episode": [1.5, 3]}}], "must be whole numbers"),
    "a later wrapper's": (
        [{"randomise": {"reward_scale": [0, 1]}}, {"scale_reward": 1.0}],
        "is drawn by a randomise after that",
    ),
    "a dtype of fractions": ([{"obs_dtype": "float16"}], "must be one of bool, uint8, int8"),
    "bounds beyond a dtype": ([{"obs_dtype": "bool"}], "must be whole numbers from 0 to 1"),
    "flatten after a dtype": (
        ["one_hot", {"obs_dtype": "bool"}, "flatten"],
        "comes after obs_dtype, and makes float32",
    ),
    "one hot after flattening": (["flatten", "one_hot"], "must come before wrappers that make"),
    "one hot after stacking": ([{"frame_stack": 2}, "one_hot"], "must come before wrappers"),
    "twice": (["flatten", "flatten"], "flatten is there already"),
    "a clipped potential": (
        [{"shape_reward": {"potential": height}}, {"clip_reward": [0, 1]}],
        "put it before shape_reward",
    ),
    "a limit that is drawn": (
        [{"randomise": {"max_steps_in_episode": [3, 9]}}, {"time_limit": 5}],
        "which draws max_steps_in_episode",
    ),
    "no wrapper": (["tests.small_envs:Scripted"], "fails in"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrapper_that_cannot_be_is_refused_with_its_place(case):
    entries, said = REFUSED[case]
    with pytest.raises(ConfigError, match=r"wrappers") as refused:
        elsinore.wrap(Counter(), *entries)
    assert said in str(refused.value)


def test_a_function_without_a_name_wraps_like_any_other():
    half = partial(lambda factor, obs, action, reward, next_obs: factor * reward, 0.5)
    env = elsinore.wrap(Counter(), {"shape_reward": half})
    assert entries_of(env) == ({"shape_reward": "functools:partial"},)
    state = reset(env, jax.random.key(0), env.default_params)[1]
    assert env.step_env(jax.random.key(1), state, 0, env.default_params)[2] == 0.5


class Scale:
    @staticmethod
    def doubled(obs, action, reward, next_obs):
        return 2.0 * reward


def test_a_function_within_a_class_is_found_by_the_name_that_is_recorded():
    (recorded,) = entries_of(elsinore.wrap(Counter(), {"shape_reward": Scale.doubled}))
    assert recorded == {"shape_reward": "tests.envs.test_wrappers:Scale.doubled"}
    assert elsinore.wrap(Counter(), recorded).entry == recorded


def test_two_potentials_share_one_discount():
    def potential(gamma):
        return {"shape_reward": {"potential": height, "gamma": gamma}}

    elsinore.wrap("CartPole-v1", potential(0.9), potential(0.9))
    with pytest.raises(ConfigError, match=r"wrappers\[1\]: shape_reward has gamma=0.9, .* 0.5"):
        elsinore.wrap("CartPole-v1", potential(0.5), potential(0.9))


def test_a_clip_after_a_potential_is_refused_whatever_is_between():
    plain = {"shape_reward": lambda obs, action, reward, next_obs: reward}
    shaped = {"shape_reward": {"potential": height, "gamma": 0.9}}
    with pytest.raises(ConfigError, match="put it before shape_reward"):
        elsinore.wrap("CartPole-v1", shaped, plain, {"clip_reward": [-1, 1]})
