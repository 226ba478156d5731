"""What a Balatro environment keeps between steps, and the numbers that a curriculum may change."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments.environment import EnvParams, EnvState
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.balatro.rules.blinds import LAST_ANTE
from elsinore.envs.balatro.rules.game import Game

NUM_BLINDS = 3 * LAST_ANTE  # of the longest run


@struct.dataclass
class Params(EnvParams):
    """Traced numbers: changing them never compiles anew.

    Raises:
        ValueError: for a `max_ante` that is no ante of a run.
    """

    max_steps_in_episode: int = 512
    max_ante: int = LAST_ANTE  # beating its boss wins; an episode keeps what it began with
    decks: Int[Array, "24 52"] | None = None  # of each blind, in the order of drawing; only with `stacked_decks`

    def __post_init__(self):
        if isinstance(self.max_ante, int | np.integer | float) and self.max_ante not in range(1, LAST_ANTE + 1):
            raise ValueError(
                f"max_ante={self.max_ante} must be a whole number from 1 to {LAST_ANTE}: the run is won by beating the "
                "boss of that ante."
            )


@struct.dataclass
class State(EnvState):  # inherits `time`: steps since reset
    game: Game
    selected: Int[Array, ""]  # a bit for each slot of the hand that is taken up (in action mode `toggle`)
    episode_return: Float[Array, ""]


class BalatroMetrics(NamedTuple):
    """An episode so far; what a finished one came to at its last step."""

    reward: Float[Array, ""]  # the return
    ante: Int[Array, ""]  # the one being played; max_ante after a win
    score: Float[Array, ""]  # chips, of all rounds
    length: Int[Array, ""]  # steps
    won: Bool[Array, ""]
    blinds: Int[Array, ""]  # beaten
    hands: Int[Array, ""]  # played


def metrics(state: State) -> BalatroMetrics:
    game = state.game
    return BalatroMetrics(
        reward=state.episode_return,
        ante=game.ante,
        score=game.total_score,
        length=jnp.asarray(state.time),
        won=game.won,
        blinds=game.beaten,
        hands=jnp.sum(game.plays),
    )
