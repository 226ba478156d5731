"""Seconds of PPO on CartPole-v1 against seeds, envs, width and chunk length, beside PureJaxRL.

    python -m benchmarks.scaling_curves [--purejaxrl DIR] [--again]

The work is that of `benchmarks.run`, with one number changed at a time. Training only. PureJaxRL's
seeds are over one CPU device a core where they can be; its width is fixed. Each measurement is a
process of its own. Stopped, it goes on where it was.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.peers.environments import environment, python_of
from benchmarks.record import FOLDER, Results
from benchmarks.run import HERE, run
from elsinore import cpu_cores

ENV_STEPS = 262_144  # a seed, a whole number of updates of 512 envs
CURVES = {  # our setting, its values, PureJaxRL's name for it
    "seeds": ("seeds", (1, 4, 16, 64), None),
    "envs": ("algo.num_envs", (4, 64, 512), "NUM_ENVS"),
    "width": ("algo.network.hidden", (32, 128, 512), None),
    "chunk": ("evaluation.period", (4, 32, 256), None),  # updates
}
TRAINING_ONLY = {"evaluation.episodes": 1, "evaluation.max_steps": 1}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--purejaxrl", type=Path, help="a checkout of luchris429/purejaxrl")
    parser.add_argument("--out", type=Path, default=FOLDER / "scaling_curves.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(args.out, {"env_steps": ENV_STEPS}, args.again)
    for curve, (_, values, name) in CURVES.items():
        theirs = args.purejaxrl and (name or curve == "seeds")
        for value in values:
            for peer in ("elsinore", *(["purejaxrl"] if theirs else [])):
                measure = lambda: measured(peer, curve, value, args.purejaxrl)  # noqa: B023, E731
                row = results.measure(measure, curve=curve, value=value, peer=peer)
                print(f"{curve} {value:4} {peer:10} {row['seconds']:.2f} s", flush=True)
    results.save()


def measured(peer: str, curve: str, value: int, source: Path | None) -> dict:
    """The best of two runs, in seconds, and the seconds to trace and compile."""
    setting, _, name = CURVES[curve]
    seeds = value if curve == "seeds" else 1
    common = ["--seeds", str(seeds), "--repeats", "2", "--env-steps", str(ENV_STEPS)]
    if peer == "elsinore":
        changed = {} if curve == "seeds" else {setting: [value] * 2 if curve == "width" else value}
        settings = json.dumps(TRAINING_ONLY | changed)
        found = run([sys.executable, "-m", "benchmarks.work", *common, "--settings", settings])
    else:
        changed = {name: value} if name else {}
        devices = 1 if seeds % cpu_cores() else cpu_cores()
        options = ["--source", str(source), "--settings", json.dumps(changed)]
        script = [str(python_of(environment(peer))), str(HERE / "peers" / f"{peer}.py")]
        found = run([*script, *common, *options, "--devices", str(devices)])
    compiling = (found.get("trace_seconds") or 0.0) + found["compile_seconds"]
    return {"seconds": min(found["run_seconds"]), "compile_seconds": compiling}


def seconds_of(rows: list[dict], peer: str, curve: str) -> dict[int, float]:
    """Seconds by the number that the curve is over."""
    return {
        row["value"]: row["seconds"] for row in rows if (row["peer"], row["curve"]) == (peer, curve)
    }


if __name__ == "__main__":
    main()
