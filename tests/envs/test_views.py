"""Views of environments: scenes agree with states and observations."""

import inspect
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from gymnax.environments.bsuite.catch import Catch
from gymnax.environments.classic_control.acrobot import Acrobot
from gymnax.environments.classic_control.cartpole import CartPole, EnvState
from gymnax.environments.classic_control.mountain_car import MountainCar
from gymnax.environments.classic_control.pendulum import Pendulum
from gymnax.environments.minatar import asterix, breakout, freeway, seaquest, space_invaders

from elsinore.envs.plain_scene import plain_scene
from elsinore.envs.scene import (
    ROLES,
    Bars,
    Cards,
    Circle,
    Facts,
    Grid,
    Line,
    Pixels,
    Rectangle,
    Scene,
    Shades,
    to_json,
)
from elsinore.envs.view import View
from elsinore.envs.views import view_of
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.cache.make import make_cache
from elsinore.worlds.hamlet.env import hamlet
from elsinore.worlds.hamlet.tables import profile_tables
from tests.small_envs import World


def seen(env, **state) -> Scene:
    """The scene of an env in a state of only the fields that its view reads."""
    return view_of(env).scene(env, env.default_params, SimpleNamespace(**state))


def panel(scene: Scene, kind: type):
    return next(p for p in scene.panels if isinstance(p, kind))


def shapes(scene: Scene, kind: type, role: str):
    return [
        shape for shape in scene.panels[0].shapes if isinstance(shape, kind) and shape.role == role
    ]


def facts(scene: Scene) -> dict[str, str]:
    return dict(panel(scene, Facts).rows)  # pyright: ignore[reportCallIssue]


# The classic problems


def cartpole(x=0.0, theta=0.0) -> Scene:
    return seen(CartPole(), x=x, x_dot=0.0, theta=theta, theta_dot=0.0, time=0)


def test_a_pole_that_leans_right_has_its_tip_to_the_right():
    ((foot, tip),) = (line.points for line in shapes(cartpole(theta=0.1), Line, "goal"))
    assert tip[0] > foot[0] and tip[1] > foot[1]
    ((foot, tip),) = (line.points for line in shapes(cartpole(theta=0.0), Line, "goal"))
    assert tip[0] == foot[0]


def test_a_cart_at_the_limit_stands_at_its_mark():
    left, right = (line.points[0][0] for line in shapes(cartpole(), Line, "danger"))
    (cart,) = shapes(cartpole(x=2.4), Rectangle, "agent")
    assert cart.x == pytest.approx(right)
    (cart,) = shapes(cartpole(x=-2.4), Rectangle, "agent")
    assert cart.x == pytest.approx(left)


def test_a_cartpole_shows_its_distance_to_the_limits():
    tilt, off = cartpole(x=1.2, theta=np.radians(11)).panels[1].bars
    assert tilt.in_danger and tilt.shown == "11.0° of 12°"
    assert not off.in_danger and off.value == pytest.approx(0.5)


def test_an_upright_pendulum_has_its_weight_above_its_pivot():
    weight, pivot = (
        shapes(seen(Pendulum(), theta=2 * np.pi, theta_dot=0.0, last_u=0.0), Circle, "agent")[0],
        0.5,
    )
    assert weight.x == pytest.approx(pivot) and weight.y > pivot
    weight = shapes(seen(Pendulum(), theta=np.pi, theta_dot=0.0, last_u=0.0), Circle, "agent")[0]
    assert weight.y < pivot


@pytest.mark.parametrize(
    "first, second, height", [(0.0, 0.0, "-2.00"), (np.pi, 0.0, "+2.00"), (np.pi, np.pi, "+0.00")]
)
def test_an_acrobot_shows_the_height_of_its_tip(first, second, height):
    scene = seen(Acrobot(), joint_angle1=first, joint_angle2=second, velocity_1=0.0, velocity_2=0.0)
    assert scene.panels[1].bars[0].shown == f"{height} of +1 m"


def test_an_acrobot_passes_its_line_just_where_its_episode_ends():
    env = Acrobot()
    hanging = seen(env, joint_angle1=0.0, joint_angle2=0.0, velocity_1=0.0, velocity_2=0.0)
    (goal,) = {y for line in shapes(hanging, Line, "goal") for _, y in line.points}
    for angle in np.linspace(0.5, 3.0, 20):
        state = SimpleNamespace(
            joint_angle1=angle, joint_angle2=0.3, velocity_1=0.0, velocity_2=0.0
        )
        (tip,) = shapes(seen(env, **vars(state)), Circle, "gain")
        assert (tip.y > goal) == bool(env.is_terminated(state, env.default_params))


def test_a_car_is_lowest_in_the_valley():
    def height(position):
        return shapes(seen(MountainCar(), position=position, velocity=0.0), Circle, "agent")[0].y

    assert height(-np.pi / 6) < height(-1.0) and height(-np.pi / 6) < height(0.4)


def test_catch_shows_ball_and_paddle_where_they_are_observed():
    env = Catch()
    board = panel(seen(env, ball_x=3, ball_y=2, paddle_x=1, paddle_y=9), Grid)
    assert {(thing.label, thing.y, thing.x) for thing in board.things} == {
        ("ball", 2, 3),
        ("paddle", 9, 1),
    }
    assert (board.height, board.width) == (env.rows, env.columns)


# MinAtar: the cells of each kind are the observation's channels, but for what lies underneath
# something else


def mask(rng):
    return rng.random((10, 10)) < 0.3


def some(rng, count, *columns):
    """`count` rows of random whole numbers, each column below its bound."""
    return np.stack([rng.integers(0, high, count) for high in columns], axis=1)


GAMES = {
    "breakout": (
        breakout.MinBreakout(),
        {"paddle": 0, "ball": 1, "trail": 2, "brick": 3},
        lambda rng: {
            "ball_y": 7,
            "ball_x": 2,
            "last_y": 6,
            "last_x": 1,
            "pos": 4,
            "brick_map": mask(rng),
        },
    ),
    "asterix": (
        asterix.MinAsterix(),
        {"player": 0, "enemy": 1, "trail": 2, "gold": 3},
        lambda rng: {"player_x": 3, "player_y": 5, "entities": some(rng, 8, 10, 10, 2, 2, 2)},
    ),
    "freeway": (
        freeway.MinFreeway(),
        {"chicken": 0, "car": 1},
        lambda rng: {
            "pos": 9,
            "cars": np.c_[some(rng, 8, 10, 10, 5), rng.choice([-5, -2, 1, 3], 8)],
        },
    ),
    "space invaders": (
        space_invaders.MinSpaceInvaders(),
        {"cannon": 0, "alien": 1, "our bullet": 4, "their bullet": 5},
        lambda rng: {
            "pos": 6,
            "alien_map": mask(rng),
            "f_bullet_map": mask(rng),
            "e_bullet_map": mask(rng),
            "alien_dir": -1,
        },
    ),
    "seaquest": (
        seaquest.MinSeaquest(),
        {"submarine": 0, "our bullet": 2, "their bullet": 4, "fish": 5, "enemy": 6, "diver": 9},
        lambda rng: (
            {"sub_x": 4, "sub_y": 3, "sub_or": 1, "oxygen": 120, "diver_count": 2}
            | {
                name: part
                for kind, name_count in SEA.items()
                for name, part in (
                    (kind, some(rng, seaquest.MAX_ENTITIES, 10, 9, 2, 2, 2)),
                    (name_count, 5),
                )
            }
        ),
    ),
}
SEA = {"f_bullets": "f_bullet_count", "e_bullets": "e_bullet_count", "e_fish": "e_fish_count",
       "e_subs": "e_subs_count", "divers": "divers_count"}  # fmt: skip


@pytest.mark.parametrize("game", GAMES)
def test_the_pixels_of_a_game_agree_with_its_observation(game):
    env, channels, draw = GAMES[game]
    state = draw(np.random.default_rng(0))
    picture = panel(seen(env, **state), Pixels)
    observed = (
        np.asarray(
            env.get_obs(jax.tree.map(jax.numpy.asarray, SimpleState(state)), env.default_params)
        )
        > 0
    )
    shown = np.array(picture.rows)
    for i, key in enumerate(picture.keys):
        if key.name in channels:
            here = observed[:, :, channels[key.name]]
            assert (shown[here] >= i).all(), key.name  # it is seen, or something that lies above it
            assert here[shown == i].all(), key.name
    nothing = shown < 0
    assert not observed[nothing][:, list(channels.values())].any()


class SimpleState(dict):
    """A state of which only some fields are given."""

    __getattr__ = dict.__getitem__


def _rebuilt(names, values):
    return SimpleState(zip(names, values, strict=True))


jax.tree_util.register_pytree_node(
    SimpleState, lambda state: (list(state.values()), tuple(state)), _rebuilt
)


def test_a_game_names_the_buttons_it_has():
    env = breakout.MinBreakout()
    assert view_of(env).action_names(env, env.default_params) == ("stay", "left", "right")


# Ours


def hamlet_at(env, x, y, **changed) -> Scene:
    world = profile_tables(env.profile)
    state = {
        "position": np.array([x, y]),
        "meters": world.initial,
        "using": -1,
        "progress": 0,
        "cells": None,
        "time": 0,
    }
    return seen(env, **state | changed)


def test_hamlet_stands_among_his_places():
    board = panel(hamlet_at(hamlet("base6"), 4, 3), Grid)
    things = {thing.label: (thing.x, thing.y, thing.role) for thing in board.things}
    assert (
        things["Bed"] == (1, 1, "rest")
        and things["Bar"] == (7, 0, "play")
        and things["agent"] == (4, 3, "agent")
    )
    assert (board.width, board.height) == (8, 8) and len(things) == 8


def test_hamlets_meters_have_their_units():
    env = hamlet("base6")
    meters = profile_tables(env.profile).units(np.array([15.0, 50, 100, -20, 90, 50]))
    bars = {bar.name: bar for bar in panel(hamlet_at(env, 0, 0, meters=meters), Bars).bars}
    assert bars["energy"].shown == "15 of 100" and bars["energy"].value == pytest.approx(0.15)
    assert bars["money"].shown == "-20" and bars["money"].value == pytest.approx(0.4)
    # of stress, much is bad
    assert [name for name, bar in bars.items() if bar.in_danger] == ["energy", "stress"]


def test_a_place_that_is_closed_is_crossed_out():
    env = hamlet("L3")
    closing = next(a for a in env.profile.affordances if a.hours != (0, 24) and a.hours[1] < 24)
    i, cells = (
        env.profile.affordance_names.index(closing.name),
        np.arange(len(env.profile.affordances)),
    )
    for hour in range(24):
        (place,) = (
            t
            for t in panel(hamlet_at(env, 7, 7, cells=cells, time=hour), Grid).things
            if (t.x, t.y) == (i % 8, i // 8)
        )
        is_open = closing.hours[0] <= hour < closing.hours[1]
        assert (place.label, place.role) == (
            (closing.name, closing.role) if is_open else (f"✕ {closing.name}", "wall")
        )


def test_balatros_hand_is_shown_in_order():
    from elsinore.worlds.balatro.rules.deck import set_of, slots_of
    from elsinore.worlds.balatro.view import cards_in

    hands = np.stack([np.random.default_rng(seed).permutation(52)[:8] for seed in range(20)])
    sets = jax.jit(jax.vmap(set_of))(hands)
    for i, dealt in enumerate(np.asarray(jax.jit(jax.vmap(slots_of))(sets))):
        assert cards_in(jax.tree.map(lambda x: np.asarray(x)[i], sets)) == dealt.tolist()  # noqa: B023


@pytest.mark.parametrize("verb", [0, 1], ids=["play", "discard"])
def test_the_cards_of_the_next_play_are_raised(verb):
    from elsinore.worlds.balatro.actions import SUBSETS

    env, some = Balatro(), SimpleNamespace
    table = some(
        hand=some(high=0b1011, low=0),
        pile=some(high=0, low=1),
        score=0.0,
        target=300,
        hands_left=4,
        discards_left=3,
    )
    game = some(phase=1, number=1, ante=1, max_ante=8, won=False, levels=np.ones(12), round=table)
    action = verb * len(SUBSETS) + SUBSETS.index((0, 2))
    hand = panel(view_of(env).deciding(env, None, some(game=game, selected=0), action), Cards)
    assert [(card.label, card.marked) for card in hand.cards] == [
        ("A♠", True),
        ("A♥", False),
        ("A♦", True),
    ]


@pytest.mark.parametrize("mode, play, buy", [("subset", 217, 436), ("toggle", 8, 10)])
def test_every_action_of_balatro_has_a_name(mode, play, buy):
    env = Balatro(action_mode=mode)
    names = view_of(env).action_names(env, None)
    assert len(names) == env.mode.num_actions == len(set(names))
    assert (
        names[play].startswith("play") and names[buy] == "buy 1" and names[-1] == "begin the blind"
    )


def test_every_action_of_the_cache_has_a_name():
    env = make_cache("Cache-api")
    assert len(view_of(env).action_names(env, None)) == env.num_actions


# Other environments


@dataclass(frozen=True)
class Bare(World):
    """An environment without a view."""

    name: str = field(default="Bare", init=False)


@dataclass(frozen=True)
class Showy(World):
    """An environment with a method `scene`."""

    def scene(self, params, state) -> Scene:
        return Scene("showy", (Facts("all", (("warmth", f"{state.warmth} °C"),)),))

    def action_names(self, params):
        return "wait", "warm"


def test_a_custom_env_shows_its_own_scene():
    view = view_of(Showy())
    assert facts(view.scene(Showy(), None, SimpleNamespace(warmth=3))) == {"warmth": "3 °C"}
    assert view.action_names(Showy(), None) == ("wait", "warm")


def test_every_public_function_of_a_module_view_is_found_by_its_name():
    src = Path(inspect.getfile(View)).parents[2]
    paths = sorted(src.glob("elsinore/worlds/**/view.py"))
    assert len(paths) >= 4
    for path in paths:
        module = import_module(".".join(path.relative_to(src).with_suffix("").parts))
        functions = inspect.getmembers(module, inspect.isfunction)
        own = {name for name, f in functions if f.__module__ == module.__name__}
        assert {name for name in own if name[0] != "_"} <= set(View._fields), path


def test_an_env_without_a_view_shows_its_numbers_and_small_arrays():
    state = {
        "warmth": np.float32(0.25),
        "alive": np.bool_(True),
        "map": np.array([[1.0, 3.0]]),
        "big": np.zeros((99, 99)),
    }
    scene = view_of(Bare()).scene(Bare(), None, state)
    assert scene.title == "Bare"
    assert facts(scene) == {"warmth": "0.250", "alive": "yes", "big": "float64 [99, 99]"}
    picture = panel(scene, Shades)
    assert (picture.title, picture.rows, picture.low, picture.high) == (
        "map",
        ((0.0, 1.0),),
        "1",
        "3",
    )


@pytest.mark.parametrize("values", [[np.nan, 1.0], [np.inf, -np.inf], [2.0, 2.0]])
def test_an_array_with_any_numbers_can_be_drawn(values):
    (picture,) = plain_scene(Bare(), None, {"x": np.array(values)}).panels
    assert all(0.0 <= value <= 1.0 for row in picture.rows for value in row)


def roles_in(thing):
    if isinstance(thing, dict):
        yield from ([thing["role"]] if "role" in thing else [])
        thing = list(thing.values())
    if isinstance(thing, list):
        for part in thing:
            yield from roles_in(part)


def test_scenes_use_known_roles_only():
    scenes = [seen(env, **draw(np.random.default_rng(1))) for env, _, draw in GAMES.values()]
    scenes += [cartpole(), seen(MountainCar(), position=0.0, velocity=0.0)]
    roles = {role for scene in scenes for role in roles_in(to_json(scene))}
    assert roles <= set(ROLES) and len(roles) > 5


def test_drawing_compiles_nothing():
    env, compiled = CartPole(), []
    state = EnvState(
        time=0, x=np.float32(0), x_dot=np.float32(0), theta=np.float32(0), theta_dot=np.float32(0)
    )

    def listen(event, *_, **__):
        compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        jax.jit(lambda x: x + len(compiled))(1.0)  # it does hear of what is compiled
        heard = len(compiled)
        view_of(env).scene(env, env.default_params, state)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert heard > 0 and len(compiled) == heard
