"""Rewards of a step, from the games before and after it."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from elsinore.worlds.balatro.rules.game import Game

RewardFunction = Callable[[Game, Game], Float[Array, ""]]


def sparse_reward(before: Game, after: Game) -> Float[Array, ""]:
    """1 for winning the run."""
    return _wins(before, after)


def progress_reward(before: Game, after: Game) -> Float[Array, ""]:
    """The progress of this step as a share of the run, and 1 for winning; at most 2 an episode.

    Within a blind, progress is chips scored / chips needed, at most 1.
    """
    return _gain(before, after, _share_of_chips) + _wins(before, after)


def log_progress_reward(before: Game, after: Game) -> Float[Array, ""]:
    """`progress_reward` with log1p of the chips, which rewards small scores more."""
    return _gain(before, after, _share_of_log_chips) + _wins(before, after)


def blind_reward(before: Game, after: Game) -> Float[Array, ""]:
    """1 for each blind beaten, and max_ante for winning the run."""
    return after.beaten - before.beaten + after.max_ante * _wins(before, after)


def _wins(before: Game, after: Game) -> Float[Array, ""]:
    return (after.won & ~before.won).astype(jnp.float32)


def _gain(before: Game, after: Game, share: Callable[[Game], Float[Array, ""]]) -> Float[Array, ""]:
    blinds = after.beaten - before.beaten + _unbeaten(after, share) - _unbeaten(before, share)
    return blinds / (3.0 * after.max_ante)


def _unbeaten(game: Game, share: Callable[[Game], Float[Array, ""]]) -> Float[Array, ""]:
    """The progress within the present blind, 0 .. 1; 0 between blinds and after the last."""
    return jnp.where(game.beaten < game.number, jnp.minimum(share(game), 1.0), 0.0)


def _share_of_chips(game: Game) -> Float[Array, ""]:
    return game.round.score / game.round.target


def _share_of_log_chips(game: Game) -> Float[Array, ""]:
    return jnp.log1p(game.round.score) / jnp.log1p(game.round.target.astype(jnp.float32))


REWARDS: dict[str, RewardFunction] = {
    "progress": progress_reward,
    "log-progress": log_progress_reward,
    "sparse": sparse_reward,
    "blind": blind_reward,
}
