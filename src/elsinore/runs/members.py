"""The members of a population: they differ in settings, so no mean over all of them is shown."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from elsinore.config.experiment import Experiment


def member_name(member: Mapping[str, Any], evolves: bool = False) -> str:
    """The settings of a member as text: `algo.gamma=0.9, algo.ent_coef=0`, with `at first` where
    they have changed since."""
    text = ", ".join(f"{name}={setting_number(value)}" for name, value in member.items())
    return f"{text} at first" if evolves else text


def writable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON has them: a number that is not finite, which JSON has not, as the text that
    `float` reads, such as `inf`."""
    return {
        name: str(x) if isinstance(x, float) and not math.isfinite(x) else x
        for name, x in settings.items()
    }


def from_writable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that `writable` gave."""
    return {name: float(x) if x in ("inf", "-inf", "nan") else x for name, x in settings.items()}


def setting_number(x: float | str) -> str:
    """A setting as text of four digits: `0.0003128`. Below 1, where a discount's distance from 1 is
    what counts, of as many as that distance needs: `0.99995`."""
    x = float(x)
    digits = 4
    while 0.9 < x < 1.0 and digits < 17 and abs(float(f"{x:.{digits}g}") - x) > 0.05 * (1.0 - x):
        digits += 1
    return f"{x:.{digits}g}"


def facts_of_replicas(experiment: "Experiment") -> dict[int, dict[str, Any]]:
    """The seed and the varied settings of each replica, by its number in a store's column `seed`;
    settings that evolve are those of the beginning."""
    seeds, members = experiment.seeds, experiment.member_values
    return {
        experiment.seed + i: {"seed": experiment.seed + i % seeds} | members[i // seeds]
        for i in range(experiment.replicas)
    }


def member_names(experiment: "Experiment") -> list[str]:
    """The names of an experiment's members; one that is empty without a population."""
    evolves = experiment.population.pbt is not None
    return [member_name(member, evolves) for member in experiment.member_values]


def learner_names(experiment: "Experiment") -> list[str]:
    """The name of each replica: `seed 3`, in a population with its member's settings."""
    return replica_names(experiment.seed, experiment.seeds, member_names(experiment))


def replica_names(first_seed: int, seeds: int, members: Sequence[str]) -> list[str]:
    """A label for each entry of a list by replica; `members` are their names, `[""]` without a
    population."""
    return [
        ", ".join(filter(None, (f"seed {seed}", member)))
        for member in members
        for seed in range(first_seed, first_seed + seeds)
    ]


def members_in(info: Mapping[str, Any]) -> list[str]:
    """The names of the members that the facts of a store tell; none without a population."""
    try:
        found = json.loads(info.get("members", "[]"))
    except (TypeError, ValueError, RecursionError):
        return []
    return found if isinstance(found, list) and all(isinstance(x, str) for x in found) else []


def best_index(returns: Sequence[float | None], mode: str) -> int:
    """The index of the highest return, or of the lowest with the mode "min"; one that is None or
    NaN is the worst."""
    sign = -1.0 if mode == "min" else 1.0
    scores = sign * np.array(returns, float)
    return int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))


def seeds_of_best(
    newest: Mapping[int, float | None], seeds: range, members: int, mode: str
) -> range:
    """The seeds of the member with the best mean of `newest`, values by seed; `seeds` are those of
    all members, one member after another: as many as a store says, so only `newest` is gone
    through."""
    each = len(seeds) // max(members, 1)
    if members < 2 or not each:
        return seeds
    values: dict[int, list[float | None]] = {}
    for seed in sorted(newest):
        if seed in seeds:
            values.setdefault(seeds.index(seed) // each, []).append(newest[seed])
    best = best_index([mean_known(values.get(i, ())) for i in range(members)], mode)
    return seeds[best * each : (best + 1) * each]


def best_in(info: Mapping[str, Any], newest: Mapping[int, float]) -> range:
    """The seeds of the best member by the newest evaluation of each; `info` is the store's."""
    first = info.get("first_seed", 0)
    all_seeds = range(first, first + info.get("seeds", 0))
    return seeds_of_best(newest, all_seeds, len(members_in(info)), info.get("mode", "max"))


def mean_known(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are no None; None without any."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
