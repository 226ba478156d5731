"""Environments of other libraries: the laws hold for each, and a time limit is no death.

A library that is not installed skips its tests; `pip install 'elsinore[pgx]'` installs one.
"""

import importlib
import json
import subprocess
import sys
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.checks.algorithm_fixture import FAST_COMPILE
from elsinore.checks.env import check_env
from elsinore.checks.env_fixture import random_legal_action
from elsinore.envs import check_name, make, suites
from elsinore.envs.spaces import MultiDiscrete
from elsinore.envs.suites.body import Body
from elsinore.envs.views import view_of
from elsinore.experience.autoreset import batched_autoreset_step, batched_reset, env_step
from elsinore.nets.heads import mask_shape
from tests.envs import broken_envs

EXAMPLES = {
    "pgx": ["pgx/2048", "pgx/minatar-breakout", "pgx/tic_tac_toe"],
    "navix": ["navix/Navix-Empty-5x5-v0"],
    "jumanji": ["jumanji/Snake-v1", "jumanji/Minesweeper-v0", "jumanji/Cleaner-v0"],
    "brax": ["brax/inverted_pendulum"],
    "xminigrid": ["xminigrid/MiniGrid-Empty-5x5"],
    "craftax": ["craftax/Craftax-Classic-Symbolic-v1"],
    "playground": ["playground/CartpoleBalance"],
}
SLOW = {  # to compile
    *("pgx/2048", "jumanji/Cleaner-v0", "jumanji/Minesweeper-v0", "brax/inverted_pendulum"),
    *EXAMPLES["craftax"],
    *EXAMPLES["playground"],
}
SHORT = {"pgx/tic_tac_toe": 2}  # steps that some random episode lasts, where they are fewer than 5


# Laws that an env of a library breaks, by its own rules or by rounding, each with the reason.
ONE_START = {"resets": "every episode begins in the same state, by its rules"}
ROUNDING = {"vmap": "contacts magnify the rounding of a batch"}
KNOWN = {
    "pgx/minatar-asterix": ONE_START,
    "pgx/minatar-seaquest": ONE_START,
    "pgx/minatar-space_invaders": ONE_START,
    "brax/fast": ONE_START,
    "brax/humanoid": ROUNDING,
    "brax/humanoidstandup": ROUNDING,
    "playground/HumanoidRun": ROUNDING,
    "playground/HumanoidStand": ROUNDING,
    "playground/HumanoidWalk": ROUNDING,
    "playground/SwimmerSwimmer6": {"vmap": "a batch rounds an acceleration otherwise, by 1e-4"},
}


def ids_of_all():
    """`<suite>/<id>` of every suite that is installed; its library is imported."""
    return [
        pytest.param(f"{suite}/{env_id}", id=f"{suite}/{env_id}")
        for suite in EXAMPLES
        if suites.is_installed(suite)
        for env_id in suites.ids(suite)
    ]


def pytest_generate_tests(metafunc):
    """A case for every id; none where slow tests are left out, so that nothing is imported."""
    if "every_id" in metafunc.fixturenames:
        left_out = "not slow" in metafunc.config.option.markexpr
        metafunc.parametrize("every_id", [] if left_out else ids_of_all())


def of(suite, *values, slow=False):
    """Test cases of one suite, skipped where its library is not installed."""
    absent = not suites.is_installed(suite)
    marks = [pytest.mark.skipif(absent, reason=f"needs elsinore[{suite}]")]
    return pytest.param(*values, marks=marks + [pytest.mark.slow] * slow)


each_example = pytest.mark.parametrize(
    "name",
    [of(suite, name, slow=name in SLOW) for suite, names in EXAMPLES.items() for name in names],
)
each_suite = pytest.mark.parametrize("suite", [of(suite, suite) for suite in EXAMPLES])


@cache
def made(name):
    return make(name)


# Laws


@each_example
def test_every_law_holds(name):
    env, params = made(name)
    assert not [result for result in check_env(env, params, num_steps=200) if not result.passed]


@cache
def walker(name, steps):
    """Steps of random legal actions in many envs, each also taken without a reset."""
    env, defaults = made(name)
    space = env.action_space(defaults)

    @partial(jax.jit, compiler_options=FAST_COMPILE)
    def walk(keys, limit):
        params = defaults.replace(max_steps_in_episode=limit)

        def step(carry, i):
            obs, state = carry
            at = jax.vmap(jax.random.fold_in, (0, None))(keys, i)
            action, _ = jax.vmap(random_legal_action, (0, None, 0))(at, space, obs)
            alone = jax.vmap(partial(env_step, env), (0, 0, 0, None))(at, state, action, params)
            out = batched_autoreset_step(env, at, keys, state, action, params)
            seen = (out.terminated, out.truncated, out.final_obs, alone.obs, out.state.time)
            return (out.obs, out.state), seen

        return jax.lax.scan(step, batched_reset(env, keys, params), jnp.arange(steps))[1]

    return walk


def walked(name, steps, limit):
    """[step, env] of what a walk with this limit gave."""
    return jax.device_get(walker(name, steps)(jax.random.split(jax.random.key(3), 8), limit))


@each_example
def test_a_limit_truncates_with_the_true_final_observation(name):
    limit = SHORT.get(name, 5)
    walks = walked(name, limit, limit), walked(name, limit, 1000)
    (terminated, truncated, final_obs, alone, time), longer = walks
    lived = ~longer[0].any(axis=0)
    assert lived.any(), f"no random episode lasts {limit} steps"
    assert truncated[:, lived].any(axis=1).tolist() == [False] * (limit - 1) + [True]
    assert truncated[-1, lived].all() and not terminated[:, lived].any()
    assert not time[-1, lived].any() and not longer[1].any()
    for got, true, unlimited in zip(
        *map(jax.tree.leaves, (final_obs, alone, longer[2])), strict=True
    ):
        np.testing.assert_array_equal(got, true)
        np.testing.assert_array_equal(got[:, lived], unlimited[:, lived])


@each_example
def test_the_limit_is_traced(name):
    env, params = made(name)
    state = jax.eval_shape(env.reset_env, jax.random.key(0), params)[1]
    state = jax.tree.map(lambda x: x, state).replace(time=jnp.int32(6))
    limits = jnp.array([6, 7])
    late = jax.vmap(lambda n: env.is_truncated(state, params.replace(max_steps_in_episode=n)))
    assert late(limits).tolist() == [True, False]
    assert 0 < int(params.max_steps_in_episode) <= 100_000


@each_example
def test_a_state_can_be_drawn(name):
    env, params = made(name)
    fresh = jax.jit(env.reset_env, compiler_options=FAST_COMPILE)
    state = jax.device_get(fresh(jax.random.key(0), params)[1])
    view = view_of(env)
    assert view.scene(env, params, state).panels
    names = view.action_names(env, params)
    assert names is None or len(names) == env.action_space(params).n


def broken_laws(name):
    """Law -> detail of each that the environment breaks, its episodes cut to 20 steps."""
    env, params = make(name)
    params = params.replace(max_steps_in_episode=20)
    results = check_env(env, params, num_steps=50)
    return {result.check: result.detail for result in results if not result.passed}


@pytest.fixture
def compiled_quickly():
    """Programs are compiled without optimisation, and let go of: each of hundreds of environments
    needs a dozen, and memory has no room for all."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()


@pytest.mark.slow
def test_every_law_holds_for_every_id(every_id, compiled_quickly):
    broken = broken_laws(every_id)
    assert not {law: why for law, why in broken.items() if law not in KNOWN.get(every_id, {})}


def test_ids_are_listed_only_where_slow_tests_are_selected(monkeypatch):
    """Listing them imports the libraries."""
    given, listed = [], []
    monkeypatch.setattr(suites, "is_installed", lambda suite: suite == "pgx")
    monkeypatch.setattr(suites, "ids", lambda suite: listed.append(suite) or ("2048", "chess"))
    for marks in ("not slow", "", "slow"):
        option = SimpleNamespace(markexpr=marks)
        metafunc = SimpleNamespace(
            fixturenames=["every_id"],
            config=SimpleNamespace(option=option),
            parametrize=lambda name, values: given.append([x.id for x in values]),
        )
        pytest_generate_tests(metafunc)
        assert bool(listed) == (marks != "not slow")
    assert given == [[], ["pgx/2048", "pgx/chess"], ["pgx/2048", "pgx/chess"]]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@each_suite
def test_every_id_has_one_reward_one_flag_and_a_mask_of_its_actions(suite):
    """Without compiling anything."""
    for env_id in suites.ids(suite):
        env, params = make(f"{suite}/{env_id}")
        key, space = jax.random.key(0), env.action_space(params)
        obs, state = jax.eval_shape(env.reset_env, key, params)
        action = jax.eval_shape(space.sample, key)
        later, _, reward, terminated, _ = jax.eval_shape(env.step_env, key, state, action, params)
        shapes = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype), tree)  # noqa: E731
        assert shapes(obs) == shapes(later), env_id
        assert (reward.shape, terminated.shape, terminated.dtype) == ((), (), bool), env_id
        if isinstance(obs, dict) and "action_mask" in obs:
            assert obs["action_mask"].shape == mask_shape(space), env_id


# Names


@each_suite
def test_an_unknown_id_is_refused_with_the_closest_of_its_library(suite):
    name = EXAMPLES[suite][0]
    with pytest.raises(elsinore.ConfigError, match=f"did you mean '{name}'.*elsinore envs {suite}"):
        make(f"{name}x")


@pytest.mark.parametrize("suite", suites.SUITES)
def test_a_library_that_is_not_installed_is_refused_with_its_extra(suite, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    extra = {"gym": "gymnasium"}.get(suite, suite)
    with pytest.raises(elsinore.ConfigError, match=rf"pip install 'elsinore\[{extra}\]'"):
        make(f"{suite}/anything")


def test_a_name_is_checked_without_its_library():
    check_name("craftax/anything")
    with pytest.raises(ValueError, match="unknown suite 'jumanj'; did you mean 'jumanji'"):
        check_name("jumanj/Snake-v1")
    with pytest.raises(ValueError, match="unknown suite 'robosuite'; known: pgx, "):
        check_name("robosuite/Lift")


def test_each_suite_has_an_extra():
    from tests.config.test_extras import PROJECT

    extras = {suite.extra or name for name, suite in suites.SUITES.items()}
    assert extras <= set(PROJECT["project"]["optional-dependencies"])


@each_suite
def test_ids_are_listed(suite):
    assert set(EXAMPLES[suite]) <= {f"{suite}/{env_id}" for env_id in suites.ids(suite)}


# Objects of a library


def native(name):
    """An object of a library, made as its users make it."""
    suite, _, env_id = name.partition("/")
    if suite == "brax":
        return importlib.import_module("brax.envs").create(env_id, episode_length=70)
    if suite == "craftax":
        module = importlib.import_module("craftax.craftax_env")
        return module.make_craftax_env_from_name(env_id, auto_reset=True)
    if suite == "playground":
        overrides = {"impl": "jax", "episode_length": 70}
        registry = importlib.import_module("mujoco_playground").registry
        return registry.load(env_id, config_overrides=overrides)
    return importlib.import_module(suite).make(env_id)


@each_suite
def test_an_object_of_the_library_is_adapted(suite):
    name = EXAMPLES[suite][0]
    env, params = make(native(name))
    by_name, defaults = made(name)
    assert type(env) is type(by_name)
    assert repr(env.observation_space(params)) == repr(by_name.observation_space(defaults))
    assert params.max_steps_in_episode == (
        70 if suite in ("brax", "playground") else defaults.max_steps_in_episode
    )


def test_other_objects_are_left_alone():
    wall = broken_envs.Wall()
    assert suites.adapted(wall) is wall and suites.adapted(7) == 7


@pytest.mark.parametrize(
    "object_given", [of("navix", False), of("navix", True)], ids=["name", "object"]
)
def test_a_run_is_trained_loaded_and_resumed(object_given, tmp_path):
    name = "navix/Navix-Empty-5x5-v0"
    overrides = {
        "env_steps": 128,
        "algo.num_envs": 4,
        "algo.rollout_length": 16,
        "algo.num_minibatches": 2,
        "algo.network.hidden": [8],
        "algo.network.encoder": "mlp",
        "evaluation.episodes": 2,
        "evaluation.final_episodes": 2,
        "env_params.max_steps_in_episode": 20,
        "sinks.mlflow.enabled": False,
        "sinks.tensorboard": False,
    }
    env = native(name) if object_given else name
    run = elsinore.train(env, overrides=overrides, runs_dir=tmp_path, name="x")
    assert run.summary["stopped_by"] == "budget"
    loaded = elsinore.load("x", runs_dir=tmp_path, env=env if object_given else None)
    obs, _ = make(env)[0].reset_env(jax.random.key(0), None)
    assert 0 <= int(loaded.policy()(obs)) < 7
    if object_given:
        with pytest.raises(elsinore.ConfigError, match="was an object, which its name"):
            elsinore.load("x", runs_dir=tmp_path).policy()


# Peculiarities of each library


def test_what_a_library_prints_while_it_is_imported_is_not_shown(monkeypatch, tmp_path, capsys):
    """mujoco.mjx, which Brax imports, prints that warp is absent."""
    (tmp_path / "loud_library.py").write_text(
        "print('Failed to import warp')\nclass Loud:\n    ids = staticmethod(lambda: ('a',))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    loud = suites.Suite("loud_library", "loud_library:Loud", "MIT")
    monkeypatch.setattr(suites, "SUITES", {"loud": loud})
    assert suites.ids("loud") == ("a",)
    assert capsys.readouterr().out == ""


def test_what_a_library_prints_while_an_env_is_made_is_no_output(monkeypatch, tmp_path, capsys):
    """Craftax tells that it draws its textures, and `elsinore envs craftax --json` prints JSON."""
    (tmp_path / "chatty_library.py").write_text(
        "import importlib\n"
        "class Chatty:\n"
        "    ids = staticmethod(lambda: ('a', 'b'))\n"
        "    @staticmethod\n"
        "    def make(env_id):\n"
        "        print('Loading textures')\n"
        "        return importlib.import_module('tests.envs.broken_envs').Wall()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    chatty = suites.Suite("chatty_library", "chatty_library:Chatty", "MIT")
    monkeypatch.setattr(suites, "SUITES", {"chatty": chatty})
    assert cli.main(["envs", "chatty/b", "--json"]) == 0
    shown = capsys.readouterr()
    assert [info["name"] for info in json.loads(shown.out)] == ["chatty/b"]
    assert shown.err == "Loading textures\n"
    assert cli.main(["envs", "chatty", "--names"]) == 0
    assert capsys.readouterr() == ("chatty/a\nchatty/b\n", "")
    assert cli.main(["envs", "chatty", "--names", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ["chatty/a", "chatty/b"]
    assert cli.main(["envs", "chatty/c"]) == 2
    assert "env='chatty/c' is unknown" in capsys.readouterr().err


def needs(suite):
    return pytest.mark.skipif(not suites.is_installed(suite), reason=f"needs elsinore[{suite}]")


@needs("pgx")
def test_the_moves_of_a_game_are_counted_without_beginning_it(monkeypatch):
    """Pgx's own count compiles the first position, which takes seconds for shogi."""
    from pgx.tic_tac_toe import TicTacToe  # pyright: ignore[reportMissingImports]

    begun, first = [], TicTacToe._init
    monkeypatch.setattr(TicTacToe, "_init", lambda self, key: begun.append(key) or first(self, key))
    env, params = make("pgx/tic_tac_toe")
    assert env.action_space(params).n == 9 and begun
    assert all(isinstance(key, jax.core.Tracer) for key in begun)


@needs("pgx")
def test_a_game_of_three_players_is_refused():
    import pgx  # pyright: ignore[reportMissingImports]

    with pytest.raises(elsinore.ConfigError, match="has 3 players; the games of one or two are"):
        make(pgx.make("sparrow_mahjong"))
    with pytest.raises(elsinore.ConfigError, match="rival='chess engine' is no rival"):
        make("pgx/tic_tac_toe", {"rival": "chess engine"})
    with pytest.raises(elsinore.ConfigError, match="is a tuple, such as .env, params."):
        make((pgx.make("2048"), None))
    wrapped = elsinore.wrap("pgx/tic_tac_toe", {"scale_reward": 2.0})
    assert wrapped.rival is wrapped.env.rival
    assert not hasattr(wrapped, "with_rival")  # that of the game inside would have no wrapper


def first_legal(key, obs):
    return jnp.argmax(obs["action_mask"])


@needs("pgx")
def test_a_step_of_a_duel_is_a_move_and_the_rivals_answer():
    env, params = make("pgx/tic_tac_toe", {"rival": first_legal})
    keys = jax.random.split(jax.random.key(0), 64)
    obs, state = jax.jit(jax.vmap(env.reset_env, (0, None)))(keys, params)
    game, seat = state.world.game, state.world.seat
    assert set(seat.tolist()) == {0, 1}
    assert (game.current_player == seat).all()
    moved = game._step_count  # the rival has begun where the learner has the second seat
    assert set(moved.tolist()) == {0, 1}
    assert obs["action_mask"][:, 0].tolist() == (moved == 0).tolist()
    last = 8 * jnp.ones(64, jnp.int32)  # a corner; the rival takes the first square that is free
    step = jax.jit(jax.vmap(env.step_env, (0, 0, 0, None)))
    seen, after, reward, over, _ = step(keys, state, last, params)
    assert (after.world.game._step_count == moved + 2).all()
    assert not seen["action_mask"][:, 8].any() and not over.any() and not reward.any()


@needs("pgx")
def test_the_board_of_a_duel_shows_whose_piece_is_where():
    env, params = make("pgx/tic_tac_toe", {"rival": first_legal})
    _, state = env.reset_env(jax.random.key(0), params)
    _, state, *_ = jax.jit(env.step_env)(jax.random.key(0), state, jnp.int32(4), params)
    rows = view_of(env).scene(env, params, jax.device_get(state)).panels[0].rows
    seen = np.array(rows)
    assert seen[1, 1] == 0 and seen[0, 0] == 1  # the rival takes the first square that is free
    assert (seen == -1).sum() == 9 - int(state.world.game._step_count)


class SimpleGame(NamedTuple):
    current_player: Any
    observation: Any


@needs("pgx")
def test_a_game_with_other_planes_is_drawn_without_observing_it():
    from elsinore.envs.suites.adapter import SuiteState
    from elsinore.envs.suites.pgx_duel import Table

    env, params = make("pgx/tic_tac_toe")
    env.native = SimpleNamespace(id="go_9x9")  # whose `_observe` takes no state on the host
    game = SimpleGame(current_player=np.int32(0), observation=np.zeros((9, 9, 17), bool))
    state = SuiteState(time=np.int32(0), world=Table(game, np.int32(0)))
    assert view_of(env).scene(env, params, state).panels


@needs("pgx")
def test_a_duel_is_won_or_lost_with_the_rewards_of_both_moves():
    env, params = make("pgx/tic_tac_toe", {"rival": first_legal})
    step = jax.jit(env.step_env)
    for number in range(20):
        obs, state = env.reset_env(jax.random.key(number), params)
        over = False
        while not over:  # the learner takes the last square that is free
            action = 8 - jnp.argmax(obs["action_mask"][::-1])
            obs, state, reward, over, info = step(jax.random.key(0), state, action, params)
        rewards = state.world.game.rewards
        assert float(reward) == float(rewards[state.world.seat])
        assert (bool(info["won"]), bool(info["lost"])) == (reward > 0, reward < 0)


@pytest.mark.slow
@needs("pgx")
def test_a_frozen_policy_is_a_rival_whose_parameters_are_traced(tmp_path):
    overrides = {
        "env_steps": 64,
        "algo.num_envs": 4,
        "algo.rollout_length": 8,
        "algo.num_minibatches": 2,
        "algo.network.hidden": [8],
        "evaluation.episodes": 4,
        "evaluation.final_episodes": 4,
        "replays.share": 0,
        "sinks.mlflow.enabled": False,
        "sinks.tensorboard": False,
    }
    run = elsinore.train("pgx/tic_tac_toe", overrides=overrides, runs_dir=tmp_path, name="first")
    assert 0 <= run.summary["eval_facts"]["won"]["mean"] <= 1
    duel, params = make("pgx/tic_tac_toe", {"rival": run.policy()})
    assert jax.tree.leaves(params.rival)
    second = elsinore.train(duel, overrides=overrides, runs_dir=tmp_path, name="second")
    assert second.summary["stopped_by"] == "budget"


@needs("pgx")
def test_observations_have_the_librarys_dtypes():
    assert made("pgx/minatar-breakout")[0].observation_space(None).dtype == bool


@needs("pgx")
@pytest.mark.parametrize(
    ("game", "gymnaxs"),
    [
        ("breakout", "Breakout-MinAtar"),
        pytest.param("space_invaders", "SpaceInvaders-MinAtar", marks=pytest.mark.slow),
    ],
)
def test_pgxs_minatar_without_sticky_actions_is_gymnaxs(game, gymnaxs):
    """Step by step, through whole episodes; the two other games draw random numbers otherwise."""
    module = importlib.import_module(f"pgx.minatar.{game}")
    native = getattr(module, f"MinAtar{game.title().replace('_', '')}")(sticky_action_prob=0.0)
    (env, params), (other, others) = make(native), make(gymnaxs)

    @partial(jax.jit, compiler_options=FAST_COMPILE)
    @jax.vmap
    def episode(key):
        (obs, state), (seen, theirs) = env.reset_env(key, params), other.reset_env(key, others)

        def step(carry, key):
            obs, state, theirs = carry
            action = keeper(key, obs) if game == "breakout" else jax.random.randint(key, (), 0, 4)
            obs, state, reward, over, _ = env.step_env(key, state, action, params)
            seen, theirs, paid, ended, _ = other.step_env(key, theirs, action, others)
            same = (obs == (seen != 0)).all() & (reward == paid) & (over == ended)
            return (obs, state, theirs), (same, reward, over)

        same = (obs == (seen != 0)).all()
        return same, jax.lax.scan(step, (obs, state, theirs), jax.random.split(key, 500))[1]

    begun, (same, reward, over) = episode(jax.random.split(jax.random.key(0), 16))
    alive = np.cumsum(over, axis=1) - over == 0  # also in the last step
    assert begun.all() and same[alive].all()
    assert over.any(axis=1).sum() > 4 and reward[alive].sum() > 50


def keeper(key, obs):
    """Breakout's paddle after the ball, with a few actions at random."""
    place = lambda channel: jnp.argmax(obs[:, :, channel].any(axis=0))  # noqa: E731
    ball, paddle = place(1), place(0)
    toward = jnp.where(ball < paddle, 1, jnp.where(ball > paddle, 2, 0))
    return jnp.where(jax.random.uniform(key) < 0.02, jax.random.randint(key, (), 0, 3), toward)


@needs("navix")
def test_navix_observes_by_the_function_that_is_named():
    env, params = make("navix/Navix-Empty-5x5-v0", {"observation_fn": "symbolic_first_person"})
    space = env.observation_space(params)
    assert space.shape == (7, 7, 3) and space.dtype == jnp.uint8
    with pytest.raises(elsinore.ConfigError, match="env_kwargs.observation_fn='blind'"):
        make("navix/Navix-Empty-5x5-v0", {"observation_fn": "blind"})


@needs("xminigrid")
@pytest.mark.parametrize("autoreset", ["GymAutoResetWrapper", "DmEnvAutoResetWrapper"])
def test_an_xminigrid_object_is_not_reset_by_its_wrappers(autoreset):
    from xminigrid import wrappers  # pyright: ignore[reportMissingImports]

    bare, rules = native("xminigrid/MiniGrid-Empty-5x5")
    reset_by, seen_by = getattr(wrappers, autoreset), wrappers.DirectionObservationWrapper
    for given in (reset_by(seen_by(bare)), seen_by(reset_by(bare))):
        env, _ = make((given, rules))
        assert type(env.native) is seen_by and env.native._env is bare
    assert type(given._env) is reset_by and make(reset_by(bare))[0].native is bare


@needs("navix")
def test_a_navix_object_is_taken_out_of_its_gymnax_wrapper():
    from navix.environments.wrappers import ToGymnax  # pyright: ignore[reportMissingImports]

    bare = native("navix/Navix-Empty-5x5-v0")
    env, params = make(ToGymnax(bare))
    assert type(env.native) is type(bare) and params.max_steps_in_episode == bare.max_steps


@needs("jumanji")
def test_jointly_masked_choices_are_one_choice_and_others_several():
    env, params = made("jumanji/Minesweeper-v0")
    assert env.action_space(params).n == 100
    assert env._native_action(jnp.int32(37)).tolist() == [3, 7]
    env, params = made("jumanji/Cleaner-v0")
    assert isinstance(env.action_space(params), MultiDiscrete)
    assert env.observation_space(params).spaces["action_mask"].shape == (12,)


@needs("jumanji")
def test_rewards_of_each_agent_are_refused():
    import jumanji  # pyright: ignore[reportMissingImports]

    with pytest.raises(elsinore.ConfigError, match="adapted are those of one reward"):
        make(jumanji.make("Connector-v3"))


@needs("jumanji")
def test_the_object_in_hand_keeps_its_limit():
    snake = native("jumanji/Snake-v1")
    env, _ = make(snake)
    assert snake.time_limit == 4000 < env.native.time_limit


@needs("craftax")
@pytest.mark.parametrize("game", ["Craftax", "Craftax-Classic"])
def test_craftaxs_achievements_are_those_so_far_in_every_step(game):
    """Craftax gives them at its own ends, of which a time limit of ours is none."""
    env, params = make(f"craftax/{game}-Symbolic-v1")
    key, action = jax.random.key(0), jnp.int32(0)
    _, state = jax.eval_shape(env.reset_env, key, params)
    _, _, *like = jax.eval_shape(env.step_env, key, state, action, params)
    world = SimpleNamespace(achievements=jnp.zeros(len(env.constants.Achievement)).at[1].set(1))
    none = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), like[-1])
    env.native = SimpleNamespace(step_env=lambda *_: (None, world, *like[:2], none))
    info = env.advance(None, world, action)[-1]
    assert info.keys() == none.keys()
    achieved = [float(info[name]) for name in info if name.startswith("Achievements/")]
    assert sorted(achieved)[-2:] == [0.0, 100.0]


class Standing(Body):
    """A body that never moves."""

    ids = make = of = bodies = cast(Any, staticmethod(lambda *_: ()))


def test_a_robots_policy_sees_its_state_and_no_privileged_one():
    """Which Playground gives to critics alone."""
    seen = {"state": jnp.ones(3), "privileged_state": jnp.zeros(7)}
    world = SimpleNamespace(obs=seen, reward=jnp.float32(0), done=jnp.float32(0), metrics={})
    native = SimpleNamespace(reset=lambda key: world, step=lambda world, action: world)
    robot = Standing(native, "playground/Robot", 10)
    assert robot.begin(None)[0] is robot.advance(None, world, None)[0] is seen["state"]
    world.obs = {"state": jnp.ones(3), "pixels": jnp.zeros((2, 2, 3))}
    assert robot.begin(None)[0] is world.obs


@needs("brax")
def test_a_fall_that_brax_names_a_time_out_is_a_termination_and_the_limit_none():
    env, defaults = make("brax/inverted_pendulum", {"backend": "spring"})

    @partial(jax.jit, compiler_options=FAST_COMPILE)
    def pushed(force, limit):
        params = defaults.replace(max_steps_in_episode=limit)

        def step(state, _):
            obs, state, reward, over, _ = env.step_env(jax.random.key(0), state, force, params)
            return state, (obs, reward, over, env.is_truncated(state, params))

        return jax.lax.scan(step, env.reset_env(jax.random.key(0), params)[1], None, 20)[1]

    obs, reward, fallen, cut = pushed(jnp.ones(1), 1000)
    last = int(jnp.argmax(fallen))
    assert 0 < last < 19 and abs(obs[last, 1]) > 0.2 >= abs(obs[last - 1, 1]) and not cut.any()
    assert (reward[:last] == 1.0).all()
    _, _, fallen, cut = pushed(jnp.zeros(1), 3)
    assert not fallen[:5].any() and cut.tolist() == [False] * 2 + [True] * 18


NOTEBOOK = """
import builtins, sys, types
builtins.__IPYTHON__ = True
sys.modules["ipykernel"] = types.ModuleType("ipykernel")
import elsinore.envs.suites.jumanji
assert builtins.__IPYTHON__ is True
"""


@needs("jumanji")
def test_jumanji_is_imported_in_a_notebook_without_ipympl():
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
