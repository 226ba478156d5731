"""Record replays of a run during training, in a background worker with a limited share of the time.

A short run records none: the first recording starts once `share` of the elapsed time covers its
expected compile time. Recording does not change the training, which waits only for a copy of one
policy.
"""

import threading
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.plan import Plan, max_steps_of
from elsinore.runs import replays
from elsinore.runs.episode_player import (
    EpisodePlayer,
    episode_key,
    episode_player_for,
    params_of_each,
)
from elsinore.runs.run_dir import RunDir
from elsinore.runs.workers import BackgroundWorker
from elsinore.types import RunState

FIRST_SECONDS = 1.5  # the expected time of the first recording, which compiles


class ReplayWorker:
    """Records an episode of the newest policy when there is time for one."""

    def __init__(self, folder: RunDir, plan: Plan):
        self._folder, self._plan, self._config = folder.replays, plan, plan.experiment.replays
        self._began, self._last = time.monotonic(), -np.inf
        self._spent, self._expected = 0.0, FIRST_SECONDS
        self._busy, self._recorded_update = threading.Event(), -1
        self._player: EpisodePlayer | None = None
        self._worker = None
        if self._config.share > 0:
            self._worker = BackgroundWorker("replays", self._record, retry=False, capacity=1)

    def offer(self, states: RunState) -> None:
        """Copy one seed's policy from the states after a chunk, [replica, ...] each, if a recording
        is due."""
        if self._worker is None or not self._due():
            return
        i = min(self._config.seed_index, self._plan.experiment.replicas - 1)
        train = states.train
        update = int(np.asarray(train.update)[i])
        if update != self._recorded_update:  # the policy of a frozen seed does not change
            self._busy.set()
            self._last, self._recorded_update = time.monotonic(), update
            policy_state, params = jax.tree.map(
                lambda x: np.array(np.asarray(x)[i]), (train.policy_state, train.env_params)
            )
            self._worker.put((i, update, policy_state, self._plan.shown_in(params)))

    def close(self, timeout: float = 10.0) -> None:
        if self._worker is not None:
            self._worker.finish(timeout)

    def _due(self) -> bool:
        """True if the expected time of a recording fits into the share of the elapsed time."""
        now = time.monotonic()
        if self._busy.is_set() or now - self._last < self._config.every_seconds:
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
    ) -> replays.EpisodeRecording:
        plan, experiment = self._plan, self._plan.experiment
        greedy = experiment.evaluation.greedy
        if self._player is None:
            longest = min(max_steps_of(experiment, plan.env_params), self._config.max_steps)
            self._player = episode_player_for(plan, longest, greedy)
        film = self._player(policy_state, params, episode_key(seed, update))
        about = replays.provenance(
            experiment, self._folder.parent.name, seed, update, plan.steps_per_update, greedy
        )
        return replays.recording_of(film, params_of_each(plan.env, params), about)
