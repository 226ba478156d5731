"""What a run with a large replay buffer holds in memory, beside what its arrays take and what
`--plan` says.

    python -m benchmarks.memory [--seeds 1,4] [--buffer-size 1000000] [--again]

DQN on CartPole-v1, each case a process of its own: what XLA says of the compiled chunk, and the
process's peak of resident memory while it begins, trains and saves, above what it held once
everything was compiled. Linux only.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.record import FOLDER, Results
from benchmarks.run import run
from benchmarks.work import TRAINING_ONLY

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1,4")
    parser.add_argument("--buffer-size", type=int, default=1_000_000)
    parser.add_argument("--memories", default="uniform,prioritised")
    parser.add_argument("--out", type=Path, default=FOLDER / "memory.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    parser.add_argument("--case", action="store_true", help="measure one case in this process")
    args = parser.parse_args()
    if args.case:
        print(
            json.dumps(measured(int(args.seeds), args.buffer_size, args.memories == "prioritised"))
        )
        return
    results = Results(args.out, {"buffer_size": args.buffer_size}, args.again)
    for memory in args.memories.split(","):
        for seeds in args.seeds.split(","):
            options = [
                "--case",
                "--memories",
                memory,
                "--seeds",
                seeds,
                "--buffer-size",
                str(args.buffer_size),
            ]
            measure = lambda: run([sys.executable, "-m", "benchmarks.memory", *options])  # noqa: B023, E731
            print(described(results.measure(measure, memory=memory, seeds=int(seeds))), flush=True)
    results.save()


def described(row: dict) -> str:
    size = {name: f"{row[name] / MIB:,.1f}" for name in row if name.endswith("_bytes")}
    return (
        f"{row['memory']}, {row['seeds']} seeds, MiB: buffers {size['buffers_bytes']}, states"
        f" {size['states_bytes']}, planned {size['planned_bytes']}; a chunk needs"
        f" {size['chunk_extra_bytes']} more on each of {row['devices']} devices; resident, at most:"
        f" beginning {size['begin_peak_bytes']}, training {size['train_peak_bytes']}, saving"
        f" {size['save_peak_bytes']}"
    )


def measured(seeds: int, buffer_size: int, prioritised: bool) -> dict:
    import jax

    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for
    from elsinore.runs.programs import compile_run
    from elsinore.training.layout import layout_for

    settings = {
        "env_steps": 20_000,
        "seeds": seeds,
        "algo.buffer_size": buffer_size,
        "algo.prioritized": prioritised,
    }
    plan = plan_for(load_experiment("CartPole-v1", "dqn", overrides=TRAINING_ONLY | settings))
    layout = layout_for(seeds)
    compiled = compile_run(plan, layout)
    chunk = compiled.chunk_program.memory_analysis()  # of one device
    buffer = plan.state_shapes.train.learner.buffer
    peak = Peak()
    state = jax.block_until_ready(compiled.init())
    begin_peak, held = peak.now(), peak.held()
    state = train(plan, compiled, state)
    train_peak = peak.now()
    save(plan, layout, state)
    return {
        "devices": len(layout.devices),
        "buffers_bytes": seeds * sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(buffer)),
        "states_bytes": plan.memory.of_states,
        "planned_bytes": plan.memory.on_device,
        "chunk_extra_bytes": (
            chunk.temp_size_in_bytes + chunk.output_size_in_bytes - chunk.alias_size_in_bytes
        ),
        "begin_peak_bytes": begin_peak,
        "held_bytes": held,
        "train_peak_bytes": train_peak,
        "save_peak_bytes": peak.now(),
    }


def train(plan, compiled, state):
    """Every chunk, one after another."""
    import jax
    import jax.numpy as jnp

    for chunk in range(plan.schedule.num_chunks):
        state, _ = compiled.chunk(state, jnp.int32(plan.schedule.updates_in(chunk)))
    return jax.block_until_ready(state)


def save(plan, layout, state) -> None:
    """One checkpoint, as a run saves it at its end."""
    from elsinore.runs.checkpoints.manager import CheckpointManager
    from elsinore.training.turns import fetch_turns

    with tempfile.TemporaryDirectory() as place:
        CheckpointManager(Path(place), plan.experiment).save(
            "latest", 1, fetch_turns(state, layout), None
        )


class Peak:
    """Peaks of this process's resident memory, in bytes above what it held when this was made."""

    def __init__(self):
        self._base = self._status("VmRSS")
        self._forget()

    def now(self) -> int:
        """The peak since the last time this was asked."""
        peak = self._status("VmHWM") - self._base
        self._forget()
        return peak

    def held(self) -> int:
        return self._status("VmRSS") - self._base

    def _forget(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, proc(5)

    def _status(self, name: str) -> int:
        lines = dict(
            line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
        )
        return int(lines[name].split()[0]) * 1024


if __name__ == "__main__":
    main()
