"""What `elsinore train Hamlet-classic4 --seeds 8` comes to: lives that last the whole day, with
every seed."""

import pytest

import elsinore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
QUIET = {"sinks.console": False, "sinks.tensorboard": False, "sinks.mlflow.enabled": False}


@pytest.mark.parametrize("world", ["classic4", "base6"])
def test_every_seed_lives_the_whole_day_and_well(world, tmp_path):
    run = elsinore.train(f"Hamlet-{world}", seeds=8, runs_dir=tmp_path, overrides=QUIET)
    assert all(run.summary["converged"])
    # of 500; a scripted life has 500 and 478
    assert min(run.summary["eval_return"]["per_seed"]) >= 490.0
    lengths = (
        run.metrics.query("name == 'eval/length'")
        .sort_values("update")
        .groupby("seed")
        .value.last()
    )
    assert (lengths == 500.0).all() and len(lengths) == 8


def test_every_seed_lives_longer_in_the_town_than_was_hoped_for(tmp_path):
    """A step pays at most 1, so a life is at least as long as it earns."""
    run = elsinore.train("Hamlet-L1", seeds=2, runs_dir=tmp_path, overrides=QUIET)
    assert min(run.summary["eval_return"]["per_seed"]) >= 350.0  # of 500; a scripted life has 435
