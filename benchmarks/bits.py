"""Record what a fixed set of short runs computes, and compare two records bit by bit.

    python -m benchmarks.bits record before.json            # the code of this folder
    python -m benchmarks.bits record after.json --code DIR  # the code of another clone
    python -m benchmarks.bits compare before.json after.json

A record holds, for every run, the hash of the final parameters, one hash for each metric over all
of its rows, and the summary without clocks and versions. Records are comparable on one machine,
with one set of library versions: use them to show that a change of structure leaves the numbers as
they are.
"""

import argparse
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUIET = [
    "sinks.mlflow.enabled=false",
    "sinks.tensorboard=false",
    "sinks.jsonl=false",
    "replays.share=0",
    "evaluation.final_episodes=16",
    "evaluation.episodes=8",
]
CLOCKS = {
    "seconds",
    "compile_seconds",
    "train_seconds",
    "evaluation_seconds",
    "steps_per_second",
    "versions",
}

# name -> the arguments of `elsinore train`, or of `elsinore sweep` where "sweep" comes first
RUNS: dict[str, list[str]] = {
    "ppo": ["CartPole-v1", "--seeds", "2", "--set", "env_steps=20000"],
    "ppo-continuous": [
        "Pendulum-v1",
        "--set",
        "env_steps=16384",
        "--set",
        "algo.normalize_obs=true",
        "--set",
        "algo.normalize_rewards=true",
        "--set",
        "algo.value_clip_eps=0.2",
    ],
    "ppo-recurrent": ["CartPole-v1", "--set", "env_steps=8192", "--set", "algo.network.gru=16"],
    "ppo-rnd": ["CartPole-v1", "--set", "env_steps=8192", "--set", "algo.rnd.weight=0.5"],
    "a2c": ["CartPole-v1", "--algo", "a2c", "--seeds", "2", "--set", "env_steps=20000"],
    "a2c-recurrent": [
        "CartPole-v1",
        "--algo",
        "a2c",
        "--set",
        "env_steps=8000",
        "--set",
        "algo.network.gru=16",
    ],
    "dqn": [
        "CartPole-v1",
        "--algo",
        "dqn",
        "--set",
        "env_steps=20000",
        "--set",
        "algo.prioritized=true",
        "--set",
        "algo.n_step=3",
        "--set",
        "algo.double=true",
        "--set",
        "algo.dueling=true",
    ],
    "rainbow": ["CartPole-v1", "--algo", "rainbow", "--set", "env_steps=8000"],
    "pqn": ["CartPole-v1", "--algo", "pqn", "--set", "env_steps=40000"],
    "sac": [
        "Pendulum-v1",
        "--algo",
        "sac",
        "--seeds",
        "2",
        "--set",
        "env_steps=4000",
        "--set",
        "algo.prioritized=true",
        "--set",
        "algo.n_step=3",
    ],
    "sac-beta": [
        "Pendulum-v1",
        "--algo",
        "sac",
        "--set",
        "env_steps=4000",
        "--set",
        "algo.action_distribution=beta",
    ],
    "td3": ["Pendulum-v1", "--algo", "td3", "--set", "env_steps=4000"],
    "hamlet-curriculum": [
        "--config",
        "configs/hamlet/curriculum.yaml",
        "--set",
        "env_steps=200000",
    ],
    "hamlet-agents": [
        "Hamlet-mood6",
        "--set",
        "agents.number=3",
        "--set",
        "agents.sharing=independent",
        "--set",
        "env_steps=100000",
    ],
    "hamlet-shared": [
        "Hamlet-mood6",
        "--set",
        "agents.number=3",
        "--set",
        "agents.sharing=shared",
        "--set",
        "env_steps=100000",
    ],
    "cache-api": [
        "Cache-api",
        "--algo",
        "dqn",
        "--set",
        "env_steps=6000",
        "--set",
        "algo.learning_starts=1000",
    ],
    "cache-imitation": [
        "--config",
        "configs/cache/belady.yaml",
        "--set",
        "imitation.env_steps=20000",
    ],
    "balatro-hands": ["Balatro-stage0", "--set", "env_steps=20000"],
    "balatro-shop": [
        "Balatro-stage2",
        "--algo",
        "a2c",
        "--set",
        "env_steps=8000",
        "--set",
        "imitation=null",
    ],
    "population": [
        "CartPole-v1",
        "--set",
        "env_steps=40000",
        "--set",
        "vary={'algo.learning_rate': [1.0e-3, 1.0e-4, 1.0e-2]}",
        "--set",
        "population.pbt.space={algo.learning_rate: {log: [1.0e-4, 1.0e-2]}}",
    ],
    "sweep": ["sweep", "configs/sweep.yaml", "--set", "sweep.trials=4", "--set", "env_steps=20000"],
}


def record(code: Path, names: list[str], workers: int) -> dict[str, dict]:
    """Train every run with the package in `code` and collect what it computed."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        return dict(
            zip(names, pool.map(lambda name: _run(code, name, Path(folder)), names), strict=True)
        )


def _run(code: Path, name: str, folder: Path) -> dict:
    command, *arguments = RUNS[name] if RUNS[name][0] == "sweep" else ["train", *RUNS[name]]
    runs = folder / name
    settings = [part for setting in QUIET for part in ("--set", setting)]
    environment = os.environ | {"PYTHONPATH": str(code / "src"), "JAX_NUM_CPU_DEVICES": "2"}
    line = [
        sys.executable,
        "-m",
        "elsinore.cli",
        command,
        *arguments,
        *settings,
        "--runs-dir",
        str(runs),
        "--name",
        name,
    ]
    done = subprocess.run(line, cwd=code, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr[-2000:]}
    found = sorted(path for path in runs.rglob("summary.json"))
    return {path.parent.relative_to(runs).as_posix(): _record_of(path.parent) for path in found}


def _record_of(folder: Path) -> dict:
    summary = json.loads((folder / "summary.json").read_text())
    return {
        "metrics": (
            _metrics(folder / "metrics.sqlite") if (folder / "metrics.sqlite").exists() else {}
        ),
        "summary": {key: value for key, value in summary.items() if key not in CLOCKS},
    }


def _metrics(path: Path) -> dict[str, str]:
    rows: dict[str, list] = {}
    with sqlite3.connect(path) as database:
        for *where, name, value in database.execute(
            "SELECT update_, seed, agent, name, value FROM metrics ORDER BY update_, seed, agent,"
            " name"
        ):
            rows.setdefault(name, []).append(
                [*where, None if value is None else float(value).hex()]
            )
    return {
        name: hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
        for name, values in rows.items()
    }


def differences(before: dict, after: dict, path: str = "") -> list[str]:
    """Places where two records differ; a run that is in one of them only is left out."""
    found = []
    for key in before.keys() & after.keys() if not path else before.keys() | after.keys():
        here = f"{path}/{key}"
        if key not in before or key not in after:
            found.append(f"{here}: only {'after' if key in after else 'before'}")
        elif isinstance(before[key], dict) and isinstance(after[key], dict):
            found += differences(before[key], after[key], here)
        elif before[key] != after[key]:
            found.append(f"{here}: {before[key]!r} -> {after[key]!r}")
    return sorted(found)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="train the runs and write their record")
    recording.add_argument("file", type=Path)
    recording.add_argument(
        "--code", type=Path, default=ROOT, help="clone whose package is trained with"
    )
    recording.add_argument(
        "--runs", nargs="*", choices=RUNS, default=list(RUNS), help="names of runs (default: all)"
    )
    recording.add_argument("--workers", type=int, default=2, help="runs side by side")
    comparing = commands.add_parser("compare", help="list the differences of two records")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    args = parser.parse_args()
    if args.command == "record":
        made = record(args.code.resolve(), args.runs, args.workers)
        args.file.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
        failed = {name: run["error"] for name, run in made.items() if "error" in run}
        for name, error in failed.items():
            print(f"{name}: {error}", file=sys.stderr)
        return bool(failed)
    before, after = (json.loads(path.read_text()) for path in (args.before, args.after))
    found = differences(before, after)
    print("\n".join(found) or f"{len(before.keys() & after.keys())} runs: every bit is the same")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
