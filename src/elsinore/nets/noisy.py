"""Networks whose weights have noise, with a deviation that is learnt (Fortunato 2018,
arXiv:1706.10295)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Key, PyTree

from elsinore.jaxtools.prng import draw
from elsinore.nets.network import Network
from elsinore.ops.exploration import factorised_noise


def with_noise(net: Network, std: float) -> Network:
    """The network with a deviation for every weight and bias of its dense layers, at first `std` /
    sqrt(inputs of the layer).

    Its functions compute with the means; with those of `perturbed(params, key)` they compute with
    noise.
    """

    def init(key: Key[Array, ""], obs: PyTree) -> PyTree:
        mean = net.init(key, obs)
        flat = flatten_dict(mean)
        layers = [p[:-1] for p, x in flat.items() if p[-1] == "kernel" and jnp.ndim(x) == 2]
        if not layers:
            raise ValueError(
                "algo.noisy=True needs a network with dense layers; leave it out, or use flax's"
                " nn.Dense."
            )
        deviation = {
            (*layer, part): jnp.full_like(x, std / np.sqrt(len(flat[*layer, "kernel"])))
            for layer in layers
            for part in ("kernel", "bias")
            if (x := flat.get((*layer, part))) is not None
        }
        return {"mean": mean, "deviation": unflatten_dict(deviation)}

    return net._replace(
        init=init,
        step=lambda params, *inputs: net.step(params["mean"], *inputs),
        unroll=lambda params, *inputs: net.unroll(params["mean"], *inputs),
    )


def perturbed(params: PyTree, key: Key[Array, ""]) -> PyTree:
    """Parameters of `with_noise` with one draw of the noise in their means."""
    mean: dict[Any, Any] = flatten_dict(params["mean"])
    deviation: dict[Any, Any] = flatten_dict(params["deviation"])
    layers = sorted(path[:-1] for path in deviation if path[-1] == "kernel")
    sizes = [size for layer in layers for size in mean[*layer, "kernel"].shape]
    each = jnp.split(draw(jax.random.normal, key, (sum(sizes),)), np.cumsum(sizes)[:-1])
    for layer, inputs, outputs in zip(layers, each[::2], each[1::2], strict=True):
        noise = factorised_noise(inputs, outputs)
        for path, x in zip(((*layer, "kernel"), (*layer, "bias")), noise, strict=True):
            if path in deviation:
                mean[path] += deviation[path] * x
    return params | {"mean": unflatten_dict(mean)}
