"""How many steps of Balatro all cores take in a second with legal actions drawn at random, what a
world takes in memory, and how long PPO in it takes to compile.

    python -m benchmarks.balatro_speed [--stages 0,2] [--again]

Each core steps its own worlds, as training does. What is timed is stepping, drawing the action and
drawing what is needed to begin anew where a game ends; the rewards are added up, so that nothing is
left out by the compiler. Each measurement is a process of its own with a cold compile cache.
"""

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.record import FOLDER, Results
from benchmarks.run import run
from elsinore.config.presets.ppo import PRESETS

# PPO at the width that Balatro's presets have.
PPO = {
    "env_steps": 200_000,
    "seeds": 1,
    "algo.num_envs": 64,
    "algo.rollout_length": 64,
    "algo.num_minibatches": 8,
    "evaluation.episodes": 64,
    "algo.network": {
        "encoder": "elsinore.worlds.balatro.nets:CARDS",
        "hidden": [128, 128],
        "activation": "relu",
    },
    "imitation": None,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stages", default="0,1,2,3,4")
    parser.add_argument("--envs", type=int, default=256, help="on each core")
    parser.add_argument("--steps", type=int, default=500, help="of each world, in one timed call")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=FOLDER / "balatro_speed.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    parser.add_argument(
        "--case", choices=CASES, help="measure one case of one stage in this process"
    )
    args = parser.parse_args()
    if args.case:
        print(json.dumps(CASES[args.case](int(args.stages), args)))
        return
    work = {"num_envs": args.envs, "length": args.steps, "repeats": args.repeats}
    results = Results(args.out, work, args.again)
    sizes = ["--envs", str(args.envs), "--steps", str(args.steps), "--repeats", str(args.repeats)]
    for stage in args.stages.split(","):
        for case in CASES if f"Balatro-stage{stage}" in PRESETS else ("speed", "ppo"):
            case_of = [
                sys.executable,
                "-m",
                "benchmarks.balatro_speed",
                "--case",
                case,
                "--stages",
                stage,
                *sizes,
            ]
            row = results.measure(lambda case_of=case_of: run(case_of), case=case, stage=int(stage))
            print(f"stage {stage}: {described(row)} (load {row['load_before']:.1f})", flush=True)
    results.save()


def described(row: dict) -> str:
    if row["case"] == "ppo":
        return f"PPO compiles in {row['compile_seconds']:.1f} s"
    if row["case"] == "preset":
        return f"PPO's preset compiles in {row['compile_seconds']:.1f} s"
    rates = row["steps_per_second"]
    size = f"{row['state_bytes']:,} bytes a world and {row['obs_bytes']:,} an observation"
    return f"best {max(rates):,.0f}, median {median(rates):,.0f} steps/s; {size}"


def compiles(stage: int, args: argparse.Namespace, settings: dict) -> dict:
    """Seconds to trace and compile all programs of a run of PPO."""
    from benchmarks.programs import all_compiled
    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for
    from elsinore.training.layout import layout_for

    plan = plan_for(load_experiment(f"Balatro-stage{stage}", "ppo", overrides=settings))
    began = time.process_time()
    compiled = all_compiled(plan, layout_for(1))
    # of all threads: a bound for a quiet core, however busy the others are
    cpu = time.process_time() - began
    return {
        "compile_seconds": compiled.seconds,
        "compile_cpu_seconds": cpu,
        "planned_bytes": plan.memory.on_device,
    }


def speed(stage: int, args: argparse.Namespace) -> dict:
    """Steps a second of several calls, after one that compiles."""
    import jax

    from elsinore.worlds.balatro.env import Balatro

    env, cores = Balatro(stage=stage), len(jax.devices())
    (obs, state), advance = walk(env, env.default_params, args.envs, args.steps)
    per_world = {
        "obs_bytes": bytes_of(obs) // (cores * args.envs),
        "state_bytes": bytes_of(state) // (cores * args.envs),
    }
    rates = []
    for repeat in range(args.repeats + 1):
        keys = jax.random.split(jax.random.key(repeat), cores)
        began = time.perf_counter()
        obs, state, _ = jax.block_until_ready(advance(obs, state, keys))
        rates.append(cores * args.envs * args.steps / (time.perf_counter() - began))
    return {"cores": cores, "steps_per_second": rates[1:], **per_world}


def bytes_of(tree) -> int:
    import jax

    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def walk(env, params, num_envs: int, num_steps: int):
    """A compiled loop over `num_steps` steps of `num_envs` worlds on each device, and what it
    begins with."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    from elsinore.experience.autoreset import batched_autoreset_step, reset
    from elsinore.jaxtools.compiler_options import compiler_options
    from elsinore.jaxtools.prng import split
    from elsinore.worlds.balatro.rules.sampling import choose_one

    def steps(obs, state, key):
        bits = jax.random.bits(jax.random.fold_in(key, 1), (num_steps, num_envs))
        keys = split(key, (num_steps, num_envs))

        def step(carry, now):
            obs, state, total = carry
            bits, keys = now
            action = jax.vmap(choose_one)(bits, obs["action_mask"])
            out = batched_autoreset_step(env, keys, keys, state, action, params)
            return (out.obs, out.state, total + jnp.sum(out.reward)), None

        return jax.lax.scan(step, (obs, state, jnp.float32(0.0)), (bits, keys))[0]

    mesh = Mesh(jax.devices(), ("core",))
    on_cores = NamedSharding(mesh, PartitionSpec("core"))
    keys = jax.device_put(
        jax.random.split(jax.random.key(0), (len(jax.devices()), num_envs)), on_cores
    )
    begin = jax.jit(jax.vmap(jax.vmap(lambda key: reset(env, key, params))), out_shardings=on_cores)
    on_each = jax.shard_map(
        lambda *given: jax.tree.map(lambda x: x[None], steps(*jax.tree.map(lambda x: x[0], given))),
        mesh=mesh,
        in_specs=PartitionSpec("core"),
        out_specs=PartitionSpec("core"),
        check_vma=False,
    )
    return begin(keys), jax.jit(on_each, compiler_options=compiler_options())


CASES = {
    "speed": speed,
    "ppo": partial(compiles, settings=PPO),
    "preset": partial(compiles, settings={}),
}


if __name__ == "__main__":
    main()
