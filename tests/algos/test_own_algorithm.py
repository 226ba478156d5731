"""An algorithm is one function, known by a name or by where it is; ours are no exceptions."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.algos.registry import ALGORITHMS, algorithm, config_type, steps_per_update
from elsinore.checks.algorithm import check_algorithm
from elsinore.config.load import load_experiment
from elsinore.config.parse import as_dict, build_algo
from elsinore.config.plan import plan_for
from elsinore.config.presets import PRESETS, algorithm_behind
from elsinore.errors import ConfigError, RepeatedError, RunError
from elsinore.runs.loop import refuse_miscounted
from elsinore.runs.session import _remedies
from elsinore.runs.sinks.mlflow_names import model_name
from elsinore.training.schedule import Schedule
from tests.algos import own_algorithms
from tests.algos.own_algorithms import Settings

ROOT = Path(__file__).resolve().parents[2]
OWN = "tests.algos.own_algorithms"


# A name is one thing


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_known_name_is_a_function_and_the_settings_it_is_annotated_with(name):
    function = algorithm(name)
    assert f"{function.__module__}:{function.__name__}" == ALGORITHMS[name]
    assert config_type(name) is function.__annotations__["config"]
    assert build_algo(name).name == name


def test_a_preset_is_of_a_known_algorithm():
    assert {algorithm_behind(name.split("/", 1)[0]) for name in PRESETS} <= set(ALGORITHMS)


def test_asking_for_one_algorithm_imports_no_other():
    program = (
        "import sys, elsinore.algos.registry as a; heavy = {'flax', 'optax'} & set(sys.modules);"
        " a.algorithm('ppo');print(heavy, sorted(m for m in sys.modules if m in"
        " {f'elsinore.algos.{n}' for n in a.ALGORITHMS}))"
    )
    message = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert message.stdout == "set() ['elsinore.algos.ppo']\n"


def test_settings_of_ones_own_go_by_where_their_algorithm_is():
    config = build_algo({"name": f"{OWN}:sound", "boldness": 0.25, "layers": [4, 4]})
    assert isinstance(config, Settings)
    assert (config.name, config.boldness, config.layers, config.doubled) == (
        f"{OWN}:sound",
        0.25,
        (4, 4),
        0.5,
    )
    assert config == build_algo({"name": f"{OWN}:sound", "boldness": 0.25, "layers": [4, 4]})
    assert dataclasses.replace(config, boldness=1.0).name == f"{OWN}:sound"
    assert repr(config).startswith("Settings(num_envs=2, ")


def test_settings_that_have_a_name_of_their_own_go_by_where_their_algorithm_is_all_the_same():
    assert build_algo(f"{OWN}:named").name == f"{OWN}:named"
    assert build_algo(f"{OWN}:slotted").name == f"{OWN}:slotted"
    assert own_algorithms.Named().name == "whatever it likes"


def test_two_algorithms_may_share_their_settings():
    assert build_algo(f"{OWN}:sound").name != build_algo(f"{OWN}:refuses").name
    assert build_algo(f"{OWN}:sound") != build_algo(f"{OWN}:refuses")


def test_settings_made_from_others_are_not_written():
    assert as_dict(build_algo(f"{OWN}:sound")) == {
        "num_envs": 2,
        "rollout_length": 3,
        "boldness": 0.5,
        "layers": [8],
        "weights": {},
        "name": f"{OWN}:sound",
    }


# The contract


def refusal(name, **settings):
    """What an algorithm of someone else's is refused with, by the time it is planned."""
    with pytest.raises(ConfigError) as caught:
        own = {f"algo.{key}": value for key, value in settings.items()}
        plan_for(load_experiment("CartPole-v1", f"{OWN}:{name}", overrides=own))
    return str(caught.value)


CALLED = "(config, env, env_params, num_updates, network)"
BROKEN = {
    "nowhere": (
        "cannot be imported: module 'tests.algos.own_algorithms' has no attribute 'nowhere'",
        "'module:name'",
    ),
    "number": ("is of type int; it must be a function of", CALLED),
    "partial": ("is of type partial; it must be a function of", CALLED),
    "Settings": ("is of type type; it must be a function of", CALLED),
    "of_nothing": ("takes (); it must be called with", CALLED),
    "without_network": (
        "takes (config: tests.algos.own_algorithms.Settings, env, env_params, num_updates)",
        CALLED,
    ),
    "bare": (
        "its parameter config has no annotation",
        "annotate it with the frozen dataclass of its settings",
    ),
    "of_a_dict": ("its parameter config is annotated with dict, no dataclass", "annotate it with"),
    "perhaps": ("no dataclass", "annotate it with"),
    "of_an_instance": ("is annotated with Settings(num_envs=2, ", "annotate it with"),
    "unreadable": ("its annotations cannot be read: name 'NoSuchType' is not defined", "."),
    "unreadable_settings": (
        "the annotations of Unreadable cannot be read: name 'NoSuchType' is not defined",
        ".",
    ),
    "changeable": ("Changeable can be changed", "write @dataclass(frozen=True"),
    "unfinished": ("algo.num_envs has no default", "give it a value"),
    "endless": ("Endless has no rollout_length", "Add the fields, or a property steps_per_update"),
    "of_another_kind": (
        "algo.ghosts=frozenset() cannot be written to a config file",
        "use numbers, text",
    ),
    "with_a_function": (
        "algo.activation=<ufunc 'tanh'> cannot be written to a config file",
        "use numbers, text",
    ),
    "with_an_array": (
        "algo.weights=array([1., 1.]) cannot be written to a config file",
        "use numbers, text",
    ),
    "with_a_list": ("is not the same once written and read again", "use plain values"),
    "returns_nothing": ("returned NoneType", "return an elsinore.types.Algorithm"),
    "returns_functions": ("returned tuple", "return an elsinore.types.Algorithm"),
    "miscounts": ("its Algorithm has steps_per_update=2 and its config 6", "make them agree"),
    "refuses": ("boldness=0.5 is too little for CartPole; give more.", ""),
}


@pytest.mark.parametrize(
    ("name", "message", "remedy"), [(n, *said) for n, said in BROKEN.items()], ids=BROKEN
)
def test_what_breaks_the_contract_is_refused_with_what_and_a_remedy(name, message, remedy):
    said = refusal(name)
    assert message in said
    assert remedy in said
    assert "\n" not in said


BROKEN_ONES = "tests.checks.broken_algorithms"
BROKEN_WHERE_TRACED = {
    "steps_as_a_float": ("has steps_per_update=32.0", "it must be a whole number: int(32)."),
    "without_init": ("its init is of type NoneType", "it must be a function."),
    "init_of_a_dict": ("its init gives a dict", "give an elsinore.types.TrainState."),
    "without_params": ("its TrainState's learner is a tuple without params", "a field params."),
    "only_a_state": (
        "its update gives a TrainState",
        "give (TrainState, a dict of metrics by name).",
    ),
    "bare_metrics": ("'loss/value' is float32[]", "Mean of two scalars: Mean.of(value)"),
    "vector_metric": ("'loss/value' is a Mean of float32[3] and float32[]", "Mean.of(value)."),
    "blank_name": ("a metric of the name ' '", "it must be 1 to 250 printable characters"),
    "two_lines": (
        r"a metric of the name 'loss\nvalue'",
        "it must be 1 to 250 printable characters",
    ),
    "a_number_for_a_name": ("a metric of the name 3", "it must be 1 to 250 printable characters"),
    "name_of_an_evaluation": (
        "its metric 'eval/return' is one of the run itself",
        "give it another name.",
    ),
    "without_act": ("its policy.act is of type NoneType", "it must be a function."),
    "uncounted": ("its update counts no update", "give state._replace(update=state.update + 1"),
    "action_between_two": ("an action of float32[]", "the env has whole numbers of shape []."),
    "action_of_two_numbers": ("an action of int32[2]", "the env has whole numbers of shape []."),
    "only_an_action": ("its policy.act gives int32[]", "give (action, carry)."),
    "action_of_text": ("an action that is a str", "the env has whole numbers of shape []."),
    "action_without_greedy": (
        "its policy.act takes (key, policy_state, carry, obs)",
        "it must be called with (key, policy_state, carry, obs, greedy).",
    ),
    "value_of_text": ("its policy.value is of type str", "it must be a function."),
    "value_of_a_state": ("its policy.value takes (policy_state)", "(policy_state, carry, obs)."),
    "value_of_three": ("its policy.value gives float32[3]", "give one number, of shape []."),
    "without_policy": ("its policy is None", "give an elsinore.types.PolicyFunctions(act)."),
    "text_in_hyper": ("its hyper.gamma is a str", "give arrays and numbers only."),
    "text_in_state": ("a state.stats that is a str", "a state is of arrays and numbers only."),
    "without_actor": ("its TrainState's actor is None", "such as toolkit.init_actor("),
    "without_hyper": ("a state.hyper other than the hyper that it is given", "keep those."),
    "constant_hyper": ("its init gives a constant as state.hyper.gamma", "argument hyper."),
    "key_as_numbers": ("a state.key that is uint32[2]", "give the key that it is given."),
    "without_a_count": ("a state.update that is None", "begin with jnp.int32(0)."),
    "growing": ("state.learner.params['more'] is new", "give it back as it was"),
    "shrinking": ("state.learner.params['logits'] is missing", "give it back as it was"),
    "of_another_kind": ("state.learner is a Learner before and a dict after", "give it back"),
    "other_type": ("state.update is int32[] before and float32[] after", "give it back as it was"),
    "growing_carry": ("carry is float32[2] before and float32[3] after", "like initial_carry."),
    "without_metrics": ("its update gives no metrics", "give those of toolkit.rollout"),
    "text_in_metric": ("'loss/value' is a Mean of a str and float32[]", "Mean.of(value)."),
    "name_of_the_agents": ("its metric 'per agent' is one of the run", "give it another name."),
    "name_of_a_column": ("its metric 'seed' is one of the run itself", "give it another name."),
}


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [(n, *said) for n, said in BROKEN_WHERE_TRACED.items()],
    ids=BROKEN_WHERE_TRACED,
)
def test_functions_that_break_the_contract_are_refused_before_compiling(name, message, remedy):
    broken = f"{BROKEN_ONES}:{name}"
    with pytest.raises(ConfigError) as caught:
        plan_for(load_experiment("CartPole-v1", broken)).trace()
    said = str(caught.value)
    assert said.startswith(f"algo={broken!r}: ")
    assert message in said
    assert remedy in said


@pytest.mark.parametrize(("counted", "ends"), [(4, False), (8, True), (0, True)])
def test_a_run_ends_where_an_algorithm_counts_other_updates(counted, ends):
    schedule = Schedule(num_updates=12, updates_per_chunk=4)
    experiment = SimpleNamespace(algo=SimpleNamespace(name="my:own"))
    plan: Any = SimpleNamespace(schedule=schedule, experiment=experiment)
    report = SimpleNamespace(update=np.array([counted, 1]), learning=np.array([True, False]))
    chunk: Any = SimpleNamespace(index=0, report=report)  # the other seed is frozen since update 1
    said = f"its state.update is {counted} after 4 updates; begin with jnp.int32"
    with pytest.raises(RepeatedError, match=re.escape(said)) if ends else nullcontext():
        refuse_miscounted(plan, chunk)


@pytest.mark.parametrize(("error", "resumes"), [(RunError, True), (RepeatedError, False)])
def test_a_run_says_how_it_is_resumed_unless_that_fails_again(error, resumes, tmp_path, caplog):
    database = tmp_path / "metrics.sqlite"
    folder: Any = SimpleNamespace(path=tmp_path, database=database, refuse_if_gone=lambda: None)
    memory = SimpleNamespace(large_settings="")
    plan: Any = SimpleNamespace(custom_code={}, memory=memory, given=())
    with pytest.raises(error), _remedies(folder, plan, of_a_sweep=False):
        raise error("...")
    assert ("resume with" in caplog.text) == resumes


def test_the_arguments_of_act_may_have_other_names():
    plan_for(load_experiment("CartPole-v1", f"{BROKEN_ONES}:act_of_other_names")).trace()


def test_settings_of_ones_own_are_refused_like_ours():
    assert (
        refusal("sound", boldnes=1)
        == "algo.boldnes is not a setting; did you mean 'algo.boldness'?"
    )
    assert refusal("sound", boldness="much") == "algo.boldness='much' must be a number."
    assert refusal("sound", boldness=2) == "algo.boldness=2.0 is folly; keep to 1."
    assert (
        refusal("of_another_kind", ghosts=[1])
        == "algo.ghosts is annotated with set[int], which no setting can be; use bool, int, float,"
        " str, tuple[...], dict, a dataclass, or one of these | None."
    )


# Env steps of an update


def test_an_update_takes_a_step_of_every_env_for_each_of_the_rollout():
    assert steps_per_update(build_algo({"name": "ppo", "num_envs": 8, "rollout_length": 16})) == 128
    assert steps_per_update(build_algo(f"{OWN}:sound")) == 6


def test_settings_may_say_themselves_how_many_steps_an_update_takes():
    plan = plan_for(load_experiment("CartPole-v1", f"{OWN}:counted", overrides={"env_steps": 100}))
    assert (plan.steps_per_update, plan.schedule.num_updates, plan.env_steps) == (12, 8, 96)


@pytest.mark.parametrize(("squads", "steps"), [(0, "0"), (-1, "-4")])
def test_an_update_of_no_steps_is_refused(squads, steps):
    assert (
        refusal("counted", squads=squads)
        == f"algo='{OWN}:counted': an update of {steps} env steps cannot be; it must be 1 or more."
    )


def test_what_is_too_short_for_an_update_is_refused_by_what_makes_it_long():
    def said(name):
        with pytest.raises(ConfigError) as caught:
            plan_for(load_experiment("CartPole-v1", f"{OWN}:{name}", overrides={"env_steps": 5}))
        return str(caught.value)

    assert said("sound").endswith(
        "one update of 6 steps (algo.num_envs=2 x algo.rollout_length=3); raise it."
    )
    assert said("counted").endswith(
        f"one update of 12 steps (the env steps of an update of algo='{OWN}:counted'); raise it."
    )


# The example in the documentation

PAGE = (ROOT / "docs" / "extending.md").read_text()
EXAMPLE = (ROOT / "docs" / "reinforce.py").read_text()
REINFORCE = {
    "env_steps": 40_000,
    "algo.num_envs": 8,
    "algo.rollout_length": 50,
    "algo.learning_rate": 0.01,
    "algo.network.hidden": [16],
    "evaluation.episodes": 16,
    "evaluation.final_episodes": 32,
    "evaluation.period": 20,
    "checkpoints.interval_seconds": 0,
    "convergence.enabled": False,
    "sinks.console": False,
    "sinks.tensorboard": False,
    "sinks.mlflow.enabled": False,
}


def test_the_page_shows_the_example_that_is_tested_here():
    assert EXAMPLE.strip() in [
        block.strip() for block in re.findall(r"```python\n(.*?)```", PAGE, re.S)
    ]
    assert len(EXAMPLE.splitlines()) < 80


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the page's env and algorithm in it, on the Python path; runs are made in
    it."""
    folder = tmp_path_factory.mktemp("desk")
    blocks = re.findall(r"```python\n(# my_world\.py.*?)```", PAGE, re.S)
    (folder / "my_world.py").write_text(blocks[0])
    (folder / "reinforce.py").write_text(EXAMPLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
    for module in ("my_world", "reinforce"):
        sys.modules.pop(module, None)


def train(desk, name, callbacks=()):
    return elsinore.train(
        "my_world:Rampart",
        "reinforce:reinforce",
        seeds=2,
        overrides=REINFORCE,
        name=name,
        runs_dir=desk / "runs",
        callbacks=callbacks,
        grace=600.0,  # also where a loaded machine compiles for long
    )


@pytest.fixture(scope="module")
def whole(desk):
    return train(desk, "whole")


def test_the_example_learns_to_keep_watch_by_the_fire(whole):
    first = (
        whole.metrics.query("name == 'episode/length'")
        .sort_values("update")
        .groupby("seed")
        .first()["value"]
    )
    assert (first < 40).all()
    assert min(whole.summary["eval_return"]["per_seed"]) > 49
    assert whole.summary["algo"] == "reinforce:reinforce"


def test_the_examples_policy_can_be_asked_and_shipped(whole):
    obs = [[0, 0, 0, 1, 0, 0, 0, 1.0]] * 3
    assert whole.policy()(obs).shape == (3,)
    assert (whole.path / "policy" / "policy.jaxexport").is_file()
    with pytest.raises(ValueError, match="estimates no value"):
        whole.policy().value(obs)


def test_the_example_interrupted_and_resumed_comes_to_the_very_same_end(desk, whole):
    def ask(record):
        if record.update == 40:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = train(desk, "stopped", [ask])
    assert stopped.summary["stopped_by"] == "interrupted"
    resumed = elsinore.resume(stopped.path)
    assert resumed.experiment == whole.experiment
    assert resumed.summary["params_sha256"] == whole.summary["params_sha256"]
    assert resumed.metrics.equals(whole.metrics)


def test_the_examples_numbers_may_vary_within_one_program(desk):
    vary = {"vary": {"algo.gamma": [0.9, 0.8]}}
    plan = plan_for(load_experiment("my_world:Rampart", "reinforce:reinforce", overrides=vary))
    assert plan.hyper.gamma.tolist() == pytest.approx([0.9, 0.8])


def test_the_example_refuses_a_network_that_remembers(desk):
    with pytest.raises(ConfigError, match=r"^network\.gru=8 makes a recurrent network"):
        plan_for(
            load_experiment("CartPole-v1", "reinforce:reinforce", overrides={"algo.network.gru": 8})
        )


def elsinore_in(folder, *argv):
    """The command line, in a process of its own."""
    command = [sys.executable, "-m", "elsinore.cli", *argv]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)


def test_another_process_in_the_same_folder_evaluates_the_run(desk, whole):
    done = elsinore_in(desk, "evaluate", "whole", "--episodes", "8")
    assert done.returncode == 0, done.stderr
    assert "seed 0:     50.0" in done.stdout


def test_another_process_elsewhere_says_what_it_misses(tmp_path, whole):
    done = elsinore_in(tmp_path, "evaluate", str(whole.path))
    assert done.returncode == 2
    assert (
        "algo='reinforce:reinforce' cannot be imported: No module named 'reinforce'." in done.stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "printed"),
    [(("export", "--format", "json", "-o", "all.json"), "exported: "), (("checkpoints",), "best/")],
)
def test_another_process_elsewhere_reads_the_metrics_and_lists_the_checkpoints(
    tmp_path, whole, command, printed
):
    done = elsinore_in(tmp_path, command[0], str(whole.path), *command[1:])
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout
    if command[0] == "export":
        written = json.loads((tmp_path / "all.json").read_text())
        assert written["config"]["algo"] == as_dict(whole.experiment)["algo"]


def test_the_command_line_trains_it_and_names_the_run_after_it(desk, capsys):
    settings = [
        word
        for name, value in (REINFORCE | {"env_steps": 8_000}).items()
        for word in ("--set", f"{name}={str(value).lower()}")
    ]
    runs = str(desk / "message")
    code = cli.main(
        [
            "train",
            "my_world:Rampart",
            "--algo",
            "reinforce:reinforce",
            "--runs-dir",
            runs,
            "--no-check",
            "--seeds",
            "2",
            *settings,
        ]
    )
    assert code == 0
    assert (
        "reinforce:reinforce on my_world:Rampart: finished after 8,000 env steps a seed"
        in capsys.readouterr().out
    )
    (run,) = (desk / "message").iterdir()
    assert re.fullmatch(r"my_world-Rampart-reinforce-reinforce-\d{8}-\d{6}", run.name)


def test_a_registered_model_is_named_after_it_as_mlflow_allows():
    assert model_name("my.module:mine", "CartPole-v1") == "elsinore-my.module.mine-CartPole-v1"
    assert model_name("ppo", "my_world:Rampart") == "elsinore-ppo-my_world.Rampart"


@pytest.mark.slow
def test_the_example_passes_every_check(desk):
    broken = [v for v in check_algorithm(algorithm("reinforce:reinforce")) if not v.passed]
    assert not broken
