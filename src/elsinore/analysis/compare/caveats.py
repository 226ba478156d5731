"""Caveats of a report: few seeds, unequal settings and stages, early stops and missing runs."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from elsinore.analysis.compare.document import join_names
from elsinore.analysis.compare.results import RunResult
from elsinore.analysis.compare.scores import Scores
from elsinore.config.experiment import Experiment
from elsinore.config.parse import as_dict
from elsinore.errors import counted
from elsinore.runs.statistics import RESAMPLES

# below this many seeds a percentile interval of an IQM is clearly too narrow (docs/compare.md)
FEW_SEEDS = 10


def caveats(scores: Scores) -> list[str]:
    """Sentences on everything that limits the conclusions."""
    return [
        *_on_seeds(scores),
        *_on_intervals(scores),
        *unequal_settings(scores),
        *unlike_stages(scores),
        *_on_early_stops(scores),
        *_on_versions_and_clocks(scores),
        *_on_missing_runs(scores),
    ]


def _on_seeds(scores: Scores) -> Iterator[str]:
    counts = {result.seeds for result in scores.results.finished}
    if len(counts) == 1:
        count = counts.pop()
        yield f"Every run has {counted(count, 'seed')}."
    else:
        yield (
            f"The runs have between {min(counts)} and {max(counts)} seeds: the tables of final"
            " returns list how many, and Runs lists which. No statistic pairs seeds, so all of each"
            " run count."
        )
    for result in scores.results.finished:
        bad = int((result.returns != result.returns).sum())
        verb = "has" if bad == 1 else "have"
        if bad:
            yield (
                f"{_name(result)}: {bad} of {counted(result.seeds, 'seed')} {verb} no finite"
                " return; each counts as the lowest return of any seed in this environment."
            )
        if result.diverged:
            yield (
                f"{_name(result)}: the parameters of {result.diverged} of"
                f" {counted(result.seeds, 'seed')} became NaN or infinite; such a seed learnt no"
                " further, and its return says nothing of the algorithm's policies."
            )


def _on_intervals(scores: Scores) -> Iterator[str]:
    single = [_name(result) for result in scores.results.finished if result.seeds == 1]
    few = [_name(result) for result in scores.results.finished if 1 < result.seeds < FEW_SEEDS]
    few = ["every run here"] if len(few) == len(scores.results.finished) > 1 else few
    if len(single) < len(scores.results.finished):
        yield (
            f"Brackets and bands are 95 % percentile-bootstrap intervals over seeds ({RESAMPLES:,}"
            " resamples, within each environment). They cover other seeds of the same settings,"
            " not other settings or environments."
        )
    if single:
        yield f"A single seed has no interval and proves nothing: {join_names(single)}."
    if few:
        yield (
            f"Fewer than {FEW_SEEDS} seeds make such intervals too narrow (for the IQM of normal"
            " returns they contain the true value 9 times in 10 with 5 seeds, 3 times in 4 with"
            f" 3): {join_names(few)}."
        )


def unequal_settings(scores: Scores) -> Iterator[str]:
    """Sentences on settings in which the algorithms of an environment should agree, and differ."""
    for env in scores.envs:
        results = scores.in_env(env)
        for what, of in SHOULD_AGREE.items():
            values = {result.label: of(result) for result in results}
            if len(set(map(str, values.values()))) > 1:
                listed = "; ".join(f"{label} {value}" for label, value in values.items())
                yield f"{env}: the algorithms do not have the same {what}: {listed}."


def unlike_stages(scores: Scores) -> Iterator[str]:
    """A sentence on the environments' runs that were evaluated at a curriculum's stages."""
    for env in scores.envs:
        found = [result for result in scores.in_env(env) if result.on_stage]
        if found:
            reached = "; ".join(f"{result.label} {_last_stages(result)}" for result in found)
            yield (
                f"{env}: scores of different stages of a curriculum cannot be compared, and"
                " curriculum.evaluate_on=stage evaluates each seed at the stage that it has"
                f" reached; the last of each run: {reached}."
            )


def _last_stages(result: RunResult) -> str:
    """`slow (3 of 4 seeds) and own (1 of 4 seeds)`"""
    last = Counter(result.summary.get("curriculum", {}).get("last", ()))
    of = counted(result.seeds, "seed")
    return join_names([f"{x} ({n} of {of})" for x, n in last.items()] or ["not known"])


def _on_early_stops(scores: Scores) -> Iterator[str]:
    for env in scores.envs:
        results = scores.in_env(env)
        early = [f"{r.label} ({r.stopped_early} of {r.seeds})" for r in results if r.stopped_early]
        if early:
            yield (
                f"{env}: some seeds stopped before their budget, by convergence or on a plateau;"
                f" their last evaluation counts from there on: {join_names(early)}."
            )


def _on_versions_and_clocks(scores: Scores) -> Iterator[str]:
    if len({str(result.summary["versions"]) for result in scores.results.finished}) > 1:
        yield "The runs were made with different library versions, listed under Runs."
    yield (
        "Seconds count training only, of all seeds of a run together, on the machine that trained"
        " it; other load on that machine is included."
    )


def _on_missing_runs(scores: Scores) -> Iterator[str]:
    missing = [env for env in scores.envs if env not in scores.shared_envs]
    if missing and scores.shared_envs:
        yield (
            f"Not every algorithm has a run on {join_names(missing)}: aggregates over environments"
            f" cover {join_names(scores.shared_envs)}."
        )
    if excluded := len(scores.results.excluded):
        listed = "is excluded; it is" if excluded == 1 else "are excluded; they are"
        yield f"{counted(excluded, 'run')} {listed} listed under Runs."


def _name(result: RunResult) -> str:
    return f"{result.label} on {result.env}"


SHOULD_AGREE: dict[str, Callable[[RunResult], Any]] = {
    "number of agents": lambda result: result.experiment.agents.number,
    "budget": lambda result: budget_text(result.experiment),
    "environment settings": lambda result: result.env_settings,
    "final evaluation": lambda result: _evaluation(as_dict(result.experiment.evaluation)),
}


def budget_text(experiment: Experiment) -> str:
    """The budget of each seed: `100,000 env steps`, or `500 episodes a seed`."""
    stop = experiment.stop
    if stop.episodes is not None:
        return f"{counted(stop.episodes, 'episode')} a seed"
    within = "" if stop.seconds is None else f"{stop.seconds:g} s within "
    return f"{within}{experiment.env_steps:,} env steps"


def _evaluation(settings: dict[str, Any]) -> str:
    most = settings["max_steps"]
    limit = f", at most {counted(most, 'step')} each" if most else ""
    actions = "greedy" if settings["greedy"] else "sampled"
    return f"{counted(settings['final_episodes'], f'{actions} episode')}{limit}"
