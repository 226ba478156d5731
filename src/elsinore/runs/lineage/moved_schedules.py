"""Schedules that go to another end once a run has another budget, in words."""

from collections import defaultdict
from typing import Any

import numpy as np
from jaxtyping import Float

from elsinore.config.experiment import Experiment
from elsinore.config.learners import program_configs
from elsinore.hyperparameters import field_of
from elsinore.runs.checkpoints.arrays import read_arrays
from elsinore.runs.checkpoints.directory import Checkpoint

# start, end and share of the run of each number that moves linearly, [learner] each
Schedules = dict[str, tuple[Float[np.ndarray, " learner"], ...]]


def moved_schedules(schedules: Schedules, done: int, before: int, after: int) -> list[str]:
    """The schedules that depend on the end of a run, with their values before and after its number
    of updates changed from `before` to `after`."""
    lines = []
    for name, (start, end, share) in schedules.items():
        moves = start != end
        was, now = (
            (start + (end - start) * np.minimum(done / np.maximum(updates * share, 1e-6), 1.0))[
                moves
            ]
            for updates in (before, after)
        )
        if done and moves.any():
            lines.append(
                f"{name} was {_span(was)}; it continues at {_span(now)} towards"
                f" {_span(end[moves])}, as in a run of the new length"
            )
    return lines


def _span(values: Float[np.ndarray, " learner"]) -> str:
    least, most = f"{values.min():.4g}", f"{values.max():.4g}"
    return least if least == most else f"{least} to {most}"


def schedules_in(checkpoint: Checkpoint, experiment: Experiment) -> Schedules:
    """The schedules of all seeds, members and agents, by the numbers that they have in a
    checkpoint, which callbacks and a population's evolution may have changed."""
    learners = program_configs(experiment)
    hyper = read_arrays(checkpoint, lambda name: name.startswith(".train.hyper"))
    found = defaultdict(list)
    for i, algo in enumerate(learners):
        place = ".train.hyper" + (f"[{i}]" if len(learners) > 1 else "")
        for name, setting in schedules_of(algo).items():
            numbers = (hyper.get(f"{place}.{field_of(n)}", x) for n, x in setting.items())
            found[name].append(np.broadcast_arrays(*map(np.ravel, numbers)))
    return {name: tuple(map(np.concatenate, zip(*of, strict=True))) for name, of in found.items()}


def schedules_of(algo: Any) -> dict[str, dict[str, float]]:
    """The settings of each number that moves linearly, by its dotted name: of its start, its end
    and the share of the run that it takes, with their values."""
    found = {}
    for name in [field.removesuffix("_final") for field in vars(algo) if field.endswith("_final")]:
        start, end = getattr(algo, name), getattr(algo, f"{name}_final")
        by_episodes = getattr(algo, "epsilon_schedule", "linear") == "episodes"
        if name == "epsilon" and (by_episodes or getattr(algo, "noisy", False)):
            continue
        if name == "n_step":  # falls over `n_step_anneal` env steps, however long the run is
            continue
        if start is not None:
            share = getattr(algo, f"{name}_fraction", 1.0)
            end = start if end is None else end
            found[f"algo.{name}"] = {name: start, f"{name}_final": end, f"{name}_fraction": share}
    if getattr(algo, "prioritized", False):
        beta = "priority_beta"
        found[f"algo.{beta}"] = {beta: algo.priority_beta, f"{beta}_final": 1.0, "": 1.0}
    return found
