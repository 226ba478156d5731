"""The policies a run had on its way, without having saved them.

A run is a pure function of its seed, and the randomness of an update is a function of the update's number: so any
moment of it can be lived again, to the last bit, at the price of learning up to there.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.host import api
from elsinore.host.result import Run
from elsinore.host.store import Store
from elsinore.training.seeds import fetch, init_seeds, layout_for, over_seeds
from elsinore.types import Acting


class Moment(NamedTuple):
    """A point of a run's way."""

    update: int  # updates done
    episodes: int  # finished by then


def way_of(run: Run) -> list[Moment]:
    """The moments at which a run told how many episodes its first seed had finished, from the beginning on."""
    store = Store(run.path / "metrics.sqlite", read_only=True)
    rows = store.episodes("episode/length", seed=run.experiment.seed)
    store.close()
    return [Moment(0, 0), *(Moment(update, until) for update, *_, until, _ in rows)]


def nearest(way: Sequence[Moment], episodes: Sequence[int]) -> list[Moment]:
    """Of each number of episodes the moment nearest to it, as far as the way goes; and its end."""
    reached = [number for number in episodes if number <= way[-1].episodes]
    found = [min(way, key=lambda moment: abs(moment.episodes - number)) for number in reached]
    return sorted({*found, way[-1]})


def lived_again(run: Run, updates: Sequence[int]) -> Iterator[Acting]:
    """The policy that the run's first seed had after each of `updates`, which rise; in host memory.

    The run is one without convergence, which would be judged at other moments here.
    """
    api.prepare()
    program, layout = run.plan.program, layout_for(1)
    launch = over_seeds(program.chunk, layout, donate=True)
    state, done = init_seeds(program, layout, run.experiment.seed), 0
    for update in updates:
        if update > done:
            state, _ = launch(state, jnp.int32(update - done))
        done = update
        yield jax.tree.map(lambda x: np.array(x[0]), fetch(state.train.acting, layout))
