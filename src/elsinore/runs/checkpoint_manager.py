"""The checkpoint manager: when a state is saved, and which checkpoints are kept."""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.experiment import Experiment
from elsinore.config.parse import as_dict
from elsinore.runs import checkpoints
from elsinore.runs.checkpoints import (
    config_digest,
    is_whole,
    list_checkpoints,
    remove_checkpoint,
    versions,
)
from elsinore.runs.control import Controls
from elsinore.runs.masks import masked
from elsinore.runs.pipeline import FinishedChunk
from elsinore.runs.store import StoreBehind
from elsinore.training.chunk import Schedule
from elsinore.training.replicas import layout_for
from elsinore.types import RunState

log = logging.getLogger("elsinore")


# A resumed run continues after what is saved, so what the store lacks by then it would always lack.
STORE_BEHIND = "checkpoint %s/%d is not written, since metrics.sqlite does not hold its chunk yet"
LAST_WAIT = 60.0  # seconds for the store to catch up when training has ended


class CheckpointManager:
    """Saves the newest state from time to time, the best states, and one when a run ends or fails.

    The best states are held in host memory until the next save, since an early policy is soon
    beaten; a kill in between loses none, for a resumed run computes again what came after its
    checkpoint. Nothing is saved before the store holds the metrics up to it.
    """

    def __init__(
        self,
        folder: Path,
        experiment: Experiment,
        controls: Controls | None = None,
        schedule: Schedule | None = None,
        fetch: Callable[[RunState], RunState] = lambda state: state,
        flush: Callable[..., bool] = lambda timeout, patient=False: True,
    ):
        """`fetch` brings a state to host memory; `flush(timeout, patient)` waits until the store
        has all, a patient one also while it fails."""
        self._folder, self._experiment, self._config = folder, experiment, experiment.checkpoints
        self._controls, self._schedule = controls or Controls(), schedule
        self._fetch, self._flush = fetch, flush
        self._last_save = time.monotonic()
        self._state: Any = None
        self._on_host: Any = None  # the same state in host memory, once it is fetched
        self.chunks, self._score, self._frozen = 0, float("nan"), False
        self._pending: dict[int, tuple[float, Any]] = {}  # update -> (score, state), of the best
        best = [
            c
            for c in list_checkpoints(folder, ("best",))
            if is_whole(c) and c.manifest.get("metric")
        ]
        self._best = {c.update: c.manifest["metric"]["value"] for c in best}

    # The newest state

    @property
    def _update(self) -> int:
        assert self._schedule is not None, "a manager that follows a run has its schedule"
        return self._schedule.updates_after(self.chunks)

    def hold_state(self, state: RunState, chunks: int) -> None:
        """`state` after `chunks` chunks is now the newest one."""
        self._state, self._on_host, self.chunks = state, None, chunks

    def _host_state(self) -> RunState:
        if self._on_host is None:
            self._on_host = self._fetch(self._state)
        return self._on_host

    def resume_from(self, state: RunState, chunks: int, score: float) -> None:
        """Begin with `state`; save what a kill may have left unsaved after a resumed chunk."""
        self.hold_state(state, chunks)
        self._score = score
        if chunks:
            self._save_due(saves_latest=False)

    def after_chunk(self, chunk: FinishedChunk, score: float) -> None:
        """Save what is due of the state after a chunk."""
        self.hold_state(chunk.state, chunk.index + 1)
        self._score, self._frozen = score, chunk.frozen
        self._save_due(saves_latest=not (chunk.last or chunk.frozen))

    def hold(self) -> float:
        """Wait while the run is paused, saving on request; returns the seconds waited."""
        return self._controls.hold(lambda: self._save_due(saves_latest=True))

    def conclude(self) -> tuple[RunState, bool]:
        """Save the final state: (state in host memory, whether the run was interrupted).

        Raises:
            StoreBehind: if the store cannot be written; nothing is saved beyond what it holds.
        """
        assert self._schedule is not None
        interrupted = (
            self._controls.stop.is_set()
            and self._update < self._schedule.num_updates
            and not self._frozen
        )
        kind, state = "emergency" if interrupted else "latest", self._host_state()
        if not self._flush(max(min(LAST_WAIT, self._controls.stop.seconds_left / 2), 5.0), True):
            raise StoreBehind(
                f"metrics.sqlite in {self._folder.parent} cannot be written, and lacks chunks up to"
                f" update {self._update}: the run is not finished. A resumed run computes them"
                " again, once the file can be written."
            )
        self.save(kind, self._update, state, self._score)
        return state, interrupted

    def save_emergency(self) -> None:
        """Save the newest state while an error is raised."""
        if not self._flush(10.0):
            log.error(STORE_BEHIND, "emergency", self._update)
            return
        path = self.save("emergency", self._update, self._host_state(), None)
        log.error("training failed; the state after update %d is saved in %s", self._update, path)

    def _save_due(self, saves_latest: bool) -> None:
        update, period = self._update, self._config.period
        kinds = []
        if period and self.chunks % period == 0 and not self.has("periodic", update):
            kinds.append("periodic")
        if saves_latest and self.due():
            kinds.append("latest")
        if self.consider(update, self._score):  # a copy: the device may take the memory back
            self.offer(update, self._score, jax.tree.map(np.array, self._host_state()))
        for kind in kinds:
            self._try_to_save(kind, update)

    def _try_to_save(self, kind: str, update: int) -> None:
        state = self._host_state()
        if not self._flush(30.0):
            log.warning(STORE_BEHIND, kind, update)
            return
        try:
            self.save(kind, update, state, self._score)
        except Exception as error:  # a full disk, mostly: the run is worth more than the checkpoint
            log.warning(
                "checkpoint %s/%d could not be written: %s; training continues", kind, update, error
            )

    # Which checkpoints there are

    def has(self, kind: str, update: int) -> bool:
        return any(c.update == update for c in list_checkpoints(self._folder, (kind,)))

    def consider(self, update: int, score: float) -> bool:
        """True for the score of a state that is among the best so far, and is to be offered."""
        if not self._config.best or not math.isfinite(score) or update in self._best:
            return False
        return len(self._best) < self._config.best or self._rank(score) > min(
            map(self._rank, self._best.values())
        )

    def offer(self, update: int, score: float, state: PyTree) -> None:
        """Hold a state among the best; those that are no longer among them are dropped."""
        self._best[update] = score
        self._pending[update] = (score, state)
        keep = sorted(self._best, key=lambda u: (self._rank(self._best[u]), u), reverse=True)[
            : self._config.best
        ]
        self._best = {u: self._best[u] for u in keep}
        self._pending = {u: pending for u, pending in self._pending.items() if u in self._best}

    def _rank(self, score: float) -> float:
        return score if self._config.mode == "max" else -score

    def due(self) -> bool:
        """True once `interval_seconds` have passed since the last save, or one was requested."""
        return (
            self._controls.save.is_set()
            or time.monotonic() - self._last_save >= self._config.interval_seconds
        )

    def save(self, kind: str, update: int, state: PyTree, score: float | None) -> Path:
        """Write the held best states, then this one; remove checkpoints that are no longer kept."""
        self._controls.save.clear()
        for best_update, (best_score, best_state) in self._pending.items():
            checkpoints.save(
                self._folder, "best", best_state, self._manifest(best_update, best_score)
            )
        self._pending = {}
        for old in list_checkpoints(self._folder, ("best",)):
            if old.update not in self._best and old.update <= update:
                remove_checkpoint(old.path)
        path = checkpoints.save(self._folder, kind, state, self._manifest(update, score))
        if kind in ("latest", "emergency"):  # the one before it stays, to fall back on
            found = list_checkpoints(self._folder, ("latest", "emergency"))
            for old in [c for c in found if c.update <= update][2:]:
                remove_checkpoint(old.path)
        self._last_save = time.monotonic()
        return path

    def _manifest(self, update: int, score: float | None) -> dict[str, Any]:
        usable = score is not None and math.isfinite(score)
        return {
            "update": update,
            "metric": {"name": self._config.metric, "value": score} if usable else None,
            "config_sha256": config_digest(self._experiment),
            "config": masked(as_dict(self._experiment)),
            "versions": versions(),
            "layout": layout_for(self._experiment.replicas, self._experiment.layout).described(),
        }
