"""The first table of docs/benchmarks.md, and that of README.md: speeds beside those of peers, one
row a work.

`python -m benchmarks.tables` makes them from the records in `benchmarks/results`.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.record import FOLDER

PUREJAXRL, REJAX, SBX = "PureJaxRL", "rejax 0.1.3", "SBX 0.28.0"
SB3, CLEANRL = "Stable-Baselines3 2.9", "CleanRL"


class Row(NamedTuple):
    """A work and a peer, and where the ratio is in the record: a dotted path for each number of
    seeds, with its goal where one was set."""

    work: str
    peer: str
    record: str
    one: str = ""
    four: str = ""
    goals: tuple[float | None, float | None] = (None, None)


ROWS = (
    Row("PPO, CartPole-v1", PUREJAXRL, "ppo_cartpole_purejaxrl_epyc", "1", "4", (1.35, 2.5)),
    Row(
        "the same",
        f"{PUREJAXRL} over two devices",
        "ppo_cartpole_purejaxrl_epyc",
        four="4.over_devices",
        goals=(None, 1.35),
    ),
    Row("PPO, MinAtar's Breakout", REJAX, "minatar", four="ppo", goals=(None, 1.5)),
    Row("PPO, Navix DoorKey-5x5", REJAX, "suites_speed", "navix, 1", "navix, 4", (1.2, 1.5)),
    Row("PPO, Brax inverted pendulum", REJAX, "suites_speed", "brax, 1", "brax, 4", (1.2, 1.5)),
    Row("PPO, team of 3, simple spread", "JaxMARL 0.2.0", "team_speed", "team, 1", "team, 4"),
    Row("PPO, Gymnasium's CartPole-v1", SB3, "host_speed", "cartpole", goals=(2.0, None)),
    Row("PPO, Gymnasium's HalfCheetah-v4", SB3, "host_speed_cheetah", "cheetah", goals=(2.0, None)),
    Row("PPO, EnvPool's CartPole-v1", CLEANRL, "host_speed_cleanrl", "cartpole", goals=(1.2, None)),
    Row(
        "PPO, EnvPool's HalfCheetah-v4", CLEANRL, "host_speed_cleanrl", "cheetah", goals=(1.2, None)
    ),
    Row("DQN, CartPole-v1", REJAX, "dqn_cartpole_short", "rejax.1", "rejax.4"),
    Row("DQN, MinAtar's Breakout", REJAX, "minatar", four="dqn", goals=(None, 1.5)),
    Row("SAC, Pendulum-v1", REJAX, "sac_pendulum", "rejax.1", "rejax.4", (None, 2.0)),
    Row("the same", SBX, "sac_pendulum", "sbx.1", "sbx.4", (None, 2.0)),
    Row("TD3, Pendulum-v1", REJAX, "td3_pendulum", "rejax.1", "rejax.4", (None, 2.0)),
    Row("the same", SBX, "td3_pendulum", "sbx.1", "sbx.4", (None, 2.0)),
)


def table() -> str:
    """The rows as Markdown; a ratio with a goal says whether it is met."""
    return markdown(ROWS)


def short() -> str:
    """The rows of the classic works and of environments on the host, without goals."""
    chosen = [row for row in ROWS if row.record in SHORT and row.one]
    return markdown([row._replace(goals=(None, None)) for row in chosen])


SHORT = ("ppo_cartpole_purejaxrl_epyc", "dqn_cartpole_short", "sac_pendulum", "td3_pendulum")
SHORT += ("host_speed", "host_speed_cleanrl")


def markdown(rows: Iterable[Row]) -> str:
    lines = ["| work | beside | 1 seed | 4 seeds |", "| --- | --- | --- | --- |"]
    for row in rows:
        ratios = json.loads((FOLDER / f"{row.record}.json").read_text())["ratios"]
        cells = [cell(ratios, *x) for x in zip((row.one, row.four), row.goals, strict=True)]
        lines.append(f"| {row.work} | {row.peer} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(ratios: dict, path: str, goal: float | None) -> str:
    """The ratio at a dotted path of a record, with its goal; empty without a path."""
    if not path:
        return ""
    for name in path.split("."):
        ratios = ratios[name]
    speed = ratios["speed"]
    if goal is None:
        return f"**{speed:.2f}**"
    digits = 2
    while speed < goal <= float(f"{speed:.{digits}f}"):  # rounding must not meet a goal
        digits += 1
    return f"**{speed:.{digits}f}**, goal {goal:g} {'met' if speed >= goal else 'missed'}"
