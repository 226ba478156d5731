"""From a chunk's arrays to the rows that are kept."""

from collections.abc import Iterator

import jax
import numpy as np

from elsinore.config.plan import Plan
from elsinore.host.course import stage_rows
from elsinore.host.store import Row
from elsinore.training.chunk import ChunkReport
from elsinore.training.evaluation import Episodes


def rows_of(report: ChunkReport, chunk: int, plan: Plan) -> list[Row]:
    """Every number of a chunk, of the seeds that were learning; `report` is stacked by seed, in host memory."""
    ends = plan.schedule.row_ends(chunk)
    rows = []
    for i in np.flatnonzero(report.learning):
        seed = plan.experiment.seed + int(i)
        for full_name, mean in report.metrics.items():
            agent, name = parted(full_name)
            for update, total, count in zip(ends, mean.total[i], mean.count[i], strict=False):
                if count > 0:
                    rows.append(Row(update, seed, agent, name, float(total) / float(count)))
                if name == "episode/return":
                    rows.append(Row(update, seed, agent, "episode/count", float(count)))
        rows += stage_rows(report, int(i), seed, ends)
        episodes = jax.tree.map(lambda x, i=i: x[i], report.episodes)
        for agent, own in evaluations_of(episodes, plan.experiment.agents.number):
            rows += [Row(ends[-1], seed, agent, name, value) for name, value in evaluation_of(own).items()]
    return rows


def parted(name: str) -> tuple[str, str]:
    """Whose a metric is, `agent_0` or "" for all, and what: `agent_0/loss/total` is agent_0's loss/total."""
    agent, _, rest = name.partition("/")
    return (agent, rest) if agent.startswith("agent_") else ("", name)


def evaluations_of(episodes: Episodes, agents: int) -> Iterator[tuple[str, Episodes]]:
    """An evaluation as a whole and, where there are several agents, that of each."""
    yield "", episodes
    if agents > 1:
        for agent in range(agents):
            yield f"agent_{agent}", jax.tree.map(lambda x, agent=agent: x[agent::agents], episodes)


def evaluation_of(episodes: Episodes) -> dict[str, float]:
    """What an evaluation found, over its episodes."""
    returns, lengths, ended, facts = episodes
    return {f"eval/{name}": float(np.mean(values, dtype=np.float64)) for name, values in facts.items()} | {
        "eval/length": float(np.mean(lengths, dtype=np.float64)),
        "eval/return": float(np.mean(returns, dtype=np.float64)),
        "eval/return_max": float(np.max(returns)),
        "eval/return_min": float(np.min(returns)),
        "eval/return_std": float(np.std(returns, dtype=np.float64)),
        "eval/unfinished": float(np.sum(~ended)),
    }


def score_of(rows: list[Row], metric: str, latest: dict[int, float]) -> float:
    """The mean over all seeds of a metric's newest values; a frozen seed keeps the last that it had."""
    for row in rows:
        if row.name == metric and not row.agent:
            latest[row.seed] = row.value
    return float(np.mean(list(latest.values()))) if latest else float("nan")
