"""Conclusions: the leading algorithm, the clearly worse ones, and the undecided ones."""

from elsinore.analysis.compare.document import (
    format_estimate,
    format_number,
    format_probability,
    join_names,
)
from elsinore.analysis.compare.scores import Pair, Scores
from elsinore.runs.statistics import Estimate


def conclusions(scores: Scores) -> list[str]:
    """One or two sentences per environment, preceded by those over all shared environments."""
    sentences = []
    if len(scores.shared_envs) > 1:
        estimates = {label: scores.over_envs(label, "iqm") for label in scores.labels}
        overall = _conclusion(estimates, scores.pairs_over_envs(), "normalised IQM")
        sentences.append(f"{len(scores.shared_envs)} environments together: {overall}")
    for env in scores.envs:
        estimates = {r.label: scores.over_seeds(r, "iqm") for r in scores.in_env(env)}
        sentences.append(f"{env}: {_conclusion(estimates, scores.pairs(env), 'IQM')}")
    return sentences


def _conclusion(found: dict[str, Estimate], pairs: list[Pair], what: str) -> str:
    best = max(x.value for x in found.values())
    leaders = [label for label, x in found.items() if x.value == best]
    if len(found) == 1:
        return f"{leaders[0]} is the only algorithm: {what} {format_estimate(found[leaders[0]])}."
    if len(leaders) > 1:
        lead = f"{join_names(leaders)} share the highest {what}, {format_number(best)}."
    else:
        lead = f"{leaders[0]} has the highest {what}, {format_estimate(found[leaders[0]])}."
    return " ".join([lead, *_behind(pairs, leaders)])


def _behind(pairs: list[Pair], leaders: list[str]) -> list[str]:
    """Sentences about the algorithms clearly worse than the first leader, those that clearly beat
    it though their IQM is lower, and the undecided."""
    worse, better, unclear = [], [], []
    for pair in pairs:
        other = pair.y if pair.x == leaders[0] else pair.x
        if leaders[0] not in (pair.x, pair.y) or other in leaders:
            continue
        probability = format_probability(pair.probability)
        if not pair.is_clear:
            unclear.append(other)
        elif pair.x == other:
            better.append(f"one of {other} with probability {probability}")
        else:
            worse.append(f"{other} (beaten with probability {probability})")
    sentences = []
    if worse:
        sentences.append(f"Clearly worse: {join_names(worse)}.")
    if better:
        sentences.append(f"But a run of {leaders[0]} is clearly beaten by {join_names(better)}.")
    if unclear:
        rivals = unclear[0] if len(unclear) == 1 else f"any of {join_names(unclear)}"
        sentences.append(f"No clear difference between {leaders[0]} and {rivals}.")
    return sentences
