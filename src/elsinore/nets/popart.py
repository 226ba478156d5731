"""Values in units that follow their targets, which rescaling does not change (PopArt: van Hasselt
2016, arXiv:1602.07714)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, Key, PyTree

from elsinore.jaxtools.barrier import barrier
from elsinore.nets.network import Network
from elsinore.ops.schedules import Scalar

LEAST_VARIANCE = 1e-8  # a deviation of 1e-4, the lower bound of the paper's experiments


class TargetMoments(NamedTuple):
    """Running moments of the targets; no gradient changes them."""

    mean: Float[Array, ""]
    variance: Float[Array, ""]
    weight: Float[Array, ""]  # of all targets so far in an average that began at 0

    @property
    def deviation(self) -> Float[Array, ""]:
        # XLA would make a division by a root a product with its reciprocal, for several devices in
        # other places than for one
        return barrier(jnp.sqrt(jnp.maximum(self.variance, LEAST_VARIANCE)))


def with_popart(net: Network) -> Network:
    """The network with its value as deviation x value + mean, of the targets so far.

    Raises:
        ValueError: in `init`, for a network whose value is not that of one dense layer `value`.
    """

    def init(key: Key[Array, ""], obs: PyTree) -> PyTree:
        params = net.init(key, obs)
        _value_layer(params)
        start = TargetMoments(jnp.float32(0.0), jnp.float32(1.0), jnp.float32(0.0))
        return {"net": params, "targets": start}

    def scaled(params: PyTree, found: tuple) -> tuple:
        carry, outputs, value = found
        targets = jax.lax.stop_gradient(params["targets"])
        return carry, outputs, targets.deviation * value + targets.mean

    return net._replace(
        init=init,
        step=lambda params, *inputs: scaled(params, net.step(params["net"], *inputs)),
        unroll=lambda params, *inputs: scaled(params, net.unroll(params["net"], *inputs)),
    )


def per_unit(params: PyTree) -> Float[Array, ""]:
    """The reciprocal of the targets' deviation, with which values and advantages are multiplied."""
    return 1.0 / jax.lax.stop_gradient(params["targets"].deviation)


def rescaled(params: PyTree, target: Float[Array, "*batch"], step: Scalar) -> PyTree:
    """Parameters of `with_popart` after these targets: the moments move by `step` (the first
    targets count whole), and the last layer changes so that every value stays what it was.

    Source: arXiv:1602.07714 proposition 1 and algorithm 1.
    """
    old = params["targets"]
    weight = old.weight + step * (1.0 - old.weight)
    step = step / weight  # so the average has no bias towards its beginning
    beyond = jnp.mean(target) - old.mean
    variance = (1.0 - step) * (old.variance + step * jnp.square(beyond)) + step * jnp.var(target)
    new = TargetMoments(old.mean + step * beyond, variance, weight)

    flat = flatten_dict(params["net"])
    layer = _value_layer(params["net"])
    flat[*layer, "kernel"] *= old.deviation / new.deviation
    # the difference of the means first: a bias added to a large mean would lose its last digits
    shift = old.mean - new.mean
    flat[*layer, "bias"] = (old.deviation * flat[*layer, "bias"] + shift) / new.deviation
    return {"net": unflatten_dict(flat), "targets": new}


def _value_layer(params: PyTree) -> tuple[Any, ...]:
    flat: dict[Any, Any] = flatten_dict(params)
    layers = [path[:-1] for path in flat if path[-2:] == ("value", "kernel")]
    if len(layers) != 1 or flat[*layers[0], "kernel"].shape[-1] != 1:
        raise ValueError(
            "algo.popart=True needs a network whose value is that of one dense layer named 'value',"
            " nn.Dense(1, name='value'); leave it out, or name the layer so."
        )
    return layers[0]
