"""A population is one run: its members are what they would be alone, and it is resumed exactly as
it was."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.cli.run_report import run_report
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.runs import loop, programs, session
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.checkpoints.restored import host_shapes, policy_of
from elsinore.runs.members import (
    best_index,
    from_writable,
    member_name,
    members_in,
    seeds_of_best,
    setting_number,
)
from elsinore.runs.metrics import score_of
from elsinore.runs.records import Row, return_text
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import GRACE
from elsinore.runs.store.store import reading
from elsinore.runs.summary import _population, as_decimal, write_json
from elsinore.view.play import episodes_of
from tests.runs.conftest import assert_same_run, learnt, rows_in, train_tiny
from tests.runs.test_resume import stopped
from tests.toys import TOY, score_after

EPSILONS = {"algo.epsilon_final": [0.01, 0.5]}
RATES = {"vary": {"algo.learning_rate": [1e-3, 1e-4]}}


def train_toys(runs_dir: Path, name: str, seeds: int = 1, **settings):
    overrides = {k: v for k, v in TOY.items() if k != "env"} | settings
    return elsinore.train(
        TOY["env"], overrides=overrides, seeds=seeds, name=name, runs_dir=runs_dir, check=False
    )


def rows_of(path: Path, seed: int) -> list[tuple]:
    return [(update, name, value) for update, s, _, name, value in rows_in(path) if s == seed]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two members of two seeds each, first seed 5."""
    return train_tiny(tmp_path_factory.mktemp("pair"), "pair", RATES | {"seed": 5}).path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "text"),
    [
        (3.127894e-4, "0.0003128"),
        (0.9, "0.9"),
        (0.93123456, "0.9312"),
        (0.9999, "0.9999"),
        (0.99991, "0.99991"),
        (0.99999, "0.99999"),
        (1.0, "1"),
        (1 - 2**-40, "0.9999999999991"),
        (12345.6, "1.235e+04"),
    ],
)
def test_members_close_to_1_have_names_that_tell_them_apart(x, text):
    assert setting_number(x) == text


def test_a_member_without_a_bound_is_in_the_summary(tmp_path):
    """Infinity is no JSON: it is written as text, which names and readers take as the number."""
    plan: Any = SimpleNamespace(
        steps_per_update=4,
        experiment=SimpleNamespace(
            members=2,
            seeds=1,
            member_values=[{"algo.max_grad_norm": 0.5}, {"algo.max_grad_norm": np.inf}],
            population=SimpleNamespace(mode="max", pbt=None),
        ),
    )
    never = np.array([-1, -1])
    state: Any = SimpleNamespace(convergence=SimpleNamespace(pruned_at=never, diverged_at=never))
    final: Any = SimpleNamespace(returns=np.array([[1.0], [2.0]]))
    facts = _population(plan, state, final)
    assert facts["best_member"]["member"] == 1
    assert [x["mean"] for x in facts["members_eval_return"]] == [1.0, 2.0]
    state.convergence.diverged_at = np.array([-1, 4])  # whose return is of the first action
    assert _population(plan, state, final)["best_member"]["member"] == 0
    write_json(tmp_path / "summary.json", facts)
    members = json.loads((tmp_path / "summary.json").read_text())["members"]
    assert [member_name(member) for member in members] == [
        "algo.max_grad_norm=0.5",
        "algo.max_grad_norm=inf",
    ]
    assert list(map(from_writable, members)) == plan.experiment.member_values


def test_each_member_is_what_it_would_be_alone(pair, tmp_path):
    for member, rate in enumerate(RATES["vary"]["algo.learning_rate"]):
        alone = train_tiny(tmp_path, f"alone{member}", {"algo.learning_rate": rate, "seed": 5})
        for seed in range(2):
            assert rows_of(pair, 5 + 2 * member + seed) == rows_of(alone.path, 5 + seed)
        per_seed = learnt(pair)["eval_return"]["per_seed"][2 * member : 2 * member + 2]
        assert per_seed == alone.summary["eval_return"]["per_seed"]


def test_the_table_of_metrics_has_the_member_and_its_settings(pair):
    table = elsinore.load(pair).metrics
    assert list(table.columns)[-3:] == ["value", "member", "algo.learning_rate"]
    found = table[["seed", "member", "algo.learning_rate"]].drop_duplicates().to_numpy().tolist()
    assert sorted(found) == [[5, 0, 1e-3], [6, 0, 1e-3], [7, 1, 1e-4], [8, 1, 1e-4]]


def test_no_statistic_is_over_members_and_each_has_its_own(pair):
    summary = elsinore.load(pair).summary
    pooled, each = summary["eval_return"], summary["members_eval_return"]
    assert pooled == {"mean": None, "iqm": None, "ci95": None, "per_seed": pooled["per_seed"]}
    assert [x["per_seed"] for x in each] == [pooled["per_seed"][:2], pooled["per_seed"][2:]]
    for found in each:
        assert found["mean"] == pytest.approx(np.mean(found["per_seed"]))
        assert found["ci95"][0] <= found["iqm"] <= found["ci95"][1]
    assert summary["best_member"]["eval_return"] == each[summary["best_member"]["member"]]


def test_a_member_that_diverges_is_named_by_its_settings(tmp_path):
    run = train_toys(tmp_path, "half", seeds=2, vary={"algo.gain": [0.5, 7.0]})
    log = (run.path / "logs" / "train.log").read_text()
    assert "seed 1, algo.gain=7 has parameters that are not finite" in log
    assert run.summary["stopped_by"] == "budget"
    assert run_report(run).count("diverged at") == 2


def test_a_run_whose_seeds_have_all_diverged_says_so(tmp_path):
    run = train_toys(tmp_path, "all", seeds=2, **{"algo.gain": 7.0})
    assert run.summary["stopped_by"] == "diverged"
    at = run.summary["diverged_at_env_steps"]
    printed = run_report(run)
    assert ": diverged after " in printed
    assert all(f"diverged at {steps:,}" in printed for steps in at)


def test_a_report_names_the_member_of_each_return_and_has_no_interval_over_different_settings(
    pair, capsys
):
    names = [
        f"seed {seed}, algo.learning_rate={rate:g}" for rate in (1e-3, 1e-4) for seed in (5, 6)
    ]
    assert cli.main(["train", "--resume", str(pair)]) == 0
    printed = capsys.readouterr().out
    assert [
        line.split(":")[0].strip() for line in printed.splitlines() if "  seed " in line
    ] == names
    best = learnt(pair)["best_member"]
    (said,) = [line for line in printed.splitlines() if "interval" in line]
    rate = RATES["vary"]["algo.learning_rate"][best["member"]]
    assert said.startswith(f"  best member algo.learning_rate={rate:g}: IQM ")
    log = (pair / "logs" / "train.log").read_text()
    assert f"mean return {return_text(best['eval_return']['mean'])} of the best member over" in log
    assert cli.main(["evaluate", str(pair), "--episodes", "2"]) == 0
    printed = capsys.readouterr().out
    assert [
        line.split(":")[0].strip() for line in printed.splitlines() if "  seed " in line
    ] == names


def test_the_summary_has_the_members_and_lists_by_replica(pair):
    summary = learnt(pair)
    assert summary["members"] == [{"algo.learning_rate": 1e-3}, {"algo.learning_rate": 1e-4}]
    assert summary["seeds"] == 2
    per_seed = summary["eval_return"]["per_seed"]
    assert len(per_seed) == len(summary["converged"]) == 4
    best = summary["best_member"]["member"]
    assert best == (sum(per_seed[2:]) > sum(per_seed[:2]))
    assert summary["best_member"]["eval_return"]["per_seed"] == per_seed[2 * best : 2 * best + 2]
    assert "members_final" not in summary


def test_a_checkpoint_has_the_score_of_the_best_member(pair):
    scores = {
        (update, seed): value
        for update, seed, agent, name, value in rows_in(pair)
        if name == "eval/return" and not agent
    }
    scored = [row for row in elsinore.load(pair).checkpoints() if row["value"] is not None]
    assert scored
    for row in scored:
        each = [scores[row["update"], seed] for seed in range(5, 9)]
        assert row["value"] == max(np.mean(each[:2]), np.mean(each[2:])) != np.mean(each)


def test_a_member_that_diverges_leaves_the_score_of_the_others():
    def counted(scores):
        return seeds_of_best(scores, range(5, 9), 2, "max")

    rows = [
        Row(4, seed, "", "eval/return", value)
        for seed, value in zip(range(5, 9), (np.nan, 9.0, 1.0, 2.0), strict=True)
    ]
    assert score_of(rows, "eval/return", {}, counted) == 1.5
    assert np.isnan(score_of(rows, "eval/return", {}))


def test_a_replicas_policy_is_found_by_its_row_number(pair):
    run = elsinore.load(pair)
    policies = [run.policy(seed) for seed in (5, 8)]
    assert any(
        (a != b).any()
        for a, b in zip(*(jax.tree.leaves(p.policy_state.params) for p in policies), strict=True)
    )
    with pytest.raises(ConfigError, match="seed=9 is not of this run; it has 5 to 8"):
        run.policy(9)
    assert run.evaluate(episodes=2).shape == (4, 2)


def test_members_that_explore_differently_are_not_sampled(tmp_path):
    """One compiled policy would act with the first member's exploration for all."""
    experiment = load_experiment("CartPole-v1", "dqn", overrides={"vary": EPSILONS})
    folder = RunDir.create(tmp_path, "run", experiment)
    folder.unlock()
    run = elsinore.load(folder.path)
    said = r"sample=True\)? explores as in training, with one algo.epsilon_final for all members"
    with pytest.raises(ConfigError, match=said):
        run.evaluate(4, sample=True)
    with pytest.raises(ConfigError, match=said):
        next(episodes_of(run, policy="untrained", sample=True))
    state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), host_shapes(run.plan))
    policy = policy_of(run.plan, state, 1)
    policy(np.zeros(4))
    with pytest.raises(ConfigError, match=said):
        policy(np.zeros(4), sample=True)
    with pytest.raises(ConfigError, match="a rival, whose actions are sampled, explores"):
        policy.as_rival()


def test_where_lower_returns_are_better_the_policy_is_the_lowest_members(tmp_path):
    run = train_tiny(tmp_path, "costs", RATES | {"population.mode": "min"})
    returns = run.summary["eval_return"]["per_seed"]
    params = jax.tree.leaves(run.policy(checkpoint="latest").policy_state.params)
    lowest = jax.tree.leaves(run.policy(int(np.argmin(returns)), "latest").policy_state.params)
    assert len(set(returns)) > 1
    for a, b in zip(params, lowest, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("mode", "best"), [("max", 2), ("min", 1)])
def test_a_return_that_is_no_number_is_never_the_best(mode, best):
    assert best_index([None, -3.0, 5.0, float("nan")], mode) == best


def test_a_run_without_members_says_nothing_of_them(whole):
    assert not {"members", "pruned_at_env_steps"} & set(learnt(whole))


def test_a_stopped_population_resumed_is_the_whole_one(pair, tmp_path, monkeypatch):
    path = stopped(tmp_path, monkeypatch, CheckpointManager, "_save_due", 5, RATES | {"seed": 5})
    elsinore.resume(path)
    assert learnt(path) == learnt(pair)
    assert rows_in(path) == rows_in(pair)


# Between the members


GAINS = [0.1, 0.6, 0.3, 0.5]
PBT = {"population": {"pbt": {"space": {"algo.gain": {"uniform": [0.0, 1.0]}}}}}


def test_halving_stops_the_worse_members_and_says_when(tmp_path):
    halving = {"population": {"halving": {"eta": 2, "rungs": 2}}}
    summary = train_toys(tmp_path, "halved", vary={"algo.gain": GAINS}, **halving).summary
    # rungs after 2 and 3 of 6 chunks of two steps
    assert summary["pruned_at_env_steps"] == [4, None, 4, 6]
    assert summary["env_steps_per_seed"] == [4, 12, 4, 6]
    assert summary["eval_return"]["per_seed"] == pytest.approx(
        [score_after(u, g) for u, g in zip((4, 12, 4, 6), GAINS, strict=True)], rel=1e-5
    )


def test_who_copied_whom_is_in_the_store_with_the_numbers_of_every_chunk(tmp_path):
    run = train_toys(tmp_path, "evolved", vary={"algo.gain": GAINS}, **PBT)
    path = run.path
    rows = [row for row in rows_in(path) if row[3] in ("population/parent", "hyper/gain")]
    parents = [
        (update, seed, value)
        for update, seed, _, name, value in rows
        if name == "population/parent"
    ]
    # one in four, before each chunk but the first
    assert [update for update, *_ in parents] == [4, 6, 8, 10, 12]
    assert parents[0][1:] == (0, 1.0)
    gains = {(update, seed): value for update, seed, _, name, value in rows if name == "hyper/gain"}
    # the copied gain, times one of pbt.perturb
    assert any(gains[4, 0] == pytest.approx(0.6 * x) for x in (0.8, 1.25)), gains
    final = [member["algo.gain"] for member in learnt(path)["members_final"]]
    assert np.float32(final).tolist() == [gains[12, seed] for seed in range(4)]
    names = [f"algo.gain={gain:g} at first" for gain in GAINS]
    with reading(path / "metrics.sqlite") as store:
        assert members_in(store.info()) == names
    lines = [line for line in run_report(run).splitlines() if "seed 0" in line]
    assert [line.split(":")[0] for line in lines] == [f"  seed 0, {name}" for name in names]


@pytest.mark.slow
def test_the_best_of_members_that_evolved_is_reported_with_its_last_settings(tmp_path):
    run = train_toys(tmp_path, "evolved", seeds=2, vary={"algo.gain": GAINS}, **PBT)
    best = run.summary["best_member"]["member"]
    last = run.summary["members_final"][best]["algo.gain"]
    begun = f"best member algo.gain={GAINS[best]:g} at first, algo.gain={last:.4g} at the end: IQM"
    assert begun in run_report(run)


def test_a_number_of_float32_is_written_as_the_decimal_that_it_stands_for():
    """So that a setting that evolved to the end of its range is within it."""
    assert [as_decimal(np.float32(x)) for x in (0.999, 3e-4, 1e10, 0.0)] == [0.999, 3e-4, 1e10, 0.0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "lookahead",
    [pytest.param(True, id="small"), pytest.param(False, id="large", marks=pytest.mark.slow)],
)
def test_a_stopped_evolution_resumed_is_the_whole_one(tmp_path, monkeypatch, lookahead):
    settings = PBT | {
        "vary": {"algo.gain": GAINS},
        "algo.noise": 0.01,
        "checkpoints.interval_seconds": 0,
    }
    whole = train_toys(tmp_path, "whole", seeds=2, **settings).path
    if not lookahead:
        monkeypatch.setattr("elsinore.config.planned_memory.LOOKAHEAD_BYTES", 0)
    keep, calls = CheckpointManager._save_due, []

    def accident(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return keep(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointManager, "_save_due", accident)
        train_toys(tmp_path, "halted", seeds=2, **settings)
    halted = elsinore.resume(tmp_path / "halted").path
    assert rows_in(halted) == rows_in(whole)
    assert learnt(halted) == learnt(whole)


# Large states


@pytest.fixture
def large(monkeypatch):
    """Every state counts as large."""
    monkeypatch.setattr("elsinore.config.planned_memory.LOOKAHEAD_BYTES", 0)


def test_a_large_state_is_given_away_to_its_chunk_and_the_run_is_the_same(
    whole, tmp_path, large, monkeypatch
):
    compile_run, given = programs.compile_run, []

    def noted(plan, layout):
        compiled = compile_run(plan, layout)

        def chunk(states, num_updates):
            done = compiled.chunk(states, num_updates)
            given.append(states[0].train.update.is_deleted())
            return done

        return compiled._replace(chunk=chunk)

    monkeypatch.setattr("elsinore.runs.session.run_session.__defaults__", (noted, GRACE))
    train_tiny(tmp_path, "whole", {"checkpoints.interval_seconds": 0})
    assert_same_run(tmp_path / "whole", whole)
    assert any(given)  # not where a checkpoint reads the same memory meanwhile


@pytest.mark.slow
@pytest.mark.parametrize(
    ("holder", "name"),
    [
        (CheckpointManager, "_save_due"),
        (loop, "record_of"),
        (session, "fetch_turns"),
        (jax, "device_get"),
    ],
)
def test_a_large_run_that_fails_anywhere_saves_its_last_chunk_and_resumed_is_the_whole(
    whole, tmp_path, large, monkeypatch, holder, name
):
    path = stopped(tmp_path, monkeypatch, holder, name, 4, error=KeyboardInterrupt)
    assert list((path / "checkpoints" / "emergency").iterdir())
    elsinore.resume(path)
    assert_same_run(path, whole)


# What is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vary": {"algo.gamma": []}}, r"vary.algo.gamma=\[\] must be a list"),
        (
            {"vary": {"algo.gamma": [0.9, 0.8], "algo.ent_coef": [0.1]}},
            r"has 1 values and vary.algo.gamma has 2",
        ),
        (
            {"vary": {"algo.gamma": [0.9, 1.5]}},
            r"vary: algo.gamma=1.5 cannot be run: algo.gamma=1.5 must lie in",
        ),
        ({"vary": {"algo.gama": [0.9, 0.8]}}, r"did you mean 'algo.gamma'"),
        (
            {"vary": {"algo.num_envs": [2, 4]}},
            r"algo.num_envs=\[2, 4\] cannot vary within one program; .*algo.gamma",
        ),
        (
            {"vary": {"algo.target_kl": [None, 0.1]}},
            r"algo.target_kl=\[None, 0.1\] cannot vary within one program",
        ),
        ({"vary": {"env_steps": [1000, 2000]}}, r"vary.env_steps=.* cannot vary"),
        ({"population": {"halving": {}}}, r"population.halving needs at least two members"),
        (
            {"vary": {"algo.gamma": [0.9, 0.8]}, "population": {"halving": {"eta": 1}}},
            r"population.halving.eta=1 must",
        ),
        (
            {"vary": {"algo.gamma": [0.9, 0.8]}, "population": {"halving": {"rungs": 9}}},
            r"rungs=9 with eta=3 do not",
        ),
        (
            {"vary": {"algo.gamma": [0.9, 0.8]}, "population": {"halving": {}, "pbt": {}}},
            r"cannot both be set",
        ),
        (
            {"vary": {"algo.gamma": [0.9, 0.8]}, "population": {"pbt": {}}},
            r"population.pbt.space=\{\} is empty",
        ),
        (
            {
                "vary": {"algo.gamma": [0.9, 0.8]},
                "population.pbt.space": {"algo.gamma": {"uniform": [0.5, 2.0]}},
            },
            r"population.pbt.space.algo.gamma: algo.gamma=2.0 must lie in",
        ),
        (
            {
                "vary": {"algo.gamma": [0.9, 0.8]},
                "population.pbt.space": {"algo.gamma": {"choice": [0.5, 1.0]}},
            },
            r"population.pbt.space.algo.gamma cannot evolve",
        ),
        (
            {
                "vary": {"algo.gamma": [0.9, 0.8]},
                "population.pbt.space": {"algo.gamma": {"uniform": [0.5, 1.0]}},
                "population.pbt.period": 1000,
            },
            r"population.pbt.period=1000 selects between chunks, and this run has \d+: no member",
        ),
    ],
)
def test_a_population_that_cannot_be_is_refused(tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        elsinore.train("CartPole-v1", overrides=settings, runs_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_number_that_follows_another_in_the_config_follows_it_in_the_population(tmp_path):
    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for
    from elsinore.config.population import members_of

    settings = {"algo.learning_rate_final": None, "vary": {"algo.learning_rate": [1e-3, 1e-4]}}
    plan = plan_for(load_experiment("CartPole-v1", overrides=settings))
    np.testing.assert_allclose(plan.hyper.learning_rate_final, [1e-3, 1e-4])
    plan = plan_for(
        load_experiment(
            "CartPole-v1", overrides=settings | {"algo.learning_rate_final": 0.0, "seeds": 2}
        )
    )
    np.testing.assert_allclose(plan.hyper.learning_rate, [1e-3, 1e-3, 1e-4, 1e-4])
    np.testing.assert_array_equal(plan.hyper.learning_rate_final, 0.0)
    assert [m.algo.learning_rate for m in members_of(plan.experiment)] == [1e-3, 1e-4]


def test_the_config_of_a_population_is_read_back_as_it_was(pair):
    experiment = RunDir(pair).experiment()
    assert experiment.vary == {"algo.learning_rate": [1e-3, 1e-4]}
    assert (experiment.members, experiment.replicas) == (2, 4)
    assert json.loads((pair / "summary.json").read_text())["first_seed"] == 5
