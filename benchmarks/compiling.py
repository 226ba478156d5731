"""Operations and seconds of every program that a run compiles, beside the last record.

    python -m benchmarks.compiling [--cases "ppo; balatro stage 2, ppo"] [--keep]

Each case is a process of its own with a cold compile cache; its programs are traced and compiled
one after another. `operations` are those of the program as it is lowered, `kernels` what XLA
fused them into: neither depends on the machine's load. Seconds are of all cores together, which
other work on the machine changes less than it changes the clock. Nothing fails here: the ratio to
the last record is printed, and the record replaced (`--keep` leaves it).
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.record import FOLDER, machine
from benchmarks.run import run

OUT = FOLDER / "compiling.json"


class Case(NamedTuple):
    env: str
    algo: str
    settings: tuple[tuple[str, Any], ...] = ()


CASES = {
    "ppo": Case("CartPole-v1", "ppo"),
    "ppo, 4 seeds": Case("CartPole-v1", "ppo", (("seeds", 4),)),
    "ppo, recurrent": Case("CartPole-v1", "ppo", (("algo.network.gru", 16),)),
    "a2c": Case("CartPole-v1", "a2c"),
    "dqn": Case("CartPole-v1", "dqn"),
    "pqn": Case("CartPole-v1", "pqn"),
    "hamlet, ppo": Case("Hamlet-classic4", "ppo"),
    "cache-api, dqn": Case("Cache-api", "dqn"),
    "balatro stage 2, ppo": Case("Balatro-stage2", "ppo", (("imitation", None),)),
}
FIGURES = ("operations", "kernels", "core_seconds")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases", type=chosen, default=list(CASES), help="names, separated by ';' or ','"
    )
    parser.add_argument("--keep", action="store_true", help="leave the record as it is")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", metavar="CASE", help="measure one case in this process")
    args = parser.parse_args()
    if args.one:
        return print(json.dumps({"programs": measured(CASES[args.one])}))
    found = json.loads(args.out.read_text()) if args.out.exists() else {"rows": []}
    for name in args.cases:
        new = run([sys.executable, "-m", "benchmarks.compiling", "--one", name])["programs"]
        rows = [{"case": name, **row} for row in new]
        for row in rows:
            print(described(row, found["rows"]), flush=True)
        if not args.keep:
            rest = [row for row in found["rows"] if row["case"] != name]
            order = list(CASES)
            rows = sorted([*rest, *rows], key=lambda row: order.index(row["case"]))
            found = {"machine": machine(), "rows": rows}
            args.out.write_text(json.dumps(found, indent=1) + "\n")


def chosen(text: str) -> list[str]:
    """The cases that a list names; a name may have a comma in it, so that the longest that fits
    is taken.

    Raises:
        ValueError: for a name that no case has.
    """
    names, rest = [], text.strip(" ,;")
    while rest:
        fitting = [name for name in CASES if re.match(re.escape(name) + r"\s*([,;]|$)", rest)]
        if not fitting:
            raise ValueError(f"--cases {rest!r} begins with no case; there are {'; '.join(CASES)}")
        names.append(max(fitting, key=len))
        rest = rest[len(names[-1]) :].lstrip(" ,;")
    return names


def measured(case: Case) -> list[dict[str, Any]]:
    """Each program of a run, compiled."""
    rows = []
    for name, lower in programs(case):
        began = time.process_time()
        lowered = lower()
        traced = time.process_time()
        compiled = lowered.compile()
        done = time.process_time()
        rows.append(
            {
                "program": name,
                "operations": lowered.as_text().count(" = "),
                "kernels": compiled.as_text().count(" fusion("),
                "trace_core_seconds": traced - began,
                "core_seconds": done - began,
            }
        )
    return rows


def programs(case: Case) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The programs of a run by name, each as a function that traces it."""
    import jax
    import numpy as np

    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for
    from elsinore.runs.checkpoints.buffers import without_buffers
    from elsinore.runs.final_evaluation import evaluation_program
    from elsinore.training.layout import layout_for
    from elsinore.training.replicas import over_seeds, stacked
    from elsinore.training.turns import lower_begin

    plan = plan_for(load_experiment(case.env, case.algo, overrides=dict(case.settings)))
    layout = layout_for(plan.experiment.replicas)
    turn = layout.turn
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=turn.sharding),
        stacked(plan.state_shapes, turn.padded),
    )
    bare, in_place = without_buffers(shapes), not plan.looks_ahead
    chunk = over_seeds(plan.program.chunk, turn, in_place)
    yield "chunk", lambda: chunk.lower(shapes, np.int32(0))
    yield "beginning", lambda: lower_begin(plan.program, layout, plan.hyper)
    yield (
        "final evaluation",
        lambda: evaluation_program(plan, layout).lower(bare),
    )


def described(row: dict[str, Any], before: list[dict[str, Any]]) -> str:
    """A row, with the ratio of each figure to the last record's."""
    same = [old for old in before if all(old[key] == row[key] for key in ("case", "program"))]
    cells = []
    for name in FIGURES:
        figure = f"{row[name]:,.1f}" if isinstance(row[name], float) else f"{row[name]:,}"
        ratio = f" ({row[name] / same[0][name]:.2f} x the last)" if same and same[0][name] else ""
        cells.append(f"{figure} {name.replace('_', ' ')}{ratio}")
    return f"{row['case']}, {row['program']}: {', '.join(cells)}"


if __name__ == "__main__":
    main()
