"""What can be said in a sentence, and what cannot."""

from elsinore.host.comparison.document import listed, number, probability, with_interval
from elsinore.host.comparison.scores import Pair, Scores
from elsinore.host.statistics import Estimate


def verdicts(scores: Scores) -> list[str]:
    """A sentence or two an environment: who leads, who is clearly behind, who cannot be told apart."""
    said = [f"{env}: {_in_one(scores, env)}" for env in scores.envs]
    if len(scores.shared_envs) > 1:
        found = {label: scores.over_envs(label, "iqm") for label in scores.labels}
        together = _verdict(found, scores.pairs_over_envs(), "normalised IQM")
        said.insert(0, f"{len(scores.shared_envs)} environments together: {together}")
    return said


def _in_one(scores: Scores, env: str) -> str:
    return _verdict({r.label: scores.over_seeds(r, "iqm") for r in scores.in_env(env)}, scores.pairs(env), "IQM")


def _verdict(found: dict[str, Estimate], pairs: list[Pair], what: str) -> str:
    best = max(x.value for x in found.values())
    leaders = [label for label, x in found.items() if x.value == best]
    if len(found) == 1:
        return f"{leaders[0]} has an {what} of {with_interval(found[leaders[0]])}; there is nothing to compare it with."
    if len(leaders) > 1:
        lead = f"{listed(leaders)} share the highest {what}, {number(best)}."
    else:
        lead = f"{leaders[0]} has the highest {what}, {with_interval(found[leaders[0]])}."
    return " ".join([lead, *_behind(pairs, leaders)])


def _behind(pairs: list[Pair], leaders: list[str]) -> list[str]:
    """How the first leader stands to those who do not lead."""
    rest = {(pair.y if pair.x == leaders[0] else pair.x): pair for pair in pairs if leaders[0] in (pair.x, pair.y)}
    rest = {other: pair for other, pair in rest.items() if other not in leaders}
    clear = [f"{other} (beaten with probability {probability(pair.probability)})" for other, pair in rest.items()
             if pair.is_clear and pair.x == leaders[0]]  # fmt: skip
    unclear = [other for other, pair in rest.items() if not (pair.is_clear and pair.x == leaders[0])]
    said = []
    if clear:
        said.append(f"Clearly worse: {listed(clear)}.")
    if unclear:
        said.append(f"These seeds do not tell {leaders[0]} apart from {listed(unclear)}.")
    return said
