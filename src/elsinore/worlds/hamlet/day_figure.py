"""Figure of one Hamlet episode: time per cell, uses, time per activity, and meters.

A return does not show how it was earned. Where a failed interaction is free, an agent may stay in a
corner and keep interacting: the map is then one dark cell, and the bar "in vain" the longest.
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from elsinore.errors import ConfigError, counted
from elsinore.runs.curves.style import plain
from elsinore.runs.files.whole_file import whole_file
from elsinore.runs.replays.recording import learner_name
from elsinore.view.drawing.episode import Episode
from elsinore.view.drawing.palette import LIGHT
from elsinore.worlds.hamlet.env import Hamlet
from elsinore.worlds.hamlet.meter_roles import LOW, METER_ROLES
from elsinore.worlds.hamlet.rules import INTERACT, intent
from elsinore.worlds.hamlet.tables import profile_tables

IDLE = ("into a wall", "in vain")  # steps without effect
BROKEN = ("--", ":", "-.")  # lines that do not kill; of a colour the first, second, or later
A_LOT = 0.25  # idle share from which the title names it


class DaySummary(NamedTuple):
    """Summary of an episode of `time` steps."""

    time_in: Float[np.ndarray, "height width"]  # share of the steps that ended there
    used: Int[np.ndarray, "time"]  # the affordance used, or -1
    spent: dict[str, Bool[np.ndarray, "time"]]  # the steps of each activity
    meters: Float[np.ndarray, "time_and_one meter"]  # shares of each one's range
    places: dict[int, tuple[int, int]]  # x, y of each affordance in the world

    @property
    def idle(self) -> float:
        """Share of the steps without effect."""
        return float(sum(self.spent[name].mean() for name in IDLE))

    def uses(self, affordance: int) -> int:
        return int((self.used == affordance).sum())


def summarise_day(episode: Episode) -> DaySummary:
    """Summarise a recorded episode.

    Raises:
        ConfigError: for an environment that is not Hamlet.
    """
    env = episode.env
    if not isinstance(env, Hamlet):
        raise ConfigError(
            f"the day of an agent is drawn of Hamlet worlds only, and {episode.about['env']} is"
            " none."
        )
    length = len(episode) - 1
    state, action = episode.recording.state, np.asarray(episode.recording.action)
    before = jax.tree.map(lambda x: x[:length], state)
    used = np.asarray(jax.vmap(partial(intent, env.profile))(before, action).wants)
    position = np.asarray(state.position)
    return DaySummary(
        time_in=_time_in(position[1:], env.profile.grid),
        used=used,
        spent=_spent(env, action, (position[1:] != position[:-1]).any(axis=1), used),
        meters=profile_tables(env.profile).share(np.asarray(state.meters)),
        places=_places(env, state),
    )


def draw_day_figure(path: Path, episode: Episode) -> DaySummary:
    """Draw an episode's summary into a PNG file.

    Raises:
        ConfigError: as `summarise_day`, and for a path that is no .png in an existing folder.
    """
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise ConfigError(f"--day {path} must be a .png file in a folder that is there.")
    from matplotlib.figure import Figure

    day = summarise_day(episode)
    figure = Figure(figsize=(12, 8.2), layout="constrained")
    axes = figure.subplot_mosaic(
        [["map", "uses", "time"], ["life"] * 3, ["acts"] * 3],
        height_ratios=[1.0, 0.62, 0.12 + 0.045 * len(day.places)],
        width_ratios=[1.0, 0.9, 0.9],
    )
    _map(axes["map"], episode.env, day)
    _uses(axes["uses"], episode.env, day)
    _time(axes["time"], day)
    _life(axes["life"], episode.env, day)
    _acts(axes["acts"], episode.env, day)
    axes["acts"].sharex(axes["life"])
    for name in ("uses", "time", "life", "acts"):
        axes[name].spines[["top", "right"]].set_visible(False)
    figure.suptitle(plain(_title(episode, day)), fontsize=13)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png")
    return day


def _time_in(position: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    counts = np.zeros((grid[1], grid[0]))
    np.add.at(counts, (position[:, 1], position[:, 0]), 1.0)
    return counts / max(len(position), 1)


def _spent(
    env: Hamlet, action: np.ndarray, moved: np.ndarray, used: np.ndarray
) -> dict[str, np.ndarray]:
    spent = {
        "walking": (action < INTERACT) & moved,
        "into a wall": (action < INTERACT) & ~moved,
        "using something": used >= 0,
        "in vain": (action == INTERACT) & (used < 0),
    }
    return spent | {
        name: action == i for i, name in enumerate(env.profile.action_names) if i > INTERACT
    }


def _places(env: Hamlet, state) -> dict[int, tuple[int, int]]:
    cells = (
        profile_tables(env.profile).fixed_cells
        if state.cells is None
        else np.asarray(state.cells)[0]
    )
    width = env.profile.grid[0]
    return {i: (int(cell) % width, int(cell) // width) for i, cell in enumerate(cells) if cell >= 0}


def _title(episode: Episode, day: DaySummary) -> str:
    about = episode.about
    who = [about[name] for name in ("algo",) if about.get(name)]
    who += filter(None, [learner_name(about)])
    who += [f"after {about['env_steps']:,} env steps"] if about.get("env_steps") is not None else []
    end = "died after" if about.get("terminated") else "lived for"
    length = f"{end} {counted(len(day.used), 'step')}, return {about['return']:g}"
    title = f"The day of an agent: {' · '.join([episode.env.name, *who])}\n{length}"
    return title + (
        f" — {100 * day.idle:.0f} % of its time came to nothing" if day.idle > A_LOT else ""
    )


def _map(axis, env: Hamlet, day: DaySummary) -> None:
    """Share of the time in each cell; darker is longer."""
    from matplotlib.colors import LinearSegmentedColormap

    height, width = day.time_in.shape
    shades = LinearSegmentedColormap.from_list(
        "time", [LIGHT.panel, LIGHT.of("wash"), LIGHT.of("rest")]
    )
    most = max(day.time_in.max(), 0.02)
    axis.imshow(day.time_in, cmap=shades, vmin=0, vmax=most)

    def label(x, y, below, text, **style):
        ink = "white" if day.time_in[y, x] > 0.6 * most else LIGHT.of("ink")
        axis.text(x, y + below, text, ha="center", va="center", color=ink, **style)

    for i, (x, y) in day.places.items():
        affordance = env.profile.affordances[i]
        axis.add_patch(_frame(x, y, LIGHT.of(affordance.role)))
        size = min(6.5, 42 / len(affordance.name))
        label(x, y, -0.26, plain(affordance.name), fontsize=size, weight="bold")
    for y, x in np.argwhere(day.time_in >= 0.01):
        label(x, y, 0.16, f"{100 * day.time_in[y, x]:.0f} %", fontsize=8)
    axis.set(
        title="where it was", xticks=np.arange(width + 1) - 0.5, yticks=np.arange(height + 1) - 0.5
    )
    axis.grid(color="white", linewidth=2)
    axis.tick_params(length=0, labelbottom=False, labelleft=False)
    axis.spines[:].set_visible(False)


def _frame(x: int, y: int, colour: str):
    from matplotlib.patches import Rectangle

    return Rectangle(
        (x - 0.46, y - 0.46), 0.92, 0.92, fill=False, edgecolor=colour, linewidth=2.5, zorder=3
    )


def _uses(axis, env: Hamlet, day: DaySummary) -> None:
    names = [plain(env.profile.affordance_names[i]) for i in day.places]
    counts = [day.uses(i) for i in day.places]
    colours = [LIGHT.of(env.profile.affordances[i].role) for i in day.places]
    bars = axis.barh(names, counts, color=colours)
    axis.bar_label(bars, padding=3, fontsize=9)
    axis.invert_yaxis()
    axis.set(
        title="what it used, " + ("ticks" if env.profile.temporal else "times"),
        xlim=(0, max(counts) * 1.15 + 4),
    )


def _time(axis, day: DaySummary) -> None:
    shares = {name: 100 * float(steps.mean()) for name, steps in day.spent.items()}
    colours = [
        LIGHT.of("danger" if name in IDLE else "gain" if name == "using something" else "calm")
        for name in shares
    ]
    bars = axis.barh(list(map(plain, shares)), list(shares.values()), color=colours)
    axis.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=9)
    axis.invert_yaxis()
    axis.set(title="how its time went", xlim=(0, 115), xticks=[0, 50, 100])


def _life(axis, env: Hamlet, day: DaySummary) -> None:
    """Meters in % of their range over time; broken lines of one colour differ."""
    earlier: Counter[str] = Counter()  # meters of a colour
    for i, meter in enumerate(env.profile.meters):
        colour = LIGHT.of(METER_ROLES.get(meter.name, "calm"))
        style = "-" if meter.fatal else BROKEN[min(earlier[colour], len(BROKEN) - 1)]
        axis.plot(
            100 * day.meters[:, i],
            color=colour,
            linestyle=style,
            label=plain(meter.name),
            linewidth=1.6,
        )
        earlier[colour] += 1
    axis.axhspan(0, 100 * LOW, color=LIGHT.of("danger"), alpha=0.08, linewidth=0)
    axis.set(title="how it was (broken lines: what does not kill)", ylabel="% of range")
    axis.set(xlim=(0, len(day.used)), ylim=(-2, 104))
    axis.tick_params(labelbottom=False)
    axis.legend(
        ncols=len(env.profile.meters),
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),  # below the axis, where it covers no line
        frameon=False,
        fontsize=8,
    )


def _acts(axis, env: Hamlet, day: DaySummary) -> None:
    """One row of marks for each affordance's uses, and a last row for steps without effect."""
    rows = [np.flatnonzero(day.used == i) + 1 for i in day.places] + [
        np.flatnonzero(_idle(day)) + 1
    ]
    colours = [LIGHT.of(env.profile.affordances[i].role) for i in day.places] + [LIGHT.of("danger")]
    axis.eventplot(rows, colors=colours, linelengths=0.8, linewidths=1.6)
    labels = [*(plain(env.profile.affordance_names[i]) for i in day.places), "nothing"]
    axis.set(yticks=range(len(labels)), xlabel="step")
    axis.set_yticklabels(labels, fontsize=7)
    axis.invert_yaxis()


def _idle(day: DaySummary) -> np.ndarray:
    return np.any([day.spent[name] for name in IDLE], axis=0)
