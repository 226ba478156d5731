"""What a run told, asked for by agent, metric and episode.

    elsinore.query("runs/mine", agent="agent_0", metric="total_reward", episodes=(0, 100))

The same rows in SQL, from the run's metrics.sqlite:

    SELECT * FROM episodes WHERE agent = 'agent_0' AND name = 'episode/return' AND first < 100
"""

from pathlib import Path
from typing import Any

from elsinore.config.build import ConfigError
from elsinore.host.folder import RunFolder
from elsinore.host.result import Run
from elsinore.host.store import Store

ALIASES = {
    "total_reward": "episode/return",
    "return": "episode/return",
    "episode_length": "episode/length",
    "length": "episode/length",
    "survival": "episode/length",
}
COLUMNS = ["update", "env_steps", "seed", "agent", "first", "until", "value"]


def query(
    run: Any,
    *,
    metric: str = "total_reward",
    agent: str | None = None,
    episodes: tuple[int, int] | None = None,
    seed: int | None = None,
    runs_dir: str | Path = "runs",
) -> Any:
    """A pandas table of a metric of the episodes that training finished, a row for each row of metrics.

    A row is the mean over the episodes `first` to `until` (not included) of a seed's agent, in the order they ended;
    `rows_per_chunk` and `evaluation.period` say how fine rows are. `episodes=(a, b)` keeps the rows with any of the
    episodes a to b - 1. `run` is a run, its folder or its name; `agent` is "agent_3", or None for all together.

    Raises:
        ConfigError: for a run, a metric, an agent, a seed or a range of episodes that is not there.
    """
    folder = RunFolder.open(run.path if isinstance(run, Run) else run, Path(runs_dir))
    name = ALIASES.get(metric, metric)
    if name not in set(ALIASES.values()):
        raise ConfigError(f"metric={metric!r} is none of episodes; choose one of {', '.join(ALIASES)}.")
    if episodes is not None and not 0 <= episodes[0] < episodes[1]:
        raise ConfigError(f"episodes={episodes!r} must be a range (first, until) with 0 <= first < until.")
    store = Store(folder.database, read_only=True)
    try:
        _refuse_unknown(store, agent, seed)
        rows = store.episodes(name, agent or "", episodes, seed)
        steps = int(store.info()["steps_per_update"])
    finally:
        store.close()
    import pandas as pd

    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "env_steps"])
    table.insert(1, "env_steps", table["update"] * steps)
    return table


def _refuse_unknown(store: Store, agent: str | None, seed: int | None) -> None:
    seeds, agents = store.whose()
    if seed is not None and seed not in seeds:
        raise ConfigError(f"seed={seed} is not of this run; it has {', '.join(map(str, seeds)) or 'told of none yet'}.")
    if agent and agent not in agents:
        known = ", ".join(name for name in agents if name) or "a single agent; leave agent out"
        raise ConfigError(f"agent={agent!r} is not of this run; it has {known}.")
