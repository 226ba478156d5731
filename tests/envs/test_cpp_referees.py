"""Jumanji's environments beside EnvPool's translations of them to C++, on the same actions.

The two draw random numbers differently, so an episode of Jumanji's begins in the state that EnvPool
shows; where a step draws something (a tile, a fruit), that is taken from EnvPool, too.
"""

import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.checks.algorithm_fixture import FAST_COMPILE
from elsinore.envs import make, suites

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (suites.is_installed("envpool") and suites.is_installed("jumanji")),
        reason="needs elsinore[envpool] and elsinore[jumanji]",
    ),
]

# The fields of Jumanji's state that its first observation shows; nothing is drawn after it.
SHOWN = {
    "Cleaner-v0": ("grid", "agents_locations", "action_mask"),
    "FlatPack-v0": ("grid", "blocks", "action_mask"),
    "GraphColoring-v1": ("adj_matrix", "action_mask"),
    "JobShop-v0": ("ops_machine_ids", "ops_durations", "ops_mask", "action_mask"),
    "Knapsack-v1": ("weights", "values"),
    "RubiksCube-v0": ("cube",),
    "RubiksCube-partly-scrambled-v0": ("cube",),
    "SlidingTilePuzzle-v0": ("puzzle", "empty_tile_position"),
    "Sudoku-v0": ("board", "action_mask"),
    "Sudoku-very-easy-v0": ("board", "action_mask"),
    "TSP-v1": ("coordinates",),
}
LONG = ("Cleaner", "JobShop", "Rubik", "Sliding")  # whose random episodes last longer


class Pair:
    """An environment in JAX, and EnvPool's of the same id."""

    def __init__(self, env_id, seed):
        self.env, self.params = make(f"jumanji/{env_id}")
        envpool = importlib.import_module("envpool")
        self.pool = envpool.make_gymnasium(f"Jumanji/{env_id}", num_envs=1, seed=seed)
        self.seen = self._first(self.pool.reset()[0])
        self.step = jax.jit(self.env.step_env, compiler_options=FAST_COMPILE)
        _, self.state = jax.jit(self.env.reset_env)(jax.random.key(0), self.params)
        self.rng = np.random.default_rng(seed)

    def _first(self, obs):
        return {name: np.asarray(value[0]) for name, value in obs.items()}

    def put(self, **fields):
        """Some fields of Jumanji's state, in the dtypes that they have."""
        world = self.state.world
        new = {
            name: jax.tree.map(lambda old, x: jnp.asarray(x, old.dtype), getattr(world, name), x)
            for name, x in fields.items()
        }
        self.state = self.state.replace(world=dataclasses.replace(world, **new))

    def random_action(self):
        """A random legal action."""
        space, mask = self.env.action_space(self.params), self.seen.get("action_mask")
        if hasattr(space, "n"):
            return int(self.rng.choice(np.flatnonzero(mask)))
        if mask is None:
            return self.rng.integers(space.nvec).astype(np.int32)
        return np.array([self.rng.choice(np.flatnonzero(row)) for row in mask], np.int32)

    def both(self, action):
        """A step of each: (obs, reward, terminated) of JAX's, and of the pool's."""
        native = np.asarray(self.env._native_action(jnp.asarray(action)))
        obs, self.state, reward, over, _ = self.step(
            jax.random.key(0), self.state, jnp.asarray(action), self.params
        )
        theirs, paid, died, cut, _ = self.pool.step(native[None])
        self.seen = self._first(theirs)
        return (obs, float(reward), bool(over)), (self.seen, float(paid[0]), bool(died[0] | cut[0]))


def assert_same_obs(ours, theirs, but=()):
    for name in set(ours) - set(but):
        got, found = np.asarray(ours[name]), theirs[name].reshape(np.shape(ours[name]))
        np.testing.assert_allclose(got, found, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("env_id", SHOWN)
def test_jumanji_steps_as_envpools_translation(env_id):
    ends = 0
    for seed in range(3):
        pair = Pair(env_id, seed)
        pair.put(**{name: pair.seen[name] for name in SHOWN[env_id]})
        for _ in range(min(60, int(pair.params.max_steps_in_episode) - 1)):
            ours, theirs = pair.both(pair.random_action())
            stuck = env_id == "FlatPack-v0" and not theirs[0]["action_mask"].any()
            over = ours[2] or stuck  # EnvPool ends where no move is legal, as in Snake
            assert (ours[1], over) == (pytest.approx(theirs[1], abs=1e-5), theirs[2])
            mask = ("action_mask",) if over else ()  # of a last state, where none may be legal
            assert_same_obs(ours[0], theirs[0], but=mask)
            if over:
                ends += 1
                break
    assert ends == 3 or env_id.startswith(LONG)


def test_2048_merges_and_pays_as_envpools():
    pair, merged = Pair("Game2048-v1", 0), 0.0
    for _ in range(200):
        pair.put(board=pair.seen["board"], action_mask=pair.seen["action_mask"])
        ours, theirs = pair.both(pair.random_action())
        assert ours[1] == theirs[1]
        merged += ours[1]
        if theirs[2]:
            break
        differ = np.argwhere(np.asarray(ours[0]["board"]) != theirs[0]["board"])
        assert len(differ) <= 2  # each has drawn a tile of its own
        for at in map(tuple, differ):
            assert 0 in (int(ours[0]["board"][at]), theirs[0]["board"][at]) or len(differ) == 1
    assert merged > 100


def test_snake_moves_and_eats_as_envpools():
    """EnvPool ends a game in the step that leaves no legal move, Jumanji with the next step."""
    eaten, trapped = 0, 0
    for seed in range(4):
        pair = Pair("Snake-v1", seed)
        body, head, tail, fruit = np.moveaxis(pair.seen["grid"], -1, 0)[:4]
        at = lambda plane: np.argwhere(plane)[0]  # noqa: E731
        place = type(pair.state.world.head_position)
        pair.put(
            body=body, tail=tail, body_state=body, action_mask=pair.seen["action_mask"],
            head_position=place(*at(head)), fruit_position=place(*at(fruit)),
        )  # fmt: skip
        for _ in range(300):
            legal = np.flatnonzero(pair.seen["action_mask"])
            ours, theirs = pair.both(toward_fruit(pair, legal))
            assert ours[1] == theirs[1]
            if theirs[2] and not np.asarray(pair.state.world.action_mask).any():
                assert not ours[2] and pair.step(*any_move(pair))[3]
                trapped += 1
                break
            assert ours[2] == theirs[2]
            if ours[1]:  # the next fruit is EnvPool's
                eaten += 1
                fruit = at(theirs[0]["grid"][..., 3])
                pair.put(fruit_position=place(*fruit))
                planes = [0, 1, 2, 4]
                np.testing.assert_allclose(
                    ours[0]["grid"][..., planes], theirs[0]["grid"][..., planes], atol=1e-6
                )
                continue
            assert_same_obs(ours[0], theirs[0])
    assert eaten > 10 and trapped > 1


def any_move(pair):
    return jax.random.key(0), pair.state, jnp.int32(0), pair.params


def toward_fruit(pair, legal):
    """A legal move that comes nearer to the fruit, most of the time."""
    grid = pair.seen["grid"]
    head, fruit = (np.argwhere(grid[..., plane])[0] for plane in (1, 3))
    moves = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
    far = np.abs(head + moves[legal] - fruit).sum(axis=1) + pair.rng.uniform(0, 0.9, len(legal))
    return int(legal[far.argmin()])


@pytest.mark.skipif(not suites.is_installed("craftax"), reason="needs elsinore[craftax]")
def test_craftaxs_body_and_daylight_are_envpools():
    """Its worlds are drawn otherwise, and an observation shows a part of one, so that no state can
    be aligned; what depends on time and the last move alone is the same at each step."""
    env, params = make("craftax/Craftax-Classic-Symbolic-v1")
    envpool = importlib.import_module("envpool")
    pool = envpool.make_gymnasium("Craftax-Classic-Symbolic-v1", num_envs=1, seed=0)
    seen = pool.reset()[0][0]
    obs, state = jax.jit(env.reset_env, compiler_options=FAST_COMPILE)(jax.random.key(0), params)
    step = jax.jit(env.step_env, compiler_options=FAST_COMPILE)
    assert obs.shape == seen.shape
    # Without the map, the things carried (12) and the health (1), which a mob may take.
    own = slice(9 * 7 * 21 + 13, None)
    np.testing.assert_allclose(obs[own], seen[own], atol=1e-6)
    rng, facing = np.random.default_rng(0), set()
    for i in range(100):
        action = rng.integers(1, 5)  # left, right, up, down
        obs, state, _, over, _ = step(jax.random.key(i), state, jnp.int32(action), params)
        theirs, _, died, *_ = pool.step(np.array([action], np.int32))
        assert not over and not died[0]
        np.testing.assert_allclose(obs[own], theirs[0][own], atol=1e-6)
        facing.add(tuple(np.asarray(obs[own])[3:7].tolist()))
    assert len(facing) == 4 and obs[own][0] < seen[own][0]  # all directions; hungrier than at first
