"""Two sides in turn on the same work, and the ratio of their speeds within each round."""

from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any

from benchmarks.record import Results
from benchmarks.run import peak


def alternate(
    results: Results,
    works: Iterable[str],
    rounds: int,
    measured: Callable[[str, str], dict[str, Any]],
    *,
    peer: str,
    skip: int = 0,
) -> None:
    """Measure each work with elsinore and `peer` in turn, in each round; save and print the ratios.

    Args:
        measured: a process's row, of a side and a work.
        skip: so many first repeats of a process are left out, such as one that compiles.
    """
    for round_ in range(rounds):
        for work in works:
            for side in ("elsinore", peer):
                row = results.measure(
                    partial(measured, side, work), round=round_, work=work, peer=side
                )
                rate = median(row["steps_per_second"][skip:])
                print(f"round {round_}  {work}  {side:10} {rate:,.0f} env steps/s", flush=True)
        results.measure(peak, round=round_, work="matmul")
    results.save(ratios={work: ratios(results.rows, work, peer, skip) for work in works})
    print(results.data["ratios"])


def ratios(rows: list[dict[str, Any]], work: str, peer: str, skip: int = 0) -> dict[str, Any]:
    """Our steps a second over the peer's: the median over rounds of the ratio within a round."""
    found = []
    for round_ in sorted({row["round"] for row in rows}):
        here = {
            row["peer"]: median(row["steps_per_second"][skip:])
            for row in rows
            if row["round"] == round_ and row["work"] == work
        }
        if len(here) == 2:
            found.append(here["elsinore"] / here[peer])
    return {"speed": median(found), "speed_by_round": found}
