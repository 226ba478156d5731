"""Effects of the agent's action before the next request arrives: steps 1 to 5 of the rules."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.cache.api.contents import (
    Entry,
    lowest_score,
    lru_slot,
    popularity,
    remove_entries,
    slot_of,
)
from elsinore.worlds.cache.api.objects import base_of, bytes_of, endpoint_of
from elsinore.worlds.cache.api.state import ApiCacheParams, ApiCacheState, Contents
from elsinore.worlds.cache.api.storing import store_sequentially
from elsinore.worlds.cache.api.tables import TOP, api_tables

NOTHING, KEEP, CAUTIOUS, MODERATE, EAGER, EVICT_LRU, EVICT_LEAST = range(7)
ACTION_NAMES = (
    "do nothing", "keep current", "prefetch cautiously", "prefetch moderately", "prefetch eagerly",
    "evict LRU", "evict least promising",
)  # fmt: skip
# [action, rank of a prediction]: least probability at which it is fetched.
THRESHOLD = np.full((7, TOP), np.inf, np.float32)
THRESHOLD[CAUTIOUS, 0], THRESHOLD[MODERATE], THRESHOLD[EAGER] = 0.7, 0.5, 0.3

FADING = 0.97  # factor of a remembered prediction, each step


class ActionResult(NamedTuple):
    """Contents, backlog and counts so far, as the action is applied."""

    contents: Contents
    backlog: Float[Array, ""]
    forced: Int[Array, ""]  # evictions to make room
    chosen: Int[Array, ""]  # evictions that were the action
    wasted: Int[Array, ""]  # prefetches that left unused
    prefetched: Int[Array, ""]
    fetched: Int[Array, ""]  # bytes, by prefetch and refresh


def apply_action(
    state: ApiCacheState, action: Int[Array, ""], params: ApiCacheParams
) -> ActionResult:
    """Apply the action: evict, store, pin; then fade the remembered predictions."""
    none = jnp.int32(0)
    turn = ActionResult(state.contents, state.backlog, none, none, none, none, none)
    turn, rejected = apply_eviction(turn, state, action, params)
    turn = store_objects(turn, state, action, rejected, params)
    turn = apply_keep(turn, state, action)
    contents = turn.contents
    return turn._replace(contents=contents.replace(prob=contents.prob * jnp.float32(FADING)))


def apply_eviction(
    turn: ActionResult, state: ApiCacheState, action: Int[Array, ""], params: ApiCacheParams
) -> tuple[ActionResult, Bool[Array, ""]]:
    """Actions 5 and 6: evict one entry. Second result: the pending object is rejected instead."""
    contents, request = turn.contents, state.request
    unpromising, lowest = lowest_score(contents)
    too_large = contents.used + bytes_of(request.obj_id) > params.capacity
    rejected = (
        (action == EVICT_LEAST) & state.pending & too_large & (popularity(request.count) <= lowest)
    )
    rejected &= contents.filled.any()
    gone = ((action == EVICT_LRU) & lru_slot(contents)) | (
        (action == EVICT_LEAST) & ~rejected & unpromising
    )
    contents, wasted = remove_entries(contents, gone)
    return (
        turn._replace(contents=contents, chosen=jnp.sum(gone), wasted=turn.wasted + wasted),
        rejected,
    )


def store_objects(
    turn: ActionResult,
    state: ApiCacheState,
    action: Int[Array, ""],
    rejected: Bool[Array, ""],
    params: ApiCacheParams,
) -> ActionResult:
    """Store the pending object, then prefetch, from the least likely prediction to the
    likeliest."""
    line, wanted = storage_candidates(state, action, rejected, params)
    done = store_sequentially(turn.contents, line, wanted, state.request.time, params.capacity)
    ahead = done.stored[1:]
    return turn._replace(
        contents=done.contents,
        backlog=turn.backlog + jnp.sum(jnp.where(ahead, base_of(line.id[1:]), 0.0)),
        forced=done.evicted,
        wasted=turn.wasted + done.wasted,
        prefetched=jnp.sum(ahead),
        fetched=jnp.sum(jnp.where(ahead, line.size[1:], 0)),
    )


def storage_candidates(
    state: ApiCacheState,
    action: Int[Array, ""],
    rejected: Bool[Array, ""],
    params: ApiCacheParams,
) -> tuple[Entry, Bool[Array, "place"]]:
    """Objects that may be stored in this step, in order, and which of them the action wants."""
    request = state.request
    first = lambda one, more: jnp.concatenate([one[None], more[::-1]])  # noqa: E731
    ids = first(request.obj_id, request.pred_id)
    ahead = jnp.arange(1 + TOP) > 0
    line = Entry(
        id=ids,
        size=bytes_of(ids),
        ttl=jnp.asarray(api_tables().ttl)[endpoint_of(ids)] * params.ttl_scale,
        count=first(request.count, request.pred_count),
        prob=first(jnp.float32(0.0), request.pred_prob),
        unused=ahead,
    )
    likely = request.pred_prob >= jnp.asarray(THRESHOLD)[action]
    wanted = first(state.pending & ~rejected, likely) & (ids >= 0) & (line.size <= params.capacity)
    return line, wanted


def apply_keep(turn: ActionResult, state: ApiCacheState, action: Int[Array, ""]) -> ActionResult:
    """Action 1: pin the object just read; refresh it if it was a hit past half its time to live."""
    contents, request = turn.contents, state.request
    read = (action == KEEP) & ~request.write
    here = slot_of(contents, request.obj_id) & read
    age = request.time - contents.born
    stale_soon = here & state.hit & (age >= 0.5 * contents.ttl)
    afresh = stale_soon.any()
    return turn._replace(
        contents=contents.replace(
            pinned=contents.pinned | here, born=jnp.where(stale_soon, request.time, contents.born)
        ),
        backlog=turn.backlog + jnp.where(afresh, base_of(request.obj_id), 0.0),
        fetched=turn.fetched + jnp.where(afresh, bytes_of(request.obj_id), 0),
    )
