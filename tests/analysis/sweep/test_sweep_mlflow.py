"""The runs of a sweep's trials in MLflow have each trial's newest result, once."""

from types import SimpleNamespace

import pytest

from elsinore.analysis.sweep.mlflow import log_to_mlflow
from elsinore.analysis.sweep.results import TrialResult, failed_trial
from elsinore.config.load import load_experiment
from elsinore.config.search import SweepTrial
from elsinore.runs.store.store import Store
from tests.runs.conftest import STEPS, record

TRIAL = TrialResult(
    0, "000", {"algo.gamma": 0.9}, "complete", 7.5, None, [7.0, 8.0], 8 * STEPS, [0, 1]
)
NO_BEST = {"best": None}


@pytest.fixture
def sweep(tmp_path, mlflow_uri):
    """A sweep of one trial of two seeds, of which one stops before the other, and its MLflow."""
    from mlflow import MlflowClient

    path = tmp_path / "search"
    (path / "groups" / "000").mkdir(parents=True)
    (path / "sweep.yaml").write_text("")
    store = Store(path / "groups" / "000" / "metrics.sqlite")
    store.describe(steps_per_update=STEPS)
    store.write(record(4))
    store.write(record(8, seeds=(1,)))
    store.close()
    absent = dict.fromkeys(["trials", "summary", "best", "coordinates", "importance"], path / "no")
    folder = SimpleNamespace(
        path=path, name="search", groups=path / "groups", config=path / "sweep.yaml", **absent
    )
    sinks = {"enabled": True, "tracking_uri": mlflow_uri, "experiment": tmp_path.name}
    experiment = load_experiment(overrides={f"sinks.mlflow.{k}": v for k, v in sinks.items()})
    config = SimpleNamespace(experiment=experiment, config=SimpleNamespace(sampler="grid"))
    client = MlflowClient(mlflow_uri)

    def trial():
        place = client.get_experiment_by_name(tmp_path.name).experiment_id
        (run,) = client.search_runs([place], "tags.`elsinore.part` = 'trial_0'")
        return run

    def logged(name):
        history = client.get_metric_history(trial().info.run_id, name)
        return [(metric.step, metric.value) for metric in history]

    def log(result):
        log_to_mlflow(folder, config, [result], NO_BEST)

    return SimpleNamespace(log=log, trial=trial, logged=logged, client=client)


def test_the_curve_of_a_trial_keeps_a_seed_that_has_stopped(sweep):
    sweep.log(TRIAL)
    assert sweep.logged("eval/return") == [(4 * STEPS, 5.0), (8 * STEPS, (4.5 + 9.5) / 2)]
    assert sweep.logged("score") == [(8 * STEPS, 7.5)]


def test_a_trial_whose_logging_was_cut_short_is_logged_once(sweep):
    sweep.log(TRIAL)
    before = sweep.logged("eval/return"), sweep.logged("score")
    sweep.client.update_run(sweep.trial().info.run_id, status="RUNNING")
    sweep.log(TRIAL)
    assert (sweep.logged("eval/return"), sweep.logged("score")) == before
    assert sweep.trial().info.status == "FINISHED"


def test_a_trial_that_failed_and_was_trained_again_has_its_new_result(sweep):
    sweep.log(failed_trial(SweepTrial(0, TRIAL.settings), "000"))
    assert sweep.trial().info.status == "FAILED"
    sweep.log(TRIAL)
    assert sweep.trial().info.status == "FINISHED"
    assert sweep.trial().data.tags["state"] == "complete"
    assert sweep.logged("score") == [(8 * STEPS, 7.5)]
