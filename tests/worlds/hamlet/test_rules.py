"""The rules of Hamlet: known answers, then invariants of any episode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsinore.worlds.hamlet.env import hamlet
from elsinore.worlds.hamlet.tables import profile_tables
from tests.worlds.hamlet.worlds import act, at, base6, compiled, meters

UP, DOWN, LEFT, RIGHT, INTERACT, WAIT = range(6)


def after(env, state, *actions, params=None):
    return meters(env, act(env, state, *actions, params=params)[-1][1])


def test_a_move_costs_its_price_and_time_takes_its_toll():
    env = base6()
    found = after(env, at(env, 4, 4), RIGHT)
    expected = {
        "energy": 99.0,
        "hygiene": 99.4,
        "satiation": 99.2,
        "money": 50.0,
        "stress": 0.1,
        "social": 49.4,
    }
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("cell", "action"), [((4, 0), UP), ((4, 7), DOWN), ((0, 4), LEFT), ((7, 4), RIGHT)]
)
def test_walking_into_a_wall_moves_no_agent_and_costs_as_much_as_a_move(cell, action):
    env = base6()
    _, bumped, *_ = act(env, at(env, *cell), action)[0]
    assert bumped.position.tolist() == list(cell)
    assert meters(env, bumped)["energy"] == pytest.approx(99.0)


def test_a_bed_is_paid_for_and_rests():
    env = base6()
    found = after(env, at(env, 1, 1, energy=20, money=5), INTERACT)
    assert (found["energy"], found["money"]) == (69.5, 0.0)


def test_who_cannot_pay_is_not_served_and_tires():
    env = base6()
    out = act(env, at(env, 1, 1, energy=20, money=4.95), INTERACT)[0]
    assert out[4]["used"] == -1
    assert (meters(env, out[1])["energy"], meters(env, out[1])["money"]) == pytest.approx(
        (18.5, 4.95)
    )


def test_what_is_free_serves_even_a_debtor_and_the_tired_earn_half():
    env = base6()
    assert after(env, at(env, 6, 6, money=-50), INTERACT)["money"] == -20
    assert after(env, at(env, 6, 6, money=-50, energy=39.95), INTERACT)["money"] == -35


def test_interacting_in_vain_is_free_in_the_oldest_world():
    env = hamlet("classic4")
    assert after(env, at(env, 4, 4), INTERACT)["energy"] == 99.5


def test_loneliness_saddens():
    env = hamlet("mood6")
    assert after(env, at(env, 4, 4, social=15.6), INTERACT)["mood"] == pytest.approx(
        100 - 0.1 - 5 * 0.5
    )


def test_death_is_a_fatal_meter_at_its_lowest_after_the_step():
    env = base6()
    assert not act(env, at(env, 4, 4, satiation=0.45), INTERACT)[0][3]
    assert act(env, at(env, 4, 4, satiation=0.4), INTERACT)[0][3]
    assert not act(env, at(env, 4, 4, social=0.0), INTERACT)[0][3]


def test_what_kills_can_be_changed_without_compiling_again():
    env = base6()
    params = env.default_params.replace(fatal=[0, 0, 0, 0, 0, 1], drain_multiplier=0.5)
    before = compiled(env)._cache_size()
    lonely = at(env, 4, 4, satiation=0.1, social=0.2)
    out = jax.jit(env.step_env)(jax.random.key(0), lonely, INTERACT, params)
    assert bool(out[3])
    assert meters(env, out[1])["energy"] == pytest.approx(98.75)
    params = env.default_params
    for k in (1.0, 0.2, 0.7):
        act(env, lonely, INTERACT, params=params.replace(drain_multiplier=k))
    assert compiled(env)._cache_size() <= before + 2  # of Python numbers and of arrays


def test_a_cost_beyond_the_meters_range_takes_all_of_it():
    """In units it would overflow 32 bits, and fill the meter instead."""
    env = base6()
    drain = env.default_params.drain + jnp.array([0, 0, 0, 5e6, 0, 0])
    assert after(env, at(env, 4, 4, money=-50), UP, params=env.default_params.replace(drain=drain))[
        "money"
    ] == pytest.approx(-100)


def test_a_use_takes_its_ticks_where_there_is_a_clock():
    env = hamlet("L3")
    cells = np.full((14, 2), -1)
    cells[0] = 1, 1
    begun = env.state_at((1, 1), jnp.array([0.3, 1, 1, 0.5, 1, 1, 1, 1]), cells)
    outs = act(env, begun, INTERACT, INTERACT, WAIT, INTERACT, INTERACT, INTERACT)
    assert [int(out[1].progress) for out in outs] == [1, 2, 2, 3, 4, 0]
    left = act(env, outs[1][1], RIGHT)[0][1]
    assert (int(left.progress), int(left.using)) == (0, -1)


def test_places_are_shut_outside_their_hours():
    env = hamlet("L3")
    cells = np.full((14, 2), -1)
    cells[9] = 1, 1  # the bar, open from 18 until 4
    rich = env.state_at((1, 1), jnp.full(8, 0.9), cells)
    served = [
        int(act(env, rich.replace(time=jnp.int32(h)), INTERACT)[0][4]["used"]) for h in range(30)
    ]
    assert [h for h in range(30) if served[h] == 9] == [
        0,
        1,
        2,
        3,
        18,
        19,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        27,
    ]


lives = st.tuples(st.sampled_from(["base6", "mood6", "L3"]), st.integers(0, 2**31 - 1))
LENGTH = 40


def live(world, seed, **params):
    """A random episode from a random start: states before and after each step, actions, and whether
    each one killed."""
    env = hamlet(world)
    params = env.default_params.replace(random_start_share=1.0, **params)
    return env, jax.device_get(lived(env)(jax.random.key(seed), params))


LIVED = {}


def lived(env):
    def run(key, params):
        actions = jax.random.randint(key, (LENGTH,), 0, env.num_actions)

        def step(state, action):
            after, _, died = env.step_env(key, state, action, params)[1:4]
            return after, (state, after, action, died)

        return jax.lax.scan(step, env.reset_env(key, params)[1], actions)[1]

    return LIVED.setdefault(env, jax.jit(run))


@given(lives)
def test_meters_stay_within_their_bounds_and_agents_on_the_grid(life):
    env, (_, after, _, _) = live(*life)
    world = profile_tables(env.profile)
    assert (after.meters >= world.low).all() and (after.meters <= world.high).all()
    assert (after.position >= 0).all() and (after.position < env.profile.grid).all()


@given(lives)
def test_a_step_is_one_cell_at_most_and_only_a_wall_stops_a_move(life):
    env, (before, after, action, _) = live(*life)
    moved = np.abs(after.position - before.position).sum(axis=1)
    step = np.array([(0, -1), (0, 1), (-1, 0), (1, 0), *[(0, 0)] * 4])[action]
    free = ((before.position + step >= 0) & (before.position + step < env.profile.grid)).all(axis=1)
    np.testing.assert_array_equal(moved, (action < 4) & free)


@given(lives)
def test_the_dead_have_a_fatal_meter_at_its_lowest_and_the_living_none(life):
    env, (_, after, _, died) = live(*life)
    at_lowest = (after.meters <= profile_tables(env.profile).low) & env.default_params.fatal
    np.testing.assert_array_equal(died, at_lowest.any(axis=1))


@given(lives)
def test_a_life_is_determined_by_its_beginning_and_its_actions(life):
    _, one = live(*life)
    _, other = live(*life)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_the_time_limit_is_no_death():
    env = base6()
    params = env.default_params.replace(max_steps_in_episode=2)
    first, second = act(env, at(env, 4, 4), UP, UP, params=params)
    assert [bool(env.is_truncated(out[1], params)) for out in (first, second)] == [False, True]
    assert not first[3] and not second[3]


def test_a_slow_reference_in_decimals_agrees_for_a_whole_life():
    """Base6 again, with decimal numbers and a dictionary."""
    env = base6()
    rng = np.random.default_rng(0)
    state, ours = at(env, 1, 1), {}
    theirs = {m.name: m.initial for m in env.profile.meters}
    x, y = 1, 1
    for action in rng.choice(5, 60, p=[0.15, 0.15, 0.15, 0.15, 0.4]):
        state = act(env, state, action)[0][1]
        x, y = decimal_step(env.profile, theirs, x, y, action)
        ours = meters(env, state)
        assert ours == pytest.approx(theirs, abs=1e-4)
        assert state.position.tolist() == [x, y]


def decimal_step(profile, levels, x, y, action):
    bounds = {m.name: (m.low, m.high) for m in profile.meters}

    def change(name, amount):
        levels[name] = min(max(levels[name] + amount, bounds[name][0]), bounds[name][1])

    if action < 4:
        dx, dy = [(0, -1), (0, 1), (-1, 0), (1, 0)][action]
        x, y = min(max(x + dx, 0), 7), min(max(y + dy, 0), 7)
        for m in profile.meters:
            change(m.name, -m.move_cost)
    else:
        place = next((a for a in profile.affordances if a.cell == (x, y)), None)
        if place and (not place.price or levels["money"] >= place.price):
            tired = place.reduced and any(
                levels[n] < least for n, least in place.reduced.below.items()
            )
            change("money", -place.price)
            for name, amount in (place.effects | (place.reduced.effects if tired else {})).items():
                change(name, amount)
        else:
            change("energy", -1.0)
    for m in profile.meters:
        change(m.name, -m.drain)
    return x, y
