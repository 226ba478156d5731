"""State, parameters and episode metrics of the environment."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments.environment import EnvParams, EnvState
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.balatro.rules.blinds import LAST_ANTE
from elsinore.worlds.balatro.rules.game import Game

NUM_BLINDS = 3 * LAST_ANTE  # of the longest run


@struct.dataclass
class BalatroParams(EnvParams):
    """Traced numbers: changing them never recompiles.

    Raises:
        ValueError: for a `max_ante` that is not 1 .. 8.
    """

    max_steps_in_episode: Int[Array, ""] | int = 512
    max_ante: Int[Array, ""] | int = LAST_ANTE  # beating its boss wins; fixed at reset
    # card ids of each blind in drawing order; only with `stacked_decks`
    decks: Int[Array | np.ndarray, "24 52"] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.max_ante, int | np.integer | float) and self.max_ante not in range(
            1, LAST_ANTE + 1
        ):
            raise ValueError(
                f"max_ante={self.max_ante} must be a whole number from 1 to {LAST_ANTE}: the run is"
                " won by beating the boss of that ante."
            )


@struct.dataclass
class BalatroState(EnvState):  # inherits `time`: steps since reset
    game: Game
    # a bit for each selected slot of the hand (action mode `toggle`)
    selected: Int[Array, ""]
    episode_return: Float[Array, ""]


class BalatroMetrics(NamedTuple):
    """Metrics of the episode so far."""

    reward: Float[Array, ""]  # the return
    ante: Int[Array, ""]  # the one being played; max_ante after a win
    score: Float[Array, ""]  # chips, of all rounds
    length: Int[Array, ""]  # steps
    won: Bool[Array, ""]
    blinds: Int[Array, ""]  # beaten
    hands: Int[Array, ""]  # played


def episode_metrics(state: BalatroState) -> BalatroMetrics:
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
