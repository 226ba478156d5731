"""Checks that an environment must pass before training on it can be trusted.

    for result in check_env(MyEnv()):
        print(result.check, result.passed, result.detail)

Each is a function of an `EnvFixture` that returns None, or a `Failure`.
"""

import itertools
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.arguments import checked
from elsinore.checks.env_fixture import NUM_ENVS, EnvFixture
from elsinore.checks.host_env import check_host_env
from elsinore.checks.result import Check, CheckResult, Failure, run_checks
from elsinore.checks.tree_differences import (
    attributes,
    changed_attributes,
    describe_value,
    difference,
    dtype_mismatches,
    is_key,
    is_tuple,
    one_line,
    out_of_bounds,
    paths,
    shape_mismatch,
    side_effects,
    space_leaves,
    to_numpy,
)
from elsinore.envs import make
from elsinore.envs.array_trees import no_array_in
from elsinore.envs.suites import adapted, is_on_host
from elsinore.experience.autoreset import reset
from elsinore.nets.heads import mask_shape

METHODS = ("reset_env", "step_env", "is_truncated", "action_space", "observation_space")
COUNTED = "Let step_env add 1 to state.time, and is_truncated compare it with the limit."
STEP_VALUES = "(obs, state, reward, terminated, info)"


@checked
def check_env(
    env: Any, params: PyTree | None = None, *, seed: int = 0, num_steps: int = 1000
) -> list[CheckResult]:
    """Run `ENV_CHECKS` on a gymnax 1.x env, itself or its name, by default with its default
    parameters.

    A broken environment never raises here; a check that needs a failed one is skipped, so that only
    the root cause is reported. The random walk takes `num_steps`, or the longest episode's steps if
    those are more (up to 20,000; 5,000 on the host).

    An environment that is stepped on the host, such as one of Gymnasium, has `HOST_CHECKS`.

    Raises:
        ValueError: for a name that is unknown or cannot be imported or built.
    """
    if isinstance(env, str):
        env, own = make(env)
        params = own if params is None else params
    env = adapted(env)
    if is_on_host(env):
        return check_host_env(env, params, seed, num_steps)
    return run_checks(ENV_CHECKS, EnvFixture(env, params, seed, num_steps))


def _interface(fixture: EnvFixture) -> Failure | None:
    """The env has gymnax 1.x's methods, and they return what gymnax 1.x specifies.

    Termination and truncation are separate: after a termination the future is worth 0, after a
    truncation it keeps its value. Before 1.0, gymnax returned one `done` for both.
    """
    env = fixture.env
    if isinstance(env, type):
        return Failure(f"it is a class; give an instance of it, {env.__name__}(...).")
    missing = [name for name in METHODS if not callable(getattr(env, name, None))]
    if "is_truncated" in missing and len(missing) == 1:
        return Failure(
            "is_truncated is missing, as in gymnax before 1.0, where step_env's done holds the"
            f" time limit. Let step_env return {STEP_VALUES} without it, and is_truncated(state,"
            " params) return it."
        )
    if missing:
        return Failure(
            f"{', '.join(missing)} missing or not callable; see gymnax's Environment for their"
            " signatures."
        )
    for name, call in fixture.calls():
        try:
            call()
        except (Exception, SystemExit) as error:
            return Failure(f"{name} raised {one_line(error)}")
    if not is_tuple(fixture.fresh, 2):
        return Failure(
            f"reset_env gave {describe_value(fixture.fresh)}; it must give (obs, state)."
        )
    if not is_tuple(fixture.stepped, 5):
        return Failure(
            f"step_env gave {describe_value(fixture.stepped)}; it must give the five values"
            f" {STEP_VALUES}. The time limit belongs in is_truncated(state, params)."
        )
    for name, value in zip(("reward", "terminated"), fixture.stepped[2:4], strict=True):
        if not jax.tree_util.all_leaves([value]) or isinstance(value, str):
            return Failure(
                f"step_env's {name} is of type {type(value).__name__}; it must be one number, of"
                " shape ()."
            )
    made = {"params": fixture.params, "obs": fixture.stepped[0], "state": fixture.stepped[1]}
    if strange := next(filter(None, itertools.starmap(no_array_in, made.items())), ""):
        return Failure(strange)
    if fixture.ends_with_the_clock():
        return Failure(
            "step_env's terminated becomes True when max_steps_in_episode is lowered to 1: it holds"
            " the time limit, as in gymnax before 1.0, so a truncated episode would count as"
            " terminated. Leave the limit to is_truncated."
        )
    return None


def _pure(fixture: EnvFixture) -> Failure | None:
    """The same key, state and action give the same result, without side effects.

    A compiled program runs Python only once, while tracing: attributes changed on the env, numpy's
    random numbers and writes into arguments would happen then and never again. Callbacks into
    Python would stall the device at every step.
    """
    env, key, params = fixture.env, fixture.key, fixture.params
    own = attributes(env)
    fresh, again = (env.reset_env(key, params) for _ in range(2))
    if differs := difference(fresh, again):
        return Failure(
            f"reset_env gave two results for one key: {differs}. Draw all randomness from the key."
        )
    given = (key, fresh[1], fixture.action, params)
    before = jax.tree.map(np.array, to_numpy(given))
    out, again = (env.step_env(*given) for _ in range(2))
    if differs := difference(before, given):
        return Failure(f"step_env changed what it was given: {differs}. Build a new state instead.")
    if differs := difference(out, again):
        return Failure(
            f"step_env gave two results for one key, state and action: {differs}. Keep all that"
            " changes in the state, and draw all randomness from the key."
        )
    changed = changed_attributes(env, own)
    try:
        traced = {"reset_env": jax.make_jaxpr(env.reset_env)(key, params)}
        traced["step_env"] = jax.make_jaxpr(env.step_env)(*given)
    except Exception:
        return None  # the check of jit reports it
    for name, jaxpr in traced.items():
        if reached := side_effects(jaxpr):
            return Failure(f"{name} has side effects: {reached}. Remove callbacks and prints.")
    if changed:
        return Failure(
            f"reset_env or step_env changes the env's own {', '.join(changed)}; a compiled program"
            " does so once, while tracing. Keep all that changes in the state.",
            "warning",
        )
    return None


def _jit(fixture: EnvFixture) -> Failure | None:
    """reset_env and step_env give the same with and without jit.

    Training always runs them compiled; if the two differ, a test by hand says nothing about
    training.
    """
    remedy = (
        "Branch with jnp.where or jax.lax.cond, not with Python's if, and never on being traced."
    )
    try:
        compiled_fresh = jax.jit(fixture.env.reset_env)(fixture.key, fixture.params)
        outs = [fixture.compiled_step(*inputs) for inputs in fixture.first_inputs]
    except Exception as error:
        return Failure(f"it cannot be compiled: {one_line(error)} {remedy}")
    if differs := difference(fixture.fresh, compiled_fresh):
        return Failure(f"reset_env differs, uncompiled against compiled: {differs}. {remedy}")
    for inputs, out in zip(fixture.first_inputs, outs, strict=True):
        if differs := difference(fixture.env.step_env(*inputs), out):
            return Failure(f"step_env differs, uncompiled against compiled: {differs}. {remedy}")
    return None


def _stable(fixture: EnvFixture) -> Failure | None:
    """reset_env and step_env give observations and states of one structure, shape and dtype.

    A rollout scans steps with both as its carry, and selects the reset's where an episode ends.
    Dtypes may differ by promotion (`time=0` at reset, int32 after a step).
    """
    env, key, params = fixture.env, fixture.key, fixture.params
    fresh = jax.eval_shape(env.reset_env, key, params)
    stepped = jax.eval_shape(env.step_env, key, fresh[1], fixture.action, params)[:2]
    for what, before, after in zip(("obs", "state"), fresh, stepped, strict=True):
        remedy = f"Let reset_env and step_env build the {what} alike."
        if jax.tree.structure(before) != jax.tree.structure(after):
            seen = f"{jax.tree.structure(before)} against {jax.tree.structure(after)}"
            return Failure(
                f"the {what} has one structure after a reset, another after a step: {seen}."
                f" {remedy}"
            )
        for (path, x), y in zip(paths(what, before), jax.tree.leaves(after), strict=True):
            if x.shape != y.shape:
                return Failure(
                    f"{path} has shape {x.shape} after a reset, {y.shape} after a step. {remedy}"
                )
    # the scan carries the promoted dtypes: a step must give those, or ones that promote to them
    carried = jax.eval_shape(partial(reset, env), key, params)
    stepped = jax.eval_shape(env.step_env, key, carried[1], fixture.action, params)[:2]
    for what, before, after in zip(("obs", "state"), carried, stepped, strict=True):
        for (path, x), y in zip(paths(what, before), jax.tree.leaves(after), strict=True):
            if x.dtype != y.dtype and jnp.result_type(x, y) != x.dtype:
                return Failure(
                    f"{path} is {x.dtype}, and {y.dtype} after a step. Keep one dtype for it."
                )
    return None


def _flags(fixture: EnvFixture) -> Failure | None:
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


def _vmap(fixture: EnvFixture) -> Failure | None:
    """A vmapped batch of envs steps as each would alone.

    Training steps thousands at once; a custom batching rule may be wrong.
    """
    keys = jax.random.split(fixture.key, NUM_ENVS)
    actions = jax.vmap(fixture.env.action_space(fixture.params).sample)(keys)
    try:
        states = fixture.batch[1]
        together = jax.jit(jax.vmap(fixture.env.step_env, (0, 0, 0, None)))(
            keys, states, actions, fixture.params
        )
    except Exception as error:
        return Failure(f"it cannot be vmapped: {one_line(error)}")
    for i in range(NUM_ENVS):
        inputs = jax.tree.map(
            lambda x, i=i: x[i] if is_key(x) else np.asarray(x)[i], (keys, states, actions)
        )
        alone = fixture.compiled_step(*inputs, fixture.params)
        if differs := difference(alone, jax.tree.map(lambda x, i=i: x[i], to_numpy(together))):
            return Failure(
                f"env {i} of {NUM_ENVS} steps differently alone and in the batch: {differs}."
            )
    return None


def _float32(fixture: EnvFixture) -> Failure | None:
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


def _spaces(fixture: EnvFixture) -> Failure | None:
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


def _resets(fixture: EnvFixture) -> Failure | None:
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


def _ends(fixture: EnvFixture) -> Failure | None:
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


ENV_CHECKS = {
    "interface": Check(_interface),
    "pure": Check(_pure, ("interface",)),
    "jit": Check(_jit, ("pure",)),
    "stable": Check(_stable, ("jit",)),
    "flags": Check(_flags, ("stable",)),
    "vmap": Check(_vmap, ("stable",)),
    "float32": Check(_float32, ("flags",)),
    "spaces": Check(_spaces, ("flags",)),
    "resets": Check(_resets, ("vmap",)),
    "ends": Check(_ends, ("flags",)),
}
