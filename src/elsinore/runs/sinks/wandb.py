"""Weights & Biases: one run there for each run here, with the means of each chunk.

The mean over seeds (of a population those of its best member) has the metric's name, the value of a
seed the prefix `seed_3/`. The step is the number of updates; the x axis is `env_steps`.
"""

import contextlib
import math
from collections.abc import Sequence
from typing import Any

from elsinore.config.experiment import Experiment
from elsinore.config.extras import require
from elsinore.config.sinks import WandbConfig
from elsinore.errors import on_error
from elsinore.runs.files.plain_files import may_be_sent
from elsinore.runs.records import Row
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.seed_means import SeedMeans, StoredSeedMeans, by_metric
from elsinore.runs.sinks.session_end import end_of
from elsinore.runs.store.store import Store
from elsinore.runs.summary import means_of_finals, read_summary


def refuse_if_absent(experiment: Experiment) -> None:
    """Refuse an experiment with this sink if its library is missing.

    Raises:
        ConfigError: with the command that installs it.
    """
    if experiment.sinks.wandb.enabled:
        require("wandb", "sinks.wandb.enabled=true", "set it to false")


class WandbSink:
    name = "Weights & Biases"
    every = 15.0

    def __init__(
        self,
        config: WandbConfig,
        folder: RunDir,
        run_id: str,
        facts: dict[str, Any],
        agents: Sequence[str] = (),
    ):
        self._config, self._folder, self._run_id, self._facts = config, folder, run_id, facts
        self._agents = agents

    def open(self) -> None:
        """Start the run there, or resume it."""
        self._store = Store(self._folder.database, read_only=True)
        with on_error(self._store.close):  # after which this is tried again
            self._begin()

    def _begin(self) -> None:
        import wandb

        # no output in the run's terminal
        settings = wandb.Settings(console="off", silent=True, x_disable_stats=True)
        self._run = wandb.init(
            project=self._config.project,
            entity=self._config.entity,
            mode=self._config.mode,
            id=self._run_id,
            name=self._folder.name_in_runs_dir,
            resume="allow",
            config=self._facts,
            notes=self._facts.get("description") or None,
            tags=self._facts.get("tags") or None,
            dir=str(self._folder.path),
            reinit="create_new",
            settings=settings,
        )
        self._run.define_metric("*", step_metric="env_steps")
        self._means = StoredSeedMeans(self._store)
        self._logged = self._run.step - 1  # the last update there, also before a resume

    def catch_up(self) -> None:
        """Log each new chunk in one call, at the number of updates at its end."""
        for update, env_steps, _, _, speed in self._store.chunks(self._logged):
            rows = self._store.rows(self._logged, until=update)
            means = means_of(rows, self._means.at(update))
            means |= {"env_steps": env_steps, "steps_per_second": speed}
            self._run.log(means, step=update)
            self._logged = update

    def close(self) -> None:
        """Log the summary, and the policy as an artifact."""
        with contextlib.closing(self._store):
            self._finish()

    def _finish(self) -> None:
        folder = self._folder
        summary = read_summary(folder.summary)
        if summary:
            finals = means_of_finals(summary, self._agents)
            self._run.summary.update({"stopped_by": summary["stopped_by"]} | finals)
        if may_be_sent(folder.policy, folder.path):
            self._run.log_artifact(str(folder.policy), name=f"policy-{self._run_id}", type="model")
        failed = end_of(summary, self._store.info()) == "failed"
        self._run.finish(exit_code=int(failed))


def means_of(rows: list[Row], over_seeds: SeedMeans) -> dict[str, float]:
    """Means of one chunk's finite values: of each metric for each seed, and over seeds."""
    means = {}
    for name, per_seed in by_metric(row for row in rows if math.isfinite(row.value)).items():
        means |= {f"seed_{seed}/{name}": mean for seed, mean in per_seed.items()}
        mean = over_seeds.of(name, per_seed)
        means |= {} if mean is None else {name: mean}
    return means
