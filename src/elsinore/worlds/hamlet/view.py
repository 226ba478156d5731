"""View of Hamlet: the grid, the meters, and the affordance in use."""

from dataclasses import replace

import jax
import numpy as np

from elsinore.envs.scene import Bar, Bars, Facts, Grid, Scene, Thing, rounded
from elsinore.worlds.hamlet.meter_roles import LOW, METER_ROLES
from elsinore.worlds.hamlet.profile import Meter
from elsinore.worlds.hamlet.rules import DAY_HOURS
from elsinore.worlds.hamlet.tables import profile_tables

steps_per_second = 4.0


def scene(env, params, state) -> Scene:
    """Scene of one agent: grid with places, meters, and facts."""
    world = profile_tables(env.profile)
    shares = world.share(np.asarray(state.meters))
    natives = world.native(np.asarray(state.meters))
    bars = tuple(
        _bar(meter, float(share), float(native))
        for meter, share, native in zip(env.profile.meters, shares, natives, strict=True)
    )
    x, y = (int(at) for at in state.position)
    width, height = env.profile.grid
    things = (*_places(env, state), Thing(x, y, "agent", "agent", token=True))
    board = Grid("home and town", width, height, things)
    return Scene(env.name, (board, Bars("meters", bars), Facts("now", tuple(_facts(env, state)))))


def joint_scene(env, params, states, agent: int, over) -> Scene:
    """Scene of all agents that share a town with `agent`, the selected one, and its meters."""
    own_params, mine = (jax.tree.map(lambda x: x[agent], tree) for tree in (params, states))
    # the clock also runs after the agent's death
    lone = scene(env, own_params, mine.replace(time=states.time.max()))
    board, bars, facts = lone.panels
    neighbours = _neighbours(states, agent)
    own_town = " of the selected agent: each has its own" if len(neighbours) < len(over) else ""
    places = tuple(thing for thing in board.things if not thing.token)
    board = replace(
        board,
        title=board.title + own_town,
        things=(*places, *_tokens(states, neighbours, agent, over)),
    )
    bars = replace(bars, title=f"{bars.title} of the selected agent")
    return Scene(lone.title, (board, bars, facts))


def _neighbours(states, agent: int) -> list[int]:
    """Agents whose affordances are in the same cells; each agent may have drawn its own."""
    if states.cells is None:
        return list(range(len(states.position)))
    return np.flatnonzero((states.cells == states.cells[agent]).all(axis=1)).tolist()


def _tokens(states, agents: list[int], agent: int, over):
    """A token per agent with its number; a dead agent keeps its cell, with a dagger."""
    for i in agents:
        x, y = (int(at) for at in states.position[i])
        role = "faint" if over[i] else "agent" if i == agent else "ink"
        yield Thing(x, y, f"†{i}" if over[i] else str(i), role, token=True)


def action_names(env, params) -> tuple[str, ...]:
    return env.profile.action_names


def _bar(meter: Meter, share: float, native: float) -> Bar:
    """Bar of a meter, with its bad end marked as dangerous."""
    shown = f"{native:.0f} of {rounded(meter.high)}" if meter.high > 1 else f"{100 * share:.0f} %"
    shown = rounded(native) if meter.name == "money" else shown
    danger = {"danger_above": 1 - LOW} if meter.good == "low" else {"danger_below": LOW}
    return Bar(meter.name, share, shown, METER_ROLES.get(meter.name, "calm"), **danger)


def _places(env, state) -> list[Thing]:
    """Affordances in their cells; a closed one is grey and crossed out."""
    width = env.profile.grid[0]
    cells = (
        profile_tables(env.profile).fixed_cells if state.cells is None else np.asarray(state.cells)
    )
    places = []
    for i, affordance in enumerate(env.profile.affordances):
        if cells[i] >= 0:
            y, x = divmod(int(cells[i]), width)
            is_open = _is_open(env, state, i)
            label = affordance.name if is_open else f"✕ {affordance.name}"
            places.append(Thing(x, y, label, affordance.role if is_open else "wall"))
    return places


def _is_open(env, state, i: int) -> bool:
    if not env.profile.temporal:
        return True
    world = profile_tables(env.profile)
    return (int(state.time) % DAY_HOURS - int(world.opens[i])) % DAY_HOURS < int(world.open_for[i])


def _facts(env, state):
    if env.profile.temporal:
        yield (
            "time of day",
            f"{int(state.time) % DAY_HOURS:02d}:00, day {int(state.time) // DAY_HOURS + 1}",
        )
    using = int(state.using)
    doing = env.profile.affordances[using].name if using >= 0 else "nothing"
    if using >= 0 and env.profile.temporal:
        doing += f", {int(state.progress)} of {env.profile.affordances[using].duration} h"
    yield "using", doing


def draw_day(path, episode):
    """Draw the day of the agent as a figure."""
    from elsinore.worlds.hamlet import day_figure  # matplotlib takes a second to import

    return day_figure.draw_day_figure(path, episode)
