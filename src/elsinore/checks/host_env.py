"""Checks of an environment that is stepped on the host, as `checks.env` has them for those in JAX.

Each is a function of a `HostFixture` that returns None, or a `Failure`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.checks.env_episodes import ALWAYS_THE_SAME
from elsinore.checks.host_fixture import NUM_SEEDS, ROW, HostFixture, one, seen
from elsinore.checks.result import Check, CheckResult, Failure, SkipCheck, run_checks
from elsinore.checks.tree_differences import (
    difference,
    dtype_kind,
    one_line,
    out_of_bounds,
    paths,
    shape_mismatch,
    space_leaves,
)
from elsinore.nets.heads import check_mask, choices

FIRST_STEPS = 100
NUM_REPEATED = 50  # steps of an episode that is repeated
# where a layer that resets in the step which ends an episode puts the true last observation
ELSEWHERE = ("final_obs", "final_observation", "terminal_observation")


def check_host_env(env: Any, params: PyTree | None, seed: int, num_steps: int) -> list[CheckResult]:
    """Run `HOST_CHECKS` on a `HostEnv`, and close the environments that they made."""
    return _run(HOST_CHECKS, HostFixture(env, params, seed, num_steps))


def check_first_steps(env: Any, params: PyTree | None = None) -> list[CheckResult]:
    """Run those of `HOST_CHECKS` without which training would fail or learn from wrong values, on
    one environment of a `HostEnv` and some `FIRST_STEPS` of it, which may be slow."""
    checks = {name: HOST_CHECKS[name] for name in ("interface", "flags", "spaces", "finite")}
    return _run(checks, HostFixture(env, params, 0, FIRST_STEPS, episodes=0))


def _run(checks: Mapping[str, Check], fixture: HostFixture) -> list[CheckResult]:
    try:
        return run_checks(checks, fixture)
    finally:
        fixture.close()


def _interface(fixture: HostFixture) -> Failure | None:
    """`reset` and `step` run, and take actions of the action space.

    `step` returns (obs, reward, terminated, truncated, info), or (obs, reward, done, info).
    """
    try:
        fixture.first  # noqa: B018
    except (Exception, SystemExit) as error:
        return Failure(
            f"the first steps raised {one_line(error)} Let reset return (obs, info), and step (obs,"
            " reward, terminated, truncated, info) with one number as the reward."
        )
    return None


def _flags(fixture: HostFixture) -> Failure | None:
    """The flags are bool; anything else is converted, so that the text "False" counts as an end.
    The numbers 0 and 1, which mean the same, are only a warning."""
    for found in (x for walk in (fixture.first, *fixture.walks) for x in walk.found[1:]):
        if found is None:
            return None
        names = ("terminated", "truncated") if len(found) == 5 else ("done",)
        for name, flag in zip(names, found[2:], strict=False):
            if np.shape(flag) != () or np.asarray(flag).dtype != bool:
                number = isinstance(flag, int | np.integer) and flag in (0, 1)
                return Failure(
                    f"{name} is {flag!r}; let step return bool({name}).",
                    "warning" if number else "error",
                )
    return None


def _spaces(fixture: HostFixture) -> Failure | None:
    """Observations have the shapes of `observation_space`, and keep their fractions in its dtypes.

    Networks are built from the space. An `action_mask` fits the actions, and leaves at least one
    legal until the end. Exceeded bounds are only warnings.
    """
    space = fixture.env.observation_space(None)
    walks = fixture.walks
    for walk in walks:
        for obs in walk.obs:
            if wrong := shape_mismatch(list(space_leaves(space, obs, "obs"))):
                return Failure(f"{wrong}; let observation_space describe what reset and step give.")
        for found in walk.found:
            for path, declared, leaf in space_leaves(space, first_of(found), "obs"):
                if declared is None:  # only the observation has it, so it is left out
                    continue
                given = np.asarray(leaf).dtype
                integer = dtype_kind(np.dtype(declared.dtype)) != np.floating
                if found is not None and integer and given.kind == "f":
                    return Failure(
                        f"{path} is {given}, declared {np.dtype(declared.dtype)}, to which it is"
                        " cut; correct the dtype of observation_space."
                    )
    if wrong := _wrong_mask(fixture):
        return Failure(wrong)
    stacked = jax.tree.map(lambda *x: np.stack(x), *(x for walk in walks for x in walk.obs))
    lowest, highest = (
        list(space_leaves(space, jax.tree.map(extreme, stacked), "obs"))
        for extreme in (partial(np.min, axis=0), partial(np.max, axis=0))
    )
    doubts = list(out_of_bounds(lowest, highest))
    return (
        Failure("; ".join(doubts) + ". Correct observation_space.", "warning") if doubts else None
    )


def _wrong_mask(fixture: HostFixture) -> str:
    """The fault of the `action_mask`; nothing where it is right, or there is none."""
    first = fixture.walks[0].obs[0]
    try:
        check_mask(first, fixture.space)
    except ValueError as error:
        return str(error)
    if not isinstance(first, Mapping) or "action_mask" not in first or not choices(fixture.space):
        return ""
    ends = np.cumsum(choices(fixture.space))[:-1]
    for number, walk in enumerate(fixture.walks):
        for step, obs in enumerate(walk.obs[:-1]):  # in the last one nothing is chosen
            if not all(part.any() for part in np.split(obs["action_mask"], ends)):
                return (
                    f"obs['action_mask'] has no legal action at step {step} of episode {number} of"
                    " random actions; terminate there."
                )
    return ""


def first_of(found: Any) -> Any:
    """The observation of what `reset` or `step` returned."""
    from elsinore.envs.host_objects import first_obs  # here, since gymnax comes with it

    return found[0] if isinstance(found, tuple) and len(found) > 2 else first_obs(found)


def _finite(fixture: HostFixture) -> Failure | None:
    """Observations and rewards are finite: one NaN spreads through the gradient to every weight."""
    for number, walk in enumerate(fixture.walks):
        for step, obs in enumerate(walk.obs):
            for path, leaf in paths("obs", obs):
                if not np.isfinite(leaf).all():
                    return Failure(
                        f"{path} is NaN or infinite at step {step} of episode {number} of random"
                        " actions; bound it in the environment."
                    )
        odd = np.flatnonzero(~np.isfinite(walk.reward))
        if odd.size:
            return Failure(
                f"the reward is {walk.reward[odd[0]]} at step {odd[0] + 1} of episode {number} of"
                " random actions; bound it in the environment."
            )
    return None


def _seeds(fixture: HostFixture) -> Failure | None:
    """`reset(seed=...)` and the same actions give the same bits, even in the middle of an episode.

    What the seed does not reach differs from run to run, and a running episode cannot be repeated
    when a run is resumed.
    """
    rows = fixture.rows(1)
    if not rows.seeded:
        raise SkipCheck("reset takes no seed.")
    walk = fixture.play(rows, fixture.seeds[0], NUM_REPEATED)
    fixture.play(rows, fixture.seeds[1], 1)  # left unfinished
    again = fixture.play(rows, fixture.seeds[0], 0, walk.actions)
    if differs := difference(seen(walk), seen(again), tolerance=0.0):
        return Failure(
            f"seed={fixture.seeds[0]} and the same actions gave two episodes: {differs}. Begin anew"
            " in every reset, and draw all randomness from its seed."
        )
    return None


def _copies(fixture: HostFixture) -> Failure | None:
    """An environment does the same alone and beside another one, and each draws for itself.

    A run steps many; what they share (attributes of the class, a global generator) mixes them up.
    Where `reset` takes no seed, copies of one generator draw the same numbers, which is a warning.
    """
    if _draw_alike(fixture):
        return Failure(
            f"{NUM_SEEDS} copies begin alike, and their later episodes otherwise: each draws the"
            " same numbers as the others. Let reset take a seed, and draw from that.",
            "warning",
        )
    alone = _of_two(fixture, together=False)
    again = (_of_two(fixture, together=False) for _ in range(fixture.num_trials))
    if any(difference(alone, other, tolerance=0.0) for other in again):
        raise SkipCheck("an episode cannot be repeated, so a difference would show nothing.")
    if differs := difference(alone, _of_two(fixture, together=True), tolerance=0.0):
        return Failure(
            f"one of two copies changes the other: {differs}. Keep all that changes in attributes"
            " of the object, or give a function that makes a new one."
        )
    return None


def _draw_alike(fixture: HostFixture) -> bool:
    """True if copies that take no seed begin alike, though episodes of one do not."""
    rows = fixture.rows(NUM_SEEDS)
    if rows.seeded:
        return False
    first, *later = (rows.reset(np.arange(NUM_SEEDS), fixture.seeds) for _ in range(NUM_SEEDS))
    alike = all(np.all(x == x[:1]) for x in jax.tree.leaves(first))
    return alike and any(difference(first, other, tolerance=0.0) for other in later)


def _of_two(fixture: HostFixture, together: bool) -> list[Any]:
    """An episode of the first of two new environments, while the second is stepped, or is not."""
    rows = fixture.rows(2)
    obs = rows.reset(np.arange(2), fixture.seeds[:2])
    now = [jax.tree.map(lambda x, row=row: np.array(x[row]), obs) for row in (0, 1)]
    shown, turns = [now[0]], [1, 0] if together else [0]
    for i in range(NUM_REPEATED):
        for row in list(turns):
            action = fixture.action(2 * i + row, now[row])
            obs, reward, terminated, cut = rows.step(np.array([row]), action[None])
            now[row] = one(obs)
            if terminated[0] or cut[0]:
                turns.remove(row)
        shown += [now[0], float(reward[0])]
        if 0 not in turns:
            break
    return shown


def _resume(fixture: HostFixture) -> Failure | None:
    """A later episode is the same in a new environment, from its seed and its actions.

    So a run that is resumed repeats the episodes that ran at its checkpoint, and continues exactly.
    """
    rows = fixture.rows(1)
    fixture.play(rows, fixture.seeds[0], NUM_REPEATED)
    walk = fixture.play(rows, fixture.seeds[1], NUM_REPEATED)
    again = (
        fixture.play(fixture.rows(1), fixture.seeds[1], 0, walk.actions)
        for _ in range(fixture.num_trials)
    )
    found = (difference(seen(walk), seen(other), tolerance=0.0) for other in again)
    differs = next(filter(None, found), "")
    if differs and not rows.seeded:
        return Failure(
            "its episodes cannot be repeated, so a resumed run continues from its checkpoint with"
            " fresh episodes; an exact resume needs a reset that takes a seed.",
            "warning",
        )
    if differs:
        return Failure(
            "the same seed and actions gave a different episode in a new environment than after"
            f" an earlier episode: {differs}. A resumed run would begin fresh episodes; let reset"
            " clear all state of the earlier episode.",
            "warning",
        )
    return None


def _varies(fixture: HostFixture) -> Failure | None:
    """The observation varies within an episode or between them; a warning, as a bandit's does
    not."""
    first, *others = (obs for walk in fixture.walks for obs in walk.obs)
    if any(difference(first, other, tolerance=0.0) for other in others):
        return None
    steps = sum(len(walk.actions) for walk in fixture.walks)
    return Failure(ALWAYS_THE_SAME.format(steps=steps, whose=""), "warning")


def _resets(fixture: HostFixture) -> Failure | None:
    """Different seeds give different first observations; a warning, since some begin alike."""
    rows = fixture.rows(1)
    begun = [one(rows.reset(ROW, [seed])) for seed in fixture.seeds]
    if any(difference(begun[0], other, tolerance=0.0) for other in begun[1:]) or _varies(fixture):
        return None
    return Failure(
        f"{NUM_SEEDS} seeds gave {NUM_SEEDS} equal first observations; unless that is intended,"
        " draw from the seed in reset.",
        "warning",
    )


def _limit(fixture: HostFixture) -> Failure | None:
    """There is a time limit, and it is no termination: then the future keeps its value."""
    if fixture.limit < 1:
        return Failure(
            "no time limit is known, without which training is refused; give the environment"
            " max_steps_in_episode, or the run env_params.max_steps_in_episode=1000.",
            "warning",
        )
    late = [walk for walk in fixture.walks if len(walk.actions) == fixture.limit]
    if len(late) > 1 and all(walk.terminated for walk in late):
        return Failure(
            f"{len(late)} of {len(late)} episodes that lasted max_steps_in_episode={fixture.limit}"
            " steps were terminated by the last of them, as if by death: where that is the time"
            " limit, let step return truncated, or leave the limit to the run.",
            "warning",
        )
    return None


def _final(fixture: HostFixture) -> Failure | None:
    """The step that ends an episode returns its true last observation, not the next one's first.

    A truncated episode is worth what its last observation is.
    """
    for walk in fixture.ended:
        last = walk.found[-1]
        info = last[-1] if isinstance(last, tuple) and isinstance(last[-1], dict) else {}
        if known := [name for name in ELSEWHERE if name in info]:
            return Failure(
                f"info[{known[0]!r}] is in the step that ends an episode: it was reset already, and"
                " its observation is the next one's. Leave out the wrapper that resets; a run does."
            )
    back = [walk for walk in fixture.ended if not difference(walk.obs[0], walk.obs[-1])]
    if len(fixture.ended) > 2 and len(back) == len(fixture.ended) and not _varies(fixture):
        return Failure(
            f"each of {len(back)} episodes ended with the observation that it began with; if step"
            " resets at the end, let it return the last observation.",
            "warning",
        )
    return None


HOST_CHECKS = {
    "interface": Check(_interface),
    "flags": Check(_flags, ("interface",)),
    "spaces": Check(_spaces, ("flags",)),
    "finite": Check(_finite, ("flags",)),
    "seeds": Check(_seeds, ("flags",)),
    "copies": Check(_copies, ("flags",)),
    "resume": Check(_resume, ("flags",)),
    "varies": Check(_varies, ("spaces",)),
    "resets": Check(_resets, ("spaces",)),
    "limit": Check(_limit, ("flags",)),
    "final": Check(_final, ("spaces",)),
}
