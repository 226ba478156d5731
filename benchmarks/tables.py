"""The tables of docs/benchmarks.md that are made from data: `python -m benchmarks.tables`.

Each stands between two comments that name its file in `benchmarks/results`; what is there is replaced.
"""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.record import FOLDER

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def main() -> None:
    text = DOCUMENT.read_text()
    for name, table in TABLES.items():
        path = FOLDER / f"{name}.json"
        if path.exists():
            text = replaced(text, name, table(json.loads(path.read_text())))
    DOCUMENT.write_text(text)


def replaced(text: str, name: str, table: str) -> str:
    """The text with this table between its two comments."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"the document must hold {begin.strip()} and {end} once each")
    before, rest = text.split(begin)
    return before + begin + table + end + rest.split(end)[1]


def dqn(data: dict) -> str:
    seeds = sorted({row["seeds"] for row in data["rows"]})
    peers = list(dict.fromkeys(row["peer"] for row in data["rows"]))

    def middle(peer: str, count: int, figure: Callable[[dict], float]) -> float:
        return median(figure(row) for row in data["rows"] if (row["peer"], row["seeds"]) == (peer, count))

    def rate(name: str):
        return lambda row: median(row[name])

    def compiled(row: dict) -> float:
        return (row.get("trace_seconds") or 0.0) + row["compile_seconds"]

    lines = []
    for peer in peers:
        version = next(row.get("version") for row in data["rows"] if row["peer"] == peer)
        cells = [f"{middle(peer, n, rate('gradient_steps_per_second')):,.0f}" for n in seeds]
        cells += [f"{middle(peer, n, rate('steps_per_second')):,.0f}" for n in seeds]
        cells += [f"{middle(peer, n, compiled):.1f} s" for n in seeds]
        lines.append([f"{peer} {version or ''}".strip(), *cells])
    for peer, found in data["ratios"].items():
        speeds = [f"**{found[str(n)]['speed']:.2f}**" if str(n) in found else "" for n in seeds]
        compiles = [f"{found[str(n)]['compile']:.2f}" if str(n) in found else "" for n in seeds]
        lines.append([f"elsinore / {peer}", *speeds, *[""] * len(seeds), *compiles])
    heads = [f"{what}, {n} seed{'s' if n > 1 else ''}" for what in HEADS for n in seeds]
    return markdown(["", *heads], lines) + measured_on(data)


HEADS = ("gradient steps/s", "env steps/s", "compiling")


def replicas(data: dict) -> str:
    lines = []
    for row in data["rows"]:
        one, many = row["env_steps"] / median(row["one"]), row["env_steps"] * row["seeds"] / median(row["many"])
        spread = f"{min(row['ratios']):.2f} to {max(row['ratios']):.2f}"
        lines.append([row["algo"], f"{one:,.0f}", f"{many:,.0f}", f"**{row['ratio']:.2f}** ({spread})"])
    count = data["work"]["seeds"]
    heads = ["", "env steps/s, 1 seed", f"{count} seeds", f"time of {count} seeds / time of 1"]
    return markdown(heads, lines) + measured_on(data)


def memory(data: dict) -> str:
    names = ("buffers", "states", "planned", "chunk_extra", "begin_peak", "train_peak", "save_peak")
    heads = ["MiB", "buffers", "states", "planned", "a chunk, beside them, a device", "peak: beginning", "training",
             "saving"]  # fmt: skip
    lines = []
    for row in data["rows"]:
        label = f"{row['memory']}, {row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
        lines.append([label, *(f"{row[f'{name}_bytes'] / 2**20:,.1f}" for name in names)])
    return markdown(heads, lines) + measured_on(data)


def balatro(data: dict) -> str:
    speeds, compiling = (
        {row["stage"]: row for row in data["rows"] if row["case"] == case} for case in ("speed", "ppo")
    )
    lines = []
    for stage, row in speeds.items():
        rates = row["steps_per_second"]
        compiles = f"{compiling[stage]['compile_seconds']:.1f} s" if stage in compiling else ""
        sizes = [f"{row[name]:,}" for name in ("state_bytes", "obs_bytes")]
        load = f"{row['load_before']:.1f}"  # of other work: these are rates of what it leaves
        lines.append([str(stage), f"{median(rates):,.0f}", f"{max(rates):,.0f}", load, *sizes, compiles])
    heads = ["stage", "steps/s, median", "best", "load before", "bytes a world", "an observation", "PPO compiles in"]
    return markdown(heads, lines) + measured_on(data)


def page_cost(data: dict) -> str:
    kinds = list(data["rows"][0]["cores"])
    lines = []
    for row in sorted(data["rows"], key=lambda row: (row["pinned"], row["seeds"], row["who"], row["round"])):
        shares = [f"{100 * row['cores'][kind]:.1f} %" for kind in kinds if kind != "training"]
        first, last = row["server_bytes"][0] / 2**20, row["server_bytes"][-1] / 2**20
        speeds = [f"{sum(row[which]) / len(row[which]):,.0f}" for which in ("alone", "watched")]
        label = (
            f"{row['who']}{', pinned' if row['pinned'] else ''}, {row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
        )
        turns = f"{min(row['ratios']):.2f} to {max(row['ratios']):.2f}"
        lines.append(
            [label, *speeds, f"**{median(row['ratios']):.3f}** ({turns})", *shares, f"{first:.0f}, {last:.0f} MiB"]
        )
    takes = [f"of a core: {kind}" for kind in kinds if kind != "training"]
    heads = ["", "env steps/s, alone", "looked at", "ratio (turns)", *takes, "server's memory, first and last turn"]
    return markdown(heads, lines) + measured_on(data)


def markdown(heads: list[str], lines: list[list[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def measured_on(data: dict) -> str:
    machine = data["machine"]
    return f"\n{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}, {machine['date']}.\n"


TABLES = {
    "dqn_cartpole": dqn,
    "replicas_cartpole": replicas,
    "memory": memory,
    "balatro_speed": balatro,
    "page_cost": page_cost,
}


if __name__ == "__main__":
    main()
