"""A seed of several shards: its functions, and which leaves of its state the shards divide."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
from jaxtyping import Array, PyTree, Shaped

from elsinore.experience.sum_tree import SumTree
from elsinore.jaxtools.shards import DEVICES, IN_TURN, axis_size, gather_rows, per_shard
from elsinore.types import Algorithm

SHARED = -1  # in place of an axis: the shards have one value together


@dataclass(frozen=True, eq=False)
class Shards:
    """Division of a seed into shards, each an ordinary seed with its part of the envs."""

    number: int
    whole: Algorithm  # of the undivided seed, for the shapes of its state
    part: Algorithm  # of one shard


def evaluated_in_shards(play: Callable[..., Any], shards: Shards) -> Callable[..., Any]:
    """An evaluation of which each shard plays its part, in envs of its own: equally many, the least
    that are `episodes` together. Those beyond `episodes`, at the end of the last shards, are left
    out, which favours none: an episode counts by its env, not by how it went."""

    def all_episodes(env_params: PyTree, policy_state: PyTree, key: Array, *, episodes: int) -> Any:
        part = partial(play, env_params, policy_state, episodes=-(-episodes // shards.number))
        return jax.tree.map(lambda x: x[:episodes], gather_rows(per_shard(part)(key)))

    return all_episodes


def divided_axes(whole: PyTree, shard: PyTree, number: int) -> PyTree:
    """The axis of each leaf that `number` shards divide, or `SHARED`: the one whose size differs
    between the shapes of a whole seed's state and of a shard's. Each shard has a sum tree of its
    own, of which a whole seed has all, one below the other.

    Raises:
        ValueError: naming a leaf that cannot be divided so.
    """

    def axis_of(path: tuple, whole: Any, shard: Any) -> Any:
        if isinstance(whole, SumTree):
            return jax.tree.map(lambda _: 0, shard)
        if whole.shape == shard.shape:
            return SHARED
        sizes = zip(whole.shape, shard.shape, strict=True)
        axis = next(i for i, (every, own) in enumerate(sizes) if every != own)
        together = (*shard.shape[:axis], number * shard.shape[axis], *shard.shape[axis + 1 :])
        if together != whole.shape:
            raise ValueError(
                f"shards={number} cannot divide this algorithm: the leaf"
                f" {jax.tree_util.keystr(path)} of a seed's state is {list(whole.shape)}, and of a"
                f" shard's {list(shard.shape)}; use shards=1."
            )
        return axis

    is_tree = lambda x: isinstance(x, SumTree)  # noqa: E731
    return jax.tree_util.tree_map_with_path(axis_of, whole, shard, is_leaf=is_tree)


def over_shards(
    function: Callable[..., Any], shards: Shards, in_axes: tuple, out_axes: Any
) -> Callable[..., Any]:
    """`function` of one shard as a function of those on this device: of all of a seed, or of its
    part in a mesh with the axis `DEVICES`.

    The axes are trees as in `divided_axes`, or `SHARED` for a whole argument or result.

    Raises:
        ValueError: at trace time, where shards would differ in what ought to be shared. What
            passes is shared by construction, wherever its shards are computed.
    """

    def here(*args: PyTree) -> Any:
        number = shards.number // axis_size(DEVICES)
        if number == 1:
            return function(*args)
        parts = tuple(
            _map(x, axis, lambda x, i: x.reshape(*x.shape[:i], number, -1, *x.shape[i + 1 :]))
            for x, axis in zip(args, in_axes, strict=True)
        )
        each = jax.vmap(
            function,
            in_axes=_as_vmap_takes_them(in_axes),
            out_axes=_as_vmap_takes_them(out_axes),
            axis_size=number,
            axis_name=IN_TURN,
        )
        try:
            out = each(*parts)
        except ValueError as error:
            if "out_axes" not in str(error):
                raise
            raise ValueError(
                f"shards={shards.number} cannot divide this algorithm: its shards would differ in"
                " what they share, such as parameters after a step by a shard's own gradient;"
                " combine it with elsinore.jaxtools.shards, or use shards=1."
            ) from error
        return _map(out, out_axes, _merged)

    return here


def _map(tree: PyTree, axes: Any, function: Callable[[Array, int], Array]) -> PyTree:
    """`function(leaf, axis)` of the leaves that shards divide."""
    if isinstance(axes, int):  # one for the whole argument
        return tree if axes == SHARED else jax.tree.map(lambda x: function(x, axes), tree)
    if isinstance(axes, tuple) and not hasattr(axes, "_fields"):  # one for each result
        return tuple(_map(x, axis, function) for x, axis in zip(tree, axes, strict=True))
    return jax.tree.map(lambda x, i: x if i == SHARED else function(x, i), tree, axes)


def _merged(x: Shaped[Array, "..."], axis: int) -> Shaped[Array, "..."]:
    """[..., shard, row, ...] as [..., row, ...]."""
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])


def _as_vmap_takes_them(axes: Any) -> Any:
    return jax.tree.map(lambda i: None if i == SHARED else i, axes)
