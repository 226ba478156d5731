"""docs/reference/metrics.md has every metric, and says of which algorithm it is."""

import re
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from elsinore.runs.metrics import evaluation_metrics
from elsinore.training.evaluation import Episodes
from tests.algos.trainees import KEY, PARAMS, VARIANTS, make
from tests.docs.snippets import ROOT
from tests.small_envs import Corridor

PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text()
OPTIONS = (
    "ppo",
    "ppo rnd",
    "a2c",
    "dqn",
    "dqn whole rainbow",
    "pqn",
    "sac",
    "sac fixed",
    "sac_discrete",
    "td3",
)
CONFIGS = {name: VARIANTS[name] for name in OPTIONS}
CONFIGS["ppo target_kl"] = replace(VARIANTS["ppo"], target_kl=0.02)
# metrics that are not of an update or an evaluation, but of the run around them
OF_RUNS = {
    "episode/count", "curriculum/stage", "curriculum/score", "self_play/pool", "population/parent",
    "imitation/loss", "imitation/agreement",
}  # fmt: skip


def rows() -> dict[str, list[str]]:
    """What the second column says of each metric on the page."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and (own := re.findall(r"`([a-z_]+/[A-Za-z_]+)`", cells[0])):
            names = own
        if len(cells) >= 2 and (names and (own or not cells[0])):
            for name in names:
                found.setdefault(name, []).append(cells[1])
    return found


ROWS = rows()


@cache
def metrics_of(name: str) -> set[str]:
    """The metrics of an update, by tracing it."""
    algo = make(CONFIGS[name], Corridor())

    def one_update(key):
        return algo.update(algo.init(key, PARAMS, algo.hyper))[1]

    return set(jax.eval_shape(one_update, KEY))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_metric_of_an_algorithm_is_on_the_page_under_its_name(name):
    algo = CONFIGS[name].name.upper()
    for metric in metrics_of(name):
        assert metric in ROWS, f"{metric} is not in docs/reference/metrics.md"
        if not metric.startswith(("episode/", "rnd/")):
            assert any(algo in who or who == "all" for who in ROWS[metric]), (metric, algo)


def test_every_metric_on_the_page_exists():
    known = set().union(*map(metrics_of, CONFIGS)) | OF_RUNS
    known |= set(evaluation_metrics(Episodes(np.zeros(2), np.zeros(2), np.ones(2, bool), facts={})))
    known |= {"episode/NAME", "eval/NAME", "hyper/NAME"}
    assert set(ROWS) == known
