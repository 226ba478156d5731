"""Every comparison in one run: ours and the peers alternated, results as data and a plot.

    python -m benchmarks.run --purejaxrl DIR [--rounds 3] [--peers purejaxrl,rejax] [--seeds 1,4,16]
    [--speed-only] [--again]

`DIR` is a checkout of the public repository luchris429/purejaxrl; without it that peer is left out.
Each measurement is a process of its own; a round runs every peer once, and ratios are taken within
rounds, because machines drift. A round has the load before it and the peak of the cores beside it.
Stopped, it continues where it was; more `--rounds` or `--seeds` are added to the file. With
`--speed-only` it measures steps a second and compiling, and not the rest.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers.environments import environment, python_of
from benchmarks.record import FOLDER, machine
from elsinore import cpu_cores

HERE = Path(__file__).parent
PEERS = ("purejaxrl", "purejaxrl_devices", "rejax", "sbx", "sb3")
# PureJaxRL with its seeds put over one CPU device a core, in turn on each, as a good user of a CPU
# would: four lines around its `train` (`benchmarks/peers/compiled.py`)
PUREJAXRL = ("purejaxrl", "purejaxrl_devices")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--purejaxrl", type=Path, help="a checkout of luchris429/purejaxrl")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--seeds", default="1,4,16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--env-steps", type=int, default=500_000)
    parser.add_argument("--out", type=Path, default=FOLDER / "ppo_cartpole.json")
    parser.add_argument("--speed-only", action="store_true", help="leave out what is not speed")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    peers = [p for p in args.peers.split(",") if p and (p not in PUREJAXRL or args.purejaxrl)]
    pythons = {peer: python_of(environment(peer.removesuffix("_devices"))) for peer in peers}
    results = begun(args.out, args.env_steps, args.again)
    for round_ in range(args.rounds):
        for seeds in map(int, args.seeds.split(",")):
            measure_round(results, round_, seeds, ["elsinore", *peers], pythons, args)
    save(args.out, results)
    print(json.dumps(results["ratios"], indent=1))
    if args.speed_only:
        return
    for peer in ("elsinore", *(peer for peer in peers if peer != "purejaxrl_devices")):
        found = measure(peer, pythons, args, 1, ["--until", "475"])
        results["until"].append(found)
        print(
            f"until 475  {peer:10} {found.get('seconds_to_475')} s from process start", flush=True
        )
    own = [
        sys.executable,
        "-m",
        "benchmarks.work",
        "--host",
        "--seeds",
        "4",
        "--repeats",
        "3",
        "--env-steps",
        "2000000",
    ]
    results["host"] = run(own)
    print("host loop over bare chunks, ratios:", [round(r, 3) for r in results["host"]["ratios"]])
    results["peak"] = peak()
    save(args.out, results)
    from benchmarks.plot import draw

    draw(results, args.out.with_suffix(".png"))


def begun(path: Path, env_steps: int, again: bool) -> dict:
    """What the file has of this work on this machine, or empty results."""
    here = machine()
    if path.exists() and not again:
        found = json.loads(path.read_text())
        same = all(found["machine"].get(name) == here[name] for name in ("cpu", "cores", "python"))
        if same and found["env_steps"] == env_steps:
            return {"conditions": [], **found}
    return {
        "machine": here,
        "env_steps": env_steps,
        "speed": [],
        "until": [],
        "conditions": [],
    }


def measure_round(
    results: dict, round_: int, seeds: int, everyone: list[str], pythons: dict, args: Any
) -> None:
    """What the file lacks of a round of so many seeds."""
    where = {"round": round_, "seeds": seeds}
    there = {row["peer"] for row in results["speed"] if where.items() <= row.items()}
    lacking = [x for x in everyone if x not in there and has_a_turn(x, round_, seeds)]
    if not lacking:
        return
    load = os.getloadavg()[0]
    for peer in lacking:
        found = measure(peer, pythons, args, seeds, [])
        results["speed"].append({"round": round_, **found})
        print(f"round {round_}  {seeds:2} seeds  {peer:10} {described(found)}", flush=True)
        save(args.out, results)
    results["conditions"].append({**where, "load_before": load, "peak": peak()})
    save(args.out, results)


def has_a_turn(peer: str, round_: int, seeds: int) -> bool:
    """False for a peer that is slower by an order of magnitude: once is enough to say so; and where
    seeds cannot be put over all devices."""
    if peer in ("sbx", "sb3"):
        return not round_ and seeds <= 4
    if peer == "rejax":
        return not round_
    return peer != "purejaxrl_devices" or seeds % cpu_cores() == 0


def peak() -> dict:
    """GFLOP/s of large matrix products at this moment."""
    words = "import json; from benchmarks.peak import matmul_peak as m; print(json.dumps(m()))"
    return run([sys.executable, "-c", words])


def measure(peer: str, pythons: dict, args, seeds: int, extra: list[str]) -> dict:
    """One process's JSON line."""
    common = [
        "--seeds",
        str(seeds),
        "--env-steps",
        str(args.env_steps),
        "--repeats",
        "3",
    ]
    if peer == "elsinore":
        return run([sys.executable, "-m", "benchmarks.work", *common, *extra])
    if peer in ("sbx", "sb3"):
        common[-1] = "1"
    python = str(pythons[peer])
    if peer in PUREJAXRL:
        extra = [*extra, "--source", str(args.purejaxrl)]
    if peer == "purejaxrl_devices":
        peer, extra = "purejaxrl", [*extra, "--devices", str(cpu_cores())]
    return run([python, str(HERE / "peers" / f"{peer}.py"), *common, *extra])


def run(command: list[str], timeout: float = 1800) -> dict:
    """The last line of a command's output, with a cold compile cache of its own.

    Args:
        timeout: seconds.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {
        "JAX_ENABLE_COMPILATION_CACHE": "false"
    }
    began = time.time()
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=HERE.parent, timeout=timeout
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1]) | {
        "whole_process_seconds": time.time() - began
    }


def described(found: dict) -> str:
    compiled = (found.get("trace_seconds") or 0.0) + (found["compile_seconds"] or 0.0)
    return (
        f"{median(found['steps_per_second']):10,.0f} steps/s, traced and compiled in"
        f" {compiled:.1f} s"
    )


def ratios(results: dict) -> dict:
    """Ours over PureJaxRL's, by number of seeds: median over rounds of the ratio within a round;
    `over_devices` is the same against its seeds put over one device a core."""
    out = {}
    for seeds in sorted({row["seeds"] for row in results["speed"]}):
        if found := ratios_to("purejaxrl", results, seeds):
            out[str(seeds)] = found
        if found := ratios_to("purejaxrl_devices", results, seeds):
            out.setdefault(str(seeds), {})["over_devices"] = found
    return out


def ratios_to(peer: str, results: dict, seeds: int) -> dict | None:
    speed, compiled = [], []
    for round_ in sorted({row["round"] for row in results["speed"]}):
        rows = [r for r in results["speed"] if (r["round"], r["seeds"]) == (round_, seeds)]
        here = {row["peer"]: row for row in rows}
        if peer in here and "elsinore" in here:
            ours, theirs = here["elsinore"], here[peer]
            speed.append(median(ours["steps_per_second"]) / median(theirs["steps_per_second"]))
            took = (theirs["trace_seconds"] or 0.0) + theirs["compile_seconds"]
            compiled.append(ours["compile_seconds"] / took)
    if not speed:
        return None
    return {"speed": median(speed), "speed_by_round": speed, "compile": median(compiled)}


def save(path: Path, results: dict) -> None:
    results["ratios"] = ratios(results)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
