"""What a search leaves behind: the trials as a table, the best as a config, a summary for machines."""

import csv
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from elsinore.config.build import as_dict
from elsinore.config.space import Choice
from elsinore.config.sweep import Sweep
from elsinore.host.summary import write_json
from elsinore.host.sweep.folder import SweepFolder
from elsinore.host.sweep.importance import importance
from elsinore.host.sweep.pictures import draw_coordinates, draw_importance
from elsinore.host.sweep.results import Result, as_row, best_of, ranked
from elsinore.host.versions import versions

log = logging.getLogger("elsinore")
TOP = 10  # trials in the summary and the terminal


def write_trials(folder: SweepFolder, results: list[Result]) -> None:
    """trials.csv, a line a trial; whole or not at all."""
    text = io.StringIO()
    rows = [as_row(result) for result in sorted(results, key=lambda r: r.trial)]
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["trial"])
    writer.writeheader()
    writer.writerows(rows)
    _write(folder.trials, text.getvalue())


def write_report(folder: SweepFolder, sweep: Sweep, results: list[Result], seconds: float) -> dict[str, Any]:
    """Everything but trials.csv; returns the summary. A picture that fails does not stop the rest."""
    best, mode = best_of(results, sweep.config.mode), sweep.config.mode
    if best is not None:
        _write(folder.best, best_yaml(sweep, best))
    how, values = importance(sweep, results)
    pictures = {
        folder.coordinates: lambda: draw_coordinates(folder.coordinates, sweep, results),
        folder.importance: lambda: draw_importance(folder.importance, how, values),
    }
    for path, draw in pictures.items():
        try:
            draw()
        except Exception as error:
            log.warning("%s could not be made: %s: %s", path.name, type(error).__name__, error)
    states = [result.state for result in results]
    summary = {
        "metric": sweep.config.metric, "mode": mode, "sampler": sweep.config.sampler,
        "seeds": sweep.experiment.seeds, "trials": len(results),
        **{state: states.count(state) for state in ("complete", "pruned", "failed")},
        "best": _told(best) if best is not None else None,
        "top": [_told(result) for result in ranked(results, mode)[:TOP] if result.score is not None],
        "importance": {"method": how, "values": values},
        "seconds": seconds, "versions": versions(),
    }  # fmt: skip
    write_json(folder.summary, summary)
    return summary


def best_yaml(sweep: Sweep, best: Result) -> str:
    """A config that `elsinore train --config` takes."""
    header = f"# Trial {best.trial}: {sweep.config.metric} {best.score:.6g}, mean of {sweep.experiment.seeds} seed(s)."
    if sweep.config.sampler == "pbt":
        header += " Its numbers evolved: these are the last of them."
    return f"{header}\n{yaml.safe_dump(as_dict(sweep.experiment_of(best.settings)), sort_keys=False)}"


def table(sweep: Sweep, results: list[Result]):
    """The best trials, for the terminal."""
    from rich.table import Table

    found = Table(title=f"{sweep.config.metric}, mean over {sweep.experiment.seeds} seed(s)", title_justify="left")
    for name in ("trial", "score", "95 % interval", "state", *sweep.space):
        found.add_column(name.removeprefix("algo."), justify="left" if name == "state" else "right", no_wrap=True)
    for r in ranked(results, sweep.config.mode)[:TOP]:
        interval = "[{:.4g}, {:.4g}]".format(*r.interval) if r.interval else "-"
        settings = [_short(r.settings[name], span) for name, span in sweep.space.items()]
        found.add_row(str(r.trial), "-" if r.score is None else f"{r.score:.4g}", interval, r.state, *settings)
    return found


def _short(value: Any, span: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and not isinstance(span, Choice) else str(value)


def _told(result: Result) -> dict[str, Any]:
    spread = None if len(result.per_seed) < 2 else float(np.std([x for x in result.per_seed if x is not None], ddof=1))
    return {
        "trial": result.trial, "group": result.group, "state": result.state, "mean": result.score,
        "ci95": result.interval, "std": spread, "per_seed": result.per_seed, "rows": result.replicas,
        "settings": result.settings,
    }  # fmt: skip


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)
