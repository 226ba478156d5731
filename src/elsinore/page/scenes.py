"""A run's replays as scenes, which the browser draws."""

import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

from elsinore.config.parse import ConfigError
from elsinore.envs.scene import to_json
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.page.workers import low_priority_worker
from elsinore.runs import replays

CACHED_EPISODES = 4
MAX_BYTES = 256 * 2**20  # of a replay's arrays, unpacked
MAX_SCENES = 200  # in one answer


class Scenes:
    """Scenes of the replays of all runs."""

    def __init__(self, runs: RunsDirectory):
        self._runs = runs
        self.worker = low_priority_worker("scenes")  # builds each environment once for all clients
        self._episodes: OrderedDict[tuple, Any] = OrderedDict()

    def replays(self, name: str) -> list[dict[str, Any]]:
        """A description of every replay of a run, oldest first; `error` if it cannot be read."""
        run = self._runs.open(name)
        return [self._description(path) for path in replays.list_replays(run.path / "replays")]

    def close(self) -> None:
        self.worker.shutdown(wait=False, cancel_futures=True)

    def _description(self, path: Path) -> dict[str, Any]:
        try:
            return {"replay": path.name, **replays.about(self._checked(path))}
        except (ConfigError, PageError) as error:
            return {"replay": path.name, "error": str(error)}

    def scenes(
        self, name: str, replay: str, first: int, agent: int | None, trusted: bool
    ) -> dict[str, Any]:
        """At most `MAX_SCENES` scenes of a replay from step `first` on; `length` is their number.

        Call it in `worker`. In an environment with several agents, `agent` is the one shown.
        Building an environment from outside elsinore runs its code: the client must be `trusted`.

        Raises:
            PageError: if the replay is absent or unreadable, or its environment cannot be built.
        """
        path = self._checked(self._runs.open(name).path / "replays" / replay)
        episode = self._episode(path, agent, trusted)
        times = range(max(first, 0), min(max(first, 0) + MAX_SCENES, len(episode)))
        try:
            scenes = [to_json(episode.scene(time)) for time in times]
        except Exception as error:  # an environment's view may raise anything
            raise PageError(
                f"{replay} cannot be shown: {type(error).__name__}: {error}."
            ) from error
        return {
            "length": len(episode),
            "first": times.start,
            "scenes": scenes,
            "about": episode.about,
            "steps_per_second": episode.view.steps_per_second,
        }

    def _episode(self, path: Path, agent: int | None, trusted: bool) -> Any:
        key = (path, path.stat().st_mtime_ns if path.exists() else 0, agent)
        if key in self._episodes:
            self._episodes.move_to_end(key)
            return self._episodes[key]
        from elsinore.view.drawing.multi_agent import episode_of

        try:
            replay = replays.read(path)
            if ":" in str(replay.about["env"]) and not trusted:
                raise PageError(
                    f"env={replay.about['env']!r} is code from outside elsinore: it needs the"
                    " token. Open the address that `elsinore watch` printed."
                )
            episode = episode_of(replay, agent=agent)
        except ConfigError as error:
            raise PageError(str(error)) from error
        self._episodes[key] = episode
        while len(self._episodes) > CACHED_EPISODES:
            self._episodes.popitem(last=False)
        return episode

    def _checked(self, path: Path) -> Path:
        """The path of a replay in the runs directory that is small enough to read.

        Raises:
            PageError: if it is outside, or too large.
        """
        self._runs.check(path)
        try:
            with zipfile.ZipFile(path) as file:
                size = sum(part.file_size for part in file.infolist())
        except (OSError, zipfile.BadZipFile):
            return path  # reading it raises the error
        if size > MAX_BYTES:
            raise PageError(f"{path.name} has {size:,} bytes; at most {MAX_BYTES:,} are read.")
        return path
