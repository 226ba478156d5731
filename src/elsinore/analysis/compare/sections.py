"""The sections of a report, built from `Scores`."""

from collections.abc import Iterator
from datetime import datetime

from elsinore.analysis.compare.caveats import caveats
from elsinore.analysis.compare.conclusions import conclusions
from elsinore.analysis.compare.document import (
    Document,
    Picture,
    ReportTable,
    Section,
    format_count,
    format_estimate,
    format_number,
    format_p_value,
    format_probability,
    join_names,
)
from elsinore.analysis.compare.provenance import runs_section, settings_section, speed_section
from elsinore.analysis.compare.results import RunResult
from elsinore.analysis.compare.scores import ENV_STATISTICS, SEED_STATISTICS, Pair, Scores
from elsinore.errors import counted

STATISTIC_NAMES = {"iqm": "IQM", "mean": "mean", "median": "median"}
PAIR_HEADER = ["first", "second", "probability", "p", "clear"]


def document_of(scores: Scores) -> Document:
    title = (
        f"{join_names(scores.labels)} on {join_names(scores.envs)}"
        if len(scores.labels) < 6
        else "A comparison"
    )
    runs = scores.results.finished
    subtitle = (
        f"{counted(len(runs), 'run')}, {counted(sum(r.seeds for r in runs), 'seed')}, "
        f"{sum(sum(r.summary['env_steps_per_seed']) for r in runs):,} env steps in all; "
        f"written {datetime.now():%Y-%m-%d %H:%M}"
    )
    return Document(title, subtitle, list(_sections(scores)))


def _sections(scores: Scores) -> Iterator[Section]:
    yield Section("Conclusions", points=conclusions(scores))
    yield Section("Caveats", points=caveats(scores))
    yield returns_section(scores)
    if any(result.agent_returns for result in scores.results.finished):
        yield agents_section(scores)
    if any(result.episode_stats for result in scores.results.finished):
        yield episode_stats_section(scores)
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
    ends = ["lowest seed", "highest seed"]
    header = ["algorithm", "seeds", "env steps per seed", *STATISTIC_NAMES.values(), *ends]
    tables = []
    for env in scores.envs:
        rows = []
        for result in scores.in_env(env):
            returns = scores.returns(result)
            middle = [
                format_estimate(scores.over_seeds(result, statistic))
                for statistic in SEED_STATISTICS
            ]
            ends = [format_number(returns.min()), format_number(returns.max())]
            rows.append(
                [result.label, str(result.seeds), format_count(result.budget), *middle, *ends]
            )
        tables.append(ReportTable(env, header, rows))
    text = (
        "The return of a seed is the mean over the episodes of its final evaluation, in new"
        " episodes after the last update. Each dot is a seed, the mark is the interquartile mean"
        " (IQM, the mean of the middle half of the seeds), the bar is its 95 % interval."
    )
    picture = Picture("returns", "final returns by seed, with IQM")
    return Section("Final returns", [text], picture=picture, tables=tables)


def agents_section(scores: Scores) -> Section:
    """The returns of the agents of an environment, which those of a seed are the means of."""
    text = (
        "With several agents, the return of a seed is the mean over its agents. Of each agent, IQM"
        " over seeds, with its 95 % interval; a dash where a run has no such agent."
    )
    tables = []
    for env in scores.envs:
        found = {r.label: scores.over_seeds_of_agents(r) for r in scores.in_env(env)}
        found = {label: agents for label, agents in found.items() if agents}
        names = dict.fromkeys(name for agents in found.values() for name in agents)
        rows = [
            [name, *(format_estimate(x[name]) if name in x else "–" for x in found.values())]
            for name in names
        ]
        if rows:
            tables.append(ReportTable(env, ["agent", *found], rows))
    return Section("Agents", [text], tables=tables)


def episode_stats_section(scores: Scores) -> Section:
    """The `episode_facts` of the environments (`experience/episode_stats.py`)."""
    text = (
        "Other statistics of the same final evaluations, taken at the end of each episode: IQM"
        " over seeds of the means over episodes, with its 95 % interval."
    )
    tables = []
    for env in scores.envs:
        results = scores.in_env(env)
        names = {stat["called"]: name for r in results for name, stat in r.episode_stats.items()}
        if names:
            rows = [[r.label, *_episode_stats_row(scores, r, names)] for r in results]
            tables.append(ReportTable(env, ["algorithm", *names], rows))
    return Section("Episode statistics", [text], tables=tables)


def _episode_stats_row(scores: Scores, result: RunResult, names: dict[str, str]) -> list[str]:
    return [
        format_estimate(scores.episode_stat(result, name)) if name in result.episode_stats else "–"
        for name in names.values()
    ]


def over_envs_section(scores: Scores) -> Section:
    text = (
        "Returns are normalised before they are aggregated: 0 and 1 are the reference returns"
        " below. Every environment has the same weight; the median is over the means of the"
        " environments. The choice of references changes these numbers, but no probability of"
        " improvement."
    )
    rows = [
        [
            label,
            *(format_estimate(scores.over_envs(label, statistic)) for statistic in ENV_STATISTICS),
        ]
        for label in scores.labels
    ]
    references = [(env, scores.reference(env)) for env in scores.shared_envs]
    tables = [
        ReportTable(
            "Normalised returns", ["algorithm", *(STATISTIC_NAMES[s] for s in ENV_STATISTICS)], rows
        ),
        ReportTable(
            "References",
            ["environment", "return at 0", "return at 1", "source"],
            [[env, format_number(r.low), format_number(r.high), r.source] for env, r in references],
        ),
    ]
    picture = Picture("over_envs", "normalised returns")
    return Section("Across environments", [text], picture=picture, tables=tables)


def improvement_section(scores: Scores) -> Section:
    text = (
        "The probability that a run of the first algorithm has a higher final return than a run of"
        " the second (ties count one half; 0.5: neither is better). It measures how often, not by"
        " how much. A difference is clear, and drawn in blue, if the interval excludes 0.5 and"
        " p < 0.05 in a two-sided permutation test of ranks (Mann-Whitney), corrected for the"
        " number of pairs in a table (Holm)."
    )
    tables = [
        ReportTable(env, PAIR_HEADER, _pair_rows(scores.pairs(env)))
        for env in scores.envs
        if len(scores.in_env(env)) > 1
    ]
    if len(scores.shared_envs) > 1:
        title = f"{len(scores.shared_envs)} environments together"
        tables.insert(0, ReportTable(title, PAIR_HEADER, _pair_rows(scores.pairs_over_envs())))
    picture = Picture("improvement", "probability of improvement of each pair, with intervals")
    return Section("Probability of improvement", [text], picture=picture, tables=tables)


def _pair_rows(pairs: list[Pair]) -> list[list[str]]:
    return [
        [
            pair.x,
            pair.y,
            format_probability(pair.probability),
            format_p_value(pair.p_value),
            "yes" if pair.is_clear else "no",
        ]
        for pair in pairs
    ]


def curves_section(scores: Scores) -> Section:
    text = (
        "Evaluations during training: IQM over seeds against the env steps of one seed, with a"
        " pointwise 95 % band. They have fewer episodes than the final evaluation."
    )
    picture = Picture("curves", "evaluation return against env steps")
    return Section("Sample efficiency", [text], picture=picture)


def profiles_section(scores: Scores) -> Section:
    text = (
        "The share of runs with a final return above τ, with a pointwise 95 % band. A curve above"
        " another everywhere means better low, middle and high seeds; if two curves cross, one"
        " algorithm has better high seeds and the other better low seeds."
    )
    picture = Picture("profiles", "share of runs above each return")
    return Section("Performance profiles", [text], picture=picture)


def threshold_section(scores: Scores) -> Section:
    text = (
        "Time of the first evaluation at or above the threshold: the median over all seeds, where"
        " seeds that never reach it count as infinitely late; a dash if half or more never do. The"
        " resolution is the time between two evaluations."
    )
    rows = []
    for env in scores.envs:
        for result in scores.in_env(env):
            row, times = [env, result.label, format_number(scores.threshold(env))], ["–"] * 3
            if (found := scores.time_to_threshold(result)) is not None:
                reached = f"{found.reached} of {found.seeds}"
                times = [reached, format_count(found.env_steps), format_number(found.seconds)]
            rows.append(row + times)
    header = [
        "environment",
        "algorithm",
        "threshold",
        "reached by",
        "env steps (median)",
        "seconds (median)",
    ]
    missing = [env for env in scores.envs if scores.threshold(env) is None]
    more = (
        [
            f"No threshold is known for {join_names(missing)}; give one with --threshold"
            " ENV=RETURN (in Python, thresholds)."
        ]
        if missing
        else []
    )
    return Section("Time to threshold", [text, *more], tables=[ReportTable("", header, rows)])
