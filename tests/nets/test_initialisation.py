"""Orthogonal weights, all made at once."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsinore.nets.encoders import dense
from elsinore.nets.initialisation import initialise, orthogonal, orthogonal_matrices

KEY = jax.random.key(0)
SIDES = st.integers(1, 9)


def is_orthonormal(matrix) -> bool:
    matrix = np.asarray(matrix, np.float64).reshape(-1, matrix.shape[-1])
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    return np.allclose(product, np.eye(len(product)), atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=5))
def test_matrices_of_any_shapes_together_are_each_orthonormal(shapes):
    matrices = orthogonal_matrices(KEY, shapes)
    assert [m.shape for m in matrices] == shapes
    assert all(is_orthonormal(m) for m in matrices)


def test_a_corner_of_the_common_decomposition_is_the_matrix_decomposed_alone():
    shapes = [(6, 3), (4, 4), (5, 1)]
    rows = max(m + 4 - n for m, n in shapes)
    normal = np.asarray(jax.random.normal(KEY, (3 * rows * 4,)), np.float64).reshape(3, rows, 4)
    for matrix, (m, n), drawn in zip(orthogonal_matrices(KEY, shapes), shapes, normal, strict=True):
        q, r = np.linalg.qr(drawn[:m, :n])
        np.testing.assert_allclose(matrix, q * np.sign(np.diag(r)), atol=1e-5)


def test_single_entries_are_as_often_positive_as_negative():
    signs = [float(orthogonal_matrices(jax.random.key(i), [(1, 1)])[0][0, 0]) for i in range(60)]
    assert set(signs) == {-1.0, 1.0}
    assert 15 < signs.count(1.0) < 45


def test_a_wide_matrix_has_orthonormal_rows():
    (wide,) = orthogonal_matrices(KEY, [(2, 7)])
    np.testing.assert_allclose(wide @ wide.T, np.eye(2), atol=1e-6)


def test_with_more_axes_the_last_is_the_columns():
    (kernel,) = orthogonal_matrices(KEY, [(3, 3, 2, 8)])
    assert kernel.shape == (3, 3, 2, 8)
    assert is_orthonormal(kernel)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = dense(16, 2.0, name="first")(x)
        return nn.Dense(3, name="other")(dense(4, 0.01, name="last")(x))


def test_a_layer_gets_its_gain_and_other_initialisers_are_left_alone():
    params = initialise(Net(), KEY, jnp.ones(5))["params"]
    assert is_orthonormal(params["first"]["kernel"] / 2.0)
    assert is_orthonormal(params["last"]["kernel"] / 0.01)
    plain = Net().init(KEY, jnp.ones(5))["params"]
    np.testing.assert_array_equal(params["other"]["kernel"], plain["other"]["kernel"])


def test_the_parameters_hold_plain_arrays():
    leaves = jax.tree.leaves(
        initialise(Net(), KEY, jnp.ones(5)), is_leaf=lambda x: not isinstance(x, dict)
    )
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)


def test_layers_of_one_shape_differ_and_so_do_keys():
    first, second = orthogonal_matrices(KEY, [(4, 4), (4, 4)])
    assert not np.allclose(first, second)
    assert not np.allclose(first, orthogonal_matrices(jax.random.key(1), [(4, 4)])[0])


@pytest.mark.parametrize("make", [lambda f: f, jax.jit], ids=["plain", "jitted"])
def test_a_network_without_placeholders_is_initialised_as_by_flax(make):
    net = nn.Dense(3)
    made = make(lambda key: initialise(net, key, jnp.ones(2)))(KEY)
    rtol = 1e-6 if jax.default_backend() == "cpu" else 1e-5  # GPUs fuse, and so round, otherwise
    np.testing.assert_allclose(  # pyright: ignore[reportCallIssue]
        made["params"]["kernel"], net.init(KEY, jnp.ones(2))["params"]["kernel"], rtol=rtol
    )


def test_an_initialiser_leaves_a_placeholder():
    placeholder = orthogonal(1.5)(KEY, (3, 2))
    assert placeholder.scale == 1.5
    assert not placeholder.unbox().any()
