"""The API cache as an environment: acting, serving and looking, put together."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from gymnax.environments import spaces
from gymnax.environments.environment import Environment
from jaxtyping import Array, Float, Int

from elsinore.envs.cache.api.acting import NAMES, Turn, act
from elsinore.envs.cache.api.objects import size_of
from elsinore.envs.cache.api.observation import SIZE, observe
from elsinore.envs.cache.api.serving import (
    Served,
    no_latencies,
    noted,
    pass_time,
    remembered,
    response_time,
    serve,
)
from elsinore.envs.cache.api.state import COUNTERS, Params, Request, State, empty_contents
from elsinore.envs.cache.api.streams import Generated, Recorded, generated_bank

MEMORY = 0.95  # of the running means


@dataclass(frozen=True)
class ApiCache(Environment):
    """What to keep and what to fetch ahead of it being asked for; the clock ends an episode, nothing else does."""

    source: Generated | Recorded = Generated()

    @property
    def name(self) -> str:
        return "Cache-api"

    @property
    def num_actions(self) -> int:
        return len(NAMES)

    @property
    def default_params(self) -> Params:
        return Params()

    def action_space(self, params: Params) -> spaces.Discrete:
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: Params) -> spaces.Box:
        return spaces.Box(-jnp.inf, jnp.inf, (SIZE,), jnp.float32)

    def reset_env(self, key, params: Params) -> tuple[Float[Array, "60"], State]:
        """An empty cache, and the first request of a stream that the key chooses."""
        return self.begin(*self.source.begin(key), params)

    def begin(self, source: Any, request: Request, params: Params) -> tuple[Float[Array, "60"], State]:
        """The first request of a stream served from the backend: `source` is what the stream goes on from."""
        served = serve(empty_contents(), jnp.float32(0.0), request, params)
        state = State(
            time=jnp.int32(0),
            source=source,
            request=request,
            contents=served.contents,
            backlog=served.backlog,
            hit=served.hit,
            age=served.age,
            latencies=no_latencies(),
            hit_ema=jnp.float32(0.0),
            evict_ema=jnp.float32(0.0),
            rate=jnp.float32(1.0),
            accuracy=jnp.float32(0.5),
            counters=request_counters(request, served),
        )
        state = with_latency(state, params)
        return observe(state, params), state

    def step_env(self, key, state: State, action: Int[Array, ""], params: Params):
        """The agent acts on the request it saw, then the next one is served; chance was settled at the reset."""
        turn = act(state, action, params)
        source, request = self.source.next(state.source)
        contents, backlog, expired = pass_time(turn.contents, turn.backlog, state.request, request, params)
        served = serve(contents, backlog, request, params)
        wasted = turn.wasted + expired + served.wasted
        reward = jnp.clip(served.payoff - costs(turn, wasted, params), -10.0, 10.0)
        after = state.replace(
            time=state.time + 1,
            source=source,
            request=request,
            contents=remembered(served.contents, request),
            backlog=served.backlog,
            hit=served.hit,
            age=served.age,
            counters=state.counters + request_counters(request, served) + turn_counters(turn, wasted),
        )
        after = with_means(state, after, turn, served, wasted)
        after = with_latency(after, params)
        counters = dict(zip(COUNTERS, after.counters, strict=True))
        return observe(after, params), after, reward, jnp.bool_(False), counters


def costs(turn: Turn, wasted: Int[Array, ""], params: Params) -> Float[Array, ""]:
    return (
        params.forced_eviction_cost * turn.forced
        + params.chosen_eviction_cost * turn.chosen
        + params.fetch_cost * turn.fetched / 1024
        + params.waste_penalty * wasted
    )


def with_means(before: State, after: State, turn: Turn, served: Served, wasted: Int[Array, ""]) -> State:
    """The running means that the agent sees, with this step in them."""
    request = after.request
    gap = request.time - before.request.time
    evicted = turn.forced + turn.chosen
    accuracy = before.accuracy + (1 - MEMORY) * jnp.where(served.used, 1 - before.accuracy, 0.0)
    hit_ema = MEMORY * before.hit_ema + (1 - MEMORY) * served.hit
    return after.replace(
        hit_ema=jnp.where(request.write, before.hit_ema, hit_ema),
        evict_ema=MEMORY * before.evict_ema + (1 - MEMORY) * evicted / 4,
        rate=before.rate + 0.05 * jnp.minimum(1.0, gap) * (1 / jnp.maximum(gap, 0.01) - before.rate),
        accuracy=accuracy * jnp.float32(MEMORY) ** wasted,
    )


def with_latency(state: State, params: Params) -> State:
    """The window of response times, with that of the request just served."""
    latency = response_time(state.request, state.hit, state.backlog, params)
    return state.replace(latencies=noted(state.latencies, state.time, latency))


def request_counters(request: Request, served: Served) -> Int[Array, "counter"]:
    """What a served request adds to the counters."""
    read, size = ~request.write, size_of(request.obj_id)
    found = {
        "hit": served.hit,
        "read": read,
        "hb": jnp.where(served.hit, size, 0),
        "rb": jnp.where(read, size, 0),
        "pfu": served.used,
        "stale": served.stale,
        "casc": served.cascade,
    }
    return counted(found)


def turn_counters(turn: Turn, wasted: Int[Array, ""]) -> Int[Array, "counter"]:
    """What the agent's turn adds to them, and the prefetches wasted in the whole step."""
    return counted({"pf": turn.prefetched, "pfw": wasted, "ev": turn.forced + turn.chosen, "bytes": turn.fetched})


def counted(found: dict[str, Array]) -> Int[Array, "counter"]:
    return jnp.stack([jnp.asarray(found.get(name, 0), jnp.int32) for name in COUNTERS])


def api_cache(streams: int = 0, stream_seed: int = 0) -> Any:
    """The world by its name: every episode a new stream, or one of so many that are drawn once from a seed.

    Raises:
        ValueError: where `streams` is negative.
    """
    if streams < 0:
        raise ValueError(f"streams={streams} must be 0 (a new one for every episode) or how many to draw once.")
    return ApiCache(generated_bank(streams, stream_seed) if streams else Generated())
