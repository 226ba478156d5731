"""How far above the rules of thumb the best play of the API cache lies: bounds for single streams,
known in advance.

    python -m benchmarks.cache_api_bound [--streams 4] [--width 256] [--seed 0] [--again]

From below: a beam search that knows the stream keeps, of all ways to continue from `width` states,
those with the largest return so far plus the worth of what is cached: what a hit to come will pay,
less a waste to come. What it finds can be played, so the best possible is at least that. From
above: every read that could be a hit at all pays as one, nothing else costs anything. No agent sees
the future, so none need come near either. Saved in results/cache_api_bound.json.
"""

import argparse
from functools import partial
from statistics import fmean
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.record import FOLDER, Results
from elsinore.worlds.cache.api import ApiCache, ApiCacheParams, RecordedStreams, generate_stream
from elsinore.worlds.cache.api.heuristics import HEURISTICS
from elsinore.worlds.cache.api.tables import OBJECTS

NEVER = 10_000  # a step that does not come
REPORTED = ("rule B", "found", "at most")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="measure anew")
    args = parser.parse_args()
    results = Results(
        FOLDER / "cache_api_bound.json", {"width": args.width, "seed": args.seed}, args.again
    )
    keys = jax.random.split(jax.random.key(args.seed), args.streams)
    bank = RecordedStreams(jax.tree.map(np.asarray, jax.jit(jax.vmap(generate_stream))(keys)))
    search = jax.jit(partial(searched, ApiCache(bank), args.width))
    play = jax.jit(partial(played, ApiCache(bank), HEURISTICS["rule B"]))

    def bounds(i: int) -> dict[str, float]:
        rows = jax.tree.map(lambda x: x[i], bank.requests)
        next_read, payoff = next_events(rows)
        best = float(search(i, next_read, payoff))
        return {"rule B": float(play(i)), "found": best, "at most": upper_bound(rows)}

    for i in range(args.streams):
        row = results.measure(partial(bounds, i), stream=i)
        print(
            f"stream {i}: " + ", ".join(f"{name} {row[name]:.1f}" for name in REPORTED), flush=True
        )
    means = {name: round(fmean(row[name] for row in results.rows), 1) for name in REPORTED}
    results.save(means=means)
    print(f"means: {means}")


def begun(env: ApiCache, stream, params: ApiCacheParams):
    source, request = env.source.at(env.source.first(stream))
    return env.begin(source, request, params)


def played(env: ApiCache, rule, stream):
    """The return of a rule of thumb."""
    params = ApiCacheParams()

    def step(carry, _):
        obs, state = carry
        obs, state, reward, *_ = env.step_env(
            jax.random.key(0), state, rule(jax.random.key(0), obs), params
        )
        return (obs, state), reward

    return jax.lax.scan(step, begun(env, stream, params), length=512)[1].sum()


def searched(env: ApiCache, width: int, stream, next_read, payoff):
    """The largest return found in that stream; `next_read` and `payoff` are what `next_events`
    tells."""
    params = ApiCacheParams()
    actions = jnp.tile(jnp.arange(env.num_actions), width)
    _, first = begun(env, stream, params)
    beam = jax.tree.map(lambda x: jnp.broadcast_to(x, (width, *jnp.shape(x))), first)
    go = jax.vmap(lambda state, action: env.step_env(jax.random.key(0), state, action, params)[1:3])

    def step(carry, _):
        beam, returns = carry
        spread = jax.tree.map(lambda x: jnp.repeat(x, env.num_actions, axis=0), beam)
        states, rewards = go(spread, actions)
        returns = jnp.repeat(returns, env.num_actions) + rewards
        score = returns + jax.vmap(partial(worth, next_read, payoff, params))(states)
        best = best_of(score, states, width)
        return jax.tree.map(lambda x: x[best], (states, returns)), None

    returns = jnp.full(width, -1e6).at[0].set(0.0)  # all begin alike: one of them is enough
    (_, returns), _ = jax.lax.scan(step, (beam, returns), length=512)
    return returns.max()


def worth(next_read, payoff, params: ApiCacheParams, state):
    """What the cached answers will still pay if nothing happens to them, less the backlog's likely
    cost."""
    contents = state.contents
    when = next_read[state.time, contents.id]
    alive = contents.filled & (when < NEVER)
    when = jnp.minimum(when, 512)
    times = jnp.asarray(payoff.time)[when]
    kept = alive & (times - contents.born < contents.ttl)
    gain = jnp.asarray(payoff.hit)[when] + 0.1
    loss = params.waste_penalty * (contents.unused & ~kept)
    # what is needed late may yet be fetched again
    fading = jnp.exp(-(times - state.request.time) / 60.0)
    return jnp.sum(jnp.where(kept, gain * fading, 0.0) - loss) - 2.0 * state.backlog


def best_of(score, states, width: int):
    """The places of the `width` best that differ: many ways lead to one state, and its copies would
    fill the beam."""
    order = jnp.argsort(-score)
    marks = jnp.stack([score, states.backlog, states.contents.used.astype(jnp.float32)])[:, order]
    copy = jnp.append(False, (marks[:, 1:] == marks[:, :-1]).all(axis=0))
    return order[jnp.argsort(copy, stable=True)[:width]]


class Payoff(NamedTuple):
    """When each request comes, and what it pays if it is a hit."""

    time: np.ndarray
    hit: np.ndarray


def next_events(rows) -> tuple[np.ndarray, Payoff]:
    """After each request, the step at which each object is next read, [513, object]; NEVER if a
    write comes before."""
    length = len(rows.obj_id)
    coming = np.full(OBJECTS, NEVER, np.int32)
    next_read = np.empty((length, OBJECTS), np.int32)
    for t in range(length - 1, -1, -1):
        next_read[t] = coming
        if rows.write[t]:
            coming[rows.invalidates[t][rows.invalidates[t] >= 0]] = NEVER
        else:
            coming[rows.obj_id[t]] = t
    return next_read, Payoff(rows.time, 1 + (rows.latency - 5) / 100)


def upper_bound(rows) -> float:
    """Every read of something that may be cached is a hit, all else is free but for the 0.1 of a
    miss.

    A read may be a hit if its object was read or could be fetched ahead before, with no write
    between that invalidates it. That its time may be over, and that there is room for some thirty
    only, is left out.
    """
    total, cachable = 0.0, set()
    for t in range(len(rows.obj_id)):
        obj = int(rows.obj_id[t])
        if rows.write[t]:
            cachable -= set(rows.invalidates[t].tolist())
        elif t:
            total += 1 + (rows.latency[t] - 5) / 100 if obj in cachable else -0.1
        if not rows.write[t]:
            cachable.add(obj)
        fetchable = rows.pred_prob[t] >= 0.3
        cachable |= set(rows.pred_id[t][fetchable].tolist())
    return float(total)


if __name__ == "__main__":
    main()
