"""The training curves of a run: returns, losses, and their spread over seeds."""

from collections.abc import Mapping
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from elsinore.runs.curriculum_log import STAGE_METRIC
from elsinore.runs.curves.returns import (
    EVALUATION,
    TRAINING,
    evaluation_returns,
    returns_of_agents,
    training_returns,
)
from elsinore.runs.curves.style import (
    GREEN,
    GREY,
    LABEL_LENGTH,
    LINE_DASHES,
    dots,
    legend,
    line_styles,
    number_text,
    plain,
    say,
    shortened,
)
from elsinore.runs.curves.values import by_seed, learning_values, mean_of
from elsinore.runs.files.natural import natural
from elsinore.runs.members import best_in, members_in
from elsinore.runs.records import EPISODE_COUNT, Row
from elsinore.runs.store.store import reading

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_AGENTS = 10  # with lines of their own
RANDOM_ACTIONS = "schedule/epsilon"
ONE_LEARNER: Mapping[str, str] = {}


def training_figure(
    database: Path,
    title: str,
    goal: float | None = None,
    each: str = "seed",
    agents: Mapping[str, str] = ONE_LEARNER,
) -> "Figure":
    """Draw four panels from a run's store: training return, evaluation return, losses, and other
    metrics of the algorithm (of its policy, or action values with the exploration rate).

    Args:
        goal: the target return, as a dashed line.
        each: "seed", or "replica" of a population, whose means and interval are those of the best
            member, for members differ in settings.
        agents: of independent learners the name and the algorithm of each. Up to ten have lines of
            their own in the panels of returns; no line of a loss is over several algorithms.
    """
    from elsinore.runs.curves.notebook_figure import NotebookFigure

    with reading(database) as store:
        rows, steps, info = store.rows(agent=""), store.steps_per_update(), store.info()
        names = {row.name for row in rows}
        losses, (heading, others) = loss_labels(names), other_labels(names)
        algorithms, apart = {*agents.values()}, 0 < len(agents) <= MOST_AGENTS
        own = [TRAINING, EVALUATION] * apart
        if apart and len(algorithms) > 1:
            own += [*losses, *others, RANDOM_ACTIONS, EPISODE_COUNT]
        of_agents = store.rows(names=own) if own else []
    member, counted = _best_member(info, rows)
    over = "seed" if member else each
    figure = NotebookFigure(figsize=(12, 7.5), layout="constrained")
    axes = figure.subplots(2, 2)
    if apart:
        seeds = {row.seed for row in counted}
        known = [row for row in of_agents if row.seed in seeds]
        returns_of_agents(axes[0, 0], known, steps, TRAINING, agents)
        returns_of_agents(axes[0, 1], known, steps, EVALUATION, agents, goal)
    else:
        training_returns(axes[0, 0], rows, steps, each)
        evaluation_returns(axes[0, 1], rows, counted, steps, goal, over)
    parts = {"": counted}
    if len(algorithms) > 1:
        parts = _by_algorithm(of_agents, agents) if apart else {}
    over_all = [f"{over}s"] * (len({row.seed for row in counted}) > 1)
    over_all += ["agents"] * (len(agents) > len(algorithms))
    mean = f", mean over {' and '.join(over_all)}" if over_all else ""
    panels = [("losses", losses), (heading, others)]
    for axis, (heading, labels) in zip(axes[1], panels, strict=True):
        _lines(axis, parts, steps, heading + mean, labels)
    _exploration(axes[1, 1], parts, steps)
    for axis in axes.flat:
        axis.set_xlabel("env steps of one seed")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.xaxis.set_major_formatter(number_text)
    for axis in axes[0]:
        axis.yaxis.set_major_formatter(number_text)
        _stages(axis, rows, steps)
    best = f"\nmeans: the best member, {member}" if member else ""
    figure.suptitle(plain(title + best), wrap=True)
    return figure


def _best_member(info: dict, rows: list[Row]) -> tuple[str, list[Row]]:
    """The name of a population's best member by the newest evaluations, and the rows of its seeds;
    "" and all rows without members."""
    members = members_in(info)
    if len(members) < 2:
        return "", rows
    newest = {row.seed: row.value for row in rows if row.name == EVALUATION}
    seeds = best_in(info, newest)
    name = members[(seeds[0] - info.get("first_seed", 0)) // len(seeds)]
    return name, [row for row in rows if row.seed in seeds]


def _by_algorithm(rows: list[Row], agents: Mapping[str, str]) -> dict[str, list[Row]]:
    """The rows of the agents of each algorithm, by ` (dqn)`, each agent of a seed as a seed."""
    found: dict[str, list[Row]] = {f" ({algorithm})": [] for algorithm in agents.values()}
    places = {agent: i for i, agent in enumerate(agents)}
    for row in rows:
        if row.agent in agents:
            seed = row.seed * len(agents) + places[row.agent]
            found[f" ({agents[row.agent]})"].append(row._replace(seed=seed))
    return found


def _stages(axis, rows: list[Row], steps: int) -> None:
    """A vertical line for each change of stage, dotted for a retreat; with the stage's number for a
    single seed."""
    curves, changed = by_seed(rows, STAGE_METRIC), False
    for updates, stages in curves.values():
        for i in np.flatnonzero(np.diff(stages, prepend=0.0)):
            back, changed = i > 0 and stages[i] < stages[i - 1], True
            at = updates[i] * steps
            axis.axvline(
                at, color=GREEN, alpha=0.6, linewidth=1, linestyle=":" if back else "-", zorder=0
            )
            if len(curves) == 1:
                axis.text(
                    at,
                    1.0,
                    f"{stages[i]:g}",
                    transform=axis.get_xaxis_transform(),
                    color=GREEN,
                    fontsize=7,
                )
    if changed:
        axis.plot([], [], color=GREEN, label="another stage")
        legend(axis)


def loss_labels(names: set[str]) -> dict[str, str]:
    """The losses among the names of metrics, with their labels; `loss/total` only if it is the only
    one."""
    known = {
        "loss/policy": "policy",
        "loss/value": "value",
        "loss/td_error": "|TD error|",
        "rnd/loss": "RND",
    }
    others = sorted(
        (name for name in names if name.startswith("loss/") and name not in known), key=natural
    )
    found = {
        name: known.get(name, name.removeprefix("loss/"))
        for name in (*known, *others)
        if name in names
    }
    return {name: label for name, label in found.items() if name != "loss/total" or len(found) == 1}


def other_labels(names: set[str]) -> tuple[str, dict[str, str]]:
    """The title of the last panel, and the labels of its metrics: the first group with a metric
    among `names`."""
    groups = {
        "policy": {
            "policy/entropy": "entropy",
            "policy/temperature": "temperature",
            "policy/kl": "KL of an update",
            "policy/clip_fraction": "clipped",
        },
        "action values": {"value/q": "Q of the training batch"},
        "learning": {
            "learner/gradient_norm": "gradient norm",
            "schedule/learning_rate": "learning rate",
        },
    }
    for title, group in groups.items():
        if found := {name: label for name, label in group.items() if name in names}:
            return title, found
    return "learning", {}


def _lines(
    axis, parts: Mapping[str, list[Row]], steps: int, title: str, names: Mapping[str, str]
) -> None:
    """A line for each metric of `names` in each of the `parts`, whose names follow its label."""
    drawn, styles = [], line_styles()
    for (whose, rows), (name, label) in product(parts.items(), names.items()):
        updates, values = learning_values(rows, name)
        if not len(updates):
            continue
        dash, colour = next(styles)
        drawn.append(mean_of(values))
        style = {"color": colour, "linestyle": dash, "linewidth": 1.2}
        style["label"] = plain(shortened(label + whose, LABEL_LENGTH))
        axis.plot(updates * steps, drawn[-1], **style, **dots(drawn[-1]))
    if spans_decades(np.concatenate(drawn or [np.zeros(0)])):
        axis.set_yscale("symlog", linthresh=1e-2)
        axis.yaxis.get_major_locator().set_params(numticks=8)
    else:
        axis.yaxis.set_major_formatter(number_text)
    axis.set_title(title)
    if not drawn:
        say(axis, "no metrics" if parts else "several algorithms")
    legend(axis)


def spans_decades(values: np.ndarray) -> bool:
    """True if the largest value is more than a hundred times a small one (the 5 % percentile), so
    that a linear axis would flatten the small ones."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0.0)])
    return len(sizes) > 0 and bool(sizes.max() > 100.0 * np.percentile(sizes, 5))


def _exploration(axis, parts: Mapping[str, list[Row]], steps: int) -> None:
    """The share of random actions, where there is one, on a second axis at the right."""
    curves = {whose: learning_values(rows, RANDOM_ACTIONS) for whose, rows in parts.items()}
    curves = {whose: (updates, mean_of(x)) for whose, (updates, x) in curves.items() if len(x)}
    if not curves:
        return
    right = axis.twinx()
    for dash, (whose, (updates, mean)) in zip(cycle(LINE_DASHES[1:]), curves.items(), strict=False):
        style = {"color": GREY, "linestyle": dash, "linewidth": 1.2}
        right.plot(updates * steps, mean, **style, **dots(mean))
        axis.plot([], [], **style, label=f"random actions{whose} (right)")
    right.set_ylim(0.0, 1.05)
    right.spines["top"].set_visible(False)
    legend(axis)
