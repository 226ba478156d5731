"""Rules of `elsinore doctor`: each on a curve that has its symptom and on one that has not, and on
real runs that a setting has spoiled."""

import json

import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.analysis.doctor import curves_of, run_facts
from elsinore.analysis.doctor_checks import LIMITS, RunFacts
from elsinore.analysis.doctor_rules import RULES, findings_of
from elsinore.config.load import experiment_from, load_experiment
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store
from tests.page.conftest import chunk_ending_at

RISING = np.linspace(10.0, 100.0, 20)
SOUND = {
    "episode/count": [np.full(40, 5.0)],
    "episode/return": [np.linspace(10, 95, 40)],
    "eval/return": [RISING],
    "eval/return_std": [np.full(20, 5.0)],
    "eval/length": [np.linspace(20, 200, 20)],
    "eval/unfinished": [np.zeros(20)],
    "imitation/agreement": [np.zeros(1)],  # beside a loss
    "imitation/loss": [np.full(1, 0.7)],
    "learner/gradient_norm": [np.linspace(3, 1, 40)],
    "loss/value": [np.linspace(5, 1, 40)],
    "policy/clip_fraction": [np.full(40, 0.1)],
    "policy/entropy": [np.linspace(0.69, 0.2, 40)],
    "policy/kl": [np.full(40, 0.01)],
    "value/explained_variance": [np.linspace(-0.1, 0.9, 40)],
    "value/q": [np.linspace(0, 60, 40)],
}
FACTS = RunFacts(
    target=90.0, max_grad_norm=0.5, time_limit=200, max_entropy=float(np.log(2)), max_return=95.0
)
FLAT = np.full(20, -200.0)

# rule: (curves that have its symptom, facts that do)
SICK = {
    "diverged": ({"loss/value": [np.array([1.0, np.nan])]}, {}),
    "infinite-returns": ({"episode/return": [np.r_[RISING, np.inf]]}, {}),
    "entropy-collapse": ({"policy/entropy": [np.full(40, 0.01)]}, {}),
    "random-policy": ({"policy/entropy": [np.full(40, 0.692)]}, {}),
    "kl-spikes": ({"policy/kl": [np.r_[np.full(37, 0.01), np.full(3, 0.5)]]}, {}),
    "clipped": ({"policy/clip_fraction": [np.full(40, 0.8)]}, {}),
    "still-policy": ({"policy/kl": [np.full(40, 1e-8)]}, {}),
    "critic": ({"value/explained_variance": [np.full(40, -0.3)]}, {}),
    "overestimation": ({"value/q": [np.linspace(0, 1_000, 40)]}, {}),
    "support": ({"value/beyond_support": [np.linspace(0, 0.5, 40)]}, {}),
    "gradient-scale": ({"learner/gradient_norm": [np.full(40, 200.0)]}, {}),
    "gradient-growth": ({"learner/gradient_norm": [np.geomspace(0.01, 50, 40)]}, {}),
    "no-reward": ({"eval/return": [FLAT], "episode/return": [FLAT]}, {}),
    "no-episode": ({"episode/count": [np.zeros(40)], "episode/return": []}, {}),
    "cut-evaluation": ({"eval/unfinished": [np.full(20, 30.0)]}, {}),
    "time-limit": ({"eval/length": [np.full(20, 200.0)], "eval/return": [-RISING]}, {}),
    "seeds": ({"eval/return": [RISING, np.full(20, 10.0)]}, {}),
    "noisy-evaluation": ({"eval/return_std": [np.full(20, 300.0)]}, {}),
    "worse-at-the-end": ({"eval/return": [np.r_[RISING, np.linspace(100, 30, 10)]]}, {}),
    "plateau": ({"eval/return": [np.r_[np.linspace(10, 80, 8), np.full(14, 79.0)]]}, {}),
    "no-progress": (
        {
            "episode/return": [np.r_[10.0, np.tile([9.0, 11.0], 20)]],
            "eval/return": [FLAT - RISING / 99],
        },
        {"target": None},
    ),
    "idle-teacher": ({f"imitation/{x}": [np.zeros(1)] for x in ("loss", "agreement")}, {}),
    "few-updates": ({}, {"updates": 5}),
}  # fmt: skip


def names(curves, facts):
    return {finding.rule.name for finding in findings_of(curves, facts)}


def test_every_rule_has_a_symptom_here_and_there_are_many():
    assert set(SICK) == {rule.name for rule in RULES} and len(RULES) >= 12


@pytest.mark.parametrize("name", SICK)
def test_a_rule_finds_its_symptom_and_says_numbers(name):
    curves, facts = SICK[name]
    found = {f.rule.name: f for f in findings_of(SOUND | curves, FACTS._replace(**facts))}
    assert name in found
    saw, rule = found[name].saw, found[name].rule
    assert any(char.isdigit() for char in saw) or name in ("diverged", "no-episode")
    assert rule.means.endswith(".") and rule.helps.endswith(".")


def test_no_rule_finds_anything_in_a_sound_run():
    assert names(SOUND, FACTS) == set()
    both = {name: seeds * 2 for name, seeds in SOUND.items()}
    assert names(both, FACTS) == set()


def test_no_rule_needs_a_metric_or_a_fact():
    nothing = RunFacts()
    assert names({}, nothing) == set()
    for name in SOUND:
        assert names({k: v for k, v in SOUND.items() if k != name}, FACTS) == set()
    assert names({name: [np.array([0.01])] for name in SOUND}, nothing) == set()


@pytest.mark.parametrize(
    "name",
    [
        *("entropy-collapse", "random-policy", "still-policy", "no-reward", "time-limit"),
        *("plateau", "no-progress"),
    ],
)
def test_a_solved_run_may_look_so(name):
    curves, facts = SICK[name]
    assert name not in names(SOUND | curves, FACTS._replace(**facts, solved=True))


@pytest.mark.parametrize(
    "name, curve, below",
    [
        ("clipped", "policy/clip_fraction", LIMITS.clip_fraction),
        ("critic", "value/explained_variance", LIMITS.explained_variance),
        ("gradient-scale", "learner/gradient_norm", LIMITS.clipped_ratio * 0.5),
    ],
)
def test_a_rule_changes_its_mind_at_its_threshold(name, curve, below):
    sign = -1 if name == "critic" else 1
    at = [SOUND | {curve: [np.full(40, below + sign * step)]} for step in (-0.01, 0.01)]
    assert [name in names(curves, FACTS) for curves in at] == [False, True]


def test_what_is_learnt_at_once_and_a_run_that_begins_trained_are_not_without_progress():
    soon = np.r_[np.full(3, 10.0), np.full(37, 95.0)]
    facts = FACTS._replace(target=None)
    at_once = {"episode/return": [soon], "eval/return": [np.full(20, 95.0)]}
    assert names(SOUND | at_once, facts) == set()
    curves = SOUND | SICK["no-progress"][0]
    assert "no-progress" not in names(curves, facts._replace(untrained=False))
    assert "no-progress" not in names(curves, facts._replace(comparable=False))


def test_a_policy_is_not_called_random_before_it_had_the_time_to_learn():
    curves = SOUND | SICK["random-policy"][0]
    at = [FACTS._replace(progress=share) for share in (0.7, 0.8)]
    assert ["random-policy" in names(curves, facts) for facts in at] == [False, True]


def test_seeds_that_differ_by_chance_do_not_disagree():
    same = {"eval/return": [np.r_[np.full(16, 9.2), np.full(4, end)] for end in (9.43, 9.31)]}
    for std, expected in ((0.7, False), (0.01, True)):
        spread = {"eval/return_std": [np.full(20, std)] * 2}
        assert ("seeds" in names(SOUND | same | spread, FACTS)) == expected


def test_a_run_whose_last_evaluation_is_its_best_is_not_called_worse_at_the_end():
    for rising in ([10.0, 100.0], [10.0, 20.0, 100.0], [50.0, 10.0, 10.0, 100.0]):
        spread = {"eval/return_std": [np.ones(len(rising))]}
        curves = SOUND | spread | {"eval/return": [np.array(rising)]}
        assert "worse-at-the-end" not in names(curves, FACTS)


def test_numbers_of_one_seed_of_several_stand_after_its_name():
    """Without the name they would seem to be the run's, of which another seed did better."""
    early, late = np.r_[80.0, np.full(19, 20.0)], np.r_[np.full(17, 20.0), np.full(3, 90.0)]
    seeds = {"eval/return": [late, early], "eval/return_std": [np.ones(20)] * 2}
    found = {f.rule.name: f.saw for f in findings_of(seeds, FACTS._replace(first_seed=7))}
    assert found["worse-at-the-end"] == "seed 8: the best evaluation was 80, the last three 20"
    assert found["plateau"].startswith("seed 8: no evaluation after the first half beat 80;")


def test_a_run_that_has_not_ended_and_one_of_several_agents_are_known(tmp_path, monkeypatch):
    settings = {"agents": {"number": 2}, "evaluation": {"episodes": 4}, "env_steps": 200_000}
    experiment = experiment_from({"env": "Hamlet-mood6", "algo": "ppo", **settings})
    folder = RunDir.create(tmp_path, "run", experiment)
    folder.unlock()
    run = Run(folder)
    half = run.plan.schedule.num_updates // 2
    store = Store(run.path / "metrics.sqlite")
    store.write(chunk_ending_at(half))
    store.close()
    facts = run_facts(run, curves_of(run))
    assert facts.progress == half / run.plan.schedule.num_updates
    assert facts.comparable
    monkeypatch.setattr(Run, "summary", {"stopped_by": "plateau", "updates": 5})
    assert run_facts(run, {})[1:3] == (5, 1.0)
    monkeypatch.setattr(Run, "summary", {"stopped_by": "interrupted", "updates": 5})
    assert run_facts(run, {}).updates == 2 * half
    assert (facts.eval_episodes, facts.eval_agents) == (4, 2)


def on_stages(tmp_path, curriculum) -> Run:
    """A run that has trained, though nothing of note, with this curriculum."""
    folder = RunDir.create(tmp_path, "run", load_experiment("CartPole-v1", "ppo", curriculum))
    folder.unlock()
    store = Store(folder.database)
    store.write(chunk_ending_at(4))
    store.close()
    return Run(folder)


def test_evaluations_of_different_stages_are_not_compared(tmp_path, capsys):
    facts = FACTS._replace(comparable=False)
    comparing = {"time-limit", "seeds", "noisy-evaluation", "worse-at-the-end", "plateau"}
    comparing.add("no-progress")
    for curves, own in SICK.values():
        found = names(SOUND | curves, facts._replace(**own))
        assert not found & comparing
    stages = {"stages": [{"advance_when": {"metric": "steps", "at_least": 1}}, {}]}
    curriculum = {"curriculum": stages | {"evaluate_on": "stage"}}
    run = on_stages(tmp_path, curriculum)
    assert not run_facts(run, {}).comparable
    assert cli.main(["doctor", str(run.path)]) == 0
    asked = len(RULES) - len(comparing)
    assert f"of {asked} rules found something." in capsys.readouterr().out


def test_evaluations_of_a_curriculum_object_are_known_by_the_checkpoints(tmp_path):
    run = on_stages(tmp_path, {})
    for on_stage in (False, True):
        kept = run.path / "checkpoints" / "best" / f"{on_stage:010d}"
        kept.mkdir(parents=True)
        manifest = {"update": 1, "files": {}, "on_stage": on_stage}
        (kept / "manifest.json").write_text(json.dumps(manifest))
        assert run_facts(run, {}).comparable is not on_stage


def test_agents_of_an_episode_are_no_samples_of_their_own():
    """Their return may be one; of the episodes that were cut they are all counted."""
    noisy = {"eval/return_std": [np.full(20, 100.0)]}
    facts = FACTS._replace(eval_episodes=16, eval_agents=100)
    assert "noisy-evaluation" in names(SOUND | noisy, facts)
    cut = {"eval/unfinished": [np.full(20, 1_000.0)]}
    assert "cut-evaluation" in names(SOUND | cut, facts)
    assert "cut-evaluation" not in names(SOUND | cut, facts._replace(eval_agents=200))


@pytest.mark.parametrize(
    ("algo", "settings", "known"),
    [
        ("dqn", {}, True),
        ("dqn", {"algo.normalize_rewards": True}, False),
        ("dqn", {"algo.munchausen": True}, False),
        ("pqn", {"algo.rnd.weight": 0.5}, False),
    ],
)
def test_action_values_are_beside_returns_only_where_they_are_of_rewards_as_they_come(
    tmp_path, algo, settings, known
):
    folder = RunDir.create(tmp_path, "run", load_experiment("Catch-bsuite", algo, settings))
    folder.unlock()
    Store(folder.database).close()
    facts = run_facts(Run(folder), {"episode/return": [np.array([-3.0, 1.0])]})
    assert facts.max_return == (3.0 if known else None)


def test_kl_is_of_rows_each_of_which_may_be_of_many_updates():
    (found,) = (x for x in findings_of(SOUND | SICK["kl-spikes"][0], FACTS) if "kl" in x.rule.name)
    assert found.saw == "KL above 0.2 in 8% of the rows, up to 0.5"


def test_a_critic_is_not_judged_by_a_few_transitions():
    curves = SOUND | SICK["critic"][0]
    at = [FACTS._replace(transitions=LIMITS.few_transitions - less) for less in (1, 0)]
    assert ["critic" in names(curves, facts) for facts in at] == [False, True]


def test_a_continuous_policy_is_not_judged_by_uniform_play():
    low = {"policy/entropy": [np.linspace(0.9, -3.0, 40)]}
    assert names(SOUND | low, FACTS._replace(max_entropy=None)) == set()


# Real runs

SHORT = {
    "env_steps": 10_000,
    "convergence.enabled": False,
    "evaluation.episodes": 8,
    "evaluation.final_episodes": 8,
    "algo.num_epochs": 4,
    "algo.network.hidden": [32],
    "sinks.mlflow.enabled": False,
    "sinks.tensorboard": False,
    "sinks.console": False,
}


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"algo.learning_rate": 1.0}, {"entropy-collapse", "kl-spikes"}),
        ({"algo.ent_coef": 10.0}, {"random-policy"}),
        pytest.param({"algo.clip_eps": 1e-6}, {"clipped"}, marks=pytest.mark.slow),
        pytest.param(
            {"algo.learning_rate": 1e-8},
            {"still-policy", "random-policy", "no-progress"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_that_a_setting_spoils_is_diagnosed(settings, expected, tmp_path):
    run = elsinore.train("CartPole-v1", overrides=SHORT | settings, runs_dir=tmp_path)
    assert expected <= {finding.rule.name for finding in elsinore.doctor(run)}


def test_a_run_whose_parameters_overflow_has_diverged(tmp_path, capsys):
    spoilt = {"algo.learning_rate": 1e30, "algo.max_grad_norm": float("inf"), "env_steps": 4_000}
    run = elsinore.train("CartPole-v1", overrides=SHORT | spoilt, runs_dir=tmp_path, name="bad")
    assert "diverged" in {finding.rule.name for finding in elsinore.doctor(run)}
    assert cli.main(["doctor", "bad", "--runs-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "diverged: " in out and "See docs/doctor.md#diverged" in out
    assert f"of {len(RULES)} rules found something." in out
    assert cli.main(["doctor", "bad", "--runs-dir", str(tmp_path), "--json"]) == 0
    assert "diverged" in [row["rule"] for row in json.loads(capsys.readouterr().out)]


def test_a_run_of_an_env_without_a_reward_is_diagnosed(tmp_path, capsys):
    settings = [f"--set={name}={json.dumps(value)}" for name, value in SHORT.items()]
    argv = ["train", "MountainCar-v0", "--name", "flat", "--runs-dir", str(tmp_path), *settings]
    assert cli.main(argv) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "no-reward, " in last and last.endswith(f"see elsinore doctor {tmp_path}/flat")


@pytest.mark.slow
@pytest.mark.parametrize(
    "algo, env",
    [
        ("ppo", "CartPole-v1"),
        ("ppo", "Pendulum-v1"),
        ("dqn", "CartPole-v1"),
        ("pqn", "CartPole-v1"),
    ],
)
def test_a_preset_that_learns_is_not_suspected(algo, env, tmp_path):
    sinks = {name: False for name in SHORT if name.startswith("sinks")}
    run = elsinore.train(env, algo, seeds=2, overrides=sinks, runs_dir=tmp_path)
    assert elsinore.doctor(run) == []


def test_a_run_without_metrics_and_a_population_are_refused(tmp_path):
    vary = {"vary": {"algo.gamma": [0.9, 0.99]}}
    for name, overrides, reason in (
        ("empty", {}, "no metrics yet; it does not train; resume it with `elsinore train --resume"),
        ("many", vary, "a population"),
    ):
        RunDir.create(tmp_path, name, load_experiment(overrides=overrides)).unlock()
        with pytest.raises(elsinore.ConfigError, match=reason):
            elsinore.doctor(elsinore.load(name, runs_dir=tmp_path))
