"""What a step earns, from the games before and after it."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from elsinore.envs.balatro.rules.game import Game

Reward = Callable[[Game, Game], Float[Array, ""]]


def sparse(before: Game, after: Game) -> Float[Array, ""]:
    """1 for winning the run."""
    return _wins(before, after)


def progress(before: Game, after: Game) -> Float[Array, ""]:
    """The share of the run got through by this step, and 1 for winning: those of an episode add up to 2 at most.

    Within a blind the share grows with the chips scored, up to those asked for.
    """
    return _gain(before, after, _share_of_chips) + _wins(before, after)


def log_progress(before: Game, after: Game) -> Float[Array, ""]:
    """`progress` with the logarithm of the chips, so that a first few count too where many are asked for."""
    return _gain(before, after, _share_of_log_chips) + _wins(before, after)


def blind(before: Game, after: Game) -> Float[Array, ""]:
    """1 for each blind beaten, and max_ante for winning the run."""
    return after.beaten - before.beaten + after.max_ante * _wins(before, after)


def _wins(before: Game, after: Game) -> Float[Array, ""]:
    return (after.won & ~before.won).astype(jnp.float32)


def _gain(before: Game, after: Game, share: Callable[[Game], Float[Array, ""]]) -> Float[Array, ""]:
    blinds = after.beaten - before.beaten + _unbeaten(after, share) - _unbeaten(before, share)
    return blinds / (3.0 * after.max_ante)


def _unbeaten(game: Game, share: Callable[[Game], Float[Array, ""]]) -> Float[Array, ""]:
    """How much of a blind is done that is not beaten yet: nothing between blinds and after the last."""
    return jnp.where(game.beaten < game.number, jnp.minimum(share(game), 1.0), 0.0)


def _share_of_chips(game: Game) -> Float[Array, ""]:
    return game.round.score / game.round.target


def _share_of_log_chips(game: Game) -> Float[Array, ""]:
    return jnp.log1p(game.round.score) / jnp.log1p(game.round.target.astype(jnp.float32))


REWARDS: dict[str, Reward] = {
    "progress": progress,
    "log-progress": log_progress,
    "sparse": sparse,
    "blind": blind,
}
