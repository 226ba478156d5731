"""Every algorithm's state holds all that it goes on from: saved, killed or both, it comes to the
same, bit for bit."""

import random
import time
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.config.plan import Plan, plan_for
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.directory import Checkpoint
from elsinore.runs.checkpoints.restored import restore_state
from elsinore.runs.programs import Compiled, compile_run
from elsinore.training.layout import Layout
from elsinore.training.turns import fetch_turns, place_host
from tests.runs.conftest import assert_same_run, learnt, rows_in
from tests.runs.learners import CHUNKS, LEARNERS, SLOW, Learner
from tests.runs.processes import beginning, command, kill, last_update, start, until_trained_on

DONE = 6  # chunks done before the state is saved: DQN's small buffer has begun to be written over


class Halfway:
    """An experiment compiled, and its state after DONE chunks, in host memory."""

    def __init__(self, learner: Learner):
        self.learner = learner
        self.plan: Plan = plan_for(
            load_experiment(learner.env, overrides=learner.overrides | {"seeds": learner.seeds})
        )
        self.layout: Layout = self.plan.layout
        self.compiled: Compiled = compile_run(self.plan, self.layout)
        state = self.compiled.init()
        self.beginning = self.host(state)
        for _ in range(DONE):
            state, _ = self.chunk(state)
        self.state = self.host(state)

    def chunk(self, state):
        return self.compiled.chunk(state, jnp.int32(self.plan.schedule.updates_per_chunk))

    def host(self, state):
        # a copy: the next chunk takes the state's memory
        return jax.tree.map(np.array, fetch_turns(state, self.layout))

    def gone_on(self, host_state) -> tuple[Any, Any]:
        """The state one chunk after `host_state`, and the chunk's report."""
        state, report = self.chunk(place_host(host_state, self.plan.state_shapes, self.layout))
        return self.host(state), jax.device_get(report)


slow_ones = [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in LEARNERS]


@pytest.fixture(scope="module", params=slow_ones)
def halfway(request) -> Halfway:
    return Halfway(LEARNERS[request.param])


def bits(tree) -> dict[str, bytes]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path): np.asarray(x).tobytes() for path, x in leaves}


def part_of(state, path: str):
    return reduce(getattr, path.split("."), state)


def with_part(state, path: str, part):
    head, _, rest = path.partition(".")
    return state._replace(**{head: with_part(getattr(state, head), rest, part) if rest else part})


def test_a_state_restored_from_a_checkpoint_goes_on_as_the_one_that_was_saved(halfway, tmp_path):
    path = checkpoints.save(tmp_path, "latest", halfway.state, {"update": 1})
    (checkpoint,) = checkpoints.list_checkpoints(tmp_path)
    assert checkpoint == Checkpoint(path, "latest", checkpoint.manifest)
    restored = restore_state(checkpoint, halfway.plan)
    assert bits(restored) == bits(halfway.state)
    direct, restarted = halfway.gone_on(halfway.state), halfway.gone_on(restored)
    assert bits(direct) == bits(restarted)
    assert bits(direct[0].train.learner.params) != bits(halfway.state.train.learner.params)


def test_no_part_of_a_state_can_be_begun_anew_without_changing_what_follows(halfway):
    expected = bits(halfway.gone_on(halfway.state)[0].train.learner.params)
    for part in halfway.learner.parts:
        without = with_part(halfway.state, part, part_of(halfway.beginning, part))
        assert bits(halfway.gone_on(without)[0].train.learner.params) != expected, part


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_a_run_of_any_algorithm_killed_while_it_trains_equals_the_one_never_killed(name, tmp_path):
    settings, env, seeds = LEARNERS[name].overrides, LEARNERS[name].env, LEARNERS[name].seeds
    whole = elsinore.train(
        env, overrides=settings, seeds=seeds, name="whole", runs_dir=tmp_path
    ).path
    path, period, draw = tmp_path / "killed", settings["evaluation.period"], random.Random(name)
    for _ in range(3):
        chunks = draw.randint(1, 8)
        process = start(
            command("--resume", str(path))
            if path.exists()
            else beginning(tmp_path, "killed", settings, env, seeds),
            held=last_update(path) // period + chunks + 4,
        )
        try:
            assert until_trained_on(path, period * chunks, process)
            time.sleep(draw.uniform(0.0, 0.15))
        finally:
            assert kill(process), "it ended before it was killed"
    assert 3 * period <= last_update(path) < period * CHUNKS
    assert elsinore.resume(path).summary["stopped_by"] == "budget"
    assert learnt(path)["params_sha256"] == learnt(whole)["params_sha256"]
    assert_same_run(path, whole)
    assert len(rows_in(path)) > CHUNKS * seeds
