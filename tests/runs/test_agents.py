"""A run of several agents has metrics, replays and policies of each."""

import contextlib
import json
import sqlite3
from dataclasses import dataclass, replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

import elsinore
from elsinore.cli import main
from elsinore.cli.run_report import run_report
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.errors import ConfigError
from elsinore.jaxtools.agents import gather_agents
from elsinore.runs.preparation import checked_plan
from elsinore.runs.records import return_text
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.runs.replays import worker as replay_worker
from elsinore.runs.replays.player import episode_key, episode_player_for, params_of_each
from elsinore.runs.summary import finals_of_seeds, means_of_finals
from elsinore.view.play import episodes_of
from tests.training.test_independent_learners import Crowd

QUIET = {
    "sinks.console": False, "sinks.tensorboard": False, "sinks.mlflow.enabled": False,
    "convergence.enabled": False, "evaluation.episodes": 2, "evaluation.final_episodes": 2,
    "rows_per_chunk": 2, "evaluation.period": 2, "algo.num_envs": 2, "algo.rollout_length": 8,
    "algo.num_minibatches": 1, "algo.network.hidden": [8],
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of three that learn each for itself; it records as often as it can."""
    settings = QUIET | {"agents.number": 3, "env_steps": 4 * 3 * 16, "seeds": 2}
    settings |= {"replays.share": 1.0, "replays.every_seconds": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay_worker, "FIRST_SECONDS", 0.0)
        return elsinore.train(
            "Catch-bsuite", runs_dir=tmp_path_factory.mktemp("runs"), overrides=settings
        )


def test_rows_are_of_all_agents_and_of_each(run):
    metrics = run.metrics
    assert set(metrics.agent) == {"", "agent_0", "agent_1", "agent_2"}
    last = metrics[(metrics.name == "eval/return") & (metrics["update"] == metrics["update"].max())]
    for _, rows in last.groupby("seed"):
        by_agent = rows.set_index("agent").value
        assert by_agent[""] == pytest.approx(by_agent.drop("").mean())
    lines = [json.loads(line) for line in run._folder.jsonl.read_text().splitlines()]
    assert {line.get("agent") for line in lines} == {None, "agent_0", "agent_1", "agent_2"}


def test_env_steps_are_those_of_all_agents(run):
    assert run.summary["env_steps"] == 4 * 3 * 16 and run.summary["updates"] == 4


def test_each_agent_has_a_policy_of_its_own(run):
    assert np.shape(run.summary["eval_return"]["per_agent"]) == (2, 3)
    params = [run.policy(seed=1, agent=f"agent_{i}").policy_state.params for i in range(3)]
    weights = [np.concatenate([np.ravel(x) for x in jax.tree.leaves(p)]) for p in params]
    assert not np.allclose(weights[0], weights[1]) and not np.allclose(weights[1], weights[2])
    assert run.policy()(np.zeros((10, 5))).shape == ()
    assert sorted(path.name for path in run._folder.policy.iterdir()) == [
        "agent_0",
        "agent_1",
        "agent_2",
    ]
    about = json.loads((run._folder.policy / "agent_1" / "policy.json").read_text())
    assert about["agent"] == "agent_1"
    assert repr(run.policy(seed=1, agent="agent_2")).startswith("Policy(seed 1, agent_2 of best/")
    with pytest.raises(
        ConfigError, match="agent='agent_3' is not of this run; it has agent_0 to agent_2"
    ):
        run.policy(agent="agent_3")


def test_an_export_says_whose_policy_it_has(run, tmp_path, capsys):
    """Without an agent it is the best one's."""
    best = int(np.argmax(run.summary["eval_return"]["per_agent"][0]))
    out = tmp_path / "policy"
    assert main(["export", str(run.path), "--seed", "0", "-o", str(out)]) == 0
    assert f"seed 0, agent_{best})" in capsys.readouterr().out
    about = json.loads((out / "policy.json").read_text())
    assert about["agent"] == f"agent_{best}" and about["seed"] == 0


def test_an_evaluation_has_a_line_for_each_agent(run, capsys):
    command = ["evaluate", str(run.path), "--episodes", "4"]
    assert main(command) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert "4 episodes a seed of 3 agents each, greedy" in title
    names = [line.partition(":")[0].strip() for line in lines]
    assert names == ["seed 0", "seed 1", "agent_0", "agent_1", "agent_2"]
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert np.shape(facts["per_agent"]) == (2, 3)
    np.testing.assert_allclose(np.mean(facts["per_agent"], 1), facts["per_seed"], rtol=1e-6)
    assert [float(line.split()[1]) for line in lines[2:]] == pytest.approx(
        np.mean(facts["per_agent"], 0), abs=0.06
    )


def test_the_help_of_evaluate_says_that_each_agent_has_a_line(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert "for each agent with a learner of its own" in " ".join(capsys.readouterr().out.split())


def test_the_report_of_a_training_has_a_line_for_each_agent(run):
    means = np.mean(run.summary["eval_return"]["per_agent"], axis=0)
    said = [f"  agent_{i}: {return_text(x):>8}   mean over 2 seeds" for i, x in enumerate(means)]
    lines = run_report(run).splitlines()
    assert [line for line in lines if "agent_" in line] == said
    shared = replace(run.experiment, agents=replace(run.experiment.agents, sharing="shared"))
    of_one = SimpleNamespace(summary=run.summary, path=run.path, experiment=shared)
    assert "agent_" not in run_report(of_one)


def test_sinks_get_the_final_evaluation_of_each_agent(run):
    names = run.experiment.agents.names
    per_agent = run.summary["eval_return"]["per_agent"]
    seeds, means = finals_of_seeds(run.summary, names), means_of_finals(run.summary, names)
    for seed, returns in zip(seeds, per_agent, strict=True):
        assert [seed[f"{name}/final/return"] for name in names] == returns
    assert list(means) == ["final/return", *(f"{name}/final/return" for name in names)]
    assert [means[f"{name}/final/return"] for name in names] == list(np.mean(per_agent, axis=0))
    best = run.summary | {"members": [{}, {}], "seeds": 1, "best_member": {"member": 1}}
    assert means_of_finals(best, names) == seeds[1] | {"final/return": None}
    per_agent = [[None, *per_agent[0][1:]], per_agent[1]]
    gone = run.summary | {"eval_return": run.summary["eval_return"] | {"per_agent": per_agent}}
    assert means_of_finals(gone, names) == means | {"agent_0/final/return": None}


@pytest.mark.parametrize(("number", "learners"), [(1, None), (9, 9), (10, None), (100, None)])
def test_from_ten_agents_on_there_is_one_learner(number, learners):
    plan = plan_for(load_experiment("Catch-bsuite", overrides=QUIET | {"agents.number": number}))
    kernel = next(
        x for x in jax.tree.leaves(plan.state_shapes.train.learner.params) if x.shape[-1] == 8
    )
    assert plan.steps_per_update == 16 * number
    assert kernel.shape[0] == learners if learners else len(kernel.shape) <= 2
    bodies = plan.state_shapes.train.actor.episode_length.shape
    assert bodies == ((9, 2) if learners else (2 * number,))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"agents.number": 101}, "agents.number=101 must be from 1 to 100"),
        ({"agents.number": 0}, "agents.number=0 must be from 1 to 100"),
        (
            {"agents.number": 2, "agents.params": {"speed": [1, 2]}},
            "agents.params.speed is no parameter of",
        ),
    ],
)
def test_agents_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        plan_for(load_experiment("Catch-bsuite", overrides=QUIET | settings))


@dataclass(frozen=True)
class Choir(Crowd):
    """A crowd where each agent may get a value of every agent where it should get its own."""

    fault: str = ""

    def observation_space(self, params):
        return spaces.Box(-10.0, 10.0, (1,))

    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        everyone, _ = gather_agents(action)
        if self.fault == "reward":
            reward = jnp.squeeze(everyone).astype(jnp.float32)
        if self.fault == "terminated":
            terminated = jnp.squeeze(everyone > 5)
        if self.fault == "obs":
            obs = everyone.astype(jnp.float32)
        if self.fault == "raises" and len(everyone) > 1:
            obs = obs + jnp.ones(2) @ jnp.ones(3)
        if self.fault == "by name":
            info = {f"sang_{i}": everyone[i] == 1 for i in range(len(everyone))}
        return obs, state, reward, terminated, info


def plan_of_choir(fault: str, **settings):
    number = {"agents.number": 3, "env_kwargs": {"fault": fault}, "algo.network.hidden": [8]}
    experiment = load_experiment("tests.runs.test_agents:Choir", overrides=number | settings)
    return checked_plan(experiment, None, None, None, check=True)


@pytest.mark.parametrize("fault", ["reward", "terminated", "obs"])
@pytest.mark.parametrize("sharing", ["shared", "independent"])
def test_a_shape_that_an_agent_has_only_among_others_is_refused(fault, sharing):
    said = rf"agents.number=3: after a step each agent's {fault} has shape \(3,\), and"
    with pytest.raises(ConfigError, match=said):
        plan_of_choir(fault, **{"agents.sharing": sharing})


def test_what_fails_only_among_others_is_refused_by_its_line():
    with pytest.raises(ConfigError, match=r"Choir.step_env \(test_agents.py:\d+\): TypeError"):
        plan_of_choir("raises")


@pytest.mark.parametrize("fault", ["", "by name"])
def test_a_custom_env_is_checked_with_the_parameters_of_one_of_its_agents(fault):
    plan = plan_of_choir(fault, **{"agents.params": {"sweet": [0.0, 1.0, 2.0]}})
    np.testing.assert_array_equal(plan.env_params.sweet, [0.0, 1.0, 2.0])


# Looking at them


def test_a_run_of_several_records_all_of_them_while_it_trains(run):
    about = replays.about(replays.list_replays(run._folder.replays)[-1])
    assert (about["agents"], about["lengths"], about["env"]) == (3, [9, 9, 9], "Catch-bsuite")
    assert about["update"] in (2, 4) and about["env_steps"] == 48 * about["update"]


def test_what_is_played_is_what_each_agents_own_policy_does(run):
    (company,) = episodes_of(str(run.path), agent=2, seed=1)
    assert len(company) == 10 and company.agent_episode.about["agent"] == 2
    for i in range(3):
        policy = run.policy(seed=1, agent=f"agent_{i}")
        state = jax.tree.map(lambda x, i=i: x[:9, i], company.recording.state)
        obs = jax.vmap(lambda state: company.env.get_obs(state, company.env.default_params))(state)
        np.testing.assert_array_equal(policy(np.asarray(obs)), company.recording.action[:9, i])


def test_an_agent_that_is_not_of_the_run_cannot_be_played(run):
    with pytest.raises(ConfigError, match="agent=3 .*; there are agent_0, agent_1, agent_2"):
        list(episodes_of(str(run.path), agent=3))
    with pytest.raises(ConfigError, match="is of a run of several agents"):
        episodes_of("Catch-bsuite", agent=0)


@pytest.mark.slow
def test_ten_that_share_a_learner_are_recorded_too():
    plan = plan_for(load_experiment("Catch-bsuite", overrides=QUIET | {"agents.number": 10}))
    train = jax.jit(plan.program.init)(jax.random.key(0)).train
    film = episode_player_for(plan, 20, False)(
        train.policy_state, train.env_params, episode_key(0, 0)
    )
    about = episode_recording.recording_of(
        film, params_of_each(plan.env, train.env_params), {}
    ).about
    assert about["lengths"] == [9] * 10 and set(about["endings"]) <= {"terminated", "truncated"}
    assert np.ptp(film.action[:9], axis=1).any()  # each draws for itself


# Queries


def test_a_query_gives_one_agents_episodes_in_the_order_they_ended(run):
    table = elsinore.query(run, agent="agent_1", metric="total_reward", seed=1)
    rows = run.metrics.query("seed == 1 and agent == 'agent_1'")
    counts = rows[rows.name == "episode/count"].value
    assert list(table["until"] - table["first"]) == [n for n in counts if n > 0]
    # none is left out
    assert (table["first"].iloc[1:].to_numpy() == table["until"].iloc[:-1].to_numpy()).all()
    np.testing.assert_allclose(table.value, rows[rows.name == "episode/return"].value)
    assert (table.env_steps == table["update"] * 48).all()


def test_a_query_keeps_the_rows_with_any_of_the_episodes_asked_for(run):
    whole = elsinore.query(run, seed=0)
    first = elsinore.query(str(run.path), episodes=(0, 1), seed=0)
    assert len(first) == 1 and first.value.iloc[0] == whole.value.iloc[0]
    beyond = int(whole["until"].max())
    assert elsinore.query(run, episodes=(beyond, beyond + 5)).empty


def test_the_same_rows_are_there_in_sql(run):
    with contextlib.closing(sqlite3.connect(run.path / "metrics.sqlite")) as db:
        rows = db.execute(
            "SELECT value FROM episodes WHERE agent = 'agent_0' AND name = 'episode/length'"
        ).fetchall()
    table = elsinore.query(run, agent="agent_0", metric="survival")
    assert sorted(value for (value,) in rows) == sorted(table.value)


@pytest.mark.parametrize("metric", ["loss/value", "eval/return"])
def test_any_metric_can_be_asked_for_by_episode(run, metric):
    table = elsinore.query(run, metric=metric, agent="agent_0")
    with contextlib.closing(sqlite3.connect(run.path / "metrics.sqlite")) as db:
        rows = db.execute(
            "SELECT update_, seed, value FROM metrics WHERE agent = 'agent_0' AND name = ?",
            (metric,),
        ).fetchall()
    assert len(rows) > 2
    assert sorted(zip(table["update"], table.seed, table.value, strict=True)) == sorted(rows)
    assert (table["until"] >= table["first"]).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"agent": "agent_7"},
            "agent='agent_7' is not in this run; it has agent_0, agent_1, agent_2",
        ),
        ({"metric": "joy"}, "metric='joy' is not in this run; choose one of: total_reward"),
        ({"seed": 5}, "seed=5 is not in this run; it has 0, 1"),
        ({"episodes": (5, 5)}, r"episodes=\(5, 5\) must be a range"),
    ],
)
def test_what_is_not_there_cannot_be_asked_for(run, asked, message):
    with pytest.raises(ConfigError, match=message):
        elsinore.query(run, **asked)
