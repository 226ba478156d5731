"""Traces on disk: import of logs to npz, plots of replays, and comparison with libCacheSim."""

from elsinore.worlds.cache.traces.importing import ImportedTrace, import_trace

__all__ = ["ImportedTrace", "import_trace"]
