"""Speed, compile time, memory, determinism and a profile of the accelerator at hand, in one go.

    python -m benchmarks.accelerator [--purejaxrl DIR] [--only REGEX] [--minutes 9] [--again]

Each case is a process of its own with a cold compile cache. Stopped, or out of minutes, the command
continues where it was; results go to benchmarks/results/accelerator_<device>.json. On a CPU every
case runs at a small size: that shows that the command works and says nothing about an accelerator.
"""

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.record import FOLDER, Results
from benchmarks.work import P1, TRAINING_ONLY

HERE = Path(__file__).parent
SECONDS = 1.0  # of one timed launch, about
MOST = 10**6  # updates of a launch
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
MANY = {"algo.rollout_length": 32, "algo.num_minibatches": 8}
CARDS = {
    "algo.num_envs": 4096,
    "algo.rollout_length": 32,
    "algo.num_minibatches": 8,
    "algo.network": {
        "encoder": "elsinore.worlds.balatro.nets:CARDS",
        "hidden": [128, 128],
        "activation": "relu",
    },
    "imitation": None,
    "curriculum": None,
}


@dataclass(frozen=True)
class Case:
    """One process's work: `kind` is a function below, on `algo` in `env` with these settings."""

    kind: str = "speed"
    env: str = "CartPole-v1"
    algo: str = "ppo"
    seeds: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    flags: str = ""  # for XLA_FLAGS

    def small(self) -> "Case":
        """This case at a size for a CPU and a test."""
        sizes = {"algo.num_envs": 8} if self.settings.get("algo.num_envs", 0) > 8 else {}
        return dataclasses.replace(
            self, seeds=min(self.seeds, 2), settings=self.settings | sizes, flags=""
        )


def wide(num_envs: int) -> dict[str, Any]:
    return P1 | MANY | {"algo.num_envs": num_envs}


BREAKOUT = "Breakout-MinAtar"
CASES = {
    "ppo, 4 envs, 1 seed": Case(settings=P1),
    "ppo, 4 envs, 16 seeds": Case(settings=P1, seeds=16),
    "ppo, 4 envs, 256 seeds": Case(settings=P1, seeds=256),
    "purejaxrl, 4 envs, 1 seed": Case("purejaxrl"),
    "purejaxrl, 4 envs, 16 seeds": Case("purejaxrl", seeds=16),
    "purejaxrl, 4 envs, 256 seeds": Case("purejaxrl", seeds=256),
    "ppo, 256 envs": Case(settings=wide(256)),
    "ppo, 4,096 envs": Case(settings=wide(4096)),
    "ppo, 65,536 envs": Case(settings=wide(65_536)),
    "Breakout ppo, 1 seed": Case(env=BREAKOUT),
    "Breakout ppo, 16 seeds": Case(env=BREAKOUT, seeds=16),
    "Breakout ppo, 4,096 envs": Case(env=BREAKOUT, settings=MANY | {"algo.num_envs": 4096}),
    "Breakout dqn, 1 seed": Case(env=BREAKOUT, algo="dqn"),
    "Breakout dqn, 16 seeds": Case(env=BREAKOUT, algo="dqn", seeds=16),
    "Breakout pqn, 1 seed": Case(env=BREAKOUT, algo="pqn"),
    "Breakout pqn, 16 seeds": Case(env=BREAKOUT, algo="pqn", seeds=16),
    "Pendulum sac, 1 seed": Case(env="Pendulum-v1", algo="sac"),
    "Pendulum sac, 64 seeds": Case(env="Pendulum-v1", algo="sac", seeds=64),
    "Hamlet ppo, 1 seed": Case(env="Hamlet-classic4"),
    "Hamlet ppo, 16,384 envs": Case(
        env="Hamlet-classic4", settings=MANY | {"algo.num_envs": 16_384}
    ),
    "Balatro ppo, 4,096 envs": Case(env="Balatro-stage2", settings=CARDS),
    "same bits, ppo": Case("bits", settings=P1, seeds=4),
    "same bits, Breakout dqn": Case("bits", env=BREAKOUT, algo="dqn", seeds=2),
    "same bits, Breakout dqn, deterministic": Case(
        "bits", env=BREAKOUT, algo="dqn", seeds=2, flags=DETERMINISTIC
    ),
    "same bits, Hamlet ppo": Case("bits", env="Hamlet-classic4", seeds=2),
    "profile, ppo, 4 envs, 16 seeds": Case("profile", settings=P1, seeds=16),
    "profile, ppo, 4,096 envs": Case("profile", settings=wide(4096)),
    "profile, Breakout dqn, 16 seeds": Case("profile", env=BREAKOUT, algo="dqn", seeds=16),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--purejaxrl", type=Path, help="a checkout of luchris429/purejaxrl")
    parser.add_argument("--only", help="regular expression that a case's name must match")
    parser.add_argument("--minutes", type=float, default=9.0, help="begin no case after these")
    parser.add_argument("--out", type=Path, help="file of results")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    parser.add_argument("--case", choices=CASES, help="measure one case in this process")
    args = parser.parse_args()
    if args.case:
        print(json.dumps(KINDS[CASES[args.case].kind](sized(CASES[args.case]))))
        return
    device, began = device_of_a_child(), time.monotonic()
    out = args.out or FOLDER / f"accelerator_{re.sub('[^a-z0-9]+', '_', device.lower())}.json"
    results = Results(out, {"device": device, "seconds": SECONDS}, args.again)
    for name, case in CASES.items():
        wanted = not args.only or re.search(args.only, name)
        if not wanted or (case.kind == "purejaxrl" and args.purejaxrl is None):
            continue
        if time.monotonic() - began > 60 * args.minutes:
            print("out of minutes: run the same command again", flush=True)
            break
        row = results.measure(lambda name=name: in_a_process(name, args.purejaxrl), name=name)
        print(f"{name:40} {described(row)}", flush=True)
    results.save()


def described(row: dict) -> str:
    if "error" in row:
        return row["error"].splitlines()[-1][:120]
    if "steps_per_second" in row:
        compiled = f"compiled in {row['compile_seconds']:.1f} s"
        return f"{max(row['steps_per_second']):14,.0f} steps/s, {compiled}"
    return json.dumps({name: x for name, x in row.items() if name not in ("name", "top")})


def in_a_process(name: str, purejaxrl: Path | None) -> dict[str, Any]:
    """The JSON line of one case's process, or its error."""
    case = CASES[name]
    env = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    env["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {case.flags}".strip()
    command = [sys.executable, "-m", "benchmarks.accelerator", "--case", name]
    if case.kind == "purejaxrl":
        script = str(HERE / "peers" / "purejaxrl.py")
        steps = str(100_000 if case.seeds > 16 else 200_000)
        options = ["--source", str(purejaxrl), "--seeds", str(case.seeds), "--env-steps", steps]
        command = [sys.executable, script, *options, "--repeats", "3"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=HERE.parent, timeout=300
    )
    if done.returncode:
        return {"error": done.stderr.strip()[-2000:]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def device_of_a_child() -> str:
    """The device's name, asked by another process: this one must not take the device's memory."""
    ask = "import jax; print(jax.devices()[0].device_kind)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def sized(case: Case) -> Case:
    import jax

    return case.small() if jax.default_backend() == "cpu" else case


class Ready:
    """A case's program, compiled, past the steps that only fill a replay buffer."""

    def __init__(self, case: Case):
        import jax

        from benchmarks.programs import all_compiled
        from elsinore.algos.registry import steps_per_update
        from elsinore.config.load import load_experiment
        from elsinore.config.plan import plan_for
        from elsinore.training.layout import layout_for

        # Chunks of any length, up to one that no launch reaches, with one row of metrics.
        long = {"env_steps": 10**9, "evaluation.period": MOST, "rows_per_chunk": 1}
        overrides = TRAINING_ONLY | {"seeds": case.seeds} | long | case.settings
        experiment = load_experiment(case.env, case.algo, overrides=overrides)
        env_steps = steps_per_update(experiment.algo) * 2**30
        self.plan = plan_for(dataclasses.replace(experiment, env_steps=env_steps))
        self.layout = layout_for(case.seeds)
        self.compiled = all_compiled(self.plan, self.layout)
        self.state = jax.block_until_ready(self.compiled.init())
        starts = getattr(self.plan.experiment.algo, "learning_starts", 0)
        self.until_it_learns = 2 + starts // self.plan.steps_per_update  # updates
        self.launch(self.until_it_learns)

    def launch(self, updates: int) -> float:
        """Seconds of `updates` updates."""
        import jax
        import jax.numpy as jnp

        began = time.perf_counter()
        self.state, report = self.compiled.chunk(self.state, jnp.int32(updates))
        jax.block_until_ready(report)
        return time.perf_counter() - began

    def updates_for(self, seconds: float) -> int:
        """Updates that take about so long."""
        updates, took = 1, self.launch(1)
        while took < seconds / 8 and updates < MOST // 4:
            updates *= 4
            took = self.launch(updates)
        return min(MOST, max(1, round(updates * seconds / took)))


def speed(case: Case) -> dict[str, Any]:
    """Env steps a second of all seeds together, three times; compile seconds; bytes."""
    import jax

    ready = Ready(case)
    updates = ready.updates_for(SECONDS)
    ready.launch(updates)  # a device that was idle raises its clock meanwhile
    steps = updates * ready.plan.steps_per_update * case.seeds
    rates = [steps / ready.launch(updates) for _ in range(3)]
    used = jax.devices()[0].memory_stats() or {}
    extra = ready.compiled.chunk_program.memory_analysis()
    return {
        "seeds": case.seeds,
        "steps_per_update": ready.plan.steps_per_update,
        "updates": updates,
        "steps_per_second": rates,
        "compile_seconds": ready.compiled.seconds,
        "planned_bytes": ready.plan.memory.on_device,
        "peak_bytes": used.get("peak_bytes_in_use"),
        "temporary_bytes": getattr(extra, "temp_size_in_bytes", None),
    }


def bits(case: Case) -> dict[str, Any]:
    """Whether two runs, and a run that went through the host's memory half way, end in the same
    bits."""
    import jax

    from elsinore.training.turns import fetch_turns, place_host

    ready = Ready(case)
    half = ready.until_it_learns + ready.updates_for(SECONDS / 2)

    def state_after(*chunks: int, through_the_host: bool = False) -> Any:
        ready.state = ready.compiled.init()
        for updates in chunks:
            ready.launch(updates)
            if through_the_host:
                on_host = fetch_turns(ready.state, ready.layout)
                shapes = ready.plan.state_shapes
                ready.state = place_host(on_host, shapes, ready.layout)
        return jax.tree.leaves(fetch_turns(ready.state, ready.layout))

    def differing(one: list, other: list) -> int:
        return sum(a.tobytes() != b.tobytes() for a, b in zip(one, other, strict=True))

    whole, again = state_after(half, half), state_after(half, half)
    moved = state_after(half, half, through_the_host=True)
    return {
        "updates": 2 * half,
        "leaves": len(whole),
        "differing_in_a_second_run": differing(whole, again),
        "differing_after_the_host": differing(whole, moved),
    }


def profile(case: Case) -> dict[str, Any]:
    """Share of the time that the device computes, kernels an env step, and the longest kernels."""
    import jax

    ready = Ready(case)
    updates = max(1, ready.updates_for(SECONDS / 4))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            seconds = ready.launch(updates)
        (trace,) = Path(folder).rglob("*.xplane.pb")
        busy, names = kernels(jax.profiler.ProfileData.from_file(str(trace)))
    count, steps = sum(n for n, _ in names.values()), updates * ready.plan.steps_per_update
    top = sorted(names.items(), key=lambda x: -x[1][1])[:12]
    return {
        "updates": updates,
        "seconds": seconds,
        "device_busy": busy / seconds,
        "kernels_per_update": count / updates,
        "kernels_per_step": count / steps,
        "microseconds_per_kernel": 1e6 * seconds / max(count, 1),
        "top": [{"name": name, "count": n, "seconds": s} for name, (n, s) in top],
    }


def kernels(trace: Any) -> tuple[float, dict[str, tuple[int, float]]]:
    """Seconds of all kernels on the device's streams, and (number, seconds) by kernel."""
    number, seconds = Counter(), Counter()
    for plane in trace.planes:
        for line in plane.lines if "/device:" in plane.name else ():
            if line.name.startswith("Stream"):
                for event in line.events:
                    number[event.name] += 1
                    seconds[event.name] += event.duration_ns / 1e9
    return sum(seconds.values()), {name: (number[name], seconds[name]) for name in number}


KINDS = {"speed": speed, "bits": bits, "profile": profile}


if __name__ == "__main__":
    main()
