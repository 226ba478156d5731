"""Hamlet's rewards; the recorded ones are replayed in tests/golden."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.hamlet.env import hamlet
from tests.worlds.hamlet.worlds import act, at, base6, compiled

UP, INTERACT = 0, 4


def paid(env, state, action=INTERACT, **params):
    return float(act(env, state, action, params=env.default_params.replace(**params))[0][2])


def test_a_life_in_comfort_pays_one_a_step_and_needs_less():
    env = base6()
    assert paid(env, at(env, 4, 4)) == 1.0
    assert paid(env, at(env, 4, 4, satiation=50.4)) == 1.0
    assert paid(env, at(env, 4, 4, satiation=50.35)) == 0.5
    assert paid(env, at(env, 4, 4, satiation=20.35, hygiene=20)) == -3.0
    assert paid(env, at(env, 4, 4, satiation=0.4)) == 1.0 - 2.0 - 100.0


def test_penalties_are_numbers_a_curriculum_may_change():
    env = base6()
    hungry = at(env, 4, 4, satiation=0.4, hygiene=40)
    assert (
        paid(env, hungry, low_penalty=7.0, mild_penalty=0.0, death_penalty=10.0) == 1.0 - 7.0 - 10.0
    )


def test_rewards_are_summed_by_their_weights():
    env = base6(reward={"sparse": 1.0, "milestone": 2.0})
    assert paid(env, at(env, 4, 4)) == 1.0 + 2 * 5.5
    assert paid(env, at(env, 4, 4), reward_weights=[0.0, 1.0]) == 5.5
    info = act(env, at(env, 4, 4), INTERACT)[0][4]
    assert (float(info["reward/sparse"]), float(info["reward/milestone"])) == (1.0, 5.5)


def test_milestones_fall_on_tens_and_hundreds():
    env = base6(reward="milestone")
    state = at(env, 4, 4)
    due = {time: paid(env, state.replace(time=jnp.int32(time))) for time in (0, 1, 10, 99, 100)}
    assert due == {0: 5.5, 1: 0.0, 10: 0.5, 99: 0.0, 100: 5.5}
    assert paid(env, at(env, 4, 4, energy=0.5)) == -100


def test_the_product_of_needs_is_nothing_for_the_dead_and_more_on_retirement():
    env = base6(reward="product")
    assert paid(env, at(env, 4, 4, energy=51.5, satiation=50.4, hygiene=100)) == pytest.approx(
        0.5 * 0.5 * 0.997
    )
    assert paid(env, at(env, 4, 4, energy=1.5)) == 0.0
    assert paid(env, at(env, 4, 4, energy=1.5), max_steps_in_episode=1) == 1.0


def test_hints_lead_the_tired_to_bed():
    env = base6(reward="seed_proposal")
    assert paid(env, at(env, 4, 4)) == 1.0  # nothing gained, not tired
    assert paid(env, at(env, 4, 4, energy=20)) == pytest.approx(1.0 + 0.1 * (1 - 6 / 16))
    gained = (50 - 0.5) / 100  # energy; hygiene was full
    assert paid(env, at(env, 1, 1, energy=20)) == pytest.approx(1.0 + 5.0 + 0.5 * gained)
    assert paid(env, at(env, 1, 1, energy=20), use_bonus=0.0) == pytest.approx(1.0 + 0.5 * gained)
    assert paid(env, at(env, 1, 1, energy=20, money=0)) == pytest.approx(1.0 + 0.1)  # could not pay


def potential_by_hand(env, state):
    """phi of base6 in words: half of each need, and for the tired 5 less, and 0.1 more beside the
    bed."""
    energy, hygiene, satiation = np.asarray(env.meters(state), np.float64)[:3]
    near = 1 - np.abs(np.asarray(state.position) - 1).sum() / 16
    return 0.5 * (energy + hygiene + satiation) / 100 - (5 - 0.1 * near) * (energy < 30)


@pytest.mark.parametrize("end", ["death", "time"])
def test_hints_as_a_potential_sum_up_to_what_does_not_depend_on_the_life(end):
    env = base6(reward="potential")
    gamma, rng = 0.97, np.random.default_rng(1)
    params = env.default_params.replace(gamma=gamma)
    state = first = at(env, 2, 1, energy=34.0, satiation=12.0)
    total, steps = 0.0, 0
    for action in rng.choice(5, 200):
        _, state, reward, died, _ = act(env, state, action, params=params)[0]
        total += gamma**steps * float(reward)
        steps += 1
        if died or (end == "time" and steps == 10):
            break
    assert bool(died) == (end == "death")
    last = 0.0 if died else gamma**steps * potential_by_hand(env, state)
    assert total == pytest.approx(last - potential_by_hand(env, first), abs=1e-3)


def test_a_potential_leaves_the_order_of_policies_as_it_is():
    """For any two episodes from one start, the shaped return differs from the plain one by the same
    number."""
    env = base6(reward={"sparse": 1.0, "potential": 1.0})
    first = at(env, 1, 1, energy=6.0)
    differences = []
    for life in ([UP] * 30, [INTERACT] * 4 + [UP] * 130):
        state, shaped, plain = first, 0.0, 0.0
        for t, action in enumerate(life):
            _, state, reward, died, info = act(env, state, action)[0]
            shaped, plain = (
                shaped + 0.99**t * float(reward),
                plain + 0.99**t * float(info["reward/sparse"]),
            )
            if died:
                break
        assert died
        differences.append(shaped - plain)
    assert differences[0] == pytest.approx(differences[1], abs=1e-3)


def test_nearness_pays_for_the_most_urgent_meter_only():
    env, far = base6(reward="shaped"), base6(reward="shaped_noprox")
    tired = at(env, 4, 4, energy=31, satiation=60.4)
    assert paid(env, tired) - paid(far, tired) == pytest.approx(0.705 * (1 - 6 / 16) * 0.5)
    calm = at(env, 4, 4, energy=60, social=60)
    assert paid(env, calm) == paid(far, calm)


@pytest.mark.slow
def test_every_reward_a_world_knows_is_finite_there():
    from elsinore.worlds.hamlet.rewards import reward_terms

    for world in ("mood6", "L1"):
        known = reward_terms(hamlet(world).profile)
        env = hamlet(world, reward=dict.fromkeys(known, 1.0))
        _, state = jax.jit(env.reset_env)(jax.random.key(0), env.default_params)
        _, _, reward, _, info = compiled(env)(
            jax.random.key(0), state, jnp.int32(INTERACT), env.default_params
        )
        assert np.isfinite(reward) and {f"reward/{name}" for name in known} < set(info)
