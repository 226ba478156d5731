from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from elsinore.experience import replay_buffer
from elsinore.experience.prioritised import prioritised
from elsinore.experience.replay_buffer import BatchIndices
from elsinore.experience.replay_buffer import replay_buffer as uniform
from elsinore.jaxtools.compiler_options import compiler_options
from elsinore.types import Transition

SLOTS, ENV, BATCH = 6, 2, 64
GAMMA = 0.5
KEY = jax.random.key(0)
LIKE = Transition(
    obs={"board": jnp.zeros((2, 3), jnp.int8), "mask": jnp.zeros(2, bool), "time": jnp.float32(0)},
    action=jnp.int32(0),
    reward=jnp.float32(0),
    terminated=jnp.bool_(False),
    truncated=jnp.bool_(False),
    final_obs={
        "board": jnp.zeros((2, 3), jnp.int8),
        "mask": jnp.zeros(2, bool),
        "time": jnp.float32(0),
    },
    log_prob={"log_prob": jnp.float32(0)},
)
memories = pytest.mark.parametrize("memory_of", [uniform, prioritised])


def story(first, time, ends=(), num_envs=ENV):
    """Steps first, first + 1, ... of every env; the n-th pays n + 100 x env and leads from time n
    to n + 0.5.

    `ends` says how steps ended: (step, env) -> "death" or "cut".
    """
    step = np.arange(first, first + time)[:, None] + np.zeros(num_envs, int)
    name = step + 100 * np.arange(num_envs)
    ended = np.array([[dict(ends).get((s, e)) for e in range(num_envs)] for s in step[:, 0]])

    def seen(at):
        board = np.broadcast_to(name[..., None, None], (*name.shape, 2, 3)).astype(np.int8)
        return {
            "board": board,
            "mask": np.stack([name % 2 == 0, name % 3 == 0], -1),
            "time": np.float32(at),
        }

    experience = Transition(
        obs=seen(name),
        action=name,
        reward=name.astype(np.float32),
        terminated=ended == "death",
        truncated=ended == "cut",
        final_obs=seen(name + 0.5),
        log_prob={"log_prob": np.zeros_like(name, np.float32)},
    )
    return jax.tree.map(lambda x: jnp.asarray(x), experience)


@cache
def compiled(memory_of, n_step):
    """A small memory whose functions are jitted, once for all tests."""
    memory = memory_of(SLOTS * ENV, ENV, n_step)
    return memory._replace(add=jax.jit(memory.add), sample=jax.jit(memory.sample, static_argnums=2))


def remembering(*parts, memory_of=uniform, n_step=1):
    memory = compiled(memory_of, n_step)
    buffer = memory.init(LIKE)
    for part in parts:
        buffer = memory.add(buffer, part)
    return memory, buffer


# What is kept


def test_an_empty_buffer_keeps_the_dtypes_it_was_begun_for_and_no_extras():
    held = replay_buffer.init(SLOTS * ENV, ENV, LIKE).experience
    assert held.log_prob == ()
    for like, x in zip(
        jax.tree.leaves(LIKE._replace(log_prob=())), jax.tree.leaves(held), strict=True
    ):
        assert x.shape == (SLOTS, ENV, *like.shape) and x.dtype == like.dtype


@given(st.lists(st.integers(1, SLOTS), min_size=1, max_size=6))
def test_the_newest_overwrites_the_oldest_whatever_the_pieces(pieces):
    buffer, total = replay_buffer.init(SLOTS * ENV, ENV, LIKE), 0
    for time in pieces:
        buffer, total = compiled(uniform, 1).add(buffer, story(total, time)), total + time
    assert buffer.filled == min(total, SLOTS) and buffer.position == total % SLOTS
    kept = range(max(total - SLOTS, 0), total)
    for env in range(ENV):
        rewards = np.asarray(buffer.experience.reward)[[n % SLOTS for n in kept], env]
        np.testing.assert_array_equal(rewards, [n + 100 * env for n in kept])


def test_counters_stay_small_however_long_it_goes_on():
    one = story(0, 1)
    buffer = jax.jit(
        lambda b: jax.lax.fori_loop(0, 10_001, lambda _, b: replay_buffer.add(b, one), b)
    )(replay_buffer.init(SLOTS * ENV, ENV, LIKE))
    assert (buffer.position, buffer.filled) == (10_001 % SLOTS, SLOTS)


# What is drawn


def batch_from(buffer, slot, env, n_step):
    batch = jax.jit(replay_buffer.batch_at, static_argnums=2)(
        buffer, BatchIndices(jnp.array([slot]), jnp.array([env])), n_step, GAMMA
    )
    return jax.tree.map(lambda x: np.asarray(x)[0], batch)


def test_one_step_is_given_back_as_it_was():
    _, buffer = remembering(story(0, 4, {(2, 1): "death"}))
    batch = batch_from(buffer, 1, 1, n_step=1)
    assert (batch.action, batch.reward, batch.discount) == (101, 101.0, GAMMA)
    assert (batch.obs["time"], batch.next_obs["time"]) == (101.0, 101.5)
    assert (batch.obs["board"] == 101).all() and batch.obs["board"].dtype == np.int8
    np.testing.assert_array_equal(batch.obs["mask"], [False, False])
    assert batch_from(buffer, 2, 1, n_step=1).discount == 0.0


@pytest.mark.parametrize(
    ("end", "reward", "discount", "next_time"),
    [
        (None, 1 + 0.5 * 2 + 0.25 * 3, 0.125, 3.5),
        ("death", 1 + 0.5 * 2, 0.0, 2.5),
        ("cut", 1 + 0.5 * 2, 0.25, 2.5),
    ],
)
def test_a_window_stops_where_its_episode_did_and_looks_at_what_that_truly_led_to(
    end, reward, discount, next_time
):
    _, buffer = remembering(story(0, 5, {(2, 0): end}))
    batch = batch_from(buffer, 1, 0, n_step=3)
    assert (batch.reward, batch.discount, batch.next_obs["time"]) == (reward, discount, next_time)
    assert batch.obs["time"] == 1.0


@pytest.mark.parametrize("end", [None, "death", "cut"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_shorter_window_is_the_one_of_fewer_steps(end, steps):
    _, buffer = remembering(story(0, 5, {(2, 0): end}))
    indices = BatchIndices(jnp.array([1, 2]), jnp.array([0, 1]))
    shorter = jax.jit(replay_buffer.batch_at, static_argnums=2)
    jax.tree.map(
        np.testing.assert_array_equal,
        shorter(buffer, indices, 3, GAMMA, jnp.int32(steps)),
        shorter(buffer, indices, steps, GAMMA),
    )


@pytest.mark.slow
@memories
@given(
    pieces=st.lists(st.integers(1, SLOTS), min_size=1, max_size=4),
    n_step=st.integers(1, 3),
    ends=st.dictionaries(
        st.tuples(st.integers(0, 20), st.integers(0, ENV - 1)),
        st.sampled_from(["death", "cut"]),
        max_size=8,
    ),
)
def test_every_whole_window_is_drawn_and_no_other(memory_of, pieces, n_step, ends):
    parts = [
        story(first, time, ends)
        for first, time in zip(np.cumsum([0, *pieces[:-1]]), pieces, strict=True)
    ]
    memory, buffer = remembering(*parts, memory_of=memory_of, n_step=n_step)
    total = sum(pieces)
    starts = [(s, e) for s in range(max(total - SLOTS, 0), total - n_step + 1) for e in range(ENV)]
    assert memory.num_starts(buffer) == len(starts)
    if not starts:
        return
    batch, where, weights = memory.sample(buffer, KEY, 256, GAMMA, 0.4)
    drawn = {(int(a % 100), int(a // 100)) for a in batch.action}
    assert drawn == set(starts)  # 256 draws of at most 12
    np.testing.assert_array_equal(where.slot, batch.action % 100 % SLOTS)
    np.testing.assert_array_equal(where.env, batch.action // 100)
    np.testing.assert_array_equal(weights, 1.0)  # also by priority, where nothing has surprised yet
    batch = jax.device_get(batch)
    for i in range(256):
        step, env, expected = batch.action[i] % 100, batch.action[i] // 100, 0.0
        for k in range(n_step):
            expected += GAMMA**k * (step + k + 100 * env)
            if (step + k, env) in ends:
                break
        assert (
            batch.reward[i] == expected and batch.next_obs["time"][i] == step + k + 100 * env + 0.5
        )
        assert batch.discount[i] == (
            0.0 if ends.get((step + k, env)) == "death" else GAMMA ** (k + 1)
        )


def test_every_start_is_as_likely():
    memory, buffer = remembering(story(0, SLOTS), story(SLOTS, 2), n_step=2)
    batch, _, _ = memory.sample(buffer, KEY, 20_000, GAMMA)
    _, counts = np.unique(batch.action, return_counts=True)
    assert counts.size == (SLOTS - 1) * ENV and chisquare(counts).pvalue > 0.01


def test_other_keys_draw_others():
    memory, buffer = remembering(story(0, SLOTS))
    one, same, other = (
        memory.sample(buffer, jax.random.key(k), BATCH, GAMMA)[0].action for k in (1, 1, 2)
    )
    assert (one == same).all() and (one != other).any()


# What it costs: nothing that grows with the buffer


def scenario(memory_of, slots):
    """A buffer, and a turn of everything that is done with it, as an algorithm would do it in a
    scan."""
    memory = memory_of(slots * ENV, ENV, 3)

    def turn(buffer, i):
        buffer = memory.add(buffer, story(0, 2))
        batch, where, weights = memory.sample(buffer, jax.random.fold_in(KEY, i), BATCH, 0.9, 0.4)
        buffer = memory.reprioritise(buffer, where, batch.reward - batch.obs["time"], 0.6)
        return buffer, (batch.reward.sum(), weights.sum())

    return memory, turn


def equations(jaxpr):
    for eqn in jaxpr.eqns:
        inner = [
            x for x in jax.tree.leaves(eqn.params, is_leaf=_has_equations) if _has_equations(x)
        ]
        if not inner:
            yield eqn
        for x in inner:
            yield from equations(getattr(x, "jaxpr", x))


def _has_equations(x):
    return hasattr(x, "eqns") or hasattr(getattr(x, "jaxpr", None), "eqns")


@memories
def test_only_gathers_and_writes_in_place_see_the_whole_buffer(memory_of):
    memory, turn = scenario(memory_of, slots=100_000)
    buffer = jax.eval_shape(memory.init, LIKE)
    touching = {
        eqn.primitive.name
        for eqn in equations(jax.make_jaxpr(turn)(buffer, 0).jaxpr)
        if any(getattr(x.aval, "size", 0) >= 100_000 for x in (*eqn.invars, *eqn.outvars))
    }
    forwarding = {"optimization_barrier"}  # orders what is around it, and does nothing itself
    assert "gather" in touching and touching - forwarding <= {
        "gather",
        "scatter",
        "scatter-max",
        "scatter_max",
    }


@memories
def test_the_work_is_the_same_in_a_buffer_sixteen_times_as_large(memory_of):
    def flops(slots):
        memory, turn = scenario(memory_of, slots)
        program: Any = (
            jax.jit(turn, donate_argnums=0).lower(jax.eval_shape(memory.init, LIKE), 0).compile()
        )
        return program.cost_analysis()["flops"]

    # both are trees of four levels
    assert flops(16 * 20_000) == pytest.approx(flops(20_000), rel=0.01)


@memories
def test_a_donated_buffer_is_changed_where_it_stands(memory_of):
    memory, turn = scenario(memory_of, slots=50_000)
    many = jax.jit(lambda buffer: jax.lax.scan(turn, buffer, jnp.arange(5)), donate_argnums=0)
    # as a run is
    program = many.lower(jax.eval_shape(memory.init, LIKE)).compile(
        compiler_options=compiler_options()
    )
    memory_used: Any = program.memory_analysis()
    held = sum(
        x.size * x.dtype.itemsize for x in jax.tree.leaves(jax.eval_shape(memory.init, LIKE))
    )
    assert memory_used.alias_size_in_bytes >= held
    assert memory_used.temp_size_in_bytes < 0.02 * held


def test_a_buffer_takes_the_bytes_of_its_transitions():
    buffer = replay_buffer.init(1_001, 10, LIKE)
    transition = 2 * (6 + 2 + 4) + 4 + 4 + 1 + 1
    assert sum(x.nbytes for x in jax.tree.leaves(buffer)) == 100 * 10 * transition + 2 * 4


# Seeds


@memories
def test_seeds_side_by_side_and_in_turn_remember_what_each_would_alone(memory_of):
    memory, turn = scenario(memory_of, SLOTS)

    def life(key):
        buffer = memory.init(LIKE)
        return jax.lax.scan(turn, buffer, jax.random.randint(key, (7,), 0, 1_000))

    keys = jax.random.split(KEY, 3)
    alone = [jax.jit(life)(key) for key in keys]
    for together in (jax.jit(jax.vmap(life))(keys), jax.jit(partial(jax.lax.map, life))(keys)):
        for i in range(3):
            one = jax.tree.map(lambda x, i=i: x[i], together)
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), one, alone[i])


# What is refused


@memories
@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ((9, 10, 1), "capacity=9"),
        ((29, 10, 3), "n_step=3"),
        ((100, 0, 1), "num_envs=0"),
        ((100, 10, 0), "n_step=0"),
        ((2**31, 1, 1), "31 bits"),
    ],
)
def test_sizes_that_cannot_work_are_refused_by_name(memory_of, sizes, named):
    with pytest.raises(ValueError, match=named):
        memory_of(*sizes)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            lambda e: e._replace(action=e.action.astype(jnp.float32)),
            r"experience\.action is float32\[2, 2\]",
        ),
        (
            lambda e: e._replace(obs=e.obs | {"mask": e.obs["mask"][..., :1]}),
            r"experience\.obs\['mask'\] is bool",
        ),
        (lambda e: e._replace(obs=e.obs["time"]), "structure"),
    ],
)
def test_experience_of_another_kind_is_refused_by_name(spoil, named):
    with pytest.raises(ValueError, match=named):
        replay_buffer.add(replay_buffer.init(SLOTS * ENV, ENV, LIKE), spoil(story(0, 2)))


def test_more_steps_at_once_than_there_are_slots_are_refused():
    with pytest.raises(
        ValueError, match=f"{SLOTS + 1} steps at once .* capacity of at least {(SLOTS + 1) * ENV}"
    ):
        replay_buffer.add(replay_buffer.init(SLOTS * ENV, ENV, LIKE), story(0, SLOTS + 1))
