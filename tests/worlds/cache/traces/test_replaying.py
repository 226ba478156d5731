"""`elsinore cache replay`: every policy at every capacity, and a trained one beside them."""

import json
import re
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

import elsinore
from elsinore import cli
from elsinore.config.plan import plan_for
from elsinore.errors import ConfigError
from elsinore.runs.call import resolve_experiment
from elsinore.runs.checkpoints.restored import host_shapes, policy_of
from elsinore.toolkit import Wrapper
from elsinore.worlds.cache.command import _print_tables
from elsinore.worlds.cache.trace import Counts, Trace, replay, zipf_trace
from elsinore.worlds.cache.traces import comparing, learned, simulator
from elsinore.worlds.cache.traces.capacities import Capacity, parse_capacities
from elsinore.worlds.cache.traces.comparing import compare_policies
from elsinore.worlds.cache.traces.drawing import draw_hit_ratios
from elsinore.worlds.cache.traces.importing import save_trace
from elsinore.worlds.cache.traces.simulator import simulated_hits
from tests.runs.conftest import TINY

SOME = zipf_trace(1_500, 200)


@pytest.fixture
def trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_trace(SOME, tmp_path / "some.npz")
    return "some.npz"


def test_a_capacity_is_in_objects_in_bytes_or_a_share():
    found = parse_capacities("20, 10KB,1KiB,50%", SOME)
    half = int(SOME.object_size.sum()) // 2
    assert [(c.amount, c.unit) for c in found] == [
        (20, "objects"),
        (10_000, "bytes"),
        (1_024, "bytes"),
        (half, "bytes"),
    ]


def test_a_capacity_is_exact():
    texts = "8.2MB,1.001KB,4.35GB,0.7%"
    found = parse_capacities(texts, Trace.of(range(3_000), 1_000))
    assert [c.amount for c in found] == [8_200_000, 1_001, 4_350_000_000, 21_000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{'9' * 400}TB", "is beyond every cache"),
        ("9" * 400, "is beyond every cache"),
        ("99999999TB", "is beyond every cache; write one of at most 576460752303423488 bytes"),
        ("9" * 5_000, "is beyond every cache; write one of at most 576460752303423488 objects"),
        ("big", "'big' is none; write 64"),
        ("1.5", "objects are whole"),
        ("1B", "holds nothing"),
        ("5 feet", "is none"),
    ],
)
def test_a_capacity_that_is_none_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_capacities(text, SOME)


def test_the_table_and_the_picture_show_every_policy(trace, tmp_path, capsys):
    assert (
        cli.main(
            ["cache", "replay", trace, "--capacity", "20,60KB", "--policies", "lru,belady_bypass"]
        )
        == 0
    )
    message = capsys.readouterr().out
    assert "capacity 20 (20 objects)" in message and "capacity 60KB (60000 bytes)" in message
    assert str(replay(SOME, "lru", 20).hits) in message
    assert (tmp_path / "hit_ratios.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("plot", "name", "begins"),
    [
        ("hits.svg", "hits.svg", b"<?xml"),
        ("hits.PDF", "hits.PDF", b"%PDF"),
        ("hits", "hits.png", b"\x89PNG"),
    ],
)
def test_the_picture_has_the_format_of_its_ending(plot, name, begins, trace, tmp_path, capsys):
    argv = ["cache", "replay", trace, "--capacity", "20", "--policies", "lru", "--plot", plot]
    assert cli.main(argv) == 0
    assert f"drawn: {name}\n" in capsys.readouterr().out
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_the_picture_may_go_to_a_device(trace, capsys):
    argv = ["cache", "replay", trace, "--capacity", "20", "--policies", "lru"]
    assert cli.main([*argv, "--plot", "/dev/null"]) == 0
    assert "drawn: /dev/null\n" in capsys.readouterr().out


def test_the_picture_names_the_capacities_as_they_were_written_and_tells_oracles_apart(
    trace, tmp_path, monkeypatch
):
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: [drawn.append(self), save(self, *a, **k)]
    )
    results = compare_policies(trace, "20,60,60KB", "lru,belady,belady_bypass")
    draw_hit_ratios(results, tmp_path / "some.png", "some")
    (figure,) = drawn
    objects, in_bytes = (axis for axis in figure.axes if "hit ratio, cap" in axis.get_title())
    assert [text.get_text() for text in objects.get_xticklabels()] == ["20", "60"]
    assert [text.get_text() for text in in_bytes.get_xticklabels()] == ["60KB"]
    low, high = in_bytes.get_xlim()
    assert low * high == pytest.approx(60_000**2)  # one capacity is in the middle
    assert len(objects.get_xticks(minor=True)) == 0
    assert len({(line.get_color(), line.get_marker()) for line in objects.lines}) == 3


def test_the_numbers_come_as_json(trace, capsys):
    assert (
        cli.main(["cache", "replay", trace, "--capacity", "20", "--policies", "lru", "--json"]) == 0
    )
    (row,) = json.loads(capsys.readouterr().out)
    assert row["hits"] == replay(SOME, "lru", 20).hits and row["policy"] == "lru"


def test_only_a_capacity_in_bytes_has_a_byte_hit_ratio(trace, capsys):
    argv = ["cache", "replay", trace, "--capacity", "20,60KB", "--policies", "lru"]
    assert cli.main(argv) == 0
    objects, in_bytes = (x for x in capsys.readouterr().out.splitlines() if x.count("lru"))
    assert len(re.findall(r"0\.\d{4}", objects)) == 1
    assert len(re.findall(r"0\.\d{4}", in_bytes)) == 2


def test_an_unknown_policy_is_refused_by_the_command(trace, capsys):
    assert cli.main(["cache", "replay", trace, "--policies", "lru,seive"]) == 2
    assert "policy='seive' is unknown; did you mean 'sieve'" in capsys.readouterr().err


def test_a_folder_in_place_of_a_trace_is_refused_in_one_line(tmp_path, capsys):
    assert cli.main(["cache", "replay", str(tmp_path)]) == 2
    assert "is no npz of a trace: Is a directory." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--check", "libcachesim"], "the package libcachesim is not installed"),
        (["--run", "none"], "none is not a run"),
        (["--plot", "x.foo"], "--plot='x.foo' must end in one of ."),
    ],
)
def test_what_is_refused_is_refused_before_the_replays(option, message, trace, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "libcachesim", None)
    monkeypatch.setattr(comparing, "replay", None)
    assert cli.main(["cache", "replay", trace, "--capacity", "20", *option]) == 2
    assert message in capsys.readouterr().err


def test_what_libcachesim_counts_is_in_both_forms(trace, capsys, monkeypatch):
    monkeypatch.setattr(comparing, "replay", lambda *_: Counts(100, 40, 1000, 400))
    monkeypatch.setattr(simulator, "check_installed", lambda: None)
    monkeypatch.setattr(simulator, "simulated_hits", lambda *_: 41)
    call = ["cache", "replay", trace, "--capacity", "20", "--policies", "lru"]
    call += ["--check", "libcachesim"]
    assert cli.main([*call, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["libcachesim_hits"] == 41
    assert cli.main(call) == 0
    assert "41 DIFFERS" in capsys.readouterr().out


@pytest.mark.parametrize("unit", ["objects", "bytes"])
def test_a_table_has_a_ratio_of_bytes_only_for_a_capacity_in_bytes(capsys, unit):
    _print_tables({Capacity(20, unit, "20"): {"lru": Counts(100, 40, 1000, 450)}}, {})
    said = capsys.readouterr().out
    assert ("byte hit ratio" in said, "0.4500" in said) == (unit == "bytes",) * 2
    assert "0.4000" in said


def test_the_name_of_a_folder_is_shown_as_it_is(capsys):
    _print_tables({Capacity(20, "objects", "20"): {"run a[b]": Counts(100, 40, 1000, 400)}}, {})
    assert "run a[b]" in capsys.readouterr().out


def run_in(*wrappers):
    """A run that has not begun, in these wrappers."""
    settings = {"algo.num_envs": 2, "algo.rollout_length": 4, "algo.num_minibatches": 1}
    settings |= {"env_steps": 64, "algo.network.hidden": [8], "wrappers": [*wrappers]}
    plan = plan_for(resolve_experiment("Cache-trace", "ppo", overrides=settings)[0])
    state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), host_shapes(plan))
    policy = policy_of(plan, state, plan.experiment.seed)
    return SimpleNamespace(experiment=plan.experiment, path="mine", policy=lambda: policy)


def test_a_run_in_wrappers_of_its_observations_is_not_replayed():
    message = r"--run mine has wrappers=\[\{'frame_stack': 2\}\], which .* a replay gives \(60,\)"
    with pytest.raises(ConfigError, match=message):
        learned.replay_learned(run_in({"frame_stack": 2}), SOME, 8, "objects")


class TenTimes(Wrapper):
    """Observations times ten, of the same shape."""

    def reset_env(self, key, params):
        obs, state = self.env.reset_env(key, params)
        return 10 * obs, state

    def step_env(self, key, state, action, params):
        obs, *rest = self.env.step_env(key, state, action, params)
        return 10 * obs, *rest


def same_reward(obs, action, reward, next_obs):
    return reward


def test_a_run_in_a_custom_wrapper_is_not_replayed(monkeypatch):
    monkeypatch.setattr(learned, "replay_policy", lambda *_: "counts")
    code = f"{__name__}:TenTimes"
    message = rf"--run mine has wrappers=\['{code}'\]; {code} may change observations or"
    with pytest.raises(ConfigError, match=message):
        learned.replay_learned(run_in(code), SOME, 8, "objects")


def test_a_run_in_other_wrappers_is_replayed(monkeypatch):
    monkeypatch.setattr(learned, "replay_policy", lambda *_: "counts")
    shaped = {"shape_reward": f"{__name__}:same_reward"}
    run = run_in({"scale_reward": 0.5}, {"time_limit": 100}, shaped)
    assert learned.replay_learned(run, SOME, 8, "objects") == "counts"


@pytest.mark.slow
def test_a_trained_policy_is_replayed_beside_the_classic_ones(trace, tmp_path, capsys):
    settings = TINY | {"env_kwargs": {"trace": "some.npz", "capacity": 20}}
    settings = {k: v for k, v in settings.items() if not k.startswith("convergence")}
    elsinore.train(
        "Cache-trace",
        "ppo",
        overrides=settings | {"env_steps": 1_280},
        name="learnt",
        runs_dir="runs",
    )
    argv = [
        "cache",
        "replay",
        trace,
        "--capacity",
        "20,60KB",
        "--policies",
        "lru,fifo",
        "--run",
        "learnt",
        "--json",
    ]
    assert cli.main(argv) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])
    ours = [row for row in rows if row["policy"] == "run learnt"]
    assert [row["unit"] for row in ours] == ["objects", "bytes"]
    assert all(0 < row["hits"] < row["requests"] for row in ours)


def test_libcachesim_hits_as_often():
    pytest.importorskip("libcachesim")
    for policy in ("lru", "fifo", "sieve", "belady"):
        assert simulated_hits(SOME, policy, 20, "objects") == replay(SOME, policy, 20).hits


def test_a_check_without_the_package_says_which_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "libcachesim", None)
    with pytest.raises(ConfigError, match="the package libcachesim is not installed"):
        simulated_hits(SOME, "lru", 20, "objects")
