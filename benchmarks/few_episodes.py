"""What DQN has learnt after so many episodes: its presets beside the recipes for few episodes.

    python -m benchmarks.few_episodes [--cases CartPole-v1/dqn,...] [--seeds 16] [--again]

Each case trains all seeds side by side in a run of its own, with a greedy evaluation of 16 episodes
every few hundred env steps. A seed's figure at N episodes is that of its last evaluation before its
N+1st training episode ended. A finished case is not measured again.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import FOLDER, Results

MARKS = (10, 20, 30, 50, 75, 100, 150, 200, 300, 400)  # training episodes
HAMLET = "Hamlet-classic4"
RECIPE = f"{HAMLET}/configs/hamlet/few_episodes.yaml"
CONTROL = ("CartPole-v1", "Acrobot-v1")
CASES = (*(f"{env}/{algo}" for env in CONTROL for algo in ("dqn", "sample_efficient")),)
CASES += (RECIPE,)
PERIOD = 250  # updates between evaluations of Hamlet's preset, as in the recipe
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "few-episodes.png"
QUIET = {
    "sinks.console": False,
    "sinks.tensorboard": False,
    "sinks.mlflow.enabled": False,
    "replays.share": 0,
    "replays.ends": False,
    "convergence.enabled": False,
    "evaluation.episodes": 16,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--out", type=Path, default=FOLDER / "few_episodes.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(args.out, {"seeds": args.seeds, "marks": MARKS}, args.again)
    for case in args.cases.split(","):
        row = results.measure(partial(measured, case, args.seeds), case=case)
        print(table(row), flush=True)
    results.save()
    draw(results.rows, PICTURE)


def measured(case: str, seeds: int) -> dict[str, Any]:
    """Train, and look at the evaluations of each seed after so many of its episodes."""
    import elsinore

    env, _, what = case.partition("/")
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        kind = {"config": what} if what.endswith(".yaml") else {"env": env, "algo": what}
        run = elsinore.train(
            **kind, overrides=QUIET | {"evaluation.period": period_of(case)}, seeds=seeds,
            runs_dir=folder,
        )  # fmt: skip
        seconds, rows = time.time() - began, run.metrics
    found = by_episodes(rows)
    return {"env_steps": run.plan.env_steps, "seconds": seconds, **found}


def period_of(case: str) -> int:
    """Updates between evaluations: some 200 env steps in classic control."""
    from elsinore.algos.registry import steps_per_update
    from elsinore.config.load import load_experiment

    env, _, what = case.partition("/")
    if env == HAMLET:
        return PERIOD
    return max(1, 200 // steps_per_update(load_experiment(env, what).algo))


def by_episodes(rows: Any) -> dict[str, Any]:
    """Returns and lengths, [mark][seed], of the last evaluation within so many episodes; None where
    there was none."""

    def of(name: str, how: str) -> Any:
        chosen = rows[rows.name == name]
        return chosen.pivot_table(index="update", columns="seed", values="value", aggfunc=how)

    ended = of("episode/count", "sum").cumsum()
    found: dict[str, Any] = {}
    for name in ("return", "length"):
        evaluated = of(f"eval/{name}", "mean").sort_index()
        episodes = ended.reindex(ended.index.union(evaluated.index)).ffill().fillna(0.0)
        episodes = episodes.loc[evaluated.index]
        found[name] = [
            [_last(evaluated[seed], episodes[seed] <= mark) for seed in evaluated] for mark in MARKS
        ]
    found["episodes"] = ended.max().astype(int).tolist()
    return found


def _last(values: Any, within: Any) -> float | None:
    chosen = values[within].dropna()
    return float(chosen.iloc[-1]) if len(chosen) else None


def table(row: dict[str, Any]) -> str:
    """The row in Markdown: median, quartiles and worst seed after so many episodes."""
    lines = [f"\n{row['case']}: {row['env_steps']:,} env steps, {row['seconds']:.0f} s"]
    lines += ["", "| episodes | return, median | quartiles | worst | length, median |"]
    lines += ["|---|---|---|---|---|"]
    for mark, returns, lengths in seen(row):
        low, middle, high = np.percentile(returns, [25, 50, 75])
        lines.append(
            f"| {mark} | {middle:.0f} | {low:.0f} to {high:.0f} | {min(returns):.0f} |"
            f" {np.median(lengths):.0f} |"
        )
    return "\n".join(lines)


def seen(row: dict[str, Any]) -> list[tuple[int, list[float], list[float]]]:
    """(mark, returns, lengths) where each seed was evaluated, and half of them trained on."""
    all_marks = zip(MARKS, row["return"], row["length"], strict=True)
    trained = np.median(row["episodes"])
    return [x for x in all_marks if None not in x[1] and x[0] <= trained]


def draw(rows: list[dict[str, Any]], target: Path) -> None:
    """Medians and quartiles by episodes, an env a panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    envs = list(dict.fromkeys(row["case"].partition("/")[0] for row in rows))
    figure = Figure(figsize=(3.6 * len(envs), 3.2), layout="constrained")
    for axis, env in zip(figure.subplots(1, len(envs), squeeze=False)[0], envs, strict=True):
        what = "length" if env == HAMLET else "return"
        colours = iter(("#999999", "#0072b2"))
        for row in (row for row in rows if row["case"].startswith(env + "/")):
            marks, *numbers = zip(*seen(row), strict=True)
            values = numbers[what == "length"]
            low, middle, high = np.percentile(values, [25, 50, 75], axis=1)
            colour, label = next(colours), row["case"].rpartition("/")[2].removesuffix(".yaml")
            axis.plot(marks, middle, marker="o", markersize=3, color=colour, label=label)
            axis.fill_between(marks, low, high, color=colour, alpha=0.2, linewidth=0)
        axis.set(title=env, xlabel="training episodes", ylabel=f"greedy {what}")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure).print_png(str(target))


if __name__ == "__main__":
    main()
