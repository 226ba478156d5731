"""Weights & Biases: one run there for one here, told each chunk's means.

The mean over seeds has a metric's own name, a seed's value `seed_3/` before it. Its step is the number of updates, and
what it is drawn against is `env_steps`.
"""

import importlib.util
import json
import math
from bisect import bisect_right
from collections import defaultdict
from typing import Any

import numpy as np

from elsinore.config.build import ConfigError
from elsinore.config.experiment import Experiment, WandbConfig
from elsinore.host.folder import RunFolder
from elsinore.host.store import Row, Store


def refuse_if_absent(experiment: Experiment) -> None:
    """Raises:
    ConfigError: where the sink is wanted and its library is not there."""
    if experiment.sinks.wandb.enabled and importlib.util.find_spec("wandb") is None:
        raise ConfigError("sinks.wandb.enabled=true needs a library that is not installed; pip install "
                          "'elsinore[wandb]', or leave the sink out.")  # fmt: skip


class WandbSink:
    name = "Weights & Biases"
    every = 15.0

    def __init__(self, config: WandbConfig, folder: RunFolder, run_id: str, facts: dict[str, Any]):
        self._config, self._folder, self._run_id, self._facts = config, folder, run_id, facts

    def open(self) -> None:
        """Begin the run, or go on with the one that this run began earlier."""
        import wandb

        settings = wandb.Settings(console="off", silent=True, x_disable_stats=True)  # the terminal is the run's
        self._run = wandb.init(
            project=self._config.project, entity=self._config.entity, mode=self._config.mode, id=self._run_id,
            name=self._folder.name, resume="allow", config=self._facts, dir=str(self._folder.path),
            reinit="create_new", settings=settings,
        )  # fmt: skip
        self._run.define_metric("*", step_metric="env_steps")
        self._told = self._run.step - 1  # the last update it has: of a run resumed online, more than none
        self._store = Store(self._folder.database, read_only=True)

    def catch_up(self) -> None:
        """Each chunk that it has not been told: one call, under the number of updates at the chunk's end."""
        rows = self._store.rows(self._told)
        for update, env_steps, _, _, speed in self._store.chunks():
            if update > self._told:
                end = bisect_right(rows, update, key=lambda row: row.update)
                told = means_of(rows[:end]) | {"env_steps": env_steps, "steps_per_second": speed}
                self._run.log(told, step=update)
                self._told, rows = update, rows[end:]

    def close(self) -> None:
        """What came of it, and the policy as an artifact."""
        folder = self._folder
        summary = json.loads(folder.summary.read_text()) if folder.summary.exists() else {}
        if summary:
            self._run.summary.update(
                {"stopped_by": summary["stopped_by"], "final/return": summary["eval_return"]["mean"]}
            )
        if folder.policy.exists():
            self._run.log_artifact(str(folder.policy), name=f"policy-{self._run_id}", type="model")
        self._run.finish(exit_code=0 if summary else 1)
        self._store.close()


def means_of(rows: list[Row]) -> dict[str, float]:
    """Of one chunk: each seed's mean of each metric, and their mean over seeds; of what is finite."""
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if math.isfinite(row.value):
            values[f"{row.agent}/{row.name}" if row.agent else row.name][row.seed].append(row.value)
    told = {}
    for name, by_seed in values.items():
        means = {seed: float(np.mean(found)) for seed, found in by_seed.items()}
        told |= {f"seed_{seed}/{name}": mean for seed, mean in means.items()}
        told[name] = float(np.mean(list(means.values())))
    return told
