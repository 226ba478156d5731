"""Gradient descent as every algorithm here does it: on one vector of all parameters, with a traced learning rate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Key, PyTree

from elsinore.experience.minibatches import pack
from elsinore.ops.randomness import permutations
from elsinore.types import Mean

Objective = Callable[[PyTree, Any], tuple[Float[Array, ""], dict[str, Array]]]  # (params, batch) -> loss, metrics


class Learner(NamedTuple):
    """What learning carries on, where it needs nothing more."""

    params: Any
    opt_state: Any  # of the parameters raveled into one vector


def scaler(name: str, eps: float, max_grad_norm: Float[Array, ""]) -> optax.GradientTransformation:
    """Clipping of all gradients together by their norm, then one of the usual scalings; no learning rate in it."""
    scalings = {
        "adam": lambda: optax.scale_by_adam(eps=eps),
        "radam": lambda: optax.scale_by_radam(eps=eps),
        # As TensorFlow's, which the published results of A2C were made with: eps under the root, and 1 to begin with.
        "rmsprop": lambda: optax.scale_by_rms(decay=0.99, eps=eps, eps_in_sqrt=True, initial_scale=1.0),
    }
    return optax.chain(optax.clip_by_global_norm(max_grad_norm), scalings[name]())


OPTIMISERS = ("adam", "radam", "rmsprop")


def begin_learning(params: PyTree, scale: optax.GradientTransformation) -> Learner:
    return Learner(params, scale.init(ravel_pytree(params)[0]))


def gradient_step(
    objective: Objective,
    scale: optax.GradientTransformation,
    learner: Learner,
    batch: Any,
    learning_rate: Float[Array, ""],
) -> tuple[Learner, dict[str, Array]]:
    """One step down the gradient of the objective's loss over `batch`; tells its metrics, and the gradient's norm.

    One vector instead of a tree: the optimiser is then a handful of operations, not that many a layer.
    """
    vector, unravel = ravel_pytree(learner.params)

    def loss(vector):
        return objective(unravel(vector), batch)

    (_, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(vector)
    step, opt_state = scale.update(gradient, learner.opt_state)
    metrics["learner/gradient_norm"] = optax.global_norm(gradient)
    return Learner(unravel(vector - learning_rate * step), opt_state), metrics


def minibatch_epochs(
    objective: Objective,
    scale: optax.GradientTransformation,
    learner: Learner,
    batch: Any,
    key: Key[Array, ""],
    learning_rate: Float[Array, ""],
    *,
    num_epochs: int,
    num_minibatches: int,
    enough: Callable[[dict[str, Array]], Bool[Array, ""]] | None = None,
) -> tuple[Learner, dict[str, Mean]]:
    """`num_epochs` passes over the rows of `batch` ([row, ...]) in fresh random minibatches.

    `enough(metrics)` stops the learning at the first minibatch it holds for, whose step is not taken.
    """
    table, unpack = pack(batch)
    size = table.shape[0]
    orders = permutations(key, num_epochs, size)
    rows = orders.reshape(num_epochs * num_minibatches, size // num_minibatches)
    vector, unravel = ravel_pytree(learner.params)  # carried as one, and put in order once at the end

    def raveled(vector, batch):
        return objective(unravel(vector), batch)

    def told(metrics) -> Array:  # one row for all: the compiler's work grows with the number of arrays
        names.extend(metrics)
        return jnp.stack(list(metrics.values()))

    def minibatch(carry, rows):
        learner, stopped = carry
        new, metrics = gradient_step(raveled, scale, learner, unpack(table[rows]), learning_rate)
        if enough is None:
            return (new, stopped), told(metrics)
        stopped |= enough(metrics)
        kept = jax.tree.map(lambda old, new: jnp.where(stopped, old, new), learner, new)
        metrics["learner/steps_taken"] = 1.0 - stopped.astype(jnp.float32)  # the share before the stop
        return (kept, stopped), told(metrics)

    names: list[str] = []
    carry = (Learner(vector, learner.opt_state), jnp.bool_(False))
    ((vector, opt_state), _), metrics = jax.lax.scan(minibatch, carry, rows)
    totals = jnp.sum(metrics, axis=0)
    means = {name: Mean(totals[i], jnp.float32(rows.shape[0])) for i, name in enumerate(names[: len(totals)])}
    return Learner(unravel(vector), opt_state), means
