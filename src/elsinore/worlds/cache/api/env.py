"""The API cache as a gymnax environment: action, request, observation."""

from dataclasses import dataclass, fields
from typing import Any

import jax.numpy as jnp
from gymnax.environments import spaces
from gymnax.environments.environment import Environment
from jaxtyping import Array, Float, Int

from elsinore.envs.time_limit import LIMIT
from elsinore.validation import finite
from elsinore.worlds.cache.api.acting import ACTION_NAMES, ActionResult, apply_action
from elsinore.worlds.cache.api.objects import bytes_of
from elsinore.worlds.cache.api.observation import SIZE, api_observation
from elsinore.worlds.cache.api.serving import (
    ServedRequest,
    empty_latencies,
    pass_time,
    record_latency,
    refresh_predictions,
    response_time,
    serve,
)
from elsinore.worlds.cache.api.state import (
    COUNTERS,
    ApiCacheParams,
    ApiCacheState,
    Request,
    empty_contents,
)
from elsinore.worlds.cache.api.streams import GeneratedStream, RecordedStreams, generate_streams

MEMORY = 0.95  # of the running means
MOST_STREAMS = 20_000  # drawn once: about 1 GB


@dataclass(frozen=True)
class ApiCache(Environment):
    """Prefetching and eviction before a slow backend. Episodes are truncated, never terminated."""

    source: GeneratedStream | RecordedStreams = GeneratedStream()

    @property
    def name(self) -> str:
        return "Cache-api"

    @property
    def num_actions(self) -> int:
        return len(ACTION_NAMES)

    @property
    def default_params(self) -> ApiCacheParams:
        return ApiCacheParams()

    def action_space(self, params: ApiCacheParams) -> spaces.Discrete:
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: ApiCacheParams) -> spaces.Box:
        return spaces.Box(-jnp.inf, jnp.inf, (SIZE,), jnp.float32)

    def check_params(self, params: ApiCacheParams) -> None:
        """Refuse parameters that are not finite, those that must be above 0, as observations and
        loads are divided by them, and episodes longer than the streams.

        Raises:
            ValueError: naming the parameter.
        """
        names = [f.name for f in fields(params) if f.name in ApiCacheParams.__dataclass_fields__]
        finite(params, *names)
        finite(params, "capacity", "ttl_scale", "full_load", "cascade", above=0)
        finite(params, "drain", "slowdown", least=0)
        if isinstance(self.source, RecordedStreams):
            finite(params, LIMIT, least=1, most=self.source.length - 1)

    def reset_env(self, key, params: ApiCacheParams) -> tuple[Float[Array, "60"], ApiCacheState]:
        """An empty cache, and the first request of a stream that the key chooses."""
        return self.begin(*self.source.begin(key), params)

    def begin(
        self, source: Any, request: Request, params: ApiCacheParams
    ) -> tuple[Float[Array, "60"], ApiCacheState]:
        """Serve the first request of a stream from the backend; `source` is the stream's state."""
        served = serve(empty_contents(), jnp.float32(0.0), request, params)
        state = ApiCacheState(
            time=jnp.int32(0),
            source=source,
            request=request,
            contents=served.contents,
            backlog=served.backlog,
            hit=served.hit,
            age=served.age,
            latencies=empty_latencies(),
            hit_ema=jnp.float32(0.0),
            evict_ema=jnp.float32(0.0),
            rate=jnp.float32(1.0),
            accuracy=jnp.float32(0.5),
            counters=request_counters(request, served),
        )
        state = with_latency(state, params)
        return api_observation(state, params), state

    def step_env(self, key, state: ApiCacheState, action: Int[Array, ""], params: ApiCacheParams):
        """Apply the action to the observed request, then serve the next. The key is unused: the
        reset draws the whole stream."""
        turn = apply_action(state, action, params)
        source, request = self.source.next(state.source)
        contents, backlog, expired = pass_time(
            turn.contents, turn.backlog, state.request, request, params
        )
        served = serve(contents, backlog, request, params)
        wasted = turn.wasted + expired + served.wasted
        reward = jnp.clip(served.payoff - action_cost(turn, wasted, params), -10.0, 10.0)
        after = state.replace(
            time=state.time + 1,
            source=source,
            request=request,
            contents=refresh_predictions(served.contents, request),
            backlog=served.backlog,
            hit=served.hit,
            age=served.age,
            counters=state.counters
            + request_counters(request, served)
            + turn_counters(turn, wasted),
        )
        after = with_running_means(state, after, turn, served, wasted)
        after = with_latency(after, params)
        counters = dict(zip(COUNTERS, after.counters, strict=True))
        return api_observation(after, params), after, reward, jnp.bool_(False), counters


def action_cost(
    turn: ActionResult, wasted: Int[Array, ""], params: ApiCacheParams
) -> Float[Array, ""]:
    return (
        params.forced_eviction_cost * turn.forced
        + params.chosen_eviction_cost * turn.chosen
        + params.fetch_cost * turn.fetched / 1024
        + params.waste_penalty * wasted
    )


def with_running_means(
    before: ApiCacheState,
    after: ApiCacheState,
    turn: ActionResult,
    served: ServedRequest,
    wasted: Int[Array, ""],
) -> ApiCacheState:
    """Update the running means that the agent observes."""
    request = after.request
    gap = request.time - before.request.time
    evicted = turn.forced + turn.chosen
    accuracy = before.accuracy + (1 - MEMORY) * jnp.where(served.used, 1 - before.accuracy, 0.0)
    hit_ema = MEMORY * before.hit_ema + (1 - MEMORY) * served.hit
    return after.replace(
        hit_ema=jnp.where(request.write, before.hit_ema, hit_ema),
        evict_ema=MEMORY * before.evict_ema + (1 - MEMORY) * evicted / 4,
        rate=before.rate
        + 0.05 * jnp.minimum(1.0, gap) * (1 / jnp.maximum(gap, 0.01) - before.rate),
        accuracy=accuracy * jnp.float32(MEMORY) ** wasted,
    )


def with_latency(state: ApiCacheState, params: ApiCacheParams) -> ApiCacheState:
    """Add the response time of the last request to the window."""
    latency = response_time(state.request, state.hit, state.backlog, params)
    return state.replace(latencies=record_latency(state.latencies, state.time, latency))


def request_counters(request: Request, served: ServedRequest) -> Int[Array, "counter"]:
    """Counts of a served request, in the order of COUNTERS."""
    read, size = ~request.write, bytes_of(request.obj_id)
    found = {
        "hit": served.hit,
        "read": read,
        "hb": jnp.where(served.hit, size, 0),
        "rb": jnp.where(read, size, 0),
        "pfu": served.used,
        "stale": served.stale,
        "casc": served.cascade,
    }
    return counter_vector(found)


def turn_counters(turn: ActionResult, wasted: Int[Array, ""]) -> Int[Array, "counter"]:
    """Counts of the agent's action, and of the prefetches wasted in the whole step."""
    return counter_vector(
        {
            "pf": turn.prefetched,
            "pfw": wasted,
            "ev": turn.forced + turn.chosen,
            "bytes": turn.fetched,
        }
    )


def counter_vector(found: dict[str, Array]) -> Int[Array, "counter"]:
    return jnp.stack([jnp.asarray(found.get(name, 0), jnp.int32) for name in COUNTERS])


def api_cache(streams: int = 0, stream_seed: int = 0) -> Any:
    """Make `Cache-api`: every episode a new stream, or one of `streams` that are drawn once from a
    seed.

    Raises:
        ValueError: where `streams` is negative, or so large that they would fill the memory.
    """
    if not 0 <= streams <= MOST_STREAMS:
        raise ValueError(
            f"streams={streams} must be 0 (a new one for every episode), or how many to draw once,"
            f" at most {MOST_STREAMS:,}."
        )
    return ApiCache(generate_streams(streams, stream_seed) if streams else GeneratedStream())
