"""Seconds of PPO on CartPole-v1 against seeds, envs, width and chunk length, beside PureJaxRL.

    python -m benchmarks.scaling_curves [--purejaxrl DIR] [--rounds 2] [--again]

The work is that of `benchmarks.run`, with one number changed at a time; training only, and seconds
for 262,144 env steps a seed. PureJaxRL's seeds are over one CPU device a core where they can be;
its width and its chunk, which is the run, are fixed. Each measurement is a process of its own, and
gives the better of two runs; ours and PureJaxRL's alternate, and a point is the median of its
rounds. More than 64 seeds take minutes, and have one round. Stopped, it continues where it was; at
the end the picture is drawn.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.peers.environments import environment, python_of
from benchmarks.plot import COLOURS
from benchmarks.record import FOLDER, Results
from benchmarks.run import HERE, run
from elsinore import cpu_cores

ENV_STEPS = 262_144  # a seed
RECORD = FOLDER / "scaling_curves.json"
PICTURE = Path(__file__).resolve().parents[1] / "docs/images/scaling.png"


class Curve(NamedTuple):
    """A number that is changed alone."""

    title: str
    setting: str  # ours
    values: tuple[int, ...]
    theirs: str | None = None  # PureJaxRL's name for it
    env_steps: int = ENV_STEPS  # a seed, a whole number of updates


CURVES = {
    "seeds": Curve("seeds", "seeds", (1, 4, 16, 64, 256)),
    "envs": Curve("envs", "algo.num_envs", (4, 64, 512, 4096), "NUM_ENVS", 2 * ENV_STEPS),
    "width": Curve("width of both dense layers", "algo.network.hidden", (32, 128, 512, 1024)),
    "chunk": Curve("updates a chunk", "evaluation.period", (4, 32, 256)),
}
MANY_SEEDS = 64  # with more, a point is measured once
TRAINING_ONLY = {"evaluation.episodes": 1, "evaluation.max_steps": 1}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--purejaxrl", type=Path, help="a checkout of luchris429/purejaxrl")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(args.out, {"env_steps": ENV_STEPS}, args.again)
    for round_ in range(args.rounds):
        for curve, value in ((name, x) for name, of in CURVES.items() for x in of.values):
            if round_ and curve == "seeds" and value > MANY_SEEDS:
                continue
            peers = ("elsinore", "purejaxrl") if args.purejaxrl else ("elsinore",)
            for peer in (peer for peer in peers if peer == "elsinore" or has_point(curve)):
                measure = partial(measured, peer, curve, value, args.purejaxrl)
                row = results.measure(measure, round=round_, curve=curve, value=value, peer=peer)
                print(f"{curve} {value:4} {peer:10} {row['seconds']:.2f} s", flush=True)
    results.save()
    draw(results.data, PICTURE if args.out == RECORD else args.out.with_suffix(".png"))


def has_point(curve: str) -> bool:
    """True for a curve over something that PureJaxRL can change, too."""
    return curve == "seeds" or CURVES[curve].theirs is not None


def measured(peer: str, curve: str, value: int, source: Path | None) -> dict:
    """The better of two runs, in seconds for `ENV_STEPS`, and the seconds to trace and compile."""
    _, setting, _, name, env_steps = CURVES[curve]
    seeds = value if curve == "seeds" else 1
    common = ["--seeds", str(seeds), "--repeats", "2", "--env-steps", str(env_steps)]
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
    seconds = min(found["run_seconds"]) * ENV_STEPS / env_steps
    return {"seconds": seconds, "compile_seconds": compiling}


def seconds_of(rows: list[dict], peer: str, curve: str) -> dict[int, float]:
    """Seconds by the number that the curve is over: medians of the rounds."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if (row["peer"], row["curve"]) == (peer, curve):
            found.setdefault(row["value"], []).append(row["seconds"])
    return {value: median(seconds) for value, seconds in found.items()}


def ratios_of(rows: list[dict], curve: str) -> dict[int, float]:
    """PureJaxRL's seconds over ours, by the number that the curve is over: medians of the ratios
    within rounds."""
    seconds = {
        (row["value"], row.get("round"), row["peer"]): row["seconds"]
        for row in rows
        if row["curve"] == curve
    }
    found: dict[int, list[float]] = {}
    for (value, round_, peer), theirs in seconds.items():
        if peer == "purejaxrl":
            found.setdefault(value, []).append(theirs / seconds[value, round_, "elsinore"])
    return {value: median(ratios) for value, ratios in found.items()}


def draw(data: dict, target: Path) -> None:
    """Env steps a second by each number."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axis, (name, curve) in zip(figure.subplots(1, len(CURVES)), CURVES.items(), strict=True):
        for peer in ("elsinore", "purejaxrl"):
            seconds = seconds_of(data["rows"], peer, name)
            rates = [ENV_STEPS * (n if name == "seeds" else 1) / s for n, s in seconds.items()]
            if rates:
                axis.plot(list(seconds), rates, "o-", color=COLOURS[peer], label=peer)
        measured_at = list(seconds_of(data["rows"], "elsinore", name))
        axis.set_xscale("log")
        axis.set_xticks(measured_at, [f"{x:,}" for x in measured_at])
        axis.minorticks_off()
        if name == "width":
            axis.set_yscale("log")  # the work grows with the square
        else:
            axis.set_ylim(0, 1.08 * axis.dataLim.ymax)
        axis.yaxis.set_major_formatter(lambda rate, _: f"{rate / 1000:,.0f} k")
        axis.set_xlabel(curve.title)
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("env steps a second, all seeds together")
    figure.axes[0].legend(frameon=False)
    machine = data["machine"]
    figure.suptitle(
        f"PPO on CartPole-v1, 4 envs x 128 steps; {machine['cores']} cores, {machine['cpu']},"
        f" {machine['date']}"
    )
    FigureCanvasAgg(figure).print_png(str(target))


if __name__ == "__main__":
    main()
