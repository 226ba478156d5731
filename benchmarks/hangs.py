"""Runs in a row, to see that none hangs: `python -m benchmarks.hangs --runs 200 --seeds 4`.

Each run begins anew (initialisation included) and launches its chunks one ahead over all CPU
devices, as the host does. A run that takes over a minute is called a hang, and the process ends
with exit code 1.
"""

import argparse
import faulthandler
import json
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--env-steps", type=int, default=20_000)
    args = parser.parse_args()

    import jax
    import jax.numpy as jnp

    from benchmarks.work import planned
    from elsinore.runs.programs import compile_run
    from elsinore.training.turns import joined_turns

    args.layout = "auto"
    plan, layout = planned(args)
    compiled = compile_run(plan, layout)
    seconds, digests = [], set()
    for _ in range(args.runs):
        faulthandler.dump_traceback_later(60, exit=True)
        began = time.perf_counter()
        ahead = compiled.chunk(compiled.init(), jnp.int32(plan.schedule.updates_in(0)))
        for chunk in range(plan.schedule.num_chunks):
            state, report = ahead
            if chunk + 1 < plan.schedule.num_chunks:
                ahead = compiled.chunk(state, jnp.int32(plan.schedule.updates_in(chunk + 1)))
            returns = joined_turns(jax.device_get(report), layout).episodes.returns
        seconds.append(time.perf_counter() - began)
        digests.add(returns.tobytes())
    faulthandler.cancel_dump_traceback_later()
    print(
        json.dumps(
            {
                "jax": jax.__version__,
                "runs": len(seconds),
                "slowest": max(seconds),
                "different": len(digests),
            }
        )
    )


if __name__ == "__main__":
    main()
