"""Human play: show the environment, read a line, take the action it names."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import PyTree
from rich.console import Console

from elsinore.envs.plain_scene import format_value
from elsinore.envs.suites import is_on_host
from elsinore.envs.view import View, env_name
from elsinore.envs.views import view_of
from elsinore.errors import ConfigError, counted
from elsinore.experience.autoreset import env_step, reset
from elsinore.experience.episode_stats import facts_of
from elsinore.view.drawing.terminal import render

MAX_LISTED_ACTIONS = 12  # of more actions the list is abbreviated
QUIT = ("q", "quit", "exit")


class PlayableEnv(NamedTuple):
    """An environment for human play, with compiled `reset(key)` and `step(key, state, action)`."""

    env: Any
    params: PyTree
    view: View
    action_names: tuple[str, ...]
    reset: Callable
    step: Callable


def playable(env: Any, params: PyTree) -> PlayableEnv:
    """Prepare an environment for human play.

    Raises:
        ConfigError: for an action space that is not discrete, an environment of several agents, or
            one that is stepped on the host.
    """
    if is_on_host(env):
        raise ConfigError(
            f"--human needs an environment in JAX, and {env_name(env)} is stepped on the host;"
            " leave out --human to watch."
        )
    if (agents := getattr(env, "fixed_agents", 1)) > 1:
        raise ConfigError(
            f"--human plays a single agent, and {env_name(env)} has {agents}; leave out --human to"
            " watch."
        )
    space = env.action_space(params)
    if not isinstance(space, spaces.Discrete):
        raise ConfigError(
            f"--human needs a discrete action space, and that of {env_name(env)} is not; leave out"
            " --human to watch, or play an environment such as CartPole-v1, Hamlet-classic4 or"
            " Balatro-stage0."
        )
    view = view_of(env)
    names = view.action_names(env, params) or tuple(f"action {i}" for i in range(int(space.n)))
    compiled_reset = jax.jit(lambda key: reset(env, key, params))
    step = jax.jit(partial(env_step, env, params=params))
    return PlayableEnv(env, params, view, tuple(names), compiled_reset, step)


def play_episode(env: PlayableEnv, seed: int, console: Console, ask: Callable[[str], str]) -> bool:
    """Play the episode of a seed; returns False if the player quits before its end.

    `ask(prompt)` returns the next line, or raises EOFError at the end of the input.
    """
    key = jax.random.key(seed)
    obs, state = env.reset(key)
    length, total, hint = 0, 0.0, ""
    while True:
        host_state = _show(env, state, console)
        if hint != input_help(env, host_state):
            hint = input_help(env, host_state)
            console.print(f"{hint}; q quits", style="dim", markup=False, highlight=False)
        action = _ask_action(env, jax.device_get(obs), host_state, console, ask)
        if action is None:
            console.print(f"left after {counted(length, 'step')}; return {total:g}", markup=False)
            return False
        out = env.step(jax.random.fold_in(key, length), state, jnp.int32(action))
        obs, state, length, total = out.obs, out.state, length + 1, total + float(out.reward)
        if out.terminated or out.truncated:
            _show(env, state, console)
            ending = "terminated" if out.terminated else "truncated"
            console.print(
                f"return {total:g} after {counted(length, 'step')}: {ending}", markup=False
            )
            _print_episode_stats(env, out.info, console)
            return True


def _show(env: PlayableEnv, state: PyTree, console: Console) -> PyTree:
    """Print a state; returns it in host memory."""
    host_state = jax.device_get(state)
    console.print(render(env.view.scene(env.env, env.params, host_state), console.width))
    return host_state


def _ask_action(
    env: PlayableEnv, obs: PyTree, state: PyTree, console: Console, ask: Callable[[str], str]
) -> int | None:
    """Ask until a line names a legal action; None if the player quits."""
    while True:
        try:
            line = ask("> ").strip()
            if line.lower() in QUIT:
                return None
            action = parse_action(env, state, line)
        except EOFError:
            return None
        except ValueError as error:
            console.print(str(error), style="yellow", markup=False, highlight=False)
            continue
        if not (isinstance(obs, dict) and "action_mask" in obs) or obs["action_mask"][action]:
            return action
        problem = f"{env.action_names[action]} is not possible now"
        if env.view.how_to is None:  # actions are typed by number
            problem += f"; possible are {_listed(env, np.flatnonzero(obs['action_mask']).tolist())}"
        console.print(f"{problem}.", style="yellow", markup=False, highlight=False)


def parse_action(env: PlayableEnv, state: PyTree, line: str) -> int:
    """The action of a line: a command of the view, a number, or a unique part of an action's name.

    Raises:
        ValueError: with the valid inputs.
    """
    if env.view.typed is not None and line:
        return env.view.typed(env.env, env.params, state, line)
    names = [name.lower() for name in env.action_names]
    if env.view.typed is None and line.isdecimal() and int(line) < len(names):
        return int(line)
    matches = [i for i, name in enumerate(names) if line and f" {line.lower()}" in f" {name}"]
    exact = [i for i in matches if names[i] == line.lower()]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    problem = f"{line!r} {'matches several actions' if matches else 'is not an action'}: "
    raise ValueError(f"{problem if line else ''}{input_help(env, state)}; q quits.")


def input_help(env: PlayableEnv, state: PyTree) -> str:
    """The valid inputs, in one line."""
    if env.view.how_to is not None:
        return env.view.how_to(env.env, env.params, state)
    return _listed(env, range(len(env.action_names)))


def _listed(env: PlayableEnv, actions: Sequence[int]) -> str:
    texts = [f"{i} {env.action_names[i]}" for i in actions]
    if len(texts) > MAX_LISTED_ACTIONS:
        texts = [*texts[: MAX_LISTED_ACTIONS - 1], f"... to {actions[-1]}"]
    return ", ".join(texts)


def _print_episode_stats(env: PlayableEnv, info: Any, console: Console) -> None:
    stats = [f"{name} {format_value(info[name])}" for name in facts_of(env.env)]
    if stats:
        console.print(", ".join(stats), markup=False, highlight=False)
