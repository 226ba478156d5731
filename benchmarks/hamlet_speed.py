"""How many steps a second the Hamlet worlds live through under random actions, all cores at work.

    python -m benchmarks.hamlet_speed [--worlds base6,L1] [--num-envs 1024] [--again]

As in training: environments side by side on each core, observation, reward and a fresh episode
wherever one ends, keys and actions drawn before each stretch of steps. The original steps one
environment at 22 to 28 thousand a second on one core; the bar is 400 times its best with base6.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.record import FOLDER, Results
from elsinore.envs import make
from elsinore.worlds.hamlet import LEVELS

ORIGINAL = 28_000  # steps a second, the best measured of base6
LENGTH = 128  # steps of each environment between two draws of keys and actions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", default=",".join(LEVELS))
    parser.add_argument("--num-envs", type=int, default=1024, help="on each core")
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="about how long each world is measured"
    )
    parser.add_argument("--out", type=Path, default=FOLDER / "hamlet_speed.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(args.out, {"num_envs": args.num_envs, "length": LENGTH}, args.again)
    for world in args.worlds.split(","):
        row = results.measure(partial(measured, world, args.num_envs, args.seconds), world=world)
        rate = median(row["steps_per_second"])
        print(
            f"{world:9} {rate / 1e6:7.2f} million steps/s, {rate / ORIGINAL:6.0f} times the"
            " original",
            flush=True,
        )
    results.save(
        times_original={
            row["world"]: median(row["steps_per_second"]) / ORIGINAL for row in results.rows
        }
    )


def measured(world: str, num_envs: int, seconds: float) -> dict:
    """Steps a second of several launches, together as long as asked."""
    import jax

    from elsinore.jaxtools.compiler_options import compiler_options

    cores = len(jax.devices())
    launch, state = launched(world, num_envs)
    began = time.perf_counter()
    launch = jax.jit(launch, compiler_options=compiler_options()).lower(state).compile()
    compile_seconds = time.perf_counter() - began
    state, rates = jax.block_until_ready(launch(state))[0], []
    while sum(cores * num_envs * LENGTH * 10 / rate for rate in rates) < seconds:
        began = time.perf_counter()
        state = jax.block_until_ready(launch(state))[0]
        rates.append(cores * num_envs * LENGTH * 10 / (time.perf_counter() - began))
    return {"cores": cores, "compile_seconds": compile_seconds, "steps_per_second": rates}


def launched(world: str, num_envs: int):
    """Ten stretches of steps of all environments on every device, as a function of their state, and
    that state."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import AxisType
    from jax.sharding import PartitionSpec as P

    from elsinore.experience.autoreset import batched_autoreset_step, reset
    from elsinore.jaxtools.prng import draw, split

    env, params = make(f"Hamlet-{world}")
    devices = jax.devices()
    mesh = jax.make_mesh((len(devices),), ("core",), axis_types=(AxisType.Auto,), devices=devices)

    def begin(key):
        return (
            key,
            jax.vmap(partial(reset, env), (0, None))(jax.random.split(key[0], num_envs), params)[1],
        )

    def stretch(carry, _):
        key, state = carry
        act_key, step_key, next_key = jax.random.split(key[0], 3)
        shape = (LENGTH, num_envs)
        actions = draw(
            partial(jax.random.randint, minval=0, maxval=env.num_actions), act_key, shape
        )
        keys = split(step_key, (2, *shape))

        def step(carry, inputs):
            total, state = carry
            action, step_keys, reset_keys = inputs
            out = batched_autoreset_step(env, step_keys, reset_keys, state, action, params)
            # Something must be made of what is seen, or the compiler leaves it out.
            seen = sum(leaf.sum(dtype=jnp.float32) for leaf in jax.tree.leaves(out.obs))
            return (total + seen + out.reward.sum(), out.state), None

        (total, state), _ = jax.lax.scan(step, (jnp.float32(0.0), state), (actions, *keys))
        return (next_key[None], state), total

    def launch(carry):
        carry, totals = jax.lax.scan(stretch, carry, None, 10)
        return carry, totals.sum(keepdims=True)

    on_cores = partial(
        jax.shard_map, mesh=mesh, in_specs=P("core"), out_specs=P("core"), check_vma=False
    )
    keys = jax.random.split(jax.random.key(0), len(devices))
    return on_cores(launch), jax.jit(on_cores(begin))(keys)


if __name__ == "__main__":
    main()
