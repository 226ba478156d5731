"""A trained policy answers observations, here and wherever its file is taken."""

import json
import subprocess
import sys
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore.errors import ConfigError
from elsinore.runs.policy import Policy
from elsinore.runs.shipped import FOLDER
from elsinore.types import Algorithm, PolicyFunctions, PolicyState


@pytest.fixture(scope="module")
def run(whole):
    return elsinore.load(whole)


def observations(number: int = 64) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(number, 4)).astype(np.float32)


def test_a_batch_gets_the_actions_that_each_observation_gets_alone(run):
    policy, obs = run.policy(seed=1), observations(8)
    actions = policy(obs)
    assert actions.shape == (8,)
    assert actions.tolist() == [int(policy(each)) for each in obs]
    assert set(policy(observations(500)).tolist()) <= {0, 1}


def test_one_observation_gets_one_action(run):
    assert run.policy()(observations()[0]).shape == ()


def test_observations_of_another_type_are_taken_as_the_envs_own(run):
    obs = observations(16)
    assert run.policy()(obs.astype(np.float64)).tolist() == run.policy()(obs).tolist()
    assert run.policy()([0.0, 0.0, 0.0, 0.0]).shape == ()


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 2, 4), ()])
def test_an_observation_of_another_shape_is_refused_naming_both(run, shape):
    with pytest.raises(ValueError, match=r"neither one observation \[4\] nor a batch"):
        run.policy()(np.zeros(shape))


@pytest.mark.parametrize("shape", [(3, 20, 20), (5, 3, 20, 20)])
def test_an_image_with_its_channels_first_is_refused_with_what_moves_them(shape):
    def act(key, policy_state, carry, obs, greedy):
        return obs[0, 0, 2].astype(jnp.int32), carry

    algo = Algorithm(None, None, PolicyFunctions(act), (), 1)
    policy = Policy(algo, PolicyState((), ()), jax.ShapeDtypeStruct((20, 20, 3), np.uint8), 0)
    image = np.zeros(shape, np.uint8)
    image[..., 2, 0, 0] = 7
    with pytest.raises(ValueError, match=r"channels of images last: np\.moveaxis\(image, -3, -1\)"):
        policy(image)
    assert np.all(policy(np.moveaxis(image, -3, -1)) == 7)


@pytest.mark.parametrize(
    ("obs", "reason"),
    [
        ([0.0, np.nan, 0.0, 0.0], "obs is NaN or infinite"),
        ([[0.0] * 4, [np.inf] * 4], "obs is NaN or infinite"),
        ("left", r"cannot be read as float32\[4\]"),
        (["0", "0", "0", "0"], "<U1 is no type of real numbers"),
        ([1j, 0.0, 0.0, 0.0], "complex128 is no type of real numbers"),
        ([[0.0] * 4, [1.0]], r"cannot be read as float32\[4\]"),
    ],
)
def test_what_is_no_observation_is_refused(run, obs, reason):
    with pytest.raises(ValueError, match=reason):
        run.policy()(obs)


def test_numbers_that_an_integer_observation_does_not_have_are_refused():
    """An image scaled to [0, 1] would be read as black, and 300 as 44."""

    def act(key, policy_state, carry, obs, greedy):
        return jnp.sum(obs.astype(jnp.int32)), carry

    algo = Algorithm(None, None, PolicyFunctions(act), (), 1)
    policy = Policy(algo, PolicyState((), ()), jax.ShapeDtypeStruct((3,), np.uint8), 0)
    assert policy([1.0, 2.0, 255.0]) == policy(np.array([1, 2, 255])) == 258
    for odd in ([0.2, 0.5, 0.9], [300, 1, 2], np.array([-1, 0, 0]), [np.nan, 0.0, 0.0]):
        with pytest.raises(ValueError, match=r"cannot be read as uint8\[3\]: .* is out of bounds"):
            policy(odd)


def test_a_parameter_may_be_indexed_by_the_observation():
    """As a table of action values is; the state of a checkpoint is numpy's."""

    def act(key, policy_state, carry, obs, greedy):
        return jnp.argmax(policy_state.params[obs]), carry

    def value(policy_state, carry, obs):
        return policy_state.params[obs].max()

    table = np.array([[0.0, 1.0], [3.0, 2.0]], np.float32)
    algo = Algorithm(None, None, PolicyFunctions(act, (), value), (), 1)
    policy = Policy(algo, PolicyState(table, ()), jax.ShapeDtypeStruct((), np.int32), 0)
    assert policy([0, 1]).tolist() == [1, 0]
    assert policy.value([0, 1]).tolist() == [1.0, 3.0]


def policy_of_a_dictionary(kind=dict) -> Policy:
    """One that acts by the sum of two numbers and a choice."""

    def act(key, policy_state, carry, obs, greedy):
        return jnp.int32(jnp.sum(obs["vector"])) + obs["choice"], carry

    algo = Algorithm(None, None, PolicyFunctions(act), (), 1)
    like = [("vector", (2,), np.float32), ("choice", (), np.int32)]
    shapes = kind((name, jax.ShapeDtypeStruct(shape, dtype)) for name, shape, dtype in like)
    return Policy(algo, PolicyState((), ()), shapes, 0)


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_a_dictionary_may_hold_lists_in_any_order(kind):
    policy = policy_of_a_dictionary(kind)
    assert policy({"choice": 3, "vector": [1.0, 2.0]}) == 6
    assert policy({"choice": [3, 4], "vector": [[1.0, 2.0], [0.0, 0.0]]}).tolist() == [6, 4]
    assert policy(OrderedDict(vector=np.ones(2), choice=np.int64(1))) == 3


@pytest.mark.parametrize(
    ("obs", "reason"),
    [
        (np.zeros(2), "it is ndarray; give a dictionary of"),
        ({"vector": [0.0, 0.0]}, r"it has \['vector'\]; give a dictionary of"),
        ({"vector": [0.0, 0.0], "choice": 0, "map": 1}, "it has .* give a dictionary of"),
        ({"vector": np.zeros((3, 2)), "choice": [0, 1]}, "neither one observation .* nor a batch"),
        ({"vector": np.zeros((1, 2)), "choice": [0, 1]}, "neither one observation .* nor a batch"),
        ({"vector": np.zeros((3, 2)), "choice": 0}, "neither one observation .* nor a batch"),
    ],
)
def test_a_dictionary_that_is_no_observation_is_refused(obs, reason):
    with pytest.raises(ValueError, match=reason):
        policy_of_a_dictionary()(obs)


def test_drawn_actions_depend_on_the_seed_and_nothing_else(run):
    policy, obs = run.policy(), observations(200)
    once, again, other = (policy(obs, sample=True, seed=seed) for seed in (1, 1, 2))
    assert once.tolist() == again.tolist()
    assert once.tolist() != other.tolist()
    assert once.tolist() != policy(obs).tolist()


def test_actions_drawn_without_a_seed_are_others_in_each_call_and_alike_in_a_new_policy(run):
    obs = observations(200)

    def drawn():
        policy = run.policy()
        calls = [policy(obs, sample=True).tolist() for _ in range(3)]
        policy.reset()  # whose draws are others than those of the first episode
        return [*calls, policy(obs, sample=True).tolist()]

    calls = drawn()
    assert len({str(call) for call in calls}) == 4
    assert drawn() == calls


def test_a_policy_is_a_pure_function_for_code_that_jax_traces(run):
    """Under jit, vmap and scan, with the actions that the policy has on numpy arrays."""
    policy, obs = run.policy(seed=1), observations(8)
    act, params, carry = policy.as_function()

    @jax.jit
    def decide(params, obs):
        keys = jax.random.split(jax.random.key(0), len(obs))
        return jax.vmap(act, in_axes=(0, None, None, 0))(keys, params, carry, obs)[0]

    assert decide(params, obs).tolist() == policy(obs).tolist()
    step = lambda carry, obs: act(jax.random.key(0), params, carry, obs)[::-1]  # noqa: E731
    assert jax.lax.scan(step, carry, obs)[1].tolist() == policy(obs).tolist()


def test_a_pure_function_draws_as_the_policy_does(run):
    policy, obs = run.policy(seed=1), observations(256)
    act, params, carry = policy.as_function(sample=True)
    keys = jax.random.split(jax.random.key(3), len(obs))
    drawn = jax.vmap(act, in_axes=(0, None, None, 0))(keys, params, carry, obs)[0]
    assert drawn.tolist() == policy(obs, sample=True, seed=3).tolist()
    assert drawn.tolist() != policy(obs).tolist()


def test_a_pure_function_refuses_a_batch_and_names_vmap(run):
    act, params, carry = run.policy().as_function()
    with pytest.raises(
        ConfigError, match=r"float32\[8, 4\] is not one observation float32\[4\].* by jax.vmap"
    ):
        jax.jit(act)(jax.random.key(0), params, carry, observations(8))


def test_a_pure_function_takes_integers_in_their_own_type_alone():
    """A network divides the bytes of an image by 255, and no other type of it."""

    def top_left(key, policy_state, carry, obs, greedy):
        return obs[0, 0].astype(jnp.int32), carry

    algo = Algorithm(None, None, PolicyFunctions(top_left), (), 1)
    image = np.ones((4, 4), np.uint8)
    policy = Policy(algo, PolicyState((), ()), jax.ShapeDtypeStruct(image.shape, np.uint8), 0)
    act, params, carry = policy.as_function()
    assert act(jax.random.key(0), params, carry, image)[0] == 1
    with pytest.raises(
        ConfigError, match=r"obs=float32\[4, 4\] is not one observation uint8\[4, 4\]"
    ):
        act(jax.random.key(0), params, carry, image.astype(np.float32))


def test_what_a_pure_function_begins_with_may_be_donated(run):
    act, params, carry = run.policy(seed=1).as_function()
    jax.block_until_ready(jax.tree.map(lambda x: x.delete(), (params, carry)))
    assert run.policy(seed=1)(observations()[0]) in (0, 1)


def test_a_policy_under_jit_is_refused_with_what_is_pure(run):
    with pytest.raises(ValueError, match=r"use act, params, carry = policy.as_function\(\)"):
        jax.jit(run.policy().__call__)(observations(8))


def test_each_seed_has_its_own_policy_and_the_best_is_chosen_unless_one_is_named(run):
    returns = run.summary["eval_return"]["per_seed"]
    assert run.policy().seed == int(np.argmax(returns))
    obs = observations()
    assert not np.array_equal(run.policy(seed=0).value(obs), run.policy(seed=1).value(obs))
    with pytest.raises(elsinore.ConfigError, match="0 to 1"):
        run.policy(seed=2)


def test_values_are_one_number_an_observation(run):
    values = run.policy().value(observations(8))
    assert values.shape == (8,)
    assert np.isfinite(values).all()
    assert run.policy().value(observations()[0]).shape == ()


def test_the_scores_of_actions_are_what_the_policy_chooses_by(run):
    policy, seen = run.policy(), observations(8)
    scores = policy.action_scores(seen)
    assert list(scores) == ["probability"] and scores["probability"].shape == (8, 2)
    np.testing.assert_allclose(scores["probability"].sum(axis=1), 1.0, rtol=1e-6)
    assert (scores["probability"].argmax(axis=1) == policy(seen)).all()
    assert policy.action_scores(seen[0])["probability"].shape == (2,)


def test_the_scores_of_action_values_have_the_value_as_their_largest():
    policy = elsinore.load(FOLDER / "MountainCar-v0" / "dqn").policy()
    seen = np.array([[-0.5, 0.0], [0.2, 0.03]], np.float32)
    values = policy.action_scores(seen)["action value"]
    assert values.shape == (2, 3)
    np.testing.assert_allclose(values.max(axis=1), policy.value(seen), rtol=1e-6)
    assert (values.argmax(axis=1) == policy(seen)).all()


def test_the_exported_file_says_what_it_takes_and_gives(run):
    about = json.loads((run.path / "policy" / "policy.json").read_text())
    assert about["env"] == "CartPole-v1"
    assert about["seed"] == run.policy().seed
    assert (about["obs_shape"], about["obs_dtype"]) == ([4], "float32")
    assert about["action_shape"] == []
    assert about["action_dtype"].startswith("int")


@pytest.mark.slow
def test_the_exported_policy_acts_alike_in_a_process_that_knows_nothing_of_elsinore(run, tmp_path):
    np.save(tmp_path / "obs.npy", observations(300))
    script = f"""
import sys
from collections import OrderedDict
import numpy as np
from jax import export
path = {str(run.path / "policy" / "policy.jaxexport")!r}
policy = export.deserialize(bytearray(open(path, "rb").read()))
obs = np.load({str(tmp_path / "obs.npy")!r})
np.save({str(tmp_path / "actions.npy")!r}, np.asarray(policy.call(obs)))
np.save({str(tmp_path / "one.npy")!r}, np.asarray(policy.call(obs[:1])))
assert "elsinore" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
    expected = run.policy()(observations(300))
    np.testing.assert_array_equal(np.load(tmp_path / "actions.npy"), expected)
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), expected[:1])


def test_a_policy_says_what_it_is(run):
    best = run.checkpoint("best").name
    assert repr(run.policy(seed=1)) == f"Policy(seed 1 of {best}, observation (4,))"
