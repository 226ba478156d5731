"""Where a step of the API cache goes: each of its parts alone, beside the whole:
results/cache_api_parts.json.

    python -m benchmarks.cache_api_parts [--worlds 64] [--steps 512] [--repeats 9] [--again]

On one core. A part is given the states of a random walk, a new one each step, and what it gives is
added up so that nothing of it can be left out. Parts and the whole alternate; a share is of the
whole's median time. Each part reads what it needs and writes what it gives, which in the whole is
done once, so that shares may add up to more than one. `begin` is what an episode's first step
costs, of 512.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.record import FOLDER, Results
from elsinore.envs import make
from elsinore.experience.autoreset import reset
from elsinore.worlds.cache.api.acting import apply_action
from elsinore.worlds.cache.api.observation import api_observation
from elsinore.worlds.cache.api.serving import pass_time, serve


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--steps", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--again", action="store_true", help="measure anew")
    args = parser.parse_args()
    work = {
        "world": "Cache-api",
        "worlds": args.worlds,
        "steps": args.steps,
        "repeats": args.repeats,
    }
    results = Results(FOLDER / "cache_api_parts.json", work, args.again)
    row = results.measure(lambda: shares(args.worlds, args.steps, args.repeats), cores=1)
    for name, share in row["shares"].items():
        print(f"{name:12} {100 * share:5.1f} %   {1e6 * row['seconds'][name]:.2f} us a step")


def parts(env: Any, params: Any) -> dict[str, Callable]:
    """(state, action) -> what a part of a step gives."""

    def whole(state, action):
        return env.step_env(jax.random.key(0), state, action, params)[:3]

    def passing(state, action):
        return pass_time(state.contents, state.backlog, state.request, state.request, params)

    return {
        "whole step": whole,
        "act": lambda state, action: apply_action(state, action, params),
        "next request": lambda state, action: env.source.next(state.source),
        "pass time": passing,
        "serve": lambda state, action: serve(state.contents, state.backlog, state.request, params),
        "observe": lambda state, action: api_observation(state, params),
        "begin": lambda state, action: env.reset_env(jax.random.key(action), params),
    }


def shares(worlds: int, steps: int, repeats: int) -> dict[str, Any]:
    """Seconds of a step of one world, and as shares of the whole's."""
    env, params = make("Cache-api")
    states, actions = jax.jit(lambda key: walk(env, params, worlds, steps, key))(jax.random.key(0))
    programs = {
        name: jax.jit(lambda states, actions, f=f: added_up(f, states, actions))
        for name, f in parts(env, params).items()
    }
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for repeat in range(repeats + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            jax.block_until_ready(program(states, actions))
            taken[name] += [time.perf_counter() - began] if repeat else []  # the first compiles
    seconds = {name: median(each) / (worlds * steps) for name, each in taken.items()}
    return {
        "seconds": seconds,
        "shares": {name: one / seconds["whole step"] for name, one in seconds.items()},
    }


def walk(env: Any, params: Any, worlds: int, steps: int, key: Any) -> Any:
    """The states of a random walk and the actions taken, [step, world]."""
    begin_key, walk_key = jax.random.split(key)
    _, state = jax.vmap(reset, (None, 0, None))(env, jax.random.split(begin_key, worlds), params)

    def step(state, key):
        action = jax.random.randint(key, (worlds,), 0, env.num_actions)
        after = jax.vmap(env.step_env, (None, 0, 0, None))(key, state, action, params)[1]
        return after, (state, action)

    return jax.lax.scan(step, state, jax.random.split(walk_key, steps))[1]


def added_up(part: Callable, states: Any, actions: Any) -> Any:
    """A number that everything a part gives goes into."""

    def step(total, now):
        given = jax.tree.leaves(jax.vmap(part)(*now))
        numbers = [
            jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
            for x in given
        ]
        return total + sum(x.astype(jnp.float32).sum() for x in numbers), None

    return jax.lax.scan(step, jnp.float32(0.0), (states, actions))[0]


if __name__ == "__main__":
    main()
