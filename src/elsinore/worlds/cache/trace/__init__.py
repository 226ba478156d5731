"""Recorded traces: exact replay under classic policies, and the environment Cache-trace."""

from elsinore.worlds.cache.trace.env import TraceCache, TraceCacheParams, TraceCacheState
from elsinore.worlds.cache.trace.oracle import next_uses, previous_uses, stack_distances
from elsinore.worlds.cache.trace.policies import ORACLES, POLICIES, check_policy
from elsinore.worlds.cache.trace.recording import Trace, load_trace, zipf_trace
from elsinore.worlds.cache.trace.replay import Counts, replay

__all__ = [
    "ORACLES",
    "POLICIES",
    "Counts",
    "Trace",
    "TraceCache",
    "TraceCacheParams",
    "TraceCacheState",
    "check_policy",
    "load_trace",
    "next_uses",
    "previous_uses",
    "replay",
    "stack_distances",
    "zipf_trace",
]
