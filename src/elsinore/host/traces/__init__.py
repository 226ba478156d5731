"""Traces on disk: logs are imported to npz, replays are drawn, and counts are held against libCacheSim's."""

from elsinore.host.traces.importing import Import, import_trace

__all__ = ["Import", "import_trace"]
