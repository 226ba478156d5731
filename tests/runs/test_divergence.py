"""The remedy for parameters that are not finite depends on what broke them."""

import re
from types import SimpleNamespace
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces
from gymnax.environments.environment import EnvState

import elsinore
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.errors import RepeatedError, env_check
from elsinore.experience.normalisation import Normalisers
from elsinore.jaxtools import processes
from elsinore.runs import programs, session
from elsinore.runs.checkpoints.restored import best_replica
from elsinore.runs.divergence import divergence_text, not_finite, refuse_not_finite
from elsinore.runs.members import best_in
from elsinore.runs.metrics import rows_of
from elsinore.runs.pipeline import FinishedChunk
from elsinore.runs.session import of_finite
from elsinore.training.evaluation import Episodes
from elsinore.types import Metrics
from tests.runs.conftest import count_in_log
from tests.small_envs import Clocked, World
from tests.toys import TOY


class FirstPays(World):
    """Eight steps, of which each with action 0 pays 1."""

    @property
    def default_params(self):
        return Clocked(max_steps_in_episode=8)

    def observation_space(self, params):
        return spaces.Box(0.0, 1.0, (1,))

    def reset_env(self, key, params):
        return jnp.ones(1), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        after = EnvState(time=state.time + 1)
        return jnp.ones(1), after, jnp.float32(action == 0), jnp.bool_(False), {}

    def is_truncated(self, state, params):
        return state.time >= params.max_steps_in_episode


LOWER = "a lower algo.learning_rate is the usual remedy"
FINE, BAD = np.ones(2), np.array([1.0, np.nan])


@pytest.mark.parametrize(
    ("env", "broken", "remedy"),
    [
        ("CartPole-v1", {}, LOWER),
        (
            "tests.small_envs:Scripted",
            {},
            f"{LOWER}, if the env never gives an observation that is not",
        ),
        ("CartPole-v1", {"obs": BAD}, "its env gave observations that are not finite: look for a"),
        ("CartPole-v1", {"stats": BAD}, "its env gave observations that are not finite: look for"),
        ("CartPole-v1", {"reward": BAD}, r"its env gave rewards that .* \(`elsinore check-env Ca"),
        ("CartPole-v1", {"returns": BAD}, "its env gave rewards that are not finite"),
        ("CartPole-v1", {"obs": BAD, "reward": -np.inf * BAD}, "its env gave observations and r"),
        ("Pendulum-v1", {"obs": BAD}, f"{LOWER}; its env gave observations that .*, too: else"),
    ],
)
def test_a_warning_of_divergence_says_where_the_env_gave_what_is_not_finite(env, broken, remedy):
    plan = plan_for(load_experiment(overrides={"env": env, "seeds": 1}))
    part = {name: jnp.asarray(broken.get(name, FINE))[None] for name in ("obs", "reward")}
    stats = Normalisers(jnp.asarray(broken.get("stats", FINE))[None], None, None)
    actor = SimpleNamespace(obs=part["obs"], episode_return=part["reward"])
    table = np.stack([broken.get("returns", FINE), FINE], axis=-1)[None]
    chunk = SimpleNamespace(
        state=(SimpleNamespace(train=SimpleNamespace(actor=actor, stats=stats)),),
        report=SimpleNamespace(
            convergence=SimpleNamespace(diverged_at=np.array([12])),
            metrics=Metrics(cast(Any, table), (("", "episode/return"),)),
        ),
    )
    text = divergence_text(plan, cast(FinishedChunk, chunk), 0)
    assert text.startswith("seed 0 has parameters that are not finite after update 12 and is fro")
    assert re.search(f"frozen; {remedy}", text) and (LOWER in text) == (LOWER in remedy), text


@pytest.mark.parametrize(
    ("env", "by_name", "remedy"),
    [
        ("my_world:Corridor", True, "`elsinore check-env my_world:Corridor`"),
        ("my_world:Corridor;ls", True, "`elsinore check-env 'my_world:Corridor;ls'`"),
        ("my_world:Corridor", False, "elsinore.check_env(env)"),
        ("gym/CartPole-v1 (object)", True, "elsinore.check_env(env)"),
        ("my_world:<lambda>", True, "elsinore.check_env(env)"),
        ("__main__:Corridor", True, "elsinore.check_env(env)"),
    ],
)
def test_an_env_is_checked_by_a_command_only_where_one_can_make_it(env, by_name, remedy):
    assert env_check(env, by_name) == remedy


def test_of_several_processes_none_waits_for_the_others_to_find_the_cause(monkeypatch):
    monkeypatch.setattr(processes, "joined", lambda: True)
    plan = plan_for(load_experiment("CartPole-v1", overrides={"seeds": 1}))
    table = np.stack([BAD, FINE], axis=-1)[None]
    metrics = Metrics(cast(Any, table), (("", "episode/return"),))
    chunk = SimpleNamespace(state=None, report=SimpleNamespace(metrics=metrics))
    assert list(not_finite(plan, cast(FinishedChunk, chunk), 0)) == ["rewards"]


def test_initial_parameters_that_are_not_finite_are_refused_by_name():
    settings = {
        "env": "CartPole-v1",
        "seed": 4,
        "seeds": 2,
        "algo.network.custom": "tests.nets.test_build:Own",
    }
    plan = plan_for(load_experiment(overrides=settings))
    params = {"params": {"dense": {"bias": np.stack([FINE, BAD]), "step": np.zeros(2, int)}}}
    message = (
        "the parameter params.dense.bias of seed 5 is not finite before any training, in 1 num"
    )
    with pytest.raises(RepeatedError, match=message) as refused:
        refuse_not_finite(plan, params)
    assert "in algo.network.custom='tests.nets.test_build:Own'." in str(refused.value)
    params["params"]["dense"]["bias"] = np.stack([FINE, FINE])
    refuse_not_finite(plan, params)


def test_a_run_does_not_train_from_initial_parameters_that_are_not_finite(tmp_path, monkeypatch):
    def spoilt(compiled):
        states = []
        for state in programs.initial_states(compiled):
            learner = state.train.learner
            learner = learner._replace(params={"score": learner.params["score"] + jnp.inf})
            states.append(state._replace(train=state.train._replace(learner=learner)))
        return tuple(states)

    monkeypatch.setattr(session, "initial_states", spoilt)
    with pytest.raises(RepeatedError, match="score of seed 0 is not finite .* in algo='tests.toys"):
        elsinore.train(overrides=TOY, name="spoilt", runs_dir=tmp_path, check=False)
    assert count_in_log(tmp_path / "spoilt", "resume with") == 0


@elsinore.acting
def wreck(record, history):
    """A learning rate after update 3 that leaves no parameter finite."""
    largest = float(np.finfo(np.float32).max)
    return elsinore.Action.set("algo.learning_rate", largest, 1) if record.update == 3 else None


@pytest.mark.slow
def test_a_policy_that_is_not_finite_is_not_kept_as_the_best(tmp_path):
    """Its actions are all 0, the action that pays here; before, seed 1 chooses the other."""
    settings = {
        "env_steps": 640,
        "algo.num_envs": 4,
        "algo.rollout_length": 16,
        "algo.num_minibatches": 1,
        "algo.learning_rate": 1e-12,
        "algo.learning_rate_final": None,
        "algo.max_grad_norm": float("inf"),
        "evaluation": {"period": 1, "episodes": 2, "final_episodes": 2},
        "convergence.enabled": False,
        "checkpoints.best": 1,
        "sinks": {"console": False, "mlflow": {"enabled": False}},
    }
    run = elsinore.train(
        FirstPays(), "ppo", overrides=settings, seed=1, callbacks=[wreck], runs_dir=tmp_path
    )
    found = run.metrics.query("name == 'eval/return'")
    np.testing.assert_array_equal(found["value"], [0.0, 0.0, 0.0, np.nan])
    assert run.summary["diverged_at_env_steps"] == [256]
    assert run.summary["best_return"]["per_seed"] == [0.0]
    assert [path.name for path in (run.path / "checkpoints" / "best").iterdir()] == ["0000000001"]
    assert np.isfinite(run.policy().value(np.ones(1, np.float32)))
    (run.path / "summary.json").unlink()  # as where it is killed before its summary
    again = elsinore.resume(run.path, callbacks=[wreck], runs_dir=tmp_path)
    assert [path.name for path in (run.path / "checkpoints" / "best").iterdir()] == ["0000000001"]
    assert np.isfinite(again.policy().value(np.ones(1, np.float32)))


def test_the_evaluation_of_a_member_that_has_diverged_is_none():
    """So that what is shown of the best member is of another."""
    settings = {"env": "CartPole-v1", "seed": 3, "vary": {"algo.gamma": [0.9, 0.99]}}
    plan = plan_for(load_experiment(overrides=settings))
    returns = np.array([[8.0, 8.0], [5.0, 7.0]])  # [replica, episode]
    report = SimpleNamespace(
        learning=np.array([True, True]), metrics=Metrics(np.empty((2, 0, 2)), ()), stage_changes=(),
        evaluated=(), convergence=SimpleNamespace(diverged_at=np.array([4, -1])),
        episodes=Episodes(returns, returns, returns > 0, {"won": returns}),
    )  # fmt: skip
    rows = rows_of(cast(Any, report), 0, plan)
    known = {(row.seed, row.name): row.value for row in rows}
    assert (known[4, "eval/return"], known[4, "eval/won"]) == (6.0, 6.0)
    assert all(np.isnan(value) for (seed, _), value in known.items() if seed == 3)
    info = {"first_seed": 3, "seeds": 2, "members": '["a", "b"]', "mode": "max"}
    newest = {row.seed: row.value for row in rows if row.name == "eval/return"}
    assert best_in(info, newest) == range(4, 5)


def test_of_the_last_checkpoint_a_seed_that_has_diverged_is_never_the_best():
    """A policy that is not finite takes the first action, which may pay most."""
    summary = {
        "updates": 4,
        "eval_return": {"per_seed": [8.0, 5.0, 6.0]},
        "diverged_at_env_steps": [256, None, None],
    }
    last = cast(Any, SimpleNamespace(update=4))
    assert best_replica(last, np.empty((3, 1)), summary, "max") == 2
    assert best_replica(last, np.empty((3, 1)), summary, "min") == 1


def test_a_resumed_run_has_no_score_of_a_seed_that_has_diverged():
    convergence = cast(Any, SimpleNamespace(diverged_at=np.array([-1, 256, -1])))
    assert of_finite({7: 1.0, 8: 9.0}, convergence, 7) == {7: 1.0}
