"""Checks of an environment's functions: their interface, and that compiled programs of them give
what they give themselves.

Each is a function of an `EnvFixture` that returns None, or a `Failure`.
"""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.checks.among_agents import difference_among_agents
from elsinore.checks.env_fixture import NUM_ENVS, EnvFixture
from elsinore.checks.result import Failure
from elsinore.checks.tree_differences import (
    attributes,
    changed_attributes,
    describe_value,
    difference,
    is_key,
    is_tuple,
    one_line,
    paths,
    side_effects,
    to_numpy,
)
from elsinore.envs.array_trees import no_array_in
from elsinore.errors import ConfigError, user_code
from elsinore.experience.autoreset import reset
from elsinore.experience.multi_agent import MultiAgentEnv

METHODS = ("reset_env", "step_env", "is_truncated", "action_space", "observation_space")
STEP_VALUES = "(obs, state, reward, terminated, info)"


def check_interface(fixture: EnvFixture) -> Failure | None:
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


def check_pure(fixture: EnvFixture) -> Failure | None:
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


def check_jit(fixture: EnvFixture) -> Failure | None:
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


def check_stable(fixture: EnvFixture) -> Failure | None:
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


def check_agents(fixture: EnvFixture) -> Failure | None:
    """Each of several agents gets what an agent alone gets: the programs are of one of them."""
    one = fixture.env.env if isinstance(fixture.env, MultiAgentEnv) else fixture.env
    together = MultiAgentEnv(one, fixture.agents)  # with the parameters of one, which all have
    try:
        with user_code(env=one):
            differs = difference_among_agents(together, fixture.params)
    except ConfigError as error:  # it names the line
        differs = f"of {fixture.agents} agents {error}"
    return Failure(differs) if differs else None


def check_vmap(fixture: EnvFixture) -> Failure | None:
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
