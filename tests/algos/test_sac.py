"""What is SAC's own: squashed random actions, values that hold entropy, and a temperature that
finds itself; and what it shares with TD3, acting within bounds and refusing what it cannot do."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces
from scipy.stats import kstest

from elsinore.algos.off_policy_learner import actor_critics
from elsinore.algos.sac import SACConfig
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.nets.config import NetworkConfig
from elsinore.nets.continuous_q import with_dropout
from elsinore.nets.reparameterised import REPARAMETERISED, squashed_actor_head
from tests.algos.test_td3 import constant, differs
from tests.algos.trainees import KEY, MAKE, PARAMS, SAC, TD3, compiled, mean, train, values
from tests.small_envs import Dart, Dials, Forever, Honest, World

ONE_STEP = {"learning_starts": 0, "rollout_length": 1, "gradient_steps": 1}
FIXED = {"tune_temperature": False, "temperature": 0.0}
both = pytest.mark.parametrize("make", [SAC, TD3], ids=["sac", "td3"])
BETA, GSDE = (partial(SAC, action_distribution=kind) for kind in ("beta", "gsde"))
every_head = pytest.mark.parametrize(
    "make",
    [
        pytest.param(SAC, id="sac"),
        pytest.param(TD3, id="td3"),
        pytest.param(BETA, id="beta", marks=pytest.mark.slow),
        pytest.param(GSDE, id="gsde", marks=pytest.mark.slow),
    ],
)


def entropy_of_tanh(std: float) -> float:
    """Of tanh(std x), x standard normal, in nats, by a sum over a fine grid."""
    x = np.linspace(-8.0, 8.0, 200_001)
    weight = np.exp(-0.5 * x**2) / np.exp(-0.5 * x**2).sum()
    slope = np.log1p(-(np.tanh(std * x) ** 2))
    return 0.5 * np.log(2 * np.pi * np.e) + np.log(std) + float((weight * slope).sum())


def updated(online, target, **config):
    """The state and metrics of one update from critics of constant values and an actor whose
    normals are standard."""
    options = ONE_STEP | {"gamma": 0.5, "batch_size": 2_000} | config
    _, begin, update = compiled(SAC(**options), Forever())
    state = begin()
    learner = state.learner._replace(
        params=state.learner.params._replace(
            actor=jax.tree.map(jnp.zeros_like, state.learner.params.actor),
            critics=constant(state.learner.params.critics, *online),
        ),
        target_params=state.learner.target_params._replace(
            critics=constant(state.learner.target_params.critics, *target)
        ),
    )
    return update(state._replace(learner=learner))


@pytest.mark.parametrize("temperature", [pytest.param(0.0, marks=pytest.mark.slow), 2.0])
def test_the_target_holds_the_least_value_and_the_entropy_by_its_temperature(temperature):
    fixed = {"tune_temperature": False, "temperature": temperature}
    _, metrics = updated((0.0, 0.0), (8.0, 6.0), **fixed)
    target = 1.0 + 0.5 * (6.0 + temperature * entropy_of_tanh(1.0))
    assert metrics["loss/td_error"].total == pytest.approx(target, abs=0.1 * temperature + 1e-5)
    assert metrics["policy/entropy"].total == pytest.approx(entropy_of_tanh(1.0), abs=0.1)


def test_the_actors_loss_is_minus_its_soft_value():
    """Critics of 3 and 2, after a step of 0.01 by Adam in each number that they depend on."""
    _, metrics = updated((3.0, 2.0), (8.0, 6.0), tune_temperature=False, temperature=0.5)
    soft = 2.0 + 0.5 * float(metrics["policy/entropy"].total)
    assert metrics["loss/policy"].total == pytest.approx(-soft, abs=0.03)


@pytest.mark.parametrize(("target_entropy", "direction"), [(-1.0, -1.0), (0.9, 1.0)])
def test_the_temperature_falls_while_the_entropy_is_above_its_target_and_rises_below(
    target_entropy, direction
):
    """The first step of Adam is the learning rate, in the logarithm."""
    state, metrics = updated((0.0, 0.0), (0.0, 0.0), target_entropy=target_entropy, temperature=0.3)
    assert metrics["policy/temperature"].total == pytest.approx(0.3)
    log_temperature = float(state.learner.temperature.params)
    assert log_temperature == pytest.approx(np.log(0.3) + 0.01 * direction, abs=1e-5)


@pytest.mark.slow
def test_a_fixed_temperature_stays():
    state, metrics = updated((0.0, 0.0), (0.0, 0.0), tune_temperature=False, temperature=0.3)
    assert state.learner.temperature == ()
    assert metrics["policy/temperature"].total == pytest.approx(0.3)


@pytest.mark.slow
def test_the_entropy_of_a_policy_comes_to_its_target():
    """The temperature holds the entropy at -1 nat: without it the policy would become its best
    action, with much of it uniform, at 0.69 nats."""
    trained = train(SAC(gamma=0.5, temperature=0.3), Dart())
    assert mean(trained.metrics["policy/entropy"]) == pytest.approx(-1.0, abs=0.25)


def test_its_actor_has_no_target_network_and_its_critics_follow_at_every_step():
    _, begin, update = compiled(SAC(**ONE_STEP), Forever())
    state = begin()
    assert state.learner.target_params.actor == ()
    for _ in range(3):
        before, (state, _) = state.learner, update(state)
        assert differs(before.params.actor, state.learner.params.actor)
        jax.tree.map(
            lambda old, new, found: np.testing.assert_allclose(
                found, 0.95 * old + 0.05 * new, rtol=1e-5, atol=1e-7
            ),
            before.target_params.critics,
            state.learner.params.critics,
            state.learner.target_params.critics,
        )


@pytest.mark.slow
def test_the_value_of_an_endless_reward_is_its_sum_with_or_without_a_temperature():
    """1 / (1 - 0.5), and an entropy bonus of 0.5 x the entropy a step from the next one on."""
    trained = train(SAC(gamma=0.5, **FIXED), Forever())
    assert values(trained, jnp.ones(1)) == pytest.approx([2.0], abs=0.03)
    bonus = {"tune_temperature": False, "temperature": 0.5}
    warm = train(SAC(gamma=0.5, **bonus), Forever())
    entropy = mean(warm.metrics["policy/entropy"])
    assert entropy == pytest.approx(np.log(2.0), abs=0.05)  # nothing speaks for any action
    assert values(warm, jnp.ones(1)) == pytest.approx([2.0 + 0.5 * entropy], abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("kind", REPARAMETERISED)
def test_it_learns_where_to_throw(kind):
    trained = train(SAC(learning_rate=0.003, action_distribution=kind), Dart())
    act = trained.algo.policy.act(KEY, trained.state.policy_state, (), jnp.ones(1), True)[0]
    assert float(act[0]) == pytest.approx(0.5, abs=0.1)


@every_head
def test_actions_are_uniform_within_the_bounds_until_learning_starts(make):
    config = make(learning_starts=2_000, rollout_length=128)
    _, begin, update = compiled(config, Honest())
    held = update(begin())[0].learner.buffer.experience
    action = np.asarray(held.action[:128]).reshape(-1, 2)
    distinct = np.unique(action, axis=0)  # noise that is held is one action for some steps
    assert len(distinct) == len(action) // (config.noise_period if make is GSDE else 1)
    for i in range(2):
        assert kstest(distinct[:, i], "uniform", (-1.0, 2.0)).pvalue > 0.01
    low, high = np.float32([-2.0, 0.25]), np.float32([6.0, 0.5])
    taken = low + 0.5 * (action + 1.0) * (high - low)
    np.testing.assert_allclose(
        np.asarray(held.reward[:128]).reshape(-1), taken[:, 0] + 10.0 * taken[:, 1], rtol=1e-5
    )


@both
def test_actions_explore_alike_for_some_time_where_the_noise_is_correlated(make):
    """Of uniform actions from normals x and y with correlation c, that is 6 asin(c / 2) / pi."""
    config = make(learning_starts=2_000, rollout_length=128, noise_correlation=0.9)
    _, begin, update = compiled(config, Honest())
    action = np.asarray(update(begin())[0].learner.buffer.experience.action[:128])
    found = np.mean([np.corrcoef(action[1:, i, 0], action[:-1, i, 0])[0, 1] for i in range(8)])
    assert found == pytest.approx(6.0 / np.pi * np.arcsin(0.45), abs=0.06)


@every_head
def test_nothing_is_learnt_before_learning_starts(make):
    _, begin, update = compiled(make(learning_starts=96), Forever())  # 32 env steps an update
    state = begin()
    for number in range(5):
        before, (state, metrics) = state.learner, update(state)
        assert metrics["loss/value"].count == (4.0 if number >= 3 else 0.0)
        assert differs(before.params, state.learner.params) == (number >= 3)


@every_head
def test_a_sampled_action_and_the_greedy_one_are_within_the_bounds(make):
    algo, begin, _ = compiled(make(), Honest())
    state = begin()
    far = jax.tree.map(lambda x: 1e3 * jnp.ones_like(x), state.policy_state.params)

    def drawn(params, greedy):
        policy_state = state.policy_state._replace(params=params)
        return jax.vmap(lambda key: algo.policy.act(key, policy_state, (), jnp.ones(1), greedy)[0])(
            jax.random.split(KEY, 50)
        )

    for params in (state.policy_state.params, far):
        for greedy in (True, False):
            act = drawn(params, greedy)
            assert (act >= jnp.array([-2.0, 0.25])).all() and (act <= jnp.array([6.0, 0.5])).all()
    mean_action = algo.policy.action_scores(state.policy_state, (), jnp.ones(1))["mean"]
    greedy, _ = algo.policy.act(KEY, state.policy_state, (), jnp.ones(1), True)
    np.testing.assert_array_equal(mean_action, greedy)


@pytest.mark.slow
def test_the_noise_of_the_state_is_one_function_of_it_for_a_period():
    """In an env of one sight the same action, and another in each env and period."""
    config = GSDE(learning_starts=0, rollout_length=8, noise_period=4)
    _, begin, update = compiled(config, Forever())
    action = np.asarray(update(begin())[0].learner.buffer.experience.action[:8, :, 0])
    np.testing.assert_array_equal(action, np.repeat(action[::4], 4, axis=0))
    assert len(np.unique(action)) == 2 * 8


class Boundless(World):
    def action_space(self, params):
        return spaces.Box(-jnp.inf, jnp.inf, (1,))


class Wide(World):
    def action_space(self, params):
        return spaces.Box(-jnp.finfo(jnp.float32).max, jnp.finfo(jnp.float32).max, (1,))


@both
@pytest.mark.parametrize(
    ("world", "message"),
    [
        (Boundless(), r"are from \[-inf\] to \[inf\]; give its action space finite bounds, or use"),
        (Wide(), "give its action space finite bounds, or use algo: ppo or a2c"),
        (Dials(), "action space is MultiDiscrete; use algo: ppo or a2c"),
    ],
)
def test_an_action_space_that_it_cannot_act_in_is_refused_with_what_can(make, world, message):
    config = make()
    with pytest.raises(ValueError, match=message) as refusal:
        MAKE[config.name](config, world, PARAMS, 10)
    assert f"algo='{config.name}'" in str(refusal.value)


@both
def test_discrete_actions_are_refused_with_what_takes_them(make):
    config = make()
    with pytest.raises(ValueError, match="is Discrete; use algo: sac_discrete, dqn, pqn"):
        MAKE[config.name](config, World(), PARAMS, 10)


@both
@pytest.mark.parametrize(
    "network",
    [
        {"gru": 8},
        {"shared": True},
        {"encoder": "elsinore.worlds.balatro.nets:CARDS"},
    ],
    ids=str,
)
def test_a_network_that_it_does_not_train_is_refused(make, network):
    config = make(network=NetworkConfig(**network))
    with pytest.raises(ValueError, match="algo.network with .*; (use ppo|leave both)"):
        MAKE[config.name](config, Honest(), PARAMS, 10)


@both
def test_layer_normalisation_is_the_critics_alone(make):
    _, begin, _ = compiled(make(network=NetworkConfig(hidden=(8,), layer_norm=True)), Honest())
    params = begin().learner.params
    assert "LayerNorm" in str(jax.tree.structure(params.critics))
    assert "LayerNorm" not in str(jax.tree.structure(params.actor))


def shapes_after_an_update(config, world, network=None):
    algo = MAKE[config.name](config, world, PARAMS, 10, network)
    state = jax.eval_shape(algo.init, KEY, PARAMS, algo.hyper)
    after, _ = jax.eval_shape(algo.update, state)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
    return after.learner.params


class Eyes(Honest):
    """Seen as an image."""

    def reset_env(self, key, params):
        _, state = super().reset_env(key, params)
        return jnp.ones((6, 6, 2)), state

    def step_env(self, key, state, action, params):
        _, *rest = super().step_env(key, state, action, params)
        return jnp.ones((6, 6, 2)), *rest


@both
def test_images_are_seen_by_a_cnn_whose_features_the_action_joins(make):
    network = NetworkConfig(hidden=(8, 5), channels=(3,), layer_norm=True)
    params = shapes_after_an_update(make(network=network), Eyes())
    kernels = {x.shape for x in jax.tree.leaves(params.critics) if len(x.shape) == 2}
    assert kernels == {(9 * 2, 3), (4 * 4 * 3, 8), (8, 5), (5 + 2, 5), (5, 1)}


class Mine(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs, name="mine")(obs), jnp.float32(0.0)


@both
def test_a_custom_network_is_the_actor(make):
    params = shapes_after_an_update(make(), Honest(), Mine)
    assert set(params.actor["params"]) == {"mine"}
    assert params.actor["params"]["mine"]["kernel"].shape[1] == (4 if make is SAC else 2)


def test_a_custom_actor_has_no_features_for_the_noise_of_the_state():
    with pytest.raises(ValueError, match=r"gives no features to action_distribution='gsde'; leave"):
        MAKE["sac"](GSDE(), Honest(), PARAMS, 10, Mine)


@both
@pytest.mark.parametrize("sharing", ["independent", "shared"])
def test_several_agents_learn_each_for_itself_or_together(make, sharing):
    settings = {
        "agents.number": 3, "agents.sharing": sharing, "algo.num_envs": 2, "env_steps": 3_000,
        "algo.learning_starts": 64, "algo.gradient_steps": 1, "algo.network.hidden": [8],
    }  # fmt: skip
    plan = plan_for(load_experiment("Pendulum-v1", make().name, overrides=settings))
    state = jax.eval_shape(plan.program.init, KEY)
    after, _ = jax.eval_shape(plan.program.chunk, state, jnp.int32(1))
    action = after.train.learner.buffer.experience.action
    assert action.shape[-1] == 1 and action.shape[-2] == (2 if sharing == "independent" else 6)
    assert (action.shape[0] == 3) == (sharing == "independent")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("num_critics", 0),
        ("gradient_steps", 0),
        ("max_grad_norm", 0.0),
        ("adam_eps", 0.0),
        ("learning_rate_final", -1.0),
        ("priority_alpha", 1.5),
        *(("target_entropy", value) for value in (float("inf"), float("nan"))),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ValueError) as refusal:
        SACConfig(**{field: value})
    assert f"{field}={value!r}" in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"action_distribution": "normal"}, r"action_distribution='normal'.*squashed.*beta.*gsde"),
        ({"noise_period": 0}, "noise_period=0"),
        (
            {"action_distribution": "gsde"},
            "noise_period=4 is longer than rollout_length=1, .* raise rollout_length",
        ),
        (
            {"action_distribution": "beta", "noise_correlation": 0.5},
            "noise_correlation=0.5 applies to normal noise only, .*'beta'.* leave it out",
        ),
        (
            {"noise_correlation": 0.5},
            "noise_correlation=0.5 applies between the steps of a rollout, and rollout_length=1",
        ),
    ],
    ids=str,
)
def test_a_distribution_that_cannot_be_drawn_is_refused_with_a_remedy(settings, message):
    with pytest.raises(ValueError, match=message):
        SACConfig(**settings)


# TQC and DroQ


@pytest.mark.slow
def test_a_target_of_quantiles_leaves_out_the_largest_of_all_critics():
    """Critics of 0, 4 and 2, 6: of the four quantiles two are left, 0 and 2."""
    options = {"quantiles": 2, "dropped_quantiles": 1, "gamma": 0.5} | ONE_STEP | FIXED
    _, begin, update = compiled(SAC(batch_size=64, **options), Forever())
    state = begin()
    critics = jax.tree.map(jnp.zeros_like, state.learner.target_params.critics)
    for i, bias in enumerate(([0.0, 4.0], [2.0, 6.0])):
        critics["params"][f"q_{i}"]["bias"] = jnp.array(bias)
    zeros = jax.tree.map(jnp.zeros_like, critics)
    learner = state.learner._replace(
        params=state.learner.params._replace(critics=zeros),
        target_params=state.learner.target_params._replace(critics=critics),
    )
    _, metrics = update(state._replace(learner=learner))
    # both quantiles of both critics are 0, and the target's are 1 and 2: their Huber losses are
    # 0.5 and 1.5, weighed by the fractions 1/4 and 3/4, which add up to 1 over the quantiles
    assert metrics["loss/td_error"].total == pytest.approx(1.0, abs=1e-5)
    assert metrics["loss/value"].total == pytest.approx(2 * 1.0 / 2, abs=1e-5)
    assert metrics["value/q"].total == 0.0


@pytest.mark.slow
def test_dropped_units_are_drawn_in_training_and_never_when_acting():
    network = NetworkConfig(hidden=(32,), layer_norm=True)
    algo, begin, update = compiled(SAC(critic_dropout=0.5, network=network, **ONE_STEP), Honest())
    state, metrics = update(begin())
    critics, obs, action = state.learner.params.critics, jnp.ones((64, 1)), jnp.zeros((64, 2))
    nets = actor_critics(
        SAC(critic_dropout=0.5, network=network),
        Honest(),
        PARAMS,
        None,
        lambda size: squashed_actor_head(size, 0.0),
    )
    plain = nets.q(critics, obs, action)
    assert (plain == plain[:, :1]).all()
    dropped = nets.q(with_dropout(critics, KEY), obs, action)
    again = nets.q(with_dropout(critics, KEY), obs, action)
    np.testing.assert_array_equal(dropped, again)
    assert len(np.unique(dropped[0])) > 32  # a draw of its own for each row
    assert (dropped[0] != dropped[1]).all()
    assert algo.policy.value(state.policy_state, (), jnp.ones(1)) == algo.policy.value(
        state.policy_state, (), jnp.ones(1)
    )
