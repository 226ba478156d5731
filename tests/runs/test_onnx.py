"""A policy as an ONNX graph decides in onnxruntime as it does here."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.checks.env_fixture import random_legal_action
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.experience.autoreset import batched_autoreset_step, batched_reset
from elsinore.runs.checkpoints.restored import policy_of
from elsinore.runs.export.export import write_onnx
from elsinore.runs.export.latency import DECIDERS
from elsinore.runs.export.onnx.model import model_of
from elsinore.runs.export.onnx.program import UnknownOperation
from elsinore.runs.policy import Policy
from elsinore.types import Algorithm, PolicyFunctions, PolicyState

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnx", reason="needs the extra onnx")

FACTS = {"env": "a world", "checkpoint": "latest/1"}
SMALL = {"algo.network.hidden": [8, 8]}
NORMED = SMALL | {"algo.normalize_obs": True}
GSDE = {"algo.action_distribution": "gsde", "algo.noise_period": 1}
BETA = SMALL | {"algo.action_distribution": "beta"}
BFLOAT16 = {"algo.network.dtype": "bfloat16"}
LRU = {"algo.network.lru": 8}
# env, algorithm, settings: each network, head and algorithm that a config can name
POLICIES = {
    "mlp": ("CartPole-v1", "ppo", NORMED),
    "silu": ("CartPole-v1", "a2c", SMALL | {"algo.network.activation": "silu"}),
    "gelu": ("CartPole-v1", "a2c", SMALL | {"algo.network.activation": "gelu"}),
    "continuous": ("Pendulum-v1", "ppo", NORMED),
    "cnn": ("Catch-bsuite", "ppo", SMALL),
    "nature": ("tests.small_envs:Camera", "ppo", SMALL | {"algo.network.encoder": "nature"}),
    "minatar": ("Breakout-MinAtar", "pqn", SMALL | {"algo.network.layer_norm": True}),
    "gru": ("CartPole-v1", "ppo", NORMED | {"algo.network.gru": 8}),
    "lstm": ("CartPole-v1", "a2c", SMALL | {"algo.network.lstm": 8}),
    "lru": ("CartPole-v1", "ppo", NORMED | LRU),
    "lru continuous": ("Pendulum-v1", "a2c", BETA | LRU | BFLOAT16),
    "lru dqn": ("CartPole-v1", "dqn", SMALL | LRU),
    "lru cnn": ("Catch-bsuite", "pqn", SMALL | LRU | {"algo.network.layer_norm": True}),
    "shared": ("CartPole-v1", "ppo", SMALL | {"algo.network.shared": True}),
    "mask": ("tests.small_envs:MaskedBandit", "ppo", NORMED | {"algo.network.gru": 8}),
    "masks of several choices": ("tests.small_envs:Dials", "a2c", SMALL),
    "dqn": ("CartPole-v1", "dqn", SMALL | {"algo.dueling": True, "algo.noisy": True}),
    "c51": ("CartPole-v1", "c51", SMALL),
    "qr": ("CartPole-v1", "qrdqn", SMALL),
    "iqn": ("CartPole-v1", "iqn", SMALL),
    "sac": ("Pendulum-v1", "sac", SMALL),
    "sac beta": ("Pendulum-v1", "sac", BETA),
    "sac gsde": ("Pendulum-v1", "sac", SMALL | GSDE),
    "td3": ("Pendulum-v1", "td3", SMALL),
    "hamlet": ("Hamlet-L0_5", "ppo", {}),  # with the network of its preset, as the next
    "balatro": ("Balatro-stage2", "dqn", {}),
    "bfloat16": ("CartPole-v1", "ppo", SMALL | BFLOAT16),
    "bfloat16 cnn": ("Catch-bsuite", "pqn", SMALL | BFLOAT16),
    "bfloat16 gru": ("CartPole-v1", "dqn", SMALL | BFLOAT16 | {"algo.network.gru": 8}),
    "bfloat16 lstm": ("Pendulum-v1", "a2c", BETA | BFLOAT16 | {"algo.network.lstm": 8}),
    "bfloat16 sac": ("Pendulum-v1", "sac", SMALL | BFLOAT16),
}
QUICK = ("mlp", "cnn", "mask", "masks of several choices")


class _Holding:
    """As much of a run's state as a policy is made of."""

    def __init__(self, policy_state):
        self.train = type("Train", (), {"policy_state": policy_state})


def policy_with(env: str, algo: str, settings: dict):
    """An untrained policy with weights of a size that makes its decisions differ, and normalisers
    that have seen something."""
    plan = plan_for(load_experiment(env, algo, None, settings))
    state = jax.jit(plan.program.init)(jax.random.key(0)).train.policy_state
    draw = np.random.default_rng(0)

    def moved(x):
        x = np.asarray(x)
        if x.dtype.kind != "f":
            return x
        noise = draw.normal(size=x.shape)
        if x.ndim < 2:
            noise = np.abs(noise)  # the variances of a normaliser stay positive
        return x + 0.3 * noise.astype(x.dtype)

    return policy_of(plan, _Holding(jax.tree.map(lambda x: moved(x)[None], state)), seed=0)


def observations(name: str, policy, number: int, seed: int = 0):
    if name == "balatro":
        return observations_of_games(number)
    draw = np.random.default_rng(seed)

    def some(path, like):
        if "action_mask" in jax.tree_util.keystr(path):
            legal = draw.random((number, *like.shape)) < 0.5
            legal[np.arange(number), draw.integers(0, like.shape[0], number)] = True
            return legal
        if like.dtype == np.uint8:  # images of 2 x 2 parts, each black or white in each channel
            height, width, channels = like.shape
            bright = np.uint8(255) * draw.integers(0, 2, (number, 2, 2, channels), np.uint8)
            return bright.repeat(height // 2, 1).repeat(width // 2, 2)
        x = draw.normal(size=(number, *like.shape))
        return (x if np.dtype(like.dtype).kind == "f" else x > 0).astype(like.dtype)

    return jax.tree_util.tree_map_with_path(some, policy.obs_like)


def observations_of_games(number: int, num_envs: int = 20):
    """`number` observations of random legal actions in Balatro. Random hands hold a card twice, and
    then many actions are worth exactly the same."""
    plan = plan_for(load_experiment("Balatro-stage2", "dqn"))
    env, params = plan.env, plan.env_params
    space, keys = env.action_space(params), jax.random.split(jax.random.key(0), num_envs)

    def step(carry, i):
        obs, state = carry
        at = jax.vmap(jax.random.fold_in, (0, None))(keys, i)
        action, _ = jax.vmap(random_legal_action, (0, None, 0))(at, space, obs)
        out = batched_autoreset_step(env, at, keys, state, action, params)
        return (out.obs, out.state), obs

    @jax.jit
    def walk(keys):
        steps = jnp.arange(number // num_envs)
        return jax.lax.scan(step, batched_reset(env, keys, params), steps)[1]

    return jax.tree.map(lambda x: np.asarray(x).reshape(number, *x.shape[2:]), walk(keys))


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in POLICIES],
)
def test_it_decides_as_here_on_a_thousand_observations(name, tmp_path):
    policy = policy_with(*POLICIES[name])
    write_onnx(policy, tmp_path, FACTS)
    session = onnxruntime.InferenceSession(str(tmp_path / "policy.onnx"))
    about = json.loads((tmp_path / "policy.json").read_text())
    carry = [np.zeros((1_000, *shape), np.float32) for shape in about["memory_shapes"]]
    actions, distinct = [], set()
    for seed in range(3 if carry else 1):
        obs = observations(name, policy, 1_000, seed)
        parts = jax.tree.leaves(obs)
        found, *carry = session.run(None, dict(zip(about["inputs"], [*parts, *carry], strict=True)))
        expected = policy(obs)
        assert found.dtype == expected.dtype == np.dtype(about["action_dtype"])
        assert list(found.shape[1:]) == about["action_shape"]
        if expected.dtype.kind == "f":
            close = np.isclose(found, expected, rtol=1e-5, atol=1e-5)
            if BFLOAT16.items() <= POLICIES[name][2].items():
                # a rounding in float32 may be one of bfloat16, which has 8 bits, in the next layer
                assert close.mean() >= 0.99
                np.testing.assert_allclose(found, expected, rtol=2e-2, atol=2e-2)
            else:
                assert close.all()
        else:
            # where two actions are worth the same but for rounding, either may be chosen
            assert (found == expected).mean() >= 0.998
        actions.append(found)
        distinct |= {tuple(np.atleast_1d(x).tolist()) for x in found}
    assert len(distinct) > 1  # a policy that always does the same would prove nothing
    one = {
        key: x[:1]
        for key, x in zip(
            about["inputs"], jax.tree.leaves(observations(name, policy, 1_000)), strict=False
        )
    }
    one |= {
        f"carry_{i}": np.zeros((1, *shape), np.float32)
        for i, shape in enumerate(about["memory_shapes"])
    }
    np.testing.assert_allclose(
        session.run(["action"], one)[0], actions[0][:1], rtol=1e-5, atol=1e-5
    )


ELSEWHERE = """
import sys
sys.modules["elsinore"] = sys.modules["jax"] = None
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
print(session.run(["action"], {"obs": np.zeros((3, 4), np.float32)})[0].shape)
"""


@pytest.mark.slow
def test_a_run_is_exported_and_read_without_jax(whole, tmp_path, capsys):
    out = tmp_path / "onnx"
    assert cli.main(["export", str(whole), "--format", "onnx", "-o", str(out), "--measure"]) == 0
    printed = capsys.readouterr().out
    assert f"exported: {out}/ with policy.json, policy.onnx (" in printed and "batch 256" in printed
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(out / "policy.onnx")], capture_output=True, text=True
    )
    assert done.stdout == "(3,)\n", done.stderr
    run = elsinore.load(whole)
    obs = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    seed = json.loads((out / "policy.json").read_text())["seed"]
    assert (DECIDERS["onnx"](out)(obs) == run.policy(seed=seed)(obs)).mean() > 0.98
    with pytest.raises(elsinore.ConfigError, match="exists already"):
        run.export("onnx", out)


def looping(x):
    return [jax.lax.fori_loop(0, x.shape[1], lambda i, y: y * 2.0, x)]


def mixed_product(x):
    """Of small integers, summed in larger ones."""
    weights = np.ones((4, 2), np.int8)
    return [jnp.matmul(x.astype(jnp.int8), weights, preferred_element_type=jnp.int32)]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (looping, "'(scan|while)'"),
        (lambda x: [jnp.sort(x)], "'sort'"),
        (lambda x: [x + jnp.arange(x.shape[0])[:, None]], "numbers its batch"),
        (lambda x: [jnp.exp(jax.lax.complex(x, x)).real], "'exp' of complex numbers"),
        (lambda x: [jax.lax.complex(x, x)], "takes or returns complex numbers"),
        (mixed_product, "none that ONNX allows .*MatMul"),
    ],
)
def test_what_it_has_no_operation_for_is_refused_by_name(function, name):
    with pytest.raises(UnknownOperation, match=name):
        model_of(function, [("obs", (4,), np.float32)], ["action"], {})


def test_every_operation_computes_what_jax_does(tmp_path):
    """Those that no policy above uses."""

    def function(x):
        y = jnp.concatenate([jnp.sin(x), jnp.cos(x)[:, ::2], jnp.abs(x) ** 3], axis=1)
        z = jnp.pad(y, ((0, 0), (1, 2)))[:, 1:]
        parts = jnp.split(z, [3, 5], axis=1)
        truth = (jnp.isfinite(z) & (z != 0)).any(axis=1) | (z > 1).all(axis=1)
        floors = jnp.floor(parts[0]) + jnp.ceil(parts[0]) + jnp.sign(parts[0])
        odd = jnp.log1p(jnp.abs(z)) + jax.lax.rsqrt(jnp.square(z) + 1) + jax.lax.erf(z)
        table = jnp.take(z, np.array([[0, 2], [1, 1]]), axis=1)
        places = (z > 0.5).astype(jnp.int32)
        along = jnp.take_along_axis(z, places, axis=1) + jnp.round(z) + jnp.expm1(z)
        first, *_ = jnp.unstack(along, axis=1)
        mixed = first + jnp.einsum("bij,bkj->bik", table, table).sum(axis=(1, 2))
        rest = jnp.fmod(z, 0.7).min(axis=1) - jnp.argmin(z, axis=1)
        least = jnp.where(truth, mixed, -rest) + jnp.power(2.0, z).max(axis=1)
        again = jnp.take_along_axis(table, table.astype(jnp.int32) % 2, axis=1)
        return [floors, odd + along, least + again.sum(axis=(1, 2)), jnp.clip(z, -0.5, 0.5).T.T]

    model = model_of(function, [("x", (4,), np.float32)], list("abcd"), {"k": "v"})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    for found, expected in zip(session.run(None, {"x": x}), function(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_an_index_out_of_bounds_is_clipped_where_jax_clips_it():
    """ONNX counts an index below 0 from the end, and refuses one beyond it."""
    table = jnp.arange(10.0, 15.0)

    def function(x):
        return [jnp.take(table, x, mode="clip")]

    model = model_of(function, [("x", (3,), np.int32)], ["y"], {})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {"x": np.array([[-1, 0, 4], [-9, 2, 9]], np.int32)})
    assert found.tolist() == [[10.0, 10.0, 14.0], [10.0, 12.0, 14.0]]


def test_arrays_of_any_type_are_chosen_between():
    """onnxruntime itself chooses only between some types."""
    kinds = (np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32)

    def function(x):
        both = [(x * 9, x + 1), (x, 1 - x)]
        return [jnp.where(x > 1, *(y.astype(k) for y in both[k == np.bool_])) for k in kinds]

    model = model_of(function, [("x", (4,), np.float32)], [k.__name__ for k in kinds], {})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.random.default_rng(0).integers(0, 4, (50, 4)).astype(np.float32)
    for found, expected in zip(session.run(None, {"x": x}), function(x), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_an_observation_may_have_any_names(tmp_path):
    """Also those of outputs, of the carry, of the nodes and of one another."""

    def act(key, policy_state, carry, obs, greedy):
        total = sum((i + 1) * x for i, x in enumerate(jax.tree.leaves(obs)))
        return total + carry, carry + 1

    names = ("action", "carry_0", "next_carry_0", "Mul_0_0", "constant_0", "a.b", "obs")
    number = jax.ShapeDtypeStruct((), np.float32)
    like = dict.fromkeys(names, number) | {"a": {"b": number}}
    functions = PolicyFunctions(act, initial_carry=jnp.float32(0))
    policy = Policy(Algorithm(None, None, functions, (), 1), PolicyState((), ()), like, 0)
    write_onnx(policy, tmp_path, FACTS)
    inputs = json.loads((tmp_path / "policy.json").read_text())["inputs"]
    assert len(set(inputs)) == len(names) + 2 and {"a.b", "a.b_", "action_", "carry_0_"} < {*inputs}
    session = onnxruntime.InferenceSession(str(tmp_path / "policy.onnx"))
    given = np.random.default_rng(0).normal(size=(len(inputs), 50)).astype(np.float32)
    action, carry = session.run(None, dict(zip(inputs, given, strict=True)))
    obs = jax.tree.unflatten(jax.tree.structure(like), list(given[:-1]))
    policy._carry = given[-1]
    np.testing.assert_allclose(action, policy(obs), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(carry, given[-1] + 1)


def test_a_carry_is_described_in_the_type_that_the_graph_takes(tmp_path):
    def act(key, policy_state, carry, obs, greedy):
        return obs.sum() + carry.astype(jnp.float32), carry

    functions = PolicyFunctions(act, initial_carry=jnp.bfloat16(0))
    like = jax.ShapeDtypeStruct((2,), np.float32)
    policy = Policy(Algorithm(None, None, functions, (), 1), PolicyState((), ()), like, 0)
    write_onnx(policy, tmp_path, FACTS)
    session = onnxruntime.InferenceSession(str(tmp_path / "policy.onnx"))
    about = json.loads((tmp_path / "policy.json").read_text())
    written = json.loads(session.get_modelmeta().custom_metadata_map["policy"])
    assert session.get_inputs()[1].type == "tensor(float)"
    assert about["memory_dtypes"] == written["memory_dtypes"] == ["float32"]


def test_bfloat16_is_rounded_where_jax_rounds_it():
    """With operations that a custom network may have; those of ours are products alone."""
    weights = np.random.default_rng(1).normal(size=(4, 4)).astype(jnp.bfloat16)

    def function(x):
        y = jnp.tanh(x.astype(jnp.bfloat16)) * jnp.bfloat16(1.1) + weights[0]
        exact = jnp.matmul(y, weights, preferred_element_type=jnp.float32)
        rounded = jnp.where(y > 0.3, y @ weights, -y).max(axis=1)
        return [exact, rounded, jnp.argmax(y, axis=1)]

    model = model_of(function, [("x", (4,), np.float32)], list("abc"), {})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.random.default_rng(0).normal(size=(1_000, 4)).astype(np.float32)
    for found, expected in zip(session.run(None, {"x": x}), function(x), strict=True):
        expected = np.asarray(expected, found.dtype)
        assert np.isclose(found, expected, rtol=1e-5, atol=1e-5).mean() >= 0.99
        np.testing.assert_allclose(found, expected, rtol=2e-2, atol=2e-2)


def test_complex_numbers_are_pairs_of_real_ones():
    """With operations that a custom network may have; a linear recurrence adds and multiplies."""
    factor = np.array([0.5 + 2j, -1j, 3], np.complex64)

    def function(x):
        z = jax.lax.complex(x, x**2) * factor - jax.lax.complex(jnp.sin(x), x)
        both = jnp.stack([z, -z * z], axis=1)
        again = jax.lax.slice_in_dim(both, 0, 1, axis=1)
        rows = jnp.concatenate([both, again], axis=1).reshape(-1, 9)
        first, rest = jnp.split(rows, [4], axis=1)
        return [first.real, first.imag, (rest * rest + rest).T.imag.T]

    model = model_of(function, [("x", (3,), np.float32)], list("abc"), {})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    for found, expected in zip(session.run(None, {"x": x}), function(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
