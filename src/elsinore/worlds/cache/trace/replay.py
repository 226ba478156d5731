"""Exact replay of a whole trace under a policy, at one capacity or at many at once.

One step of the loop serves a request or makes one step towards room for it (see `policy`). Steps
have no branches, so that `vmap` replays many capacities side by side, each at its own pace; they
wait for each other only at the end of a chunk. Sums and priorities have 64 bits, whatever jax is
set to.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from elsinore.worlds.cache.trace.cells import CellWrites, apply_writes, apply_writes_sequentially
from elsinore.worlds.cache.trace.oracle import next_uses
from elsinore.worlds.cache.trace.policies import POLICIES, check_policy
from elsinore.worlds.cache.trace.policy import CacheEvent, EvictionPolicy
from elsinore.worlds.cache.trace.recording import Trace, check_capacity

REQUESTS_ON_DEVICE = 65_536  # requests on the device at a time
FEW_WRITES = 8  # writes a step, up to which sequential writes are faster


class Counts(NamedTuple):
    """Hits of a replay. In objects every object weighs 1, so `hit_bytes` equals `hits`."""

    requests: int
    hits: int
    requested_bytes: int
    hit_bytes: int

    @property
    def hit_ratio(self) -> float:
        return self.hits / self.requests

    @property
    def byte_hit_ratio(self) -> float:
        return self.hit_bytes / self.requested_bytes


class TraceChunk(NamedTuple):
    """Consecutive requests; those past `length` are padding."""

    obj: Int[Array, "request"]
    next_use: Int[Array, "request"]
    start: Int[Array, ""]  # requests before the chunk
    length: Int[Array, ""]


class ReplayCarry(NamedTuple):
    """Loop carry of one replay: one policy at one capacity."""

    cells: Int[Array, "cells"]
    memo: Int[Array, "memo"]
    writes: CellWrites  # decided by the last step, not yet applied
    capacity: Int[Array, ""]
    used: Int[Array, ""]
    hits: Int[Array, ""]
    hit_bytes: Int[Array, ""]
    i: Int[Array, ""]  # the request to be served, counted from the chunk's start


def replay(
    trace: Trace,
    policy: str,
    capacity: int | Sequence[int],
    unit: str = "objects",
    piece: int = REQUESTS_ON_DEVICE,
) -> Counts | list[Counts]:
    """Count the hits of the whole trace on an initially empty cache; a list for a list of
    capacities.

    Raises:
        ValueError: for an unknown policy or unit, or a capacity in which nothing fits.
    """
    check_policy(policy)
    for each in np.atleast_1d(capacity).tolist():
        check_capacity(trace, each, unit)
    weights = trace.weights(unit)
    with jax.enable_x64(True):
        rules = _policy(policy, trace.num_objects, trace.num_requests)
        lanes = init_carry(rules, capacity)
        for requests in chunks(trace, piece):
            lanes = _run(policy, trace.num_requests, weights, requests, lanes)
        hits, hit_bytes = np.asarray(lanes.hits), np.asarray(lanes.hit_bytes)
    requested = int(weights[trace.obj_id].sum())
    counts = [
        Counts(trace.num_requests, h, requested, b)
        for h, b in zip(
            np.atleast_1d(hits).tolist(), np.atleast_1d(hit_bytes).tolist(), strict=True
        )
    ]
    return counts if np.ndim(capacity) else counts[0]


@cache
def _policy(name: str, num_objects: int, num_requests: int) -> EvictionPolicy:
    return POLICIES[name](num_objects, num_requests)


def init_carry(policy: EvictionPolicy, capacity: int | Sequence[int]) -> ReplayCarry:
    """Replays before the first request, one for each capacity (no axis for a single one)."""
    capacities = jnp.asarray(capacity, jnp.int64)
    zero, lanes = jnp.zeros_like(capacities), capacities.shape
    cells = jnp.asarray(np.broadcast_to(policy.cells, (*lanes, *policy.cells.shape)))
    memo = jnp.asarray(np.broadcast_to(policy.memo, (*lanes, *policy.memo.shape)), jnp.int64)
    spare = CellWrites(
        jnp.full((*lanes, 1), policy.cells.size - 1), jnp.zeros((*lanes, 1), jnp.int64)
    )
    return ReplayCarry(cells, memo, spare, capacities, zero, zero, zero, zero)


def chunks(trace: Trace, length: int) -> Iterator[TraceChunk]:
    """The trace in chunks of one shape."""
    length = min(length, trace.num_requests)
    next_use = next_uses(trace.obj_id).astype(np.int64)
    for begin in range(0, trace.num_requests, length):
        part = slice(begin, begin + length)
        ids = trace.obj_id[part].astype(np.int64)
        pad = (0, length - len(ids))
        yield TraceChunk(
            np.pad(ids, pad), np.pad(next_use[part], pad), np.int64(begin), np.int64(len(ids))
        )


@partial(jax.jit, static_argnums=(0, 1))
def _run(
    name: str, num_requests: int, weights: Array, piece: TraceChunk, lanes: ReplayCarry
) -> ReplayCarry:
    """Replay one chunk at every capacity."""
    policy = _policy(name, weights.shape[0], num_requests)
    step = partial(replay_step, policy, weights, piece)
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[lanes.i.ndim :], x.dtype), lanes)
    (width,) = jax.eval_shape(step, one).writes.index.shape
    if lanes.i.ndim:
        step, settle = jax.vmap(step), jax.vmap(_settled)
    else:
        settle = partial(
            _settled, write=apply_writes_sequentially if width <= FEW_WRITES else apply_writes
        )
        step = partial(step, settle=settle)
    shape = (*lanes.i.shape, width)
    spare = CellWrites(jnp.full(shape, policy.cells.size - 1), jnp.zeros(shape, jnp.int64))
    lanes = settle(lanes)._replace(writes=spare, i=jnp.zeros_like(lanes.i))
    lanes = jax.lax.while_loop(lambda lanes: jnp.any(lanes.i < piece.length), step, lanes)
    lanes = settle(lanes)
    return lanes._replace(writes=jax.tree.map(lambda x: x[..., :1], spare))


def _settled(lane: ReplayCarry, write: Callable[..., Array] = apply_writes) -> ReplayCarry:
    return lane._replace(cells=write(lane.cells, lane.writes))


def replay_step(
    policy: EvictionPolicy,
    weights: Int[Array, "object"],
    piece: TraceChunk,
    lane: ReplayCarry,
    settle: Callable[[ReplayCarry], ReplayCarry] = _settled,
) -> ReplayCarry:
    """Apply the pending writes, then serve the request or make room for it; nothing once the chunk
    is served."""
    lane = settle(lane)
    i = jnp.minimum(lane.i, piece.length - 1)
    obj = piece.obj[i]
    weight, active, nothing = weights[obj], lane.i < piece.length, jnp.bool_(False)
    event = CacheEvent(
        obj,
        weight,
        piece.start + i,
        piece.next_use[i],
        lane.used,
        lane.capacity,
        nothing,
        nothing,
        nothing,
    )
    hit = policy.holds(lane.cells, obj)
    wanted = active & ~hit & (weight <= lane.capacity) & policy.wants(lane.cells, lane.memo, event)
    full = lane.used + weight > lane.capacity
    event = event._replace(hit=active & hit, evict=wanted & full, store=wanted & ~full)
    change = policy.advance(lane.cells, lane.memo, weights, event)
    freed = jnp.where(change.freed >= 0, weights[change.freed], 0)
    return lane._replace(
        memo=change.memo,
        writes=jax.tree.map(lambda x: x.astype(jnp.int64), change.writes),
        used=lane.used + event.store * weight - freed,
        hits=lane.hits + event.hit,
        hit_bytes=lane.hit_bytes + event.hit * weight,
        i=lane.i + (active & ~event.evict),
    )
