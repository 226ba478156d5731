"""A policy is taken out of its run whole: it answers elsewhere as it did here, and nothing of ours
has to be there."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from jax import export

import elsinore
from elsinore import cli
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.errors import ConfigError
from elsinore.runs.checkpoints.restored import policy_of
from elsinore.runs.export.export import (
    FORMS,
    refuse_export,
    write_export,
    write_jax,
    write_mlflow,
    write_onnx,
)
from elsinore.runs.export.latency import DECIDERS, Latency, about_of, latency_of, observations_like
from elsinore.runs.policy import Policy
from elsinore.types import Algorithm, PolicyFunctions, PolicyState

FACTS = {"env": "a world", "checkpoint": "latest/1"}
REMEMBERING = {
    "algo.network.gru": 8,
    "algo.network.hidden": [8],
    "algo.normalize_obs": True,
    "env_steps": 10_000,
}


@pytest.fixture(scope="module")
def run(whole):
    return elsinore.load(whole)


@pytest.fixture(scope="module")
def masked():
    """The policy, untrained, of a recurrent network that sees a dictionary with a mask of the legal
    actions."""
    plan = plan_for(load_experiment("tests.small_envs:MaskedBandit", "ppo", None, REMEMBERING))
    state = jax.tree.map(
        lambda x: np.asarray(x)[None],
        jax.jit(plan.program.init)(jax.random.key(0)).train.policy_state,
    )
    return policy_of(plan, _Holding(state), seed=0)


class _Holding:
    """As much of a run's state as a policy is made of."""

    def __init__(self, policy_state):
        self.train = type("Train", (), {"policy_state": policy_state})


@pytest.fixture(scope="module")
def exported(masked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    for name, write in (("jax", write_jax), ("mlflow", write_mlflow), ("onnx", write_onnx)):
        (folder / name).mkdir()
        write(masked, folder / name, FACTS)
    return folder


def sights(number: int, seed: int = 0):
    draw = np.random.default_rng(seed)
    legal = draw.random((number, 4)) < 0.5
    legal[np.arange(number), draw.integers(0, 4, number)] = True
    return {"bias": draw.normal(size=(number, 1)).astype(np.float32), "action_mask": legal}


# Run in a process of its own, where whatever imports elsinore fails.
ELSEWHERE = """
import sys
sys.modules["elsinore"] = None
import json
import numpy as np
folder, form = sys.argv[1], sys.argv[2]
days = [dict(np.load(f"{folder}/day{i}.npz")) for i in range(3)]
if form == "mlflow":
    import mlflow
    model = mlflow.pyfunc.load_model(f"{folder}/mlflow")
    actions = [model.predict(obs) for obs in days]
    actions.append(model.predict(days[0], params={"begin": True}))
else:
    from jax import export
    policy = export.deserialize(bytearray(open(f"{folder}/jax/policy.jaxexport", "rb").read()))
    shapes = json.load(open(f"{folder}/jax/policy.json"))["memory_shapes"]
    begin = memory = [np.zeros((len(days[0]["bias"]), *shape), np.float32) for shape in shapes]
    actions = []
    for obs in days:
        action, memory = policy.call(obs, memory)
        actions.append(action)
    actions.append(policy.call(days[0], begin)[0])
np.save(f"{folder}/{form}.npy", np.stack([np.asarray(x) for x in actions]))
assert not [name for name in sys.modules if name.startswith("elsinore.")]
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jax", "mlflow"])
def test_a_policy_with_mask_and_memory_answers_alike_where_elsinore_cannot_be_imported(
    exported, masked, form
):
    days = [sights(50, seed) for seed in range(3)]
    for i, obs in enumerate(days):
        np.savez(exported / f"day{i}.npz", **obs)
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(exported), form], check=True, timeout=240)
    masked.reset()
    expected = [masked(obs) for obs in days]
    np.testing.assert_array_equal(np.load(exported / f"{form}.npy"), [*expected, expected[0]])
    assert all(
        obs["action_mask"][np.arange(50), actions].all()
        for obs, actions in zip(days, expected, strict=True)
    )
    assert len({tuple(actions) for actions in expected}) > 1


def test_the_file_says_which_arrays_it_takes_in_which_order_and_what_it_remembers(exported):
    about = json.loads((exported / "jax" / "policy.json").read_text())
    assert about["obs"] == [
        {"name": "action_mask", "shape": [4], "dtype": "bool"},
        {"name": "bias", "shape": [1], "dtype": "float32"},
    ]
    assert about["memory_shapes"] == [[8], [8]]
    assert about["memory_dtypes"] == ["float32", "float32"]
    assert (about["env"], about["checkpoint"], about["jax"]) == (
        "a world",
        "latest/1",
        jax.__version__,
    )
    assert about_of(exported / "mlflow") == about


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("form", DECIDERS)
def test_a_dictionary_in_a_dictionary_is_given_by_the_names_of_its_arrays(form, dtype, tmp_path):
    """To a policy with a memory, whose carry has the size of the batch."""

    def act(key, policy_state, carry, obs, greedy):
        return obs["near"]["left"] + 2 * obs["near"]["right"] + carry, carry + 1

    number = jax.ShapeDtypeStruct((), np.float32)
    like = {"near": {"left": number, "right": number}}
    functions = PolicyFunctions(act, initial_carry=np.zeros((), dtype))
    policy = Policy(Algorithm(None, None, functions, (), 1), PolicyState((), ()), like, 0)
    FORMS[form](policy, tmp_path, FACTS)
    decide, obs = DECIDERS[form](tmp_path), observations_like(about_of(tmp_path), 5)
    expected = obs["near/left"] + 2 * obs["near/right"]
    np.testing.assert_allclose(decide(obs), expected)


def stepped_by_jax(folder: Path) -> Callable[[Any, list[Any]], Any]:
    """(observations, carry) -> (actions, carry) of the exported policy."""
    return export.deserialize(bytearray((folder / "policy.jaxexport").read_bytes())).call


def stepped_by_onnx(folder: Path) -> Callable[[Any, list[Any]], Any]:
    """The same."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    session = onnxruntime.InferenceSession(str(folder / "policy.onnx"))
    names = about_of(folder)["inputs"]

    def step(obs: Any, carry: list[Any]) -> Any:
        action, *after = session.run(None, dict(zip(names, [obs, *carry], strict=True)))
        return action, after

    return step


@pytest.mark.parametrize(("form", "stepped"), [("jax", stepped_by_jax), ("onnx", stepped_by_onnx)])
def test_zeros_begin_an_episode_also_where_the_carry_of_the_policy_begins_otherwise(
    form, stepped, tmp_path
):
    """A policy that acts by a sum, which begins at 5."""

    def act(key, policy_state, carry, obs, greedy):
        return carry["sum"] + obs, {"sum": carry["sum"] + obs}

    functions = PolicyFunctions(act, initial_carry={"sum": 5.0})
    policy = Policy(Algorithm(None, None, functions, (), 1), PolicyState((), ()), NUMBER, 0)
    FORMS[form](policy, tmp_path, FACTS)
    step, obs = stepped(tmp_path), np.array([1.0, -5.0], np.float32)
    carry = [np.zeros((2, *shape), np.float32) for shape in about_of(tmp_path)["memory_shapes"]]
    for _ in range(3):  # in the first step one of the sums becomes 0, which is no beginning
        action, carry = step(obs, carry)
        np.testing.assert_array_equal(action, policy(obs))


class Sight(NamedTuple):
    near: Any
    far: Any


NUMBER = jax.ShapeDtypeStruct((), np.float32)
ODD_NAMES = {
    "alike": ({"a/b": NUMBER, "a": {"b": NUMBER}}, ["a/b", "a/b_"]),
    "empty": ({"": NUMBER, "_": NUMBER}, ["_", "__"]),
    "numbers": ({9: NUMBER, 10: NUMBER}, ["9", "10"]),
    "a record": (Sight(NUMBER, {"off": NUMBER}), ["near", "far/off"]),
}


@pytest.mark.parametrize("form", ["jax", pytest.param("mlflow", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("like", "names"), ODD_NAMES.values(), ids=ODD_NAMES)
def test_arrays_of_an_observation_have_names_of_their_own_whatever_its_keys(
    form, like, names, tmp_path
):
    def act(key, policy_state, carry, obs, greedy):
        first, second = jax.tree.leaves(obs)
        return first + 2 * second, carry

    functions = PolicyFunctions(act)
    policy = Policy(Algorithm(None, None, functions, (), 1), PolicyState((), ()), like, 0)
    FORMS[form](policy, tmp_path, FACTS)
    about = about_of(tmp_path)
    assert {part["name"] for part in about["obs"]} == set(names)
    obs, decide = observations_like(about, 5), DECIDERS[form](tmp_path)
    expected = obs[names[0]] + 2 * obs[names[1]]
    np.testing.assert_allclose(decide(obs), expected)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 7])
def test_both_forms_answer_as_the_policy_does_for_any_number_of_observations(
    exported, masked, number
):
    obs = sights(number)
    masked.reset()
    expected = masked(obs)
    for form, decider in DECIDERS.items():
        np.testing.assert_array_equal(decider(exported / form)(obs), expected, err_msg=form)


def test_a_recurrent_model_keeps_its_carry_from_call_to_call_until_an_episode_begins(exported):
    import mlflow

    model, obs = mlflow.pyfunc.load_model(str(exported / "mlflow")), sights(64)
    first = model.predict(obs)
    later = [model.predict(obs) for _ in range(4)]
    assert any(not np.array_equal(first, actions) for actions in later)
    np.testing.assert_array_equal(model.predict(obs, params={"begin": True}), first)


def test_a_model_refuses_observations_without_the_mask(exported):
    import mlflow

    model = mlflow.pyfunc.load_model(str(exported / "mlflow"))
    with pytest.raises(mlflow.exceptions.MlflowException, match="action_mask"):
        model.predict({"bias": np.zeros((1, 1), np.float32)})


# From a run's folder


@pytest.mark.parametrize("checkpoint", ["best", "latest"])
def test_a_run_is_exported_as_any_of_its_checkpoints_has_it(run, tmp_path, checkpoint):
    out = run.export("jax", tmp_path / "out", checkpoint=checkpoint, seed=1)
    obs = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    np.testing.assert_array_equal(DECIDERS["jax"](out)(obs), run.policy(1, checkpoint)(obs))
    assert about_of(out)["checkpoint"] == run.checkpoint(checkpoint).name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_the_command_writes_says_where_and_measures(run, tmp_path, capsys):
    argv = ["export", str(run.path), "-o", str(tmp_path / "out"), "--measure", "--json"]
    assert cli.main(argv) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["out"] == str(tmp_path / "out")
    for size in ("1", "256"):
        assert (
            0
            < printed["seconds_by_batch"][size]["median"]
            <= printed["seconds_by_batch"][size]["p99"]
            < 10
        )


def test_all_metrics_are_in_one_file(run, tmp_path, capsys):
    assert (
        cli.main(
            ["export", str(run.path), "--format", "json", "-o", str(tmp_path / "metrics.json")]
        )
        == 0
    )
    written = json.loads((tmp_path / "metrics.json").read_text())
    table = run.metrics
    assert written["summary"] == run.summary
    assert written["config"]["env"] == "CartPole-v1"
    assert sum(
        len(series["value"])
        for by_seed in written["metrics"].values()
        for series in by_seed.values()
    ) == len(table)
    mine = table[(table["name"] == "eval/return") & (table["seed"] == 1)]
    assert written["metrics"]["eval/return"]["1"] == {
        "env_steps": [*mine["env_steps"]],
        "value": [*mine["value"]],
    }


def test_each_evaluation_is_written_with_its_spread(run):
    found = (
        run.metrics[run.metrics["seed"] == 0]
        .pivot(index="update", columns="name", values="value")
        .dropna()
    )
    low, mean, high = (found[f"eval/return{what}"] for what in ("_min", "", "_max"))
    assert len(found) == 10
    assert (low <= mean).all() and (mean <= high).all()
    # of numbers between two bounds
    assert (found["eval/return_std"] <= (high - low) / 2 + 1e-6).all()
    assert (high > low).any()


# Refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "tflite"], "'tflite' is unknown; choose one of jax, onnx, mlflow, json"),
        (["--checkpoint", "best/17"], "'best/17' is not in"),
        (["--seed", "9"], "seed=9 is not of this run; it has 0 to 1"),
        (["--agent", "agent_1"], "agent='agent_1' is not of this run"),
        (["--format", "json", "--seed", "1"], "leave out --seed"),
        (["--format", "json", "--measure"], "leave out --measure"),
        (
            ["--format", "json", "-o", "/dev/null/metrics.json"],
            "cannot be written: Not a directory",
        ),
        (["-o", "/dev/null/policy"], "cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_refused_naming_it(run, tmp_path, capsys, arguments, said):
    where = [] if "-o" in arguments else ["-o", str(tmp_path / "out")]
    assert cli.main(["export", str(run.path), *arguments, *where]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture
def stopped(whole, tmp_path):
    """A copy of the run, to be spoilt."""
    shutil.copytree(whole, tmp_path / "whole")
    return tmp_path / "whole"


def test_a_run_without_a_checkpoint_cannot_be_exported(stopped, capsys):
    shutil.rmtree(stopped / "checkpoints")
    assert cli.main(["export", str(stopped)]) == 2
    assert f"{stopped} has no checkpoint of its best or latest state" in capsys.readouterr().err
    assert not (stopped / "export").exists()


def test_a_checkpoint_of_another_env_is_refused(stopped, capsys):
    config = (stopped / "config.yaml").read_text()
    (stopped / "config.yaml").write_text(config.replace("env: CartPole-v1", "env: Acrobot-v1"))
    assert cli.main(["export", str(stopped)]) == 2
    assert "env 'CartPole-v1', 'Acrobot-v1'" in capsys.readouterr().err


def test_a_folder_that_is_in_use_is_left_alone(run, tmp_path, capsys):
    (tmp_path / "mine").write_text("precious")
    assert cli.main(["export", str(run.path), "-o", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for out in (".", "./", "x/..", tmp_path / "empty"):
        with pytest.raises(ConfigError, match="is the current folder, .* such as jax"):
            refuse_export("jax", Path(out))
    for out in ("..", "/"):
        with pytest.raises(ConfigError, match="exists already"):
            refuse_export("jax", Path(out))


@pytest.mark.parametrize("out", ["new", "new/", "x/../new", "empty/."])
def test_a_folder_is_written_by_any_of_its_names(tmp_path, monkeypatch, out):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(FORMS, "jax", lambda policy, folder, facts: (folder / "x").touch())
    refuse_export("jax", Path(out))
    write_export(None, "jax", Path(out), {})
    assert (Path(out) / "x").exists()
    assert not list(tmp_path.glob(".*"))


# How long it takes


def test_a_latency_is_of_calls_after_the_first_ones():
    calls = []
    found = latency_of(calls.append, "obs", calls=10, first=3)
    assert calls == ["obs"] * 13
    assert 0 <= found.median <= found.p99 < 1
    assert Latency.of([1e-3] * 50 + [2e-3] * 50 + [9.0]).median == 2e-3


def test_made_up_observations_have_the_shapes_and_everything_is_legal(exported):
    obs = observations_like(about_of(exported / "jax"), 3)
    assert obs["bias"].shape == (3, 1) and obs["bias"].dtype == np.float32
    assert obs["action_mask"].dtype == bool and obs["action_mask"].all()
