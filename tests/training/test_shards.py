"""A seed of several shards has the same bits wherever they are computed."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from elsinore.algos.optimise import Learner, OfRows, gradient_step
from elsinore.experience.rollout import rollout
from elsinore.jaxtools.prng import for_update, for_uses
from elsinore.jaxtools.shards import IN_TURN
from elsinore.training.layout import Layout, layout_for
from elsinore.training.replicas import (
    fetch,
    init_program,
    init_seeds,
    over_seeds,
    seed_keys,
    stacked,
)
from elsinore.training.shards import SHARED, Shards, divided_axes, over_shards
from elsinore.training.turns import place_host
from tests.devices import needs_two_devices
from tests.training.placements import (
    CASES,
    CONVOLUTIONS,
    CURRICULUM,
    DQN,
    MINIBATCHES,
    NORMALISED,
    PRIORITISED,
    SMALL,
    WIDE,
    digests,
    launch_of,
    layout_of,
    planned,
)

LARGE_BUFFER = {"algo.buffer_size": 2**17}
ROWS = {
    "masks": ("tests.small_envs:MaskedBandit", "a2c", {}),
    "a memory": (
        "CartPole-v1",
        "a2c",
        {"algo.network.lstm": 8, "algo.normalize_advantage": True},
    ),
    "convolutions": (
        "Breakout-MinAtar",
        "a2c",
        CONVOLUTIONS | {"algo.normalize_advantage": True},
    ),
    "pqn": ("CartPole-v1", "pqn", {"algo.num_minibatches": 1, "algo.num_epochs": 1}),
    "ppo": (
        "CartPole-v1",
        "ppo",
        {"algo.num_minibatches": 1, "algo.num_epochs": 1, "algo.adam_eps": 1.0},
    ),
    "ppo of a batch": (
        "CartPole-v1",
        "ppo",
        {
            "algo.num_minibatches": 1,
            "algo.num_epochs": 1,
            "algo.adam_eps": 1.0,
            "algo.normalize_advantage": "batch",
        },
    ),
}


class Trained(NamedTuple):
    """Two chunks of a seed of two shards on so many devices, and what to train it further with."""

    layout: object
    launch: object
    middle: object  # in host memory, after one chunk
    end: object  # after two, with the reports


@cache
def program():
    return planned("ppo", NORMALISED).program


@cache
def trained(devices: int) -> Trained:
    layout = layout_of(program(), 1, 2, jax.devices()[:devices])
    states = init_seeds(program(), layout, 0)
    launch = launch_of(program(), layout, states)
    states, first = launch(states, jnp.int32(2))
    middle = fetch(states, layout)
    states, second = launch(states, jnp.int32(3))
    return Trained(layout, launch, middle, fetch((states, first, second), layout))


def assert_equal(found, wanted):
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


@needs_two_devices
def test_two_shards_on_two_devices_are_those_on_one():
    assert trained(1).layout.devices_per_seed == 1 and trained(2).layout.devices_per_seed == 2
    assert_equal(trained(2).end, trained(1).end)


@needs_two_devices
@pytest.mark.parametrize(
    ("algo", "settings"),
    [
        ("ppo", NORMALISED),
        pytest.param("dqn", DQN | PRIORITISED | LARGE_BUFFER, marks=pytest.mark.slow),
    ],
)
def test_shards_begun_where_they_will_live_are_those_begun_together_and_moved(
    algo, settings, monkeypatch
):
    """As accelerators do it; here on CPU devices."""
    program = planned(algo, settings).program
    layout = layout_of(program, 1, 2, jax.devices()[:2])
    moved = init_seeds(program, layout, 3)
    monkeypatch.setattr(Layout, "inits_in_place", True)
    begin = init_program(program, layout).lower(seed_keys(3, 1), None).compile()
    states = begin(seed_keys(3, 1), None)
    assert_equal(fetch(states, layout), fetch(moved, layout))
    for x, y in zip(jax.tree.leaves(states), jax.tree.leaves(moved), strict=True):
        assert x.sharding.is_equivalent_to(y.sharding, x.ndim)
    if algo == "dqn":
        whole = sum(x.nbytes for x in jax.tree.leaves(fetch(states, layout)))
        memory = begin.memory_analysis()  # of one device
        assert memory.output_size_in_bytes + memory.temp_size_in_bytes < 0.55 * whole


@pytest.mark.parametrize(("then", "now"), [(1, 2), (2, 1)])
def test_a_state_goes_on_on_another_number_of_devices(then, now):
    shapes = planned("ppo", NORMALISED).state_shapes
    (states,) = place_host(trained(then).middle, shapes, trained(now).layout)
    states, report = trained(now).launch(states, jnp.int32(3))  # pyright: ignore[reportCallIssue]
    whole, _, second = trained(then).end
    assert_equal(fetch((states, report), trained(now).layout), (whole, second))


def test_shards_have_envs_of_their_own_and_parameters_together():
    states, _, report = trained(1).end
    positions = states.train.actor.obs[0]
    assert len(np.unique(positions, axis=0)) == len(positions) == SMALL["algo.num_envs"]
    assert report.episodes.returns.shape == (1, SMALL["evaluation.episodes"])
    seen = states.train.update * SMALL["algo.num_envs"] * SMALL["algo.rollout_length"]
    counts = jax.tree.leaves(states.train.stats.obs.count_low)
    assert all((x == seen).all() for x in counts)


def test_what_shards_divide_is_what_has_rows_of_envs():
    divided = program().divided
    assert divided.train.actor.episode_return == 0 and divided.train.stats.running_return == 0
    params = divided.best.policy_state.params
    shared = jax.tree.leaves((divided.train.learner, params, divided.convergence))
    assert {*shared} == {SHARED}


@needs_two_devices
def test_no_sum_over_devices_is_left_to_their_order():
    layout = trained(2).layout
    states = stacked(jax.eval_shape(program().init, jax.random.key(0)), 1)
    chunk = over_seeds(program().chunk, layout, donate=True)
    text = chunk.lower(states, jnp.int32(0)).as_text()
    assert "all_gather" in text and "all_reduce" not in text and "reduce_scatter" not in text


def test_a_gradient_is_the_mean_over_shards():
    """By plain gradient descent: Adam would hide a factor."""
    params, rows = {"w": jnp.arange(3.0)}, jax.random.normal(jax.random.key(0), (8, 3))
    descent = optax.identity()

    def loss(params, rows):
        total = jnp.mean(jnp.square(rows @ params["w"] - 1.0))
        return total, {"loss": total}

    def step(rows):
        learner, metrics, norm = gradient_step(
            loss, descent, Learner(params, optax.EmptyState()), rows, jnp.float32(0.1)
        )
        return learner.params["w"], metrics["loss"], norm

    whole = step(rows)
    each = jax.vmap(step, axis_name=IN_TURN)(rows.reshape(4, 2, 3))
    for one, all_ in zip(each, whole, strict=True):
        for shard in one:
            np.testing.assert_allclose(shard, all_, rtol=1e-6)


def test_what_a_loss_returns_of_its_rows_stays_with_its_shard():
    rows = jnp.arange(8.0).reshape(4, 2)

    def loss(w, rows):
        error = rows - w
        return jnp.mean(jnp.square(error)), (OfRows(error), jnp.mean(error))

    def step(rows):
        begun = Learner(jnp.float32(0.0), optax.EmptyState())
        return gradient_step(loss, optax.identity(), begun, rows, jnp.float32(0.1))[1]

    error, mean = jax.vmap(step, axis_name=IN_TURN)(rows)
    np.testing.assert_array_equal(error.values, rows)
    np.testing.assert_allclose(mean, 3.5)


def test_each_shard_has_its_own_transitions_and_sum_tree():
    buffer = planned("dqn", DQN | PRIORITISED).program.divided.train.learner.buffer
    assert {*jax.tree.leaves(buffer.replay.experience)} == {1}  # [slot, env, ...]
    assert {*jax.tree.leaves(buffer.tree)} == {0}  # one below the other
    assert {buffer.replay.position, buffer.replay.filled, buffer.largest} == {SHARED}


@pytest.mark.slow
@pytest.mark.parametrize("case", ROWS)
def test_what_two_shards_learn_is_what_all_their_rows_teach(case):
    """By one gradient step, as large as the gradient: of RMSprop, RAdam, or Adam with a large
    epsilon. Advantages are standardised over all rows."""
    env, algo, settings = ROWS[case]
    settings = settings | {"shards": 1, "algo.learning_rate": 0.1, "algo.max_grad_norm": 1e9}
    plan = planned(algo, settings, env)
    whole, part = plan.learner, planned(algo, settings | {"algo.num_envs": 2}, env).learner
    before = whole.init(jax.random.key(1), plan.env_params, whole.hyper)
    keys = for_uses(for_update(before.key, before.update), *whole.parts.uses)
    context, noise = whole.parts.prepare(before, keys[0])
    policy = partial(whole.parts.decide, before, context)
    carry = whole.policy.initial_carry
    actor, experience, _ = rollout(
        plan.env, before.env_params, policy, before.actor, keys[1], noise, carry
    )
    seen = (keys[2], before, actor, experience, context)

    def learnt(learn, *seen):
        return learn(*seen)[0].learner.params

    shape_of = lambda x: jax.eval_shape(  # noqa: E731
        lambda key: x.init(key, plan.env_params, x.hyper), before.key
    )
    axes = divided_axes(shape_of(whole), shape_of(part), 2)
    of_parts = partial(learnt, part.parts.learn)
    divided = (SHARED, axes, axes.actor, 1, SHARED)
    found = over_shards(of_parts, Shards(2, whole, part), divided, SHARED)(*seen)
    wanted = learnt(whole.parts.learn, *seen)
    first = before.learner.params
    step, wanted = (jax.tree.map(jnp.subtract, x, first) for x in (found, wanted))
    assert max(jnp.abs(x).max() for x in jax.tree.leaves(wanted)) > 1e-3
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-6), step, wanted)


def test_shards_that_differ_in_what_they_share_are_refused():
    shards = Shards(2, program().algo, program().algo)
    drifting = over_shards(lambda x: x + jnp.mean(x), shards, (0,), SHARED)
    with pytest.raises(
        ValueError, match="shards=2 cannot divide this algorithm: its shards would differ"
    ):
        jax.eval_shape(drifting, jnp.ones(4))


def test_a_leaf_that_is_no_multiple_of_a_shards_is_refused_with_its_name():
    whole, part = ({"buffer": jax.ShapeDtypeStruct((size,), jnp.float32)} for size in (9, 4))
    with pytest.raises(ValueError, match=r"the leaf \['buffer'\] of a seed's state is \[9\]"):
        divided_axes(whole, part, 2)


@pytest.mark.parametrize(
    ("seeds", "shards", "devices", "rows", "each"),
    [
        (1, 1, 4, 1, 1),
        (3, 1, 2, 2, 1),  # without shards as ever: a device for each seed
        (4, 1, 3, 3, 1),
        (1, 2, 4, 1, 2),
        (1, 4, 2, 1, 2),
        (1, 3, 2, 1, 1),  # two devices cannot divide three shards equally
        (2, 2, 2, 2, 1),  # seeds need not wait for each other
        (2, 2, 4, 2, 2),
        (3, 4, 4, 1, 4),
    ],
)
def test_seeds_and_shards_are_spread_so_that_no_device_has_more_than_it_must(
    seeds, shards, devices, rows, each
):
    layout = layout_for(seeds, "map", shards=shards, devices=devices_of(devices))
    assert (layout.rows, layout.devices_per_seed, len(layout.devices)) == (rows, each, rows * each)


def devices_of(*numbers: int) -> list:
    """So many devices of each process."""
    return [SimpleNamespace(process_index=i) for i, n in enumerate(numbers) for _ in range(n)]


@pytest.mark.parametrize(
    ("seeds", "shards", "devices", "rows", "each"),
    [
        (8, 1, (8, 8), 8, 1),  # fewer seeds than devices
        (16, 1, (10, 10), 16, 1),
        (3, 1, (2, 2), 2, 1),  # three would leave one process with fewer than the other
        (6, 1, (4, 2), 4, 1),
        (1, 2, (4, 4), 1, 2),
        (3, 2, (2, 2, 2), 3, 2),
        (8, 1, (2, 2), 4, 1),
    ],
)
def test_every_process_has_as_many_devices_as_the_others(seeds, shards, devices, rows, each):
    layout = layout_for(seeds, "map", shards=shards, devices=devices_of(*devices))
    assert (layout.rows, layout.devices_per_seed) == (rows, each)
    held = [device.process_index for device in layout.devices]
    assert held == sorted(held)
    assert {held.count(i) for i in range(len(devices))} == {rows * each // len(devices)}


@dataclass(frozen=True)
class Chip:
    """A chip of a TPU of 2 x 4, as JAX describes it."""

    id: int
    core_on_chip: int = 0
    platform: str = "tpu"
    device_kind: str = "TPU v4"
    process_index: int = 0
    slice_index: int = 0

    @property
    def coords(self) -> tuple[int, int, int]:
        return self.id % 2, self.id // 2, 0


@pytest.mark.parametrize("seeds", [1, 3, 5, 6, 7])
def test_a_mesh_has_the_devices_in_their_order_on_a_part_of_a_tpu_too(seeds):
    chips = [Chip(i) for i in range(8)]
    layout = layout_for(seeds, "vmap", devices=chips)
    assert layout.mesh.devices.tolist() == chips[:seeds]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", CASES)
def test_the_bits_of_each_case_are_the_same_on_one_two_and_four_devices(case):
    """As users compile: with the emitters of `make test`, which compile sooner, XLA on an AMD EPYC
    rounds the complex products of an LRU otherwise on one device than on several."""
    found = {}
    for devices in (1, 2, 4):
        env = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "PYTHONWARNINGS": "ignore"}
        env.pop("XLA_FLAGS", None)
        done = subprocess.run(
            [sys.executable, "-m", "tests.training.placements", case],
            env=env,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found[devices] = json.loads(done.stdout)
    assert found[1] == found[2] == found[4]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("algo", "settings"),
    [
        ("a2c", {"algo.rollout_length": 5}),
        ("ppo", MINIBATCHES | CURRICULUM | {"algo.network.gru": 8}),
        ("pqn", MINIBATCHES | WIDE),
        ("dqn", DQN | PRIORITISED | NORMALISED),
    ],
)
def test_a_seed_of_shards_among_others_is_the_seed_alone(algo, settings):
    plan = planned(algo, settings)
    alone, among = (digests(plan, seeds, jax.devices()) for seeds in (1, 3))
    assert among[:1] == alone and len({*among}) == 3
