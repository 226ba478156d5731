"""Records of the API cache: parameters, requests, contents and state."""

from typing import Any

import jax.numpy as jnp
from flax import struct
from gymnax.environments.environment import EnvParams, EnvState
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.cache.api.tables import SLOTS

COUNTERS = ("hit", "read", "hb", "rb", "pf", "pfu", "pfw", "ev", "stale", "casc", "bytes")


@struct.dataclass
class ApiCacheParams(EnvParams):
    """Numbers in seconds, bytes and rewards; each may change without recompiling."""

    max_steps_in_episode: int = 512
    capacity: int = 262_144  # bytes
    ttl_scale: float = 1.0  # of every endpoint's time to live
    drain: float = 0.25  # seconds of backend work finished per second
    full_load: float = 0.75  # s, backlog at which load is 1
    slowdown: float = 3.0  # at load 1 a backend answer takes 1 + this times as long
    cascade: float = 2.5  # s, backlog above which the backend sheds half its queue
    hit_reward: float = 1.0
    latency_weight: float = 0.01  # per millisecond saved or waited
    miss_penalty: float = 0.1
    stale_penalty: float = 2.0
    cascade_penalty: float = 10.0
    waste_penalty: float = 1.0  # for a prefetch that left unused
    forced_eviction_cost: float = 0.02
    chosen_eviction_cost: float = 0.01
    fetch_cost: float = 0.01  # per KiB fetched by prefetch or refresh


@struct.dataclass
class Request:
    """One request as it arrives; a stream is the same record with a leading time axis.

    Times are relative to the episode's first request: float32 keeps seconds of a week to 0.03 s
    only.
    """

    obj_id: Int[Array, ""]
    endpoint: Int[Array, ""]
    time: Float[Array, ""]  # s since the first request
    weekday: Int[Array, ""]  # 0 .. 6
    second: Float[Array, ""]  # of the day
    latency: Float[Array, ""]  # ms, of an unloaded backend
    write: Bool[Array, ""]
    user_type: Int[Array, ""]
    session_pos: Int[Array, ""]  # requests of this session so far, this one included
    session_dur: Float[Array, ""]  # s since this session began
    # [0, 1): a kept answer is stale where this falls below the chance that it is
    u_stale: Float[Array, ""]
    invalidates: Int[Array, "2"]  # objects, -1: none
    pred_id: Int[Array, "top"]
    pred_prob: Float[Array, "top"]  # best first
    count: Int[Array, ""]  # requests of this object in this episode so far, this one included
    pred_count: Int[Array, "top"]  # the same of each predicted object


@struct.dataclass
class Contents:
    """Contents of the cache by slot; in a free slot only `id` has meaning."""

    id: Int[Array, "slot"]  # object, -1: free
    size: Int[Array, "slot"]  # bytes
    ttl: Float[Array, "slot"]  # s
    count: Int[Array, "slot"]  # requests of this object in this episode so far
    born: Float[Array, "slot"]  # time of its fetch
    touch: Int[Array, "slot"]  # the stamp of its last insertion or hit: the LRU order, without ties
    prob: Float[Array, "slot"]  # fading memory of its best prediction
    unused: Bool[Array, "slot"]  # prefetched and not hit yet
    pinned: Bool[Array, "slot"]
    clock: Int[Array, ""]  # insertions and hits so far
    used: Int[Array, ""]  # bytes

    @property
    def filled(self) -> Bool[Array, "slot"]:
        return self.id >= 0


@struct.dataclass
class Latencies:
    """Last response times in seconds, by age and by size; infinite where there is none yet."""

    ring: Float[Array, "window"]
    ordered: Float[Array, "window"]


@struct.dataclass
class ApiCacheState(EnvState):
    """State after a request was served; the agent acts on it now. `time` counts steps."""

    source: Any  # state of the stream
    request: Request
    contents: Contents
    backlog: Float[Array, ""]  # seconds of backend work queued
    hit: Bool[Array, ""]  # the request was found in the cache
    age: Float[Array, ""]  # s, of what was found; 0 on a miss or a write
    latencies: Latencies
    hit_ema: Float[Array, ""]  # over reads
    evict_ema: Float[Array, ""]  # removals a step, in fours
    rate: Float[Array, ""]  # requests/s
    accuracy: Float[Array, ""]  # of prefetches
    counters: Int[Array, "counter"]  # in the order of COUNTERS

    @property
    def pending(self) -> Bool[Array, ""]:
        """True for a read that missed and is not stored yet."""
        return ~self.request.write & ~self.hit


def empty_contents() -> Contents:
    ints, floats, flags = jnp.zeros(SLOTS, jnp.int32), jnp.zeros(SLOTS), jnp.zeros(SLOTS, bool)
    zero = jnp.int32(0)
    return Contents(
        ints - 1, ints, floats, ints, floats, ints, floats, flags, flags, clock=zero, used=zero
    )
