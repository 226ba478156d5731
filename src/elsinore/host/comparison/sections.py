"""The sections of a report, each from the scores alone."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import yaml

from elsinore.config.build import as_dict
from elsinore.host.comparison.document import (
    Document,
    Picture,
    Section,
    Table,
    listed,
    number,
    p_text,
    probability,
    whole,
    with_interval,
)
from elsinore.host.comparison.notes import notes
from elsinore.host.comparison.results import Result
from elsinore.host.comparison.scores import OVER_ENVS, STATISTICS, Pair, Scores
from elsinore.host.comparison.variants import dotted
from elsinore.host.comparison.verdicts import verdicts

NAMES = {"iqm": "IQM", "mean": "mean", "median": "median"}
PAIR_HEADER = ["first", "second", "probability", "p", "clear"]


def document_of(scores: Scores) -> Document:
    title = f"{listed(scores.labels)} on {listed(scores.envs)}" if len(scores.labels) < 6 else "A comparison"
    runs = scores.results.finished
    seeds = sum(r.seeds for r in runs)
    subtitle = (f"{len(runs)} run{'s' * (len(runs) > 1)}, {seeds} seed{'s' * (seeds > 1)}, "
                f"{sum(sum(r.summary['env_steps_per_seed']) for r in runs):,} env steps in all; "
                f"written {datetime.now():%Y-%m-%d %H:%M}")  # fmt: skip
    return Document(title, subtitle, list(_sections(scores)))


def _sections(scores: Scores) -> Iterator[Section]:
    yield Section("At a glance", points=verdicts(scores))
    yield Section("Before you believe it", points=notes(scores))
    yield returns_section(scores)
    if any(result.facts for result in scores.results.finished):
        yield facts_section(scores)
    if len(scores.shared_envs) > 1:
        yield over_envs_section(scores)
    if any(len(scores.in_env(env)) > 1 for env in scores.envs):
        yield improvement_section(scores)
    yield curves_section(scores)
    if any(result.seeds > 1 for result in scores.results.finished):
        yield profiles_section(scores)
    yield threshold_section(scores)
    yield speed_section(scores)
    yield settings_section(scores)
    yield runs_section(scores)


def returns_section(scores: Scores) -> Section:
    header = ["algorithm", "seeds", "env steps a seed", *NAMES.values(), "lowest seed", "highest seed"]
    tables = []
    for env in scores.envs:
        rows = []
        for result in scores.in_env(env):
            returns = scores.returns(result)
            middle = [with_interval(scores.over_seeds(result, statistic)) for statistic in STATISTICS]
            ends = [number(returns.min()), number(returns.max())]
            rows.append([result.label, str(result.seeds), whole(result.budget), *middle, *ends])
        tables.append(Table(env, header, rows))
    text = ("A seed's return is the mean over the episodes of its final evaluation, in fresh worlds, after the last "
            "update. Each dot is a seed; the mark is the interquartile mean (IQM: of the middle half of the seeds), "
            "the bar its 95 % interval.")  # fmt: skip
    return Section(
        "Final returns", [text], picture=Picture("returns", "final returns by seed, with IQM"), tables=tables
    )


def facts_section(scores: Scores) -> Section:
    """What the worlds tell of episodes beside their return (`experience/facts.py`)."""
    text = ("Beside the return: means over the same episodes of the final evaluations, as they stood when each ended. "
            "The IQM over seeds, with its 95 % interval.")  # fmt: skip
    return Section("How the episodes ended", [text], tables=[
        Table(env, ["algorithm", *called], [[r.label, *_facts(scores, r, called)] for r in scores.in_env(env)])
        for env in scores.envs if (called := _facts_called(scores, env))
    ])  # fmt: skip


def _facts_called(scores: Scores, env: str) -> dict[str, str]:
    """The facts that any run in an environment tells: the name of each, by what it is called."""
    return {fact["called"]: name for r in scores.in_env(env) for name, fact in r.facts.items()}


def _facts(scores: Scores, result: Result, called: dict[str, str]) -> list[str]:
    return [with_interval(scores.fact(result, name)) if name in result.facts else "–" for name in called.values()]


def over_envs_section(scores: Scores) -> Section:
    text = ("Returns of different environments are put together after each is scaled, so that 0 and 1 are the returns "
            "below. Every environment weighs the same; the median is of the environments' means. Which references are "
            "chosen moves these numbers, but no probability of improvement.")  # fmt: skip
    rows = [
        [label, *(with_interval(scores.over_envs(label, statistic)) for statistic in OVER_ENVS)]
        for label in scores.labels
    ]
    references = [(env, scores.reference(env)) for env in scores.shared_envs]
    tables = [
        Table("Normalised returns", ["algorithm", *(NAMES[s] for s in OVER_ENVS)], rows),
        Table("References", ["environment", "0 is", "1 is", "which are"],
              [[env, number(r.low), number(r.high), r.source] for env, r in references]),
    ]  # fmt: skip
    return Section("Across environments", [text], picture=Picture("over_envs", "normalised returns"), tables=tables)


def improvement_section(scores: Scores) -> Section:
    text = ("The probability that a run of the first algorithm ends higher than one of the second (ties count half; "
            "0.5: neither is better). It says how often, not by how much. A difference is called clear, and drawn in "
            "blue, where 0.5 is outside the interval and p < 0.05: of a two-sided permutation test of ranks "
            "(Mann-Whitney), corrected for the number of pairs in a table (Holm).")  # fmt: skip
    tables = [Table(env, PAIR_HEADER, _pair_rows(scores.pairs(env)))
              for env in scores.envs if len(scores.in_env(env)) > 1]  # fmt: skip
    if len(scores.shared_envs) > 1:
        title = f"{len(scores.shared_envs)} environments together"
        tables.insert(0, Table(title, PAIR_HEADER, _pair_rows(scores.pairs_over_envs())))
    picture = Picture("improvement", "probability of improvement of each pair, with intervals")
    return Section("Who is better, and how surely", [text], picture=picture, tables=tables)


def _pair_rows(pairs: list[Pair]) -> list[list[str]]:
    return [
        [pair.x, pair.y, probability(pair.probability), p_text(pair.p_value),
         "yes" if pair.is_clear else "no"]
        for pair in pairs
    ]  # fmt: skip


def curves_section(scores: Scores) -> Section:
    text = ("Evaluations while training: the IQM over seeds against the env steps of one seed, and its pointwise 95 % "
            "band. They are of fewer episodes than the final one.")  # fmt: skip
    return Section("Sample efficiency", [text], picture=Picture("curves", "evaluation return against env steps"))


def profiles_section(scores: Scores) -> Section:
    text = ("The share of runs that end above each return τ, with its pointwise 95 % band. A curve that is above "
            "another everywhere belongs to an algorithm whose bad, middling and good seeds are all better; where "
            "curves cross, one has the better good seeds and the other the better bad ones.")  # fmt: skip
    return Section("Performance profiles", [text], picture=Picture("profiles", "share of runs above each return"))


def threshold_section(scores: Scores) -> Section:
    text = ("When a seed's evaluation is first at the threshold: the median over all seeds, those that never were "
            "counting as later than any; a dash where half or more never were. Known to the length of a chunk, which "
            "is the time between two evaluations.")  # fmt: skip
    rows = []
    for env in scores.envs:
        for result in scores.in_env(env):
            reach = scores.reach(result)
            row = [env, result.label, number(scores.threshold(env))]
            steps = ["–"] * 3 if reach is None else [f"{reach.reached} of {reach.seeds}", whole(reach.env_steps),
                                                     number(reach.seconds)]  # fmt: skip
            rows.append(row + steps)
    header = [
        "environment",
        "algorithm",
        "threshold",
        "reached by",
        "env steps (median)",
        "seconds (median)",
    ]
    missing = [env for env in scores.envs if scores.threshold(env) is None]
    more = [f"No threshold is known for {listed(missing)}; give one with --threshold ENV=RETURN."] if missing else []
    return Section("To a threshold", [text, *more], tables=[Table("", header, rows)])


def speed_section(scores: Scores) -> Section:
    rows = [
        [env, r.label, str(r.seeds), whole(r.summary["steps_per_second"]), f"{r.summary['compile_seconds']:.1f}",
         f"{r.summary['train_seconds']:.1f}", f"{r.summary['evaluation_seconds']:.1f}"]
        for env in scores.envs for r in scores.in_env(env)
    ]  # fmt: skip
    header = ["environment", "algorithm", "seeds", "steps/s", "compile s", "train s", "final evaluation s"]
    return Section("Speed", ["Steps a second are of all seeds together, compilation not counted."],
                   tables=[Table("", header, rows)])  # fmt: skip


def settings_section(scores: Scores) -> Section:
    """What differs between algorithms that have a setting in common, and every run's whole config."""
    tables = []
    for env in scores.envs:
        flat = {r.label: dotted(as_dict(r.experiment)) for r in scores.in_env(env)}
        rows = [row for name in dict.fromkeys(k for settings in flat.values() for k in settings)
                if (row := _setting_row(name, list(flat.values()))) is not None]  # fmt: skip
        if rows:
            tables.append(Table(f"{env}: what differs", ["setting", *flat], rows))
    details = [(f"config of {r.label} on {env}", yaml.safe_dump(as_dict(r.experiment), sort_keys=False))
               for env in scores.envs for r in scores.in_env(env)]  # fmt: skip
    text = "Settings that at least two algorithms have and that are not the same; a dash where one has no such setting."
    return Section("Settings", [text], tables=tables, details=details)


def _setting_row(name: str, configs: list[dict]) -> list[str] | None:
    having = [config[name] for config in configs if name in config]
    if len(having) < 2 or all(value == having[0] for value in having):
        return None
    return [name, *(_shown(config[name]) if name in config else "–" for config in configs)]


def _shown(value: Any) -> str:
    """As in the config file."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def runs_section(scores: Scores) -> Section:
    results = scores.results
    tables = [
        Table("", ["environment", "algorithm", "by", "seeds", "ended by", "folder"],
              [[r.env, r.label, r.algo, f"{r.summary['first_seed']} to {r.summary['first_seed'] + r.seeds - 1}",
                r.summary["stopped_by"], str(r.path)] for r in results.finished]),
    ]  # fmt: skip
    if results.unfinished:
        rows = [[x.env, x.label, x.why, str(x.path)] for x in results.unfinished]
        tables.append(Table("Not counted", ["environment", "algorithm", "why", "folder"], rows))
    versions = [r.summary["versions"] for r in results.finished]
    rows = [[name, ", ".join(dict.fromkeys(str(v.get(name, "–")) for v in versions))] for name in versions[0]]
    tables.append(Table("Versions", ["of", "version"], rows))
    return Section("Runs", tables=tables)
