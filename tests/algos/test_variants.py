"""docs/variants.py: a variant of PPO, DQN or SAC is one equation, and all the rest is theirs."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore import toolkit
from elsinore.algos.off_policy_learner import ActorCritics, actor_critics
from elsinore.algos.on_policy_batch import OnPolicyBatch
from elsinore.algos.registry import built_in_behind
from elsinore.algos.replay import buffer_for
from elsinore.algos.value_based import action_values
from elsinore.checks.algorithm import check_algorithm
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_lines
from elsinore.errors import ConfigError
from elsinore.experience.replay_buffer import ReplayBatch
from elsinore.nets.distributions import categorical
from elsinore.nets.reparameterised import squashed_actor_head
from tests.algos.trainees import DQN, KEY, SAC, TINY
from tests.small_envs import Clocked, Dart, Forever

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILE = (DOCS / "variants.py").read_text()
SHORT = {
    "env_steps": 512,
    "algo.network.hidden": [8],
    "evaluation.episodes": 2,
    "evaluation.final_episodes": 2,
    "sinks.mlflow.enabled": False,
    "sinks.console": False,
}


class Multiples(nn.Module):
    """Q(o, a) = o and 2 o for the actions 0 and 1."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        q = self.param("scale", nn.initializers.ones, ()) * obs * jnp.array([1.0, 2.0])
        return q, jnp.max(q)


@pytest.fixture(scope="module")
def variants():
    """The module `variants`, on the Python path as beside its user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        import variants  # pyright: ignore[reportMissingImports]

        yield variants
    sys.modules.pop("variants", None)


def test_the_page_shows_the_file_that_is_tested_here():
    page = (DOCS / "extending.md").read_text()
    assert FILE in re.findall(r"```python\n(.*?)```", page, re.S)


# Their equations


def test_the_penalty_is_on_the_divergence_from_the_old_policy_to_the_new(variants):
    old, new = np.array([0.5, 0.5]), np.array([0.8, 0.2])
    action, advantage = np.array([0, 1]), np.array([1.0, -2.0])
    batch = OnPolicyBatch(
        obs=jnp.zeros((2, 1)),
        action=jnp.array(action),
        log_prob=jnp.log(old[action]),
        value=jnp.zeros(2),
        advantage=jnp.array(advantage),
        target=jnp.array([1.0, 3.0]),
    )
    hyper = SimpleNamespace(kl_coef=0.7, vf_coef=0.5, ent_coef=0.1)
    policy = categorical(jnp.log(jnp.array([new, new])), None)
    total, metrics = variants.penalty_loss(None, policy, jnp.zeros(2), batch, hyper)
    ratio = (new / old)[action]
    divergence = float(old @ np.log(old / new))  # each action once, as the old policy has them
    surrogate, entropy = np.mean(ratio * advantage), -float(new @ np.log(new))
    assert metrics["policy/kl"] == pytest.approx(divergence, rel=1e-5)
    assert metrics["loss/policy"] == pytest.approx(0.7 * divergence - surrogate, rel=1e-5)
    value_loss = 0.5 * (1.0 + 9.0) / 2
    expected = 0.7 * divergence - surrogate + 0.5 * value_loss - 0.1 * entropy
    assert total == pytest.approx(expected, rel=1e-5)


def test_a_target_is_lowered_by_the_gap_of_the_action_it_is_of(variants):
    config = variants.AdvantageConfig(gap=0.25, batch_size=2, network=TINY)
    values = action_values(config, Forever(), Clocked(), Multiples)
    equations = variants.AdvantageEquations(config, values, buffer_for(config, None))
    batch = ReplayBatch(
        obs=jnp.array([[1.0], [3.0]]),
        action=jnp.array([0, 1]),
        reward=jnp.array([1.0, -1.0]),
        discount=jnp.array([0.5, 0.0]),
        next_obs=jnp.array([[3.0], [1.0]]),
    )
    params = values.net.init(KEY, jnp.zeros(1))
    target, _ = equations.targets(params, params, batch, KEY)
    np.testing.assert_allclose(target, [1.0 + 0.5 * 6.0 - 0.25 * (2.0 - 1.0), -1.0])


def test_a_hard_target_is_the_least_value_of_an_action_without_its_entropy(variants):
    config = SAC()
    nets = actor_critics(config, Dart(), Clocked(), None, lambda n: squashed_actor_head(n, 0.0))
    obs = jnp.ones((3, 1))
    noise = nets.noise(KEY, (3,))
    params: ActorCritics = nets.net.init(KEY, obs[0])
    learner = SimpleNamespace(params=params, target_params=params, temperature=())
    equations = variants.HardTargetEquations(config, nets)
    action = nets.policy(params.actor, obs).sample(noise)
    q = nets.q(params.critics, obs, action)
    found = equations.next_value(learner, obs, noise, SimpleNamespace(temperature=1.0))
    np.testing.assert_array_equal(found, jnp.min(q, axis=0))
    assert not np.array_equal(q[0], q[1])


@pytest.mark.slow
def test_without_a_gap_it_is_dqn(variants):
    """The same numbers, but for the rounding of another program."""
    config = DQN(learning_starts=0)
    without = variants.AdvantageConfig(**vars_of(config), gap=0.0)
    env, params = Forever(), Clocked()
    made = []
    for settings, function in ((config, toolkit.dqn), (without, variants.advantage)):
        algo = function(settings, env, params, 4)
        state = algo.init(KEY, params, algo.hyper)
        update = jax.jit(algo.update)
        for _ in range(2):
            state, _ = update(state)
        made.append(jax.tree.leaves(state.learner.params))
    for one, other in zip(*made, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def vars_of(config) -> dict:
    """The settings of a config by name, as keyword arguments."""
    return {name: value for name, value in vars(config).items() if name != "name"}


# The rest is theirs


@pytest.mark.parametrize(
    ("name", "behind"),
    [
        ("variants:penalty", "ppo"),
        ("variants:advantage", "dqn"),
        ("variants:hard_target", "sac"),
        ("reinforce:reinforce", "reinforce:reinforce"),
        ("variants:nothing", "variants:nothing"),
        ("no_such_module:f", "no_such_module:f"),
        ("rainbow", "rainbow"),
        ("ppo", "ppo"),
    ],
)
def test_a_variant_is_of_the_algorithm_whose_settings_it_has(variants, name, behind):
    assert built_in_behind(name) == behind


@pytest.mark.parametrize(
    ("name", "env", "behind"),
    [
        ("variants:penalty", "CartPole-v1", "ppo"),
        ("variants:advantage", "Acrobot-v1", "dqn"),
        ("variants:hard_target", "Pendulum-v1", "sac"),
    ],
)
def test_a_variant_begins_with_the_preset_of_its_algorithm(variants, name, env, behind):
    usual, own = load_experiment(env, behind), load_experiment(env, name)
    settings = vars_of(own.algo)
    added = settings.keys() - vars_of(usual.algo).keys()
    assert {key: settings[key] for key in settings.keys() - added} == vars_of(usual.algo)
    assert replace(own, algo=usual.algo) == usual
    assert f"{behind}/{env}" in "\n".join(plan_lines(plan_for(own)))


def test_an_agent_with_a_variant_has_the_preset_too(variants):
    agents = [{"id": "a"}, {"id": "b", "algo": "variants:penalty"}]
    experiment = load_experiment("CartPole-v1", "dqn", overrides={"agents": {"each": agents}})
    own = experiment.agents.each[1].algo
    usual = load_experiment("CartPole-v1", "ppo").algo
    assert (own.gae_lambda, own.learning_rate) == (usual.gae_lambda, usual.learning_rate)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"gap": 1.0}, r"^algo\.gap=1\.0 must"), ({"distribution": "qr"}, "has no such target")],
)
def test_settings_that_a_variant_does_not_have_are_refused(variants, settings, message):
    overrides = {f"algo.{name}": value for name, value in settings.items()}
    with pytest.raises(ConfigError, match=message):
        load_experiment("CartPole-v1", "variants:advantage", overrides=overrides)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "config"),
    [("penalty", "PenaltyConfig"), ("advantage", "AdvantageConfig"), ("hard_target", None)],
)
def test_each_keeps_what_training_and_resume_rely_on(variants, name, config):
    config = SAC() if config is None else getattr(variants, config)()
    env = {"hard_target": "Pendulum-v1"}.get(name, "CartPole-v1")
    results = check_algorithm(getattr(variants, name), config, env=env, env_steps=2_000)
    assert [result for result in results if not result.passed] == []


@pytest.mark.slow
def test_a_variant_of_ppo_has_a_memory_agents_and_numbers_that_vary(variants, tmp_path):
    run = elsinore.train(
        "CartPole-v1",
        "variants:penalty",
        overrides=SHORT
        | {"algo.network.gru": 8, "agents": {"number": 2}, "vary": {"algo.kl_coef": [0.1, 10.0]}},
        runs_dir=tmp_path,
    )
    assert run.summary["algo"] == "variants:penalty"
    assert len(run.summary["eval_return"]["per_seed"]) == 2


@pytest.mark.slow
def test_a_variant_of_dqn_has_sequences_and_priorities(variants, tmp_path):
    settings = SHORT | {
        "algo.network.lstm": 8,
        "algo.prioritized": True,
        "algo.learning_starts": 128,
        "algo.sequence_length": 4,
        "algo.n_step": 3,
        "algo.double": True,
    }
    run = elsinore.train("CartPole-v1", "variants:advantage", overrides=settings, runs_dir=tmp_path)
    assert run.summary["env_steps"] == 512
