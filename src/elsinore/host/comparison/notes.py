"""What a reader must know before believing a number."""

from collections.abc import Callable, Iterator
from typing import Any

from elsinore.config.build import as_dict
from elsinore.host.comparison.document import listed
from elsinore.host.comparison.results import Result
from elsinore.host.comparison.scores import Scores
from elsinore.host.statistics import RESAMPLES

FEW = 10  # seeds, below which a percentile interval of an IQM is clearly too narrow (docs/compare.md)


def notes(scores: Scores) -> list[str]:
    return [*_on_seeds(scores), *_on_intervals(scores), *_on_fairness(scores), *_on_what_is_missing(scores)]


def _on_seeds(scores: Scores) -> Iterator[str]:
    counts = {result.seeds for result in scores.results.finished}
    if len(counts) == 1:
        count = counts.pop()
        yield f"Every run has {count} seed{'s' if count > 1 else ''}."
    else:
        yield f"The runs have between {min(counts)} and {max(counts)} seeds; each table says how many."
    for result in scores.results.finished:
        bad = int((result.returns != result.returns).sum())
        if bad:
            yield (f"{_name(result)}: {bad} of {result.seeds} seeds came to no finite return; each counts as the "
                   "lowest return that any seed in this environment came to.")  # fmt: skip


def _on_intervals(scores: Scores) -> Iterator[str]:
    single = [_name(result) for result in scores.results.finished if result.seeds == 1]
    few = [_name(result) for result in scores.results.finished if 1 < result.seeds < FEW]
    few = ["every run here"] if len(few) == len(scores.results.finished) > 1 else few
    if len(single) < len(scores.results.finished):
        yield (f"Brackets and bands are 95 % percentile-bootstrap intervals over seeds ({RESAMPLES:,} resamples, "
               "within each environment). They tell what other seeds of the same settings would do, and nothing of "
               "other settings or environments.")  # fmt: skip
    if single:
        yield f"A single seed has no interval, and proves nothing: {listed(single)}."
    if few:
        yield (f"Fewer than {FEW} seeds make such intervals too narrow (of an IQM of 5 normal returns they hold the "
               f"truth 9 times in 10, of 3 only 3 times in 4): {listed(few)}.")  # fmt: skip


def _on_fairness(scores: Scores) -> Iterator[str]:
    for env in scores.envs:
        results = scores.in_env(env)
        for what, of in SHOULD_AGREE.items():
            values = {result.label: of(result) for result in results}
            if len(set(map(str, values.values()))) > 1:
                told = "; ".join(f"{label} {value}" for label, value in values.items())
                yield f"{env}: the algorithms do not have the same {what}: {told}."
        early = [f"{r.label} ({r.stopped_early} of {r.seeds})" for r in results if r.stopped_early]
        if early:
            yield (f"{env}: some seeds stopped before their budget, by convergence or on a plateau, and keep their "
                   f"last evaluation from there on: {listed(early)}.")  # fmt: skip
    if len({str(result.summary["versions"]) for result in scores.results.finished}) > 1:
        yield "The runs were made with different versions of the libraries; they are listed below."
    yield ("Seconds are of training only, all seeds of a run side by side on the machine that trained it; whatever "
           "else it did meanwhile is in them.")  # fmt: skip


def _on_what_is_missing(scores: Scores) -> Iterator[str]:
    left_out = [env for env in scores.envs if env not in scores.shared_envs]
    if left_out and scores.shared_envs:
        yield (f"Not every algorithm has a run on {listed(left_out)}: what is said over environments is of "
               f"{listed(scores.shared_envs)}.")  # fmt: skip
    if scores.results.unfinished:
        yield f"{len(scores.results.unfinished)} run(s) could not be counted; they are listed under Runs."


def _name(result: Result) -> str:
    return f"{result.label} on {result.env}"


SHOULD_AGREE: dict[str, Callable[[Result], Any]] = {
    "budget": lambda result: f"{result.experiment.env_steps:,} env steps",
    "environment settings": lambda result: result.experiment.env_kwargs | result.experiment.env_params,
    "final evaluation": lambda result: _evaluation(as_dict(result.experiment.evaluation)),
}


def _evaluation(settings: dict[str, Any]) -> str:
    limit = f", at most {settings['max_steps']} steps each" if settings["max_steps"] else ""
    return f"{settings['final_episodes']} {'greedy' if settings['greedy'] else 'sampled'} episodes{limit}"
