"""Every recorded episode of the original Hamlet, replayed step by step with the same outcome.

Any recording of this layout in `tests/data/hamlet` is replayed; its file is named after the level.
Where float rounding decided in the original (`ambiguous...`), that comparison is left out.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

from elsinore.worlds.hamlet.env import hamlet
from elsinore.worlds.hamlet.rules import hour

FOLDER = Path(__file__).resolve().parents[1] / "data" / "hamlet"
FILES = {path.stem: path for path in sorted(FOLDER.rglob("*.npz"))}
each_recording = pytest.mark.parametrize("world", FILES)


@cache
def recording(world):
    with np.load(FILES[world]) as file:
        return {name: file[name] for name in file}


def rewards_of(world):
    recorded = [
        name.removeprefix("reward_") for name in recording(world) if name.startswith("reward_")
    ]
    return recorded or ["survival"]


@cache
def env_of(world):
    return hamlet(world, reward=dict.fromkeys(rewards_of(world), 1.0))


def padded(world, values):
    """Steps as [episode, time, ...], and the mask of existing steps."""
    starts = recording(world)["ep_start"]
    lengths = np.diff(starts)
    there = np.arange(lengths.max()) < lengths[:, None]
    out = np.zeros((*there.shape, *values.shape[1:]), values.dtype)
    out[there] = values
    return out, there


def beginnings(world):
    """Arguments of `state_at` for each recorded episode's first state, and its parameters."""
    tape, env = recording(world), env_of(world)
    nowhere = np.zeros((len(tape["ep_seed"]), len(env.profile.affordances), 2), np.int8)
    given = (
        tape["ep_init_pos"],
        tape["ep_init_meters"].astype(np.float32),
        tape.get("ep_affordance_pos", nowhere),
    )
    limits = tape.get(
        "ep_max_steps", np.full(len(tape["ep_seed"]), env.default_params.max_steps_in_episode)
    )
    params = jax.tree.map(
        lambda x: np.broadcast_to(x, (len(limits), *np.shape(x))), env.default_params
    )
    return given, params.replace(max_steps_in_episode=limits.astype(np.int32))


class Seen(NamedTuple):
    """Comparable quantities of a step or a first state."""

    pos: jax.Array
    meters: jax.Array
    obs: jax.Array
    obs_partial: jax.Array
    action_mask: jax.Array
    progress: jax.Array
    time_of_day: jax.Array


def seen(env, obs, state, params):
    narrow = hamlet(env.profile.name, view="5x5", mask=True)
    windowed = narrow.observe(None, state, None, params)
    vector = obs["vector"] if isinstance(obs, dict) else obs
    clock = hour(env.profile, state.time)
    return Seen(
        state.position,
        state.meters,
        vector,
        windowed["vector"],
        windowed["action_mask"],
        state.progress,
        clock,
    )


def one_step(env, state, action, params):
    obs, state, reward, terminated, info = env.step_env(jax.random.key(0), state, action, params)
    truncated = env.is_truncated(state, params)
    return state, (seen(env, obs, state, params), reward, terminated, truncated, info)


@cache
def replayed(world):
    """[episode, time, ...] of all steps, in one compiled program; and the first states."""
    env = env_of(world)
    given, params = beginnings(world)
    actions, _ = padded(world, recording(world)["action"].astype(np.int32))

    def live(given, params, actions):
        state = env.state_at(*given)
        first = seen(env, env.observe(None, state, None, params), state, params)
        return (
            first,
            jax.lax.scan(
                lambda state, action: one_step(env, state, action, params), state, actions
            )[1],
        )

    return jax.device_get(jax.jit(jax.vmap(live))(given, params, actions))


def compare(world, name, ours, tolerance, but_for=()):
    """Compare all recorded steps of `name` with ours, [episode, time, ...]."""
    theirs, there = padded(world, recording(world)[name])
    for flag in but_for:
        if flag in recording(world):
            there = there & ~padded(world, recording(world)[flag])[0]
    ours, theirs = np.asarray(ours)[there], theirs[there]
    assert ours.shape == theirs.shape
    off = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    wrong = ~(off <= tolerance)  # NaN, too
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        label, step = _where(world, there, at[0])
        place = f"{name}{[int(i) for i in at[1:]]} in {label} at step {step}"
        pytest.fail(f"{place}: {ours[at]} against {theirs[at]}, one of {wrong.sum()}")


def _where(world, there, row):
    episode, step = np.argwhere(there)[row]
    return recording(world)["ep_label"][episode], step


def test_there_are_recordings_of_all_eight_worlds():
    assert set(FILES) >= {"classic4", "base6", "mood6", "L0_0", "L0_5", "L1", "L2", "L3"}


@each_recording
def test_the_names_are_those_of_the_original(world):
    profile, tape = env_of(world).profile, recording(world)
    assert profile.meter_names == tuple(tape["meter_names"])
    assert profile.affordance_names == tuple(tape["affordance_names"])
    if "action_names" in tape:
        assert [name.upper() for name in profile.action_names] == tape["action_names"].tolist()
        enabled = [name not in profile.disabled for name in profile.action_names]
        assert enabled == tape["action_enabled"].tolist()


@each_recording
def test_agents_go_where_they_went(world):
    _, (after, *_) = replayed(world)
    compare(world, "pos", after.pos, 0)


@each_recording
def test_meters_stand_where_they_stood(world):
    _, (after, *_) = replayed(world)
    units = env_of(world).profile.resolution or 1
    compare(world, "meters", after.meters.astype(np.float64) / units, 1e-6)


@each_recording
def test_what_is_seen_is_what_was_seen(world):
    first, (after, *_) = replayed(world)
    tape = recording(world)
    compare(world, "obs", after.obs, 1e-5)
    np.testing.assert_allclose(first.obs, tape["ep_init_obs"], atol=1e-6)
    if "obs_partial" in tape:
        compare(world, "obs_partial", after.obs_partial, 1e-5)
        np.testing.assert_allclose(first.obs_partial, tape["ep_init_obs_partial"], atol=1e-6)


@each_recording
def test_episodes_end_when_and_how_they_ended(world):
    _, (_, _, terminated, truncated, _) = replayed(world)
    compare(world, "terminated", terminated, 0, ["ambiguous_done", "ambiguous"])
    compare(world, "truncated", truncated & ~terminated, 0, ["ambiguous_done", "ambiguous"])


@each_recording
def test_affordances_served_whom_they_served(world):
    _, (*_, info) = replayed(world)
    compare(world, "interacted", info["used"], 0)


@each_recording
def test_rewards_are_those_that_were_paid(world):
    _, (_, reward, _, _, info) = replayed(world)
    for name in rewards_of(world):
        recorded = "reward" if name == "survival" else f"reward_{name}"
        compare(world, recorded, info[f"reward/{name}"], 2e-5, ["ambiguous_reward", "ambiguous"])
    np.testing.assert_allclose(
        reward, sum(info[f"reward/{name}"] for name in rewards_of(world)), atol=1e-4
    )


@each_recording
def test_masks_clocks_and_progress_are_those_of_the_original(world):
    first, (after, *_) = replayed(world)
    tape = recording(world)
    if "action_mask" in tape:
        compare(world, "action_mask", after.action_mask, 0, ["ambiguous"])
        assert (first.action_mask == tape["ep_init_mask"]).all()
    for name in ("progress", "time_of_day"):
        if name in tape:
            compare(world, name, getattr(after, name), 0)


def test_worlds_stepped_in_any_order_do_not_disturb_each_other():
    """Single compiled steps of all recorded episodes, the worlds taking turns at random."""
    worlds, rng = ["base6", "mood6", "L3"], np.random.default_rng(0)
    states, steps, time = {}, {}, dict.fromkeys(worlds, 0)
    for world in worlds:
        env = env_of(world)
        given, params = beginnings(world)
        states[world] = jax.jit(jax.vmap(lambda given, env=env: env.state_at(*given)))(given)
        steps[world] = jax.jit(
            jax.vmap(lambda s, a, p, env=env: env.step_env(jax.random.key(0), s, a, p)[1])
        )
    for world in rng.choice(worlds, 90):
        actions = padded(world, recording(world)["action"].astype(np.int32))[0][:, time[world]]
        states[world] = steps[world](states[world], actions, beginnings(world)[1])
        time[world] += 1
        theirs, there = (x[:, time[world] - 1] for x in padded(world, recording(world)["meters"]))
        ours = np.asarray(states[world].meters, np.float64) / (
            env_of(world).profile.resolution or 1
        )
        np.testing.assert_allclose(ours[there], theirs[there], atol=1e-6)  # pyright: ignore[reportCallIssue]
