"""The table of returns in README.md, from the record of `benchmarks.learning`.

`python -m benchmarks.tables` makes it. A reference stands beside a row only where its algorithm,
its protocol and its budget are those of the row.
"""

import re
from typing import Any, NamedTuple

from benchmarks.cases import CASES
from elsinore.runs.statistics import ci95, iqm


class Row(NamedTuple):
    """A case of `benchmarks.cases` and a protocol, with the name and the digits of the row."""

    env: str
    algo: str
    named: str
    protocol: str = "G"
    label: str = "preset"
    digits: int = 1

    @property
    def key(self) -> tuple[str, str, str]:
        return self.env, self.algo, self.label


SPREAD = "jaxmarl/MPE_simple_spread_v3"
ROWS = (
    Row("CartPole-v1", "ppo", "PPO"),
    Row("CartPole-v1", "dqn", "DQN"),
    Row("Acrobot-v1", "dqn", "DQN"),
    Row("Acrobot-v1", "qrdqn", "QR-DQN"),
    Row("Acrobot-v1", "c51", "C51", label="atoms from -100 to 0"),
    Row("MountainCar-v0", "dqn", "DQN"),
    Row("Pendulum-v1", "sac", "SAC"),
    Row("Pendulum-v1", "td3", "TD3"),
    Row("MountainCarContinuous-v0", "sac", "SAC"),
    Row("Reacher-misc", "td3", "TD3"),
    Row("Swimmer-misc", "sac", "SAC"),
    Row("Breakout-MinAtar", "ppo", "PPO", "S"),
    Row("Breakout-MinAtar", "dqn", "DQN", "S", "2,000,000 steps"),
    Row("brax/reacher", "ppo", "PPO", "S", digits=2),
    Row(SPREAD, "pqn", "PQN of summed values"),
    Row(SPREAD, "ppo", "PPO", "S"),
)


def table(data: list[dict[str, Any]]) -> str:
    cases = {case.key: case for case in CASES}
    found = {(row["env"], row["algo"], row["label"]): row for row in data}
    lines = ["| environment | algorithm, env steps a seed | IQM [95 %] | worst seed | reference |"]
    lines += ["|---|---|---|---|---|"]
    for row in ROWS:
        record, case = found[row.key], cases[row.key]
        values, digits = record[row.protocol], row.digits
        low, high = ci95(values)
        sampled = ", sampled" if row.protocol == "S" else ""
        beside = next((x for x in case.published if alike(x, row)), None)
        lines.append(
            f"| {row.env} | {row.named}{sampled}, {record['env_steps']:,} |"
            f" {iqm(values):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}] |"
            f" {min(values):.{digits}f} |"
            f" {f'{beside.value:g} ({beside.source})' if beside else ''} |"
        )
    return "\n".join(lines) + "\n"


def alike(published: Any, row: Row) -> bool:
    """True for a figure of the row's protocol whose source names no other algorithm or budget."""
    source = published.source
    return (
        published.protocol == row.protocol
        and not source.startswith(OTHERS)
        and not AT_OTHER_STEPS.search(source)
    )


OTHERS = ("PPO, ", "QR-DQN, ", "DQN, ", "SAC, ")
AT_OTHER_STEPS = re.compile(r" at [\d,]+ steps")
