"""What the benchmarks make of their measurements."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from benchmarks import (
    accelerator,
    cluster,
    compiling,
    endurance,
    first_minute,
    glance,
    hamlet_rules,
    kill,
    learning,
    left_behind,
    longer,
    off_policy,
    readme,
    recipes,
    resets,
    rounds,
    scale_model,
    scaling_curves,
    tables,
)
from benchmarks import run as comparison
from benchmarks.peers.work import BRAX, HOST_WORKS, NAVIX, P2
from benchmarks.record import Results
from benchmarks.work import WORKS, over_a_vector
from elsinore.envs import make
from elsinore.jaxtools.shards import DEVICES, total
from tests.runs.conftest import train_tiny

ROOT = Path(__file__).resolve().parents[1]


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


@pytest.mark.parametrize("work", [P2, NAVIX, BRAX], ids=lambda work: work.env)
def test_our_settings_of_a_peers_work_are_its_own(work):
    ours = over_a_vector(work)
    named = ("num_envs", "rollout_length", "num_minibatches", "num_epochs", "learning_rate")
    named += ("gamma", "gae_lambda", "clip_eps", "ent_coef", "vf_coef", "max_grad_norm")
    assert {name: ours[f"algo.{name}"] for name in named} == {n: getattr(work, n) for n in named}
    assert tuple(ours["algo.network.hidden"]) == work.hidden_sizes
    assert ours["algo.network.activation"] == work.activation
    assert ours["env_kwargs"] == ({"backend": "spring"} if work is BRAX else {})


@pytest.mark.parametrize("name", HOST_WORKS)
def test_our_settings_on_envpool_are_those_that_cleanrl_is_given(name, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # a peer's program puts the repository first
    from benchmarks.peers import cleanrl

    work, ours = HOST_WORKS[name], WORKS[f"envpool_{name}"]
    options = cleanrl.options(work, env_steps=2048, seed=3)
    same = {
        "learning-rate": "learning_rate",
        "num-envs": "num_envs",
        "num-steps": "rollout_length",
        "gamma": "gamma",
        "gae-lambda": "gae_lambda",
        "num-minibatches": "num_minibatches",
        "update-epochs": "num_epochs",
        "clip-coef": "clip_eps",
        "ent-coef": "ent_coef",
        "vf-coef": "vf_coef",
        "max-grad-norm": "max_grad_norm",
    }
    assert {theirs: options[theirs] for theirs in same} == {
        theirs: ours[f"algo.{mine}"] for theirs, mine in same.items()
    }
    assert set(options) == {*same, "env-id", "seed", "total-timesteps"}
    assert ours.get("algo.normalize_obs", False) == (name in cleanrl.NORMALISED)


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
    found = off_policy.ratios(rows)
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


@pytest.mark.parametrize("name", tables.TABLES)
def test_a_table_of_the_documents_is_what_its_record_gives(name):
    document, table = tables.TABLES[name]
    text = (tables.DOCS / document).read_text()
    record = json.loads(tables.record_of(name).read_text())
    assert tables.replaced(text, name, table(record)) == text


@pytest.mark.parametrize("name", tables.SPEEDS)
def test_a_table_of_speeds_is_what_the_records_give(name):
    document, table = tables.SPEEDS[name]
    text = (tables.DOCS / document).read_text()
    assert tables.replaced(text, name, table()) == text


def test_a_reference_of_the_readme_is_of_the_rows_algorithm_and_budget():
    table = readme.table(json.loads(learning.RECORD.read_text()))
    lines = {tuple(line.strip("| ").split(" | ")[:2]): line for line in table.splitlines()}
    beside = lines["Acrobot-v1", "QR-DQN, 100,000"]
    assert "| -69.1 (rl-baselines3-zoo, 1 seed) |" in beside  # better than ours
    for none in ("Acrobot-v1", "C51, 100,000"), ("Breakout-MinAtar", "PPO, sampled, 499,712"):
        assert lines[none].endswith("|  |")


def test_the_page_of_results_is_what_its_record_gives():
    assert learning.page(json.loads(learning.RECORD.read_text())) == learning.PAGE.read_text()


@pytest.mark.parametrize("made", [longer, recipes], ids=["longer", "recipes"])
def test_a_page_of_trained_presets_is_what_its_record_gives(made, tmp_path, monkeypatch):
    record, page = made.RECORD.read_text(), made.PAGE.read_text()
    monkeypatch.setattr(made, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(made, "PAGE", tmp_path / "page.md")
    made.written(json.loads(record))
    assert made.PAGE.read_text() == page


def test_a_point_of_a_curve_is_the_median_of_its_rounds():
    def row(round_, peer, seconds):
        return {"curve": "envs", "value": 4, "round": round_, "peer": peer, "seconds": seconds}

    rows = [row(0, "elsinore", 1.0), row(0, "purejaxrl", 2.0), row(1, "elsinore", 3.0)]
    rows += [row(1, "purejaxrl", 9.0), row(2, "elsinore", 2.0), row(2, "purejaxrl", 2.0)]
    assert scaling_curves.seconds_of(rows, "elsinore", "envs") == {4: 2.0}
    assert scaling_curves.ratios_of(rows, "envs") == {4: 2.0}


def test_a_goal_is_met_or_missed_by_the_ratio_of_the_record():
    assert glance.cell({"4": {"speed": 1.4996}}, "4", 1.5) == "**1.4996**, goal 1.5 missed"
    assert glance.cell({"4": {"over": {"speed": 2.0}}}, "4.over", 2.0) == "**2.00**, goal 2 met"
    assert glance.cell({"4": {"speed": 0.9}}, "4", None) == "**0.90**"
    assert glance.cell({}, "", 1.5) == ""


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


def test_wins_without_a_shop_have_a_row_for_each_number_of_antes_that_was_won():
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


@pytest.mark.slow
def test_the_accelerators_command_measures_on_a_cpu_at_a_small_size(tmp_path):
    out = tmp_path / "found.json"
    command = [sys.executable, "-m", "benchmarks.accelerator", "--out", str(out), "--only"]
    names = ["ppo, 256 envs", "same bits, ppo", "profile, ppo, 4,096 envs"]
    # XLA's CPU traces differ in their names: a profile holds no kernel of a device
    subprocess.run([*command, "|".join(f"^{x}$" for x in names)], check=True, cwd=ROOT)
    rows = {row["name"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == names
    speed, bits, profile = rows.values()
    assert min(speed["steps_per_second"]) > 0 and speed["steps_per_update"] == 8 * 32
    assert (bits["differing_in_a_second_run"], bits["differing_after_the_host"]) == (0, 0)
    assert bits["leaves"] > 50 and profile["seconds"] > 0
    table = tables.accelerator(json.loads(out.read_text()))
    assert table.startswith("| work |") and "0 of" in table


def test_a_case_that_fails_is_a_row_with_its_error(monkeypatch, tmp_path):
    case = accelerator.Case(env="no-such-env")
    monkeypatch.setitem(accelerator.CASES, "bad", case)
    row = accelerator.in_a_process("bad", None)
    assert "bad" in row["error"]  # argparse of the child names its choices


def test_growth_is_by_the_hour_and_without_the_warm_up():
    rows = [{"minute": 5, "threads": 9}, *({"minute": m, "threads": m} for m in range(20, 60, 10))]
    assert endurance.slopes(rows) == {"threads": 60.0}
    assert endurance.slopes(rows[:3]) == {}


def test_the_first_minute_is_compared_within_a_round():
    seconds = {"elsinore": (10.0, 12.0), "purejaxrl": (20.0, 10.0)}
    rows = [
        {
            "round": turn,
            "cache": "cold",
            "trainer": trainer,
            "seconds": seconds[trainer][turn],
            "cpu_seconds": 1.0,
            "matmul_gflops": 100.0,
        }
        for trainer in seconds
        for turn in (0, 1)
    ]
    found = first_minute.ratio(rows, "cold")
    assert found == {"median": 0.85, "rounds": [0.5, 1.2]}
    machine = {"cores": 2, "cpu": "a cpu", "python": "3.13", "date": "2026-01-01"}
    table = tables.first_minute({"rows": rows, "ratios": {"cold": found}, "machine": machine})
    assert "| cold | 11.0 s | 15.0 s | **0.85** (0.50, 1.20) | 1.0 s | 1.0 s |" in table


def test_the_compilers_share_of_memory_is_what_a_cache_saves():
    peaks = {"cold": {"plan": 300.0, "compile": 900.4}, "warm": {"plan": 300.0, "train": 500.0}}
    rows = [{"command": "a", "cache": cache, "peak_mib": peaks[cache]} for cache in peaks]
    machine = {"cores": 2, "cpu": "a cpu", "python": "3.13", "date": "2026-01-01"}
    assert "| a | 300 | 900 | 500 | 400 |" in tables.peak_memory({"rows": rows, "machine": machine})


def test_kills_are_counted_by_the_moment_that_they_hit():
    rows = [
        {"kind": "ppo", "kills": {"while training": 2}, "different": []},
        {"kind": "dqn", "kills": {"while training": 1, "at the end": 1}, "different": [".: rows"]},
    ]
    data = {"rows": rows, "machine": dict.fromkeys(("cores", "cpu", "python", "date"), "x")}
    found = kill.conclusions(rows)
    assert found["kills"] == 4 and found["equal"] == 1
    assert found["hit"] == {"while training": 3, "at the end": 1}
    table = tables.kill(data | found)
    assert "| ppo | 2 | 2 | 0 | 1 of 1 |" in table
    assert "| all | **4** | **3** | **1** | **1 of 2** |" in table


@pytest.mark.slow
def test_runs_differ_by_the_part_that_differs_and_by_runs_that_are_missing():
    whole = {"all": {}, ".": {"rows": [1, 2], "parameters": "x"}}
    assert left_behind.differences(whole, whole) == []
    assert left_behind.differences(whole | {".": whole["."] | {"rows": [1]}}, whole) == [".: rows"]
    assert left_behind.differences({"all": {}}, whole) == ["runs: ['all'], expected ['.', 'all']"]


def test_what_a_run_left_is_all_that_has_no_clock(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    settings = {"sinks.tensorboard": True, "sinks.mlflow.enabled": True, "env_steps": 1024}
    first, second, other = (
        left_behind.left_behind(train_tiny(tmp_path, f"{i}", settings | {"seed": seed}).path)
        for i, seed in enumerate((0, 0, 1))
    )
    assert left_behind.differences(first, second) == []
    found = {text.removeprefix(".: ") for text in left_behind.differences(other, first)}
    assert found >= {"parameters", "rows", "summary", "JSON lines", "TensorBoard", "MLflow"}
    parts = first["."]["MLflow"]
    assert parts.keys() == {"parent", "seed_0", "seed_1"} and parts["parent"][2] == "FINISHED"


MEASURED = json.loads(
    (ROOT / "benchmarks/results/accelerator_nvidia_h100_80gb_hbm3.json").read_text()
)
RATES = {row["name"]: row.get("steps_per_second") for row in MEASURED["rows"]}


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("ppo, 4 envs, 1 seed", scale_model.Run(4, steps=128, gradients=16)),
        ("ppo, 4 envs, 16 seeds", scale_model.Run(4, 16, steps=128, gradients=16)),
        ("ppo, 4 envs, 256 seeds", scale_model.Run(4, 256, steps=128, gradients=16)),
        ("ppo, 256 envs", scale_model.Run(256)),
        ("ppo, 4,096 envs", scale_model.Run(4_096)),
        ("ppo, 65,536 envs", scale_model.Run(65_536)),
    ],
)
def test_the_model_of_scale_is_near_to_what_was_measured(name, run):
    measured = sorted(RATES[name])[1]
    assert 0.75 < run.steps_per_second() / measured < 1.25


@pytest.mark.parametrize(
    ("parameters", "shards", "collectives"),
    [(9_000, 8, 1), (9_000, 2, 1), (10**6, 2, 1), (10**6, 8, 2), (10**6, 64, 1)],
)
def test_a_mean_of_the_model_has_the_collectives_of_the_program(parameters, shards, collectives):
    """One exchange of each shard's gradient, or two of the shards' parts where they are large."""
    axes = [(DEVICES, shards)]
    vector = jax.ShapeDtypeStruct((parameters,), jnp.float32)
    names = [e.primitive.name for e in jax.make_jaxpr(total, axis_env=axes)(vector).eqns]
    assert sum(name in ("all_gather", "all_to_all") for name in names) == collectives
    only_latency = scale_model.Link(1.0, float("inf"))
    assert only_latency.mean(parameters, shards) == collectives


def test_the_page_on_scaling_has_the_rows_of_the_model(capsys):
    scale_model.main()
    printed = capsys.readouterr().out.splitlines()
    page = (ROOT / "docs" / "scaling.md").read_text().splitlines()
    rows = [line for line in page if line.endswith("% |")]
    assert len(rows) == 12 and set(rows) <= set(printed)


def test_shards_of_the_model_cost_their_means():
    alone, eight = scale_model.Run(4_096), scale_model.Run(4_096, shards=8)
    assert alone.efficiency() == 1.0
    assert eight.steps_per_second(8) == pytest.approx(
        8 * alone.steps_per_second() * eight.efficiency()
    )
    far = scale_model.Run(64, shards=64).efficiency(scale_model.BETWEEN)
    assert far < scale_model.Run(65_536, shards=64).efficiency(scale_model.BETWEEN)


def test_checkpoints_of_the_model_are_as_rare_as_loses_least():
    year = 365 * 24 * scale_model.HOUR
    best = scale_model.checkpoint_interval(0.5, 64, year)

    def share(interval):
        return 0.5 / interval + interval / 2 * 64 / year

    assert share(best) < min(share(0.9 * best), share(1.1 * best))
    assert scale_model.lost(0.5, 64, year, restart=0.0) == pytest.approx(share(best))


def test_a_rule_of_hamlet_lives_by_its_thresholds():
    env, params = make("Hamlet-classic4")
    episode = jax.jit(hamlet_rules.episode_of(env, params))
    never, always = jnp.zeros(6), jnp.array([0.8, 0.7, 0.8, 0.7, 0.0, 0.0])
    assert [a.name for a in env.profile.affordances] == ["Bed", "Shower", "Fridge", "Job"]
    assert episode(jax.random.key(0), always)[1] == params.max_steps_in_episode
    assert episode(jax.random.key(0), never)[1] < 250


def speed_row(round_: int, seeds: int, peer: str, rate: float, seconds: float) -> dict:
    return {
        "round": round_,
        "seeds": seeds,
        "peer": peer,
        "steps_per_second": [rate],
        "trace_seconds": 0.0,
        "compile_seconds": seconds,
    }


def test_ratios_to_purejaxrl_are_of_rounds_that_have_both():
    rows = [speed_row(0, 4, "elsinore", 300.0, 2.0), speed_row(0, 4, "purejaxrl", 100.0, 4.0)]
    rows += [speed_row(1, 4, "elsinore", 10.0, 1.0), speed_row(2, 4, "purejaxrl", 9.0, 1.0)]
    found = comparison.ratios({"speed": rows})
    assert found == {"4": {"speed": 3.0, "speed_by_round": [3.0], "compile": 0.5}}


def test_a_comparison_goes_on_from_its_file_on_the_same_machine_and_work(tmp_path):
    path = tmp_path / "found.json"
    results = comparison.begun(path, 1_000, again=False)
    results["speed"].append(speed_row(0, 1, "elsinore", 1.0, 1.0))
    comparison.save(path, results)
    assert len(comparison.begun(path, 1_000, again=False)["speed"]) == 1
    assert comparison.begun(path, 2_000, again=False)["speed"] == []
    assert comparison.begun(path, 1_000, again=True)["speed"] == []


def test_slow_peers_have_one_turn_and_seeds_must_divide_over_devices(monkeypatch):
    monkeypatch.setattr(comparison, "cpu_cores", lambda: 2)
    assert comparison.has_a_turn("sb3", 0, 4)
    assert not comparison.has_a_turn("sb3", 1, 4)
    assert not comparison.has_a_turn("purejaxrl_devices", 0, 1)
    assert comparison.has_a_turn("purejaxrl_devices", 3, 4)


def test_two_sides_are_compared_within_a_round():
    rows = [
        {"round": round_, "work": "ppo", "peer": peer, "steps_per_second": [rate]}
        for round_, peer, rate in [(0, "elsinore", 6.0), (0, "rejax", 3.0), (1, "rejax", 1.0)]
    ]
    assert rounds.ratios(rows, "ppo", "rejax") == {"speed": 2.0, "speed_by_round": [2.0]}


def test_cases_to_compile_are_chosen_by_names_with_commas_in_them():
    assert compiling.chosen("ppo,dqn") == ["ppo", "dqn"]
    assert compiling.chosen("ppo, 4 seeds; a2c") == ["ppo, 4 seeds", "a2c"]
    assert compiling.chosen(",".join(compiling.CASES)) == list(compiling.CASES)
    with pytest.raises(ValueError, match="'balatro' begins with no case"):
        compiling.chosen("ppo,balatro")


def test_a_killed_worker_costs_what_a_run_takes_longer_than_one_left_alone():
    seconds = {("whole", 0): 70.0, ("killed", 0): 75.5, ("whole", 1): 71.0, ("killed", 1): 75.0}
    rows = [{"what": what, "turn": turn, "seconds": each} for (what, turn), each in seconds.items()]
    rows += [{"what": "tasks", "ms": [3.0]}]
    rows += [{"what": "cells", "turn": 0, "cores": n, "seconds": 90.0 / n} for n in (1, 2)]
    assert cluster.lost_of(rows) == [5.5, 4.0]
    assert cluster.ratios_of(rows) == [2.0]


def test_resets_are_what_a_walk_with_them_takes_longer_than_its_steps():
    row = {"ms_steps": [2.0, 1.0, 4.0], "ms_both": [3.0, 1.25, 4.4]}
    assert resets.share(row) == pytest.approx(0.25)
    found = resets.measured("CartPole-v1", {}, 4, 40, 1, None)
    assert found["ended"][0] > 0 and min(found["ms_steps"] + found["ms_both"]) > 0


def test_speeds_on_the_host_are_compared_without_the_repeat_that_compiles():
    rows = [
        {"round": 0, "work": "cartpole", "peer": peer, "steps_per_second": [1.0, rate, rate]}
        for peer, rate in (("elsinore", 30.0), ("sb3", 10.0))
    ]
    found = rounds.ratios([*rows, {"round": 1, "work": "matmul"}], "cartpole", "sb3", skip=1)
    assert found == {"speed": 3.0, "speed_by_round": [3.0]}
