"""The results of a finished run, as `elsinore train` prints them."""


def run_report(run) -> str:
    """The results of a finished run as text: one line per seed, IQM, speed and paths."""
    from elsinore.runs.budgets import ending

    summary = run.summary
    score, steps = summary["eval_return"], summary["env_steps"]
    lines = [
        "",
        f"{summary['algo']} on {summary['env']}: {ending(summary['stopped_by'])} after {steps:,}"
        " env steps a seed",
        *_seed_lines(summary),
    ]
    # the members of a population have different settings: no statistic over them
    if score["ci95"] and "members" not in summary:
        low, high = score["ci95"]
        lines.append(
            f"  IQM {score['iqm']:.1f}, 95 % interval [{low:.1f}, {high:.1f}], mean"
            f" {score['mean']:.1f}"
        )
    return "\n".join(
        [
            *lines,
            f"  over {summary['eval_episodes']} fresh episodes a seed",
            *_checkpoint_lines(summary.get("checkpoints", {}), run.experiment.checkpoints.metric),
            f"  {summary['steps_per_second']:,.0f} steps/s; compiled in"
            f" {summary['compile_seconds']:.1f} s, trained in {summary['train_seconds']:.1f} s",
            f"  {run.path}/  curves: training_curves.png  numbers: summary.json, metrics.sqlite",
        ]
    )


def _checkpoint_lines(kept: dict, metric: str) -> list[str]:
    """The last checkpoint and the best."""
    lines = []
    for which, found in kept.items():
        if found is not None:
            value = "not finite" if found["value"] is None else f"{found['value']:.1f}"
            where = f"{found['name']} at {found['env_steps']:,} env steps"
            lines.append(f"  {which:4} checkpoint {where}: {metric} {value}")
    return lines


def _seed_lines(summary: dict) -> list[str]:
    from elsinore.runs.summary import replica_names

    names = replica_names(summary["first_seed"], summary["seeds"], summary.get("members", [{}]))
    lines = []
    for i, (name, value) in enumerate(zip(names, summary["eval_return"]["per_seed"], strict=True)):
        converged_at = summary["converged_at_env_steps"][i]
        if converged_at is not None:
            end = f"converged at {converged_at:,}"
        else:
            end = f"{summary['env_steps_per_seed'][i]:,} env steps"
        mean_return = "not finite" if value is None else f"{value:8.1f}"
        lines.append(f"  {name}: {mean_return}   {end}")
    return lines
