"""World files, and error messages about mistakes in them."""

import math
from pathlib import Path

import pytest
import yaml

from elsinore.envs import make
from elsinore.worlds.hamlet import LEVELS
from elsinore.worlds.hamlet.env import hamlet
from elsinore.worlds.hamlet.load import load_profile
from tests.worlds.hamlet.worlds import CABIN, act, at, meters

FOLDER = Path(hamlet.__code__.co_filename).parent / "worlds"


def test_the_worlds_listed_are_the_files_there_are():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(LEVELS)


@pytest.mark.parametrize("world", LEVELS)
def test_a_shipped_world_bears_its_name_and_equal_ones_are_equal(world):
    profile = load_profile(world)
    again = load_profile(FOLDER / f"{world}.yaml")
    assert profile.name == world
    assert (profile, hash(profile)) == (again, hash(again))


def test_a_world_of_ones_own_is_made_by_the_path_of_its_file():
    env, params = make(
        "Hamlet-custom", {"profile": str(CABIN), "reward": "shaped"}, {"drain_multiplier": 0.0}
    )
    assert (env.name, params.max_steps_in_episode) == ("Hamlet-cabin", 300)
    cells = [(0, 0), (5, 0), (2, 3)]
    state = env.state_at((0, 0), [50, 100, 2], cells)
    out = act(env, state, 4, params=params)[0]
    assert meters(env, out[1]) == {"warmth": 90, "food": 100, "money": 0}
    assert float(out[2]) == pytest.approx(0.5 + 0.02 * 40 * 0.5)


def test_a_world_may_extend_one_of_ours():
    changed = {"extends": "base6", "name": "dear", "affordances": [{"name": "Bed", "price": 50}]}
    env = hamlet("custom", profile=changed)
    assert env.profile.affordance_names == load_profile("base6").affordance_names
    assert meters(env, act(env, at(env, 1, 1, energy=20), 4)[0][1])["money"] == 0


def changed(**changes):
    data = yaml.safe_load(CABIN.read_text())
    for place, value in changes.items():
        *path, last = place.split("__")
        part = data
        for key in path:
            part = part[int(key) if key.isdigit() else key]
        part[last] = value
    return data


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"affordances__1__cell": [0, 0]},
            r"affordances\[1\].cell=\[0, 0\] is where Stove stands already",
        ),
        (
            {"affordances__1__cell": [6, 0]},
            r"affordances\[1\].cell=\[6, 0\] is off the grid; x is 0 to 5, y 0 to 4",
        ),
        ({"temporal": True}, r"affordances\[0\].price=2.0 is unused in a temporal world, where"),
        ({"affordances__1__price": -3}, r"affordances\[1\].price=-3.0 must not be negative"),
        (
            {"affordances__1__price": 101},
            r"affordances\[1\].price=101.0 is more than the meter's range of 100.0; .* meter money",
        ),
        (
            {"affordances__0__effects__warmht": 1},
            r"affordances\[0\].effects.warmht='warmht' is unknown; did you mean",
        ),
        (
            {"affordances__0__effects__warmth": 400},
            r"effects.warmth=400.0 is more than the meter's range of 100",
        ),
        ({"affordances__0__colour": "red"}, r"affordances\[0\].colour is not a setting"),
        ({"affordances__0__role": "bed"}, r"affordances\[0\].role='bed' is unknown"),
        (
            {"affordances__2__reduced__below": {"foot": 1}},
            r"affordances\[2\].reduced.below.foot='foot' is unknown",
        ),
        ({"affordances__0__name": "Larder"}, r"affordances\[1\].name='Larder' is taken"),
        ({"meters__0__initial": 120}, r"meters\[0\].initial=120.0 must be from 0.0 to 100.0"),
        ({"meters__0__drain": float("nan")}, r"meters\[0\].drain=nan .*finite"),
        ({"meters__2__low": 100}, r"meters\[2\].low=100.0 must be below its high=100"),
        (
            {"meters__0__random_start": [90, 20]},
            r"meters\[0\].random_start=\[90.0, 20.0\] must be a range",
        ),
        ({"cascades__0__source": "hunger"}, r"cascades\[0\].source='hunger' is unknown"),
        (
            {"rewards__shaped__tiers__0__pays": [1]},
            r"rewards.shaped.tiers\[0\] needs rising edges and one more",
        ),
        ({"rewards__sparse__needs": ["x"]}, r"rewards.sparse.needs='x' is unknown"),
        (
            {"rewards__sparse__kind": "need"},
            r"rewards.sparse.kind='need' is unknown; did you mean 'needs'",
        ),
        ({"affordances__0__hours": [8]}, r"affordances\[0\].hours=\[8\] must be two numbers"),
        ({"affordances__0__cell": "roof"}, r"affordances\[0\].cell='roof' must be random, or a"),
        ({"affordances__0__effects__warmth": "hot"}, r"effects.warmth='hot' must be a number"),
        (
            {"rewards__shaped__tiers__0__edges": [0.5, 2]},
            r"edges=.* must lie in \[0, 1\]",
        ),
        ({"meters__0__high": float("inf")}, r"meters\[0\].high=inf must be finite"),
        ({"vector": "pixels"}, "vector='pixels' is unknown; choose codes or fields"),
        ({"start": [9, 9]}, r"start=\[9, 9\] is off the grid"),
        ({"grid": [3, 0]}, r"grid=\[3, 0\] must be width and height, each at least 1"),
        ({"disabled": ["fly"]}, r"disabled\[0\]='fly' is unknown"),
        ({"extends": "base7"}, "extends='base7' is not one of classic4, base6"),
        ({"resolution": 10**6}, "resolution=1000000 is too fine for meter warmth; at most 167772"),
        ({"meters": []}, "meters is empty"),
        (
            {"meters__0__move_cost": 5e6},
            r"meters\[0\].move_cost=5000000.0 is more than the meter's range of 100.0",
        ),
        (
            {"affordances__2__reduced__below": {"food": 1e9}},
            r"affordances\[2\].reduced.below.food=1e\+09 must be from 0 to 100",
        ),
        ({"cascades__0__strength": 1e12}, r"cascades\[0\].strength=.* more than the meter's range"),
        ({"max_steps": 2**40}, f"max_steps={2**40} is beyond 32 bits"),
        ({"affordances__0__duration": 2**40}, f"duration={2**40} is beyond 32 bits"),
        (
            {"rewards__shaped__proximity": 1},
            r"rewards.shaped.proximity=1 needs beacons",
        ),
        (
            {"rewards__steps": {"kind": "milestone", "every": [[math.inf, 1]]}},
            r"rewards.steps.every=\[inf, 1.0\] must be a whole number of steps",
        ),
        (
            {"rewards__steps": {"kind": "milestone", "every": [[10, math.inf]]}},
            r"rewards.steps.every=\[10.0, inf\] must be .* and a finite bonus",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_place_in_the_file(changes, message):
    with pytest.raises(ValueError, match=message):
        load_profile(changed(**changes))


def test_an_amount_that_the_resolution_would_lose_is_refused():
    assert load_profile({"extends": "classic4", "resolution": 10})
    with pytest.raises(ValueError, match=r"meters\[0\].drain=0.5 is less than half a step of"):
        load_profile({"extends": "classic4", "resolution": 1})


def test_a_whole_use_of_many_ticks_is_within_the_meters_range():
    long = {"extends": "L1", "affordances": [{"name": "Bed", "duration": 10**9}]}
    with pytest.raises(ValueError, match=r"duration times per_tick.energy=.* more than the meter"):
        load_profile(long)


def test_a_name_twice_in_an_extended_list_is_refused():
    twice = [{"name": "energy", "drain": 1}, {"name": "energy", "drain": 2}]
    with pytest.raises(ValueError, match=r"meters\[1\].name='energy' is taken"):
        load_profile({"extends": "base6", "meters": twice})


def test_the_file_at_fault_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("meters: [")
    with pytest.raises(ValueError, match=r"mine.yaml is not valid YAML"):
        load_profile(path)
    path.write_text("- 1")
    with pytest.raises(ValueError, match=r"mine.yaml is a list"):
        load_profile(path)
    with pytest.raises(
        ValueError, match=r"profile='no.yaml' is neither a file nor one of classic4"
    ):
        load_profile("no.yaml")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"reward": "spars"}, "reward='spars' is unknown; did you mean 'sparse'"),
        ({"reward": {}}, "must be a name, or a mapping"),
        ({"reward": {"sparse": "1"}}, "reward.sparse='1' must be a number"),
        ({"view": "7x7"}, "view='7x7' is unknown"),
        ({"observation": "pixels"}, "observation='pixels' is unknown"),
        ({"mask": "no"}, "env_kwargs.mask='no' must be true or false"),
        ({"profile": 5}, "env_kwargs.profile=5 must be text"),
        ({"profile": "x.yaml"}, "profile='x.yaml' goes with Hamlet-custom"),
        ({"colour": 1}, "env_kwargs.*colour"),
    ],
)
def test_a_wrong_argument_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make("Hamlet-base6", kwargs)


def test_the_custom_world_without_a_profile_names_the_setting():
    with pytest.raises(ValueError, match="give it, such as env_kwargs.profile=world.yaml"):
        make("Hamlet-custom")
