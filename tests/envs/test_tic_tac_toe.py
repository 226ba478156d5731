"""The perfect player of tic-tac-toe: the value of the game, its positions, and games against it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("pgx")

from elsinore import make
from elsinore.envs.suites.tic_tac_toe import DIGITS, best_move, best_moves


def position(text):
    """A position by its nine cells: x the player to move, o the other."""
    return [".xo".index(mark) for mark in text.replace(" ", "")]


def moves_of(text):
    best = best_moves()[int(np.dot(position(text), DIGITS))]
    return [i for i in range(9) if best >> i & 1]


def test_every_position_that_is_not_over_has_a_move_that_keeps_its_value():
    """5,478 positions can arise, of which 958 are over."""
    assert np.count_nonzero(best_moves()) == 5478 - 958


@pytest.mark.parametrize(
    ("cells", "best"),
    [
        ("... ... ...", list(range(9))),  # a draw, wherever it begins
        ("xx. oo. ...", [2]),  # wins
        ("oo. x.. ..x", [2]),  # must block
        ("... .o. ...", [0, 2, 6, 8]),  # against the centre only corners hold
        ("o.. .x. ..o", [1, 3, 5, 7]),  # against two corners only edges hold
    ],
)
def test_known_positions(cells, best):
    assert moves_of(cells) == best


def test_moves_are_named_by_their_place():
    env, params = make("pgx/tic_tac_toe")
    names = env.action_names(params)
    assert len({*names}) == env.action_space(params).n == 9
    rows, columns = ("top", "", "bottom"), ("left", "", "right")
    for i, name in enumerate(names):
        said = f"{rows[i // 3]} {columns[i % 3]}".strip() or "centre"
        assert name == said
        board = env.native.observe(env.native.step(env.native.init(jax.random.PRNGKey(0)), i))
        assert np.argwhere(np.asarray(board).any(axis=-1)).tolist() == [[i // 3, i % 3]]


def games(rival, act, number=256):
    """(won, lost) of so many games of `act` against the rival."""
    env, params = make("pgx/tic_tac_toe", {"rival": rival})

    def one(key):
        reset_key, key = jax.random.split(key)
        obs, state = env.reset_env(reset_key, params)

        def move(loop):
            key, obs, state, _, _ = loop
            key, act_key, step_key = jax.random.split(key, 3)
            obs, state, _, over, info = env.step_env(step_key, state, act(act_key, (), obs), params)
            return key, obs, state, over, jnp.stack([info["won"], info["lost"]])

        start = (key, obs, state, jnp.bool_(False), jnp.zeros(2, bool))
        return jax.lax.while_loop(lambda loop: ~loop[3], move, start)[4]

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), number)).mean(axis=0)


def test_two_perfect_players_draw():
    assert games("perfect", best_move).tolist() == [0.0, 0.0]


def test_a_random_player_never_beats_it():
    def at_random(key, params, obs):
        return jax.random.categorical(key, jnp.where(obs["action_mask"], 0.0, -jnp.inf))

    won, lost = games("perfect", at_random)
    assert won == 0.0 and lost > 0.7
    won, lost = games("random", best_move)
    assert won > 0.7 and lost == 0.0


def test_its_moves_are_all_of_the_best_ones():
    board = jnp.zeros((3, 3, 2), bool).at[1, 1, 1].set(True)
    obs = {"board": board, "action_mask": ~board[..., 1].reshape(9)}
    keys = jax.random.split(jax.random.key(1), 200)
    drawn = jax.vmap(lambda key: best_move(key, (), obs))(keys)
    assert np.unique(drawn).tolist() == [0, 2, 6, 8]


def test_a_run_against_it_is_made_again_by_name():
    env, _ = make("pgx/tic_tac_toe", {"rival": "perfect"})
    assert env.name == "pgx/tic_tac_toe"
