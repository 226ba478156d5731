"""A run of an environment object that its name does not make again needs the object again."""

import contextlib
import random
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np
import pytest
from gymnax.environments import CartPole
from gymnax.environments.misc.rooms import FourRooms

import elsinore
from elsinore import cli
from elsinore.analysis.compare.grid import cell_state, grid_cells
from elsinore.analysis.compare.variants import variants_of
from elsinore.config.presets import preset
from elsinore.envs.object_names import OBJECT, name_of_object
from elsinore.errors import ConfigError
from elsinore.runs import session
from elsinore.runs.call import asked_experiment
from elsinore.runs.lineage.go_on import begun_run
from elsinore.runs.run_dir import RunDir
from tests.runs.conftest import TINY

SHORT = TINY | {"env_steps": 512, "evaluation.max_steps": 20, "checkpoints.best": 1}

REMEDY = "was an object, which its name does not make again; give that object"


class Paid(CartPole):
    """A pole that pays more by an argument of its constructor, which no config records."""

    def __init__(self, bonus=1.0, table=(1, 2), inner=None):
        super().__init__()
        self.bonus, self.table, self.inner = bonus, np.array(table), inner or Inner(2)
        self.pay, self.doubled = (lambda x: x * bonus), jax.jit(lambda x: 2 * x)

    @cached_property
    def slow(self):
        return self.bonus + 1

    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state, self.pay(reward), terminated, info


class Inner:
    def __init__(self, size):
        self.size, self.outer = size, self


class Needy(CartPole):
    def __init__(self, size):
        super().__init__()


class Walk:
    """One in Python, which changes while it is stepped."""

    num_actions, max_steps_in_episode = 2, 5

    def reset(self):
        self.x = 0
        return [0.0]

    def step(self, action):
        return [0.0], 1.0, False, {}


class LongWalk(Walk):
    opened = 0

    def __init__(self, length=5):
        self.length, self.draw = length, random.Random()
        LongWalk.opened += 1

    def close(self):
        LongWalk.opened -= 1


def used(env: Any) -> Any:
    for use in (lambda: env.slow, lambda: env.reset()):
        with contextlib.suppress(AttributeError, TypeError):
            use()
    return env


def changed(env: Any) -> Any:
    env.bonus = 3.0
    return env


@pytest.mark.parametrize(
    ("env", "again"),
    [
        (Paid(), True),
        (used(Paid()), True),
        (Paid(bonus=10.0), False),
        (Paid(table=(1, 3)), False),
        (Paid(inner=Inner(3)), False),
        (Paid(inner=Inner(2)), True),
        (changed(Paid()), False),
        (Needy(3), False),
        (used(Walk()), True),
        (LongWalk(), True),
        (LongWalk(6), False),
        (LongWalk, True),
        (partial(LongWalk, 6), False),
    ],
)
def test_an_object_is_marked_where_its_class_makes_another_one(env, again):
    env = used if env is LongWalk else env  # a function is found by its name
    before = LongWalk.opened
    assert name_of_object(env).endswith(OBJECT) != again
    assert LongWalk.opened == before  # what is made to be compared is closed


def test_an_environment_in_python_is_recorded_so_too():
    assert asked_experiment(LongWalk(6))[0].env == f"{__name__}:LongWalk{OBJECT}"
    assert asked_experiment(LongWalk())[0].env == f"{__name__}:LongWalk"
    assert asked_experiment(lambda: LongWalk(6))[0].env.endswith("<lambda>")


def test_an_object_in_python_stays_as_it_is_and_has_one_name(tmp_path):
    env, opened = LongWalk(), LongWalk.opened
    before = dict(vars(env))
    for _ in range(2):
        assert asked_experiment(env)[0].env == f"{__name__}:LongWalk"
    assert vars(env) == before and LongWalk.opened == opened - 2  # each copy is closed
    few = {"env_steps": 20_000}
    cells = grid_cells([env], variants_of(["ppo", "dqn"]), tmp_path, None, few, False)
    assert {cell.folder.parent.name for cell in cells} == {"tests.runs.test_env_objects-LongWalk"}


def test_a_comparison_keeps_such_an_object_apart_from_what_its_name_makes(tmp_path):
    """Else the returns of one would be reported as those of the other."""
    name = f"{__name__}:Paid"
    envs = [name, Paid(bonus=10.0)]
    given: Any = (envs, variants_of(["ppo"]), tmp_path, None, SHORT, False)
    by_name, by_object = grid_cells(*given)
    assert (by_name.experiment.env, by_object.experiment.env) == (name, f"{name}{OBJECT}")
    assert by_name.folder != by_object.folder
    RunDir.create(by_object.folder.parent, by_object.folder.name, by_object.experiment).unlock()
    assert [cell_state(cell) for cell in grid_cells(*given)] == ["new", "unfinished"]


def test_an_object_of_gymnax_with_arguments_is_marked_and_has_the_preset_of_its_name():
    changed, plain = (asked_experiment(FourRooms(**x))[0] for x in ({"goal_fixed": [1, 1]}, {}))
    assert (changed.env, plain.env) == (f"FourRooms-misc{OBJECT}", "FourRooms-misc")
    assert (changed.algo, changed.env_steps) == (plain.algo, plain.env_steps)
    assert preset(f"ppo/CartPole-v1{OBJECT}") == preset("ppo/CartPole-v1") != {}


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("jumanji/Snake-v1", {"num_rows": 6, "num_cols": 5}),
        ("gym/FrozenLake-v1", {"is_slippery": False}),
        ("pgx/tic_tac_toe", {"rival": "perfect"}),
        ("FourRooms-misc", {"goal_fixed": [1, 1]}),
        (f"{__name__}:Paid", {"bonus": 10.0}),
        (f"{__name__}:LongWalk", {"length": 6}),
        (f"{__name__}:paid", {"by": 3.0}),
    ],
)
def test_what_make_was_given_is_recorded_and_makes_the_same_by_name(name, kwargs):
    env = elsinore.make(name, kwargs)[0]
    experiment, given = asked_experiment(env)
    assert given is env and (experiment.env, experiment.env_kwargs) == (name, kwargs)
    by_name, _ = asked_experiment(name, overrides={"env_kwargs": kwargs})
    assert experiment == by_name  # whose config a later process reads


def paid(by):
    return Paid(bonus=by)


def test_what_make_was_given_reaches_the_plan_of_a_later_process(tmp_path):
    """Also in wrappers."""
    env = elsinore.make("jumanji/Snake-v1", {"num_rows": 6, "num_cols": 5})[0]
    env = elsinore.wrap(env, {"time_limit": 9})
    RunDir.create(tmp_path, "snake", asked_experiment(env, overrides=SHORT)[0]).unlock()
    native = elsinore.load("snake", runs_dir=tmp_path).plan.env.native
    assert (native.num_rows, native.num_cols) == (6, 5)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("pgx/tic_tac_toe", {"rival": lambda key, obs: 0}),
        ("FourRooms-misc", {"goal_fixed": np.array([1, 1])}),
        (f"{__name__}:LongWalk", {"length": (6, 7)}),  # a config would give it a list
        (f"{__name__}:LongWalk", {"length": 2**70}),
    ],
)
def test_what_no_config_gives_back_is_marked(name, kwargs):
    experiment, _ = asked_experiment(elsinore.make(name, kwargs)[0])
    assert (experiment.env, experiment.env_kwargs) == (f"{name}{OBJECT}", {})


def test_one_that_was_changed_after_make_is_marked():
    env = changed(elsinore.make(f"{__name__}:Paid", {"bonus": 10.0})[0])
    assert asked_experiment(env)[0].env == f"{__name__}:Paid{OBJECT}"


def test_an_object_has_none_of_the_arguments_of_a_preset_or_a_config():
    name = "brax/inverted_pendulum"
    assert preset(f"ppo/{name}")["env_kwargs"] == {"backend": "spring"}
    for kwargs in ({}, {"backend": "positional"}):
        assert asked_experiment(elsinore.make(name, kwargs)[0])[0].env_kwargs == kwargs
    assert asked_experiment(name)[0].env_kwargs == {"backend": "spring"}
    assert asked_experiment(Paid(), config={"env_kwargs": {"bonus": 2.0}})[0].env_kwargs == {}


def killed(*_):
    raise KeyboardInterrupt


def test_a_run_of_such_an_object_is_neither_planned_nor_resumed_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "_compiled", killed)
    given: Any = {"overrides": SHORT, "runs_dir": tmp_path, "check": False, "name": "paid"}
    with pytest.raises(KeyboardInterrupt):
        elsinore.train(Paid(bonus=10.0), **given)
    loaded = elsinore.load("paid", runs_dir=tmp_path)
    assert loaded.experiment.env == f"{__name__}:Paid{OBJECT}"
    with pytest.raises(ConfigError, match=REMEDY):
        _ = loaded.plan
    with pytest.raises(ConfigError, match=REMEDY):
        elsinore.resume(loaded)
    with pytest.raises(KeyboardInterrupt):
        elsinore.resume(loaded, env=Paid(bonus=10.0))
    assert elsinore.load("paid", runs_dir=tmp_path, env=Paid(bonus=10.0)).plan.env.bonus == 10.0


@pytest.mark.slow
def test_a_run_of_such_an_object_is_used_with_it_alone(tmp_path, capsys):
    given: Any = {"overrides": SHORT, "runs_dir": tmp_path, "check": False}
    run = elsinore.train(Paid(bonus=10.0), name="paid", **given)
    returns = run.summary["eval_return"]["mean"]
    assert run.experiment.env == f"{__name__}:Paid{OBJECT}"
    assert run.evaluate(episodes=4).mean() > 50.0  # the process has the object
    loaded = elsinore.load("paid", runs_dir=tmp_path, env=Paid(bonus=10.0))
    assert loaded.evaluate(episodes=4).mean() > 50.0
    more = elsinore.resume("paid", runs_dir=tmp_path, env=Paid(bonus=10.0), env_steps=1024)
    assert more.summary["eval_return"]["mean"] > 50.0 and returns > 50.0

    with pytest.raises(ConfigError, match=REMEDY):
        elsinore.load("paid", runs_dir=tmp_path).evaluate(episodes=4)
    with pytest.raises(ConfigError, match=REMEDY):
        elsinore.resume("paid", runs_dir=tmp_path, env_steps=2048)
    with pytest.raises(ConfigError, match=REMEDY):
        elsinore.train(from_run="paid", **given)
    folder = f"--runs-dir={tmp_path}"
    for command in (
        ["evaluate", "paid"],
        ["play", "paid"],
        ["export", "paid", f"--out={tmp_path / 'policy'}"],
        ["train", "--resume", "paid", "--env-steps", "2048"],
        ["train", "--from", "paid"],
    ):
        assert cli.main([*command, folder]) == 2, command
        assert "resume(run, env=env)" in " ".join(capsys.readouterr().err.split()), command
    begun = elsinore.train(Paid(bonus=10.0), from_run="paid", name="next", **given)
    assert begun.summary["eval_return"]["mean"] > 50.0


def test_a_run_by_name_is_not_continued_with_such_an_object(tmp_path):
    experiment, _ = asked_experiment(Paid(bonus=10.0))
    plain = replace(experiment, env=experiment.env.removesuffix(OBJECT))
    RunDir.create(tmp_path, "old", plain).unlock()
    with pytest.raises(
        ConfigError, match=r"has other settings; then and now: env '.*Paid', '.*\(ob"
    ):
        begun_run(tmp_path, "old", experiment)
    begun = begun_run(tmp_path, "old", plain)
    assert begun is not None and begun.path == tmp_path / "old"
