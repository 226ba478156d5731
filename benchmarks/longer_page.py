"""docs/longer.md, from the rows of `benchmarks.longer`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

KEPT = 0.95  # of the way from the random policy to the best

HEADER = """# What longer training does to presets

Made by `python -m benchmarks.longer`; every seed's numbers and evaluations are in
`benchmarks/results/longer.json`. Each preset trains for a multiple of its own number of env steps,
to the end, with schedules over the whole of it and no early stopping. **Actions** of all
evaluations are greedy, or sampled (`--sampled`) as in training.

**Best** is the policy of a seed that had the highest of about 40 evaluations of 32 episodes each
during its run. That highest number is biased upward, so it is not used: **best** and **final** are
both the mean of the same 128 fresh episodes. **Kept** counts the seeds whose final policy has at
least 95 % of its best, on a scale from the random policy's return (0 %) to that best (100 %).
**Lost beyond noise** counts those of the rest whose loss is above two standard errors of the 128
differences between paired episodes; seeds that lose less may be the luck of the episodes.

SpaceInvaders-MinAtar has no chance, and Breakout-MinAtar none but the ball's first side: all
episodes of a greedy policy are one there, or two. A return is then where that one episode ends
(23, 47, 71, ... are whole waves of 24 invaders), and a small change of a policy may end it waves
earlier or later: what is lost says little of what was forgotten. Evaluated as in training instead
(`evaluation.greedy: false`), `ppo`, `a2c` and `pqn` have rows of these games in which no seed loses
more than the noise of its episodes.
"""


def shares(row: dict[str, Any]) -> np.ndarray:
    """What each seed's final policy has of its best, where random is 0; nan where its best is no
    better than random."""
    best, final = (np.array(row[name]) - row["random"] for name in ("best", "final"))
    return np.divide(final, best, out=np.full(len(best), np.nan), where=best > 0)


def kept(row: dict[str, Any]) -> np.ndarray:
    """Of each seed, whether its final policy has at least `KEPT` of its best."""
    return shares(row) >= KEPT


def lost(row: dict[str, Any]) -> np.ndarray:
    """Of each seed, whether its final policy has less than `KEPT` of its best, and not by luck of
    the episodes."""
    difference = np.array(row["best"]) - np.array(row["final"])
    return ~kept(row) & (difference > 2 * np.array(row["error"]))


def page(
    rows: list[dict[str, Any]],
    before: list[dict[str, Any]] | None = None,
    missing: Sequence[str] = (),
) -> str:
    """The page's text; `before` are rows of presets that were changed since, `missing` the presets
    that have no row."""
    lines = [HEADER, HEADS, *map(line, rows)]
    devices = sorted({row["device"] for row in rows if "device" in row})
    for device in devices:
        here = (row for row in rows if row.get("device") == device)
        names = (f"`{x['env']}/{x['algo']}`{' sampled' if x['sampled'] else ''}" for x in here)
        where = f"On one {device}, the others on CPUs (greedy where nothing is said)"
        lines.append(f"\n{where}: {', '.join(names)}.")
    lines += ["\n## Before a preset was changed\n", HEADS, *map(line, before)] if before else []
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        lines.append(f"\n## Not trained for longer yet\n\n{names}.")
    return "\n".join(lines) + "\n"


HEADS = (
    "| environment | algorithm | env steps | times its budget | actions | random |"
    " best, mean (worst seed) | final, mean (worst seed) | kept | lost beyond noise |\n"
    + "|---" * 10
    + "|"
)


def line(row: dict[str, Any]) -> str:
    cells = [
        row["env"],
        row["algo"],
        f"{row['env_steps']:,}",
        str(row["times"]),
        "sampled" if row["sampled"] else "greedy",
        f"{row['random']:.2f}",
        *(f"{np.mean(row[name]):.2f} ({min(row[name]):.2f})" for name in ("best", "final")),
        f"{kept(row).sum()} of {row['seeds']}",
        str(lost(row).sum()),
    ]
    return f"| {' | '.join(cells)} |"
