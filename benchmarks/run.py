"""Every comparison in one run: ours and the peers alternated, results as data and a plot.

    python -m benchmarks.run --purejaxrl DIR [--rounds 3] [--peers purejaxrl,rejax] [--seeds 1,4,16]
    [--quick]

`DIR` is a checkout of the public repository luchris429/purejaxrl; without it that peer is left out.
Each measurement is a process of its own; a round runs every peer once, and ratios are taken within
rounds, because machines drift.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.peers.environments import environment, python_of
from benchmarks.record import FOLDER, machine

HERE = Path(__file__).parent
PEERS = ("purejaxrl", "rejax", "sbx", "sb3")


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
    args = parser.parse_args()
    peers = [p for p in args.peers.split(",") if p and (p != "purejaxrl" or args.purejaxrl)]
    pythons = {peer: python_of(environment(peer)) for peer in peers}
    results = {
        "machine": machine(),
        "rounds": args.rounds,
        "env_steps": args.env_steps,
        "speed": [],
        "until": [],
    }
    for round_ in range(args.rounds):
        for seeds in map(int, args.seeds.split(",")):
            for peer in ("elsinore", *peers):
                if (peer in ("sbx", "sb3") and (round_ or seeds > 4)) or (
                    peer == "rejax" and round_
                ):
                    continue  # slower by an order of magnitude: once is enough to say so
                found = measure(peer, pythons, args, seeds, [])
                results["speed"].append({"round": round_, **found})
                print(f"round {round_}  {seeds:2} seeds  {peer:10} {told(found)}", flush=True)
                save(args.out, results)
    for peer in ("elsinore", *peers):
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
    results["peak"] = run(
        [
            sys.executable,
            "-c",
            "import json; from benchmarks.peak import matmul_peak as m; print(json.dumps(m()))",
        ]
    )
    results["ratios"] = ratios(results)
    save(args.out, results)
    print(json.dumps(results["ratios"], indent=1))
    from benchmarks.plot import draw

    draw(results, args.out.with_suffix(".png"))


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
    if peer == "purejaxrl":
        extra = [*extra, "--source", str(args.purejaxrl)]
    return run([str(pythons[peer]), str(HERE / "peers" / f"{peer}.py"), *common, *extra])


def run(command: list[str]) -> dict:
    """The last line of a command's output, with a cold compile cache of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {
        "JAX_ENABLE_COMPILATION_CACHE": "false"
    }
    began = time.time()
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=HERE.parent, timeout=1800
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1]) | {
        "whole_process_seconds": time.time() - began
    }


def told(found: dict) -> str:
    compiled = (found.get("trace_seconds") or 0.0) + (found["compile_seconds"] or 0.0)
    return (
        f"{median(found['steps_per_second']):10,.0f} steps/s, traced and compiled in"
        f" {compiled:.1f} s"
    )


def ratios(results: dict) -> dict:
    """Ours over PureJaxRL's, by number of seeds: median over rounds of the ratio within a round."""
    out = {}
    for seeds in sorted({r["seeds"] for r in results["speed"]}):
        speed, compiled = [], []
        for round_ in range(results["rounds"]):
            here = {
                r["peer"]: r
                for r in results["speed"]
                if r["round"] == round_ and r["seeds"] == seeds
            }
            if "purejaxrl" in here:
                ours, theirs = here["elsinore"], here["purejaxrl"]
                speed.append(median(ours["steps_per_second"]) / median(theirs["steps_per_second"]))
                compiled.append(
                    ours["compile_seconds"]
                    / ((theirs["trace_seconds"] or 0.0) + theirs["compile_seconds"])
                )
        if speed:
            out[str(seeds)] = {
                "speed": median(speed),
                "speed_by_round": speed,
                "compile": median(compiled),
            }
    return out


def save(path: Path, results: dict) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
