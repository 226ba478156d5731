"""Rows of metrics from the arrays of a chunk."""

from collections.abc import Iterator

import jax
import numpy as np

from elsinore.config.plan import Plan
from elsinore.runs.curriculum_log import stage_rows
from elsinore.runs.store import Row
from elsinore.training.chunk import ChunkReport
from elsinore.training.evaluation import Episodes
from elsinore.types import agent_name


def rows_of(report: ChunkReport, chunk: int, plan: Plan) -> list[Row]:
    """All metrics of a chunk, of the seeds that are not frozen; `report` is [seed, ...] in host
    memory."""
    ends = plan.schedule.row_ends(chunk)
    rows = []
    for i in np.flatnonzero(report.learning):
        seed = plan.experiment.seed + int(i)
        for (agent, name), mean in report.metrics.items():
            for update, total, count in zip(ends, mean.total[i], mean.count[i], strict=False):
                if count > 0:
                    rows.append(Row(update, seed, agent, name, float(total) / float(count)))
                if name == "episode/return":
                    rows.append(Row(update, seed, agent, "episode/count", float(count)))
        rows += stage_rows(report, int(i), seed, ends)
        episodes = jax.tree.map(lambda x, i=i: x[i], report.episodes)
        for agent, own in evaluations_of(episodes, plan.experiment.agents.number):
            metrics = evaluation_metrics(own)
            rows += [Row(ends[-1], seed, agent, name, value) for name, value in metrics.items()]
    return rows


def evaluations_of(episodes: Episodes, agents: int) -> Iterator[tuple[str, Episodes]]:
    """(agent, episodes): the whole evaluation as "", then that of each of several agents."""
    yield "", episodes
    if agents > 1:
        for agent in range(agents):
            yield agent_name(agent), jax.tree.map(lambda x, agent=agent: x[agent::agents], episodes)


def evaluation_metrics(episodes: Episodes) -> dict[str, float]:
    """The metrics of an evaluation, over its episodes."""
    returns, lengths, ended, facts = episodes
    return {
        f"eval/{name}": float(np.mean(values, dtype=np.float64)) for name, values in facts.items()
    } | {
        "eval/length": float(np.mean(lengths, dtype=np.float64)),
        "eval/return": float(np.mean(returns, dtype=np.float64)),
        "eval/return_max": float(np.max(returns)),
        "eval/return_min": float(np.min(returns)),
        "eval/return_std": float(np.std(returns, dtype=np.float64)),
        "eval/unfinished": float(np.sum(~ended)),
    }


def score_of(rows: list[Row], metric: str, latest: dict[int, float]) -> float:
    """The mean over all seeds of a metric's newest values; a frozen seed keeps its last value."""
    for row in rows:
        if row.name == metric and not row.agent:
            latest[row.seed] = row.value
    return float(np.mean(list(latest.values()))) if latest else float("nan")
