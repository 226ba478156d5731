import re

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.experience.minibatches import merge_time_and_env, pack

SIZE = 6
ROWS = jnp.array([3, 0, 5, 5])


@jax.jit
def there_and_back(batch):
    return pack(batch)(ROWS)


def numbers(dtype, *shape):
    return arrays(dtype, (SIZE, *shape))


any_batch = st.fixed_dictionaries(
    {
        "obs": st.tuples(numbers(np.float32, 2, 3), numbers(np.uint8, 4)),
        "action": numbers(np.int32),
        "ids": numbers(np.uint32, 2),
        "mask": numbers(np.bool_, 3),
        "small": numbers(np.int8, 1),
        "short": numbers(np.int16),
    }
)


def assert_same_rows(batch):
    back = there_and_back(batch)
    for before, after in zip(jax.tree.leaves(batch), jax.tree.leaves(back), strict=True):
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after, before[np.asarray(ROWS)])


@given(any_batch)
def test_whatever_is_packed_comes_back_equal(batch):
    assert_same_rows(batch)


def test_integers_beyond_what_a_float_can_count_come_back_equal():
    edges = np.array([2**24 + 1, -(2**24) - 1, 2**31 - 1, -(2**31), -1, 0], np.int32)
    assert_same_rows(
        {"edges": edges, "bits": edges.view(np.uint32), "value": edges.astype(np.float32)}
    )


def test_integers_whose_bits_spell_nan_or_a_denormal_come_back_equal():
    bits = np.array(
        [0x7FC00001, 0x7F800001, 0xFFC00000, 0x00000001, 0x807FFFFF, 0x7F800000], np.uint32
    )
    assert_same_rows({"signed": bits.view(np.int32), "unsigned": bits})


def test_images_of_bytes_come_back_equal_and_never_become_floats():
    batch = {"image": np.arange(SIZE * 256).astype(np.uint8).reshape(SIZE, 16, 16)}
    batch["reward"] = np.ones(SIZE, np.float32)
    assert_same_rows(batch)
    text = there_and_back.lower(batch).as_text()
    largest = max(int(n) * int(m) for n, m in re.findall(r"tensor<(\d+)x(\d+)xf32>", text))
    assert largest < SIZE * 256


def test_time_and_env_merge_time_first():
    merged = merge_time_and_env({"x": jnp.arange(12).reshape(2, 3, 2)})
    np.testing.assert_array_equal(merged["x"], jnp.arange(12).reshape(6, 2))
