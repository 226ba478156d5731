"""Queries of a run's episode metrics, by agent, metric, seed and episode.

    elsinore.query("runs/mine", agent="agent_0", metric="total_reward", episodes=(0, 100))

The same rows in SQL, from the run's metrics.sqlite:

    SELECT * FROM episodes WHERE agent = 'agent_0' AND name = 'episode/return' AND first < 100
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elsinore.arguments import checked
from elsinore.errors import ConfigError
from elsinore.runs.run import Run, folder_of
from elsinore.runs.store.store import Store, reading
from elsinore.validation import did_you_mean

ALIASES = {
    "total_reward": "episode/return",
    "return": "episode/return",
    "episode_length": "episode/length",
    "length": "episode/length",
    "survival": "episode/length",
}


@checked
def query(
    run: str | Path | Run,
    *,
    metric: str = "total_reward",
    agent: str | None = None,
    episodes: Sequence[int] | None = None,
    seed: int | None = None,
    runs_dir: str | Path = "runs",
) -> Any:
    """Pandas table of a metric by training episodes: of the episodes themselves, or of any other
    name, such as `loss/value`.

    A row is the mean over the episodes `first` to `until` (exclusive) of one seed and agent, in
    the order they ended; `rows_per_chunk` and `evaluation.period` set the resolution.

    Args:
        run: a `Run`, its folder or its name in `runs_dir`.
        agent: such as "agent_3"; None for the mean over all agents.
        episodes: (a, b) keeps the rows with any of the episodes a to b - 1.

    Raises:
        ConfigError: for an unknown run, metric, agent or seed, or an invalid range of episodes.
    """
    folder = folder_of(run, runs_dir)
    name = ALIASES.get(metric, metric)
    if episodes is not None and not (len(episodes) == 2 and 0 <= episodes[0] < episodes[1]):
        raise ConfigError(
            f"episodes={episodes!r} must be a range (first, until) with 0 <= first < until."
        )
    folder.refuse_without_metrics("queried")
    with reading(folder.database) as store:
        _check_known(store, agent, seed)
        if name not in ALIASES.values() and not store.has_metric(name):
            close = did_you_mean(metric, [*ALIASES, *store.names()], 0.7, "choose one of")
            raise ConfigError(f"metric={metric!r} is not in this run{close}")
        rows = store.episodes(name, agent or "", episodes, seed)
        steps = store.steps_per_update()
    import pandas as pd

    table = pd.DataFrame(rows, columns=["update", "seed", "agent", "first", "until", "value"])
    table.insert(1, "env_steps", table["update"] * steps)
    return table


def _check_known(store: Store, agent: str | None, seed: int | None) -> None:
    seeds, agents = store.seeds_and_agents()
    if seed is not None and seed not in seeds:
        known = ", ".join(map(str, seeds)) or "no seed with metrics yet"
        raise ConfigError(f"seed={seed} is not in this run; it has {known}.")
    if agent and agent not in agents:
        known = ", ".join(name for name in agents if name) or "a single agent; leave agent out"
        raise ConfigError(f"agent={agent!r} is not in this run; it has {known}.")
