"""The best states of a run: which they are, and those that are not written yet."""

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from elsinore.config.experiment import CheckpointsConfig
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.directory import is_whole, list_checkpoints, remove_checkpoint


class BestStates:
    """The best states by their scores, of which the newer ones are held in host memory until the
    next save, since an early policy is soon beaten.

    A kill in between loses none: a resumed run computes again what came after its checkpoint.
    """

    def __init__(self, folder: Path, config: CheckpointsConfig):
        self._folder, self._config = folder, config
        self._lock = threading.Lock()  # training adds states, and the writer's thread takes them
        self.held: dict[int, tuple[float, Any]] = {}  # update -> (score, state)
        written = (c for c in list_checkpoints(folder, ("best",)) if is_whole(c))
        self._scores = self._best_of(  # by update, of those that are written too
            {c.update: c.manifest["metric"]["value"] for c in written if c.manifest.get("metric")}
        )

    def consider(self, update: int, score: float) -> bool:
        """True for the score of a state that is among the best so far, and is to be offered."""
        if not self._config.best or not math.isfinite(score) or update in self._scores:
            return False
        return len(self._scores) < self._config.best or self._rank(score) > min(
            map(self._rank, self._scores.values())
        )

    def offer(self, update: int, score: float, state: PyTree) -> None:
        """Hold a state among the best; those that are no longer among them are dropped."""
        with self._lock:
            self._scores = self._best_of(self._scores | {update: score})
            self.held[update] = (score, state)
            self.held = {u: x for u, x in self.held.items() if u in self._scores}

    def write(self, update: int, manifest_of: Callable[[int, float], dict[str, Any]]) -> None:
        """Write the held states up to `update`, each with the manifest of its update and score, and
        remove checkpoints up to there that are no longer among the best; states that cannot be
        written are held on."""
        with self._lock:
            now = {u: held for u, held in self.held.items() if u <= update}
        for best_update, (score, state) in now.items():
            checkpoints.save(self._folder, "best", state, manifest_of(best_update, score))
        with self._lock:
            self.held = {u: x for u, x in self.held.items() if u not in now}
        for old in list_checkpoints(self._folder, ("best",)):
            if old.update not in self._scores and old.update <= update:
                remove_checkpoint(old.path)

    def _best_of(self, scores: dict[int, float]) -> dict[int, float]:
        """The best of these scores, as many as are kept: a kill before the others were removed
        leaves more."""
        keep = sorted(scores, key=lambda u: (self._rank(scores[u]), u), reverse=True)
        return {u: scores[u] for u in keep[: self._config.best]}

    def _rank(self, score: float) -> float:
        return score if self._config.mode == "max" else -score
