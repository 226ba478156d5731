"""A person plays: the world is shown, a line is typed, what it means is done."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import PyTree
from rich.console import Console

from elsinore.config.build import ConfigError
from elsinore.envs.views import View, name_of, shown, view_of
from elsinore.experience.autoreset import reset, true_step
from elsinore.experience.facts import facts_of
from elsinore.host.drawing.terminal import render

MANY = 12  # actions, from which on they are not all listed
QUIT = ("q", "quit", "exit")


class World(NamedTuple):
    """A world made ready to be played by hand: `begin(key)` and `step(key, state, action)`, compiled."""

    env: Any
    params: PyTree
    view: View
    names: tuple[str, ...]  # of the actions
    begin: Callable
    step: Callable


def ready(env: Any, params: PyTree) -> World:
    """Raises:
    ConfigError: for a world whose actions are not single choices.
    """
    space = env.action_space(params)
    if not isinstance(space, spaces.Discrete):
        raise ConfigError(
            f"--human: an action of {name_of(env)} is no single choice, so it cannot be typed; watch chance play it "
            "without --human, or play a world such as CartPole-v1, Hamlet-classic4 or Balatro-stage0."
        )
    view = view_of(env)
    names = view.action_names(env, params) or tuple(f"action {i}" for i in range(int(space.n)))
    begin = jax.jit(lambda key: reset(env, key, params))
    step = jax.jit(partial(true_step, env, params=params))
    return World(env, params, view, tuple(names), begin, step)


def play(world: World, seed: int, console: Console, ask: Callable[[str], str]) -> bool:
    """One episode, the one of that seed; False if the person has had enough before its end.

    `ask(prompt)` gives the next line, and raises EOFError where there is none.
    """
    key = jax.random.key(seed)
    obs, state = world.begin(key)
    length, total, hint = 0, 0.0, ""
    while True:
        seen = _show(world, state, console)
        if hint != how_to(world, seen):
            hint = how_to(world, seen)
            console.print(f"{hint}; q ends it", style="dim", markup=False, highlight=False)
        action = _asked(world, jax.device_get(obs), seen, console, ask)
        if action is None:
            console.print(f"left after {length:,} steps; return {total:g}", markup=False)
            return False
        out = world.step(jax.random.fold_in(key, length), state, jnp.int32(action))
        obs, state, length, total = out.obs, out.state, length + 1, total + float(out.reward)
        if out.terminated or out.truncated:
            _show(world, state, console)
            ending = "the world ended it" if out.terminated else "time ran out"
            console.print(f"return {total:g} after {length:,} steps: {ending}", markup=False)
            _tell_facts(world, out.info, console)
            return True


def _show(world: World, state: PyTree, console: Console) -> PyTree:
    """Show a moment; returns its state in host memory."""
    seen = jax.device_get(state)
    console.print(render(world.view.scene(world.env, world.params, seen), console.width))
    return seen


def _asked(world: World, obs: PyTree, state: PyTree, console: Console, ask: Callable[[str], str]) -> int | None:
    """The action that is typed, asked for again until it is a legal one; None for no more."""
    while True:
        try:
            line = ask("> ").strip()
            if line.lower() in QUIT:
                return None
            action = typed(world, state, line)
        except EOFError:
            return None
        except ValueError as error:
            console.print(str(error), style="yellow", markup=False, highlight=False)
            continue
        if not isinstance(obs, dict) or obs.get("action_mask", np.ones(len(world.names), bool))[action]:
            return action
        console.print(f"{world.names[action]} is not possible now.", style="yellow", markup=False)


def typed(world: World, state: PyTree, line: str) -> int:
    """The action that a line means, in the world's own words, by its number, or by words of its name, cut short or not.

    Raises:
        ValueError: saying what can be typed.
    """
    if world.view.typed is not None and line:
        return world.view.typed(world.env, world.params, state, line)
    if world.view.typed is None and line.isdecimal() and int(line) < len(world.names):
        return int(line)
    begun = [i for i, name in enumerate(world.names) if line and f" {line}".lower() in f" {name}".lower()]
    exact = [i for i in begun if world.names[i].lower() == line.lower()]
    if len(exact or begun) == 1:
        return (exact or begun)[0]
    found = "is more than one action" if begun else "is no action"
    raise ValueError(f"{f'{line!r} {found}: ' if line else ''}{how_to(world, state)}; q ends it.")


def how_to(world: World, state: PyTree) -> str:
    """What can be typed."""
    if world.view.how_to is not None:
        return world.view.how_to(world.env, world.params, state)
    listed = [f"{i} {name}" for i, name in enumerate(world.names)]
    return ", ".join(listed if len(listed) <= MANY else [*listed[: MANY - 1], f"... to {len(listed) - 1}"])


def _tell_facts(world: World, info: Any, console: Console) -> None:
    """What the world tells of the episode beside its return."""
    facts = [f"{name} {shown(info[name])}" for name in facts_of(world.env)]
    if facts:
        console.print(", ".join(facts), markup=False, highlight=False)
