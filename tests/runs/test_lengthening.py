"""A run goes on with another budget: with constant schedules it comes to what a run of that budget
comes to."""

import contextlib
import json
import random
import shutil
from pathlib import Path

import flax.linen as nn
import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.algos.dqn import DQNConfig
from elsinore.config.load import load_experiment
from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ElsinoreError
from elsinore.runs.lineage import lengthen
from elsinore.runs.lineage.moved_schedules import moved_schedules, schedules_of
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store
from elsinore.runs.summary import final_return
from tests.runs.conftest import TINY, assert_same_run, chunk_ends, learnt, rows_in, train_tiny
from tests.runs.learners import LEARNERS
from tests.runs.processes import beginning, command, finish, kill, start, until_trained_on

CONSTANT = {
    "algo.learning_rate_final": None,
    "algo.epsilon": 0.1,
    "algo.epsilon_final": 0.1,
    "algo.prioritized": False,
    "algo.clip_eps_final": None,
    "algo.ent_coef_final": None,
}
ALGORITHMS = {
    "ppo": "ppo that wonders",
    "ppo of shards": "ppo of shards",
    "a2c": "a2c",
    "dqn": "dqn by small steps",
    "pqn": "pqn",
    "sac": "sac with everything",
    "td3": "td3",
    "sac_discrete": "sac of n actions",
    "rainbow": "rainbow",
    "dqn with a memory": "dqn with a memory",
    "pqn with a memory": "pqn with a memory",
}
CHUNKS = 4  # before a run is lengthened


def constant(name: str, chunks: int) -> tuple[str, dict]:
    """The env, and the settings of so many chunks without a schedule that depends on the end."""
    learner = LEARNERS[ALGORITHMS[name]]
    settings = learner.overrides
    config = elsinore.algos.registry.config_type(settings["algo.name"])
    known = {f"algo.{field}" for field in config.__dataclass_fields__}
    settings |= {k: v for k, v in CONSTANT.items() if k in known}
    per_chunk = learner.settings["env_steps"] * learner.settings["evaluation.period"]
    return learner.env, settings | {"env_steps": per_chunk * chunks}


def events_of(path: Path, kind: str) -> list[tuple[int, str]]:
    store = Store(path / "metrics.sqlite", read_only=True)
    try:
        query = "SELECT update_, text FROM events WHERE kind = ?"
        return store._db.execute(query, (kind,)).fetchall()
    finally:
        store.close()


def trained(runs_dir: Path, name: str, settings: dict, env: str):
    return elsinore.train(env, overrides=settings, seeds=2, name=name, runs_dir=runs_dir)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "a2c" else pytest.mark.slow) for name in ALGORITHMS],
)
def test_a_run_lengthened_to_twice_its_budget_is_the_run_of_twice_the_budget(name, tmp_path):
    env, twice = constant(name, 2 * CHUNKS)
    whole = trained(tmp_path, "whole", twice, env)
    run = trained(tmp_path, "longer", constant(name, CHUNKS)[1], env)
    once, rows = run.summary, rows_in(run.path)
    assert once["env_steps"] == twice["env_steps"] // 2
    longer = elsinore.resume(run.path, env_steps=twice["env_steps"])
    assert longer.summary["params_sha256"] != once["params_sha256"]
    assert_same_run(run.path, whole.path)
    assert rows_in(run.path)[: len(rows)] == rows  # what was logged stays
    config = read_yaml(run.path / "config.yaml")
    assert config["env_steps"] == twice["env_steps"]
    assert config["earlier_env_steps"] == [once["env_steps"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_lengthened_run_killed_on_the_way_is_the_run_of_twice_the_budget(name, tmp_path):
    env, twice = constant(name, 2 * CHUNKS * 4)
    whole = trained(tmp_path, "whole", twice, env)
    path, period = tmp_path / "longer", twice["evaluation.period"]
    finish(beginning(tmp_path, "longer", constant(name, CHUNKS * 4)[1], env))
    longer = command("--resume", str(path), "--env-steps", str(twice["env_steps"]))
    chunks = random.Random(name).randint(1, 6)
    process = start(longer, held=CHUNKS * 4 + chunks + 4)
    try:
        assert until_trained_on(path, period * chunks, process)
    finally:
        assert kill(process), "it ended before it was killed"
    assert not (path / "summary.json").exists()
    elsinore.resume(path)
    assert_same_run(path, whole.path)


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Path:
    """A tiny run with a learning rate that falls to 0 at its end."""
    folder = tmp_path_factory.mktemp("short")
    return train_tiny(folder, "short", {"env_steps": 2560, "checkpoints.interval_seconds": 0}).path


@pytest.fixture
def path(short, tmp_path) -> Path:
    shutil.copytree(short, tmp_path / "short")
    return tmp_path / "short"


def test_a_schedule_goes_on_as_in_a_run_of_the_new_length_and_says_so(path, capsys):
    before = json.loads((path / "summary.json").read_text())["eval_return"]["mean"]
    assert cli.main(["train", "--resume", str(path), "--set", "env_steps=5120"]) == 0
    printed = "".join(capsys.readouterr())
    assert "5,120 env steps" in printed and "after 5,120 env steps a seed" in printed
    ((update, text),) = events_of(path, "lengthened")
    assert update == 20
    assert text == (
        "budget: 2,560 -> 5,120 env steps a seed; algo.learning_rate was 0; it continues at 0.0005"
        " towards 0, as in a run of the new length; final evaluation until now: mean return"
        f" {before:.6g}"
    )
    assert text.split(";")[1].strip() in (path / "logs" / "train.log").read_text().replace("\n", "")
    rates = elsinore.load(path).metrics.query("name == 'schedule/learning_rate' and seed == 0")
    by_update = dict(zip(rates["update"], rates["value"], strict=True))
    assert by_update[20] < 1e-4 < 4e-4 < by_update[22] < 5e-4
    assert elsinore.load(path).state("latest").train.hyper.num_updates.tolist() == [40.0, 40.0]


@elsinore.acting
def slower_from_the_second_chunk_on(record, history):
    if len(history["eval/return"]) == 2:
        return elsinore.Action.set("algo.learning_rate", 2e-4)


MEMBERS = {"vary": {"algo.learning_rate": [1e-3, 1e-4]}}
ANN_AND_BOB = {"agents": [{"id": "ann"}, {"id": "bob", "learning_rate": 1e-2}]}
MOVED = {  # where the learning rates of a run are not the config's, their values when it goes on
    "members": ("CartPole-v1", MEMBERS, "5e-05 to 0.0005"),
    "agents": ("Hamlet-L0_0", ANN_AND_BOB | {"algo.learning_rate": 1e-3}, "0.0005 to 0.005"),
    "callbacks": ("CartPole-v1", {}, "0.0001"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", MOVED)
def test_a_schedule_is_said_to_go_on_as_the_members_agents_and_callbacks_have_it(
    case, tmp_path, monkeypatch
):
    from elsinore.runs import session

    def killed(*_):
        raise KeyboardInterrupt

    env, overrides, then = MOVED[case]
    settings = TINY | {"env_steps": 1024, "algo.learning_rate_final": 0.0} | overrides
    callbacks = [slower_from_the_second_chunk_on] if case == "callbacks" else []
    run = elsinore.train(env, overrides=settings, runs_dir=tmp_path, callbacks=callbacks)
    mean = final_return(run.summary, "mean")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(session, "_compiled", killed)
        elsinore.resume(run.path, env_steps=2048)
    ((_, text),) = events_of(run.path, "lengthened")
    assert f"algo.learning_rate was 0; it continues at {then} towards 0, as in" in text
    whose = " of the best member" if case == "members" else ""
    assert text.endswith(f"mean return{whose} {mean:.6g}")


@pytest.mark.slow
def test_a_budget_that_is_no_whole_number_of_chunks_keeps_its_last_evaluation(tmp_path):
    constant = {"algo.learning_rate_final": None, "checkpoints.interval_seconds": 0}
    whole = train_tiny(tmp_path, "whole", constant | {"env_steps": 20 * 128})
    run = train_tiny(tmp_path, "odd", constant | {"env_steps": 10 * 128})
    assert [update for update, _ in chunk_ends(run.path)] == [4, 8, 10]
    longer = elsinore.resume(run.path, env_steps=20 * 128)
    assert [update for update, _ in chunk_ends(run.path)] == [4, 8, 10, 12, 16, 20]
    assert longer.summary["params_sha256"] == whole.summary["params_sha256"]
    evaluated = longer.metrics.query("name == 'eval/return'")["update"]
    assert sorted(set(evaluated)) == [4, 8, 10, 12, 16, 20]
    again = elsinore.resume(run.path, env_steps=24 * 128)
    assert again.experiment.earlier_env_steps == (1280, 2560)
    assert [update for update, _ in chunk_ends(run.path)] == [4, 8, 10, 12, 16, 20, 24]


@pytest.mark.slow
def test_a_period_that_is_automatic_stays_as_it_was(tmp_path):
    automatic = {"evaluation.period": 0, "algo.learning_rate_final": None}
    run = train_tiny(tmp_path, "auto", automatic | {"env_steps": 40 * 128})
    assert chunk_ends(run.path)[0][0] == 2
    elsinore.resume(run.path, env_steps=44 * 128)
    assert [update for update, _ in chunk_ends(run.path)] == list(range(2, 45, 2))


def test_a_run_that_is_killed_after_its_budget_changed_has_the_new_one(path, monkeypatch):
    from elsinore.runs import session

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(session, "_compiled", killed)
        elsinore.resume(path, env_steps=5120)
    assert not elsinore.load(path).summary
    assert elsinore.resume(path).summary["env_steps"] == 5120


def test_updates_are_a_budget_of_a_run_that_ends_by_env_steps(path):
    assert elsinore.resume(path, stop={"updates": 24}).summary["env_steps"] == 24 * 128


BY_EPISODES = {"algo.learning_rate_final": None, "stop.episodes": 20, "evaluation.period": 0}


@pytest.fixture(scope="module")
def until_20_episodes(tmp_path_factory) -> Path:
    settings = {name: value for name, value in TINY.items() if name != "env_steps"} | BY_EPISODES
    folder = tmp_path_factory.mktemp("episodes")
    return elsinore.train("CartPole-v1", overrides=settings, name="by_20", runs_dir=folder).path


def finished(path: Path) -> int:
    return int(elsinore.load(path).metrics.query("name == 'episode/count'")["value"].sum())


def test_a_run_that_ends_by_episodes_goes_on_to_more_of_them(until_20_episodes, tmp_path):
    path = tmp_path / "by_20"
    shutil.copytree(until_20_episodes, path)
    done, per_chunk = finished(path), chunk_ends(path)[0][0]
    more = 3 * done
    settings = TINY | BY_EPISODES | {"stop.episodes": more, "evaluation.period": per_chunk}
    del settings["env_steps"]
    whole = elsinore.train("CartPole-v1", overrides=settings, name="whole", runs_dir=tmp_path)
    assert cli.main(["train", "--resume", str(path), "--set", f"stop.episodes={more}"]) == 0
    assert finished(path) >= more
    run = elsinore.load(path)
    assert run.summary["params_sha256"] == whole.summary["params_sha256"]
    assert run.summary["stopped_by"] == "budget"
    assert chunk_ends(path) == chunk_ends(whole.path)
    ((_, text),) = events_of(path, "lengthened")
    assert text.startswith(f"budget: 20 -> {more:,} episodes of each seed; ")
    again = elsinore.resume(path, stop={"episodes": 2 * more})
    assert finished(path) >= 2 * more and again.experiment.stop.episodes == 2 * more


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "old"), [("episodes", 20), ("seconds", 0.001)])
def test_a_kill_before_the_new_budget_is_written_leaves_the_old_one(
    unit, old, tmp_path, monkeypatch
):
    settings = {name: value for name, value in TINY.items() if name != "env_steps"}
    settings |= {"algo.learning_rate_final": None, f"stop.{unit}": old, "evaluation.period": 2}
    run = elsinore.train("CartPole-v1", overrides=settings, name="run", runs_dir=tmp_path)
    once, rows = learnt(run.path), rows_in(run.path)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunDir, "rewrite", killed)
        elsinore.resume(run.path, stop={unit: 100_000})
    elsinore.resume(run.path)
    assert learnt(run.path) == once and rows_in(run.path) == rows


@pytest.mark.slow
@pytest.mark.parametrize("ends_before", ["unlink", "rewrite"])
def test_a_lengthening_that_was_killed_and_done_again_is_one_event(path, ends_before, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    owner = {"unlink": Path, "rewrite": RunDir}[ends_before]
    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(owner, ends_before, killed)
            elsinore.resume(path, env_steps=5120)
        ((_, text),) = events_of(path, "lengthened")
        assert text.startswith("budget: 2,560 -> 5,120 env steps a seed; ")
        assert "final evaluation until now" in text
    elsinore.resume(path, env_steps=5120)
    assert len(events_of(path, "lengthened")) == 1
    elsinore.resume(path, env_steps=7680)
    moves = [text.partition(" ->")[0] for _, text in events_of(path, "lengthened")]
    assert moves == ["budget: 2,560", "budget: 5,120"]


def test_a_run_that_ends_by_seconds_goes_on_for_more_of_them(tmp_path):
    settings = {name: value for name, value in TINY.items() if name != "env_steps"}
    settings |= {"algo.learning_rate_final": None, "stop.seconds": 0.001, "evaluation.period": 2}
    run = elsinore.train("CartPole-v1", overrides=settings, runs_dir=tmp_path)
    assert [update for update, _ in chunk_ends(run.path)] == [2]
    trained = sum(chunk[3] for chunk in chunks_of(run.path))
    longer = elsinore.resume(run.path, stop={"seconds": trained + 0.001})
    assert longer.summary["stopped_by"] == "budget" and longer.summary["updates"] > 2
    with pytest.raises(elsinore.ConfigError, match=r"stop.seconds=0.002 is not above the .* s of"):
        elsinore.resume(run.path, stop={"seconds": 0.002})


def chunks_of(path: Path) -> list[tuple]:
    with contextlib.closing(Store(path / "metrics.sqlite", read_only=True)) as store:
        return store.chunks()


UNITS_REFUSED = {
    "no more than are done": ({}, "is not above the "),
    "env steps": ({"env_steps": 5120}, "stop.env_steps=5120 is no budget of this run, which ends"),
    "seconds": ({"seconds": 5}, "stop.seconds=5 is no budget of this run, .*; give another stop"),
}


@pytest.mark.parametrize("case", UNITS_REFUSED)
def test_a_budget_of_another_unit_or_already_spent_is_refused(case, until_20_episodes):
    stop, reason = UNITS_REFUSED[case]
    stop = stop or {"episodes": max(21, finished(until_20_episodes))}
    before = (until_20_episodes / "config.yaml").read_bytes()
    with pytest.raises(elsinore.ConfigError, match=reason):
        elsinore.resume(until_20_episodes, stop=stop)
    assert (until_20_episodes / "config.yaml").read_bytes() == before


def test_the_budget_it_has_already_changes_nothing(path):
    before = learnt(path)
    assert elsinore.resume(path, env_steps=2560).summary == json.loads(
        (path / "summary.json").read_text()
    )
    assert learnt(path) == before and not events_of(path, "lengthened")


REFUSED = {
    "below what is done": (
        ["--env-steps", "1280"],
        "env_steps=1280 is below the 2,560 env steps that ",
    ),
    "no number": (["--env-steps", "many"], "env_steps='many' must be a "),
    "no whole number": (["--env-steps", "2560.5"], "env_steps=2560.5 must be a whole number"),
    "none": (["--env-steps", "0"], "env_steps=0 must be at least 1"),
    "two units": (
        ["--env-steps", "5120", "--set", "stop.updates=40"],
        "env_steps=5120 and stop.updates=40 are a budget in two units; give one of them.",
    ),
    "another unit": (
        ["--set", "stop.episodes=500"],
        "stop.episodes=500 is no budget of this run, which ends by env_steps=2560; give another"
        " env_steps.",
    ),
    "updates below what is done": (
        ["--set", "stop={updates: 10}"],
        "env_steps=1280 is below the 2,560 env steps that ",
    ),
    "another setting": (
        ["--env-steps", "5120", "--set", "algo.gamma=0.9"],
        "can be changed; algo.gamma cannot. Leave it out, or begin a new run with"
        " `elsinore train --from ",
    ),
    "other seeds": (["--seeds", "3"], "can be changed; seeds cannot"),
    "another run": (["--from", "other"], "can be changed; --from cannot"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_changed_is_refused_before_anything_is_written(case, path, capsys):
    argv, reason = REFUSED[case]
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file() and "sqlite" not in p.name}
    for plan in ([], ["--plan"]):
        assert cli.main(["train", "--resume", str(path), *argv, *plan]) == 2
        err = capsys.readouterr().err
        assert reason in err and err.count("\n") == 1
    assert {p: p.read_bytes() for p in before} == before


class Other(nn.Module):
    """A network with other parameters than the run's."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs)(obs), nn.Dense(1)(obs)[0]


def test_a_run_whose_network_is_another_is_refused_before_its_results_go(path):
    before = {name: (path / name).read_bytes() for name in ("summary.json", "config.yaml")}
    with pytest.raises(ElsinoreError, match="holds another state; .* needs it again"):
        elsinore.resume(path, env_steps=5120, network=Other)
    assert {name: (path / name).read_bytes() for name in before} == before


def test_the_plan_shows_the_new_budget_and_writes_nothing(path, capsys):
    assert cli.main(["train", "--resume", str(path), "--env-steps", "5120", "--plan"]) == 0
    assert "env steps       5,120 a seed" in capsys.readouterr().out
    assert read_yaml(path / "config.yaml")["env_steps"] == 2560


@pytest.mark.parametrize(
    ("how", "refusal"),
    [
        ("converged", r"frozen \(converged\).*--from .*enabled=false"),
        ("plateau", r"frozen \(plateau\).*--from .*enabled=false"),
        ("diverged", r"no seed has finite parameters \(diverged\).*lower algo.learning_rate"),
    ],
)
def test_a_run_whose_seeds_are_frozen_is_refused_with_a_remedy(path, how, refusal):
    summary = json.loads((path / "summary.json").read_text())
    (path / "summary.json").write_text(json.dumps(summary | {"stopped_by": how}))
    with pytest.raises(elsinore.ConfigError, match=refusal):
        elsinore.resume(path, env_steps=5120)


@pytest.mark.parametrize("vary", [{}, {"algo.gamma": [0.9, 0.99]}])
def test_the_doctor_is_named_for_what_it_examines(vary, tmp_path, monkeypatch):
    experiment = load_experiment("CartPole-v1", overrides=TINY | {"vary": vary})
    folder = RunDir.create(tmp_path, "diverged", experiment)
    folder.unlock()
    monkeypatch.setattr(lengthen, "read_summary", lambda path: {"stopped_by": "diverged"})
    with pytest.raises(
        elsinore.ConfigError, match=r"lower algo\.learning_rate.*, or begin"
    ) as error:
        lengthen.refuse_ended(folder, "env_steps=9")
    assert ("elsinore doctor" in str(error.value)) == (not vary)


def test_halving_is_refused_since_its_rungs_depend_on_the_budget(tmp_path):
    overrides = {"vary": {"algo.gamma": [0.9, 0.99]}, "population.halving": {"eta": 2, "rungs": 1}}
    run = elsinore.train(
        "CartPole-v1", overrides=TINY | overrides | {"env_steps": 1024}, runs_dir=tmp_path
    )
    with pytest.raises(elsinore.ConfigError, match=r"population\.halving"):
        elsinore.resume(run.path, env_steps=2048)


def test_a_lengthened_run_is_still_this_users(path):
    from elsinore.runs.trust.signature import is_own

    assert is_own(path / "config.yaml")
    elsinore.resume(path, env_steps=3072)
    assert is_own(path / "config.yaml")
    assert np.isfinite(elsinore.load(path).evaluate(2)).all()  # its older best checkpoint fits


def test_what_does_not_depend_on_the_end_of_a_run_is_not_said_to_move():
    annealed = DQNConfig(n_step=10, n_step_final=3, learning_rate_final=0.0)
    assert set(schedules_of(annealed)) == {"algo.epsilon", "algo.learning_rate"}
    assert "algo.epsilon" not in schedules_of(DQNConfig(noisy=True))
    assert "algo.epsilon" not in schedules_of(DQNConfig(epsilon_schedule="episodes"))


def test_a_schedule_that_takes_no_part_of_the_run_is_at_its_end():
    epsilon = (np.array([1.0]), np.array([0.1]), np.array([0.0]))
    with np.errstate(all="raise"):
        (line,) = moved_schedules({"algo.epsilon": epsilon}, 5, 10, 20)
    assert line.startswith("algo.epsilon was 0.1; it continues at 0.1 towards 0.1")
