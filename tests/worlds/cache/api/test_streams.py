"""Streams of requests: the same whether drawn in advance or step by step, and of the intended
statistics."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.cache.api import (
    COUNTERS,
    ApiCache,
    ApiCacheParams,
    GeneratedStream,
    RecordedStreams,
    generate_stream,
    recorded_streams,
)
from elsinore.worlds.cache.api.tables import LOGOUT, TOP, api_tables
from tests.worlds.cache.api.episodes import (
    ENV,
    played,
    played_in,
    random_actions,
    replayed_in,
    rows_of,
)


@pytest.fixture(scope="module")
def many():
    """256 streams, [stream, time, ...]."""
    return jax.device_get(
        jax.jit(jax.vmap(generate_stream))(jax.random.split(jax.random.key(7), 256))
    )


SEED = 4
ACTIONS = random_actions(SEED)
OWN = np.r_[0:11, 45:50]  # features of the predictions, each in its place
STALE = COUNTERS.index("stale")


def reordered(rows):
    """The stream with the unlikely predictions of each request in reverse order."""
    order = np.tile(np.arange(TOP), (513, 1))
    for row, prob in zip(order, rows.pred_prob, strict=True):
        unlikely = np.flatnonzero(prob < 0.3)
        row[unlikely] = unlikely[::-1]
    names = ("pred_id", "pred_prob", "pred_count")
    return rows.replace(
        **{name: np.take_along_axis(getattr(rows, name), order, axis=1) for name in names}
    )


@pytest.fixture(scope="module")
def replayed():
    """The same actions in one recorded stream and in two changed ones, [stream, ...]."""
    rows = rows_of(SEED)
    changed = [rows, reordered(rows), rows.replace(u_stale=np.ones(513, np.float32))]
    env = ApiCache(RecordedStreams(jax.tree.map(lambda *xs: np.stack(xs), *changed)))
    return jax.device_get(
        jax.vmap(partial(replayed_in, env), (0, None))(np.arange(3), jnp.asarray(ACTIONS))
    )


def test_an_episode_replays_its_own_stream(replayed):
    live = played(SEED, ACTIONS)
    np.testing.assert_allclose(replayed.obs[0], live.obs, atol=1e-6)
    np.testing.assert_array_equal(replayed.state.counters[0], live.state.counters)


def test_the_order_of_unlikely_predictions_changes_their_own_features_only(replayed):
    requests = replayed.state.request
    assert (requests.pred_id[0] != requests.pred_id[1]).any()
    one, other, _ = np.delete(replayed.obs, OWN, axis=2)
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_array_equal(*replayed.state.counters[:2])


def test_an_answer_that_nothing_changed_is_never_stale(replayed):
    found = replayed.state.counters[:, -1, STALE]
    assert found[0] > 0 == found[2]


def test_no_action_changes_what_comes():
    one, other = (
        played(5, np.zeros(512, int)).state.request,
        played(5, np.full(512, 4)).state.request,
    )
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.slow
def test_many_worlds_at_once_are_as_many_worlds_alone():
    def ending(key):
        episode = played_in(ENV, key, jnp.asarray(ACTIONS), ApiCacheParams())
        return episode.state.counters[-1], episode.reward

    counters, rewards = jax.jit(jax.vmap(ending))(
        jnp.stack([jax.random.key(seed) for seed in range(64)])
    )
    for seed in (0, 17, 63):
        alone = played(seed, ACTIONS)
        np.testing.assert_array_equal(alone.state.counters[-1], counters[seed])
        np.testing.assert_allclose(alone.reward, rewards[seed], atol=1e-5)


def test_objects_are_counted_as_they_come():
    rows = rows_of(0)
    for t in (0, 5, 512):
        asked = rows.obj_id[: t + 1]
        assert rows.count[t] == (asked == rows.obj_id[t]).sum()
        assert rows.pred_count[t].tolist() == [(asked == obj).sum() for obj in rows.pred_id[t]]


def test_objects_belong_to_their_endpoints(many):
    table = api_tables()
    np.testing.assert_array_equal(table.object_endpoint[many.obj_id], many.endpoint)
    np.testing.assert_array_equal(table.write[many.endpoint], many.write)
    assert not table.write[table.object_endpoint[many.pred_id]].any()
    invalid = many.invalidates >= 0
    assert not (invalid.any(axis=-1) & ~many.write).any()
    named = table.invalidates[many.endpoint]
    np.testing.assert_array_equal(
        np.where(invalid, table.object_endpoint[many.invalidates], -1), named
    )


def test_predictions_are_the_five_likeliest_in_order(many):
    assert (np.diff(many.pred_prob, axis=-1) <= 0).all()
    assert all(len(set(row)) == TOP for row in many.pred_id[0])


def test_time_begins_at_0_and_passes_as_fast_as_the_hour_has_it(many):
    np.testing.assert_array_equal(many.time[:, 0], 0)
    gaps = np.diff(many.time, axis=1)
    assert (gaps >= 0).all()
    hour = many.second[:, :-1] / 3600
    rate = 1 + 0.7 * np.cos(2 * np.pi * (hour - 15) / 24)
    assert (gaps * rate).mean() == pytest.approx(1, abs=4 / gaps.size**0.5)


def test_latencies_spread_as_asked(many):
    log = np.log(many.latency / 1000 / api_tables().base[many.endpoint])
    assert log.mean() == pytest.approx(-0.02, abs=0.003)
    assert log.std() == pytest.approx(0.2, abs=0.003)


def test_endpoints_follow_each_other_as_the_model_says(many):
    first = many.session_pos == 1
    start = np.diff(api_tables().start, axis=1, prepend=0.0)
    for user_type in range(3):
        seen = np.bincount(many.endpoint[first & (many.user_type == user_type)], minlength=20)
        error = 4 * np.sqrt(start[user_type] * (1 - start[user_type]) / seen.sum()) + 1e-3
        assert (np.abs(seen / seen.sum() - start[user_type]) < error).all()


def test_a_session_leaves_after_logging_out_or_by_chance(many):
    began = (many.session_pos == 1).mean()
    assert 0.01 < began < 0.01 + (many.endpoint == LOGOUT).mean() + 0.01 + 8 / 513


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.pop("latency"), "the stream has no 'latency'"),
        (lambda rows: rows["obj_id"].fill(1970), "obj_id and pred_id must be objects, 0 .. 1969"),
    ],
)
def test_a_stream_that_is_none_is_refused(change, message):
    rows = vars(rows_of(0))
    rows = {name: np.array(x) for name, x in rows.items()}
    change(rows)
    with pytest.raises(ValueError, match=message):
        recorded_streams(rows)


def test_a_recorded_stream_is_counted_like_a_generated_one():
    rows = rows_of(6)
    again = recorded_streams(vars(rows)).requests
    np.testing.assert_array_equal(again.count[0], rows.count)
    np.testing.assert_array_equal(again.pred_count[0], rows.pred_count)


def test_the_world_draws_new_streams_by_default():
    assert ApiCache() == ApiCache(GeneratedStream())
