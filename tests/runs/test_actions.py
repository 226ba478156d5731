"""Callbacks that act: what they ask for is done, is an event, and is repeated by a resumed run."""

import contextlib
import functools
import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore import Action
from elsinore.config.experiment import StopConfig
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.errors import ConfigError
from elsinore.runs.actions import check_callbacks
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.run_actions import RunActions
from elsinore.runs.run_workers import Callback
from elsinore.runs.store.store import Store
from elsinore.runs.traced_settings import acted_on
from elsinore.types import RunState, TrainState
from elsinore.validation import OF_SINKS
from tests.runs.conftest import assert_same_run, count_in_log, learnt, record, rows_in, train_tiny
from tests.runs.test_resume import Accident, on_call

PAGE = Path(__file__).resolve().parents[2] / "docs" / "callbacks.md"
SETTINGS = {"checkpoints.interval_seconds": 1e6, "checkpoints.period": 1}
LAST = 36  # the update after which it stops; one chunk is 4


def lively(draws, asked):
    """A callback that decides by chance: no two calls of it are alike."""

    @elsinore.acting
    def callback(record, history):
        asked.append(record.update)
        actions = [Action.log("mine/luck", next(draws))]
        actions += [Action.log("mine/mean", np.mean(history["eval/return"]))]
        if record.update == 12:
            actions.append(Action.set("algo.learning_rate", next(draws)))
        if record.update == 20:
            actions.append(Action.set("algo.gamma", np.float32(0.5), seed=np.int64(1)))
        return [*actions, Action.stop()] if record.update == LAST else actions

    return callback


def luck(skip=0):
    return iter(np.random.default_rng(3).uniform(0.001, 0.01, 50)[skip:].tolist())


def actions_in(run):
    store = Store(run / "metrics.sqlite", read_only=True)
    try:
        return [(update, json.loads(text)["act"]) for update, text in store.actions()]
    finally:
        store.close()


@pytest.mark.parametrize("callbacks", [[], [elsinore.acting(lambda record, history: None)]])
def test_a_history_is_kept_only_for_callbacks_that_read_it(tmp_path, callbacks):
    plan: Any = SimpleNamespace(
        schedule=SimpleNamespace(chunks_until=lambda update: update // 4),
        experiment=SimpleNamespace(
            stop=StopConfig(),
            evaluation=SimpleNamespace(on_request=False),
        ),
    )
    with contextlib.closing(Store(tmp_path / "metrics.sqlite")) as store:
        actions = RunActions(plan, callbacks, store, 0)
        for update in (4, 8):
            actions.after(record(update))
    assert [len(x) for x in actions._history.values()] == [2, 2, 2] * len(callbacks)


def set_in(settings, action):
    """The numbers of each learner, a group of agents or all, after an action of a callback."""
    plan = plan_for(load_experiment("Catch-bsuite", overrides=settings))
    one = plan.program.algo.hyper if plan.hyper is None else plan.hyper
    hyper = jax.tree.map(lambda x: jnp.atleast_1d(jnp.asarray(x)), one)
    nothing: Any = None
    train = TrainState(nothing, jnp.zeros(2), nothing, nothing, nothing, hyper, nothing)
    (after,) = acted_on((RunState(train, nothing, nothing, nothing),), [action], plan)
    return after.train.hyper


def test_the_end_of_a_schedule_is_that_of_the_member_or_the_agent():
    """Where it has none of its own, it is what the action sets."""
    vary = {"vary": {"algo.ent_coef_final": [0.0, 0.02]}}
    found = set_in(vary, Action.set("algo.ent_coef", 0.5))
    np.testing.assert_allclose(found.ent_coef, 0.5)
    np.testing.assert_allclose(found.ent_coef_final, [0.0, 0.02])
    each = [{"id": "ann"}, {"id": "bob", "learning_rate_final": 0.0}, {"id": "cat", "algo": "ppo"}]
    team = {"algo": "dqn", "agents": each}
    found = set_in(team, Action.set("algo.learning_rate", 0.5))
    assert [float(x.learning_rate.max()) for x in found] == [0.5] * len(found)
    ends = sorted(round(float(x.learning_rate_final.max()), 6) for x in found)
    assert ends == [0.0, 0.0, 0.5]


def killed(runs_dir, callbacks, number=7):
    """A run killed after its `number`-th chunk, without its emergency checkpoint."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Accident):
        failing = on_call(number, CheckpointManager._save_due, Accident)
        patch.setattr(CheckpointManager, "_save_due", failing)
        train_tiny(runs_dir, "acted", SETTINGS, callbacks=callbacks)
    shutil.rmtree(runs_dir / "acted" / "checkpoints" / "emergency")
    return runs_dir / "acted"


def go_back(run, update):
    """Leave the run no checkpoint after an update."""
    for path in (run / "checkpoints").glob("*/*"):
        if int(path.name) > update:
            shutil.rmtree(path)


@pytest.fixture(scope="module")
def acted(tmp_path_factory):
    """The run that nothing killed."""
    asked = []
    run = train_tiny(
        tmp_path_factory.mktemp("acted"), "acted", SETTINGS, callbacks=[lively(luck(), asked)]
    )
    assert asked == list(range(4, LAST + 1, 4))
    return run


def test_a_stop_finishes_the_run(acted):
    assert (acted.summary["stopped_by"], acted.summary["updates"]) == ("callback", LAST)
    before = learnt(acted.path)
    assert elsinore.resume(acted.path).summary["stopped_by"] == "callback"
    assert learnt(acted.path) == before


def test_what_was_set_is_in_the_state_and_changes_what_is_learnt(acted, tmp_path):
    hyper, rate = acted.state().train.hyper, list(luck())[3]
    np.testing.assert_array_equal(hyper.learning_rate, np.float32([rate, rate]))
    np.testing.assert_allclose(hyper.gamma, [0.98, 0.5])  # the preset's, and what was set
    plain = rows_in(train_tiny(tmp_path, "plain", SETTINGS).path)
    mine = [row for row in rows_in(acted.path) if not row[3].startswith("mine/")]
    assert [r for r in mine if r[0] <= 12] == [r for r in plain if r[0] <= 12]
    assert [r for r in mine if r[0] == 16] != [r for r in plain if r[0] == 16]


def test_numbers_that_were_logged_are_metrics_of_every_seed(acted):
    logged = acted.metrics.query("name == 'mine/luck'")
    assert list(logged["update"]) == [u for u in range(4, LAST + 1, 4) for _ in range(2)]
    assert logged["value"].iloc[0] == logged["value"].iloc[1] == next(luck())


def test_a_killed_run_repeats_the_events_and_asks_about_later_chunks_only(acted, tmp_path):
    path = killed(tmp_path, [lively(luck(), [])])
    go_back(path, 16)
    seen, asked = 28, []
    rest = lively(luck(seen // 4 + 1), asked)  # each chunk drew once, and one of them twice
    elsinore.resume(path, callbacks=[rest])
    assert asked == [32, 36]
    assert_same_run(path, acted.path)
    assert actions_in(path) == actions_in(acted.path)


def test_a_run_killed_while_it_repeats_events_repeats_them_again(acted, tmp_path):
    path = killed(tmp_path, [lively(luck(), [])])
    shutil.rmtree(path / "checkpoints")
    asked = []
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Accident):
        failing = on_call(3, CheckpointManager._save_due, Accident)
        patch.setattr(CheckpointManager, "_save_due", failing)
        elsinore.resume(path, callbacks=[lively(luck(8), asked)])
    assert asked == []
    elsinore.resume(path, callbacks=[lively(luck(8), asked)])
    assert asked == [32, 36]
    assert_same_run(path, acted.path)


def test_a_run_killed_between_its_stop_and_its_summary_stops_there(acted, tmp_path):
    path = tmp_path / "acted"
    shutil.copytree(acted.path, path)
    (path / "summary.json").unlink()
    assert elsinore.resume(path).summary["stopped_by"] == "callback"
    assert_same_run(path, acted.path)
    assert count_in_log(path, "callbacks acted in this run and are not given now") == 1


def test_a_callback_that_fails_or_asks_for_what_cannot_be_is_told_and_the_run_goes_on(
    whole, tmp_path
):
    answers = iter(
        [
            Action.set("algo.num_envs", 3),
            Action.set("algo.learning_rate", float("nan")),
            Action.log("episode/none_ended", 1e9),
            Action.log("mine", 1.0, seed=np.int64(7)),
            [Action.set("algo.gamma", 2.0), Action.stop()],
            ["stop"],
            Action.stop,
            "save",
        ]
    )
    run = train_tiny(
        tmp_path,
        "whole",
        {"checkpoints.interval_seconds": 0},
        callbacks=[elsinore.acting(lambda record, history: next(answers))],
    )
    assert_same_run(run.path, whole)
    for said in (
        "algo.num_envs=3.0 cannot be set while a run trains; these can: algo.",
        "algo.learning_rate=nan cannot be set",
        "name='episode/none_ended' is a metric of the run itself",
        "gamma=2.0 must lie in [0, 1]",
        "seed=7 is not of this run; it has 0 to 1",
        "'stop' is no Action",
        "Action.stop of <class 'elsinore.runs.actions.Action'>> is no Action; return Action.stop()",
        "'save' is no Action",
        "failed after update 24: ",
    ):
        assert count_in_log(run.path, said) >= 1


def takes_nothing() -> None: ...


@pytest.mark.parametrize(
    "callback, said",
    [
        (lambda record, history: None, r"called with \(record\).* mark it with @elsinore.acting"),
        (elsinore.acting(lambda record: None), r"called with \(record, history\).* remove @elsin"),
        (takes_nothing, r"takes_nothing\(\) -> None is .* give it the arguments \(record\)"),
        (elsinore.acting(takes_nothing), r"give it the arguments \(record, history\)"),
    ],
)
def test_a_callback_with_other_arguments_is_refused_before_a_run_begins(tmp_path, callback, said):
    with pytest.raises(ConfigError, match=said):
        train_tiny(tmp_path, "refused", callbacks=[print, callback])
    assert not list(tmp_path.iterdir())


def test_of_a_callback_with_a_decorator_its_wrapper_is_called():
    def with_a_name(function):
        @functools.wraps(function)
        def call(record):
            return function(record, "name")

        return call

    @with_a_name
    def note(record, name): ...

    check_callbacks([note, functools.partial(note), elsinore.acting(lambda *both: None)])


def test_a_callback_that_leaves_the_process_loses_nothing(whole, tmp_path):
    asked = []

    @elsinore.acting
    def leave(record, history):
        asked.append(record.update)
        if record.update == 8:
            sys.exit(3)
        if record.update == 16:
            raise KeyboardInterrupt

    path, settings = tmp_path / "whole", {"checkpoints.interval_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path, "whole", settings, callbacks=[leave])
    assert count_in_log(path, "the callback leave failed after update 8: SystemExit: 3") == 1
    assert count_in_log(path, "the callback leave was interrupted after update 16") == 1
    assert [int(each.name) for each in (path / "checkpoints" / "emergency").iterdir()] == [16]
    elsinore.resume(path, callbacks=[leave])
    assert asked == list(range(4, 41, 4))
    assert_same_run(path, whole)


def test_a_callback_of_either_kind_fits_the_annotation_of_train():
    """Where it does not, basedpyright fails in this test."""

    def watch(record): ...

    kinds: list[Callback] = [watch, elsinore.acting(lambda record, history: None)]
    assert all(map(callable, kinds))


@pytest.mark.parametrize("many", [False, True])
def test_an_action_of_a_callback_that_only_watches_is_refused_in_the_log(many, tmp_path):
    def stopper(record):
        return [Action.stop()] if many else Action.stop()

    run = train_tiny(tmp_path, "watched", {}, callbacks=[stopper])
    assert run.summary["stopped_by"] == "budget"
    assert count_in_log(run.path, "callback stopper failed: ConfigError: it returned 'stop', ") == 1


def test_a_number_is_logged_into_a_run_from_outside(acted, tmp_path):
    path = tmp_path / "acted"
    shutil.copytree(acted.path, path)
    run = elsinore.load(path)
    run.log("mine/judgement", 7.0)
    run.log("mine/judgement", np.float32(8.0), seed=np.int64(1))
    logged = run.metrics.query("name == 'mine/judgement'")
    assert list(logged["value"]) == [7.0, 8.0] and set(logged["update"]) == {LAST}
    for name, seed, said in (("eval/return", None, "of the run itself"), ("mine", 9, "seed=9")):
        with pytest.raises(ConfigError, match=said):
            run.log(name, 1.0, seed=seed)
    for name in OF_SINKS:
        with pytest.raises(ConfigError, match="is a metric of the run itself"):
            run.log(name, 1.0)
    for name in ("", "  ", "two\nlines", "long" * 63):
        with pytest.raises(ConfigError, match="must be 1 to 250 printable characters"):
            run.log(name, 1.0)
    # a resumed run that computes the chunk again has it still
    (path / "summary.json").unlink()
    go_back(path, LAST - 8)
    elsinore.resume(path)
    assert list(run.metrics.query("name == 'mine/judgement'")["value"]) == [7.0, 8.0]


def recipes():
    """The code of each recipe on the page, by its title."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {
        title: re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


EXPECTED = {
    "Stop when nothing improves": {"stop"},
    "Halve the learning rate on a plateau": {"set"},
    "Record a number of your own": {"log"},
    "Save each new record": {"save"},
    "Explore less once it works": {"set", "log"},
}


def test_there_are_five_recipes():
    assert set(recipes()) == set(EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize("period", [4, "60 episodes"])
@pytest.mark.parametrize("title", EXPECTED)
def test_a_recipe_does_what_its_title_says(title, period, tmp_path):
    scope = {"elsinore": elsinore}
    exec(recipes()[title], scope)
    still = {"env_params.max_steps_in_episode": 5}  # every episode returns 5
    still = still if title.startswith(("Stop", "Halve")) else {}
    settings = SETTINGS | still | {"evaluation.period": period}
    run = train_tiny(tmp_path, "recipe", settings, callbacks=[scope["callback"]])
    done = [(update, act) for update, act in actions_in(run.path) if act != "evaluate"]
    assert {act for _, act in done} == EXPECTED[title]
    evaluated = {row[0] for row in rows_in(run.path) if row[3] == "eval/return"}
    assert {update for update, _ in done} <= evaluated
    assert count_in_log(run.path, "failed after update") == 0
