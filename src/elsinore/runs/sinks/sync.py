"""The sinks of a run, and the completion of those that a kill left incomplete.

`info.sinks_done` names the sinks that were closed since the last session; older runs lack it.
"""

import contextlib
import logging
from pathlib import Path
from typing import Any

from elsinore.config.experiment import Experiment
from elsinore.config.extras import has_extra
from elsinore.config.mappings import dotted
from elsinore.config.parse import as_dict
from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ConfigError, one_line, quoted
from elsinore.runs.members import facts_of_replicas
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.jsonl import JSONLinesSink
from elsinore.runs.sinks.mlflow import MLflowSink
from elsinore.runs.sinks.remote import RemoteSink
from elsinore.runs.sinks.tensorboard import TensorBoardSink
from elsinore.runs.sinks.wandb import WandbSink
from elsinore.runs.store.store import Store, reading, refused_if_broken
from elsinore.runs.trust.redaction import redacted
from elsinore.runs.trust.signature import is_own
from elsinore.runs.trust.trust import Trust, refuse_to_send
from elsinore.runs.workers import Sink

log = logging.getLogger("elsinore")
UP_TO_DATE = "up to date"


def sinks_of(folder: RunDir, experiment: Experiment, run_id: str, steps: int) -> list[Sink]:
    """The sinks that the config enables; `steps` are the env steps of an update."""
    database, on, agents = folder.database, experiment.sinks, experiment.agents.names
    sinks: list[Sink] = []
    if on.jsonl:
        sinks.append(JSONLinesSink(folder.jsonl, database, steps))
    if on.tensorboard and not has_extra("tensorboard"):
        log.info("no TensorBoard files: pip install 'elsinore[tensorboard]' adds them")
    elif on.tensorboard:
        sinks.append(TensorBoardSink(folder.tensorboard, database, steps))
    if on.mlflow.enabled:
        settings, replicas = settings_by_name(experiment), facts_of_replicas(experiment)
        sinks.append(MLflowSink(on.mlflow, folder, run_id, settings, replicas, steps, agents))
    if on.wandb.enabled:
        settings = redacted(as_dict(experiment)) | {"algorithms": experiment.algorithms}
        sinks.append(WandbSink(on.wandb, folder, run_id, settings, agents))
    if on.remote.url is not None:  # the last, for it sends what others write
        sinks.append(RemoteSink(on.remote, folder))
    return sinks


def settings_by_name(experiment: Experiment) -> dict[str, Any]:
    """The settings by dotted name, without secrets, and the names of all algorithms. Of a list of
    agents its names, and those settings of each that are not as in `algo`, named like its metrics:
    `bob/algo.gamma`."""
    found = dotted(redacted(as_dict(experiment))) | {"algorithms": experiment.algorithms}
    agents, of_all = found["agents.each"], dict(found)
    if agents:
        found["agents.each"] = [agent["id"] for agent in agents]
    for agent in agents:
        for name, value in dotted(agent["algo"], "algo.").items():
            if name not in of_all or of_all[name] != value:
                found[f"{agent['id']}/{name}"] = value
    return found


def record_done(database: Path, names: list[str]) -> None:
    """Add sinks to `info.sinks_done`."""
    with contextlib.closing(Store(database)) as store:
        done = (store.info().get("sinks_done") or "").split(", ")
        store.describe(sinks_done=", ".join(filter(None, dict.fromkeys([*done, *names]))))


def finish_sinks(
    folder: RunDir, only_recorded: bool = False, trust: Trust = False
) -> dict[str, str]:
    """Bring the sinks that were not closed up to the store, with the run locked: the outcome of
    each, `up to date` or the error.

    Args:
        only_recorded: leave out runs that do not record which sinks were closed (older ones).
        trust: send data where the run says, though this user did not make it.

    Raises:
        BrokenStore: if metrics.sqlite cannot be used.
        ConfigError: if the run has no metrics, another process trains it, or it sends data
            elsewhere and is neither this user's nor trusted.
    """
    folder.refuse_without_metrics("synced")
    with reading(folder.database) as store:
        info, has_chunks = store.info(), bool(store.chunks())
    for fact in ("run_id", "steps_per_update"):
        if fact not in info and has_chunks:
            remedy = f"`elsinore repair {quoted(folder.path)}` gives it one"
            raise ConfigError(f"{folder.database} has no {fact}; {remedy}.")
        if fact not in info:
            raise ConfigError(f"{folder.database} is empty; resume the run first.")
    experiment, done = folder.recorded(), info.get("sinks_done")
    if only_recorded and done is None:
        return {}
    sinks = sinks_of(folder, experiment, info["run_id"], info["steps_per_update"])
    pending = [sink for sink in sinks if sink.name not in (done or "").split(", ")]
    if not pending:
        return {}
    if not is_own(folder.config):
        refuse_to_send(read_yaml(folder.config), folder.config, trust)
    folder.lock()
    try:
        outcomes = {sink.name: _outcome_of(sink) for sink in pending}
        with refused_if_broken(folder.database):
            record_done(folder.database, [n for n, how in outcomes.items() if how == UP_TO_DATE])
    finally:
        folder.unlock()
    return outcomes


def _outcome_of(sink: Sink) -> str:
    try:
        sink.open()
        with contextlib.closing(sink):
            sink.catch_up()
    except Exception as error:
        text = redacted(one_line(error, 300))
        log.warning("%s failed: %s: %s", sink.name, type(error).__name__, text)
        return f"{type(error).__name__}: {text}"
    log.info("%s is up to date", sink.name)
    return UP_TO_DATE
