"""Networks for Balatro: features, and the head over subsets."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.nets.build import actor_critic_network, q_network
from elsinore.nets.config import NetworkConfig
from elsinore.nets.heads import discrete_head
from elsinore.worlds.balatro.actions import SUBSETS
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.nets.hands import INCIDENCE, hand_types, score_terms, seen_cards
from elsinore.worlds.balatro.rules.deck import cards_in_slots, set_of, slots_of
from elsinore.worlds.balatro.rules.hands import classify

KEY = jax.random.key(0)
CARDS = NetworkConfig(encoder="elsinore.worlds.balatro.nets:CARDS", hidden=(16,), activation="relu")


@pytest.fixture(scope="module")
def obs():
    env = Balatro(stage=2)
    return env.reset_env(KEY, env.default_params)[0]


@pytest.fixture(scope="module")
def policy(obs):
    """A compiled policy network, and its parameters."""
    net = actor_critic_network(CARDS, discrete_head(448), obs)
    return jax.jit(lambda params, obs: net.step(params, (), obs)), jax.jit(net.init)(KEY, obs)


def batch(obs, **changes):
    return jax.tree.map(lambda x: jnp.asarray(x)[None], obs | changes)


@pytest.mark.parametrize("seed", range(20))
def test_the_type_of_every_subset_agrees_with_the_rules(seed):
    """From few ranks and suits, so that every type occurs."""
    rng = np.random.default_rng(seed)
    deck = [
        13 * suit + rank
        for suit, rank in itertools.product(range(1 + seed % 4), range(13 - seed // 2))
    ]
    ids = rng.choice(deck, min(8, len(deck)), replace=False)
    hand = set_of(jnp.asarray(np.append(ids, [-1] * (8 - len(ids)))))
    bits = jnp.array([sum(1 << slot for slot in subset) for subset in SUBSETS])
    kinds = jax.jit(jax.vmap(lambda b: classify(slots_of(cards_in_slots(hand, b), 5)).type))(bits)
    filled = np.array([subset[-1] < len(ids) for subset in SUBSETS])
    found = np.asarray(hand_types(slots_of(hand)))
    np.testing.assert_array_equal(found[filled], kinds[filled])


def test_features_of_a_card_count_its_rank_suit_and_straight():
    king, queen, jack, spades, hearts, clubs = 11, 10, 9, 0, 13, 26
    hand = np.int8([spades + king, hearts + king, spades + queen, spades + jack, clubs, -1, -1, -1])
    drawn = np.isin(np.arange(52), hand)
    _, alike, suited, run, left = np.split(
        np.asarray(seen_cards(hand, drawn)), [17, 21, 29, 34], axis=1
    )
    count = lambda one_hot: (one_hot * np.arange(1, one_hot.shape[1] + 1)).sum(axis=1).tolist()  # noqa: E731
    assert count(alike) == [2, 2, 1, 1, 1, 0, 0, 0]
    assert count(suited) == [3, 1, 3, 3, 1, 0, 0, 0]
    assert count(run) == [3, 3, 3, 3, 1, 0, 0, 0]  # jack, queen, king
    np.testing.assert_allclose(left[0], [2 / 4, 10 / 13])
    assert not left[5:].any()


def test_score_terms_are_relative_to_the_points_needed():
    terms = score_terms(jnp.log1p(jnp.array([0.0, 100.0, 300.0])), jnp.float32(300.0), jnp.int32(2))
    np.testing.assert_allclose(terms[:, 1], [0.0, 1 / 3, 1.0], rtol=1e-5)
    np.testing.assert_allclose(terms[:, 2], [0.0, 2 / 3, 2.0], rtol=1e-5)
    np.testing.assert_array_equal(terms[:, 3], [0.0, 0.0, 1.0])


def test_the_score_of_a_play_affects_only_its_own_logit():
    env = Balatro(stage=0, play_scores=True)
    obs, _ = env.reset_env(KEY, env.default_params)
    net = actor_critic_network(CARDS, discrete_head(448), obs)
    params = jax.jit(net.init)(KEY, obs)
    logits = jax.jit(lambda scores: net.step(params, (), batch(obs, play_scores=scores))[1][0])
    best = jnp.argmax(obs["play_scores"])  # the trunk sees the best play, so that one stays
    other = jnp.where(best == 0, 1, 0)
    changed = jnp.flatnonzero(
        logits(obs["play_scores"]) != logits(obs["play_scores"].at[other].set(0.0))
    )
    assert changed.tolist() == [int(other)]


def test_a_policy_has_a_logit_for_each_action_and_starts_nearly_uniform(obs, policy):
    step, params = policy
    _, outputs, value = step(params, batch(obs))
    assert outputs.shape == (1, 448) and value.shape == (1,)
    assert np.abs(outputs).max() < 0.5


def test_the_weight_of_a_card_moves_every_subset_with_it(obs, policy):
    step, params = policy
    gradient = jax.jacfwd(lambda bias: step(_with_bias(params, bias), batch(obs))[1][0])(
        jnp.zeros(2)
    )
    sizes = INCIDENCE.sum(axis=1)
    # a weight that all slots share counts once for each card
    np.testing.assert_allclose(gradient[:218, 0], sizes)
    np.testing.assert_allclose(gradient[218:436, 1], sizes)
    assert not gradient[:218, 1].any() and not gradient[436:].any()


def _with_bias(params, bias):
    policy = params["params"]["policy"]
    slots = policy["slots"] | {"bias": bias}
    return {"params": params["params"] | {"policy": policy | {"slots": slots}}}


def test_outputs_depend_on_the_set_of_jokers_and_not_their_order(obs, policy):
    step, params = policy
    outputs = [
        step(params, batch(obs, joker_ids=jnp.int8(ids)))[1]
        for ids in ([3, 7, 0, 0, 0], [7, 3, 0, 0, 0], [3, 8, 0, 0, 0])
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("dueling", [False, True])
def test_action_values_have_the_same_head(obs, dueling):
    net = q_network(CARDS, 448, obs, dueling)
    _, q, best = jax.jit(lambda key: net.step(net.init(key, obs), (), batch(obs)))(KEY)
    assert q.shape == (1, 448) and best[0] == q.max()


def test_other_actions_have_a_plain_head():
    env = Balatro(stage=0, action_mode="toggle")
    obs, _ = env.reset_env(KEY, env.default_params)
    net = actor_critic_network(CARDS, discrete_head(22), obs)
    outputs = jax.eval_shape(lambda: net.step(net.init(KEY, obs), (), batch(obs))[1])
    assert outputs.shape == (1, 22)


def test_other_observations_are_refused():
    with pytest.raises(
        ValueError,
        match="reads the observations of Balatro, and 'hand' is not",
    ):
        actor_critic_network(CARDS, discrete_head(448), jnp.zeros(4))


def test_a_recurrent_layer_after_it_is_refused():
    with pytest.raises(
        ValueError, match="gru=8 cannot follow encoder='elsinore.worlds.balatro.nets:CARDS'"
    ):
        NetworkConfig(encoder="elsinore.worlds.balatro.nets:CARDS", gru=8)
