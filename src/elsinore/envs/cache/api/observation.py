"""What the agent sees: 60 numbers, most of them about 0 to 1."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from elsinore.envs.cache.api.contents import OFTEN, least_recent, popularity, promise
from elsinore.envs.cache.api.objects import endpoint_of, size_of
from elsinore.envs.cache.api.serving import load
from elsinore.envs.cache.api.state import Params, Request, State
from elsinore.envs.cache.api.tables import ENDPOINTS, SLOTS, WINDOW, tables

SIZE = 60
DAY, HOUR = 86_400.0, 3600.0
FETCHABLE = 0.3  # predictions from this probability on count as bytes that could be fetched
LARGE = 65_536.0  # bytes


def observe(state: State, params: Params) -> Float[Array, "60"]:
    """0 .. 9 are the endpoints and the probabilities of the predictions, 24 .. 26 the user's type (one is 1), 45 .. 49
    whether each prediction is cached; the functions below say what the others are. Four are there twice, or always 1.
    """
    request = state.request
    cached = (state.contents.id[None] == request.pred_id[:, None]).any(axis=1) & (request.pred_id >= 0)
    parts = [
        endpoint_of(request.pred_id) / ENDPOINTS,
        request.pred_prob,
        service(state, params),
        jnp.arange(3) == request.user_type,
        calendar(request),
        session(state, params),
        current(state, params),
        cached,
        cache(state, cached, params),
    ]
    return jnp.concatenate([jnp.asarray(part, jnp.float32) for part in parts])


def service(state: State, params: Params) -> Float[Array, "14"]:
    """10 .. 23: how full the cache is and how well it has served; how busy the backend is."""
    contents = state.contents
    full = contents.used / params.capacity
    busy = state.backlog / params.cascade
    median, slow, slowest = order_statistics(state)
    return stacked(
        state.request.pred_prob[0], full, state.hit_ema, contents.filled.sum() / SLOTS, state.evict_ema,
        load(state.backlog, params), full, state.rate / 4, median, slow, slowest, jnp.maximum(0.0, busy - 0.5), 1.0,
        busy,
    )  # fmt: skip


def order_statistics(state: State) -> list[Float[Array, ""]]:
    """The median, the 95th percentile and the largest of the last response times, in seconds."""
    ordered = state.latencies.ordered
    last = jnp.minimum(state.time + 1, WINDOW) - 1
    return [ordered[last // 2], ordered[19 * last // 20], ordered[last]]


def calendar(request: Request) -> Float[Array, "6"]:
    """27 .. 32: the time of day and of the week."""
    day = 2 * jnp.pi * request.second / DAY
    week = 2 * jnp.pi * request.weekday / 7
    hour = request.second / HOUR
    weekend, office = request.weekday >= 5, (hour >= 9) & (hour < 17)
    return stacked(jnp.sin(day), jnp.cos(day), jnp.sin(week), jnp.cos(week), weekend, office)


def session(state: State, params: Params) -> Float[Array, "3"]:
    """33 .. 35: how long the session and the episode have lasted."""
    request = state.request
    return stacked(request.session_pos / 100, request.session_dur / HOUR, state.time / params.max_steps_in_episode)


def current(state: State, params: Params) -> Float[Array, "9"]:
    """36 .. 44: the request that was just served."""
    request, table = state.request, tables()
    ttl = jnp.asarray(table.ttl)[request.endpoint] * params.ttl_scale
    aged = jnp.where(state.hit, state.age / jnp.maximum(ttl, 1e-6), 0.0)
    size = jnp.log1p(size_of(request.obj_id).astype(jnp.float32)) / jnp.log(LARGE + 1)
    often = popularity(request.count)
    base = jnp.asarray(table.base)[request.endpoint]
    return stacked(
        request.endpoint / ENDPOINTS, request.write, state.hit, aged, size, base / 0.5, jnp.log1p(ttl) / jnp.log(601.0),
        2 * often, often,
    )  # fmt: skip


def cache(state: State, cached: Array, params: Params) -> Float[Array, "10"]:
    """50 .. 59: what could be fetched, and what would go first."""
    contents, request = state.contents, state.request
    fetchable = (request.pred_prob >= FETCHABLE) & ~cached & (request.pred_id >= 0)
    score = promise(contents)
    oldest = least_recent(contents)
    entries = contents.filled.sum()
    of_oldest = lambda values: jnp.sum(jnp.where(oldest, values, 0))  # noqa: E731
    untouched = jnp.log1p(of_oldest(contents.clock - contents.touch).astype(jnp.float32)) / 7
    return stacked(
        jnp.sum(jnp.where(fetchable, size_of(request.pred_id), 0)) / LARGE, 1 - entries / SLOTS, untouched,
        of_oldest(jnp.minimum(contents.count, OFTEN)) / OFTEN, of_oldest(score),
        jnp.where(entries > 0, score.min(), 0.0), contents.pinned.sum() / SLOTS, contents.unused.sum() / SLOTS,
        state.accuracy, load(state.backlog, params),
    )  # fmt: skip


def stacked(*numbers) -> Float[Array, "number"]:
    return jnp.stack([jnp.asarray(number, jnp.float32) for number in numbers])
