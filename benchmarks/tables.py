"""The tables of the docs that are made from data: `python -m benchmarks.tables`.

Each stands between two comments that name its file in `benchmarks/results`; what is there is
replaced.
"""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean, median

from benchmarks import glance, learning, readme, shards_learning
from benchmarks.record import FOLDER
from benchmarks.scaling_curves import ratios_of, seconds_of
from elsinore.runs.statistics import ci95, iqm

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    for name, (document, table) in TABLES.items():
        path, document = record_of(name), DOCS / document
        if path.exists():
            document.write_text(
                replaced(document.read_text(), name, table(json.loads(path.read_text())))
            )
    for name, (document, table) in SPEEDS.items():
        document = DOCS / document
        document.write_text(replaced(document.read_text(), name, table()))


def record_of(name: str) -> Path:
    """The record of a table, of which it shows the part after a colon."""
    return FOLDER / f"{name.partition(':')[0]}.json"


def replaced(text: str, name: str, table: str) -> str:
    """The text with this table between its two comments."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"the document must hold {begin.strip()} and {end} once each")
    before, rest = text.split(begin)
    return before + begin + table + end + rest.split(end)[1]


def off_policy(data: dict) -> str:
    seeds = sorted({row["seeds"] for row in data["rows"]})
    peers = list(dict.fromkeys(row["peer"] for row in data["rows"]))

    def middle(peer: str, count: int, figure: Callable[[dict], float]) -> float:
        return median(
            figure(row) for row in data["rows"] if (row["peer"], row["seeds"]) == (peer, count)
        )

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
        one, many = (
            row["env_steps"] / median(row["one"]),
            row["env_steps"] * row["seeds"] / median(row["many"]),
        )
        spread = f"{min(row['ratios']):.2f} to {max(row['ratios']):.2f}"
        lines.append(
            [row["algo"], f"{one:,.0f}", f"{many:,.0f}", f"**{row['ratio']:.2f}** ({spread})"]
        )
    count = data["work"]["seeds"]
    heads = ["", "env steps/s, 1 seed", f"{count} seeds", f"time of {count} seeds / time of 1"]
    return markdown(heads, lines) + measured_on(data)


def shards(data: dict) -> str:
    lines = []
    for row in data["rows"]:
        rates = [f"{median(row['steps_per_second'][name]):,.0f}" for name in SHARDED]
        ratios = [f"**{row[name]:.2f}**" for name in ("two_over_core", "two_over_one")]
        lines.append([f"{row['hidden']}", *rates, *ratios])
    heads = ["layers of", *SHARDED.values(), "two devices / one core", "two devices / one device"]
    return markdown(heads, lines) + measured_on(data)


SHARDED = {
    "core": "1 shard, 1 core",
    "one": "1 shard, 1 device",
    "turns": "2 shards, 1 device",
    "two": "2 shards, 2 devices",
}


def learning_of_shards(data: dict) -> str:
    """One shard and four: interquartile means with their intervals, and the ratio."""
    lines = []
    for name in dict.fromkeys(row["case"] for row in data["rows"]):
        found = shards_learning.compared(data["rows"], name)
        sides = zip(found["iqm"], found["ci95"], strict=True)
        cells = [f"{iqm:,.5g} {shards_learning.interval(ci, ',.5g')}" for iqm, ci in sides]
        between = shards_learning.interval(found["ratio_ci95"], ".2f")
        ratio = f"**{found['ratio']:.2f}** {between}"
        lines.append([name, f"{found['env_steps']:,}", found["what"], *cells, ratio])
    heads = ["", "env steps", "", "1 shard", "4 shards", "4 shards / 1"]
    return markdown(heads, lines) + measured_on(data)


def cluster(data: dict) -> str:
    """Tasks that do nothing, runs on one and two workers, and a run whose worker is killed."""
    cells, long = {}, {"whole": [], "killed": []}
    for row in data["rows"]:
        if row["what"] == "cells":
            cells.setdefault(row["cores"], []).append(row["seconds"])
        elif row["what"] in long:
            long[row["what"]].append(row["seconds"])
        else:
            nothing = row["ms"]
    line = [
        f"{median(nothing):.2f} ms",
        *(f"{median(cells[cores]):.1f} s" for cores in (1, 2)),
        f"**{data['two_over_one']:.2f}**",
        *(f"{median(seconds):.1f} s" for seconds in long.values()),
        f"**{data['seconds_lost']:.1f} s**",
    ]
    heads = ["an empty task", "8 runs, one worker", "8 runs, two workers", "one / two"]
    heads += ["a long run", "its worker killed", "lost"]
    return markdown(heads, [line]) + measured_on(data)


def memory(data: dict) -> str:
    names = ("buffers", "states", "planned", "chunk_extra", "begin_peak", "train_peak", "save_peak")
    heads = [
        "MiB",
        "buffers",
        "states",
        "planned",
        "a chunk, beside them, a device",
        "peak: beginning",
        "training",
        "saving",
    ]
    lines = []
    for row in data["rows"]:
        label = f"{row['memory']}, {row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
        lines.append([label, *(f"{row[f'{name}_bytes'] / 2**20:,.1f}" for name in names)])
    return markdown(heads, lines) + measured_on(data)


def peak_memory(data: dict) -> str:
    """The most resident memory of whole commands, with the programs compiled and from the cache."""
    peaks = {(row["command"], row["cache"]): row["peak_mib"] for row in data["rows"]}
    lines = []
    for name in dict.fromkeys(row["command"] for row in data["rows"]):
        cold, warm = (max(peaks[name, cache].values()) for cache in ("cold", "warm"))
        cells = (peaks[name, "cold"]["plan"], cold, warm, cold - warm)
        lines.append([name, *(f"{mib:,.0f}" for mib in cells)])
    heads = ["MiB", "before compiling", "at most", "at most, from the cache"]
    heads += ["the compiler's share"]
    return markdown(heads, lines) + measured_on(data)


def balatro(data: dict) -> str:
    speeds, *compiling = (
        {row["stage"]: row for row in data["rows"] if row["case"] == case}
        for case in ("speed", "ppo", "preset")
    )
    lines = []
    for stage, row in speeds.items():
        rates = row["steps_per_second"]
        compiles = [
            f"{rows[stage]['compile_seconds']:.1f} s" if stage in rows else "" for rows in compiling
        ]
        sizes = [f"{row[name]:,}" for name in ("state_bytes", "obs_bytes")]
        load = f"{row['load_before']:.1f}"  # of other work: these are rates of what it leaves
        lines.append(
            [str(stage), f"{median(rates):,.0f}", f"{max(rates):,.0f}", load, *sizes, *compiles]
        )
    heads = [
        "stage",
        "steps/s, median",
        "best",
        "load before",
        "bytes a world",
        "an observation",
        "PPO compiles in",
        "its preset",
    ]
    return markdown(heads, lines) + measured_on(data)


def compiling(data: dict) -> str:
    lines = [
        [
            row["case"],
            row["program"],
            f"{row['operations']:,}",
            f"{row['kernels']:,}",
            f"{row['trace_core_seconds']:.1f} s",
            f"{row['core_seconds'] - row['trace_core_seconds']:.1f} s",
        ]
        for row in data["rows"]
    ]
    heads = ["work", "program", "operations", "kernels", "cores trace it for", "and compile it for"]
    return markdown(heads, lines) + measured_on(data)


def first_minute(data: dict) -> str:
    """Seconds of whole processes, ours and PureJaxRL's, and their ratios within rounds."""
    lines = []
    for cache, found in data["ratios"].items():
        rows = [row for row in data["rows"] if row["cache"] == cache]
        of = {
            name: [row for row in rows if row["trainer"] == name]
            for name in ("elsinore", "purejaxrl")
        }
        seconds = [f"{median(row['seconds'] for row in of[name]):.1f} s" for name in of]
        cpu = [f"{median(row['cpu_seconds'] for row in of[name]):.1f} s" for name in of]
        rounds = ", ".join(f"{x:.2f}" for x in found["rounds"])
        lines.append([cache, *seconds, f"**{found['median']:.2f}** ({rounds})", *cpu])
    heads = ["compile cache", "`make train`, 4 seeds", "PureJaxRL, 1 seed", "ratio"]
    heads += ["cores' seconds, ours", "and PureJaxRL's"]
    peak = median(row["matmul_gflops"] for row in data["rows"])
    return markdown(heads, lines) + f"\nMatrix products: {peak:,.0f} GFLOP/s.\n" + measured_on(data)


def page_cost(data: dict) -> str:
    kinds = list(data["rows"][0]["cores"])
    lines = []
    for row in sorted(
        data["rows"], key=lambda row: (row["pinned"], row["seeds"], row["who"], row["round"])
    ):
        shares = [f"{100 * row['cores'][kind]:.1f} %" for kind in kinds if kind != "training"]
        first, last = row["server_bytes"][0] / 2**20, row["server_bytes"][-1] / 2**20
        speeds = [f"{sum(row[which]) / len(row[which]):,.0f}" for which in ("alone", "watched")]
        label = (
            f"{row['who']}{', pinned' if row['pinned'] else ''}, {row['seeds']}"
            f" seed{'s' if row['seeds'] > 1 else ''}"
        )
        turns = f"{min(row['ratios']):.2f} to {max(row['ratios']):.2f}"
        lines.append(
            [
                label,
                *speeds,
                f"**{median(row['ratios']):.3f}** ({turns})",
                *shares,
                f"{first:.0f}, {last:.0f} MiB",
            ]
        )
    takes = [f"of a core: {kind}" for kind in kinds if kind != "training"]
    heads = [
        "",
        "env steps/s, alone",
        "looked at",
        "ratio (turns)",
        *takes,
        "server's memory, first and last turn",
    ]
    return markdown(heads, lines) + measured_on(data)


def latency(data: dict) -> str:
    ways = {
        "jax": "form `jax`, jitted",
        "mlflow": "form `mlflow`",
        "training": "`Run.policy()`",
        "dispatch alone": "a compiled function that decides nothing",
    }
    took = {
        (row["way"], row["batch"]): f"{row['median_us']:.0f} ({row['p99_us']:,.0f})"
        for row in data["rows"]
    }
    lines = [[label, took[way, 1], took[way, 256]] for way, label in ways.items()]
    return markdown(
        ["median, us (99 % within)", "one observation", "256 at once"], lines
    ) + measured_on(data)


def cache_traces(data: dict) -> str:
    """Of a policy learnt for caches: a row for each trace and capacity, and what they come to."""
    policies = ("lru", "fifo", "lfu", "sieve", "s3fifo", "gdsf")
    of = {
        (row["trace"], row["capacity"]): row for row in data["rows"] if row["policy"] == "classic"
    }
    alone = {
        (row["trace"], row["capacity"]): fmean(row["hit_ratios"])
        for row in data["rows"]
        if row["policy"] == "learnt" and not row["fallback"]
    }
    lines, closed, floors, gaps = [], [], [], []
    for row in (row for row in data["rows"] if row["policy"] == "learnt" and row["fallback"]):
        ratios, mean = of[row["trace"], row["capacity"]], fmean(row["hit_ratios"])
        share = {
            name: (ratio - ratios["lru"]) / (ratios["belady_bypass"] - ratios["lru"])
            for name, ratio in {**{name: ratios[name] for name in policies}, "learnt": mean}.items()
        }
        name, best = row["trace"].split("_seed")[0], max(ratios[name] for name in policies)
        seen = name.startswith(LEARNT_FROM)
        closed.append((seen, share))
        floors.append((mean - max(ratios["lru"], ratios["lfu"]), name, row["capacity"]))
        gaps.append((mean - best, name, row["capacity"]))
        spread = f"{mean:.3f} ({min(row['hit_ratios']):.3f}-{max(row['hit_ratios']):.3f})"
        lines.append(
            [
                f"{name}, {'time' if seen else 'trace'}",
                f"{row['capacity']:,}",
                *(f"{ratios[name]:.3f}" for name in (*policies, "belady_bypass")),
                spread,
                f"{alone[row['trace'], row['capacity']]:.3f}",
                f"{mean - best:+.3f}",
                *(f"{share[name]:.2f}" for name in ("learnt", *policies[3:])),
            ]
        )

    def mean_share(name: str, which: list[dict]) -> str:
        return f"{name} {fmean(share[name] for share in which):.3f}"

    everywhere, unseen = (
        [share for _, share in closed],
        [share for seen, share in closed if not seen],
    )
    order = ("learnt", *policies[2:])
    text = "\nMean `closed`: " + ", ".join(mean_share(name, everywhere) for name in order)
    text += "; on traces of which nothing was learnt from: " + ", ".join(
        mean_share(name, unseen) for name in order
    )
    text += ".\nAgainst the better of LRU and LFU, the worst row: {:+.4f} ({} at {:,}).".format(
        *min(floors)
    )
    text += "\nAgainst the best of the six, the worst row: {:+.4f} ({} at {:,}).\n".format(
        *min(gaps)
    )
    heads = [
        "trace, held out by",
        "capacity",
        *policies,
        "belady with bypass",
        "learnt (seeds)",
        "without fallback",
        "to the best",
        "closed: learnt",
        *policies[3:],
    ]
    return markdown(heads, lines) + text + measured_on(data)


LEARNT_FROM = ("nasa", "zipf09", "api_sessions")  # their first parts


SHOPS = tuple(f"Balatro-stage{stage}" for stage in (1, 2, 3, 4))
ANTES = range(1, 7)  # seven are won by fewer than one in a hundred


def balatro_wins(data: list) -> str:
    """What was trained without a shop: the share of games won at each number of antes that somebody
    won of."""
    lines = []
    for row in data:
        if "env_steps" not in row or row["env"] in SHOPS:
            continue
        for antes, games in row["games"].items():
            won = [100.0 * share for share in games["won"]]
            if any(won):
                low, high = ci95(won)
                shares = (
                    f"{fmean(won):.1f} %",
                    f"{iqm(won):.1f} %",
                    f"{low:.1f} to {high:.1f}",
                    f"{min(won):.1f} %",
                )
                settings = row["name"].partition(", ")[2]
                lines.append(
                    [
                        settings,
                        f"{row['env_steps']:,}",
                        antes,
                        *shares,
                        f"{fmean(games['progress']):.3f}",
                    ]
                )
    return markdown(
        ["", "env steps", "antes", "wins, mean", "IQM", "95 % of the IQM", "worst seed", "return"],
        lines,
    )


def balatro_wins_in_shops(data: list) -> str:
    """The percentage of games won at each number of antes where there are shops, by stage: the IQM
    over seeds, its 95 % interval and the worst seed."""

    def cell(won: list[float]) -> str:
        if len(won) == 1:
            return f"{won[0]:.1f}"
        low, high = ci95(won)
        return f"{iqm(won):.1f} [{low:.1f}, {high:.1f}] {min(won):.1f}"

    lines = []
    for row in sorted((row for row in data if row["env"] in SHOPS), key=lambda row: row["env"]):
        shares = [[100.0 * share for share in row["games"][str(antes)]["won"]] for antes in ANTES]
        steps = f"{row['env_steps']:,}" if "env_steps" in row else ""
        lines.append([row["env"][-1], row["name"].partition(", ")[2], steps, *map(cell, shares)])
    return markdown(["stage", "policy", "env steps", *map(str, ANTES)], lines)


def kill(data: dict) -> str:
    """Kills by kind of run and by the moment that they hit."""
    moments = list(data["hit"])
    kinds = list(dict.fromkeys(row["kind"] for row in data["rows"]))
    lines = []
    for kind in [*kinds, "all"]:
        rows = [row for row in data["rows"] if kind in (row["kind"], "all")]
        hit = [sum(row["kills"].get(moment, 0) for row in rows) for moment in moments]
        equal = sum(not row["different"] for row in rows)
        cells = [str(sum(hit)), *map(str, hit), f"{equal} of {len(rows)}"]
        lines.append([kind, *(f"**{cell}**" if kind == "all" else cell for cell in cells)])
    heads = ["", "kills", *moments, "runs that are equal at their end"]
    return markdown(heads, lines) + measured_on(data)


def endurance(data: dict) -> str:
    """Samples of a long run, and how fast each number grows."""
    rows, names = data["rows"], [name for name in data["rows"][0] if name not in ("minute", "logs")]
    shown = [row for row in rows if row["minute"] % 20 == 0 or row is rows[-1]]
    size = lambda name, x: f"{x:,.0f}" if name in COUNTS else f"{x / 2**20:,.1f} MiB"  # noqa: E731
    lines = [
        [f"minute {row['minute']}", *(size(name, row[name]) for name in names)] for row in shown
    ]
    grows = data.get("per_hour", {})
    if grows:
        by_hour = [size(name, grows[name]).replace("-0", "0") for name in names]
        lines.append(["**an hour, from minute 11 on**", *by_hour])
    heads = ["", *(name.replace("_bytes", " memory") for name in names)]
    so_far = "" if "exit_code" in data else f"\nThe first {rows[-1]['minute']} minutes so far.\n"
    return markdown(heads, lines) + so_far + measured_on(data)


COUNTS = ("chunks", "descriptors", "threads")


def markdown(heads: list[str], lines: list[list[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def measured_on(data: dict) -> str:
    machine = data["machine"]
    return (
        f"\n{machine['cores']} cores, {machine['cpu']}, Python {machine['python']},"
        f" {machine['date']}.\n"
    )


def accelerator(data: dict) -> str:
    rows = data["rows"]
    speed = [row for row in rows if "steps_per_second" in row]
    lines = [
        [
            row["name"],
            f"{median(row['steps_per_second']):,.0f}",
            f"{(row.get('trace_seconds') or 0.0) + row['compile_seconds']:.1f} s",
            *(
                f"{row[x] / 2**20:,.0f}" if row.get(x) else ""
                for x in ("peak_bytes", "planned_bytes")
            ),
        ]
        for row in speed
    ]
    head = ["work", "env steps/s, all seeds", "traced and compiled in", "peak MiB", "planned MiB"]
    bits = [
        f"{row['name'].removeprefix('same bits, ')}: {row['differing_in_a_second_run']} of"
        f" {row['leaves']} arrays differ in a second run, {row['differing_after_the_host']} in one"
        f" that went through the host's memory after half of its {row['updates']} updates"
        + (f" ({row['note']})" if "note" in row else "")
        for row in rows
        if "leaves" in row
    ]
    profiles = [
        [
            row["name"].removeprefix("profile, "),
            f"{row['device_busy']:.0%}",
            f"{row['kernels_per_update']:,.0f}",
            f"{row['microseconds_per_kernel']:.1f} us",
            ", ".join(x["name"] for x in row["top"][:3]),
        ]
        for row in rows
        if row.get("top")
    ]
    busy = ["profile of", "device busy", "kernels an update", "time a kernel", "longest in all"]
    machine = (
        f"{data['work']['device']}, {data['machine']['cores']} cores of {data['machine']['cpu']}"
    )
    return (
        markdown(head, lines)
        + f"\n{machine}, {data['machine']['date']}; medians of three launches.\n\n"
        + "".join(f"- {text}\n" for text in bits)
        + "\n"
        + markdown(busy, profiles)
    )


def beside_peer(data: dict, peer: str = "rejax", version: str = "rejax 0.1.3") -> str:
    """Steps a second of each work, ours and a peer's, with the ratios within rounds."""
    lines = []
    for work, ratio in data["ratios"].items():
        rates = {
            side: median(
                median(row["steps_per_second"])
                for row in data["rows"]
                if (row["work"], row.get("peer")) == (work, side)
            )
            for side in ("elsinore", peer)
        }
        rounds = ", ".join(f"{x:.2f}" for x in ratio["speed_by_round"])
        found = [f"{rates[side]:,.0f}" for side in ("elsinore", peer)]
        lines.append([work, *found, f"**{ratio['speed']:.2f}** ({rounds})"])
    heads = ["", "elsinore, env steps/s", version, "ratio (rounds)"]
    return markdown(heads, lines) + measured_on(data)


def scaling_curves(data: dict) -> str:
    """Seconds by what a curve is over, ours and PureJaxRL's."""
    lines = []
    for curve in dict.fromkeys(row["curve"] for row in data["rows"]):
        ours, theirs = (seconds_of(data["rows"], peer, curve) for peer in ("elsinore", "purejaxrl"))
        ratios = ratios_of(data["rows"], curve)
        for value, seconds in ours.items():
            beside = (
                [f"{theirs[value]:.2f}", f"{ratios[value]:.2f}"] if value in theirs else ["", ""]
            )
            lines.append([curve, f"{value:,}", f"{seconds:.2f}", *beside])
    heads = ["", "of", "elsinore, s", "PureJaxRL, s", "ratio"]
    return markdown(heads, lines) + measured_on(data)


def update_parts(data: dict) -> str:
    """Each way to compute a part of PPO's update, beside the first, which is in use."""
    lines = [
        [
            row["part"],
            way["way"],
            f"{way['microseconds']:.0f}",
            f"{way['ratio']:.2f}",
            "the same" if way["same_bits"] else "other",
        ]
        for row in data["rows"]
        for way in row["ways"]
    ]
    heads = ["part", "way", "least core µs", "median ratio", "bits"]
    return markdown(heads, lines) + measured_on(data)


def hamlet(data: list, algo: str = "ppo") -> str:
    """What agents of the one-house worlds reach, and when the median seed first reaches the bar."""
    lines = []
    for row in data:
        world = row["env"].removeprefix("Hamlet-")
        if (row["algo"], world in HOUSES, bool(row["steps_to"])) != (algo, True, True):
            continue
        arrived = sum(steps is not None for steps in row["steps_to"])
        steps, episodes = (learning.median_of(row[x]) for x in ("steps_to", "episodes_to"))
        when = [f"{steps:,.0f}", f"{episodes:,.0f}"] if math.isfinite(steps) else ["never"] * 2
        lines.append(
            [
                world,
                row["label"],
                f"{arrived} of {row['seeds']}",
                *when,
                spread(row["G"]),
                f"{min(row['G']):.1f}",
                f"{row['env_steps']:,}",
                f"{row['seconds']:,.0f}",
            ]
        )
    heads = ["world", "what", "seeds at the bar", "env steps to it", "episodes to it"]
    heads += ["return at the end, IQM [95 %]", "worst seed", "budget, env steps", "s, all seeds"]
    lines.sort(key=lambda cells: (HOUSES.index(cells[0]), cells[1] != "preset"))
    return markdown(heads, lines)


HOUSES = ("classic4", "base6")


def town(data: list) -> str:
    """How long the presets' agents survive in the town, and what they earn."""
    lines = []
    for row in data:
        if row["env"] in TOWN and row["label"] == "preset":
            lived = (row["steps"], row["steps_sampled"])
            lines.append(
                [
                    f"`{row['env'].removeprefix('Hamlet-')}`",
                    f"{row['env_steps']:,}",
                    *(f"{fmean(steps):.0f} ({min(steps):.0f})" for steps in lived),
                    spread(row["G"]),
                    f"{min(row['G']):.1f}",
                    f"{row['seconds']:,.0f}",
                ]
            )
    heads = ["world", "env steps", "steps survived, greedy: mean (worst seed)", "sampled"]
    heads += ["return, greedy: IQM [95 %]", "worst seed", "s, all seeds"]
    return markdown(heads, lines)


TOWN = tuple(f"Hamlet-{level}" for level in ("L1", "L2", "L3"))


def spread(values: list[float]) -> str:
    """The interquartile mean of the seeds with its 95 % interval."""
    low, high = ci95(values)
    return f"{iqm(values):.1f} [{low:.1f}, {high:.1f}]"


SPEEDS = {"glance": ("benchmarks.md", glance.table), "speeds": ("../README.md", glance.short)}
TABLES = {
    "minatar": ("benchmarks.md", beside_peer),
    "suites_speed": ("benchmarks.md", beside_peer),
    "team_speed": ("benchmarks.md", partial(beside_peer, peer="jaxmarl", version="JaxMARL 0.2.0")),
    "scaling_curves": ("benchmarks.md", scaling_curves),
    "update_parts": ("benchmarks.md", update_parts),
    "accelerator_nvidia_h100_80gb_hbm3": ("benchmarks.md", accelerator),
    "dqn_cartpole": ("benchmarks.md", off_policy),
    "sac_pendulum": ("benchmarks.md", off_policy),
    "td3_pendulum": ("benchmarks.md", off_policy),
    "replicas_cartpole": ("benchmarks.md", replicas),
    "shards": ("benchmarks.md", shards),
    "shards_learning": ("benchmarks.md", learning_of_shards),
    "cluster": ("benchmarks.md", cluster),
    "memory": ("benchmarks.md", memory),
    "peak_memory": ("benchmarks.md", peak_memory),
    "compiling": ("benchmarks.md", compiling),
    "balatro_speed": ("benchmarks.md", balatro),
    "balatro_learning": ("balatro.md", balatro_wins),
    "balatro_learning: shops": ("balatro.md", balatro_wins_in_shops),
    "learning: readme": ("../README.md", readme.table),
    "learning: hamlet": ("hamlet.md", hamlet),
    "learning: hamlet, dqn": ("hamlet.md", partial(hamlet, algo="dqn")),
    "learning: town": ("hamlet.md", town),
    "first_minute": ("benchmarks.md", first_minute),
    "page_cost": ("benchmarks.md", page_cost),
    "kill": ("benchmarks.md", kill),
    "endurance": ("benchmarks.md", endurance),
    "latency": ("export.md", latency),
    "cache_trace_learning": ("cache.md", cache_traces),
    "cache_trace_bytes": ("cache.md", cache_traces),
}


if __name__ == "__main__":
    main()
