"""Record replays of a run during training, in a background worker with a limited share of the time.

The first and the last policy are recorded in any case; between them a recording starts once `share`
of the elapsed time covers its expected time. Recording does not change the training, which waits
only for a copy of one policy. Of several processes the first decides and records; the others bring
their parts of the policy (`ReplayFollower`).
"""

import threading
import time
from typing import Any

import numpy as np
from jaxtyping import PyTree

from elsinore.config.plan import Plan
from elsinore.config.schedule import max_steps_of
from elsinore.jaxtools import processes
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.runs.replays.player import (
    EpisodePlayer,
    episode_key,
    episode_player_for,
    params_of_each,
)
from elsinore.runs.run_dir import RunDir
from elsinore.runs.workers import BackgroundWorker
from elsinore.training.turns import Turns, replica_of

FIRST_SECONDS = 1.5  # the expected time of the first recording, which compiles
WAITING = 100  # policies at most that wait to be recorded
DUE = "whether an episode is recorded"


class ReplayFollower:
    """The steps of `ReplayWorker` in the processes beside the first."""

    def __init__(self, plan: Plan):
        self._plan, self._config = plan, plan.experiment.replays

    @property
    def _between(self) -> bool:
        return self._config.share > 0 or self._config.period != 0

    @property
    def _ends(self) -> bool:
        return self._config.ends and self._config.share > 0

    def offer(self, states: Turns, passed: bool = False) -> None:
        """Bring a part of the policy after a chunk, if a recording is due: where a period has
        `passed`, or there is time for one."""
        if self._between and processes.agreed(passed or self._has_time(), DUE):
            self._take(states)

    def offer_end(self, states: Turns) -> None:
        """Bring a part of the policy before or after the training, if that is recorded."""
        if self._ends:
            self._take(states)

    def _has_time(self) -> bool:
        return False  # the first process knows

    def _take(self, states: Turns) -> tuple[int, int, Any, PyTree]:
        """The policy of the seed to show: its index, its update, its state and its env's."""
        i = self._config.seed_index
        parts = [(t.train.update, t.train.policy_state, t.train.env_params) for t in states]
        update, policy_state, params = replica_of(parts, i)
        return i, int(update), policy_state, self._plan.shown_in(params)


class ReplayWorker(ReplayFollower):
    """Records an episode of the newest policy when there is time for one."""

    def __init__(self, folder: RunDir, plan: Plan):
        super().__init__(plan)
        self._folder = folder.replays
        self._began, self._last = time.monotonic(), -np.inf
        self._spent, self._expected = 0.0, FIRST_SECONDS
        self._busy, self._recorded_update = threading.Event(), -1
        self._player: EpisodePlayer | None = None
        self._worker = None
        if self._between:
            loss = "the newest episode is not recorded"
            self._worker = BackgroundWorker(
                "replays", self._record, retry=False, capacity=WAITING, loss=loss
            )

    def _take(self, states: Turns) -> tuple[int, int, Any, PyTree]:
        """Copy one seed's policy, and let the worker record it."""
        item = super()._take(states)
        update = item[1]
        self._last = time.monotonic()
        if update != self._recorded_update:  # the policy of a frozen seed does not change
            assert self._worker is not None, "there is a worker where episodes are recorded"
            self._busy.set()
            self._recorded_update = update
            self._worker.put(item)
        return item

    def close(self, timeout: float = 10.0) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.finish(timeout)

    def _has_time(self) -> bool:
        """True if the expected time of a recording fits into the share of the elapsed time."""
        now = time.monotonic()
        if (
            self._config.share == 0
            or self._busy.is_set()
            or now - self._last < self._config.every_seconds
        ):
            return False
        return self._spent + self._expected <= self._config.share * (now - self._began)

    def _record(self, item: tuple[int, int, Any, PyTree]) -> None:
        i, update, policy_state, params = item
        began = time.monotonic()
        try:
            replay = self._play(self._plan.experiment.seed + i, update, policy_state, params)
            replays.write(replays.path_for(self._folder, replay), replay)
            replays.thin(self._folder, self._config.keep)
        finally:
            self._expected = time.monotonic() - began
            self._spent += self._expected
            self._busy.clear()

    def _play(
        self, seed: int, update: int, policy_state: Any, params: PyTree
    ) -> episode_recording.EpisodeRecording:
        plan, experiment = self._plan, self._plan.experiment
        greedy = experiment.evaluation.greedy
        if self._player is None:
            longest = min(max_steps_of(experiment, plan.env_params), self._config.max_steps)
            self._player = episode_player_for(plan, longest, greedy, self._config.observations)
        film = self._player(policy_state, params, episode_key(seed, update))
        about = episode_recording.provenance(
            experiment, self._folder.parent.name, seed, update, plan.steps_per_update, greedy
        )
        return episode_recording.recording_of(film, params_of_each(plan.env, params), about)
