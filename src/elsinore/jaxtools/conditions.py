"""A condition whose shared arguments stay shared under `vmap`."""

from collections.abc import Callable
from typing import Any

import jax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, PyTree

Branch = Callable[[PyTree, PyTree], Any]


def cond_with_shared(
    pred: Bool[Array, ""], true_fun: Branch, false_fun: Branch, own: PyTree, shared: PyTree
) -> Any:
    """`jax.lax.cond(pred, true_fun, false_fun, own, shared)`.

    Under `vmap` that is a choice between both branches, and `jax.lax.cond` gives the batch axis to
    all of their arguments. A loop in a branch whose bound has that axis chooses between its old and
    new carry in every turn, which copies the carry: two thirds of the time of 16 seeds of DQN on
    Breakout-MinAtar on an H100. Here `shared` keeps no axis that it had not.
    """

    structure = jax.tree.structure(jax.eval_shape(true_fun, own, shared))
    # Lists, not the records: one that checks its numbers refuses the marks that stand for them.
    own, own_structure = jax.tree.flatten(own)
    shared, shared_structure = jax.tree.flatten(shared)

    def of_lists(branch: Branch) -> Callable[[list, list], list]:
        return lambda own, shared: jax.tree.leaves(
            branch(own_structure.unflatten(own), shared_structure.unflatten(shared))
        )

    branches = of_lists(true_fun), of_lists(false_fun)

    @custom_vmap
    def choose(pred: Array, own: list, shared: list) -> list:
        return jax.lax.cond(pred, *branches, own, shared)

    @choose.def_vmap
    def choose_each(
        axis_size: int, in_batched: list, pred: Array, own: list, shared: list
    ) -> tuple[list, list]:
        axes = jax.tree.map(lambda batched: 0 if batched else None, in_batched)
        results = [
            jax.vmap(branch, in_axes=tuple(axes[1:]), axis_size=axis_size)(own, shared)
            for branch in branches
        ]
        pick = jax.vmap(
            lambda pred, x, y: jax.lax.cond(pred, lambda: x, lambda: y), in_axes=(axes[0], 0, 0)
        )
        chosen = pick(pred, *results)
        return chosen, [True] * len(chosen)

    return structure.unflatten(choose(pred, own, shared))
