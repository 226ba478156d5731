"""The checkpoint manager: when a state is saved, and which checkpoints are kept."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.experiment import Experiment
from elsinore.config.parse import as_dict
from elsinore.errors import one_line
from elsinore.jaxtools import processes
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.best_states import BestStates
from elsinore.runs.checkpoints.buffers import WITHOUT, has_buffers, without_buffers
from elsinore.runs.checkpoints.directory import list_checkpoints, remove_checkpoint
from elsinore.runs.checkpoints.manifest import config_digest, versions_of
from elsinore.runs.control import Controls
from elsinore.runs.failures import ended_how, limit_reached
from elsinore.runs.pipeline import FinishedChunk
from elsinore.runs.profile import phase
from elsinore.runs.store.store import StoreBehind
from elsinore.runs.store.waits import StoreWaits
from elsinore.runs.trust.redaction import redacted
from elsinore.training.schedule import Schedule
from elsinore.types import RunState

log = logging.getLogger("elsinore")


# A resumed run continues after what is saved, so what the store lacks by then it would always lack.
STORE_BEHIND = "checkpoint %s/%d is not written, since metrics.sqlite does not hold its chunk yet"
WRITTEN_BEHIND = 16 * 2**20  # bytes; smaller states are written at once, in milliseconds
DUE = "what is to be saved"
LAST_WAIT = 60.0  # seconds for the store to catch up when training has ended
PAUSE_WAIT = 5.0  # the same before a run says that it is paused


class CheckpointManager:
    """Saves the newest state from time to time, the best states, and one when a run ends or fails.

    The best states (`BestStates`) are held and written without replay buffers, unless
    `checkpoints.best_buffers`: so one takes the memory of a policy and its optimiser, and no run
    continues from it. Nothing is saved before the store holds the metrics up to it.

    A state of `WRITTEN_BEHIND` bytes or more is copied to host memory and written by a thread while
    training continues. There is one such copy at most: a save that is due while it is written waits
    for a later chunk, one with a fixed chunk (`checkpoints.period`) for the thread.
    """

    def __init__(
        self,
        folder: Path,
        experiment: Experiment,
        controls: Controls | None = None,
        schedule: Schedule | None = None,
        fetch: Callable[[Any], RunState] = lambda state: jax.tree.map(np.array, state),
        flush: Callable[..., bool] = lambda timeout, patient=False: True,
        store_works: Callable[[], bool] = lambda: True,
        **facts: Any,
    ):
        """`fetch` copies a state to host memory, since devices take theirs back; `flush` and
        `store_works` are those of `StoreWaits`; `facts` of the run are written into each manifest,
        unless they are empty."""
        self._folder, self._experiment, self._config = folder, experiment, experiment.checkpoints
        self._versions = versions_of(
            experiment
        )  # of the code as it is imported, not as it is saved
        self._controls, self._schedule = controls or Controls(), schedule
        self._fetch, self._store = fetch, StoreWaits(flush, store_works)
        self._facts = {name: fact for name, fact in facts.items() if fact}
        self._last_save, self._failing = time.monotonic(), False
        self._held: deque[float] = deque(maxlen=9)  # seconds for which a save held the training
        self._state: Any = None
        self._best_is_bare = False  # True if best states are held without replay buffers
        self._on_host: Any = None  # the same state in host memory, once it is fetched
        self.chunks, self._score = 0, float("nan")
        self._passed = False  # the period of periodic checkpoints, which is not in chunks
        self.asked_to_save = False  # by a callback
        self._writer = ThreadPoolExecutor(1, "elsinore-checkpoints")
        self._writing: Future | None = None
        self.best = BestStates(folder, self._config)

    # The newest state

    @property
    def _update(self) -> int:
        assert self._schedule is not None, "a manager that follows a run has its schedule"
        return self._schedule.updates_after(self.chunks)

    def hold_state(self, state: Any, chunks: int) -> None:
        """`state` after `chunks` chunks is now the newest one."""
        self._state, self._on_host, self.chunks = state, None, chunks
        self._best_is_bare = has_buffers(state) and not self._config.best_buffers

    def _host_state(self) -> RunState:
        if self._on_host is None:
            with phase("fetch"):
                self._on_host = self._fetch(self._state)
        return self._on_host

    def _best_state(self) -> RunState:
        """The newest state as a best checkpoint has it, in host memory."""
        if self._best_is_bare and self._on_host is None:
            with phase("fetch"):
                return self._fetch(without_buffers(self._state))
        state = self._host_state()
        return without_buffers(state) if self._best_is_bare else state

    def resume_from(self, state: Any, chunks: int, score: float, passed: bool = False) -> None:
        """Begin with `state`; save what a kill may have left unsaved after a resumed chunk."""
        self.hold_state(state, chunks)
        self._score, self._passed = score, passed
        if chunks:
            self._save_due(saves_latest=False)

    def after_chunk(self, chunk: FinishedChunk, score: float, passed: bool = False) -> None:
        """Save what is due of the state after a chunk, in which a period that is no number of
        chunks has `passed`."""
        self.hold_state(chunk.state, chunk.index + 1)
        self._score, self._passed = score, passed
        self._save_due(saves_latest=not (chunk.last or chunk.frozen))

    def hold(self) -> tuple[float, bool]:
        """Wait while the run is paused, saving on request: the seconds waited, and whether to
        stop. Before the run says that it is paused, the store holds its last chunk, unless it
        cannot be written."""

        def save() -> None:
            self.wait()
            self._save_due(saves_latest=True)

        return self._controls.hold(save, before_pause=lambda: self._store.flush(PAUSE_WAIT))

    def conclude(self, ended: bool) -> tuple[RunState, bool]:
        """Save the final state: (state in host memory, whether the run was interrupted). A run that
        has `ended` before its budget in env steps was not.

        Raises:
            StoreBehind: if the store cannot be written; nothing is saved beyond what it holds.
        """
        assert self._schedule is not None
        self.wait()
        interrupted = (
            self._controls.stop.is_set() and self._update < self._schedule.num_updates and not ended
        )
        kind, state = "emergency" if interrupted else "latest", self._host_state()
        wait = LAST_WAIT if self._experiment.on_full_disk == "wait" else 0.0
        if not self._store.at_the_end(wait, self._controls.stop, patient=True):
            raise StoreBehind(
                f"metrics.sqlite in {self._folder.parent} cannot be written, and lacks chunks up to"
                f" update {self._update}: the run is not finished. A resumed run computes them"
                " again, once the file can be written."
            )
        self.save(kind, self._update, state, self._score)
        return state, interrupted

    def save_emergency(self) -> None:
        """Save the newest state while an error is raised."""
        self.wait()
        if not self._store.at_the_end(10.0, self._controls.stop):
            log.error(STORE_BEHIND, "emergency", self._update)
            return
        path = self.save("emergency", self._update, self._host_state(), None)
        log.error("%s; the state after update %d is saved in %s", ended_how(), self._update, path)

    def _save_due(self, saves_latest: bool) -> None:
        update, period, kinds = self._update, self._config.period, []
        whole = not isinstance(period, str) and period and self.chunks % period == 0
        if (whole or self._passed) and not self.has("periodic", update):
            kinds.append("periodic")
        if saves_latest and self.due():
            kinds.append("latest")
        if self._is_writing and kinds == ["latest"]:
            kinds = []  # still due after the next chunk
        if kinds and self._store.fails():
            kinds = []  # likewise, and not worth fetching a state
        kinds, best = processes.agreed([kinds, self.best.consider(update, self._score)], DUE)
        if kinds:
            self.wait()
        began = time.monotonic()
        if kinds:
            self._host_state()  # whole, by all processes, also for a best one
        if best:
            self.best.offer(update, self._score, self._best_state())
        if not kinds:
            return
        if "latest" in kinds:  # a request that comes later is for a later state
            self._controls.save.clear()
            self.asked_to_save = False
        self._save_or_submit(kinds, update)
        self._held.append(time.monotonic() - began)

    def _save_or_submit(self, kinds: list[str], update: int) -> None:
        if sum(getattr(x, "nbytes", 0) for x in jax.tree.leaves(self._state)) >= WRITTEN_BEHIND:
            task = self._try_to_save_all, kinds, update, self._host_state(), self._score
            self._writing = self._writer.submit(*task)
        else:
            self._try_to_save_all(kinds, update, self._host_state(), self._score)

    @property
    def _is_writing(self) -> bool:
        return self._writing is not None and not self._writing.done()

    def wait(self) -> None:
        """Wait until a state that is being written is on the disk."""
        if self._writing is not None:
            self._writing.result()

    def close(self) -> None:
        """End the thread that writes, once it has written."""
        self._writer.shutdown()

    def _try_to_save_all(self, kinds: list[str], update: int, state: PyTree, score: float) -> None:
        for kind in kinds:
            self._try_to_save(kind, update, state, score)

    def _try_to_save(self, kind: str, update: int, state: PyTree, score: float) -> None:
        """Save, unless the store is behind; a failure is logged once."""
        if not self._store.before_a_save():
            self._tell(STORE_BEHIND, kind, update)
            self.asked_to_save |= kind == "latest"  # which is still due
            return
        try:
            self.save(kind, update, state, score)
        except Exception as error:  # a full disk, mostly: the run is worth more than the checkpoint
            text = "checkpoint %s/%d could not be written: %s; training continues"
            why = limit_reached(error) or one_line(error, 300)
            self._tell(text, kind, update, why)
            self._last_save = time.monotonic()  # the next attempt is no sooner than a save
        else:
            if self._failing:
                log.info("checkpoints can be written again")
            self._failing = False

    def _tell(self, text: str, *values: Any) -> None:
        if not self._failing:
            log.warning(text, *values)
        self._failing = True

    # Which checkpoints there are

    def has(self, kind: str, update: int) -> bool:
        return any(c.update == update for c in list_checkpoints(self._folder, (kind,)))

    def due(self) -> bool:
        """True once the interval has passed since the last save, or one was requested."""
        return (
            self._controls.save.is_set()
            or self.asked_to_save
            or time.monotonic() - self._last_save >= self._interval
        )

    @property
    def _interval(self) -> float:
        """Seconds between two saves: as set, or sqrt(2 C M), with the seconds C for which a save
        holds the training and M between failures (Young 1974, "A first order approximation to the
        optimum checkpoint interval")."""
        if self._config.mtbf_hours is None or not self._held:
            return self._config.interval_seconds
        return math.sqrt(2 * median(self._held) * 3600 * self._config.mtbf_hours)

    def save(self, kind: str, update: int, state: PyTree, score: float | None) -> Path:
        """Write the held best states, then this one; remove checkpoints that are no longer kept."""
        self.best.write(update, self._best_manifest)
        path = checkpoints.save(self._folder, kind, state, self._manifest(update, score))
        self._remove_all_but_newest(("latest", "emergency"), self._config.latest, update)
        self._remove_all_but_newest(("periodic",), self._config.periodic, update)
        self._last_save = time.monotonic()
        return path

    def _remove_all_but_newest(self, kinds: tuple[str, ...], keep: int | None, update: int) -> None:
        """Remove checkpoints of these kinds up to `update`, all but `keep` of them."""
        found = [c for c in list_checkpoints(self._folder, kinds) if c.update <= update]
        for old in found[keep:] if keep else ():
            remove_checkpoint(old.path)

    def _best_manifest(self, update: int, score: float) -> dict[str, Any]:
        without = {"without": WITHOUT} if self._best_is_bare else {}
        return self._manifest(update, score) | without

    def _manifest(self, update: int, score: float | None) -> dict[str, Any]:
        usable = score is not None and math.isfinite(score)
        return {
            "update": update,
            "metric": {"name": self._config.metric, "value": score} if usable else None,
            "config_sha256": config_digest(self._experiment),
            "config": redacted(as_dict(self._experiment)),
            "versions": self._versions,
            **self._facts,
        }
