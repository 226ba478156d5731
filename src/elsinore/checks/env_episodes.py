"""Checks of an environment's episodes, most of them in a random walk: endings, numbers, spaces and
resets.

Each is a function of an `EnvFixture` that returns None, or a `Failure`.
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.checks.env_fixture import NUM_ENVS, EnvFixture
from elsinore.checks.result import Failure
from elsinore.checks.tree_differences import (
    dtype_mismatches,
    out_of_bounds,
    paths,
    shape_mismatch,
    space_leaves,
    to_numpy,
)
from elsinore.experience.autoreset import reset
from elsinore.nets.heads import mask_shape

ALWAYS_THE_SAME = (
    "the observation was the same in all {steps:,} steps of a random walk{whose}; unless that is"
    " intended, let it depend on the state."
)
COUNTED = "Let step_env add 1 to state.time, and is_truncated compare it with the limit."


def check_flags(fixture: EnvFixture) -> Failure | None:
    """`terminated` and `is_truncated` are each one boolean, and never both True.

    Advantages use both at every step: `terminated` to bootstrap or not, either to end the episode.
    """
    truncated = jax.eval_shape(fixture.env.is_truncated, fixture.fresh[1], fixture.params)
    terminated = jax.eval_shape(fixture.env.step_env, *fixture.first_inputs[0])[3]
    for name, flag in (("terminated", terminated), ("is_truncated", truncated)):
        if flag.shape != () or flag.dtype != bool:
            return Failure(
                f"{name} is {flag.dtype} of shape {flag.shape}; it must be a bool of shape ()."
            )
    for whose, walk in fixture.walks.items():
        both = np.flatnonzero(walk.terminated & walk.truncated)
        if both.size:
            return Failure(
                f"step {both[0]} of a random walk{whose} is both terminated and truncated; let"
                " is_truncated be False there."
            )
    return None


def check_float32(fixture: EnvFixture) -> Failure | None:
    """Observations and rewards are finite; floats are float32; the reward is a scalar.

    One NaN spreads through the gradient to every weight. Half precision loses digits before
    normalisation; double precision takes twice the time. A wrapper `obs_dtype` changes no number.
    """
    obs, _, reward, *_ = jax.eval_shape(fixture.env.step_env, *fixture.first_inputs[0])
    for path, leaf in [*paths("obs", obs), ("reward", reward)]:
        if jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype != jnp.float32:
            return Failure(f"{path} is {leaf.dtype}; convert it: .astype(jnp.float32).")
    if reward.shape != ():
        return Failure(f"the reward has shape {reward.shape}; it must be one number, of shape ().")
    for whose, walk in fixture.walks.items():
        for path, finite in paths("obs", walk.finite):
            if not finite.all():
                return Failure(
                    f"{path} is NaN or infinite around step {np.argmin(finite)} of a random"
                    f" walk{whose}."
                )
        odd = np.flatnonzero(~np.isfinite(walk.reward))
        if odd.size:
            return Failure(
                f"the reward is {walk.reward[odd[0]]} at step {odd[0]} of a random walk{whose}."
            )
    for dtype in fixture.lossy_dtypes():
        return Failure(
            f"the wrapper obs_dtype={dtype!r} changes numbers of the observation in a random walk:"
            " some are fractions, or out of their bounds. Leave it out."
        )
    return None


def check_spaces(fixture: EnvFixture) -> Failure | None:
    """Observations match `observation_space`, and samples of `action_space` belong to it.

    Networks are built from the one and heads from the other. An `action_mask` is bool and leaves at
    least one legal action. Exceeded bounds and another kind of dtype than declared are only
    warnings, because no shape depends on them.
    """
    obs, _ = jax.eval_shape(partial(reset, fixture.env), fixture.key, fixture.params)
    space = fixture.env.observation_space(fixture.params)
    declared = list(space_leaves(space, obs, "obs"))
    if wrong := shape_mismatch(declared):
        return Failure(f"{wrong}; let observation_space describe what reset_env and step_env give.")
    actions = fixture.env.action_space(fixture.params)
    if hasattr(actions, "contains") and not np.all(actions.contains(fixture.action)):
        return Failure(
            f"action_space.sample gave {fixture.action}, which action_space.contains rejects."
        )
    if isinstance(obs, Mapping) and "action_mask" in obs:
        mask, shape = obs["action_mask"], mask_shape(actions)
        if mask.dtype != bool or mask.shape != shape:
            said = f"obs['action_mask'] is {mask.dtype} of shape {mask.shape}"
            return Failure(f"{said}; it must be bool of shape {shape}, True for each legal action.")
        for whose, walk in fixture.walks.items():
            if not walk.legal.all():
                return Failure(
                    f"obs['action_mask'] has no legal action at step {np.argmin(walk.legal)} of a"
                    f" random walk{whose}; terminate there."
                )
    doubts = [*dtype_mismatches(declared)]
    for whose, walk in fixture.walks.items():
        lowest, highest = (
            list(space_leaves(space, seen, "obs")) for seen in (walk.lowest, walk.highest)
        )
        doubts += [f"{doubt}{whose}" for doubt in out_of_bounds(lowest, highest)]
    return (
        Failure("; ".join(doubts) + ". Correct observation_space.", "warning") if doubts else None
    )


def check_resets(fixture: EnvFixture) -> Failure | None:
    """Different keys give different first observations or states.

    If reset_env ignores its key, every env of a batch starts alike. Some environments do so on
    purpose: this is a warning.
    """
    if any(np.any(leaf != leaf[:1]) for leaf in jax.tree.leaves(to_numpy(fixture.batch))):
        return None
    return Failure(
        f"{NUM_ENVS} keys gave {NUM_ENVS} equal resets; unless that is intended, draw from the key"
        " in reset_env.",
        "warning",
    )


def check_varies(fixture: EnvFixture) -> Failure | None:
    """The observation varies in a random walk.

    From one that is always the same, no policy can tell one state from another. A bandit has one on
    purpose: this is a warning.
    """
    for whose, walk in fixture.walks.items():
        extremes = zip(paths("obs", walk.lowest), paths("obs", walk.highest), strict=True)
        if all(np.array_equal(low, high) for (_, low), (_, high) in extremes):
            return Failure(ALWAYS_THE_SAME.format(steps=walk.reward.size, whose=whose), "warning")
    return None


def check_ends(fixture: EnvFixture) -> Failure | None:
    """An episode of random actions terminates or is truncated within `max_steps_in_episode`.

    Returns are counted only at the end of an episode.
    """
    walk = next(iter(fixture.walks.values()))  # the episodes of an env end for all its agents
    done = walk.terminated | walk.truncated
    lengths = np.diff(np.flatnonzero(done), prepend=-1)
    running = done.size - lengths.sum()  # steps of the last, unfinished episode
    longest = max([running, *lengths])
    if fixture.max_steps is None:
        if lengths.size:
            return None
        unseen = (
            f"no episode ended in {done.size} random steps, and params have no max_steps_in_episode"
        )
        return Failure(f"{unseen}. Add one, or no return may ever be counted.", "warning")
    if longest > fixture.max_steps or (not lengths.size and done.size >= fixture.max_steps):
        return Failure(
            f"an episode lasted {longest} steps, though max_steps_in_episode={fixture.max_steps}."
            f" {COUNTED}"
        )
    if fixture.outlives_the_limit():
        return Failure(
            f"a first step is not truncated when max_steps_in_episode is lowered to 1. {COUNTED}"
        )
    return None
