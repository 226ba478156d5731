"""What `benchmarks.longer` makes of a longer run of a preset."""

import json

import numpy as np
import pytest

from benchmarks import longer, longer_page
from elsinore.config.presets import PRESETS


def row(best, final, error, random=-200.0):
    return {
        "env": "MountainCar-v0",
        "algo": "dqn",
        "times": 4,
        "sampled": False,
        "env_steps": 480_000,
        "seeds": len(best),
        "random": random,
        "best": best,
        "final": final,
        "error": error,
    }


def test_shares_of_negative_returns_begin_at_the_random_policy():
    found = row([-100.0, -100.0, -100.0], [-100.0, -105.0, -150.0], [0.0, 0.0, 0.0])
    np.testing.assert_allclose(longer_page.shares(found), [1.0, 0.95, 0.5])
    assert longer_page.kept(found).tolist() == [True, True, False]


def test_a_loss_within_two_standard_errors_is_not_beyond_noise():
    found = row([-100.0, -100.0, -100.0], [-110.0, -110.0, -104.0], [6.0, 4.0, 0.1])
    assert longer_page.kept(found).tolist() == [False, False, True]
    assert longer_page.lost(found).tolist() == [False, True, False]


def test_a_seed_that_never_beat_chance_has_kept_nothing():
    found = row([-200.0, -210.0], [-200.0, -150.0], [0.0, 0.0])
    assert np.isnan(longer_page.shares(found)).all()
    assert not longer_page.kept(found).any()


def test_the_page_has_a_row_for_each_measurement():
    found = row([-100.0, -104.0], [-102.0, -160.0], [1.0, 1.0])
    last = longer_page.page([found]).splitlines()[-1]
    assert last == (
        "| MountainCar-v0 | dqn | 480,000 | 4 | greedy | -200.00 | -102.00 (-104.00) |"
        " -131.00 (-160.00) | 1 of 2 | 1 |"
    )


def test_the_page_names_the_presets_that_have_no_row():
    text = longer_page.page([row([-100.0], [-100.0], [0.0])], missing=["Nim/ppo", "Nim/dqn"])
    assert text.endswith("## Not trained for longer yet\n\n`Nim/ppo`, `Nim/dqn`.\n")
    assert "Not trained" not in longer_page.page([row([-100.0], [-100.0], [0.0])])


def test_the_page_names_the_rows_that_an_accelerator_trained():
    found = row([-100.0], [-100.0], [0.0])
    assert "others on CPUs" not in longer_page.page([found])
    text = longer_page.page([found, found | {"algo": "ppo", "device": "Card 9"}])
    assert (
        "On one Card 9, the others on CPUs (greedy where nothing is said): `MountainCar-v0/ppo`."
        in text
    )


def test_every_preset_is_measured_and_the_quick_ones_first():
    presets = longer.all_presets()
    assert {f"{p.algo}/{p.env}" for p in presets} == set(PRESETS)
    names = [p.name for p in presets]
    assert names[0] == "CartPole-v1/ppo"
    assert names.index("Pendulum-v1/sac") < names.index("Hamlet-L1/ppo")
    assert "MinAtar" in names[-1]


def test_a_longer_run_has_a_multiple_of_the_presets_budget_and_never_stops_early():
    plan = longer.longer_plan(longer.Preset("CartPole-v1", "ppo"), 4, 2, {})
    usual = PRESETS["ppo/CartPole-v1"]["env_steps"]
    assert plan.experiment.env_steps == 4 * usual
    assert plan.schedule.num_chunks in (longer.EVALUATIONS, longer.EVALUATIONS + 1)
    assert not plan.experiment.convergence.enabled


def test_a_preset_that_was_changed_since_is_measured_again(monkeypatch, tmp_path):
    monkeypatch.setattr(longer, "RECORD", tmp_path / "longer.json")
    monkeypatch.setattr(longer, "PAGE", tmp_path / "longer.md")
    asked = []

    def measured(preset, times, seeds, sampled):
        asked.append((preset.name, times, seeds))
        had = {"seconds": 1.0, "preset": preset.settings, "algo": preset.algo, "env": preset.env}
        return row([-100.0], [-100.0], [0.0]) | had | {"sampled": sampled}

    monkeypatch.setattr(longer, "measured", measured)
    monkeypatch.setattr("sys.argv", ["longer", "CartPole-v1/dqn", "--seeds", "1"])
    longer.main()
    longer.main()
    assert asked == [("CartPole-v1/dqn", 4, 1)]
    rows = json.loads(longer.RECORD.read_text())
    rows[0]["preset"]["env_steps"] = 1
    longer.RECORD.write_text(json.dumps(rows))
    longer.main()
    assert len(asked) == 2
    now, before = longer.PAGE.read_text().split("## Before a preset was changed")
    assert now.count("480,000") == before.count("480,000") == 1
    # sampled actions are a measurement of their own
    monkeypatch.setattr("sys.argv", ["longer", "CartPole-v1/dqn", "--seeds", "1", "--sampled"])
    longer.main()
    longer.main()
    assert len(asked) == 3
    now = longer.PAGE.read_text().split("## Before a preset was changed")[0]
    assert now.count("| greedy |") == now.count("| sampled |") == 1


@pytest.mark.slow
def test_the_best_and_the_final_policy_are_evaluated_on_the_same_fresh_episodes():
    short = {"env_steps": 2_560, "algo.num_envs": 8, "algo.rollout_length": 32}
    found = longer.measured(longer.Preset("CartPole-v1", "ppo"), 2, 2, short)
    assert found["env_steps"] == 5_120
    for seed, at in enumerate(found["best_at"]):
        assert 0 < at <= 5_120
        if at == 5_120:  # the final policy is the best one
            assert found["final"][seed] == found["best"][seed]
            assert found["error"][seed] == 0.0
    assert 15.0 < found["random"] < 30.0
    assert np.shape(found["evaluations"])[0] == 2


def test_random_actions_are_played_on_the_host_where_the_environment_is(monkeypatch):
    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for

    monkeypatch.setattr(longer, "RANDOM_EPISODES", 32)  # as many as are played at once
    inside, outside = (
        longer.random_return(plan_for(load_experiment(f"tests.runs.test_host:{name}", "ppo")))
        for name in ("Walk", "PythonWalk")
    )
    assert float(inside) == float(outside) != 0.0
