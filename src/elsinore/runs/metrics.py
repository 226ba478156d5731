"""Rows of metrics from the arrays of a chunk."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.config.experiment import SCORES
from elsinore.config.host import without_tapes
from elsinore.config.plan import Plan
from elsinore.errors import ConfigError
from elsinore.runs.curriculum_log import stage_rows
from elsinore.runs.records import EPISODE_COUNT, FinishedEpisode, Row
from elsinore.training.chunk import ChunkReport
from elsinore.training.evaluation import Episodes
from elsinore.types import agent_name
from elsinore.validation import did_you_mean


def rows_of(report: ChunkReport, chunk: int, plan: Plan) -> list[Row]:
    """All metrics of a chunk, of the seeds that are not frozen; `report` is [seed, ...] in host
    memory. The evaluation of a seed that has diverged is NaN, so that none takes it for the best:
    parameters that are not finite choose the first action, which may pay most."""
    ends, names = plan.schedule.row_ends(chunk), plan.experiment.agents.names
    name_of = {agent_name(i): name for i, name in enumerate(names)} | {"": ""}
    rows = []
    for i in np.flatnonzero(report.learning):
        seed = plan.experiment.seed + int(i)
        for (agent, name), mean in report.metrics.items():
            agent = name_of[agent]
            for update, total, count in zip(ends, mean.total[i], mean.count[i], strict=False):
                if count > 0:
                    rows.append(Row(update, seed, agent, name, float(total) / float(count)))
                if name == "episode/return":
                    rows.append(Row(update, seed, agent, EPISODE_COUNT, float(count)))
        rows += stage_rows(report, int(i), seed, ends)
        if isinstance(report.evaluated, np.ndarray) and not report.evaluated[i]:
            continue
        episodes = jax.tree.map(lambda x, i=i: x[i], report.episodes)
        for agent, own in evaluations_of(episodes, names):
            metrics = evaluation_metrics(own)
            if report.convergence.diverged_at[i] >= 0:
                metrics = dict.fromkeys(metrics, float("nan"))
            rows += [Row(ends[-1], seed, agent, name, value) for name, value in metrics.items()]
    return rows


def finished_of(report: ChunkReport, chunk: int, plan: Plan) -> Iterator[FinishedEpisode]:
    """Each training episode of a chunk, of the seeds that are not frozen."""
    if not report.finished:
        return
    ends, names = plan.schedule.row_ends(chunk), plan.experiment.agents.names
    counts = np.cumsum(report.metrics["episode/return"].count, axis=-1)
    for i in np.flatnonzero(report.learning):
        number, values = int(report.finished[0][i]), report.finished[1][i]
        rows = np.searchsorted(counts[i], np.arange(number), side="right")
        for position, (row, (agent, episode_return, length)) in enumerate(
            zip(rows, values[:, :number].T, strict=True)
        ):
            name = names[int(agent)] if len(names) > 1 else ""
            of = (ends[row], plan.experiment.seed + int(i), position, name)
            yield FinishedEpisode(*of, float(episode_return), int(length))


def evaluations_of(episodes: Episodes, names: list[str]) -> Iterator[tuple[str, Episodes]]:
    """(agent, episodes): the whole evaluation as "", then that of each of several agents."""
    yield "", episodes
    if len(names) > 1:
        for i, name in enumerate(names):
            yield name, jax.tree.map(lambda x, i=i: x[i :: len(names)], episodes)


def evaluation_metrics(episodes: Episodes) -> dict[str, float]:
    """The metrics of an evaluation, over its episodes."""
    returns, lengths, facts = episodes.returns, episodes.lengths, episodes.facts
    return {
        f"eval/{name}": float(np.mean(values, dtype=np.float64)) for name, values in facts.items()
    } | {
        "eval/length": float(np.mean(lengths, dtype=np.float64)),
        "eval/return": float(np.mean(returns, dtype=np.float64)),
        "eval/return_max": float(np.max(returns)),
        "eval/return_min": float(np.min(returns)),
        "eval/return_std": float(np.std(returns, dtype=np.float64)),
        "eval/unfinished": float(np.sum(~episodes.ended)),
    }


def refuse_unknown_metric(plan: Plan) -> None:
    """Refuse a metric of the checkpoints that the run will not log.

    Raises:
        ConfigError: naming it, with the closest that is logged.
    """
    metric = plan.experiment.checkpoints.metric
    if metric in SCORES:
        return
    shapes = without_tapes(plan.state_shapes)
    _, report = jax.eval_shape(plan.program.chunk, shapes, jnp.int32(0))
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), report.episodes)
    known = {name for agent, name in report.metrics.names if not agent}
    known |= {*evaluation_metrics(zeros), EPISODE_COUNT}
    if metric not in known:
        close = did_you_mean(metric, sorted(known), label="choose one of", cutoff=0.7)
        raise ConfigError(f"checkpoints.metric={metric!r} is not logged by this run{close}")


def score_of(
    rows: list[Row],
    metric: str,
    latest: dict[int, float],
    counted: Callable[[Mapping[int, float]], Iterable[int]] = sorted,
) -> float:
    """The mean over all seeds, or those that `counted` finds in `latest`, of a metric's newest
    values, which are added in the order of the seeds; a frozen seed keeps its last value."""
    for row in rows:
        if row.name == metric and not row.agent:
            latest[row.seed] = row.value
    values = [latest[seed] for seed in counted(latest) if seed in latest]
    return float(np.mean(values)) if values else float("nan")
