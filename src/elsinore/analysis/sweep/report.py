"""The report of a sweep: trials.csv, best.yaml, summary.json and figures."""

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.analysis.sweep.importance import setting_importance
from elsinore.analysis.sweep.pictures import draw_coordinates, draw_importance
from elsinore.analysis.sweep.results import (
    TrialResult,
    best_seed,
    best_trial,
    csv_row,
    ranked,
    setting_text,
)
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.config.parse import as_dict
from elsinore.config.search import Sweep
from elsinore.config.search_space import OneOf
from elsinore.config.yaml_files import yaml_text
from elsinore.errors import counted
from elsinore.runs.checkpoints.manifest import versions
from elsinore.runs.files.durable import replacing
from elsinore.runs.members import setting_number, writable
from elsinore.runs.summary import object_in, write_json

log = logging.getLogger("elsinore")
NUM_LISTED = 10  # best trials in the summary and the terminal


def write_trials(folder: SweepDir, results: list[TrialResult]) -> None:
    """Write trials.csv atomically, one row per trial."""
    rows = [csv_row(result) for result in sorted(results, key=lambda r: r.trial)]
    with replacing(folder.trials) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["trial"])
        writer.writeheader()
        writer.writerows(rows)


def write_sweep_report(
    folder: SweepDir, sweep: Sweep, results: list[TrialResult]
) -> dict[str, Any]:
    """Write best.yaml (of a sweep with a complete trial), the figures and summary.json; returns the
    summary.

    A figure that cannot be drawn is only a warning.
    """
    best, mode = best_trial(results, sweep.config.mode), sweep.config.mode
    if best is None:
        folder.best.unlink(missing_ok=True)  # of trials that were trained again
    else:
        with replacing(folder.best) as unfinished:
            unfinished.write_text(best_yaml(sweep, best), encoding="utf-8")
    method, values = setting_importance(sweep, results)
    _draw(folder.coordinates, lambda path: draw_coordinates(path, sweep, results))
    _draw(folder.importance, lambda path: draw_importance(path, method, values))
    states = [result.state for result in results]
    summary = {
        "metric": sweep.config.metric,
        "mode": mode,
        "sampler": sweep.config.sampler,
        "seeds": sweep.experiment.seeds,
        "trials": len(results),
        **{state: states.count(state) for state in ("complete", "pruned", "failed")},
        "best": _as_json(best, mode) if best is not None else None,
        "top": [
            _as_json(r, mode) for r in ranked(results, mode)[:NUM_LISTED] if r.score is not None
        ],
        "importance": {"method": method, "values": values},
        "train_seconds": _train_seconds(folder),
        "versions": versions(),
    }
    write_json(folder.summary, summary)
    return summary


def _train_seconds(folder: SweepDir) -> float:
    """Training time of all groups, however often the sweep was resumed."""
    found = (object_in(path) for path in sorted(folder.groups.glob("*/summary.json")))
    return sum(summary.get("train_seconds", 0.0) for summary in found)


def _draw(path: Path, draw: Callable[[Path], None]) -> None:
    try:
        draw(path)
    except Exception as error:
        log.warning("%s could not be drawn: %s: %s", path.name, type(error).__name__, error)


def best_yaml(sweep: Sweep, best: TrialResult) -> str:
    """The best trial as a config for `elsinore train --config`."""
    header = (
        f"# Trial {best.trial}: {sweep.config.metric} {best.score:.6g}, mean over"
        f" {counted(sweep.experiment.seeds, 'seed')}."
    )
    if sweep.config.sampler == "pbt":
        seed = best_seed(best, sweep.config.mode)
        header += (
            "\n# Its settings changed while it trained; these are only the last ones."
            f"\n# Its policy is in groups/{best.group}, checkpoint latest, seed {seed}."
        )
    config = as_dict(sweep.experiment_of(best.settings))
    return f"{header}\n{yaml_text(config)}"


def results_table(sweep: Sweep, results: list[TrialResult]):
    """Rich table of the best trials."""
    from rich.table import Table
    from rich.text import Text  # of settings, whose brackets are no markup

    found = Table(
        title=f"{sweep.config.metric}, mean over {counted(sweep.experiment.seeds, 'seed')}",
        title_justify="left",
    )
    for name in ("trial", "score", "95 % interval", "state", *sweep.space):
        justify = "left" if name == "state" else "right"
        found.add_column(Text(name.removeprefix("algo.")), justify=justify, overflow="fold")
    for r in ranked(results, sweep.config.mode)[:NUM_LISTED]:
        interval = "[{:.4g}, {:.4g}]".format(*r.interval) if r.interval else "-"
        settings = [_short(r.settings[name], span) for name, span in sweep.space.items()]
        score = "-" if r.score is None else f"{r.score:.4g}"
        found.add_row(*map(Text, (str(r.trial), score, interval, r.state, *settings)))
    return found


def _short(value: Any, span: Any) -> str:
    rounded = isinstance(value, float) and not isinstance(span, OneOf)
    return setting_number(value) if rounded else setting_text(value)


def _as_json(result: TrialResult, mode: str) -> dict[str, Any]:
    finite = [x for x in result.per_seed if x is not None]
    return {
        "trial": result.trial,
        "group": result.group,
        "state": result.state,
        "mean": result.score,
        "ci95": result.interval,
        "std": float(np.std(finite, ddof=1)) if len(result.per_seed) > 1 else None,
        "per_seed": result.per_seed,
        "rows": result.replicas,
        "best_seed": best_seed(result, mode),
        "settings": writable(result.settings),
    }
