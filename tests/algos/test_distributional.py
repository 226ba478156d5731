"""DQN's distributions of returns, noisy weights and Munchausen's reward, by known answers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from elsinore.algos.dqn import DQNConfig
from elsinore.nets.build import q_network
from elsinore.nets.config import NetworkConfig
from tests.algos.test_dqn import GREEDY, Table, updated
from tests.algos.trainees import DQN, KEY, assert_same, compiled
from tests.devices import exact_products
from tests.small_envs import Corridor, Forever, Gate

ATOMS = {"distribution": "c51", "atoms": 3, "v_min": 0.0, "v_max": 4.0}  # 0, 2, 4
TWO = {"distribution": "qr", "quantiles": 2}
NEVER = -1e3  # a logit


def probabilities(*rows):
    """Logits of these probabilities, action by action."""
    return np.log(np.maximum(np.float32(rows), 1e-30)).ravel().tolist()


# C51


def test_a_categorical_target_is_the_shifted_distribution_projected():
    """Online uniform; the target's best action has 1/2 at 0 and 1/2 at 4: after a reward of 1 and
    gamma 1/2 at 1 and at 3, of which each is half of two atoms: 1/4, 1/2, 1/4."""
    target = probabilities((0.5, 0.0, 0.5), (1.0, 0.0, 0.0))
    _, metrics = updated(Forever(), (0.0,) * 6, target, **ATOMS)
    p = np.array([0.25, 0.5, 0.25])
    assert metrics["loss/value"].total == pytest.approx(np.sum(p * np.log(3.0 * p)), rel=1e-5)
    assert metrics["value/q"].total == pytest.approx(2.0)
    assert metrics["value/beyond_support"].total == 0.0


def test_returns_beyond_the_support_are_counted():
    narrow = ATOMS | {"atoms": 2, "v_max": 2.0}
    target = probabilities((0.5, 0.5), (0.5, 0.5))  # 0 and 2 come to 1 and 2
    _, metrics = updated(Forever(), (0.0,) * 4, target, **narrow)
    assert metrics["value/beyond_support"].total == 0.0
    _, metrics = updated(Forever(), (0.0,) * 4, target, **narrow | {"gamma": 0.75})
    assert metrics["value/beyond_support"].total == pytest.approx(0.5)  # 0 and 2 come to 1, 2.5


# Quantiles


@pytest.mark.parametrize(
    ("double", "worth"), [(False, (1 + 0.5 * 8.0, 1 + 0.5 * 12.0)), (True, (1.0, 1.0 + 0.5 * 10.0))]
)
def test_a_quantile_target_is_of_the_next_action_with_the_best_mean(double, worth):
    """The target network's means are 10 and 5; the online one prefers action 1, with 2 and 4."""
    online, target = (0.0, 0.0, 2.0, 4.0), (8.0, 12.0, 0.0, 10.0)
    _, metrics = updated(Forever(), online, target, double=double, **TWO)
    by_hand = 0.0
    for theta, tau in ((2.0, 0.25), (4.0, 0.75)):  # of action 1, which was taken
        for y in worth:
            u = y - theta
            huber = 0.5 * u * u if abs(u) <= 1 else abs(u) - 0.5
            by_hand += abs(tau - (u < 0)) * huber / 2
    assert metrics["loss/value"].total == pytest.approx(by_hand, rel=1e-5)
    assert metrics["value/q"].total == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("options", "online", "target"),
    [
        (TWO, (0.0, 0.0, 1e3, 1e3), (2.0, 2.0, 1e3, 1e3)),
        (ATOMS, (0.0, 0.0, NEVER, NEVER, NEVER, 0.0), (NEVER, 0.0, NEVER, NEVER, NEVER, 0.0)),
    ],
    ids=["qr", "c51"],
)
def test_an_illegal_next_action_is_never_bootstrapped_from(options, online, target):
    """Two steps that pay 1; the second forbids action 1, which seems to be worth most, and ends."""
    _, metrics = updated(Gate(), online, target, batch_size=512, **options)
    loss = metrics["loss/value"].total
    if options is TWO:
        # first step: quantiles of 1,000 and a target of 2: (1/4 + 3/4) (998 - 1/2), where the
        # illegal action would give 501; second step: quantiles of 0 and a target of 1: 1/2
        assert loss == pytest.approx(0.5 * (997.5 + 0.5), rel=0.15)
    else:
        # first step: sure of 4 and a target of 2, a logit of 1,000 apart, where the illegal action
        # would give 3 and so 500; second step: 0 or 2, as its target of 1 is
        assert loss == pytest.approx(0.5 * 1e3, rel=0.15)
        assert metrics["value/beyond_support"].total == 0.0


@pytest.mark.parametrize(("hidden", "before", "after"), [((16,), 1, 0), ((16, 16), 1, 1)])
@exact_products
def test_an_implicit_value_is_the_mean_over_evenly_spaced_fractions(hidden, before, after):
    """A fraction's features multiply those before the last of several layers."""
    config = DQN(distribution="iqn", quantiles=4, network=NetworkConfig(hidden=hidden))
    algo, begin, _ = compiled(config, Corridor())
    state, obs = begin().policy_state, jnp.eye(5)[0]
    layers = state.params["params"]
    assert layers["fraction"]["kernel"].shape == (64, 16)

    def read(name: str, number: int, x: Array) -> Array:
        for i in range(number):
            layer = layers[name][f"Dense_{i}"]
            x = nn.tanh(x @ layer["kernel"] + layer["bias"])
        return x

    features, by_hand = read("MLP_0", before, obs), []
    for fraction in (0.125, 0.375, 0.625, 0.875):
        cosines = jnp.cos(jnp.pi * jnp.arange(64) * fraction)
        embedding = nn.relu(cosines @ layers["fraction"]["kernel"] + layers["fraction"]["bias"])
        product = read("MLP_1", after, features * embedding)
        by_hand.append(product @ layers["q"]["kernel"] + layers["q"]["bias"])
    scores = algo.policy.action_scores(state, (), obs)["action value"]
    np.testing.assert_allclose(scores, jnp.mean(jnp.stack(by_hand), axis=0), rtol=1e-5, atol=1e-6)
    assert algo.policy.value(state, (), obs) == pytest.approx(float(scores.max()), rel=1e-5)
    assert algo.policy.act(KEY, state, (), obs, True)[0] == scores.argmax()


# Noisy weights


def test_noise_explores_in_place_of_epsilon_and_each_env_has_its_own():
    options = {"noisy": True, "learning_starts": 2_000, "rollout_length": 32}
    algo, begin, update = compiled(DQN(**options), Forever())
    state, metrics = update(begin())
    assert metrics["schedule/epsilon"].total == 0.0
    action = state.learner.buffer.experience.action[:32]
    assert 0.0 < action.mean() < 1.0
    assert len({tuple(column) for column in np.asarray(action).T}) > 1
    greedy = [algo.policy.act(jax.random.key(i), state.policy_state, (), jnp.ones(1), True)[0]
              for i in range(2)]  # fmt: skip
    drawn = jax.vmap(lambda key: algo.policy.act(key, state.policy_state, (), jnp.ones(1), False))(
        jax.random.split(KEY, 64)
    )[0]
    assert greedy[0] == greedy[1]
    assert 0.0 < drawn.mean() < 1.0


def test_the_target_network_has_noise_of_its_own_and_its_deviations_follow():
    _, begin, update = compiled(DQN(noisy=True, learning_starts=0, target_period=32), Forever())
    state, _ = update(begin())
    assert_same(state.learner.target_params, state.learner.params)
    before, after = begin().learner.params["deviation"], state.learner.params["deviation"]
    change = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), before, after)
    assert max(jax.tree.leaves(change)) > 0.0


# Munchausen


@pytest.mark.parametrize("distribution", ["none", "qr"])
def test_a_munchausen_target_has_the_log_probability_and_the_soft_value(distribution):
    """Values 0 and log 3 at the temperature 1: the policy is 1/4, 3/4, its soft value log 4."""
    q, many = (0.0, float(np.log(3.0))), {}
    if distribution == "qr":
        q, many = tuple(np.repeat(q, 2).tolist()), TWO
    options = {"munchausen": True, "munchausen_temperature": 1.0, "munchausen_weight": 0.5}
    _, metrics = updated(Forever(), q, q, **options, **many)
    # greedy by the online network: action 1
    error = 1.0 + 0.5 * np.log(0.75) + 0.5 * np.log(4.0) - np.log(3.0)
    expected = 0.5 * error**2 * (1.0 if distribution == "none" else 2 * 0.5)
    assert metrics["loss/value"].total == pytest.approx(expected, rel=1e-4)
    if distribution == "none":
        assert metrics["loss/td_error"].total == pytest.approx(abs(error), rel=1e-5)


def test_the_log_probability_is_clipped():
    """Of the action that is not the best, explored at random, with a tiny temperature."""
    options = GREEDY | {"epsilon": 1.0, "epsilon_final": 1.0, "munchausen": True, "gamma": 0.0}
    _, metrics = updated(Forever(), (0.0, 9.0), (0.0, 9.0), batch_size=512, **options)
    # half: 0 - (1 - 0.9 x 1), half: 9 - 1
    assert metrics["loss/td_error"].total == pytest.approx(0.5 * 0.1 + 0.5 * 8.0, rel=0.25)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"v_min": 1.0, "v_max": 1.0}, "v_min=1.0 must be below v_max=1.0"),
        ({"v_max": float("inf")}, "v_max=inf, and both finite"),
        (
            {"distribution": "c51", "v_min": 1e7, "v_max": 1e7 + 2},
            "v_min=10000000.0 and v_max=10000002.0 are too close for atoms=51",
        ),
        ({"distribution": "c51", "v_min": 0.0, "v_max": 1e-40}, "too close for atoms=51"),
        ({"distribution": "gauss"}, "distribution='gauss' is unknown"),
        ({"atoms": 1}, "atoms=1 must be at least 2"),
        ({"quantiles": 0}, "quantiles=0 must be at least 1"),
        ({"noisy_std": -0.1}, "noisy_std=-0.1 must not be negative"),
        ({"munchausen_clip": 0.5}, "munchausen_clip=0.5 must be at most 0"),
        ({"munchausen_temperature": 0.0}, "munchausen_temperature=0.0 must be above 0"),
        *(
            (
                {"distribution": name, "loss": "huber"},
                f"loss='huber' applies to TD errors only, and distribution='{name}' has a loss of"
                " its own; leave loss out, or use distribution: none.",
            )
            for name in ("c51", "qr", "iqn")
        ),
        ({"munchausen": True, "n_step": 3}, "does not go with n_step=3; use n_step: 1"),
        ({"munchausen": True, "double": True}, "does not go with double=True"),
        ({"munchausen": True, "distribution": "c51"}, "does not go with distribution='c51'"),
    ],
)
def test_a_combination_that_cannot_work_is_refused_by_name_and_value(options, message):
    with pytest.raises(ValueError) as refusal:
        DQNConfig(**options)
    assert message in str(refusal.value)


def test_a_network_that_cannot_give_quantiles_at_fractions_is_refused():
    with pytest.raises(ValueError, match="does not give distributions of returns"):
        q_network(NetworkConfig(), 2, jnp.ones(3), custom=Table, per_action=4, implicit=True)
    cards = NetworkConfig(encoder="elsinore.worlds.balatro.nets:CARDS")
    with pytest.raises(ValueError, match="CARDS.* does not give distributions of returns"):
        q_network(cards, 2, jnp.ones(3), per_action=4)
