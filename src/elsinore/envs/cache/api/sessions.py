"""Eight browsing sessions whose requests arrive one by one: how streams are generated."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from elsinore.envs.cache.api.state import Request
from elsinore.envs.cache.api.tables import LOGOUT, tables

SESSIONS = 8
USERS = 64
LEAVING = 0.01  # chance at each of its requests that a session is over
DAY, HOUR = 86_400.0, 3600.0
SPREAD = 0.2  # of the logarithm of a latency


class Sessions(NamedTuple):
    """One session, or all of them with a leading axis."""

    user_type: Int[Array, "..."]
    user: Int[Array, "..."]
    product: Int[Array, "..."]  # what it will look at next
    query: Int[Array, "..."]  # what it will search for next
    endpoint: Int[Array, "..."]  # what it asked for last
    pos: Int[Array, "..."]  # requests so far
    began: Float[Array, "..."]  # s since the episode's first request


class Crowd(NamedTuple):
    """All that decides what comes next."""

    key: Key[Array, ""]  # of the stream: request t is drawn from fold_in(key, t)
    time: Int[Array, ""]  # requests so far
    now: Float[Array, ""]  # s since the first request
    weekday: Int[Array, ""]  # on which the stream began
    second: Float[Array, ""]  # of that day, at the first request
    sessions: Sessions  # [session]


class Draws(NamedTuple):
    """Uniform numbers for one request, drawn at once and told apart by use."""

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


def draw(key: Key[Array, ""], time: Int[Array, ""]) -> Draws:
    return Draws(*jax.random.uniform(jax.random.fold_in(key, time), (len(Draws._fields),)))


def gather(key: Key[Array, ""]) -> Crowd:
    """Eight fresh sessions on some day, at some hour from 8 to 22."""
    stream_key, day_key, hour_key, session_key = jax.random.split(key, 4)
    weekday = jax.random.randint(day_key, (), 0, 7)
    second = HOUR * jax.random.uniform(hour_key, (), minval=8.0, maxval=22.0)
    before = -gap(draw(stream_key, jnp.int32(0)).gap, second)  # the first request comes at 0
    chances = jax.random.uniform(session_key, (4, SESSIONS))
    return Crowd(stream_key, jnp.int32(0), jnp.float32(0.0), weekday, second, fresh(*chances, began=before))


def fresh(user_type: Array, user: Array, product: Array, query: Array, *, began: Array) -> Sessions:
    """Sessions of those chances, that have not asked for anything."""
    nothing = jnp.zeros(jnp.shape(user_type), jnp.int32)
    return Sessions(
        user_type=chosen(tables().user_types, user_type),
        user=jnp.int32(user * USERS),
        product=chosen(tables().popularity, product),
        query=chosen(tables().popularity, query),
        endpoint=nothing,
        pos=nothing,
        began=jnp.broadcast_to(began, nothing.shape),
    )


def arrive(crowd: Crowd) -> tuple[Crowd, Request]:
    """The next request; the agent's world counts how often its objects were asked for."""
    draws = draw(crowd.key, crowd.time)
    waited = gap(draws.gap, crowd.second + crowd.now)
    now = jnp.where(crowd.time == 0, 0.0, crowd.now + waited)
    picked = jnp.arange(SESSIONS) == jnp.int32(draws.pick * SESSIONS)
    session = Sessions(*(jnp.sum(jnp.where(picked, x, 0), dtype=x.dtype) for x in crowd.sessions))
    session = visit(renewed(session, draws, now), draws)
    after = moved_on(session, draws)
    sessions = Sessions(*(jnp.where(picked, x, xs) for x, xs in zip(after, crowd.sessions, strict=True)))
    crowd = crowd._replace(time=crowd.time + 1, now=now, sessions=sessions)
    return crowd, requested(session, after, crowd, draws)


def gap(chance: Float[Array, ""], second: Float[Array, ""]) -> Float[Array, ""]:
    """Seconds to the next request: exponential, shortest in the afternoon."""
    rate = 1 + 0.7 * jnp.cos(2 * jnp.pi * (second / HOUR - 15) / 24)
    return -jnp.log1p(-chance) / rate


def renewed(session: Sessions, draws: Draws, now: Float[Array, ""]) -> Sessions:
    """The session, or another in its place where it has left."""
    left = ((session.pos > 0) & (session.endpoint == LOGOUT)) | (draws.leave < LEAVING)
    other = fresh(draws.user_type, draws.user, draws.first_product, draws.first_query, began=now)
    return Sessions(*(jnp.where(left, new, old) for new, old in zip(other, session, strict=True)))


def visit(session: Sessions, draws: Draws) -> Sessions:
    """The session asks for an endpoint."""
    start = jnp.asarray(tables().start)[session.user_type]
    onward = jnp.asarray(tables().transition)[session.user_type, session.endpoint]
    endpoint = chosen(jnp.where(session.pos == 0, start, onward), draws.move)
    return session._replace(endpoint=endpoint, pos=session.pos + 1)


def moved_on(session: Sessions, draws: Draws) -> Sessions:
    """The session with what it will look at and search for next."""
    table = tables()
    product, query = (chosen(table.popularity, chance) for chance in (draws.product, draws.query))
    return session._replace(
        product=jnp.where(jnp.asarray(table.moves_product)[session.endpoint], product, session.product),
        query=jnp.where(jnp.asarray(table.moves_query)[session.endpoint], query, session.query),
    )


def requested(session: Sessions, after: Sessions, crowd: Crowd, draws: Draws) -> Request:
    """What the session asks for, with predictions of what it will."""
    table = tables()
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
        # An invalidated object has its endpoint's first number plus the offset of the object written.
        invalidates=jnp.where(
            invalid >= 0, jnp.asarray(table.first_id)[invalid] + obj_id - jnp.asarray(table.first_id)[endpoint], -1
        ),
        pred_id=object_of(after, jnp.asarray(table.predicted)[session.user_type, endpoint]),
        pred_prob=jnp.asarray(table.chance)[session.user_type, endpoint],
        count=jnp.int32(0),
        pred_count=jnp.zeros(table.predicted.shape[-1], jnp.int32),
    )


def object_of(session: Sessions, endpoint: Int[Array, "..."]) -> Int[Array, "..."]:
    """The object that a session asks for at an endpoint."""
    offsets = jnp.stack([jnp.int32(0), session.user, session.product, session.query])  # in the order of SCOPES
    return jnp.asarray(tables().first_id)[endpoint] + offsets[jnp.asarray(tables().scope)[endpoint]]


def chosen(cumulative: Array, chance: Float[Array, "..."]) -> Int[Array, "..."]:
    """The index at which cumulative chances first exceed a uniform number."""
    return jnp.sum(jnp.asarray(cumulative) <= chance[..., None], axis=-1, dtype=jnp.int32)
