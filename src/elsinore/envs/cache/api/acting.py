"""What the agent's action does, before the next request arrives: the steps 1 to 5 of the rules."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.cache.api.contents import Entry, entry_of, least_promising, least_recent, popularity, remove
from elsinore.envs.cache.api.objects import base_of, endpoint_of, size_of
from elsinore.envs.cache.api.state import Contents, Params, State
from elsinore.envs.cache.api.storing import store_in_turn
from elsinore.envs.cache.api.tables import TOP, tables

(NOTHING, KEEP, CAUTIOUS, MODERATE, EAGER, EVICT_LRU, EVICT_LEAST) = range(7)
NAMES = (
    "do nothing", "keep current", "prefetch cautiously", "prefetch moderately", "prefetch eagerly", "evict LRU",
    "evict least promising",
)  # fmt: skip
# Of each action and rank of a prediction: the probability from which on it is fetched.
THRESHOLD = np.full((7, TOP), np.inf, np.float32)
THRESHOLD[CAUTIOUS, 0], THRESHOLD[MODERATE], THRESHOLD[EAGER] = 0.7, 0.5, 0.3

FADING = 0.97  # of a remembered prediction, a step


class Turn(NamedTuple):
    """What the agent's turn has done so far."""

    contents: Contents
    backlog: Float[Array, ""]
    forced: Int[Array, ""]  # evictions to make room
    chosen: Int[Array, ""]  # evictions that were the action
    wasted: Int[Array, ""]  # prefetches that left unused
    prefetched: Int[Array, ""]
    fetched: Int[Array, ""]  # bytes, by prefetch and refresh


def act(state: State, action: Int[Array, ""], params: Params) -> Turn:
    """The agent's turn."""
    none = jnp.int32(0)
    turn = Turn(state.contents, state.backlog, none, none, none, none, none)
    turn, turned_away = evict(turn, state, action, params)
    turn = store(turn, state, action, turned_away, params)
    turn = keep(turn, state, action)
    contents = turn.contents
    return turn._replace(contents=contents.replace(prob=contents.prob * jnp.float32(FADING)))


def evict(turn: Turn, state: State, action: Int[Array, ""], params: Params) -> tuple[Turn, Bool[Array, ""]]:
    """Actions 5 and 6: give an entry up. Also whether the pending object is turned away instead."""
    contents, request = turn.contents, state.request
    unpromising, lowest = least_promising(contents)
    too_large = contents.used + size_of(request.obj_id) > params.capacity
    turned_away = (action == EVICT_LEAST) & state.pending & too_large & (popularity(request.count) <= lowest)
    turned_away &= contents.filled.any()
    gone = ((action == EVICT_LRU) & least_recent(contents)) | ((action == EVICT_LEAST) & ~turned_away & unpromising)
    contents, wasted = remove(contents, gone)
    return turn._replace(contents=contents, chosen=jnp.sum(gone), wasted=turn.wasted + wasted), turned_away


def store(turn: Turn, state: State, action: Int[Array, ""], turned_away: Bool[Array, ""], params: Params) -> Turn:
    """The pending object, then what the action fetches ahead, from the worst prediction to the best."""
    line, wanted = waiting(state, action, turned_away, params)
    done = store_in_turn(turn.contents, line, wanted, state.request.time, params.capacity)
    ahead = done.stored[1:]
    return turn._replace(
        contents=done.contents,
        backlog=turn.backlog + jnp.sum(jnp.where(ahead, base_of(line.id[1:]), 0.0)),
        forced=done.evicted,
        wasted=turn.wasted + done.wasted,
        prefetched=jnp.sum(ahead),
        fetched=jnp.sum(jnp.where(ahead, line.size[1:], 0)),
    )


def waiting(
    state: State, action: Int[Array, ""], turned_away: Bool[Array, ""], params: Params
) -> tuple[Entry, Bool[Array, "place"]]:
    """All that may be stored in this turn, in the order in which it is, and which of it is wanted."""
    request = state.request
    first = lambda one, more: jnp.concatenate([one[None], more[::-1]])  # noqa: E731
    ids = first(request.obj_id, request.pred_id)
    ahead = jnp.arange(1 + TOP) > 0
    line = Entry(
        id=ids,
        size=size_of(ids),
        ttl=jnp.asarray(tables().ttl)[endpoint_of(ids)] * params.ttl_scale,
        count=first(request.count, request.pred_count),
        prob=first(jnp.float32(0.0), request.pred_prob),
        unused=ahead,
    )
    likely = request.pred_prob >= jnp.asarray(THRESHOLD)[action]
    wanted = first(state.pending & ~turned_away, likely) & (ids >= 0) & (line.size <= params.capacity)
    return line, wanted


def keep(turn: Turn, state: State, action: Int[Array, ""]) -> Turn:
    """Action 1: pin what was just read, and fetch it afresh if it was found and half its time is over."""
    contents, request = turn.contents, state.request
    read = (action == KEEP) & ~request.write
    here = entry_of(contents, request.obj_id) & read
    age = request.time - contents.born
    stale_soon = here & state.hit & (age >= 0.5 * contents.ttl)
    afresh = stale_soon.any()
    return turn._replace(
        contents=contents.replace(
            pinned=contents.pinned | here, born=jnp.where(stale_soon, request.time, contents.born)
        ),
        backlog=turn.backlog + jnp.where(afresh, base_of(request.obj_id), 0.0),
        fetched=turn.fetched + jnp.where(afresh, size_of(request.obj_id), 0),
    )
