"""Episodes of a demo: one per snapshot, recorded as replays in the run's folder."""

from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.schedule import max_steps_of
from elsinore.errors import counted
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.runs.replays.player import EpisodePlayer, episode_key
from elsinore.runs.replays.recording import EpisodeRecording
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.types import PolicyState
from elsinore.view.demo.snapshots import (
    Snapshot,
    nearest_snapshots,
    recompute_policies,
    run_snapshots,
)
from elsinore.view.drawing.episode import Episode

EPISODES_PER_SNAPSHOT = 15  # the one of median length is recorded


class DemoEpisode(NamedTuple):
    """A recorded episode of one snapshot."""

    path: Path  # of the replay
    episodes: int  # finished in training before it
    lengths: tuple[int, ...]  # steps of all episodes played at this snapshot
    returns: tuple[float, ...]
    is_last: bool

    @property
    def label(self) -> str:
        if self.episodes == 0:
            return "untrained"
        return f"after {counted(self.episodes, 'episode')}"

    def load(self) -> Episode:
        return Episode(replays.read(self.path))


def record_episodes(run: Run, episodes: tuple[int, ...]) -> list[DemoEpisode]:
    """Play and record the policies after these numbers of episodes, and the last policy, in place
    of those recorded before."""
    for stale in demo_episodes(run.path):
        stale.path.unlink()
    snapshots = nearest_snapshots(run_snapshots(run), episodes)
    plan = run.plan
    max_steps = max_steps_of(run.experiment, plan.env_params)
    recorder = EpisodePlayer(plan.program.algo, plan.env, max_steps, greedy=False)  # as in training
    earlier = recompute_policies(run, [snapshot.update for snapshot in snapshots[:-1]])
    for snapshot, policy_state in zip(snapshots, chain(earlier, [_last(run)]), strict=True):
        replay = _median_episode(run, recorder, snapshot, policy_state)
        replays.write(replays.path_for(RunDir(run.path).replays, replay), replay)
    return demo_episodes(run.path)


def recorded_episodes(run: Run) -> list[DemoEpisode]:
    """The demo episodes of a run; empty unless the last is of the run's last snapshot."""
    found = demo_episodes(run.path)
    last = run_snapshots(run)[-1].update
    return found if found and replays.about(found[-1].path)["update"] == last else []


def demo_episodes(folder: str | Path) -> list[DemoEpisode]:
    """Recorded demo episodes of a run, from the untrained agent on; empty if it is not a demo."""
    paths = replays.list_replays(RunDir(Path(folder)).replays)
    found = [(path, about["demo"]) for path in paths if "demo" in (about := replays.about(path))]
    return [
        DemoEpisode(
            path,
            demo["episodes"],
            tuple(demo["lengths"]),
            tuple(demo["returns"]),
            is_last=i == len(found) - 1,
        )
        for i, (path, demo) in enumerate(found)
    ]


def _last(run: Run) -> PolicyState:
    state = run.state(buffers=False)
    return jax.tree.map(lambda x: np.array(x[0]), state.train.policy_state)


def _median_episode(
    run: Run, recorder: EpisodePlayer, snapshot: Snapshot, policy_state: PolicyState
) -> EpisodeRecording:
    """The episode of median length; its `about["demo"]` has lengths and returns of all."""
    plan, experiment = run.plan, run.experiment
    params: PyTree = jax.tree.map(
        lambda x: np.asarray(x, jax.numpy.result_type(x)), plan.env_params
    )
    numbers = range(EPISODES_PER_SNAPSHOT)
    keys = (episode_key(experiment.seed, snapshot.update, number) for number in numbers)
    recordings = [recorder(policy_state, params, key) for key in keys]
    lengths = [int(recording.length) for recording in recordings]
    returns = [float(recording.reward.sum()) for recording in recordings]
    about: dict[str, Any] = episode_recording.provenance(
        experiment, run.name, experiment.seed, snapshot.update, plan.steps_per_update, greedy=False
    )
    demo = {"episodes": snapshot.episodes, "lengths": lengths, "returns": returns}
    chosen = recordings[int(np.argsort(lengths, kind="stable")[EPISODES_PER_SNAPSHOT // 2])]
    return episode_recording.recording_of(chosen, params, about | {"demo": demo})
