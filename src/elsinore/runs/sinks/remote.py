"""The copy of a run in a bucket or on another file system, as a sink (`runs/remote_copy.py`)."""

from elsinore.config.sinks import RemoteConfig
from elsinore.runs.remote_copy import Copy
from elsinore.runs.run_dir import RunDir


class RemoteSink:
    name = "remote copy"

    def __init__(self, config: RemoteConfig, folder: RunDir):
        self._url, self._folder, self.every = config.url or "", folder, config.seconds

    def open(self) -> None:
        self._copy = Copy(self._folder.path, self._url)

    def catch_up(self) -> None:
        self._copy.send()

    def close(self) -> None:
        """Nothing is held open."""
