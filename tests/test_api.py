"""What a person calls, and what a run leaves: everything promised is there, and says the same thing
twice."""

import contextlib
import copy
import json
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest
import yaml
from IPython.core.formatters import DisplayFormatter

import elsinore
from elsinore.config.load import experiment_from, load_experiment
from elsinore.config.parse import as_dict
from elsinore.runs import preparation
from elsinore.runs.call import resolve_experiment
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.sync import finish_sinks
from tests.devices import exact_products
from tests.envs.broken_envs import NotANumber, Wall

ROOT = Path(__file__).resolve().parents[1]
SMALL = {
    "env_steps": 4_000,  # 15 updates of 8 x 32 steps, and a rest that is too short for another
    "evaluation.period": 5,
    "evaluation.episodes": 4,
    "evaluation.final_episodes": 8,
    "algo.num_epochs": 2,
    "algo.network.hidden": [16],
    "convergence.enabled": False,
    "sinks.mlflow.enabled": False,
    "sinks.console": False,
}
TINY = SMALL | {
    "env_steps": 64,
    "evaluation.period": 1,
    "algo.num_envs": 4,
    "algo.rollout_length": 8,
    "algo.num_minibatches": 1,
}

NO_STEPS = {name: value for name, value in TINY.items() if name != "env_steps"}


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("api") / "runs"


@pytest.fixture(scope="session")
def run(runs):
    """Two seeds on CartPole: what most of this file asks about."""
    return elsinore.train("CartPole-v1", seeds=2, overrides=SMALL, runs_dir=runs, name="first")


class Notebook:
    """A callback that keeps its records."""

    def __init__(self):
        self.records = []

    def __call__(self, record):
        self.records.append(record)


def stumble(record):
    raise RuntimeError("the ghost was not seen")


@pytest.fixture(scope="session")
def again(runs, run):
    """The same call once more, unnamed, with a callback that listens and one that fails: the run,
    what was heard."""
    notebook = Notebook()
    callbacks = [stumble, notebook]
    second = elsinore.train(
        "CartPole-v1", seeds=2, overrides=SMALL, runs_dir=runs, callbacks=callbacks
    )
    return second, notebook.records


@pytest.fixture(scope="session")
def other(runs, run):
    """The same call with another first seed, after something else was logged while no run was
    there to log it."""
    elsinore.resume(run.path)
    return elsinore.train(
        "CartPole-v1", seeds=2, seed=1, overrides=SMALL, runs_dir=runs, name="other"
    )


# The package


def test_the_names_that_are_promised_are_those_there_are():
    assert sorted(elsinore.__all__) == [
        "Action",
        "Agent",
        "ConfigError",
        "ElsinoreError",
        "Experiment",
        "PPOConfig",
        "Policy",
        "Run",
        "RunError",
        "acting",
        "check_algorithm",
        "check_env",
        "compare",
        "demo",
        "doctor",
        "gymnasium_env",
        "list_envs",
        "load",
        "make",
        "parallel_env",
        "play",
        "query",
        "resume",
        "scene",
        "sweep",
        "train",
        "train_compiled",
        "wrap",
    ]


@pytest.mark.parametrize("name", elsinore.__all__)
def test_every_promised_name_is_there_and_listed(name):
    assert callable(getattr(elsinore, name))
    assert name in dir(elsinore)


def test_a_name_that_is_not_promised_is_not_there():
    with pytest.raises(AttributeError, match="module 'elsinore' has no attribute 'horatio'"):
        _ = elsinore.horatio


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'jax', 'numpy', 'flax', 'yaml', 'gymnax', 'mlflow', 'matplotlib', 'pandas'}"
    program = f"import sys, elsinore; print(sorted({heavy} & set(sys.modules)))"
    logged = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert logged.stdout == "[]\n"


# The summary


def test_a_summary_has_everything_it_promises(run):
    promised = {
        "env",
        "algo",
        "seeds",
        "env_steps",
        "updates",
        "compile_seconds",
        "train_seconds",
        "steps_per_second",
        "converged",
        "converged_at_env_steps",
        "eval_return",
        "stopped_by",
        "versions",
        "params_sha256",
    }
    assert promised <= set(run.summary)
    assert set(run.summary["eval_return"]) == {"mean", "iqm", "ci95", "per_seed"}


def test_a_summary_counts_what_was_done(run):
    summary = run.summary
    assert (summary["env"], summary["algo"], summary["seeds"]) == ("CartPole-v1", "ppo", 2)
    assert (summary["updates"], summary["env_steps"]) == (15, 15 * 256)
    assert summary["stopped_by"] == "budget"
    assert summary["compile_seconds"] > 0 and summary["train_seconds"] > 0
    assert summary["steps_per_second"] == pytest.approx(2 * 3_840 / summary["train_seconds"])
    assert summary["versions"]["jax"] == jax.__version__


def test_a_summary_lists_one_value_a_seed(run):
    summary = run.summary
    for values in (
        summary["converged"],
        summary["converged_at_env_steps"],
        summary["eval_return"]["per_seed"],
    ):
        assert len(values) == 2
    assert summary["converged"] == [False, False]
    assert summary["converged_at_env_steps"] == [None, None]


def test_a_return_is_one_that_cartpole_can_give(run):
    logged = run.summary["eval_return"]
    assert all(8 <= value <= 500 for value in logged["per_seed"])
    assert logged["mean"] == pytest.approx(np.mean(logged["per_seed"]))
    low, high = logged["ci95"]
    assert low <= logged["iqm"] <= high
    assert min(logged["per_seed"]) <= low and high <= max(logged["per_seed"])


# The folder


def test_the_config_is_written_with_every_default_and_read_back_equal(run):
    written = yaml.safe_load((run.path / "config.yaml").read_text())
    assert written == as_dict(run.experiment)
    assert experiment_from(written) == run.experiment
    assert written["algo"]["gamma"] == 0.98  # the preset's
    assert written["algo"]["num_epochs"] == 2  # the call's
    assert written["checkpoints"]["best"] == 1  # the default


def test_the_store_has_what_the_table_has(run):
    with contextlib.closing(
        sqlite3.connect(f"file:{run.path / 'metrics.sqlite'}?mode=ro", uri=True)
    ) as database:
        (rows,) = database.execute("SELECT count(*) FROM metrics").fetchone()
        (chunks,) = database.execute("SELECT count(*) FROM chunks").fetchone()
    assert rows == len(run.metrics) > 0
    assert chunks == 3


def test_the_lines_have_every_number_of_the_store(run):
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["seed"], line["update"]) for line in lines] == [
        (s, u) for u in range(1, 16) for s in (0, 1)
    ]
    assert all(line["env_steps"] == line["update"] * 256 for line in lines)
    assert sum(len(line) - 3 for line in lines) == len(run.metrics)


@pytest.mark.parametrize("seed", [0, 1])
def test_tensorboard_has_a_folder_a_seed_with_every_update(run, seed):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (file,) = (run.path / "tensorboard" / f"seed_{seed}").glob("events.*")
    values = [
        (
            event.step,
            value.tag,
            value.tensor.float_val[0] if value.HasField("tensor") else value.simple_value,
        )
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
    ]
    assert {step for step, *_ in values} == {256 * update for update in range(1, 16)}
    mine = run.metrics.query("seed == @seed and name == 'eval/return'")
    assert [value for _, tag, value in values if tag == "eval/return"] == pytest.approx(
        mine["value"].tolist()
    )


def test_the_curves_are_a_picture(run):
    import matplotlib.image

    picture = run.path / "training_curves.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(picture)
    assert min(pixels.shape[:2]) > 200
    assert np.ptp(pixels[..., :3]) > 0.5  # not an empty page


def test_the_log_says_what_was_planned_and_done(run):
    logged = (run.path / "logs" / "train.log").read_text()
    assert "env steps       3,840 a seed, 7,680 in all" in logged
    assert "compiled in " in logged
    assert "WARNING" not in logged and "ERROR" not in logged


def test_the_end_of_the_run_is_kept_as_its_latest_checkpoint(run):
    assert run.checkpoint("latest").name == "latest/0000000015"
    assert (run.path / "checkpoints" / "latest" / "0000000015" / "manifest.json").is_file()
    assert run.checkpoint("best").kind == "best"


def test_nothing_unfinished_is_left_in_the_folder(run):
    assert not [
        path for path in run.path.rglob(".*") if path.name.startswith((".unfinished", ".trash"))
    ]
    assert [path.name for path in run.path.parent.iterdir() if path.name.startswith(".")] == []


def test_the_exported_policy_loads_with_jax_alone_and_acts_alike(run):
    from jax import export

    about = json.loads((run.path / "policy" / "policy.json").read_text())
    assert (about["env"], about["obs_shape"], about["obs_dtype"]) == ("CartPole-v1", [4], "float32")
    exported = export.deserialize(
        bytearray((run.path / "policy" / "policy.jaxexport").read_bytes())
    )
    obs = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    policy = run.policy()
    assert policy.seed == about["seed"]
    np.testing.assert_array_equal(exported.call(obs), policy(obs))
    np.testing.assert_array_equal(exported.call(obs[:1]), policy(obs[:1]))
    assert (*about["action_shape"],) == policy(obs).shape[1:]


# Metrics


def test_metrics_are_a_table_of_one_number_a_row(run):
    table = run.metrics
    assert list(table.columns) == ["update", "env_steps", "seed", "agent", "name", "value"]
    assert (table["env_steps"] == table["update"] * 256).all()
    assert set(table["seed"]) == {0, 1}
    assert not table.duplicated(["update", "seed", "agent", "name"]).any()
    assert {"episode/return", "loss/value", "policy/entropy", "eval/return"} <= set(table["name"])


def test_metrics_are_finite_and_evaluations_come_each_period(run):
    table = run.metrics
    assert np.isfinite(table["value"]).all()
    evaluated = table[table["name"] == "eval/return"]
    assert sorted(set(evaluated["update"])) == [5, 10, 15]
    assert sorted(set(table["update"])) == list(range(1, 16))


# Policies


def test_a_policy_acts_on_one_observation_and_on_batches_alike(run):
    policy = run.policy(seed=1)
    obs = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
    actions = policy(obs)
    assert isinstance(actions, np.ndarray) and actions.shape == (7,)
    assert set(actions.tolist()) <= {0, 1}
    assert policy(obs[0]).shape == ()
    assert [int(policy(one)) for one in obs] == actions.tolist()


def test_random_keys_of_another_kind_are_refused_by_their_setting(run):
    command = [sys.executable, "-m", "elsinore.cli", "evaluate", str(run.path)]
    env = os.environ | {"JAX_DEFAULT_PRNG_IMPL": "rbg"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "jax_default_prng_impl='rbg' makes other random keys than the run's" in done.stderr


def test_a_policy_says_why_it_cannot_be_pickled_and_what_to_do(run):
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match=r"cannot be pickled.*elsinore\.load\(path\)"):
            copied(run.policy())


@exact_products
def test_a_policy_values_one_observation_and_batches_alike(run):
    policy = run.policy(seed=1)
    obs = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
    values = policy.value(obs)
    assert values.shape == (3,) and np.isfinite(values).all()
    assert policy.value(obs[0]).shape == ()
    np.testing.assert_allclose([policy.value(one) for one in obs], values, rtol=1e-5, atol=1e-6)


def test_seeds_have_learnt_different_policies(run):
    obs = np.random.default_rng(3).normal(size=(64, 4)).astype(np.float32)
    assert not np.allclose(run.policy(seed=0).value(obs), run.policy(seed=1).value(obs))


def test_an_action_that_is_drawn_depends_on_the_seed_alone(run):
    policy = run.policy(seed=0)
    obs = np.zeros((200, 4), np.float32)
    drawn = policy(obs, sample=True, seed=1)
    assert set(drawn.tolist()) == {0, 1}
    np.testing.assert_array_equal(policy(obs, sample=True, seed=1), drawn)
    assert (policy(obs, sample=True, seed=2) != drawn).any()


@pytest.mark.parametrize("shape", [(), (3,), (5,), (2, 5), (2, 3, 4), (4, 1)])
def test_an_observation_of_another_shape_is_refused(run, shape):
    policy = run.policy(seed=0)
    for ask in (policy, policy.value):
        with pytest.raises(ValueError) as caught:
            ask(np.zeros(shape, np.float32))
        refused = f"obs of shape {list(shape)} is neither one observation [4] nor a batch of them"
        message = f"{refused}; give arrays of these shapes."
        assert str(caught.value) == message


@pytest.mark.parametrize("seed", [-1, 2, 100])
def test_a_seed_that_is_not_of_the_run_is_refused(run, seed):
    with pytest.raises(
        elsinore.ConfigError, match=rf"^seed={seed} is not of this run; it has 0 to 1\.$"
    ):
        run.policy(seed=seed)


def test_the_policy_of_no_named_seed_is_the_best_seeds(run):
    last = run.policy(checkpoint="latest")
    assert last.seed == int(np.argmax(run.summary["eval_return"]["per_seed"]))


def test_the_best_checkpoints_policy_is_the_default_and_names_its_origin(run):
    best = run.checkpoint("best")
    assert run.checkpoint() == best and best.kind == "best" and best.update < 15
    state, policy = run.state(best.name), run.policy()
    assert policy.checkpoint == best.name
    assert policy.seed == int(np.argmax(state.convergence.history[:, 0]))
    assert repr(policy) == f"Policy(seed {policy.seed} of {best.name}, observation (4,))"
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.testing.assert_array_equal(policy.value(obs), run.policy(policy.seed, "best").value(obs))
    assert (policy.value(obs) != run.policy(policy.seed, "latest").value(obs)).any()


def test_without_a_best_checkpoint_the_last_is_taken(run, tmp_path):
    path = tmp_path / "first"
    shutil.copytree(run.path, path)
    shutil.rmtree(path / "checkpoints" / "best")
    assert elsinore.load(path).policy().checkpoint == "latest/0000000015"


def test_stages_scores_are_not_compared(run, tmp_path):
    path = tmp_path / "staged"
    shutil.copytree(run.path, path)
    text = (path / "config.yaml").read_text()
    staged = "curriculum: {evaluate_on: stage, stages: [{}, {}]}"
    (path / "config.yaml").write_text(text.replace("curriculum: null", staged))
    assert elsinore.load(path).checkpoint().name == "latest/0000000015"


def test_a_runs_checkpoints_are_listed_with_what_is_known_of_them(run):
    rows = run.checkpoints()
    assert [row["name"] for row in rows if row["best"]] == [run.checkpoint("best").name]
    assert rows[0]["name"] == "latest/0000000015" and rows[0]["metric"] == "eval/return"
    steps = run.summary["env_steps"] // 15
    for row in rows:
        assert row["env_steps"] == row["update"] * steps and row["bytes"] > 1000
        assert row["name"] == f"{row['kind']}/{row['update']:010d}"
        assert 0 < row["time"] <= time.time()


def test_fresh_episodes_can_be_played_with_every_seed(run):
    returns = run.evaluate(episodes=6)
    assert returns.shape == (2, 6)
    assert ((returns >= 8) & (returns <= 500)).all()


def test_the_final_evaluation_can_be_had_again(run):
    returns = run.evaluate(episodes=8, checkpoint="latest")
    assert returns.mean(axis=1).tolist() == pytest.approx(run.summary["eval_return"]["per_seed"])


@pytest.mark.parametrize("which", ["newest", "periodic", "latest/0000000001", ""])
def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(run, which):
    with pytest.raises(elsinore.ConfigError) as caught:
        run.checkpoint(which)
    assert str(caught.value).startswith(
        f"checkpoint {which!r} is not in {run.path}; it has: latest/0000000015, best/"
    )


# Load and resume


def test_a_run_that_is_loaded_is_the_run_that_was(run, runs):
    obs = np.random.default_rng(4).normal(size=(5, 4)).astype(np.float32)
    for loaded in (
        elsinore.load(run.path),
        elsinore.load(str(run.path)),
        elsinore.load("first", runs_dir=runs),
    ):
        assert loaded.path.resolve() == run.path.resolve()
        assert loaded.experiment == run.experiment
        assert loaded.summary == run.summary
    np.testing.assert_array_equal(loaded.policy(seed=1).value(obs), run.policy(seed=1).value(obs))


def test_a_run_says_what_it_is(run):
    assert repr(run) == f"Run({str(run.path)!r}, ppo on CartPole-v1, finished)"
    page = run._repr_html_()
    assert page.count("<polyline") == 2 and "ppo on CartPole-v1, finished" in page


@pytest.mark.parametrize(
    ("use", "what"),
    [
        (lambda run: run.plot(), "plotted"),
        (elsinore.doctor, "diagnosed"),
        (elsinore.query, "queried"),
        (lambda run: finish_sinks(RunDir(run.path)), "synced"),
    ],
)
def test_a_policy_of_the_package_has_no_metrics_to_wait_for(use, what):
    refusal = f"^preset:CartPole-v1/ppo holds a policy and no more, so it cannot be {what}"
    with pytest.raises(elsinore.ConfigError, match=refusal):
        use(elsinore.load("preset:CartPole-v1/ppo"))


def test_a_run_without_metrics_has_no_curve(tmp_path):
    folder = RunDir.create(tmp_path, "empty", load_experiment("CartPole-v1"))
    folder.unlock()
    run = elsinore.load("empty", runs_dir=tmp_path)
    assert "<svg" not in run._repr_html_()
    with pytest.raises(elsinore.ConfigError, match="no metrics yet"):
        run.plot()


def test_a_run_is_plotted_played_and_exported(run, tmp_path):
    figure = run.plot(tmp_path / "curves.png")
    assert len(figure.axes) >= 4 and (tmp_path / "curves.png").stat().st_size > 10_000
    assert run.play(tmp_path / "film.gif", seed=1, episodes=1) == tmp_path / "film.gif"
    assert (tmp_path / "film.gif").read_bytes()[:4] == b"GIF8"
    folder = run.export(out=tmp_path / "policy", seed=1)
    assert {path.name for path in folder.iterdir()} == {"policy.jaxexport", "policy.json"}


def test_a_notebook_shows_the_curves_as_a_picture(run):
    shown, _ = DisplayFormatter().format(run.plot())  # pyplot has not been imported for it
    assert shown["image/png"].startswith(b"\x89PNG")


def test_a_run_is_played_in_the_terminal(run, capsys):
    assert run.play() is None
    assert "step" in capsys.readouterr().out


CONFIGS = {
    "a mapping": {"config": {"env": "CartPole-v1", "algo": {"gamma": 0.9}, "env_steps": 512}},
    "a mapping as algo": {"env": "CartPole-v1", "algo": {"name": "ppo", "gamma": 0.9}},
    "a config as algo": {"env": "CartPole-v1", "algo": elsinore.PPOConfig(gamma=0.9)},
}


@pytest.mark.parametrize("how", CONFIGS)
def test_settings_are_taken_as_data(how):
    experiment, _ = resolve_experiment(**CONFIGS[how])
    assert experiment.algo.gamma == 0.9
    # a mapping is completed by the preset, a config is complete
    assert experiment.algo.num_envs == (4 if how == "a config as algo" else 8)


def test_an_experiment_is_taken_as_it_is_and_a_mapping_is_left_alone():
    data = {"algo": {"gamma": 0.9}}
    load_experiment(config=data, overrides={"algo.gamma": 0.5})
    assert data == {"algo": {"gamma": 0.9}}
    experiment = load_experiment("Pendulum-v1", overrides={"algo.gamma": 0.5})
    assert load_experiment(config=experiment) == experiment


def test_env_steps_is_an_argument(tmp_path):
    run = elsinore.train(
        "CartPole-v1", config={"sinks": {"console": False}}, overrides=NO_STEPS, env_steps=96,
        runs_dir=tmp_path,
    )  # fmt: skip
    assert run.experiment.env_steps == 96 and run.summary["env_steps"] == 96


def contents(folder):
    files = (
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".sqlite-shm", ".sqlite-wal")
    )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_resuming_a_finished_run_returns_it_unchanged(run):
    before = contents(run.path)
    resumed = elsinore.resume(run.path)
    assert resumed.summary == run.summary
    assert contents(run.path) == before


def test_a_run_is_given_as_itself_as_its_folder_or_by_its_name(run, runs, tmp_path):
    for given in (run, run.path, str(run.path), run.name):
        where = {"runs_dir": runs}
        assert elsinore.resume(given, **where).path == run.path
        assert elsinore.doctor(given, **where) == elsinore.doctor(run)
        assert len(elsinore.query(given, **where)) > 0
        assert elsinore.play(given, tmp_path / "film.gif", **where) == tmp_path / "film.gif"


def test_tab_completion_offers_the_public_names_alone():
    offered = {name for name in dir(elsinore) if not name.startswith("_")}
    assert offered == {*elsinore.__all__, "toolkit"}


@pytest.mark.parametrize("named", ["errors.RunError", "toolkit.Wrapper", "types.TrainState"])
def test_a_module_that_docs_and_messages_name_needs_no_import_of_its_own(named):
    program = f"import sys, elsinore; print('jax' in sys.modules, elsinore.{named}.__name__)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == f"False {named.partition('.')[2]}\n", ran.stderr


def test_a_run_whose_folder_is_gone_still_has_a_repr(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    copied = elsinore.load(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")
    assert repr(copied) == f"Run('{tmp_path}/copy', no folder)"


def test_a_run_can_be_pickled_and_copied(run):
    assert run.plan is not None
    for again in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run)):
        assert (again.path, again.summary, again.experiment) == (
            run.path,
            run.summary,
            run.experiment,
        )
        assert again.policy().checkpoint == run.policy().checkpoint


def test_env_steps_may_be_a_whole_number_as_a_float(tmp_path):
    found = elsinore.train("CartPole-v1", env_steps=1e2, overrides=NO_STEPS, runs_dir=tmp_path)
    assert found.experiment.env_steps == 100
    with pytest.raises(elsinore.ConfigError, match="env_steps=100.5 must be a whole number"):
        elsinore.train("CartPole-v1", env_steps=100.5, runs_dir=tmp_path)


def test_training_and_drawing_use_nothing_deprecated(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = elsinore.train("CartPole-v1", overrides=TINY, runs_dir=tmp_path)
        run.plot(tmp_path / "curves.png")
        run.export("jax", tmp_path / "exported")


@pytest.mark.parametrize("ask", [elsinore.load, elsinore.resume])
def test_a_run_that_is_not_there_is_refused(ask, tmp_path):
    with pytest.raises(
        elsinore.ConfigError,
        match=r"is not a run \(no folder\); `elsinore runs --runs-dir .*` lists",
    ):
        ask(tmp_path / "nowhere", runs_dir=tmp_path)
    with pytest.raises(
        elsinore.ConfigError, match=r"is not a run \(a folder without config.yaml\)"
    ):
        ask(tmp_path, runs_dir=tmp_path)


# The same again, and another


def test_the_same_call_gives_the_same_run_bit_for_bit(run, again):
    second, _ = again
    assert second.summary["params_sha256"] == run.summary["params_sha256"]
    assert second.summary["eval_return"] == run.summary["eval_return"]
    assert second.metrics.equals(run.metrics)


@pytest.mark.slow
def test_another_seed_gives_another_run(run, other):
    assert other.summary["params_sha256"] != run.summary["params_sha256"]
    assert other.summary["first_seed"] == 1
    mine, its = (r.metrics.query("seed == 1").reset_index(drop=True) for r in (run, other))
    assert mine.equals(its)  # seed 1 is the same run, whichever runs beside it


def test_a_log_is_whole_whatever_was_logged_before_it_was_opened(other):
    logged = (other.path / "logs" / "train.log").read_text()
    assert "seeds           2 (1 to 2)" in logged
    assert "compiled in " in logged


def test_a_run_that_is_given_no_name_gets_one(again):
    assert again[0].name.startswith("CartPole-v1-ppo-20")


def test_a_runs_folder_may_be_given_from_where_one_stands(run, runs, monkeypatch):
    monkeypatch.chdir(runs.parent)
    near = elsinore.train("CartPole-v1", seeds=2, overrides=SMALL, runs_dir="runs", name="near")
    assert near.summary["params_sha256"] == run.summary["params_sha256"]
    assert elsinore.load("near").checkpoint("latest").name == "latest/0000000015"


# Callbacks


def test_a_callback_gets_every_chunk_in_order(again, run):
    _, records = again
    assert [record.update for record in records] == [5, 10, 15]
    assert [record.env_steps for record in records] == [5 * 256, 10 * 256, 15 * 256]
    logged = [tuple(row) for record in records for row in record.rows]
    assert len(logged) == len(run.metrics)
    assert all(record.steps_per_second > 0 and record.seconds > 0 for record in records)


def test_a_callback_that_raises_never_stops_training_and_is_warned_of_once(again):
    second, _ = again
    assert second.summary["stopped_by"] == "budget"
    logged = [
        line
        for line in (second.path / "logs" / "train.log").read_text().splitlines()
        if "stumble" in line
    ]
    assert len(logged) == 1
    assert "WARNING callback stumble failed: RuntimeError: the ghost was not seen" in logged[0]
    assert "training continues" in logged[0]


# Custom envs and networks


def test_a_custom_env_can_be_trained_on_as_an_object_or_by_name(runs):
    by_object = elsinore.train(Wall(), overrides=TINY, runs_dir=runs, name="wall")
    by_name = elsinore.train(
        "tests.envs.broken_envs:Wall", overrides=TINY, runs_dir=runs, name="wall-by-name"
    )
    assert by_object.experiment == by_name.experiment
    assert by_object.summary["env"] == by_name.summary["env"] == "tests.envs.broken_envs:Wall"
    assert by_object.summary["params_sha256"] == by_name.summary["params_sha256"]
    assert by_object.policy()(np.zeros(2, np.float32)) in (0, 1, 2)


@pytest.mark.parametrize("env", [NotANumber(), "tests.envs.broken_envs:NotANumber"])
def test_an_env_that_fails_a_check_is_refused_before_anything_is_written(env, tmp_path):
    with pytest.raises(elsinore.ConfigError, match="fails the check 'float32'"):
        elsinore.train(env, overrides=TINY, runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


class OneLayer(nn.Module):
    """A custom network: one layer for everything."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        both = nn.Dense(self.num_outputs + 1, name="watch")(obs)
        return both[:-1], both[-1]


def test_a_network_of_ones_own_can_be_trained(runs):
    trained = elsinore.train(
        "CartPole-v1", overrides=TINY, network=OneLayer, runs_dir=runs, name="network"
    )
    assert trained.plan.num_parameters == 4 * 3 + 3
    obs = np.random.default_rng(5).normal(size=(4, 4)).astype(np.float32)
    loaded = elsinore.load(trained.path, network=OneLayer)
    for run in (trained, loaded):  # with its network, as evaluate
        assert run.play(runs / "film.gif").exists()
    with pytest.raises(elsinore.ConfigError, match="given a network or a curriculum as an object"):
        elsinore.load(trained.path).play(runs / "other.gif")
    np.testing.assert_array_equal(loaded.policy().value(obs), trained.policy().value(obs))


def test_a_network_of_ones_own_can_be_named(runs):
    named = TINY | {"algo.network.custom": f"{__name__}:OneLayer"}
    trained = elsinore.train("CartPole-v1", overrides=named, runs_dir=runs, name="named-network")
    assert elsinore.load(trained.path).plan.num_parameters == 4 * 3 + 3


class TooWide(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs + 1)(obs), nn.Dense(1)(obs)[0]


class Valueless(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs)(obs)


class ValueAsAList(nn.Module):
    """Its value has shape [1]: against a target of shape [batch] that would broadcast to [batch,
    batch]."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs)(obs), nn.Dense(1)(obs)


@pytest.mark.parametrize("network", [TooWide, Valueless, ValueAsAList])
def test_a_network_that_breaks_its_contract_is_refused_before_anything_is_written(
    network, tmp_path
):
    with pytest.raises(elsinore.ConfigError, match="network"):
        elsinore.train("CartPole-v1", overrides=TINY, network=network, runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_network_that_fails_is_named_by_the_argument_that_it_was_given_as(tmp_path):
    with pytest.raises(elsinore.ConfigError, match=r"^network='.* fails in \S*<lambda> "):
        elsinore.train("CartPole-v1", network=lambda n: n // 0, runs_dir=tmp_path)
    with pytest.raises(elsinore.ConfigError, match=r"^algo.network.custom='\S+:fails' fails in"):
        named = {"algo.network.custom": f"{__name__}:fails"}
        elsinore.train("CartPole-v1", overrides=named, runs_dir=tmp_path)


def fails(num_outputs):
    return num_outputs // 0


@pytest.mark.parametrize("env", [Wall, 3])
def test_what_is_no_env_is_refused(env, tmp_path):
    with pytest.raises(elsinore.ConfigError, match="env"):
        elsinore.train(env, overrides=TINY, runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_run_that_has_not_begun_has_no_metrics_and_no_policy(run, tmp_path):
    (tmp_path / "config.yaml").write_bytes((run.path / "config.yaml").read_bytes())
    unborn = elsinore.load(tmp_path)
    assert unborn.summary == {}
    assert repr(unborn).endswith("unfinished)")
    with pytest.raises(elsinore.ConfigError, match="has no checkpoint yet; it does not train"):
        unborn.policy()
    try:
        assert len(unborn.metrics) == 0
    except elsinore.ConfigError as refusal:
        assert str(tmp_path) in str(refusal)


def test_a_call_that_cannot_be_is_refused_before_anything_is_written(tmp_path):
    for mistake in (
        {"seeds": 0},
        {"algo": "pppo"},
        {"env": "Cartpole-v1"},
        {"overrides": {"algo.gama": 1}},
    ):
        with pytest.raises(elsinore.ConfigError):
            elsinore.train(**{"env": "CartPole-v1", "runs_dir": tmp_path / "runs"} | mistake)
    assert not (tmp_path / "runs").exists()


# A run in one program


def test_a_whole_run_is_one_compiled_program_with_the_same_result(run):
    from elsinore.runs.checkpoints.manifest import params_sha256
    from elsinore.training.layout import layout_for
    from elsinore.training.replicas import fetch

    layout = layout_for(2)
    states, reports = elsinore.train_compiled(run.plan.program, layout)
    assert reports.update.tolist() == [[5, 10, 15], [5, 10, 15]]
    assert params_sha256(fetch(states.train.learner.params, layout)) == run.summary["params_sha256"]


# Signals

LONG = SMALL | {"env_steps": 400_000, "evaluation.period": 20, "algo.num_epochs": 4}


def started(folder, *argv):
    settings = [
        part for name, value in LONG.items() for part in ("--set", f"{name}={json.dumps(value)}")
    ]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "elsinore.cli",
            "train",
            *argv,
            *(settings if "--resume" not in argv else []),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


def chunks_done(database):
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        ) as connection:
            return connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on_to_the_very_same_end(runs, tmp_path, number):
    run_path = tmp_path / "runs" / "watch"
    process = started(
        tmp_path,
        "CartPole-v1",
        "--seeds",
        "2",
        "--name",
        "watch",
        "--runs-dir",
        str(run_path.parent),
    )
    try:
        deadline = time.monotonic() + 200
        while chunks_done(run_path / "metrics.sqlite") < 2 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "elsinore train --resume runs/watch" in err
    interrupted = elsinore.load(run_path)
    assert interrupted.summary["stopped_by"] == "interrupted"
    assert 0 < interrupted.summary["env_steps"] < LONG["env_steps"] // 256 * 256
    assert interrupted.checkpoint("latest").kind == "emergency"

    resumed = started(tmp_path, "--resume", str(run_path))
    out, err = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, err
    name = f"uninterrupted-{number.name}"
    whole = elsinore.train("CartPole-v1", seeds=2, overrides=LONG, runs_dir=runs, name=name)
    finished = elsinore.load(run_path)
    assert finished.summary["stopped_by"] == "budget"
    assert finished.summary["params_sha256"] == whole.summary["params_sha256"]
    assert finished.summary["eval_return"] == whole.summary["eval_return"]
    assert finished.metrics.equals(whole.metrics)


@pytest.mark.parametrize(
    ("configured", "in_environment", "after"), [(1.0, None, 0.1), (1.0, "1", 1.0), (3.0, None, 3.0)]
)
def test_short_compilations_are_kept_in_a_cache_folder_that_the_user_names(
    monkeypatch, configured, in_environment, after
):
    name = "jax_persistent_cache_min_compile_time_secs"
    before, folder = getattr(jax.config, name), jax.config.jax_compilation_cache_dir
    monkeypatch.delenv(name.upper(), raising=False)
    if in_environment is not None:
        monkeypatch.setenv(name.upper(), in_environment)
    assert folder is not None
    try:
        jax.config.update(name, configured)
        preparation.prepare()
        assert getattr(jax.config, name) == after
        assert jax.config.jax_compilation_cache_dir == folder
    finally:
        jax.config.update(name, before)
