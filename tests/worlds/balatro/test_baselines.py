"""Baselines agree with recorded games, and win as often as elsewhere."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.balatro.actions import NUM_SUBSETS, is_legal
from elsinore.worlds.balatro.baselines import BASELINES, joker_buyer_teacher
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rules.deck import all_cards, cards_in_slots, draw_from
from elsinore.worlds.balatro.rules.game import SHOP
from elsinore.worlds.balatro.rules.offers import JOKER, PLANET
from elsinore.worlds.balatro.state import BalatroParams
from tests.worlds.balatro.games import a_game

TRACES = np.load(Path(__file__).resolve().parents[2] / "data" / "balatro" / "traces.npz")
GAMES = 1_500

# How often they win a run of one ante, of 2,000 games played by an independent implementation.
WINS = {"greedy": 0.065, "greedy-keep": 0.61, "greedy-flush": 0.75}


def play(env, player, params, steps, key):
    """Play one game to its end, within `steps`."""

    def step(carry, key):
        state, won, over = carry
        _, state, _, terminated, info = env.step_env(
            key, state, BASELINES[player](state.game, env.rules), params
        )
        return (state, won | (info["won"] & ~over), over | terminated), info[
            "illegal_action"
        ] & ~over

    start = env.reset_env(key, params)[1]
    keys = jax.random.split(key, steps)
    (_, won, over), illegal = jax.lax.scan(step, (start, jnp.bool_(False), jnp.bool_(False)), keys)
    return won, over, illegal.any()


def play_many(env, player, params, steps, games=GAMES):
    game = partial(play, env, player, params, steps)
    return jax.jit(partial(jax.lax.map, game, batch_size=100))(
        jax.random.split(jax.random.key(3), games)
    )


@pytest.mark.slow
@pytest.mark.parametrize("player", WINS)
def test_a_baseline_wins_as_often_as_elsewhere(player):
    won, over, illegal = play_many(Balatro(stage=0), player, BalatroParams(max_ante=1), steps=28)
    assert over.all() and not illegal.any()
    wins = WINS[player]
    standard_error = np.sqrt(wins * (1 - wins) * (1 / GAMES + 1 / 2_000))
    assert abs(won.mean() - wins) < 4 * standard_error


@pytest.mark.parametrize(
    ("player", "number"),
    [
        pytest.param("greedy", 1, marks=pytest.mark.slow),
        ("greedy-keep", 2),
        pytest.param("greedy-flush", 3, marks=pytest.mark.slow),
    ],
)
def test_a_baseline_acts_as_in_the_recorded_games(player, number):
    games = TRACES["policy"] == number
    env = Balatro(stage=0, stacked_decks=True)

    def decisions(max_ante, decks, actions):
        params = BalatroParams(max_ante=max_ante, decks=decks)

        def step(state, action):
            decided = BASELINES[player](state.game, env.rules)
            return env.step_env(jax.random.key(0), state, action, params)[1], decided

        return jax.lax.scan(step, env.reset_env(jax.random.key(0), params)[1], actions)[1]

    recorded = (TRACES[name][games] for name in ("max_ante", "decks", "action"))
    decided = jax.jit(jax.vmap(decisions))(*recorded)
    taken = np.arange(decided.shape[1]) < TRACES["num_steps"][games][:, None]
    same = decided == TRACES["action"][games]
    assert same[taken & TRACES["valid"][games]].mean() > 0.99


@pytest.mark.parametrize(
    "player",
    [
        pytest.param("greedy", marks=pytest.mark.slow),
        "greedy-keep",
        pytest.param("greedy-flush", marks=pytest.mark.slow),
        pytest.param("joker-buyer", marks=pytest.mark.slow),
    ],
)
def test_a_baseline_plays_and_discards_the_forced_card(player):
    """Of Cerulean Bell, whatever hand it was dealt and whichever of its cards is forced."""
    env = Balatro(stage=0)  # whose hands are quick to compile
    first = a_game(target=10**6)

    def decided(key, slot, discards_left):
        hand = draw_from(key, all_cards(), jnp.int32(8))
        forced = cards_in_slots(hand, 1 << slot)
        now = first.round._replace(hand=hand, pile=all_cards() - hand, forced=forced)
        now = now._replace(discards_left=discards_left)
        game = first._replace(round=now)
        action = BASELINES[player](game, env.rules)
        return action, is_legal(env.mode.mask(game, jnp.int32(0), env.rules), action)

    keys = jax.random.split(jax.random.key(0), 64)
    action, legal = jax.jit(jax.vmap(decided))(keys, jnp.arange(64) % 8, jnp.arange(64) // 32)
    assert legal.all()
    assert (action < NUM_SUBSETS).any()
    assert player == "greedy" or (action >= NUM_SUBSETS).any()


@pytest.mark.slow
def test_joker_buyer_wins_games_that_greedy_flush_loses():
    """400 equal games to ante 2."""
    won = {}
    for player in ("greedy-flush", "joker-buyer"):
        won[player], over, illegal = play_many(
            Balatro(stage=2), player, BalatroParams(max_ante=2), steps=72, games=400
        )
        assert over.all() and not illegal.any()
    assert won["greedy-flush"].mean() < 0.05
    assert won["joker-buyer"].mean() > 0.8  # 0.88 of 500


def test_joker_buyer_takes_the_leftmost_affordable_joker_and_planets_after_jokers():
    env = Balatro(stage=1)  # whose hands are quick to compile
    game = env.reset_env(jax.random.key(0), BalatroParams())[1].game
    decide = jax.jit(lambda game: BASELINES["joker-buyer"](game, env.rules))

    def decided(kinds, money):
        items = jnp.array([1, 2, 0, 0])  # jokers of 2 and 5 dollars, or planets
        shop = game.shop._replace(kind=jnp.array([*kinds, 0, 0]), item=items)
        return int(decide(game._replace(phase=jnp.int32(SHOP), money=jnp.int32(money), shop=shop)))

    buys, leaves = 2 * NUM_SUBSETS, 446
    assert decided((PLANET, JOKER), money=9) == buys + 1
    assert decided((JOKER, JOKER), money=9) == buys
    assert decided((PLANET, JOKER), money=4) == buys
    assert decided((JOKER, PLANET), money=1) == leaves


def test_a_teacher_gives_the_action_of_its_baseline_and_whether_there_was_a_choice():
    env = Balatro(stage=1)
    state = env.reset_env(jax.random.key(0), BalatroParams())[1]
    advise = jax.jit(
        lambda game: joker_buyer_teacher(env)(state.replace(game=game), BalatroParams())
    )
    action, matters = advise(state.game)
    assert action == BASELINES["joker-buyer"](state.game, env.rules) and matters
    broke = state.game.shop._replace(reroll_price=jnp.int32(5))
    action, matters = advise(
        state.game._replace(phase=jnp.int32(SHOP), money=jnp.int32(0), shop=broke)
    )
    assert action == 446 and not matters  # nothing but to leave
