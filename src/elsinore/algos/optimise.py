"""Gradient steps on one vector of all parameters, with a traced learning rate."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.algos.radam import scale_by_radam
from elsinore.experience.minibatches import pack
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import permutations
from elsinore.jaxtools.products import with_quick_products
from elsinore.types import Mean

LossFn = Callable[[PyTree, Any], tuple[Float[Array, ""], Any]]  # (params, batch) -> loss, aux
LossAndMetrics = tuple[Float[Array, ""], dict[str, Float[Array, ""]]]
# the scaling of a gradient, by the optimiser's name: a function of epsilon
OPTIMISERS: dict[str, Callable[[float], optax.GradientTransformation]] = {
    "adam": lambda eps: optax.scale_by_adam(eps=eps),
    "radam": scale_by_radam,
    # TensorFlow's form, as in the published results of A2C: eps under the root, initially 1.
    "rmsprop": lambda eps: optax.scale_by_rms(
        decay=0.99, eps=eps, eps_in_sqrt=True, initial_scale=1.0
    ),
}


class Learner(NamedTuple):
    """Parameters and optimiser state."""

    params: PyTree
    opt_state: PyTree  # of the parameters raveled into one vector


class OfRows(NamedTuple):
    """Results of a loss for each row of its batch, such as TD errors: each shard keeps its own."""

    values: PyTree


def optimiser(
    name: str, eps: float, max_grad_norm: float | Float[Array, ""]
) -> optax.GradientTransformation:
    """Clipping by the global norm, then Adam's, RAdam's or RMSprop's scaling; no learning rate."""
    return optax.chain(optax.clip_by_global_norm(max_grad_norm), OPTIMISERS[name](eps))


def init_learner(params: PyTree, optimiser: optax.GradientTransformation) -> Learner:
    """Learner before its first gradient step."""
    return Learner(params, optimiser.init(ravel_pytree(params)[0]))


def gradient_step(
    loss_fn: LossFn,
    optimiser: optax.GradientTransformation,
    learner: Learner,
    batch: PyTree,
    learning_rate: Float[Array, ""],
) -> tuple[Learner, Any, Float[Array, ""]]:
    """One step down the gradient of the loss over `batch`: (learner, aux, gradient norm).

    One vector instead of a tree: the optimiser is then a handful of operations, not that many a
    layer.
    """
    vector, unravel = ravel_pytree(learner.params)
    step = partial(_vector_step, lambda vector, batch: loss_fn(unravel(vector), batch), optimiser)
    learner, aux, norm = step(Learner(vector, learner.opt_state), batch, learning_rate)
    return learner._replace(params=unravel(learner.params)), aux, norm


def _vector_step(
    loss_fn: LossFn,
    optimiser: optax.GradientTransformation,
    learner: Learner,
    batch: PyTree,
    learning_rate: Float[Array, ""],
) -> tuple[Learner, Any, Float[Array, ""]]:
    """`gradient_step` of a learner whose parameters are one vector already.

    The gradient is the mean over a seed's shards, and so is `aux`, but for what is `OfRows`.
    """
    of_loss = with_quick_products(jax.grad(loss_fn, has_aux=True))
    gradient, aux = shards.per_shard(of_loss)(learner.params, batch)
    gradient, aux = _over_shards(gradient, aux)

    def stepped(gradient: Array, learner: Learner) -> tuple[Learner, Float[Array, ""]]:
        step, opt_state = optimiser.update(gradient, learner.opt_state)
        params = learner.params - learning_rate * cast(Array, step)
        return Learner(params, opt_state), optax.tree.norm(gradient)

    learner, norm = shards.per_shard(stepped)(gradient, learner)
    return learner, aux, norm


def _over_shards(gradient: Array, aux: PyTree) -> tuple[Array, PyTree]:
    """The means over all shards of the gradient and of what is not `OfRows`."""
    leaves, structure = jax.tree.flatten(aux, is_leaf=lambda x: isinstance(x, OfRows))
    common = [x for x in leaves if not isinstance(x, OfRows)]
    gradient, common = shards.mean((gradient, common))
    means = iter(common)
    leaves = [x if isinstance(x, OfRows) else next(means) for x in leaves]
    return gradient, jax.tree.unflatten(structure, leaves)


@partial(jax.tree_util.register_dataclass, data_fields=["values"], meta_fields=["names"])
@dataclass(frozen=True)
class MetricRow:
    """Scalar metrics in one array: compile time grows with the number of arrays."""

    values: Float[Array, "*steps metric"]
    names: tuple[str, ...]

    @classmethod
    def of(cls, metrics: dict[str, Float[Array, ""]]) -> "MetricRow":
        return cls(jnp.stack(list(metrics.values())), tuple(metrics))

    def means(self, counted: Bool[Array, "steps"] | None = None) -> dict[str, Mean]:
        """Means over the leading axis, of the rows that are `counted`; None: of all."""
        where = None if counted is None else counted[:, None]
        totals, count = jnp.sum(self.values, axis=0, where=where), jnp.float32(len(self.values))
        if counted is not None:
            count = jnp.sum(counted, dtype=jnp.float32)
        return {name: Mean(totals[i], count) for i, name in enumerate(self.names)}


def minibatch_epochs(
    loss_fn: LossFn,
    optimiser: optax.GradientTransformation,
    learner: Learner,
    batch: PyTree,
    key: Key[Array, ""],
    learning_rate: Float[Array, ""],
    *,
    num_epochs: int,
    num_minibatches: int,
    stop_fn: Callable[[dict[str, Array]], Bool[Array, ""]] | None = None,
    minibatch_stats_fn: Callable[[PyTree, Int[Array, "minibatch row"]], PyTree] | None = None,
) -> tuple[Learner, dict[str, Mean]]:
    """`num_epochs` passes over the rows of `batch` ([row, ...]) in fresh random minibatches.

    The aux of `loss_fn` is a dict of metrics. `stop_fn(metrics)` ends the learning at the first
    minibatch for which it is true; its step is not taken, and the means are of those up to it. With
    `minibatch_stats_fn(batch, rows)`, statistics of each minibatch from before the first step,
    [minibatch, ...], the loss is of (minibatch, its statistics).
    """
    gathered, size = pack(batch), len(jax.tree.leaves(batch)[0])
    orders = permutations(key, num_epochs, size)
    rows = orders.reshape(num_epochs * num_minibatches, size // num_minibatches)
    vector, unravel = ravel_pytree(learner.params)
    step = partial(_vector_step, lambda vector, batch: loss_fn(unravel(vector), batch), optimiser)

    stats = None if minibatch_stats_fn is None else minibatch_stats_fn(batch, rows)

    def minibatch(
        carry: tuple[Learner, Bool[Array, ""]], of_minibatch: tuple[Int[Array, "row"], PyTree]
    ) -> tuple[tuple[Learner, Bool[Array, ""]], tuple[MetricRow, Bool[Array, ""] | None]]:
        (learner, stopped), (rows, stats) = carry, of_minibatch
        part = gathered(rows)
        part = part if minibatch_stats_fn is None else (part, stats)
        new, metrics, norm = step(learner, part, learning_rate)
        metrics = metrics | {"learner/gradient_norm": norm}
        if stop_fn is None:
            return (new, stopped), (MetricRow.of(metrics), None)
        counted = ~stopped
        stopped |= stop_fn(metrics)
        kept = jax.tree.map(lambda old, new: jnp.where(stopped, old, new), learner, new)
        metrics["learner/steps_taken"] = 1.0 - stopped.astype(jnp.float32)
        return (kept, stopped), (MetricRow.of(metrics), counted)

    carry = (Learner(vector, learner.opt_state), jnp.bool_(False))
    (learner, _), (metrics, counted) = jax.lax.scan(minibatch, carry, (rows, stats))
    learner = learner._replace(params=unravel(learner.params))
    means = metrics.means(counted)
    if counted is not None:  # the share of all steps, also of those after the stop
        of_all = means["learner/steps_taken"]._replace(count=jnp.float32(len(rows)))
        means["learner/steps_taken"] = of_all
    return learner, means
