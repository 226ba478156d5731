"""A comparison as a pandas table."""

from elsinore.host.comparison.results import Result
from elsinore.host.comparison.scores import STATISTICS, Scores


def scores_table(scores: Scores):
    """A row for each environment and algorithm; `_low` and `_high` are 95 % intervals, NaN for a single seed."""
    import pandas as pd

    return pd.DataFrame([_row(scores, result) for env in scores.envs for result in scores.in_env(env)])


def _row(scores: Scores, result: Result) -> dict:
    row = {"env": result.env, "label": result.label, "algo": result.algo, "seeds": result.seeds,
           "env_steps": result.budget}  # fmt: skip
    for name in STATISTICS:
        value, interval = scores.over_seeds(result, name)
        low, high = interval or (float("nan"), float("nan"))
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    reach = scores.reach(result)
    row |= {
        "threshold": scores.threshold(result.env),
        "reached": reach and reach.reached,
        "env_steps_to_threshold": reach and reach.env_steps,
        "seconds_to_threshold": reach and reach.seconds,
    }
    clock = {name: result.summary[name] for name in ("steps_per_second", "compile_seconds", "train_seconds")}
    return row | clock | {"path": str(result.path)}
