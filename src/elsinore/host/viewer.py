"""Replays of a run while it trains: now and then an episode of the newest policy, in what time can be spared.

A short run makes none: its first chance comes once `share` of the time gone is what compiling is expected to take.
Nothing here changes the training, or keeps it waiting for more than a copy of one policy.
"""

import logging
import threading
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.plan import Plan, max_steps_of
from elsinore.host import replays
from elsinore.host.couriers import Courier
from elsinore.host.folder import RunFolder
from elsinore.host.recorder import Recorder, episode_key, params_of_each, recorder_for
from elsinore.types import RunState

log = logging.getLogger("elsinore")
COMPILING = 1.5  # seconds that the first recording is expected to take


class Viewer:
    """Offered the state after every chunk, records an episode where there is time for one, in its own thread."""

    def __init__(self, folder: RunFolder, plan: Plan):
        self._folder, self._plan, self._config = folder.replays, plan, plan.experiment.replays
        self._began, self._last = time.monotonic(), -np.inf
        self._spent, self._expected = 0.0, COMPILING  # seconds
        self._busy, self._recorded_update = threading.Event(), -1
        self._recorder: Recorder | None = None
        on = self._config.share > 0
        self._courier = Courier("replays", self._record, retry=False, capacity=1) if on else None

    def offer(self, states: RunState) -> None:
        """Take one seed's policy from the states after a chunk, [replica, ...] each, if one is wanted now."""
        if self._courier is None or not self._wanted():
            return
        i = min(self._config.seed_index, self._plan.experiment.replicas - 1)
        train = states.train
        update = int(np.asarray(train.update)[i])
        if update != self._recorded_update:  # a seed that is frozen has nothing new to show
            self._busy.set()
            self._last, self._recorded_update = time.monotonic(), update
            acting, params = jax.tree.map(lambda x: np.array(np.asarray(x)[i]), (train.acting, train.env_params))
            self._courier.put((i, update, acting, self._plan.shown_in(params)))

    def close(self) -> None:
        if self._courier is not None:
            self._courier.finish(timeout=10.0)

    def _wanted(self) -> bool:
        """Whether what a recording is expected to take is within the share of the time that is gone."""
        now = time.monotonic()
        if self._busy.is_set() or now - self._last < self._config.every_seconds:
            return False
        return self._spent + self._expected <= self._config.share * (now - self._began)

    def _record(self, item: tuple[int, int, Any, PyTree]) -> None:
        i, update, acting, params = item
        began = time.monotonic()
        try:
            replay = self._play(self._plan.experiment.seed + i, update, acting, params)
            replays.write(replays.path_for(self._folder, replay), replay)
            replays.thin(self._folder, self._config.keep)
        finally:
            self._expected = time.monotonic() - began
            self._spent += self._expected
            self._busy.clear()

    def _play(self, seed: int, update: int, acting: Any, params: PyTree) -> replays.Replay:
        plan, experiment = self._plan, self._plan.experiment
        greedy = experiment.evaluation.greedy
        if self._recorder is None:
            longest = min(max_steps_of(experiment, plan.env_params), self._config.max_steps)
            self._recorder = recorder_for(plan, longest, greedy)
        film = self._recorder(acting, params, episode_key(seed, update))
        about = replays.provenance(experiment, self._folder.parent.name, seed, update, plan.steps_per_update, greedy)
        return replays.replay_of(film, params_of_each(plan.env, params), about)
