"""The picture of a benchmark's results: `python -m benchmarks.plot
benchmarks/results/ppo_cartpole.json`."""

import json
import sys
from pathlib import Path
from statistics import median

COLOURS = {
    "elsinore": "#0072b2",
    "purejaxrl": "#d55e00",
    "purejaxrl_devices": "#f0a060",
    "rejax": "#009e73",
    "sbx": "#cc79a7",
    "sb3": "#5f5f5f",
}


def draw(results: dict, target: Path) -> None:
    """Steps a second by number of seeds, and seconds to compile."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    speed, compiled = figure.subplots(1, 2)
    seeds = sorted({r["seeds"] for r in results["speed"]})
    peers = [p for p in COLOURS if any(r["peer"] == p for r in results["speed"])]
    width = 0.8 / len(peers)
    for i, peer in enumerate(peers):
        for axis, figure_of in ((speed, _speed), (compiled, _compile)):
            heights = [figure_of(results, peer, s) for s in seeds]
            at = [j + (i - (len(peers) - 1) / 2) * width for j in range(len(seeds))]
            bars = axis.bar(at, [h or 0 for h in heights], width, color=COLOURS[peer], label=peer)
            labels = [
                "" if h is None else f"{h / 1000:.0f} k" if axis is speed else f"{h:.1f}"
                for h in heights
            ]
            axis.bar_label(bars, labels, fontsize=7, padding=2)
    for axis in (speed, compiled):
        axis.set_xticks(range(len(seeds)), [f"{s} seed{'s' if s > 1 else ''}" for s in seeds])
        axis.spines[["top", "right"]].set_visible(False)
    speed.set_title("env steps a second, all seeds together")
    compiled.set_title("seconds to trace and compile")
    speed.legend(frameon=False)
    machine = results["machine"]
    figure.suptitle(
        f"PPO on CartPole-v1, 4 envs x 128 steps; {machine['cores']} cores, {machine['cpu']},"
        f" {machine['date']}"
    )
    FigureCanvasAgg(figure).print_png(str(target))


def _rows(results: dict, peer: str, seeds: int) -> list[dict]:
    return [r for r in results["speed"] if r["peer"] == peer and r["seeds"] == seeds]


def _speed(results: dict, peer: str, seeds: int) -> float | None:
    rows = _rows(results, peer, seeds)
    return median(median(r["steps_per_second"]) for r in rows) if rows else None


def _compile(results: dict, peer: str, seeds: int) -> float | None:
    rows = _rows(results, peer, seeds)
    return (
        median((r.get("trace_seconds") or 0.0) + (r["compile_seconds"] or 0.0) for r in rows)
        if rows
        else None
    )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    draw(json.loads(path.read_text()), path.with_suffix(".png"))
