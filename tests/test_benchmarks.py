"""What the benchmarks make of their measurements."""

import json

import pytest

from benchmarks import dqn, tables
from benchmarks.record import Results


def test_what_was_measured_is_not_measured_again(tmp_path):
    path, asked = tmp_path / "found.json", []

    def measure():
        asked.append(1)
        return {"seconds": [1.5]}

    row = Results(path, {"seeds": 4}).measure(measure, peer="ours", round=0)
    again = Results(path, {"seeds": 4})
    assert again.measure(measure, peer="ours", round=0) == row
    assert again.measure(measure, peer="ours", round=1)["seconds"] == [1.5]
    assert len(asked) == 2
    assert json.loads(path.read_text())["rows"] == again.rows


@pytest.mark.parametrize(("work", "again"), [({"seeds": 5}, False), ({"seeds": 4}, True)])
def test_other_work_begins_anew(tmp_path, work, again):
    Results(tmp_path / "found.json", {"seeds": 4}).measure(dict, peer="ours")
    assert Results(tmp_path / "found.json", work, again).rows == []


def row(round_: int, peer: str, rate: float, seconds: float) -> dict:
    return {
        "round": round_,
        "seeds": 1,
        "peer": peer,
        "gradient_steps_per_second": [rate],
        "compile_seconds": seconds,
        "steps_per_second": [10 * rate],
    }


def test_speeds_are_compared_within_a_round():
    rows = [row(0, "elsinore", 300.0, 4.0), row(0, "rejax", 100.0, 2.0)]
    rows += [row(1, "elsinore", 30.0, 4.0), row(1, "rejax", 20.0, 2.0), row(2, "rejax", 1.0, 1.0)]
    found = dqn.ratios(rows)
    assert found == {"rejax": {"1": {"speed": 2.25, "speed_by_round": [3.0, 1.5], "compile": 2.0}}}


def test_a_table_replaces_what_stood_in_its_place_and_nothing_else():
    text = "before\n<!-- x -->\nold\n<!-- end of x -->\nafter\n"
    once = tables.replaced(text, "x", tables.markdown(["a", "b"], [["1", "2"]]))
    assert (
        once
        == "before\n<!-- x -->\n| a | b |\n| --- | --- |\n| 1 | 2 |\n<!-- end of x -->\nafter\n"
    )
    assert tables.replaced(once, "x", "old\n") == text
    with pytest.raises(SystemExit, match="once each"):
        tables.replaced(text, "y", "")


def test_the_documents_have_a_place_for_every_table():
    for name, (document, _) in tables.TABLES.items():
        tables.replaced((tables.DOCS / document).read_text(), name, "")


def test_what_a_policy_for_caches_hits_stands_beside_the_classic_ones():
    classic = {
        "lru": 0.2,
        "fifo": 0.1,
        "lfu": 0.3,
        "sieve": 0.25,
        "s3fifo": 0.4,
        "gdsf": 0.1,
        "belady_bypass": 0.6,
    }
    rows = []
    for trace, hit in (("nasa_jul01_10k", 0.4), ("other", 0.28)):
        where = {"trace": trace, "capacity": 64}
        rows += [{"policy": "classic", **where, **classic}]
        rows += [
            {
                "policy": "learnt",
                **where,
                "fallback": fallback,
                "hit_ratios": [hit - 0.1 * (not fallback)] * 2,
            }
            for fallback in (True, False)
        ]
    machine = {"cores": 2, "cpu": "x", "python": "3", "date": "today"}
    table = tables.cache_traces({"rows": rows, "machine": machine})
    assert (
        table.splitlines()[2]
        == "| nasa_jul01_10k, time | 64 | 0.200 | 0.100 | 0.300 | 0.250 | 0.400 | 0.100 | 0.600 "
        "| 0.400 (0.400-0.400) | 0.300 | +0.000 | 0.50 | 0.12 | 0.50 | -0.25 |"
    )
    assert "Mean `closed`: learnt 0.350, lfu 0.250, sieve 0.125" in table
    assert "nothing was learnt from: learnt 0.200" in table
    assert "better of LRU and LFU, the worst row: -0.0200 (other at 64)" in table
    assert "best of the six, the worst row: -0.1200 (other at 64)" in table


def test_what_was_measured_of_balatro_stands_in_a_row_for_each_stage():
    speed = {
        "steps_per_second": [3e6, 1e6, 2e6],
        "state_bytes": 475,
        "obs_bytes": 725,
        "load_before": 0.5,
    }
    rows = [{"case": "speed", "stage": stage} | speed for stage in (0, 2)]
    rows += [
        {"case": "ppo", "stage": 2, "compile_seconds": 12.34},
        {"case": "preset", "stage": 2, "compile_seconds": 23},
    ]
    machine = {"cores": 2, "cpu": "x", "python": "3", "date": "today"}
    table = tables.balatro({"rows": rows, "machine": machine}).splitlines()
    assert table[2:4] == [
        "| 0 | 2,000,000 | 3,000,000 | 0.5 | 475 | 725 |  |  |",
        "| 2 | 2,000,000 | 3,000,000 | 0.5 | 475 | 725 | 12.3 s | 23.0 s |",
    ]


def test_what_was_won_without_a_shop_stands_in_a_row_for_each_number_of_antes_that_somebody_won():
    of = {"won": [0.5, 0.75], "progress": [1.0, 2.0]}
    lost = {"won": [0.0, 0.0], "progress": [0.0, 0.0]}
    rows = [
        {"name": "Balatro-stage0, greedy", "env": "Balatro-stage0", "games": {"1": of}},
        {
            "name": "Balatro-stage0, ppo, x",
            "env": "Balatro-stage0",
            "env_steps": 2000,
            "games": {"1": of, "2": lost},
        },
        {
            "name": "Balatro-stage2, ppo, x",
            "env": "Balatro-stage2",
            "env_steps": 2000,
            "games": {"1": of},
        },
    ]
    lines = tables.balatro_wins(rows).splitlines()[2:]
    assert len(lines) == 1
    assert lines[0].startswith("| ppo, x | 2,000 | 1 | 62.5 % | 62.5 % | ")
    assert lines[0].endswith(" | 50.0 % | 1.500 |")


def test_how_long_a_decision_takes_stands_in_a_row_for_each_way_of_asking():
    rows = [
        {"way": way, "batch": batch, "median_us": 10.4 * batch, "p99_us": 1e3 * batch}
        for way in ("training", "jax", "mlflow", "dispatch alone")
        for batch in (1, 256)
    ]
    table = tables.latency(
        {"rows": rows, "machine": {"cores": 2, "cpu": "x", "python": "3", "date": "today"}}
    )
    assert table.splitlines()[2] == "| form `jax`, jitted | 10 (1,000) | 2662 (256,000) |"
    assert len(table.splitlines()) == 8
