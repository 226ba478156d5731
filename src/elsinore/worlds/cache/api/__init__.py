"""The API cache: requests of eight browsing sessions, a small cache before a slow backend, seven
actions.

The agent observes each request after it was served, with five predictions of the next, and may pin,
prefetch or evict. A prefetch buys hits, and its work joins the queue that slows every miss.
"""

from elsinore.worlds.cache.api.env import ApiCache, api_cache
from elsinore.worlds.cache.api.state import COUNTERS, ApiCacheParams, ApiCacheState, Request
from elsinore.worlds.cache.api.streams import (
    GeneratedStream,
    RecordedStreams,
    generate_stream,
    recorded_streams,
)

__all__ = [
    "COUNTERS",
    "ApiCache",
    "ApiCacheParams",
    "ApiCacheState",
    "GeneratedStream",
    "RecordedStreams",
    "Request",
    "api_cache",
    "generate_stream",
    "recorded_streams",
]
