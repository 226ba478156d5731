"""Sources of requests: recorded streams, or eight sessions drawn during the episode.

A source has `begin(key) -> (source state, first request)` and `next(source state) -> (source state,
request)`. No action changes the requests, so the reset's key determines an episode's stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Int, Key

from elsinore.worlds.cache.api.sessions import DAY, Crowd, init_crowd, next_request
from elsinore.worlds.cache.api.state import Request
from elsinore.worlds.cache.api.tables import OBJECTS

LENGTH = 513  # requests of an episode: the first is served at reset


class GeneratedPosition(NamedTuple):
    """State of a generated stream, and the number of requests of each object so far."""

    crowd: Crowd
    count: Int[Array, "object"]


@dataclass(frozen=True)
class GeneratedStream:
    """Endless streams of eight sessions, each request drawn when it arrives."""

    def begin(self, key: Key[Array, ""]) -> tuple[GeneratedPosition, Request]:
        return self.next(GeneratedPosition(init_crowd(key), jnp.zeros(OBJECTS, jnp.int32)))

    def next(self, tallied: GeneratedPosition) -> tuple[GeneratedPosition, Request]:
        crowd, request = next_request(tallied.crowd)
        count, request = count_request(tallied.count, request)
        return GeneratedPosition(crowd, count), request


def count_request(
    count: Int[Array, "object"], request: Request
) -> tuple[Int[Array, "object"], Request]:
    """Count the request's object; fill in the request's counts."""
    count = count.at[request.obj_id].add(1)
    return count, request.replace(count=count[request.obj_id], pred_count=count[request.pred_id])


def generate_stream(key: Key[Array, ""], length: int = LENGTH) -> Request:
    """The stream that `GeneratedStream` draws from a key: every field of a request is [length,
    ...]."""
    source = GeneratedStream()

    def step(state, _):
        return source.next(state)

    state, first = source.begin(key)
    _, later = jax.lax.scan(step, state, length=length - 1)
    return jax.tree.map(lambda x, xs: jnp.concatenate([x[None], xs]), first, later)


@struct.dataclass
class StreamPosition:
    """Position in a recorded stream."""

    stream: Int[Array, ""]
    time: Int[Array, ""]


@dataclass(frozen=True, eq=False)
class RecordedStreams:
    """Recorded streams, one drawn for each episode; a step reads the next row and draws nothing.

    All environments share `requests`, whose fields are [stream, time, ...]. Past its end the last
    request repeats, so `max_steps_in_episode` should be less than its length.

    Raises:
        ValueError: for fields with different or empty leading axes.
    """

    requests: Request

    def __post_init__(self) -> None:
        shapes = {np.shape(x)[:2] for x in jax.tree.leaves(self.requests)}
        if len(shapes) != 1 or min(min(shapes)) < 1:
            raise ValueError(
                f"requests begin with axes {sorted(shapes)}; they must agree, and be [stream,"
                " time]."
            )

    @property
    def num_streams(self) -> int:
        return self.requests.obj_id.shape[0]

    @property
    def length(self) -> int:
        return self.requests.obj_id.shape[1]

    def begin(self, key: Key[Array, ""]) -> tuple[StreamPosition, Request]:
        return self.at(self.first(jax.random.randint(key, (), 0, self.num_streams)))

    def first(self, stream: Int[Array, ""]) -> StreamPosition:
        """Position of a stream's first request."""
        return StreamPosition(stream=jnp.asarray(stream, jnp.int32), time=jnp.int32(0))

    def next(self, place: StreamPosition) -> tuple[StreamPosition, Request]:
        return self.at(place.replace(time=jnp.minimum(place.time + 1, self.length - 1)))

    def at(self, place: StreamPosition) -> tuple[StreamPosition, Request]:
        return place, jax.tree.map(
            lambda x: jnp.asarray(x)[place.stream, place.time], self.requests
        )


def generate_streams(num_streams: int, seed: int) -> RecordedStreams:
    """Generate `num_streams` streams and record them."""
    keys = jax.random.split(jax.random.key(seed), num_streams)
    return RecordedStreams(jax.tree.map(np.asarray, jax.jit(jax.vmap(generate_stream))(keys)))


FIELDS = (
    "obj_id", "endpoint", "time", "latency", "write", "user_type", "session_pos", "session_dur",
    "u_stale", "invalidates", "pred_id", "pred_prob",
)  # fmt: skip


def recorded_streams(*streams: Mapping[str, Any]) -> RecordedStreams:
    """Streams of numpy arrays, one entry a request: `FIELDS`, with `time` in absolute seconds as
    float64.

    Raises:
        ValueError: naming the missing field, or one with invalid values.
    """
    requests = [request_of(stream) for stream in streams]
    if len({request.obj_id.shape for request in requests}) != 1:
        raise ValueError("streams must be one or more, and of one length.")
    stacked = jax.tree.map(lambda *xs: np.stack(xs), *requests)
    tallies = jax.jit(jax.vmap(partial(jax.lax.scan, count_request), (None, 0)))
    _, requests = tallies(jnp.zeros(OBJECTS, jnp.int32), stacked)
    return RecordedStreams(jax.tree.map(np.asarray, requests))


def request_of(stream: Mapping[str, Any]) -> Request:
    """A stream as requests without counts; times are made relative to the first while float64."""
    if missing := [name for name in FIELDS if name not in stream]:
        raise ValueError(f"the stream has no {missing[0]!r}; it needs {', '.join(FIELDS)}.")
    time = np.asarray(stream["time"], np.float64)
    obj_id, pred_id = (np.asarray(stream[name], np.int32) for name in ("obj_id", "pred_id"))
    if obj_id.min() < 0 or obj_id.max() >= OBJECTS or pred_id.max() >= OBJECTS:
        raise ValueError(
            f"obj_id and pred_id must be objects, 0 .. {OBJECTS - 1}, or -1 for no prediction."
        )
    ints = {
        name: np.asarray(stream[name], np.int32)
        for name in ("endpoint", "user_type", "session_pos", "invalidates")
    }
    floats = {
        name: np.asarray(stream[name], np.float32)
        for name in ("latency", "session_dur", "u_stale", "pred_prob")
    }
    return Request(
        obj_id=obj_id,
        time=np.float32(time - time[0]),
        weekday=np.int32(time // DAY % 7),
        second=np.float32(time % DAY),
        write=np.asarray(stream["write"], bool),
        pred_id=pred_id,
        count=np.zeros_like(obj_id),
        pred_count=np.zeros_like(pred_id),
        **ints,
        **floats,
    )
