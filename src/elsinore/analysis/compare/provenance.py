"""The sections of a report on how its runs were made: speed, settings, versions and folders."""

from collections.abc import Iterator
from typing import Any

from elsinore.analysis.compare.document import ReportTable, Section, format_count
from elsinore.analysis.compare.scores import Scores
from elsinore.config.mappings import dotted
from elsinore.config.parse import as_dict
from elsinore.config.yaml_files import yaml_text
from elsinore.runs.budgets import ending
from elsinore.runs.trust.redaction import redacted


def speed_section(scores: Scores) -> Section:
    rows = [
        [
            env,
            r.label,
            str(r.seeds),
            format_count(r.summary["steps_per_second"]),
            f"{r.summary['compile_seconds']:.1f}",
            f"{r.summary['train_seconds']:.1f}",
            f"{r.summary['evaluation_seconds']:.1f}",
        ]
        for env in scores.envs
        for r in scores.in_env(env)
    ]
    header = [
        "environment",
        "algorithm",
        "seeds",
        "steps/s",
        "compile s",
        "train s",
        "final evaluation s",
    ]
    return Section(
        "Speed",
        ["Steps per second of all seeds together, without compilation."],
        tables=[ReportTable("", header, rows)],
    )


def settings_section(scores: Scores) -> Section:
    """Shared settings with different values, and the whole config of every run."""
    tables = []
    for env in scores.envs:
        configs = {r.label: redacted(as_dict(r.experiment)) for r in scores.in_env(env)}
        flat = [_by_name(config) for config in configs.values()]
        own = {name for config in configs.values() for name in _own_of_agents(config)}
        rows = [
            row
            for name in dict.fromkeys(k for settings in flat for k in settings)
            if (row := _setting_row(name, flat, name in own)) is not None
        ]
        if rows:
            tables.append(ReportTable(f"{env}: differences", ["setting", *configs], rows))
    details = [
        (f"config of {r.label} on {env}", yaml_text(config))
        for env in scores.envs
        for r in scores.in_env(env)
        for config in [redacted(as_dict(r.experiment))]
    ]
    text = (
        "Settings that at least two algorithms have with different values, and those of an agent"
        " that differ from its run's; a dash if an algorithm has no such setting."
    )
    return Section("Settings", [text], tables=tables, details=details)


def _by_name(config: dict[str, Any]) -> dict[str, Any]:
    """The settings by dotted name; those of a list's agents by the agents' names."""
    agents = {name: value for name, value in config["agents"].items() if name != "each"}
    of_agents = {f"agents.{agent['id']}": agent["algo"] for agent in config["agents"]["each"]}
    return dotted(config | {"agents": agents}) | dotted(of_agents)


def _own_of_agents(config: dict[str, Any]) -> Iterator[str]:
    """The settings of agents that differ from the run's, by name."""
    of_all = dotted(config["algo"])
    for agent in config["agents"]["each"]:
        other = agent["algo"]["name"] != of_all["name"]  # its other settings are others' too
        for name, value in dotted(agent["algo"]).items():
            if name == "name" if other else value != of_all[name]:
                yield f"agents.{agent['id']}.{name}"


def _setting_row(name: str, configs: list[dict], of_one: bool) -> list[str] | None:
    """A row for different values, and for a setting `of_one` that others have not."""
    having = [config[name] for config in configs if name in config]
    if all(value == having[0] for value in having) and not (of_one and len(having) < len(configs)):
        return None
    return [name, *(_shown(config[name]) if name in config else "–" for config in configs)]


def _shown(value: Any) -> str:
    """A value as in the config file."""
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def runs_section(scores: Scores) -> Section:
    results = scores.results
    tables = [
        ReportTable(
            "",
            ["environment", "label", "algorithm", "seeds", "ended", "folder"],
            [
                [
                    r.env,
                    r.label,
                    r.algo,
                    f"{r.summary['first_seed']} to {r.summary['first_seed'] + r.seeds - 1}",
                    ending(r.summary["stopped_by"]),
                    str(r.path),
                ]
                for r in results.finished
            ],
        ),
    ]
    if results.excluded:
        rows = [[x.env, x.label, x.reason, str(x.path)] for x in results.excluded]
        tables.append(ReportTable("Excluded", ["environment", "label", "reason", "folder"], rows))
    versions = [r.summary["versions"] for r in results.finished]
    rows = [
        [name, ", ".join(dict.fromkeys(str(v.get(name, "–")) for v in versions))]
        for name in dict.fromkeys(name for found in versions for name in found)
    ]
    tables.append(ReportTable("Versions", ["package", "version"], rows))
    return Section("Runs", tables=tables)
