"""Statistics of episodes that an environment names: while training, of evaluations, and in
reports."""

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.analysis.compare.sections import document_of
from elsinore.experience.rollout import init_actor, rollout
from elsinore.training.evaluation import evaluate
from elsinore.types import Decision, PolicyFunctions, PolicyState
from tests.analysis.compare.synthetic import NAN, result, scores
from tests.runs.conftest import TINY
from tests.small_envs import Cell, Clocked, Corridor, World
from tests.training.test_evaluation import UNTRAINED

KEY = jax.random.key(0)


@dataclass(frozen=True)
class Watch(World):
    """The agent waits (0) or leaves (1), which ends the episode; both are among its statistics."""

    episode_facts: ClassVar = MappingProxyType({"left": "left", "waited": "steps waited"})

    def reset_env(self, key, params):
        return jnp.ones(1), Cell(time=jnp.int32(0), cell=jnp.int32(0))

    def step_env(self, key, state, action, params):
        state = Cell(time=state.time + 1, cell=state.cell + 1 - action)
        left = jnp.asarray(action) == 1
        return (
            jnp.ones(1),
            state,
            jnp.float32(0.0),
            left,
            {"left": left, "waited": state.cell, "unnamed": state.cell},
        )


def follow(script, carry, obs) -> Decision:
    return Decision(action=script, env_action=script, log_prob=())


def test_they_are_counted_of_episodes_that_ended_and_as_they_then_stood():
    # [time, env]: one leaves after two waits, one after one
    script = jnp.array([[0, 0], [0, 1], [1, 0]])
    actor = init_actor(Watch(), KEY, Clocked(), 2)
    _, _, logged = rollout(Watch(), Clocked(), follow, actor, KEY, script)
    assert logged["episode/left"] == (2.0, 2.0)
    assert logged["episode/waited"] == (2.0 + 1.0, 2.0)
    assert "episode/unnamed" not in logged


def test_an_env_without_facts_has_the_usual_metrics():
    actor = init_actor(Corridor(), KEY, Clocked(), 2)
    logged = rollout(Corridor(), Clocked(), follow, actor, KEY, jnp.zeros((3, 2), int))[2]
    assert list(logged) == ["episode/return", "episode/length"]


@pytest.mark.parametrize(("limit", "left", "waited"), [(1_000, 1.0, 3.0), (2, 0.0, 2.0)])
def test_an_evaluation_has_the_facts_at_the_end_of_its_own_episode(limit, left, waited):
    """An env leaves at its fourth step; the evaluation of the others goes on."""
    policy = PolicyFunctions(
        lambda key, policy_state, carry, obs, greedy: (jnp.int32(carry == 3), carry + 1),
        initial_carry=jnp.int32(0),
    )
    fourth = UNTRAINED._replace(policy=policy)
    found = evaluate(
        fourth,
        Watch(),
        Clocked(max_steps_in_episode=limit),
        PolicyState((), ()),
        KEY,
        episodes=3,
        max_steps=50,
        greedy=True,
    )
    np.testing.assert_array_equal(found.facts["left"], [left] * 3)
    np.testing.assert_array_equal(found.facts["waited"], [waited] * 3)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    settings = {k: v for k, v in TINY.items() if not k.startswith(("sinks", "convergence"))} | {
        "env_steps": 1024
    }
    runs_dir = tmp_path_factory.mktemp("facts")
    return elsinore.compare(
        Watch(),
        ["ppo"],
        seeds=2,
        overrides=settings,
        name="watch",
        runs_dir=runs_dir,
        check=False,
        progress=lambda line: None,
    )


def test_they_are_in_the_metrics_the_summary_and_the_report_of_any_env_that_names_them(compared):
    (run,) = compared.runs.values()
    assert {"episode/left", "episode/waited", "eval/left", "eval/waited"} <= set(
        run.metrics["name"]
    )
    facts = run.summary["eval_facts"]
    assert list(facts) == ["left", "waited"] and facts["waited"]["called"] == "steps waited"
    assert len(facts["waited"]["per_seed"]) == 2 and facts["left"]["mean"] in (0.0, 1.0)
    for name in ("report.html", "report.md"):
        report = (compared.path / name).read_text()
        assert "Episode statistics" in report and "steps waited" in report


def test_a_fresh_evaluation_has_them_too(compared, capsys):
    (run,) = compared.runs.values()
    assert cli.main(["evaluate", str(run.path), "--episodes=3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["eval_facts"]["waited"]["called"] == "steps waited"
    episodes = run.episodes(3)
    waited = episodes.facts["waited"].mean(axis=1).tolist()
    assert found["eval_facts"]["waited"]["per_seed"] == waited
    assert found["length"]["per_seed"] == episodes.lengths.mean(axis=1).tolist()
    assert found["per_seed"] == episodes.returns.mean(axis=1).tolist()
    assert cli.main(["evaluate", str(run.path), "--episodes=3"]) == 0
    assert "\n  steps waited: " in capsys.readouterr().out


def facts(**per_seed):
    return {name: {"called": name.upper(), "per_seed": values} for name, values in per_seed.items()}


def endings(*results):
    return [
        section
        for section in document_of(scores(*results)).sections
        if section.title == "Episode statistics"
    ]


def test_a_report_has_a_table_of_facts_for_each_environment_that_has_any():
    tables = [
        result("a", [1.0, 2.0], eval_facts=facts(won=[0.25, 0.75], gold=[5.0, 5.0])),
        result("b", [1.0], eval_facts=facts(won=[None])),
        result("a", [1.0], "Acrobot-v1"),
    ]
    ((table,),) = [section.tables for section in endings(*tables)]
    assert table.title == "CartPole-v1" and list(table.header) == ["algorithm", "WON", "GOLD"]
    assert list(table.rows[0]) == ["a", "0.500 [0.250, 0.750]", "5.00 [5.00, 5.00]"]
    assert list(table.rows[1]) == ["b", "–", "–"]


def test_a_report_of_envs_without_facts_has_no_table_of_them():
    assert not endings(result("a", [1.0, NAN]))
