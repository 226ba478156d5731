"""A small env that cannot be played without a memory, after one of POPGym's."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

SUITS = 4


@struct.dataclass
class Params(EnvParams):
    max_steps_in_episode: int = 51  # of a deck of 52, whose last card is not played on
    previous: int = 4  # which card is asked for: 1 is the one in sight, 4 the third before it


@struct.dataclass
class Dealing(EnvState):
    suits: jax.Array  # [card], 0 to 3 each, in the order of dealing


@dataclass(frozen=True)
class RepeatPrevious(Environment):
    """A card is dealt at each step, and its suit is seen; the action names the suit of the card
    that was the `previous`-th last to be dealt.

    A right answer pays 1 / (answers of an episode) and a wrong one costs as much, so that the best
    return is 1, the worst -1 and chance -0.5. Before so many cards were dealt nothing is paid. Each
    suit has equally many cards, and only the time limit ends an episode.

    Source: POPGym, Morad 2023, arXiv:2303.01859, RepeatPreviousEasy (`previous` is its k).
    """

    decks: int = 1

    @property
    def default_params(self) -> Params:
        return Params(max_steps_in_episode=13 * SUITS * self.decks - 1)

    def action_space(self, params: Any) -> spaces.Discrete:
        return spaces.Discrete(SUITS)

    def observation_space(self, params: Any) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (SUITS,))

    def reset_env(self, key: Any, params: Params) -> Any:
        cards = jnp.repeat(jnp.arange(SUITS, dtype=jnp.int8), 13 * self.decks)
        state = Dealing(time=jnp.int32(0), suits=jax.random.permutation(key, cards))
        return self.observe(state), state

    def step_env(self, key: Any, state: Dealing, action: Any, params: Params) -> Any:
        asked = state.time + 1 - params.previous  # the first card is card 0
        right = action == self.card(state, asked)
        answers = params.max_steps_in_episode + 1 - params.previous
        reward = jnp.where(right, 1.0, -1.0) * (asked >= 0) / answers
        after = state.replace(time=state.time + 1)
        return self.observe(after), after, reward, jnp.bool_(False), {}

    def observe(self, state: Dealing) -> Any:
        """[suit]: the last card's, one-hot."""
        return jax.nn.one_hot(self.card(state, state.time), SUITS)

    def card(self, state: Dealing, number: Any) -> Any:
        """The suit of a card; after the last the deck is dealt again, in the same order."""
        return state.suits[number % len(state.suits)]
