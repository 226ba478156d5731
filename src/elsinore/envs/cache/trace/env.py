"""The world: a recorded trace is replayed into a cache, and the agent says what to give up."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.cache.trace.decisions import DECISIONS, Choice, check_decision
from elsinore.envs.cache.trace.fallback import Watch, begin_watch, rule, watched
from elsinore.envs.cache.trace.features import NUM_GLOBALS, NUM_OF_ENTRY, of_cache, of_entries, of_pending
from elsinore.envs.cache.trace.log import Log, log_of, slots_for
from elsinore.envs.cache.trace.recording import LARGEST, Trace, check_capacity, named_trace
from elsinore.envs.cache.trace.slots import Slots, empty, leaving, stored, touched, without

NOTHING = -1
FADE = 0.99  # of the running hit rates
PAGE = 4_096  # bytes; sums of bytes are kept in pages and the rest, for 32 bits hold 2 GB only


@struct.dataclass
class Params(EnvParams):
    """Numbers that may change without compiling again."""

    max_steps_in_episode: int = 4_096  # requests
    capacity: int = 64  # objects or bytes; no more entries than the world has slots
    smallest_capacity: int = 0  # drawn anew for each episode, between this and `capacity` by its logarithm; 0: never
    random_start: bool = True  # episodes begin anywhere in the trace, or at its first request
    hit_weight: float = 1.0
    byte_weight: float = 0.0  # for the bytes of a hit, in means of the trace
    latency_weight: float = 0.0  # for the time a hit saves, in means of the trace
    fixed_ms: float = 20.0  # of fetching anything
    bytes_per_ms: float = 1_000.0


@struct.dataclass
class State(EnvState):
    """`time` counts the requests served in this episode."""

    slots: Slots
    capacity: Int[Array, ""]  # of this episode
    request: Int[Array, ""]  # index of the next to be served
    pending: Int[Array, ""]  # index of the request whose object waits for room, NOTHING: none does
    hit_rate: Float[Array, ""]  # running means over requests
    byte_rates: Float[Array, "2"]  # of bytes asked for and bytes hit
    hits: Int[Array, ""]
    hit_pages: Int[Array, ""]  # weight of the hits: pages of 4,096, and the rest
    hit_rest: Int[Array, ""]
    watch: Watch | tuple[()] = ()  # of a world with a fallback


@dataclass(frozen=True)
class TraceCache(Environment):
    """A request is served each step; where it missed and found no room, the next action decides who leaves.

    The action is ignored while nothing is pending. The reward is that of the request served: 1 for a hit, unless
    weighted otherwise. A cache never dies: `terminated` is always false, and an episode is cut off after
    `max_steps_in_episode` requests or at the trace's end.

    Raises:
        ValueError: for an unknown unit or decision, a trace that is none, a capacity in which nothing fits.
    """

    trace: str | Trace = "zipf"  # a path to an npz, "zipf" (made up), or a Trace
    capacity: int = 64  # the default of `params.capacity`, and what `slots` is chosen for
    unit: str = "objects"  # or bytes
    decide: str = "experts"  # who chooses the victim; or `sampled`: which of some candidates; or `admission`
    candidates: int = 16  # of `sampled`
    slots: int | None = None  # entries at most; None: as many as may fit
    fallback: bool = False  # a rule decides for a while whenever it would have hit more (see `fallback`)

    def __post_init__(self):
        trace = named_trace(self.trace)
        check_capacity(trace, self.capacity, self.unit)
        if self.capacity > LARGEST:
            raise ValueError(f"capacity={self.capacity} is more than {LARGEST}; replay such caches, or scale sizes.")
        slots = slots_for(trace, self.capacity, self.unit) if self.slots is None else self.slots
        if slots < 1:
            raise ValueError(f"slots={slots} must be at least 1.")
        object.__setattr__(self, "slots", slots)
        check_decision(self.decide, self.candidates, slots)
        # No fields: a run's config holds what the world is made of, and makes these again.
        object.__setattr__(self, "_log", Log(*map(jnp.asarray, log_of(trace, self.unit))))
        object.__setattr__(self, "_mean_size", float(trace.size.mean()))

    @property
    def log(self) -> Log:
        """The trace as the compiled program reads it."""
        return self._log

    @property
    def mean_size(self) -> float:
        """Bytes of a request."""
        return self._mean_size

    @property
    def default_params(self) -> Params:
        return Params(capacity=self.capacity)

    @property
    def num_requests(self) -> int:
        return len(self.log.obj)

    @property
    def decision(self):
        return DECISIONS[self.decide]

    def action_space(self, params: Params) -> spaces.Discrete:
        return spaces.Discrete(self.decision.num_actions(self.candidates))

    def observation_space(self, params: Params):
        """A row of 60 numbers; for `sampled`, 12 globals, 8 of each candidate, and which actions are legal."""
        if self.decide != "sampled":
            return spaces.Box(0.0, 2.0, (NUM_GLOBALS + 6 * NUM_OF_ENTRY,))
        return spaces.Dict({
            "globals": spaces.Box(0.0, 2.0, (NUM_GLOBALS,)),
            "candidates": spaces.Box(0.0, 2.0, (self.candidates, NUM_OF_ENTRY)),
            "action_mask": spaces.Box(0, 1, (self.candidates + 1,), jnp.bool_),
        })  # fmt: skip

    def reset_env(self, key, params: Params):
        latest = jnp.maximum(self.num_requests - params.max_steps_in_episode, 0)
        begin = jnp.where(params.random_start, jax.random.randint(key, (), 0, latest + 1), 0)
        capacity = drawn_capacity(jax.random.fold_in(key, 1), params)
        zero, rate = jnp.int32(0), jnp.float32(0.0)
        state = State(zero, empty(self.slots), capacity, begin.astype(jnp.int32), jnp.int32(NOTHING), rate,
                      jnp.zeros(2), zero, zero, zero, begin_watch(self.slots) if self.fallback else ())  # fmt: skip
        return self.observe(state, params), state

    def step_env(self, key, state: State, action: Int[Array, ""], params: Params):
        """The action settles what is pending; then the next request is served."""
        decided = state.pending >= 0
        state = self.settle(state, action)
        state, hit, reward = self.serve(state, params)
        draw = jax.random.uniform(key, (self.slots,))
        state = state.replace(slots=state.slots.replace(draw=draw.astype(jnp.float32)))
        info = {"hit": hit, "decided": decided}
        return self.observe(state, params), state, reward, jnp.bool_(False), info

    def is_truncated(self, state: State, params: Params) -> Bool[Array, ""]:
        return (state.time >= params.max_steps_in_episode) | (state.request >= self.num_requests)

    def settle(self, state: State, action: Int[Array, ""]) -> State:
        """Store the pending object in place of others, or turn it away."""
        at = jnp.maximum(state.pending, 0)
        weight, slots = self.log.weight[at], state.slots
        choice = self.decision.choice(slots, action, self.candidates)
        choice = self.or_rule(choice, state)
        keep = (state.pending >= 0) & jnp.logical_not(choice.turned_away)
        gone = leaving(slots, choice.first, choice.second, slots.used + weight - state.capacity, keep,
                       single=self.unit == "objects")  # fmt: skip
        slots = without(slots, gone, choice.by_priority)
        slots = stored(slots, self.log.obj[at], weight, at, keep)
        return state.replace(slots=slots, pending=jnp.int32(NOTHING))

    def or_rule(self, choice: Choice, state: State) -> Choice:
        """The choice, or the rule's while the world falls back on it."""
        if not isinstance(state.watch, Watch):
            return choice
        by_rule = rule(state.slots, self.unit == "objects")
        by_rule = by_rule._replace(first=by_rule.first.astype(choice.first.dtype))
        return jax.tree.map(lambda ours, its: jnp.where(state.watch.pause > 0, its, ours), choice, by_rule)

    def serve(self, state: State, params: Params) -> tuple[State, Bool[Array, ""], Float[Array, ""]]:
        """The next request of the trace; after its end, none."""
        there = state.request < self.num_requests
        at = jnp.minimum(state.request, self.num_requests - 1)
        obj, weight = jnp.where(there, self.log.obj[at], NOTHING - 1), self.log.weight[at]
        slots, hit = touched(state.slots, obj, at)
        missed = there & ~hit & (weight <= state.capacity)
        fits = (slots.used <= state.capacity - weight) & ~slots.filled.all()
        slots = stored(slots, obj, weight, at, missed & fits)
        state = state.replace(
            time=state.time + 1,
            slots=slots,
            request=state.request + there,
            pending=jnp.where(missed & ~fits, at, NOTHING),
        )
        if isinstance(state.watch, Watch):
            single = self.unit == "objects"
            state = state.replace(watch=watched(state.watch, obj, weight, at, state.capacity, hit, single))
        return self.counted(state, at, hit), hit, self.reward(at, hit, params)

    def counted(self, state: State, at: Int[Array, ""], hit: Bool[Array, ""]) -> State:
        """Sums and running means after a request."""
        asked = self.log.size[at].astype(jnp.float32)
        rest = state.hit_rest + hit * self.log.weight[at] % PAGE
        return state.replace(
            hit_rate=FADE * state.hit_rate + (1 - FADE) * hit,
            byte_rates=FADE * state.byte_rates + (1 - FADE) * asked * jnp.stack([jnp.bool_(True), hit]),
            hits=state.hits + hit,
            hit_pages=state.hit_pages + hit * self.log.weight[at] // PAGE + rest // PAGE,
            hit_rest=rest % PAGE,
        )

    def reward(self, at: Int[Array, ""], hit: Bool[Array, ""], params: Params) -> Float[Array, ""]:
        """What a hit is worth: `hit_weight` + `byte_weight` size / mean size + `latency_weight` ms / mean ms."""
        size, mean = self.log.size[at], self.mean_size
        saved = (params.fixed_ms + size / params.bytes_per_ms) / (params.fixed_ms + mean / params.bytes_per_ms)
        worth = params.hit_weight + params.byte_weight * size / mean + params.latency_weight * saved
        return jnp.where(hit, worth, 0.0).astype(jnp.float32)

    def observe(self, state: State, params: Params):
        """Twelve globals, then eight numbers of each that may leave (see `features`)."""
        most = jnp.minimum(state.capacity, self.slots)  # entries
        pending = of_pending(self.log, state.pending, most)
        cache = of_cache(state.slots, state.capacity, most)
        byte_rate = state.byte_rates[1] / jnp.where(state.byte_rates[0] > 0.0, state.byte_rates[0], 1.0)
        passed = jnp.minimum(state.time / params.max_steps_in_episode, 1.0)
        rates = jnp.stack([state.hit_rate, byte_rate, passed])
        whole = jnp.concatenate([pending[:5], cache[:2], rates, cache[2:], pending[5:]]).astype(jnp.float32)
        which, there = self.decision.shown(state.slots, self.candidates)
        entries = of_entries(self.log, state.slots, which, there, state.request, most)
        if self.decide != "sampled":
            return jnp.concatenate([whole, entries.ravel()]).astype(jnp.float32)
        mask = jnp.append(there, True)  # who is not there cannot leave; turning away is always possible
        return {"globals": whole, "candidates": entries.astype(jnp.float32), "action_mask": mask}


def drawn_capacity(key, params: Params) -> Int[Array, ""]:
    """The capacity of an episode."""
    share, smallest = jax.random.uniform(key), jnp.maximum(params.smallest_capacity, 1)
    drawn = jnp.exp((1 - share) * jnp.log(smallest) + share * jnp.log(params.capacity)).round().astype(jnp.int32)
    return jnp.where(params.smallest_capacity > 0, jnp.minimum(drawn, params.capacity), params.capacity)
