"""Cache-trace: a recorded trace is replayed into a cache, and the agent chooses what to evict."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Bool, Float, Int

from elsinore.validation import finite
from elsinore.worlds.cache.trace.decisions import DECISIONS, EvictionChoice, check_decision
from elsinore.worlds.cache.trace.fallback import (
    FallbackState,
    fallback_choice,
    init_fallback,
    update_fallback,
)
from elsinore.worlds.cache.trace.features import (
    NUM_GLOBALS,
    NUM_OF_ENTRY,
    cache_features,
    entry_features,
    pending_features,
)
from elsinore.worlds.cache.trace.log import TraceLog, num_slots_for, trace_log
from elsinore.worlds.cache.trace.recording import LARGEST, Trace, check_capacity, resolve_trace
from elsinore.worlds.cache.trace.slots import (
    Slots,
    after_request,
    empty_slots,
    remove_slots,
    select_victims,
    store_object,
)

NO_REQUEST = -1
FADE = 0.99  # of the running hit rates
PAGE = 2**30  # bytes; sums of bytes are kept in pages and the rest, for 32 bits hold 2 GB only


@struct.dataclass
class TraceCacheParams(EnvParams):
    """Numbers that may change without recompiling."""

    max_steps_in_episode: int = 4_096  # requests
    capacity: int = 64  # objects or bytes; no more entries than there are slots
    # each episode draws its capacity log-uniformly from here to `capacity`; 0: fixed
    smallest_capacity: int = 0
    random_start: bool = True  # episodes begin anywhere in the trace, or at its first request
    hit_weight: float = 1.0
    byte_weight: float = 0.0  # for the bytes of a hit, in means of the trace
    latency_weight: float = 0.0  # for the time a hit saves, in means of the trace
    fixed_ms: float = 20.0  # of fetching anything
    bytes_per_ms: float = 1_000.0


@struct.dataclass
class TraceCacheState(EnvState):
    """State after a request was served. `time` counts the requests of this episode."""

    slots: Slots
    capacity: Int[Array, ""]  # of this episode
    request: Int[Array, ""]  # index of the next to be served
    pending: Int[
        Array, ""
    ]  # index of the request whose object waits for room, NO_REQUEST: none does
    hit_rate: Float[Array, ""]  # running means over requests
    byte_rates: Float[Array, "2"]  # of requested bytes and hit bytes
    hits: Int[Array, ""]
    hit_pages: Int[Array, ""]  # weight of the hits: whole pages, and the rest
    hit_rest: Int[Array, ""]
    watch: FallbackState | tuple[()] = ()  # only with `fallback`


@dataclass(frozen=True)
class TraceCache(Environment):
    """Eviction on a recorded trace: each step serves a request; the action settles a miss that
    found no room.

    The action has no effect while nothing is pending. The reward is that of the request served: 1
    for a hit, unless weighted otherwise. Episodes are never terminated; they are truncated after
    `max_steps_in_episode` requests or at the trace's end.

    Raises:
        ValueError: for an unknown unit or decision, a trace that cannot be read, a capacity in
            which nothing fits.
    """

    trace: str | Trace = "zipf"  # a path to an npz, "zipf" (synthetic), or a Trace
    capacity: int = 64  # the default of `params.capacity`, and what `slots` is chosen for
    unit: str = "objects"  # or bytes
    # an expert that evicts; or `sampled`: one of some candidates; or `admission`
    decide: str = "experts"
    candidates: int = 16  # of `sampled`
    slots: int | None = None  # entries at most; None: as many as may fit
    # a rule takes over for a while whenever it would have hit more (see `fallback`)
    fallback: bool = False

    def __post_init__(self) -> None:
        trace = resolve_trace(self.trace)
        check_capacity(trace, self.capacity, self.unit)
        if self.capacity > LARGEST:
            raise ValueError(
                f"capacity={self.capacity} is more than {LARGEST}; replay such caches, or scale"
                " sizes."
            )
        fitting = num_slots_for(trace, self.capacity, self.unit)
        slots = fitting if self.slots is None else self.slots
        if slots < 1:
            raise ValueError(f"slots={slots} must be at least 1.")
        object.__setattr__(self, "slots", slots)
        # a trace may have fewer objects than its cache has room for
        most = max(self.capacity, slots) if slots >= fitting else slots
        object.__setattr__(self, "_most", most)
        check_decision(self.decide, self.candidates, slots)
        # No fields: a run's config holds the arguments, from which these are made again.
        object.__setattr__(self, "_log", TraceLog(*map(jnp.asarray, trace_log(trace, self.unit))))
        object.__setattr__(self, "_mean_size", float(trace.size.mean()))

    @property
    def log(self) -> TraceLog:
        """The trace as device arrays."""
        return self._log

    @property
    def mean_size(self) -> float:
        """Mean bytes of a request."""
        return self._mean_size

    @property
    def default_params(self) -> TraceCacheParams:
        own = self.unit == "objects"  # in which fewer slots than the capacity are what it has
        return TraceCacheParams(capacity=min(self.capacity, self._most) if own else self.capacity)

    @property
    def num_requests(self) -> int:
        return len(self.log.obj)

    @property
    def decision(self):
        return DECISIONS[self.decide]

    def action_space(self, params: TraceCacheParams) -> spaces.Discrete:
        return spaces.Discrete(self.decision.num_actions(self.candidates))

    def observation_space(self, params: TraceCacheParams):
        """Box of 60 numbers; for `sampled` a Dict of 12 globals, 8 numbers per candidate, and the
        action mask."""
        if self.decide != "sampled":
            return spaces.Box(0.0, 2.0, (NUM_GLOBALS + 6 * NUM_OF_ENTRY,))
        return spaces.Dict(
            {
                "globals": spaces.Box(0.0, 2.0, (NUM_GLOBALS,)),
                "candidates": spaces.Box(0.0, 2.0, (self.candidates, NUM_OF_ENTRY)),
                "action_mask": spaces.Box(0, 1, (self.candidates + 1,), jnp.bool_),
            }
        )

    def check_params(self, params: TraceCacheParams) -> None:
        """Refuse a capacity without room, or of more objects than the cache was made for, and costs
        that are not finite.

        Raises:
            ValueError: naming the parameter.
        """
        finite(params, "capacity", least=1)
        if self.unit == "objects" and np.max(params.capacity) > self._most:
            raise ValueError(
                f"capacity={np.asarray(params.capacity).tolist()} is more than the {self._most}"
                " objects that the cache is made for; set env_kwargs.capacity."
            )
        finite(params, "smallest_capacity", least=0, most=np.min(params.capacity))
        finite(params, "hit_weight", "byte_weight", "latency_weight")
        finite(params, "fixed_ms", least=0)
        finite(params, "bytes_per_ms", above=0)

    def reset_env(self, key, params: TraceCacheParams):
        latest = jnp.maximum(self.num_requests - params.max_steps_in_episode, 0)
        begin = jnp.where(params.random_start, jax.random.randint(key, (), 0, latest + 1), 0)
        capacity = sample_capacity(jax.random.fold_in(key, 1), params)
        zero, rate = jnp.int32(0), jnp.float32(0.0)
        state = TraceCacheState(
            zero,
            empty_slots(self.slots),
            capacity,
            begin.astype(jnp.int32),
            jnp.int32(NO_REQUEST),
            rate,
            jnp.zeros(2),
            zero,
            zero,
            zero,
            init_fallback(self.slots) if self.fallback else (),
        )
        return self.observe(state, params), state

    def step_env(
        self, key, state: TraceCacheState, action: Int[Array, ""], params: TraceCacheParams
    ):
        """Settle the pending object by the action; then serve the next request."""
        decided = state.pending >= 0
        state = self.settle(state, action)
        state, hit, reward = self.serve(state, params)
        draw = jax.random.uniform(key, (self.slots,))
        state = state.replace(slots=state.slots.replace(draw=draw.astype(jnp.float32)))
        info = {"hit": hit, "decided": decided}
        return self.observe(state, params), state, reward, jnp.bool_(False), info

    def is_truncated(self, state: TraceCacheState, params: TraceCacheParams) -> Bool[Array, ""]:
        return (state.time >= params.max_steps_in_episode) | (state.request >= self.num_requests)

    def settle(self, state: TraceCacheState, action: Int[Array, ""]) -> TraceCacheState:
        """Store the pending object in place of others, or reject it."""
        at = jnp.maximum(state.pending, 0)
        weight, slots = self.log.weight[at], state.slots
        choice = self.decision.choice(slots, action, self.candidates)
        choice = self.or_rule(choice, state)
        keep = (state.pending >= 0) & jnp.logical_not(choice.rejected)
        gone = select_victims(
            slots,
            choice.first,
            choice.second,
            slots.used + weight - state.capacity,
            keep,
            single=self.unit == "objects",
        )
        slots = remove_slots(slots, gone, choice.by_priority)
        slots = store_object(slots, self.log.obj[at], weight, at, keep)
        return state.replace(slots=slots, pending=jnp.int32(NO_REQUEST))

    def or_rule(self, choice: EvictionChoice, state: TraceCacheState) -> EvictionChoice:
        """The choice, or the fallback rule's while it is in charge."""
        if not isinstance(state.watch, FallbackState):
            return choice
        by_rule = fallback_choice(state.slots, self.unit == "objects")
        by_rule = by_rule._replace(first=by_rule.first.astype(choice.first.dtype))
        return jax.tree.map(
            lambda ours, its: jnp.where(state.watch.pause > 0, its, ours), choice, by_rule
        )

    def serve(
        self, state: TraceCacheState, params: TraceCacheParams
    ) -> tuple[TraceCacheState, Bool[Array, ""], Float[Array, ""]]:
        """Serve the next request of the trace; none after its end."""
        there = state.request < self.num_requests
        at = jnp.minimum(state.request, self.num_requests - 1)
        obj, weight = jnp.where(there, self.log.obj[at], NO_REQUEST - 1), self.log.weight[at]
        slots, hit = after_request(state.slots, obj, at)
        missed = there & ~hit & (weight <= state.capacity)
        fits = (slots.used <= state.capacity - weight) & ~slots.filled.all()
        slots = store_object(slots, obj, weight, at, missed & fits)
        state = state.replace(
            time=state.time + 1,
            slots=slots,
            request=state.request + there,
            pending=jnp.where(missed & ~fits, at, NO_REQUEST),
        )
        if isinstance(state.watch, FallbackState):
            single = self.unit == "objects"
            state = state.replace(
                watch=update_fallback(state.watch, obj, weight, at, state.capacity, hit, single)
            )
        return self.counted(state, at, hit), hit, self.reward(at, hit, params)

    def counted(
        self, state: TraceCacheState, at: Int[Array, ""], hit: Bool[Array, ""]
    ) -> TraceCacheState:
        """Update sums and running means after a request."""
        requested = self.log.size[at].astype(jnp.float32)
        rest = state.hit_rest + hit * self.log.weight[at] % PAGE
        return state.replace(
            hit_rate=FADE * state.hit_rate + (1 - FADE) * hit,
            byte_rates=FADE * state.byte_rates
            + (1 - FADE) * requested * jnp.stack([jnp.bool_(True), hit]),
            hits=state.hits + hit,
            hit_pages=state.hit_pages + hit * self.log.weight[at] // PAGE + rest // PAGE,
            hit_rest=rest % PAGE,
        )

    def reward(
        self, at: Int[Array, ""], hit: Bool[Array, ""], params: TraceCacheParams
    ) -> Float[Array, ""]:
        """Reward of a hit: `hit_weight` + `byte_weight` * size / mean size + `latency_weight` * ms
        / mean ms."""
        size, mean = self.log.size[at], self.mean_size
        saved = (params.fixed_ms + size / params.bytes_per_ms) / (
            params.fixed_ms + mean / params.bytes_per_ms
        )
        worth = params.hit_weight + params.byte_weight * size / mean + params.latency_weight * saved
        return jnp.where(hit, worth, 0.0).astype(jnp.float32)

    def observe(self, state: TraceCacheState, params: TraceCacheParams):
        """Twelve globals, then eight numbers of each entry that may be evicted (see `features`)."""
        most = jnp.minimum(state.capacity, self.slots)  # entries
        pending = pending_features(self.log, state.pending, most)
        cache = cache_features(state.slots, state.capacity, most)
        byte_rate = state.byte_rates[1] / jnp.where(
            state.byte_rates[0] > 0.0, state.byte_rates[0], 1.0
        )
        passed = jnp.minimum(state.time / params.max_steps_in_episode, 1.0)
        rates = jnp.stack([state.hit_rate, byte_rate, passed])
        whole = jnp.concatenate([pending[:5], cache[:2], rates, cache[2:], pending[5:]]).astype(
            jnp.float32
        )
        which, there = self.decision.shown(state.slots, self.candidates)
        entries = entry_features(self.log, state.slots, which, there, state.request, most)
        if self.decide != "sampled":
            return jnp.concatenate([whole, entries.ravel()]).astype(jnp.float32)
        # an empty slot cannot be evicted; rejecting is always legal
        mask = jnp.append(there, True)
        return {"globals": whole, "candidates": entries.astype(jnp.float32), "action_mask": mask}


def sample_capacity(key, params: TraceCacheParams) -> Int[Array, ""]:
    """Capacity of an episode: log-uniform from `smallest_capacity`, or fixed."""
    share, smallest = jax.random.uniform(key), jnp.maximum(params.smallest_capacity, 1)
    drawn = (
        jnp.exp((1 - share) * jnp.log(smallest) + share * jnp.log(params.capacity))
        .round()
        .astype(jnp.int32)
    )
    return jnp.where(
        params.smallest_capacity > 0, jnp.minimum(drawn, params.capacity), params.capacity
    )
