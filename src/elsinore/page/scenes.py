"""A run's replays as scenes, which the browser draws."""

import os
from collections import OrderedDict
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from elsinore.envs.registry import FETCHED
from elsinore.envs.scene import to_json
from elsinore.envs.wrapped import modules_in
from elsinore.errors import ConfigError
from elsinore.imports import UntrustedName
from elsinore.page.guard import REMEDY
from elsinore.page.run_status import best_env_steps, summary_of
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.page.workers import low_priority_worker
from elsinore.runs.replays import files as replays
from elsinore.runs.run_dir import RunDir
from elsinore.runs.trust.redaction import redacted

CACHED_EPISODES = 4
MAX_SCENES = 200  # in one answer
REPLAY_NAME = "[0-9]*.npz"
SEPARATORS = frozenset("/\\~")  # of paths; "~" is a home
LARGEST_SIZE = 4096  # of a size that an environment is made with for anyone who looks
ABSENT = "there is no replay {!r} here."
NESTED = "the header of this replay is nested too deeply."
MADE_OF_FILES = (
    "the environment of this replay cannot be made of the files that it names; `elsinore play`"
    " says why."
)

UNTRUSTED = (
    "env={env!r} is code that you did not allow: the replay is not of a run that you made."
    " `elsinore play RUN/replays/{name} --trust` shows it."
)


class Scenes:
    """Scenes of the replays of all runs."""

    def __init__(self, runs: RunsDirectory):
        self._runs = runs
        self.worker = low_priority_worker("scenes")  # builds each environment once for all clients
        self._episodes: OrderedDict[tuple, Any] = OrderedDict()

    def replays(self, name: str) -> list[dict[str, Any]]:
        """A description of every replay of a run, oldest first; `error` if it cannot be read. Of a
        run that has ended, the first one since its best checkpoint is `best`, or else the last."""
        run = self._runs.open(name)
        found = [self._description(run, path) for path in self._paths(run)]
        steps = best_env_steps(summary_of(self._runs, run, []))
        placed = [one for one in found if steps and type(one.get("env_steps")) is int]
        if placed:  # one from before it may be of an untrained policy, however near
            since = [one for one in placed if one["env_steps"] >= steps]
            chosen, of = (since, min) if since else (placed, max)
            of(chosen, key=lambda one: one["env_steps"])["best"] = True
        return found

    def close(self) -> None:
        self.worker.shutdown(wait=False, cancel_futures=True)

    def _paths(self, run: RunDir) -> list[Path]:
        found = self._runs.entries(run, run.replays)
        return [path for path in found if fnmatch(path.name, REPLAY_NAME)]

    def _description(self, run: RunDir, path: Path) -> dict[str, Any]:
        try:
            return {"replay": path.name, **redacted(replays.about(self._checked(run, path)))}
        except (ConfigError, PageError) as error:
            return {"replay": path.name, "error": str(error)}
        except RecursionError:
            return {"replay": path.name, "error": NESTED}

    def scenes(
        self, name: str, replay: str, first: int, agent: int | None, trusted: bool
    ) -> dict[str, Any]:
        """At most `MAX_SCENES` scenes of a replay from step `first` on; `length` is their number.

        Call it in `worker`. In an environment with several agents, `agent` is the one shown.
        Building an environment from outside elsinore runs its code: the client must be `trusted`.

        Raises:
            PageError: if the replay is absent or unreadable, or its environment cannot be built.
        """
        run = self._runs.open(name)
        path = next((path for path in self._paths(run) if path.name == replay), None)
        if path is None:
            raise PageError(ABSENT.format(replay[:80]))
        try:
            episode = self._episode(self._checked(run, path), agent, trusted)
        except FileNotFoundError as error:  # a run that trains removes some
            raise PageError(ABSENT.format(replay)) from error
        except RecursionError as error:
            raise PageError(NESTED) from error
        times = range(max(first, 0), min(max(first, 0) + MAX_SCENES, len(episode)))
        try:
            scenes = [to_json(episode.scene(time)) for time in times]
        except Exception as error:  # an environment's view may raise anything
            hides = any(_texts_like_files(episode.about["env_kwargs"]))
            reason = type(error).__name__ + ("" if hides else f": {error}")
            raise PageError(f"{replay} cannot be shown: {reason}.") from error
        return {
            "length": len(episode),
            "first": times.start,
            "scenes": scenes,
            "about": redacted(episode.about),
            "steps_per_second": episode.view.steps_per_second,
        }

    def _episode(self, path: Path, agent: int | None, trusted: bool) -> Any:
        from elsinore.view.drawing.multi_agent import episode_of

        about = _about(path)
        if not trusted and (reason := self._reason_to_ask(about)):
            raise PageError(f"{reason}: it needs the token; {REMEDY}")
        key = (path, path.stat().st_mtime_ns, agent)
        if key not in self._episodes:
            try:
                replay = replays.read(path)
                if isinstance(replay.about["env"], UntrustedName):
                    raise PageError(UNTRUSTED.format(env=str(replay.about["env"]), name=path.name))
                self._episodes[key] = episode_of(replay, agent=agent)
            except ConfigError as error:
                hides = any(_texts_like_files(about["env_kwargs"]))
                raise PageError(MADE_OF_FILES if hides else str(error)) from error
        self._episodes.move_to_end(key)
        while len(self._episodes) > CACHED_EPISODES:
            self._episodes.popitem(last=False)
        return self._episodes[key]

    def _reason_to_ask(self, about: dict[str, Any]) -> str | None:
        """The reason why making a replay's environment is for the owner only; None without one."""
        env = str(about["env"])
        for code in modules_in([env, about.get("wrappers", [])]):
            return f"env={code!r} is code from outside elsinore"
        if env in FETCHED:
            return f"env={env!r} fetches files"
        outside = [
            text
            for text in _texts_like_files(about["env_kwargs"])
            if "\0" in text or not Path(os.path.realpath(text)).is_relative_to(self._runs.top)
        ]
        if outside:
            return f"env={env!r} reads a file outside the runs directory"
        sizes = [x for x in _numbers(about["env_kwargs"]) if x > LARGEST_SIZE]
        return f"env={env!r} may be large: {sizes[0]} is among its env_kwargs" if sizes else None

    def _checked(self, run: RunDir, path: Path) -> Path:
        """The path of a replay of a run, with links followed.

        Raises:
            PageError: if it leads out of the run, or is no file.
        """
        found = self._runs.file(run, path)
        if found is None:
            raise PageError(f"{path.name} is no file.")
        return found


def _about(path: Path) -> dict[str, Any]:
    try:
        return replays.about(path)
    except ConfigError as error:
        raise PageError(str(error)) from error


def _numbers(data: Any) -> Iterator[float]:
    """The numbers in an environment's arguments."""
    if isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _numbers(value)
    elif isinstance(data, int | float):
        yield data


def _texts_like_files(data: Any) -> Iterator[str]:
    """The texts in an environment's arguments that could name a file: those with a separator, and
    names of what is in the current folder."""
    if isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _texts_like_files(value)
    elif isinstance(data, str) and (SEPARATORS & set(data) or os.path.lexists(data)):
        yield data
