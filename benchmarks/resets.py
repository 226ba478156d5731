"""Time in resets beside time in steps, without learning: benchmarks/results/resets.json.

    python -m benchmarks.resets [ENV ...] [--num-envs 64] [--steps 512] [--rounds 5]
        [--draw-at-once N ...] [--env-kwargs JSON] [--out FILE] [--again]
    taskset -c 0 python -m benchmarks.resets --out benchmarks/results/env_steps.json ENV ...

Random legal actions, on one device. `steps` is a scan of steps alone, in which an episode that has
ended continues; what the same scan takes longer with autoreset is `resets`. Both start from where
`--steps` steps have led, so that episodes end at all times, and take turns. `--draw-at-once` sets
how many fresh episodes are drawn at once; by default it is the environment's own. The second form
is that of the table of speeds in docs/suites.md: one core.
"""

import argparse
import copy
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import FOLDER, Results


def measured(
    name: str, kwargs: dict[str, Any], num_envs: int, steps: int, rounds: int, few: int | None
) -> dict[str, Any]:
    """Milliseconds of one step of all environments, in each round."""
    import jax
    import jax.numpy as jnp

    from elsinore.checks.env_fixture import random_legal_action
    from elsinore.envs import make
    from elsinore.experience import autoreset

    env, params = make(name, kwargs)
    if few is not None:
        env = copy.copy(env)
        env.draw_at_once = few
    space = env.action_space(params)

    def walk(resets: bool, obs: Any, state: Any, key: Any) -> Any:
        def step(carry, key):
            obs, state = carry
            keys = jax.random.split(key, (3, num_envs))
            draw = jax.vmap(lambda key, obs: random_legal_action(key, space, obs)[0])
            action = draw(keys[0], obs)
            if resets:
                out = autoreset.batched_autoreset_step(env, keys[1], keys[2], state, action, params)
            else:
                out = autoreset.batched_env_step(env, keys[1], state, action, params)
            return (out.obs, out.state), jnp.sum(out.terminated | out.truncated)

        return jax.lax.scan(step, (obs, state), jax.random.split(key, steps))

    began = time.perf_counter()
    keys = jax.random.split(jax.random.key(0), num_envs)
    begin = jax.jit(partial(autoreset.batched_reset, env))
    obs, state = jax.block_until_ready(begin(keys, params))
    walks = {resets: jax.jit(partial(walk, resets)) for resets in (True, False)}
    (obs, state), _ = jax.block_until_ready(walks[True](obs, state, jax.random.key(1)))
    jax.block_until_ready(walks[False](obs, state, jax.random.key(1)))
    row: dict[str, Any] = {"compile_seconds": time.perf_counter() - began, "ended": []}
    row |= {f"{clock}_{what}": [] for clock in ("ms", "cpu_ms") for what in ("steps", "both")}
    for i in range(rounds):
        for resets in (False, True):
            wall, cpu = time.perf_counter(), time.process_time()
            (_, _), ended = jax.block_until_ready(walks[resets](obs, state, jax.random.key(2 + i)))
            what = "both" if resets else "steps"
            row[f"ms_{what}"].append((time.perf_counter() - wall) / steps * 1e3)
            row[f"cpu_ms_{what}"].append((time.process_time() - cpu) / steps * 1e3)
        row["ended"].append(float(ended.mean()))
    return row


def share(row: dict[str, Any], clock: str = "ms") -> float:
    """Time in resets as a share of that in steps, the median of rounds."""
    steps, both = (np.array(row[f"{clock}_{what}"]) for what in ("steps", "both"))
    return float(np.median(both / steps - 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("envs", nargs="*", default=["craftax/Craftax-Classic-Symbolic-v1"])
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--steps", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--draw-at-once", type=int, nargs="+", default=[None])
    parser.add_argument("--env-kwargs", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--out", type=Path, default=FOLDER / "resets.json")
    parser.add_argument("--again", action="store_true", help="measure what is recorded, too")
    args = parser.parse_args()
    work = {"num_envs": args.num_envs, "steps": args.steps, "rounds": args.rounds}
    results = Results(args.out, work, args.again)
    for env in args.envs:
        for few in args.draw_at_once:
            kwargs = args.env_kwargs
            measure = partial(measured, env, kwargs, args.num_envs, args.steps, args.rounds, few)
            row = results.measure(measure, env=env, env_kwargs=kwargs, draw_at_once=few)
            alone, both = (np.median(row[f"ms_{what}"]) for what in ("steps", "both"))
            print(
                f"{env}, draw_at_once {few or 'its own'}: {alone:.2f} ms of steps,"
                f" {share(row):+.0%} with resets ({share(row, 'cpu_ms'):+.0%} of CPU time),"
                f" {np.mean(row['ended']):.2f} episodes end in a step; {args.num_envs / alone:.3g}"
                f" thousand env steps/s, {args.num_envs / both:.3g} with resets",
                flush=True,
            )


if __name__ == "__main__":
    main()
