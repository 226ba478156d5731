"""Which states of a run become checkpoints, and which checkpoints stay."""

import math
import threading
import time
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from elsinore.config.build import as_dict
from elsinore.config.experiment import Experiment
from elsinore.host import checkpoints
from elsinore.host.checkpoints import config_digest, is_whole, listed, remove
from elsinore.host.versions import versions


class Keeper:
    """Decides what is saved when.

    The best of the run are kept in host memory until the next save, since an early policy is soon beaten; a
    kill in between loses none, for a resumed run does again what came after the latest checkpoint.
    """

    def __init__(self, folder: Path, experiment: Experiment, asked: threading.Event | None = None):
        self._folder, self._experiment, self._config = folder, experiment, experiment.checkpoints
        self._last_save, self._asked = time.monotonic(), asked or threading.Event()
        self._pending: dict[int, tuple[float, Any]] = {}  # update -> (score, state), of the best
        best = [c for c in listed(folder, ("best",)) if is_whole(c) and c.manifest.get("metric")]
        self._best = {c.update: c.manifest["metric"]["value"] for c in best}

    def has(self, kind: str, update: int) -> bool:
        return any(c.update == update for c in listed(self._folder, (kind,)))

    def consider(self, update: int, score: float) -> bool:
        """Whether a state with this score is among the best so far and should be offered."""
        if not self._config.best or not math.isfinite(score) or update in self._best:
            return False
        return len(self._best) < self._config.best or self._rank(score) > min(map(self._rank, self._best.values()))

    def offer(self, update: int, score: float, state: PyTree) -> None:
        """Keep a state that `consider` has approved; those it pushes out go."""
        self._best[update] = score
        self._pending[update] = (score, state)
        keep = sorted(self._best, key=lambda u: (self._rank(self._best[u]), u), reverse=True)[: self._config.best]
        self._best = {u: self._best[u] for u in keep}
        self._pending = {u: pending for u, pending in self._pending.items() if u in self._best}

    def _rank(self, score: float) -> float:
        return score if self._config.mode == "max" else -score

    def due(self) -> bool:
        """Whether the latest has waited long enough, or somebody has asked for it."""
        return self._asked.is_set() or time.monotonic() - self._last_save >= self._config.interval_seconds

    def save(self, kind: str, update: int, state: PyTree, score: float | None) -> Path:
        """The best first, so that none is older than the latest and missing; then this one."""
        self._asked.clear()
        for best_update, (best_score, best_state) in self._pending.items():
            checkpoints.save(self._folder, "best", best_state, self._manifest(best_update, best_score))
        self._pending = {}
        for old in listed(self._folder, ("best",)):
            if old.update not in self._best and old.update <= update:
                remove(old.path)
        path = checkpoints.save(self._folder, kind, state, self._manifest(update, score))
        if kind in ("latest", "emergency"):  # the one before it stays, to fall back on
            for old in listed(self._folder, ("latest", "emergency"))[2:]:
                remove(old.path)
        self._last_save = time.monotonic()
        return path

    def _manifest(self, update: int, score: float | None) -> dict[str, Any]:
        usable = score is not None and math.isfinite(score)
        return {
            "update": update,
            "metric": {"name": self._config.metric, "value": score} if usable else None,
            "config_sha256": config_digest(self._experiment),
            "config": as_dict(self._experiment),
            "versions": versions(),
        }
