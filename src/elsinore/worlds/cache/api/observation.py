"""Observation of the API cache: 60 numbers, most of them about 0 to 1."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from elsinore.worlds.cache.api.contents import OFTEN, lru_slot, popularity, scores
from elsinore.worlds.cache.api.objects import bytes_of, endpoint_of
from elsinore.worlds.cache.api.serving import backend_load
from elsinore.worlds.cache.api.sessions import DAY, HOUR
from elsinore.worlds.cache.api.state import ApiCacheParams, ApiCacheState, Request
from elsinore.worlds.cache.api.tables import ENDPOINTS, RESPONSE_WINDOW, SLOTS, api_tables

SIZE = 60
FETCHABLE = 0.3  # least probability of a prediction that counts as fetchable
LARGE_OBJECT = 65_536.0  # bytes


def api_observation(state: ApiCacheState, params: ApiCacheParams) -> Float[Array, "60"]:
    """[60]: 0 .. 9 are the endpoints and probabilities of the predictions, 24 .. 26 the user's type
    (one-hot), 45 .. 49 whether each prediction is cached; the functions below give the others. Four
    are there twice, or always 1."""
    request = state.request
    cached = (state.contents.id[None] == request.pred_id[:, None]).any(axis=1) & (
        request.pred_id >= 0
    )
    parts = [
        endpoint_of(request.pred_id) / ENDPOINTS,
        request.pred_prob,
        service_features(state, params),
        jnp.arange(3) == request.user_type,
        calendar_features(request),
        session_features(state, params),
        request_features(state, params),
        cached,
        contents_features(state, cached, params),
    ]
    return jnp.concatenate([jnp.asarray(part, jnp.float32) for part in parts])


def service_features(state: ApiCacheState, params: ApiCacheParams) -> Float[Array, "14"]:
    """10 .. 23: fill and hit rate of the cache, and load of the backend."""
    contents = state.contents
    full = contents.used / params.capacity
    busy = state.backlog / params.cascade
    median, slow, slowest = order_statistics(state)
    return stack_scalars(
        state.request.pred_prob[0],
        full,
        state.hit_ema,
        contents.filled.sum() / SLOTS,
        state.evict_ema,
        backend_load(state.backlog, params),
        full,
        state.rate / 4,
        median,
        slow,
        slowest,
        jnp.maximum(0.0, busy - 0.5),
        1.0,
        busy,
    )


def order_statistics(state: ApiCacheState) -> list[Float[Array, ""]]:
    """Median, 95th percentile and maximum of the last response times, in seconds."""
    ordered = state.latencies.ordered
    last = jnp.minimum(state.time + 1, RESPONSE_WINDOW) - 1
    return [ordered[last // 2], ordered[19 * last // 20], ordered[last]]


def calendar_features(request: Request) -> Float[Array, "6"]:
    """27 .. 32: time of day and of the week."""
    day = 2 * jnp.pi * request.second / DAY
    week = 2 * jnp.pi * request.weekday / 7
    hour = request.second / HOUR
    weekend, office = request.weekday >= 5, (hour >= 9) & (hour < 17)
    return stack_scalars(jnp.sin(day), jnp.cos(day), jnp.sin(week), jnp.cos(week), weekend, office)


def session_features(state: ApiCacheState, params: ApiCacheParams) -> Float[Array, "3"]:
    """33 .. 35: length of the session so far, and share of the episode passed."""
    request = state.request
    return stack_scalars(
        request.session_pos / 100,
        request.session_dur / HOUR,
        state.time / params.max_steps_in_episode,
    )


def request_features(state: ApiCacheState, params: ApiCacheParams) -> Float[Array, "9"]:
    """36 .. 44: the request just served."""
    request, table = state.request, api_tables()
    ttl = jnp.asarray(table.ttl)[request.endpoint] * params.ttl_scale
    aged = jnp.where(state.hit, state.age / jnp.maximum(ttl, 1e-6), 0.0)
    size = jnp.log1p(bytes_of(request.obj_id).astype(jnp.float32)) / jnp.log(LARGE_OBJECT + 1)
    often = popularity(request.count)
    base = jnp.asarray(table.base)[request.endpoint]
    return stack_scalars(
        request.endpoint / ENDPOINTS,
        request.write,
        state.hit,
        aged,
        size,
        base / 0.5,
        jnp.log1p(ttl) / jnp.log(601.0),
        2 * often,
        often,
    )


def contents_features(
    state: ApiCacheState, cached: Array, params: ApiCacheParams
) -> Float[Array, "10"]:
    """50 .. 59: bytes that could be prefetched, and the next entries to evict."""
    contents, request = state.contents, state.request
    fetchable = (request.pred_prob >= FETCHABLE) & ~cached & (request.pred_id >= 0)
    score = scores(contents)
    oldest = lru_slot(contents)
    entries = contents.filled.sum()
    of_oldest = lambda values: jnp.sum(jnp.where(oldest, values, 0))  # noqa: E731
    untouched = jnp.log1p(of_oldest(contents.clock - contents.touch).astype(jnp.float32)) / 7
    return stack_scalars(
        jnp.sum(jnp.where(fetchable, bytes_of(request.pred_id), 0)) / LARGE_OBJECT,
        1 - entries / SLOTS,
        untouched,
        of_oldest(jnp.minimum(contents.count, OFTEN)) / OFTEN,
        of_oldest(score),
        jnp.where(entries > 0, score.min(), 0.0),
        contents.pinned.sum() / SLOTS,
        contents.unused.sum() / SLOTS,
        state.accuracy,
        backend_load(state.backlog, params),
    )


def stack_scalars(*numbers) -> Float[Array, "number"]:
    return jnp.stack([jnp.asarray(number, jnp.float32) for number in numbers])
