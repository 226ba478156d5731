"""The laws a world must keep for training on it to mean anything; `check_env` says which it breaks, and how.

    for verdict in check_env(MyWorld()):
        print(verdict.law, verdict.holds, verdict.detail)

Each law is one function of a `World`: None where it holds, else what is `Broken`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.experience.autoreset import reset
from elsinore.laws.compare import (
    difference,
    is_key,
    is_tuple,
    misshapen,
    of_another_kind,
    outside,
    pairs,
    paths,
    plain,
    reached_outside,
    shape_of_answer,
    told,
)
from elsinore.laws.verdict import Broken, Law, Verdict, judge_all
from elsinore.laws.world import BATCH, World, mask_shape

MEMBERS = ("reset_env", "step_env", "is_truncated", "action_space", "observation_space")
STEP_VALUES = "(obs, state, reward, terminated, info)"


def check_env(env: Any, params: PyTree | None = None, *, seed: int = 0, num_steps: int = 1000) -> list[Verdict]:
    """One verdict for each of `LAWS`, in their order, on a gymnax 1.x env (default parameters unless given).

    A broken world never raises here; a law that rests on a broken one is skipped, so that the root cause
    stands alone. The random walk takes `num_steps`, or as many as the longest episode where that is more.
    """
    return judge_all(LAWS, World(env, params, seed, num_steps))


def interface(world: "World") -> Broken | None:
    """The world has gymnax 1.x's functions, and they give what it promises.

    Whether the world ended (terminated) and whether time ran out (truncated) are told apart, because the
    future is worth nothing after the one and keeps its value after the other. Before 1.0, gymnax gave one
    `done` for both.
    """
    env = world.env
    missing = [name for name in MEMBERS if not callable(getattr(env, name, None))]
    if "is_truncated" in missing and len(missing) == 1:
        return Broken(
            "is_truncated is missing, as in gymnax before 1.0, where step_env's done holds the time limit. "
            f"Let step_env return {STEP_VALUES} without it, and is_truncated(state, params) tell."
        )
    if missing:
        return Broken(f"{', '.join(missing)} cannot be called; gymnax's Environment shows how they are written.")
    for name, call in world.calls():
        try:
            call()
        except Exception as error:
            return Broken(f"{name} raised {told(error)}")
    if not is_tuple(world.fresh, 2):
        return Broken(f"reset_env gave {shape_of_answer(world.fresh)}; it must give (obs, state).")
    if not is_tuple(world.stepped, 5):
        return Broken(
            f"step_env gave {shape_of_answer(world.stepped)}; it must give the five values {STEP_VALUES}. "
            "The time limit belongs in is_truncated(state, params)."
        )
    if world.ends_with_the_clock():
        return Broken(
            "step_env's terminated becomes True when max_steps_in_episode is lowered to 1: it holds the time "
            "limit, as in gymnax before 1.0, so a cut-off episode would count as a death. Leave the limit to "
            "is_truncated."
        )
    return None


def pure(world: "World") -> Broken | None:
    """The same key, state and action give the same result, and nothing else happens.

    A compiled program runs Python once: what a function remembers, draws from numpy, or writes into its
    arguments would happen then and never again. Callbacks into Python would stall the device at every step.
    """
    env, key, params = world.env, world.key, world.params
    fresh, again = (env.reset_env(key, params) for _ in range(2))
    if differs := difference(fresh, again):
        return Broken(f"reset_env gave two results for one key: {differs}. Draw all chance from the key.")
    given = (key, fresh[1], world.action, params)
    before = jax.tree.map(np.array, plain(given))
    out, again = (env.step_env(*given) for _ in range(2))
    if differs := difference(before, given):
        return Broken(f"step_env changed what it was given: {differs}. Build a new state instead.")
    if differs := difference(out, again):
        return Broken(
            f"step_env gave two results for one key, state and action: {differs}. Keep all that changes in "
            "the state, and draw all chance from the key."
        )
    try:
        traced = {"reset_env": jax.make_jaxpr(env.reset_env)(key, params)}
        traced["step_env"] = jax.make_jaxpr(env.step_env)(*given)
    except Exception:
        return None  # the law of jit tells
    for name, jaxpr in traced.items():
        if reached := reached_outside(jaxpr):
            return Broken(f"{name} reaches outside of itself: {reached}. Remove callbacks and prints.")
    return None


def jit(world: "World") -> Broken | None:
    """Compiled and uncompiled, the world is the same.

    Training only ever runs it compiled; where the two differ, what was tried by hand is not what is trained.
    """
    remedy = "Decide with jnp.where or jax.lax.cond, not Python's if, and ask nothing about tracing."
    try:
        compiled_fresh = jax.jit(world.env.reset_env)(world.key, world.params)
        outs = [world.compiled_step(*inputs) for inputs in world.first_inputs]
    except Exception as error:
        return Broken(f"it cannot be compiled: {told(error)} {remedy}")
    if differs := difference(world.fresh, compiled_fresh):
        return Broken(f"reset_env differs, uncompiled against compiled: {differs}. {remedy}")
    for inputs, out in zip(world.first_inputs, outs, strict=True):
        if differs := difference(world.env.step_env(*inputs), out):
            return Broken(f"step_env differs, uncompiled against compiled: {differs}. {remedy}")
    return None


def stable(world: "World") -> Broken | None:
    """A step gives an observation and a state of the structure, shapes and types that a reset gives.

    A rollout is one loop that carries them, and puts one in the other's place where an episode ends. Types
    may differ as far as promotion goes (a reset's `time=0`, a step's int32).
    """
    env, key, params = world.env, world.key, world.params
    fresh = jax.eval_shape(env.reset_env, key, params)
    stepped = jax.eval_shape(env.step_env, key, fresh[1], world.action, params)[:2]
    for what, before, after in zip(("obs", "state"), fresh, stepped, strict=True):
        remedy = f"Let reset_env and step_env build the {what} alike."
        if jax.tree.structure(before) != jax.tree.structure(after):
            seen = f"{jax.tree.structure(before)} against {jax.tree.structure(after)}"
            return Broken(f"the {what} has one structure after a reset, another after a step: {seen}. {remedy}")
        for (path, x), y in zip(paths(what, before), jax.tree.leaves(after), strict=True):
            if x.shape != y.shape:
                return Broken(f"{path} has shape {x.shape} after a reset, {y.shape} after a step. {remedy}")
    # The loop carries the promoted types; they must be what stepping them gives, or can be promoted to.
    carried = jax.eval_shape(partial(reset, env), key, params)
    stepped = jax.eval_shape(env.step_env, key, carried[1], world.action, params)[:2]
    for what, before, after in zip(("obs", "state"), carried, stepped, strict=True):
        for (path, x), y in zip(paths(what, before), jax.tree.leaves(after), strict=True):
            if x.dtype != y.dtype and jnp.result_type(x, y) != x.dtype:
                return Broken(f"{path} is {x.dtype}, and {y.dtype} after a step. Keep one type for it.")
    return None


def flags(world: "World") -> Broken | None:
    """`terminated` and `is_truncated` are each one boolean, and a step never ends in both ways.

    Advantages ask both of every step: the first whether the future is worth anything, either whether the next
    step belongs to the same episode.
    """
    truncated = jax.eval_shape(world.env.is_truncated, world.fresh[1], world.params)
    terminated = jax.eval_shape(world.env.step_env, *world.first_inputs[0])[3]
    for name, flag in (("terminated", terminated), ("is_truncated", truncated)):
        if flag.shape != () or flag.dtype != bool:
            return Broken(f"{name} is {flag.dtype} of shape {flag.shape}; it must be a bool of shape ().")
    both = np.flatnonzero(world.walk.terminated & world.walk.truncated)
    if both.size:
        return Broken(f"step {both[0]} of a random walk both terminated and was truncated.")
    return None


def vmap(world: "World") -> Broken | None:
    """A batch of worlds steps as each would alone.

    Training steps thousands at once; a function with a batching rule of its own may get it wrong.
    """
    keys = jax.random.split(world.key, BATCH)
    actions = jax.vmap(world.env.action_space(world.params).sample)(keys)
    try:
        states = world.batch[1]
        together = jax.jit(jax.vmap(world.env.step_env, (0, 0, 0, None)))(keys, states, actions, world.params)
    except Exception as error:
        return Broken(f"it cannot be vmapped: {told(error)}")
    for i in range(BATCH):
        inputs = jax.tree.map(lambda x, i=i: x[i] if is_key(x) else np.asarray(x)[i], (keys, states, actions))
        alone = world.compiled_step(*inputs, world.params)
        if differs := difference(alone, jax.tree.map(lambda x, i=i: x[i], plain(together))):
            return Broken(f"world {i} of {BATCH} steps otherwise alone than in their batch: {differs}.")
    return None


def float32(world: "World") -> Broken | None:
    """Observations and rewards are finite numbers of 32 bits at most, and the reward is one number.

    One NaN spreads through the gradient to every weight. Half precision in a world loses what the learner
    then normalises; double precision doubles the time.
    """
    obs, _, reward, *_ = jax.eval_shape(world.env.step_env, *world.first_inputs[0])
    for path, leaf in [*paths("obs", obs), ("reward", reward)]:
        if jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype != jnp.float32:
            return Broken(f"{path} is {leaf.dtype}; convert it: .astype(jnp.float32).")
    if reward.shape != ():
        return Broken(f"the reward has shape {reward.shape}; it must be one number, of shape ().")
    for path, finite in paths("obs", world.walk.finite):
        if not finite.all():
            return Broken(f"{path} is NaN or infinite around step {np.argmin(finite)} of a random walk.")
    odd = np.flatnonzero(~np.isfinite(world.walk.reward))
    if odd.size:
        return Broken(f"the reward is {world.walk.reward[odd[0]]} at step {odd[0]} of a random walk.")
    return None


def spaces(world: "World") -> Broken | None:
    """Observations are what `observation_space` says, and actions can be chosen from `action_space`.

    Networks are built from the one and heads from the other. An `action_mask` is bool and leaves an action to
    choose. Bounds that are exceeded, and a number of another kind than declared, are warnings: nothing is
    built from them.
    """
    obs, _ = jax.eval_shape(partial(reset, world.env), world.key, world.params)
    space = world.env.observation_space(world.params)
    declared = list(pairs(space, obs, "obs"))
    if wrong := misshapen(declared):
        return Broken(f"{wrong}; let observation_space tell what reset_env and step_env give.")
    actions = world.env.action_space(world.params)
    if hasattr(actions, "contains") and not np.all(actions.contains(world.action)):
        return Broken(f"action_space.sample gave {world.action}, which action_space.contains denies.")
    if isinstance(obs, Mapping) and "action_mask" in obs:
        mask, shape = obs["action_mask"], mask_shape(actions)
        if mask.dtype != bool or mask.shape != shape:
            said = f"obs['action_mask'] is {mask.dtype} of shape {mask.shape}"
            return Broken(f"{said}; it must be bool of shape {shape}, True for each legal action.")
        if not world.walk.legal.all():
            step = np.argmin(world.walk.legal)
            return Broken(f"obs['action_mask'] has no legal action at step {step} of a random walk; end there.")
    lowest, highest = (list(pairs(space, seen, "obs")) for seen in (world.walk.lowest, world.walk.highest))
    doubts = [*of_another_kind(declared), *outside(lowest, highest)]
    return Broken("; ".join(doubts) + ". Mend observation_space.", "warning") if doubts else None


def resets(world: "World") -> Broken | None:
    """Different keys begin different episodes.

    A key that reset_env forgets to use makes every env of a batch begin alike. Some worlds mean it: this is a
    warning.
    """
    if any(np.any(leaf != leaf[:1]) for leaf in jax.tree.leaves(plain(world.batch))):
        return None
    told = f"{BATCH} keys began {BATCH} equal episodes; unless that is meant, draw from the key in reset_env."
    return Broken(told, "warning")


def ends(world: "World") -> Broken | None:
    """An episode of random actions ends, or is cut off, within `max_steps_in_episode`.

    Returns are counted where episodes end, and a fresh one begins only there.
    """
    done = world.walk.terminated | world.walk.truncated
    lengths = np.diff(np.flatnonzero(done), prepend=-1)
    running = done.size - lengths.sum()  # steps of the episode that the walk broke off
    longest = max([running, *lengths])
    if world.max_steps is None:
        if lengths.size:
            return None
        unseen = f"no episode ended in {done.size} random steps, and params have no max_steps_in_episode"
        return Broken(f"{unseen}. Give them one, or no return may ever be counted.", "warning")
    if longest > world.max_steps or (not lengths.size and done.size >= world.max_steps):
        return Broken(
            f"an episode ran on for {longest} steps, though max_steps_in_episode={world.max_steps}. "
            "Let step_env count state.time up by 1, and is_truncated compare it with the limit."
        )
    return None


LAWS = {
    "interface": Law(interface),
    "pure": Law(pure, ("interface",)),
    "jit": Law(jit, ("pure",)),
    "stable": Law(stable, ("jit",)),
    "flags": Law(flags, ("stable",)),
    "vmap": Law(vmap, ("stable",)),
    "float32": Law(float32, ("flags",)),
    "spaces": Law(spaces, ("flags",)),
    "resets": Law(resets, ("vmap",)),
    "ends": Law(ends, ("flags",)),
}
