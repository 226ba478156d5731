"""Generator of request streams: eight browsing sessions whose requests arrive one by one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from elsinore.worlds.cache.api.state import Request
from elsinore.worlds.cache.api.tables import LOGOUT, api_tables

SESSIONS = 8
USERS = 64
LEAVING = 0.01  # probability at each request that a session ends
DAY, HOUR = 86_400.0, 3600.0
SPREAD = 0.2  # of the logarithm of a latency


class Sessions(NamedTuple):
    """One session, or all of them with a leading axis."""

    user_type: Int[Array, "..."]
    user: Int[Array, "..."]
    product: Int[Array, "..."]  # its next product
    query: Int[Array, "..."]  # its next search
    endpoint: Int[Array, "..."]  # of its last request
    pos: Int[Array, "..."]  # requests so far
    began: Float[Array, "..."]  # s since the episode's first request


class Crowd(NamedTuple):
    """State of a generated stream: its key, its clock, and its sessions."""

    key: Key[Array, ""]  # of the stream: request t is drawn from fold_in(key, t)
    time: Int[Array, ""]  # requests so far
    now: Float[Array, ""]  # s since the first request
    weekday: Int[Array, ""]  # on which the stream began
    second: Float[Array, ""]  # of that day, at the first request
    sessions: Sessions  # [session]


class Draws(NamedTuple):
    """Uniform random numbers of one request, by use."""

    gap: Array
    pick: Array
    leave: Array
    user_type: Array
    user: Array
    first_product: Array
    first_query: Array
    move: Array
    product: Array
    query: Array
    latency: Array
    stale: Array


def draw_uniforms(key: Key[Array, ""], time: Int[Array, ""]) -> Draws:
    return Draws(*jax.random.uniform(jax.random.fold_in(key, time), (len(Draws._fields),)))


def init_crowd(key: Key[Array, ""]) -> Crowd:
    """Eight new sessions on a random weekday, between 8 and 22 o'clock."""
    stream_key, day_key, hour_key, session_key = jax.random.split(key, 4)
    weekday = jax.random.randint(day_key, (), 0, 7)
    second = HOUR * jax.random.uniform(hour_key, (), minval=8.0, maxval=22.0)
    before = -interarrival_time(
        draw_uniforms(stream_key, jnp.int32(0)).gap, second
    )  # the first request comes at 0
    chances = jax.random.uniform(session_key, (4, SESSIONS))
    return Crowd(
        stream_key,
        jnp.int32(0),
        jnp.float32(0.0),
        weekday,
        second,
        new_sessions(*chances, began=before),
    )


def new_sessions(
    user_type: Array, user: Array, product: Array, query: Array, *, began: Array
) -> Sessions:
    """Sessions without requests, from uniform random numbers."""
    nothing = jnp.zeros(jnp.shape(user_type), jnp.int32)
    return Sessions(
        user_type=sample_index(api_tables().user_types, user_type),
        user=jnp.int32(user * USERS),
        product=sample_index(api_tables().popularity, product),
        query=sample_index(api_tables().popularity, query),
        endpoint=nothing,
        pos=nothing,
        began=jnp.broadcast_to(began, nothing.shape),
    )


def next_request(crowd: Crowd) -> tuple[Crowd, Request]:
    """Draw the next request. Its counts are 0; `count_request` fills them in."""
    draws = draw_uniforms(crowd.key, crowd.time)
    waited = interarrival_time(draws.gap, crowd.second + crowd.now)
    now = jnp.where(crowd.time == 0, 0.0, crowd.now + waited)
    picked = jnp.arange(SESSIONS) == jnp.int32(draws.pick * SESSIONS)
    session = Sessions(*(jnp.sum(jnp.where(picked, x, 0), dtype=x.dtype) for x in crowd.sessions))
    session = choose_endpoint(replace_if_left(session, draws, now), draws)
    after = choose_topics(session, draws)
    sessions = Sessions(
        *(jnp.where(picked, x, xs) for x, xs in zip(after, crowd.sessions, strict=True))
    )
    crowd = crowd._replace(time=crowd.time + 1, now=now, sessions=sessions)
    return crowd, build_request(session, after, crowd, draws)


def interarrival_time(chance: Float[Array, ""], second: Float[Array, ""]) -> Float[Array, ""]:
    """Seconds to the next request: exponential, shortest in the afternoon."""
    rate = 1 + 0.7 * jnp.cos(2 * jnp.pi * (second / HOUR - 15) / 24)
    return -jnp.log1p(-chance) / rate


def replace_if_left(session: Sessions, draws: Draws, now: Float[Array, ""]) -> Sessions:
    """The session, or a new one in its place if it has ended."""
    left = ((session.pos > 0) & (session.endpoint == LOGOUT)) | (draws.leave < LEAVING)
    other = new_sessions(
        draws.user_type, draws.user, draws.first_product, draws.first_query, began=now
    )
    return Sessions(*(jnp.where(left, new, old) for new, old in zip(other, session, strict=True)))


def choose_endpoint(session: Sessions, draws: Draws) -> Sessions:
    """Draw the session's next endpoint."""
    start = jnp.asarray(api_tables().start)[session.user_type]
    onward = jnp.asarray(api_tables().transition)[session.user_type, session.endpoint]
    endpoint = sample_index(jnp.where(session.pos == 0, start, onward), draws.move)
    return session._replace(endpoint=endpoint, pos=session.pos + 1)


def choose_topics(session: Sessions, draws: Draws) -> Sessions:
    """Draw the session's next product and query, where the endpoint changes them."""
    table = api_tables()
    product, query = (
        sample_index(table.popularity, chance) for chance in (draws.product, draws.query)
    )
    return session._replace(
        product=jnp.where(
            jnp.asarray(table.moves_product)[session.endpoint], product, session.product
        ),
        query=jnp.where(jnp.asarray(table.moves_query)[session.endpoint], query, session.query),
    )


def build_request(session: Sessions, after: Sessions, crowd: Crowd, draws: Draws) -> Request:
    """The session's request, with predictions of its next ones."""
    table = api_tables()
    endpoint = session.endpoint
    obj_id = object_of(session, endpoint)
    invalid = jnp.asarray(table.invalidates)[endpoint]
    second = crowd.second + crowd.now
    noise = jnp.sqrt(2.0) * jax.lax.erf_inv(2 * draws.latency - 1)
    base = jnp.asarray(table.base)[endpoint]
    return Request(
        obj_id=obj_id,
        endpoint=endpoint,
        time=crowd.now,
        weekday=(crowd.weekday + jnp.int32(second // DAY)) % 7,
        second=second % DAY,
        latency=1000 * base * jnp.exp(SPREAD * noise - SPREAD**2 / 2),
        write=jnp.asarray(table.write)[endpoint],
        user_type=session.user_type,
        session_pos=session.pos,
        session_dur=crowd.now - session.began,
        u_stale=draws.stale,
        # An invalidated object has its endpoint's first number plus the offset of the object
        # written.
        invalidates=jnp.where(
            invalid >= 0,
            jnp.asarray(table.first_id)[invalid] + obj_id - jnp.asarray(table.first_id)[endpoint],
            -1,
        ),
        pred_id=object_of(after, jnp.asarray(table.predicted)[session.user_type, endpoint]),
        pred_prob=jnp.asarray(table.chance)[session.user_type, endpoint],
        count=jnp.int32(0),
        pred_count=jnp.zeros(table.predicted.shape[-1], jnp.int32),
    )


def object_of(session: Sessions, endpoint: Int[Array, "..."]) -> Int[Array, "..."]:
    """Object that a session requests at an endpoint."""
    # in the order of SCOPES
    offsets = jnp.stack([jnp.int32(0), session.user, session.product, session.query])
    return (
        jnp.asarray(api_tables().first_id)[endpoint]
        + offsets[jnp.asarray(api_tables().scope)[endpoint]]
    )


def sample_index(cumulative: Array, chance: Float[Array, "..."]) -> Int[Array, "..."]:
    """Index at which cumulative probabilities first exceed a uniform number."""
    return jnp.sum(jnp.asarray(cumulative) <= chance[..., None], axis=-1, dtype=jnp.int32)
