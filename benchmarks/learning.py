"""What the presets reach, over many seeds, beside what others have published: makes
docs/results.md.

    python -m benchmarks.learning [--seeds 16] [--again] [ALGO/ENV ...] ["ALGO/ENV: LABEL" ...]

Cases that are recorded with the settings of today are not trained again, so that a stopped
measurement is continued (`--again`: they are). A row whose preset was changed since says so on the
page until it is. Protocols, never to be compared across letters: G greedy and S sampled, 128 fresh
whole episodes of each seed's final policy; T the mean return of the training episodes that ended in
the last tenth of the run, exploring.
"""

import argparse
import contextlib
import copy
import json
import math
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.cases import CASES, Case
from benchmarks.record import accelerator

HERE = Path(__file__).parent
RECORD, PAGE = HERE / "results" / "learning.json", HERE.parent / "docs" / "results.md"


def trained(plan: Any, layout: Any) -> tuple[Any, Any]:
    """The final states, stacked by seed, and every chunk's report, [seed, chunk, ...]; a call for
    each chunk, because within a call XLA's CPU runtime lets go of nothing that large products
    needed on several devices. Environments on the host are stepped there, as in a run."""
    import jax
    import jax.numpy as jnp

    from elsinore.envs.suites import is_on_host
    from elsinore.runs.host.training import HostTraining
    from elsinore.training.replicas import init_seeds, over_seeds

    schedule, states, reports = plan.schedule, init_seeds(plan.program, layout, 0), []
    with contextlib.ExitStack() as stack:
        if is_on_host(plan.env):
            launch = stack.enter_context(contextlib.closing(HostTraining(plan, layout))).chunk
        else:
            launch = over_seeds(plan.program.chunk, layout, donate=True)
        for i in range(schedule.num_chunks):
            updates = jnp.int32(schedule.updates_in(i))
            states, report = jax.block_until_ready(launch(states, updates))
            reports.append(report)
    stacked = jax.tree.map(lambda *x: jnp.stack(x, axis=1), *reports)
    return jax.tree.map(lambda x: x[: layout.num_seeds], (states, stacked))


def settings_of(case: Case) -> dict[str, Any]:
    """The preset with a case's own settings on top, as JSON has it; the algorithm's defaults are
    not among them."""
    from elsinore.config.mappings import merge_settings, set_dotted
    from elsinore.config.presets import preset

    own: dict[str, Any] = {}
    for name, value in case.settings.items():
        set_dotted(own, name, copy.deepcopy(value))
    merged = merge_settings(preset(f"{case.algo}/{case.env}"), own)
    return json.loads(json.dumps(merged))


def changed(case: Case, row: Mapping[str, Any]) -> list[str]:
    """The settings that are others today than those that a row was trained with; all, where a row
    does not say what these were."""
    from elsinore.config.mappings import dotted

    then, now = dotted(row.get("trained_with", {})), dotted(settings_of(case))
    differ = (name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return sorted(differ)


def reached(case: Case, seeds: int) -> dict[str, Any]:
    """Train `seeds` seeds of a case to its whole budget and score them by each protocol."""
    import jax

    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for
    from elsinore.runs.final_evaluation import final_evaluation_of
    from elsinore.runs.preparation import prepare
    from elsinore.training.layout import layout_for
    from elsinore.training.replicas import fetch

    prepare()
    settings = {
        "convergence.enabled": False,
        "seeds": seeds,
        "evaluation.final_episodes": 128,
    } | dict(case.settings)
    plans = {
        greedy: plan_for(
            load_experiment(case.env, case.algo, overrides=settings | {"evaluation.greedy": greedy})
        )
        for greedy in (True, False)
    }
    layout = layout_for(seeds, single_launch=plans[True].single_launch)
    load, began = os.getloadavg()[0], time.time()
    states, reports = jax.block_until_ready(trained(plans[True], layout))
    seconds = time.time() - began
    host = fetch(states, layout)
    evaluations = np.asarray(reports.episodes.returns).mean(axis=2)
    episodes = np.asarray(reports.metrics["episode/return"].count).sum(axis=2)
    greedy, sampled = (final_evaluation_of(plans[how], layout)(host) for how in (True, False))
    row = {
        "env": case.env,
        "algo": case.algo,
        "label": case.label,
        "env_steps": plans[True].env_steps,
        "seeds": seeds,
        "seconds": seconds,
        "load_before": load,
        "settings": dict(case.settings),
        "trained_with": settings_of(case),
        "G": greedy.returns.mean(axis=1).tolist(),
        "S": sampled.returns.mean(axis=1).tolist(),
        "steps": greedy.lengths.mean(axis=1).tolist(),
        "steps_sampled": sampled.lengths.mean(axis=1).tolist(),
        "steps_to": steps_to(case.threshold, evaluations, plans[True]),
        "episodes_to": episodes_to(case.threshold, evaluations, episodes),
    }
    row |= accelerator()
    # a seed that has converged does not train in the last tenth
    exploring = None if settings["convergence.enabled"] else while_exploring(reports.metrics)
    return row if exploring is None else row | {"T": exploring}


def while_exploring(metrics: Mapping[str, Any]) -> list[float] | None:
    """The mean return of each seed's training episodes that ended in the last tenth of the chunks
    ([seed, chunk, update]); None where a seed has none, as of many envs with long episodes."""
    returns = metrics["episode/return"]
    tenth = max(1, returns.count.shape[1] // 10)
    total, count = (np.asarray(x)[:, -tenth:].sum(axis=(1, 2)) for x in returns)
    return (total / count).tolist() if count.all() else None


def steps_to(
    threshold: float | None, evaluations: np.ndarray, plan: Any
) -> list[int | None] | None:
    """Env steps at the first greedy evaluation ([seed, chunk]) at or above the threshold, of each
    seed."""
    if threshold is None:
        return None
    ends = [
        plan.schedule.updates_after(i + 1) * plan.steps_per_update
        for i in range(evaluations.shape[1])
    ]
    return [ends[int(np.argmax(seed))] if seed.any() else None for seed in evaluations >= threshold]


def episodes_to(
    threshold: float | None, evaluations: np.ndarray, episodes: np.ndarray
) -> list[int | None] | None:
    """Episodes that had ended in training by then; `episodes` are those of each chunk, [seed,
    chunk]."""
    if threshold is None:
        return None
    so_far = np.cumsum(episodes, axis=1)
    firsts = [np.flatnonzero(seed)[:1] for seed in evaluations >= threshold]
    return [int(so_far[i, first[0]]) if len(first) else None for i, first in enumerate(firsts)]


def median_of(arrivals: list[int | None]) -> float:
    """The median of all seeds' arrivals; one that does not arrive is infinitely late."""
    return median(math.inf if x is None else x for x in arrivals)


def page(found: list[dict[str, Any]]) -> str:
    """docs/results.md."""
    sections = (line for row in found for line in section(row))
    return "\n".join([HEADER, *at_a_glance(found), *sections]) + "\n"


def at_a_glance(found: list[dict[str, Any]]) -> list[str]:
    """The presets' greedy returns by environment, and the rows below a published figure."""
    from elsinore.runs.statistics import ci95, iqm

    by_env: dict[str, list[str]] = {}
    behind = []
    for row in found:
        case = next(c for c in CASES if c.key == key_of(row))
        link = f"](#{anchor(title(case, row))})"
        if case.label == "preset" and "G" in row:
            by_env.setdefault(case.env, []).append(f"[{case.algo} {iqm(row['G']):.4g}{link}")
        for figure in (p for p in case.published if p.protocol in row):
            values = np.array(row[figure.protocol])
            if (ci95(values) or (0.0, values.max()))[1] < figure.value:
                behind.append(
                    f"| [{case.env}: {case.title}{link} | {figure.protocol} | {iqm(values):.4g}"
                    f" | {figure.value:g} ({figure.source}) |"
                )
    lines = [GLANCE, "\n| environment | IQM of G of each preset |\n|---|---|"]
    lines += [f"| {env} | {', '.join(cells)} |" for env, cells in by_env.items()]
    if behind:
        lines += [BEHIND, "\n| section | protocol | IQM | published |\n|---|---|---|---|", *behind]
    return lines


def title(case: Case, row: dict[str, Any]) -> str:
    """The heading of a row's section."""
    steps, seeds = f"{row['env_steps']:,} env steps a seed", f"{row['seeds']} seeds"
    return f"{case.env}: {case.title}, {steps}, {seeds}"


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def section(row: dict[str, Any]) -> list[str]:
    from elsinore.runs.statistics import ci95, iqm

    case = next(c for c in CASES if c.key == key_of(row))
    lines = [f"\n## {title(case, row)}\n"]
    lines.append(
        "| protocol | mean | IQM | 95 % of the IQM | worst seed | published"
        " |\n|---|---|---|---|---|---|"
    )
    for protocol in (p for p in "GST" if p in row):
        values = np.array(row[protocol])
        low, high = ci95(values) or (np.nan, np.nan)
        beside = (
            "; ".join(f"{p.value:g} ({p.source})" for p in case.published if p.protocol == protocol)
            or "–"
        )
        lines.append(
            f"| {protocol} | {values.mean():.2f} | {iqm(values):.2f} | [{low:.2f}, {high:.2f}] | "
            f"{values.min():.2f} | {beside} |"
        )
    if row.get("steps_to"):
        arrived = [s for s in row["steps_to"] if s is not None]
        after, middle = "", median_of(row["steps_to"])
        if math.isfinite(middle):
            after = (
                f", the median after {middle:,.0f} env steps,"
                f" {row['seconds'] * middle / row['env_steps']:.0f} s"
            )
            if math.isfinite(episodes := median_of(row.get("episodes_to") or [None])):
                after += f" and {episodes:,.0f} episodes"
        lines.append(
            f"\n{len(arrived)} of {row['seeds']} seeds reached {case.threshold:g} in a greedy "
            f"evaluation{after} (evaluations are a twentieth of the run apart)."
        )
    if case.lives and "steps" in row:
        lived = (
            f"{np.mean(row[name]):.0f} steps (the worst seed {min(row[name]):.0f}) {how}"
            for name, how in (("steps", "greedily"), ("steps_sampled", "sampled"))
        )
        lines.append(f"\nEpisodes last {' and '.join(lived)}; {case.lives}.")
    if case.note:
        lines.append(f"\n{case.note}")
    if "trained_with" not in row:
        lines.append("\nThe settings of that day were not recorded.")
    elif others := changed(case, row):
        lines.append(f"\nBefore a change of {', '.join(f'`{name}`' for name in others)}.")
    busy = row.get("load_before", 0.0)
    beside = f" beside other work (a load of {busy:.0f})" if busy > 1.0 else ""
    device = f"one {row['device']}" if "device" in row else "two CPU cores"
    lines.append(
        f"\nAll seeds together took {row['seconds']:.0f} s, compilation included, on"
        f" {device}{beside}."
    )
    return lines


def key_of(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["env"], row.get("algo", "ppo"), row["label"]


HEADER = """# Results

Made by `make results`; the numbers of every seed are in `benchmarks/results/learning.json`.
Never compare across letters: **G** greedy and **S** sampled, 128 fresh whole episodes of each
seed's final policy; **T** the mean return of the training episodes that ended in the last tenth of
the run, with the exploring policy. Published figures are at the same budget unless they say
otherwise; their sources differ in number of seeds, and a single seed's figure is no interval."""
GLANCE = """
## At a glance

Each name leads to its section, which has budget, interval, worst seed and the other protocols.
Budgets differ between algorithms of one environment."""
BEHIND = """
Below a published figure: rows whose 95 % interval ends below a figure beside them, whatever the
figure's algorithm, budget and number of seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="*", metavar="ALGO/ENV", help="these cases (default: all)")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--again", action="store_true", help="train those that are recorded, too")
    args = parser.parse_args()
    RECORD.parent.mkdir(exist_ok=True)
    done = {key_of(row): row for row in (json.loads(RECORD.read_text()) if RECORD.exists() else [])}
    for case in CASES:
        name = f"{case.algo}/{case.env}"
        if args.only and not {name, f"{name}: {case.label}"} & set(args.only):
            continue
        if case.key in done and not changed(case, done[case.key]) and not args.again:
            continue
        row = done[case.key] = reached(case, min(args.seeds, case.seeds))
        means = {p: round(float(np.mean(row[p])), 2) for p in "GST" if p in row}
        print(case.env, case.title, means, f"{row['seconds']:.0f} s", flush=True)
        ordered = [done[c.key] for c in CASES if c.key in done]
        RECORD.write_text(json.dumps(ordered, indent=1) + "\n")
        PAGE.write_text(page(ordered))


if __name__ == "__main__":
    main()
