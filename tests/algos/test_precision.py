"""`matmul_precision` is the precision of every product of matrices of a run, and of its policy."""

import jax
import jax.numpy as jnp
import pytest

from elsinore.algos.precision import PRECISIONS, with_precision
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.types import Algorithm, PolicyFunctions
from tests.lowered import precisions

SMALL = {
    "algo.num_envs": 2,
    "algo.network.hidden": [4],
    "evaluation.episodes": 2,
    "env_steps": 4_000,
}
ON_POLICY = {"algo.rollout_length": 4, "algo.num_minibatches": 1}


def planned(algo="ppo", env="CartPole-v1", **settings):
    return plan_for(load_experiment(env, algo, overrides=SMALL | settings))


def chunk_of(plan):
    return jax.jit(plan.program.chunk).lower(plan.state_shapes, jnp.int32(1)).as_text()


def toy():
    """An algorithm of which each function is one product of matrices."""

    def product(x):
        return x @ x

    policy = PolicyFunctions(product, initial_carry=(), value=product)
    return Algorithm(product, product, policy, hyper=3, steps_per_update=1)


def test_an_algorithm_without_a_precision_is_the_one_that_it_was():
    algo = toy()
    assert with_precision(algo, None) is algo


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_function_of_an_algorithm_has_the_precision(precision):
    algo = with_precision(toy(), precision)
    wanted = {"bfloat16": "default", "tensorfloat32": "high", "float32": "highest"}
    for function in (algo.init, algo.update, algo.policy.act, algo.policy.value):
        text = jax.jit(function).lower(jnp.ones((2, 2))).as_text()
        assert precisions(text) == {wanted.get(precision, precision).upper()}
    assert (algo.hyper, algo.parts, algo.policy.explore) == (3, None, None)
    assert jax.config.jax_default_matmul_precision is None  # as before


def test_a_chunk_and_its_evaluation_have_the_precision_of_the_settings():
    texts = {
        precision: chunk_of(planned(matmul_precision=precision, **ON_POLICY))
        for precision in (None, "highest")
    }
    assert precisions(texts["highest"]) == {"HIGHEST"}
    assert precisions(texts[None]) == {"DEFAULT"}
    assert len({text.count("dot_general") for text in texts.values()}) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "algo", "settings"),
    [
        ("CartPole-v1", "a2c", {"algo.rnd.weight": 0.1, "algo.network.gru": 4}),
        ("CartPole-v1", "ppo", ON_POLICY | {"agents.number": 2}),
        ("CartPole-v1", "ppo", ON_POLICY | {"agents.number": 2, "agents.sharing": "shared"}),
        ("CartPole-v1", "ppo", {"agents": [{"id": "a"}, {"id": "b", "algo": "a2c"}]}),
        ("CartPole-v1", "ppo", ON_POLICY | {"shards": 2}),
        ("Nim", "ppo", ON_POLICY | {"self_play.pool": 2}),
        ("CartPole-v1", "dqn", {"algo.noisy": True}),
        ("CartPole-v1", "pqn", {}),
        ("CartPole-v1", "sac_discrete", {}),
        ("Pendulum-v1", "sac", {}),
        ("Pendulum-v1", "td3", {}),
    ],
)
def test_every_algorithm_has_the_precision(env, algo, settings):
    plan = planned(algo, env, matmul_precision="highest", **settings)
    assert precisions(chunk_of(plan)) == {"HIGHEST"}


def test_a_policy_of_its_own_has_the_precision():
    plan = planned(matmul_precision="high", **ON_POLICY)
    act = plan.learner.policy.act
    train = plan.state_shapes.train
    obs = jax.ShapeDtypeStruct(train.actor.obs.shape[1:], train.actor.obs.dtype)
    lowered = jax.jit(act, static_argnums=4).lower(train.key, train.policy_state, (), obs, True)
    assert precisions(lowered.as_text()) == {"HIGH"}


def test_an_unknown_precision_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="matmul_precision='fast' is unknown; choose default, hi"):
        planned(matmul_precision="fast")
