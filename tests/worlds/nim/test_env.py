"""Nim: its rules replayed by hand, its known best play, and its place among the environments."""

import tomllib
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore.checks.env import check_env
from elsinore.envs import make
from elsinore.envs.registry import BUILT_IN, GROUP, families
from elsinore.envs.rivals import RANDOM, Rival, TwoPlayerEnv
from elsinore.envs.views import view_of
from elsinore.worlds.nim.env import NimState, best_move

GAMES = 256


def at(heap: int) -> NimState:
    return NimState(time=jnp.int32(0), heap=jnp.int32(heap), answer=jnp.int32(0))


def takes(stones: int) -> Rival:
    return Rival(lambda key, params, obs: jnp.int32(stones - 1))


def test_it_passes_every_check_of_an_environment():
    env, params = make("Nim")
    failed = [result for result in check_env(env, params) if not result.passed]
    assert not failed


def test_a_game_by_hand():
    """Of 7 stones the learner takes 3 and the rival 2; then the learner takes the last two."""
    env, params = make("Nim", {"heap": 7, "rival": takes(2)})
    obs, state, reward, over, info = env.step_env(jax.random.key(0), at(7), 2, params)
    assert int(state.heap) == 2 and int(state.answer) == 2 and int(state.time) == 1
    assert obs["heap"].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert obs["action_mask"].tolist() == [True, True, False]
    assert float(reward) == 0 and not over and not info["won"] and not info["lost"]
    _, state, reward, over, info = env.step_env(jax.random.key(0), state, 1, params)
    assert int(state.heap) == 0 and int(state.answer) == 0
    assert float(reward) == 1 and over and info["won"] and not info["lost"]


def test_who_leaves_the_last_stone_has_lost():
    env, params = make("Nim", {"rival": takes(1)})
    _, state, reward, over, info = env.step_env(jax.random.key(0), at(2), 0, params)
    assert int(state.heap) == 0 and int(state.answer) == 1
    assert float(reward) == -1 and over and info["lost"] and not info["won"]


def test_more_stones_than_there_are_cannot_be_taken():
    env, params = make("Nim", {"rival": takes(3)})
    _, state, _, over, info = env.step_env(jax.random.key(0), at(5), 2, params)
    assert int(state.heap) == 0 and int(state.answer) == 2 and over and info["lost"]


def test_the_first_move_of_a_game_is_drawn():
    env, params = make("Nim", {"rival": takes(2)})
    keys = jax.random.split(jax.random.key(0), GAMES)
    _, state = jax.vmap(env.reset_env, (0, None))(keys, params)
    assert set(state.heap.tolist()) == {21, 19}
    rivals_share = float((state.answer == 2).mean())  # 4 standard errors about a half
    assert abs(rivals_share - 0.5) < 4 * 0.5 / GAMES**0.5


@pytest.mark.parametrize("most", [2, 3, 5])
def test_the_best_move_leaves_a_multiple_of_most_and_one(most):
    env, _ = make("Nim", {"most": most, "heap": 21})
    for heap in range(1, 22):
        moves = {
            int(best_move(jax.random.key(i), (), env.seen(jnp.int32(heap)))) for i in range(20)
        }
        best = heap % (most + 1) - 1
        assert moves == {best} if best >= 0 else len(moves) > 1 and max(moves) < most


def winners(env, params, heap: int, policy) -> np.ndarray:
    """Of games that begin at `heap` with the learner's move, 1 for each won and 0 for each lost."""

    @partial(jax.vmap)
    def game(key):
        def move(loop):
            key, state, obs, _, _ = loop
            key, act_key, step_key = jax.random.split(key, 3)
            action = policy(act_key, (), obs)
            obs, state, _, over, info = env.step_env(step_key, state, action, params)
            return key, state, obs, over, info["won"]

        start = at(heap)
        loop = (key, start, env.seen(start.heap), jnp.bool_(False), jnp.bool_(False))
        return jax.lax.while_loop(lambda loop: ~loop[3], move, loop)[4]

    return np.asarray(jax.jit(game)(jax.random.split(jax.random.key(heap), GAMES)), int)


def test_the_perfect_rival_never_loses_from_a_position_that_is_won_for_it():
    """The learner moves at random from multiples of 4, which are lost against best play."""
    env, params = make("Nim", {"rival": "perfect"})
    for heap in (4, 8, 12, 16, 20):
        assert winners(env, params, heap, RANDOM.act).sum() == 0


def test_best_play_wins_every_other_position_from_the_perfect_rival():
    env, params = make("Nim", {"rival": "perfect"})
    for heap in (1, 2, 3, 5, 6, 7, 21):
        assert winners(env, params, heap, best_move).all()


def test_the_numbers_of_a_rival_are_traced_parameters():
    rival = Rival(lambda key, params, obs: params["take"] - 1, {"take": jnp.int32(1)})
    env, params = make("Nim", {"rival": rival})
    step = jax.jit(env.step_env)
    for take in (1, 2, 3):
        params = params.replace(rival={"take": jnp.int32(take)})
        assert int(step(jax.random.key(0), at(21), 0, params)[1].heap) == 20 - take
    assert step._cache_size() == 1


def test_the_same_game_against_another_rival():
    env, params = make("Nim", {"heap": 9, "most": 4})
    assert isinstance(env, TwoPlayerEnv) and env.rival is RANDOM and params.rival == ()
    other = env.with_rival(takes(4))
    assert (other.heap, other.most, env.rival) == (9, 4, RANDOM)
    assert int(other.step_env(jax.random.key(0), at(9), 0, other.default_params)[1].heap) == 4


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"heap": 3}, "env_kwargs.heap=3 must be above env_kwargs.most=3, so that no first move"),
        ({"heap": 2000}, "env_kwargs.heap=2000 .* at most 1000"),
        ({"heap": 7.5}, "env_kwargs.heap=7.5 must be a whole number"),
        ({"most": 1}, "env_kwargs.most=1 leaves nothing to choose"),
        ({"rival": "strong"}, "env_kwargs.rival='strong' is no rival; give random or perfect"),
    ],
)
def test_what_is_no_game_is_refused(kwargs, message):
    with pytest.raises(elsinore.ConfigError, match=message):
        make("Nim", kwargs)


def test_a_scene_has_the_stones_that_are_left():
    env, params = make("Nim")
    state = SimpleNamespace(heap=np.int32(6), answer=np.int32(2), time=np.int32(3))
    board, facts = view_of(env).scene(env, params, state).panels
    things = [(thing.x, thing.y, thing.role) for thing in board.things]
    assert things[:6] == [(i % 4, i // 4, "goal") for i in range(6)]
    assert things[6:] == [(2, 1, "rival"), (3, 1, "rival")]
    assert dict(facts.rows)["stones"] == "6"  # pyright: ignore[reportCallIssue]
    assert view_of(env).action_names(env, params) == ("take 1", "take 2", "take 3")


def test_the_built_in_worlds_are_the_entry_points_of_the_package():
    """An installation in which the file was read earlier knows those of then, and `BUILT_IN`."""
    text = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text()
    assert tomllib.loads(text)["project"]["entry-points"][GROUP] == BUILT_IN
    assert "Nim" in families()["elsinore.worlds.nim"].names
