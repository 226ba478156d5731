"""How time passes and the next request is served: the steps 6 to 8 of the rules, and step 10's bookkeeping."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.cache.api.contents import entry_of, remove
from elsinore.envs.cache.api.state import Contents, Latencies, Params, Request
from elsinore.envs.cache.api.tables import WINDOW, tables

HIT_MS = 5.0  # a kept answer takes so long


class Served(NamedTuple):
    """What became of a request."""

    contents: Contents
    backlog: Float[Array, ""]
    payoff: Float[Array, ""]
    hit: Bool[Array, ""]
    age: Float[Array, ""]  # s, of the answer found; 0 where none was
    used: Bool[Array, ""]  # it was found because it had been prefetched, for the first time
    stale: Bool[Array, ""]
    cascade: Bool[Array, ""]
    wasted: Int[Array, ""]


def pass_time(
    contents: Contents, backlog: Float[Array, ""], before: Request, request: Request, params: Params
) -> tuple[Contents, Float[Array, ""], Int[Array, ""]]:
    """The backend works, requests are counted, and answers whose time is over leave. Also how many were wasted."""
    backlog = jnp.maximum(0.0, backlog - params.drain * (request.time - before.time))
    contents = contents.replace(count=contents.count + entry_of(contents, request.obj_id))
    contents, wasted = remove(contents, contents.filled & (request.time - contents.born >= contents.ttl))
    return contents, backlog, wasted


def serve(contents: Contents, backlog: Float[Array, ""], request: Request, params: Params) -> Served:
    """Answer a request from the cache or from the backend."""
    here = entry_of(contents, request.obj_id) & ~request.write
    hit = here.any()
    age = jnp.sum(jnp.where(here, request.time - contents.born, 0.0))
    used = (here & contents.unused).any()
    changed = -jnp.expm1(-jnp.asarray(tables().update_rate)[request.endpoint] * age)
    stale = hit & (request.u_stale < changed)
    waited = params.latency_weight * request.latency * params.slowdown * load(backlog, params)
    saved = params.hit_reward + params.latency_weight * (request.latency - HIT_MS) - params.stale_penalty * stale
    payoff = jnp.where(hit, saved, -waited - jnp.where(request.write, 0.0, params.miss_penalty))

    clock = contents.clock + hit
    contents = contents.replace(
        touch=jnp.where(here, clock, contents.touch), unused=contents.unused & ~here, clock=clock
    )
    invalid = entry_of(contents, request.invalidates[0]) | entry_of(contents, request.invalidates[1])
    contents, wasted = remove(contents, invalid & request.write)

    backlog = backlog + jnp.where(hit, 0.0, jnp.asarray(tables().base)[request.endpoint])
    cascade = backlog > params.cascade
    backlog = jnp.where(cascade, 0.5 * backlog, backlog)
    payoff = payoff - params.cascade_penalty * cascade
    return Served(contents, backlog, payoff, hit, age, used, stale, cascade, wasted)


def load(backlog: Float[Array, ""], params: Params) -> Float[Array, ""]:
    """0 .. 1: how full the backend's queue is."""
    return jnp.minimum(1.0, backlog / params.full_load)


def response_time(
    request: Request, hit: Bool[Array, ""], backlog: Float[Array, ""], params: Params
) -> Float[Array, ""]:
    """Seconds that a user would now expect: the request's own work is in the queue already."""
    slow = 1.0 + params.slowdown * load(backlog, params)
    return jnp.where(hit, HIT_MS, request.latency * slow) / 1000


def no_latencies() -> Latencies:
    return Latencies(jnp.full(WINDOW, jnp.inf), jnp.full(WINDOW, jnp.inf))


def noted(latencies: Latencies, number: Int[Array, ""], latency: Float[Array, ""]) -> Latencies:
    """The last response times with one more, the `number`-th of the episode, in the place of the oldest.

    The ordered window is kept ordered by two shifts, because sorting 32 numbers at every step costs more than
    all the rest of it: what is above the oldest moves down, then what is above the newest moves up.
    """
    here = jnp.arange(WINDOW) == number % WINDOW
    oldest = jnp.max(jnp.where(here, latencies.ring, -jnp.inf))
    ordered = latencies.ordered
    place = jnp.sum(ordered < oldest)
    down = jnp.append(ordered[1:], jnp.inf)
    ordered = jnp.where(jnp.arange(WINDOW) < place, ordered, down)
    up = jnp.append(-jnp.inf, ordered[:-1])
    ordered = jnp.maximum(up, jnp.minimum(latency, ordered))
    return Latencies(jnp.where(here, latency, latencies.ring), ordered)


def remembered(contents: Contents, request: Request) -> Contents:
    """What is predicted and kept is remembered as promising."""
    seen = (contents.id[None] == request.pred_id[:, None]) & (request.pred_id[:, None] >= 0)
    best = jnp.max(jnp.where(seen, request.pred_prob[:, None], 0.0), axis=0)
    return contents.replace(prob=jnp.maximum(contents.prob, best))
