"""Whatever a parser is given, it gives data or one refusal."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from elsinore import cli
from elsinore.config.experiment import Experiment
from elsinore.config.load import load_experiment
from elsinore.config.yaml_files import parse_set, read_yaml, yaml_text
from elsinore.errors import ConfigError
from elsinore.page.answers import json_text
from elsinore.page.live import LiveFeed, Subscription, parse_subscription
from elsinore.page.run_list import RunList
from elsinore.page.runs_directory import RunsDirectory
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.control import _Answer
from elsinore.runs.replays import files as replays
from elsinore.runs.run_dir import RunDir
from elsinore.runs.summary import is_finished, read_summary
from elsinore.worlds.cache.trace.recording import load_trace
from tests.page.conftest import make_run

pytestmark = pytest.mark.slow
often = settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])

NUMBERS = st.integers() | st.floats() | st.booleans() | st.none()
DATA = st.recursive(
    NUMBERS | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "env",
        "env_kwargs",
        "env_params",
        "algo",
        "algo.name",
        "algo.gamma",
        "algo.network",
        "algo.network.hidden",
        "vary",
        "env_steps",
        "seeds",
        "seed",
        "curriculum",
        "imitation",
        "agents",
        "agents.params",
        "evaluation.period",
        "sinks",
        "population",
        "population.pbt",
        "checkpoints.best",
        "layout",
    ]
)


def refused_or(function, *arguments):
    """The result, or None for a refusal; any other error passes."""
    try:
        return function(*arguments)
    except ConfigError as error:
        assert "\n" not in str(error)


@often
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | DATA.map(lambda data: yaml_text(data).encode())
)
@example(b"a: &a [*a]")
def test_a_config_file_is_read_or_refused(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_bytes(text)
    found = refused_or(read_yaml, path)
    assert found is None or isinstance(found, dict)


@often
@given(st.dictionaries(NAMES, DATA, max_size=4))
def test_settings_make_an_experiment_or_are_refused(overrides):
    found = refused_or(load_experiment, None, None, None, overrides)
    assert found is None or isinstance(found, Experiment)


@often
@given(st.lists(st.text(max_size=30) | st.builds("{}={}".format, NAMES, st.text(max_size=20))))
def test_assignments_are_read_or_refused(assignments):
    found = refused_or(parse_set, assignments)
    assert found is None or isinstance(found, dict)


@often
@given(st.binary(max_size=100) | DATA.map(lambda data: json.dumps(data).encode()))
@example(b'{"update": Infinity}')
@example(b'{"update": 4, "files": 3, "digest": "x"}')
def test_a_manifest_is_of_a_checkpoint_or_refused(tmp_path, text):
    folder = tmp_path / "latest" / "0000000004"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(text)
    assert refused_or(checkpoint_choice.newest, tmp_path) is None


SUMMARIES = st.fixed_dictionaries(
    {},
    optional={
        "stopped_by": DATA | st.just("budget"),
        "updates": DATA,
        "seeds": DATA,
        "env_steps": DATA,
        "eval_return": DATA | st.dictionaries(st.sampled_from(["mean", "iqm", "per_seed"]), DATA),
        "versions": DATA,
    },
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return RunDir(make_run(tmp_path_factory.mktemp("runs"), "run"))


@often
@given(
    st.binary(max_size=200)
    | DATA.map(lambda data: json.dumps(data).encode())
    | SUMMARIES.map(lambda data: json.dumps(data).encode())
)
@example(b'{"stopped_by": "budget", "updates": "x"}')
@example(b'{"stopped_by": "budget", "updates": 1e999}')
@example(b"[" * 4000)
def test_a_summary_is_read_or_refused_and_the_run_is_listed(run, capsys, text):
    run.summary.write_bytes(text)
    found = refused_or(read_summary, run.summary)
    assert found is None or isinstance(found, dict)
    assert refused_or(is_finished, run) in (True, False, None)
    (status,) = RunList(RunsDirectory(run.path.parent)).all()
    assert status["name"] == "run" and "cannot be read" not in status.get("error", "")
    json.loads(json_text(status))
    assert cli.main(["runs", "--runs-dir", str(run.path.parent)]) == 0
    assert "run " in capsys.readouterr().out


HEADER = {"format": 1, "env": "CartPole-v1", "env_kwargs": {}, "length": 0, "return": 0.0}
HEADERS = (
    st.builds(
        lambda changed: HEADER | changed,
        st.fixed_dictionaries(
            {}, optional={name: DATA for name in (*HEADER, "agents", "arrays", "lengths")}
        ),
    )
    | DATA
)
ARRAYS = st.dictionaries(
    st.sampled_from(["action", "reward", "terminated", "truncated", "obs", "seed"]),
    st.sampled_from([np.zeros(0), np.zeros((0, 2)), np.float32(1), np.ones(3), np.array(["x"])]),
)


@often
@given(HEADERS, ARRAYS)
@example(HEADER, dict.fromkeys(("action", "reward", "terminated", "truncated"), np.zeros(0)))
def test_a_replay_is_read_or_refused(tmp_path, header, arrays):
    path = tmp_path / "x.npz"
    np.savez(path, about=json.dumps(header), **arrays)
    found = refused_or(replays.read, path)
    assert found is None or set(found.arrays) == set(arrays)


@often
@given(st.binary(max_size=300))
def test_bytes_that_are_no_replay_are_refused(tmp_path, data):
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"x\.npz"):
        replays.read(path)


@often
@given(st.binary(max_size=300))
def test_a_trace_is_read_or_refused(tmp_path, data):
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.npz"):
        load_trace(path)


@often
@given(st.binary(max_size=200) | DATA.map(lambda data: json.dumps({"act": data}).encode()))
@example(b'{"act": ["pause"]}')
@example(b"[" * 4000)
def test_a_request_to_a_run_is_answered(line):
    handler = object.__new__(_Answer)
    handler.server = SimpleNamespace(obey=lambda act: None, phase=lambda: "training")  # pyright: ignore[reportAttributeAccessIssue]
    answer = handler._answer(line)
    assert set(answer) in ({"error"}, {"phase"})


ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "run": st.sampled_from(["run", ".", "..", "/", "run/../run", "a\0b", "\ud800"]) | DATA,
        "update": DATA,
        "event": DATA,
    },
)
MESSAGES = st.fixed_dictionaries(
    {}, optional={"list": DATA, "watch": st.lists(ENTRIES | DATA, max_size=18) | DATA}
)
MALFORMED = (ValueError, KeyError, TypeError, RecursionError)  # which end the connection


@often
@given(st.text(max_size=200) | DATA.map(json.dumps) | MESSAGES.map(json.dumps))
@example('{"watch": [{"run": "run", "event": 1' + "0" * 400 + "}]}")
@example('{"watch": [{"run": "run", "update": 99999999999999999999}]}')
@example('{"watch": [{"run": "\\ud800"}]}')
@example('{"watch": ' + "[" * 4000)
def test_a_message_of_a_page_is_a_subscription_that_can_be_served_or_is_malformed(run, text):
    try:
        found = parse_subscription(text)
    except MALFORMED:
        return
    assert isinstance(found, Subscription)
    runs = RunsDirectory(run.path.parent)
    feed = LiveFeed(runs, RunList(runs))
    for name, watched in found.runs.items():
        for message in feed._messages(name, watched):
            assert json.loads(message)["run"] == name
