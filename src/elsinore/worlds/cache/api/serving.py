"""Passing of time and serving of the next request: steps 6 to 8 and 10 of the rules."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.cache.api.contents import remove_entries, slot_of
from elsinore.worlds.cache.api.state import ApiCacheParams, Contents, Latencies, Request
from elsinore.worlds.cache.api.tables import RESPONSE_WINDOW, api_tables

HIT_MS = 5.0  # response time of a hit


class ServedRequest(NamedTuple):
    """Result of serving a request."""

    contents: Contents
    backlog: Float[Array, ""]
    payoff: Float[Array, ""]
    hit: Bool[Array, ""]
    age: Float[Array, ""]  # s, of the answer found; 0 where none was
    used: Bool[Array, ""]  # first hit of a prefetched object
    stale: Bool[Array, ""]
    cascade: Bool[Array, ""]
    wasted: Int[Array, ""]


def pass_time(
    contents: Contents,
    backlog: Float[Array, ""],
    before: Request,
    request: Request,
    params: ApiCacheParams,
) -> tuple[Contents, Float[Array, ""], Int[Array, ""]]:
    """Drain the backend's queue, count the request, and expire old entries. Last result: wasted
    prefetches."""
    backlog = jnp.maximum(0.0, backlog - params.drain * (request.time - before.time))
    contents = contents.replace(count=contents.count + slot_of(contents, request.obj_id))
    contents, wasted = remove_entries(
        contents, contents.filled & (request.time - contents.born >= contents.ttl)
    )
    return contents, backlog, wasted


def serve(
    contents: Contents, backlog: Float[Array, ""], request: Request, params: ApiCacheParams
) -> ServedRequest:
    """Answer a request from the cache or from the backend."""
    here = slot_of(contents, request.obj_id) & ~request.write
    hit = here.any()
    age = jnp.sum(jnp.where(here, request.time - contents.born, 0.0))
    used = (here & contents.unused).any()
    changed = -jnp.expm1(-jnp.asarray(api_tables().update_rate)[request.endpoint] * age)
    stale = hit & (request.u_stale < changed)
    waited = (
        params.latency_weight * request.latency * params.slowdown * backend_load(backlog, params)
    )
    saved = (
        params.hit_reward
        + params.latency_weight * (request.latency - HIT_MS)
        - params.stale_penalty * stale
    )
    payoff = jnp.where(hit, saved, -waited - jnp.where(request.write, 0.0, params.miss_penalty))

    clock = contents.clock + hit
    contents = contents.replace(
        touch=jnp.where(here, clock, contents.touch), unused=contents.unused & ~here, clock=clock
    )
    invalid = slot_of(contents, request.invalidates[0]) | slot_of(contents, request.invalidates[1])
    contents, wasted = remove_entries(contents, invalid & request.write)

    backlog = backlog + jnp.where(hit, 0.0, jnp.asarray(api_tables().base)[request.endpoint])
    cascade = backlog > params.cascade
    backlog = jnp.where(cascade, 0.5 * backlog, backlog)
    payoff = payoff - params.cascade_penalty * cascade
    return ServedRequest(contents, backlog, payoff, hit, age, used, stale, cascade, wasted)


def backend_load(backlog: Float[Array, ""], params: ApiCacheParams) -> Float[Array, ""]:
    """Fill of the backend's queue, 0 .. 1."""
    return jnp.minimum(1.0, backlog / params.full_load)


def response_time(
    request: Request, hit: Bool[Array, ""], backlog: Float[Array, ""], params: ApiCacheParams
) -> Float[Array, ""]:
    """Seconds a user would wait now; the request's own work is already in the queue."""
    slow = 1.0 + params.slowdown * backend_load(backlog, params)
    return jnp.where(hit, HIT_MS, request.latency * slow) / 1000


def empty_latencies() -> Latencies:
    return Latencies(jnp.full(RESPONSE_WINDOW, jnp.inf), jnp.full(RESPONSE_WINDOW, jnp.inf))


def record_latency(
    latencies: Latencies, number: Int[Array, ""], latency: Float[Array, ""]
) -> Latencies:
    """Replace the oldest response time of the window; `number` is the request's index in the
    episode.

    Two shifts keep the window ordered, because sorting 32 numbers at every step costs more than the
    rest of the step: values above the oldest move down, then values above the newest move up.
    """
    here = jnp.arange(RESPONSE_WINDOW) == number % RESPONSE_WINDOW
    oldest = jnp.max(jnp.where(here, latencies.ring, -jnp.inf))
    ordered = latencies.ordered
    place = jnp.sum(ordered < oldest)
    down = jnp.append(ordered[1:], jnp.inf)
    ordered = jnp.where(jnp.arange(RESPONSE_WINDOW) < place, ordered, down)
    up = jnp.append(-jnp.inf, ordered[:-1])
    ordered = jnp.maximum(up, jnp.minimum(latency, ordered))
    return Latencies(jnp.where(here, latency, latencies.ring), ordered)


def refresh_predictions(contents: Contents, request: Request) -> Contents:
    """Raise the remembered probability of cached objects that are predicted now."""
    seen = (contents.id[None] == request.pred_id[:, None]) & (request.pred_id[:, None] >= 0)
    best = jnp.max(jnp.where(seen, request.pred_prob[:, None], 0.0), axis=0)
    return contents.replace(prob=jnp.maximum(contents.prob, best))
