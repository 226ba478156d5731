"""The API cache: requests of eight browsing sessions, a small cache before a slow backend, seven things to do about it.

An agent sees each request after it was served, with five guesses at what comes soon, and may keep, fetch ahead, or
give something up. Fetching ahead buys hits, and its work stands in the queue that slows every miss.
"""

from elsinore.envs.cache.api.env import ApiCache, api_cache
from elsinore.envs.cache.api.state import COUNTERS, Params, Request, State
from elsinore.envs.cache.api.streams import Generated, Recorded, recorded, stream

__all__ = [
    "COUNTERS",
    "ApiCache",
    "Generated",
    "Params",
    "Recorded",
    "Request",
    "State",
    "api_cache",
    "recorded",
    "stream",
]
