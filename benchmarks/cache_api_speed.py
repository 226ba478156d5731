"""How many steps of the API cache a machine takes, random actions, many worlds at once.

    python -m benchmarks.cache_api_speed [--envs 64] [--steps 512] [--repeats 5] [--streams 0]
    [--action 3] [--again]

One CPU device a core, each with so many worlds of its own; the resets at the ends of episodes are
in it. Measured for each number of cores and each source of requests, and saved in
results/cache_api_speed.json: the median over repeats, in steps a second.
"""

import argparse
import time
from functools import partial
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.record import FOLDER, Results
from elsinore.envs import make
from elsinore.experience.autoreset import batched_autoreset_step, reset
from elsinore.training.layout import layout_for
from elsinore.training.replicas import over_seeds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envs", type=int, nargs="+", default=[64])
    parser.add_argument("--steps", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--streams", type=int, nargs="+", default=[0, 64], help="0: drawn during the episode"
    )
    parser.add_argument("--action", type=int, help="always this one; otherwise uniformly random")
    parser.add_argument("--again", action="store_true", help="measure anew")
    args = parser.parse_args()
    work = {
        "world": "Cache-api",
        "steps": args.steps,
        "repeats": args.repeats,
        "action": args.action,
    }
    results = Results(FOLDER / "cache_api_speed.json", work, args.again)
    for streams in args.streams:
        env, params = make("Cache-api", {"streams": streams})
        for num_envs in args.envs:
            for cores in range(1, len(jax.local_devices()) + 1):
                measure = partial(
                    measured, env, params, num_envs, args.steps, cores, args.repeats, args.action
                )
                row = results.measure(measure, streams=streams, cores=cores, worlds=num_envs)
                source = (
                    f"{streams} streams drawn before" if streams else "streams drawn as they come"
                )
                rate = row["steps_per_second"] / 1e6
                print(
                    f"{source}, {cores} cores, {num_envs} worlds each: {rate:.3f} M steps/s",
                    flush=True,
                )


def measured(
    env, params, num_envs: int, steps: int, cores: int, repeats: int, action: int | None
) -> dict:
    """Steps a second, over all cores."""
    layout = layout_for(cores)
    walk = over_seeds(partial(walked, env, params, num_envs, steps, action), layout)
    keys = jax.device_put(jnp.stack([jax.random.key(i) for i in range(cores)]), layout.sharding)
    jax.block_until_ready(walk(keys))
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(walk(keys))
        seconds.append(time.perf_counter() - began)
    return {"steps_per_second": round(num_envs * steps * cores / median(seconds))}


def walked(env, params, num_envs: int, steps: int, action: int | None, key):
    """The mean reward of a walk, so that nothing of it can be left out, and the last
    observations."""
    begin_key, walk_key = jax.random.split(key)
    obs, state = jax.vmap(reset, (None, 0, None))(
        env, jax.random.split(begin_key, num_envs), params
    )

    def step(carry, key):
        act_key, step_key, reset_key = jax.random.split(key, 3)
        actions = jax.random.randint(act_key, (num_envs,), 0, env.num_actions)
        actions = actions if action is None else jnp.full_like(actions, action)
        step_keys, reset_keys = (jax.random.split(k, num_envs) for k in (step_key, reset_key))
        out = batched_autoreset_step(env, step_keys, reset_keys, carry[0], actions, params)
        return (out.state, out.obs), out.reward.mean() + out.obs.mean()

    (_, obs), rewards = jax.lax.scan(step, (state, obs), jax.random.split(walk_key, steps))
    return np.float32(1) * rewards.mean(), obs


if __name__ == "__main__":
    main()
