"""A run's replays as scenes, which the browser draws."""

import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

from elsinore.config.build import ConfigError
from elsinore.envs.scene import to_json
from elsinore.host import replays
from elsinore.host.page.runs import Shelf, Unreadable
from elsinore.host.page.workers import worker

KEPT = 4  # episodes that are remembered
MOST_BYTES = 256 * 2**20  # of a replay's arrays, unpacked
MOST_SCENES = 200  # sent at once


class Scenes:
    """The replays of the runs on a shelf."""

    def __init__(self, shelf: Shelf):
        self._shelf = shelf
        self.worker = worker("scenes")  # a world is made once, however many look at it
        self._episodes: OrderedDict[tuple, Any] = OrderedDict()

    def listed(self, name: str) -> list[dict[str, Any]]:
        """Every replay of a run, oldest first: what it tells of itself, or `error`."""
        run = self._shelf.open(name)
        return [self._about(path) for path in replays.listed(run.path / "replays")]

    def close(self) -> None:
        self.worker.shutdown(wait=False, cancel_futures=True)

    def _about(self, path: Path) -> dict[str, Any]:
        try:
            return {"replay": path.name, **replays.about(self._checked(path))}
        except (ConfigError, Unreadable) as error:
            return {"replay": path.name, "error": str(error)}

    def between(self, name: str, replay: str, first: int, agent: int | None, trusted: bool) -> dict[str, Any]:
        """Scenes of a replay from `first` on, at most `MOST_SCENES`, and how many there are: `length`.

        Of several agents in one world, `agent` is the one to look at.

        To be called in the `worker`. A world that is no part of elsinore is code that would be run: whoever asks for
        it must be `trusted`.

        Raises:
            Unreadable: where it is not there, cannot be read, or has a world that may not or cannot be made.
        """
        path = self._checked(self._shelf.open(name).path / "replays" / replay)
        episode = self._episode(path, agent, trusted)
        times = range(max(first, 0), min(max(first, 0) + MOST_SCENES, len(episode)))
        try:
            scenes = [to_json(episode.scene(time)) for time in times]
        except Exception as error:  # whatever a world's view raises at a state that is not one
            raise Unreadable(f"{replay} cannot be shown: {type(error).__name__}: {error}.") from error
        return {"length": len(episode), "first": times.start, "scenes": scenes, "about": episode.about,
                "steps_per_second": episode.view.steps_per_second}  # fmt: skip

    def _episode(self, path: Path, agent: int | None, trusted: bool) -> Any:
        key = (path, path.stat().st_mtime_ns if path.exists() else 0, agent)
        if key in self._episodes:
            self._episodes.move_to_end(key)
            return self._episodes[key]
        from elsinore.host.drawing.company import episode_of

        try:
            replay = replays.read(path)
            if ":" in str(replay.about["env"]) and not trusted:
                raise Unreadable(f"its world is {replay.about['env']}, code of its own: that needs the token.")
            episode = episode_of(replay, agent=agent)
        except ConfigError as error:
            raise Unreadable(str(error)) from error
        self._episodes[key] = episode
        while len(self._episodes) > KEPT:
            self._episodes.popitem(last=False)
        return episode

    def _checked(self, path: Path) -> Path:
        """The path of a replay that is on the shelf, and no larger than can be read.

        Raises:
            Unreadable: where it is not.
        """
        self._shelf.check(path)
        try:
            with zipfile.ZipFile(path) as file:
                size = sum(part.file_size for part in file.infolist())
        except (OSError, zipfile.BadZipFile):
            return path  # reading it will say why
        if size > MOST_BYTES:
            raise Unreadable(f"{path.name} holds {size:,} bytes; at most {MOST_BYTES:,} are read.")
        return path
