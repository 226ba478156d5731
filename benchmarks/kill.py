"""Runs that are killed again and again, and the runs never killed: `python -m benchmarks.kill`.

A life is a run, sweep or comparison that is begun, killed (SIGKILL) at several moments, each time
resumed, and finally resumed until it ends. What it left is then compared with what the same command
left that nothing stopped: `benchmarks/left_behind.py` says in what. Lives of all kinds take turns
until `--runs` kills are recorded, each with the code (git's name of `src`) that it ran. A driver
that is stopped continues with the life after the last one recorded.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import bits
from benchmarks.left_behind import differences, left_behind
from benchmarks.record import FOLDER, Results

EVERY = {  # of each kind: all sinks, and a checkpoint after each chunk
    "checkpoints.interval_seconds": 0,
    "checkpoints.period": 7,
    "replays.share": 0,
    "evaluation.episodes": 4,
    "evaluation.final_episodes": 8,
    "convergence.enabled": "false",
}
BALATRO = {"algo.num_envs": 32, "env_steps": 16_384, "evaluation.max_steps": 50}
# kind -> (the name of its arguments in benchmarks/bits.py, settings beside those)
SHORTER: dict[str, tuple[str, dict[str, Any]]] = {
    "ppo": ("ppo", {}),
    "a2c": ("a2c", {}),
    "dqn": ("dqn", {"env_steps": 6000, "algo.learning_starts": 500}),
    "pqn": ("pqn", {}),
    "sac": ("sac", {"env_steps": 2000, "algo.learning_starts": 500}),
    "beta sac": ("sac-beta", {"env_steps": 2000, "algo.learning_starts": 500}),
    "td3": ("td3", {"env_steps": 2000, "algo.learning_starts": 500}),
    "recurrent": ("ppo-recurrent", {}),
    "curious": ("ppo-rnd", {}),
    "curriculum": ("hamlet-curriculum", {"env_steps": 90_000, "evaluation.max_steps": 50}),
    "imitation": (
        "cache-imitation",
        {"imitation.env_steps": 10_000, "env_steps": 1280, "evaluation.max_steps": 50},
    ),
    "independent agents": ("hamlet-agents", {"evaluation.max_steps": 50}),
    "shared agents": ("hamlet-shared", {"evaluation.max_steps": 50}),
    "cache": ("cache-api", {"env_steps": 4000, "evaluation.max_steps": 50}),
    "balatro": ("balatro-hands", BALATRO),
    "population": ("population", {}),
    "sweep": ("sweep", {"env_steps": 10_000}),
}
COMPARE = ["compare", "--env", "CartPole-v1", "--algos", "a2c,pqn", "--seeds", "2"]
KINDS = (*SHORTER, "compare")
MOMENTS = ("any", "checkpoint", "training", "checkpoint", "end")
IN_PARTS = ("sweep", "compare")  # whose runs are two folders below


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many times to kill")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--out", type=Path, default=FOLDER / "kill.json")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "elsinore-kill",
        help="folder of the runs",
    )  # fmt: skip
    args = parser.parse_args()
    results = Results(args.out, {"moments": MOMENTS}, anywhere=True)
    if not results.rows:
        shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(exist_ok=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{args.work / 'mlflow.db'}"
    round_ = 0
    while kills_in(results.rows).total() < args.runs:
        for kind in args.kinds:
            if kills_in(results.rows).total() < args.runs:
                results.measure(Life(kind, round_, args.work), kind=kind, round=round_)
                results.save(**conclusions(results.rows))
        round_ += 1
    return int(any(row["different"] for row in results.rows))


def commit() -> str:
    command = ["git", "rev-parse", "HEAD:src"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()[:12]


def kills_in(rows: list[dict[str, Any]]) -> Counter[str]:
    """Kills by the moment that they hit."""
    return sum((Counter(row["kills"]) for row in rows), Counter())


def conclusions(rows: list[dict[str, Any]]) -> dict[str, Any]:
    kills = kills_in(rows)
    equal = sum(not row["different"] for row in rows)
    return {"kills": kills.total(), "hit": dict(kills), "lives": len(rows), "equal": equal}


class Life:
    """One run, sweep or comparison that is killed and resumed; called, it gives its record."""

    def __init__(self, kind: str, round_: int, work: Path):
        self.kind, self.work = kind, work
        self.draw = random.Random(f"{kind} {round_}")
        self.runs_dir = work / f"{kind.replace(' ', '-')}-{round_}"
        self.folder = self.runs_dir / "run"

    def __call__(self) -> dict[str, Any]:
        began, hit = time.monotonic(), Counter[str]()
        expected = self.reference()
        shutil.rmtree(self.runs_dir, ignore_errors=True)
        for moment in MOMENTS:
            if (found := self.killed(moment)) is None:
                break
            hit[found] += 1
        process = self.start()
        code = process.wait(600)
        different = differences(left_behind(self.folder), expected)
        different += [f"exit code {code}"] if code else []
        if not different:
            shutil.rmtree(self.runs_dir)
        print(f"{self.kind}: {dict(hit)} {different or 'equal'}", flush=True)
        seconds = round(time.monotonic() - began, 1)
        return {"code": commit(), "kills": dict(hit), "different": different, "seconds": seconds}

    def reference(self) -> dict[str, Any]:
        """What the run leaves that nothing stops; trained once for each kind."""
        whole = Life(self.kind, -1, self.work)
        whole.runs_dir = self.work / "whole" / self.kind.replace(" ", "-")
        whole.folder = whole.runs_dir / "run"
        done = whole.runs_dir / "done"
        if not done.exists():
            shutil.rmtree(whole.runs_dir, ignore_errors=True)
            if whole.start().wait(900):
                raise SystemExit(f"{self.kind} cannot be run: {whole.runs_dir}.txt")
            done.touch()
        return left_behind(whole.folder)

    def start(self) -> subprocess.Popen:
        self.runs_dir.parent.mkdir(parents=True, exist_ok=True)
        with self.runs_dir.with_suffix(".txt").open("a") as output:
            return subprocess.Popen(self.command(), stdout=output, stderr=output)

    def command(self) -> list[str]:
        begun = (self.folder / "config.yaml").exists()
        words = [sys.executable, "-m", "elsinore.cli"]
        if begun and self.kind not in IN_PARTS:
            return [*words, "train", "--resume", str(self.folder)]
        chosen = dict(EVERY)
        if self.kind == "compare":
            arguments = [*COMPARE, "--env-steps", "6000"]
        else:
            name, settings = SHORTER[self.kind]
            chosen |= settings
            arguments = bits.RUNS[name] if self.kind == "sweep" else ["train", *bits.RUNS[name]]
        options = [f"--set={name}={value}" for name, value in chosen.items()]
        return [*words, *arguments, *options, "--runs-dir", str(self.runs_dir), "--name", "run"]

    def killed(self, moment: str) -> str | None:
        """The moment at which the process was killed; None if it ended before."""
        before, summaries = self.halves(), self.summaries()
        process = self.start()
        try:
            self.wait(moment, process)
        finally:
            process.send_signal(signal.SIGKILL)
            ended = process.wait() != -signal.SIGKILL
        if ended:
            return None
        if self.halves() - before:
            return "inside a checkpoint's write or removal"
        if self.summaries() - summaries:
            return "between summary and end"
        return "while training" if self.chunks() else "before the first chunk"

    def wait(self, moment: str, process: subprocess.Popen) -> None:
        """Wait for the moment to come."""
        if moment == "any":
            return time.sleep(self.draw.uniform(0.0, 10.0))
        if moment == "end":
            summaries = self.summaries()
            self.until(lambda: bool(self.summaries() - summaries), process)
            return time.sleep(self.draw.uniform(0.0, 1.0))
        goal = self.chunks() + self.draw.randint(1, 5)
        self.until(lambda: self.chunks() >= goal, process)
        if moment == "checkpoint":
            before = self.halves()
            self.until(lambda: bool(self.halves() - before), process, 0.0)
            return time.sleep(self.draw.uniform(0.0, 0.05))
        return time.sleep(self.draw.uniform(0.0, 0.3))

    def until(
        self, come: Callable[[], bool], process: subprocess.Popen, rest: float = 0.02
    ) -> None:
        """Wait until something has come, or the process has ended."""
        deadline = time.monotonic() + 600
        while not come() and process.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.kind} does not get on")
            time.sleep(max(rest, 0.001))

    def found(self, pattern: str) -> set[Path]:
        below = "*/*/" if self.kind in IN_PARTS else ""
        return set(self.folder.glob(below + pattern))

    def halves(self) -> set[Path]:
        """Checkpoints that are half written or half removed."""
        return self.found("checkpoints/*/.unfinished-*") | self.found("checkpoints/*/.trash-*")

    def summaries(self) -> set[Path]:
        return self.found("summary.json")

    def chunks(self) -> int:
        """How many chunks the stores have."""
        from tests.runs.conftest import chunk_ends

        count = 0
        for database in self.found("metrics.sqlite"):
            try:
                count += len(chunk_ends(database.parent))
            except Exception:  # it is being made
                continue
        return count


if __name__ == "__main__":
    raise SystemExit(main())
