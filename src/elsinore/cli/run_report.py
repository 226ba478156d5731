"""The results of a finished run, as `elsinore train` prints them."""

from typing import TYPE_CHECKING

from elsinore.errors import counted, shown

if TYPE_CHECKING:
    from elsinore.config.agents import AgentsConfig

MOST_LINES = 10  # of agents


def run_report(run) -> str:
    """The results of a finished run as text: one line per seed, IQM, one line per agent, speed and
    paths."""
    from elsinore.runs.budgets import ending
    from elsinore.runs.members import member_name

    summary = run.summary
    score, steps = summary["eval_return"], summary["env_steps"]
    lines = [
        "",
        f"{summary['algo']} on {summary['env']}: {ending(summary['stopped_by'])} after {steps:,}"
        " env steps a seed",
        *_seed_lines(summary),
    ]
    if "members" not in summary:
        lines += _statistics(score, "")
    elif best := summary.get("best_member"):  # no statistic is over members: their settings differ
        name = _member_names(summary)[best["member"]]
        if "members_final" in summary:
            name += f", {member_name(summary['members_final'][best['member']])} at the end"
        lines += _statistics(best["eval_return"], f"best member {name}: ")
    lines += _agent_lines(summary, run.experiment.agents)
    return "\n".join(
        [
            *lines,
            f"  over {counted(summary['eval_episodes'], 'fresh episode')} a seed",
            *_checkpoint_lines(summary.get("checkpoints", {}), run.experiment.checkpoints.metric),
            f"  {summary['steps_per_second']:,.0f} steps/s; compiled in"
            f" {summary['compile_seconds']:.1f} s, trained in {summary['train_seconds']:.1f} s",
            f"  {shown(run.path)}/  curves: training_curves.png  numbers: summary.json,"
            " metrics.sqlite",
        ]
    )


def _member_names(summary: dict) -> list[str]:
    from elsinore.runs.members import member_name

    evolves = "members_final" in summary
    return [member_name(member, evolves) for member in summary.get("members", [{}])]


def _statistics(score: dict, whose: str) -> list[str]:
    """Interquartile mean, interval and mean; of one seed its return where it is a member's."""
    from elsinore.runs.records import return_text

    if not score["ci95"]:
        return [f"  {whose}{return_text(score['mean'])}"] if whose else []
    low, high = map(return_text, score["ci95"])
    return [
        f"  {whose}IQM {return_text(score['iqm'])}, 95 % interval [{low}, {high}], mean"
        f" {return_text(score['mean'])}"
    ]


def _agent_lines(summary: dict, agents: "AgentsConfig") -> list[str]:
    """The return of each of a few agents with learners of their own, whose mean says little where
    they differ."""
    from elsinore.runs.records import return_text
    from elsinore.runs.summary import means_of_finals

    if agents.number > MOST_LINES or agents.shared:
        return []
    finals = means_of_finals(summary, agents.names)
    over = f"   mean over {summary['seeds']} seeds" if summary["seeds"] > 1 else ""
    return [
        f"  {name}: {return_text(finals[final]):>8}{over}"
        for name in agents.names
        if (final := f"{name}/final/return") in finals
    ]


def _checkpoint_lines(kept: dict, metric: str) -> list[str]:
    """The last checkpoint and the best."""
    from elsinore.runs.records import return_text

    lines = []
    for which, found in kept.items():
        if found is not None:
            where = f"{found['name']} at {found['env_steps']:,} env steps"
            lines.append(f"  {which:4} checkpoint {where}: {metric} {return_text(found['value'])}")
    return lines


def _seed_lines(summary: dict) -> list[str]:
    from elsinore.runs.members import replica_names
    from elsinore.runs.records import return_text

    names = replica_names(summary["first_seed"], summary["seeds"], _member_names(summary))
    lines = []
    for i, (name, value) in enumerate(zip(names, summary["eval_return"]["per_seed"], strict=True)):
        end = f"{summary['env_steps_per_seed'][i]:,} env steps"
        for how in ("converged", "plateau", "diverged"):
            if (at := summary[f"{how}_at_env_steps"][i]) is not None:
                end = f"{how} at {at:,}"
        lines.append(f"  {name}: {return_text(value):>8}   {end}")
    return lines
