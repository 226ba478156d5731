"""Policies of earlier moments of a run, recomputed instead of saved.

A run is a pure function of its seed, and the randomness of an update is a function of its number.
So every policy can be recomputed bit for bit, at the cost of training up to that update.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.runs.preparation import prepare
from elsinore.runs.run import Run
from elsinore.runs.store.store import reading
from elsinore.training.layout import layout_for
from elsinore.training.replicas import fetch, init_seeds, over_seeds
from elsinore.types import PolicyState


class Snapshot(NamedTuple):
    """A moment of a run."""

    update: int  # updates done
    episodes: int  # episodes finished


def run_snapshots(run: Run) -> list[Snapshot]:
    """All moments at which the first seed logged its finished episodes, from the start on."""
    with reading(run.path / "metrics.sqlite") as store:
        rows = store.episodes("episode/length", seed=run.experiment.seed)
    return [Snapshot(0, 0), *(Snapshot(update, until) for update, *_, until, _ in rows)]


def nearest_snapshots(snapshots: Sequence[Snapshot], episodes: Sequence[int]) -> list[Snapshot]:
    """The snapshots nearest to these numbers of finished episodes, and the last one."""
    reached = [number for number in episodes if number <= snapshots[-1].episodes]
    found = [min(snapshots, key=lambda one: abs(one.episodes - number)) for number in reached]
    return sorted({*found, snapshots[-1]})


def recompute_policies(run: Run, updates: Sequence[int]) -> Iterator[PolicyState]:
    """The policy of the run's first seed after each of the ascending `updates`, in host memory.

    Only for runs without convergence, which would be checked at other updates here.
    """
    prepare()
    program, layout = run.plan.program, layout_for(1)
    launch = over_seeds(program.chunk, layout, donate=True)
    state, done = init_seeds(program, layout, run.experiment.seed), 0
    for update in updates:
        if update > done:
            state, _ = launch(state, jnp.int32(update - done))
        done = update
        yield jax.tree.map(lambda x: np.array(x[0]), fetch(state.train.policy_state, layout))
