"""Recorded traces: replay under classic policies, exact to the hit, and the world in which an agent decides."""

from elsinore.envs.cache.trace.env import Params, State, TraceCache
from elsinore.envs.cache.trace.oracle import next_uses, previous_uses, stack_distances
from elsinore.envs.cache.trace.policies import ORACLES, POLICIES, check_policy
from elsinore.envs.cache.trace.recording import Trace, load_trace, zipf_trace
from elsinore.envs.cache.trace.replay import Counts, replay

__all__ = [
    "ORACLES", "POLICIES", "Counts", "Params", "State", "Trace", "TraceCache", "check_policy", "load_trace",
    "next_uses", "previous_uses", "replay", "stack_distances", "trace_cache", "zipf_trace",
]  # fmt: skip

trace_cache = TraceCache
