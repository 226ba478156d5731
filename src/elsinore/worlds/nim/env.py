"""Nim with one heap (the subtraction game): two players in turn take 1 to `most` stones, and who
takes the last one wins.

The rival is part of the environment (`elsinore.envs.rivals`): a step is the learner's move and the
rival's answer, and the first move of each game is drawn. A position is won for the player to move
unless its stones are a multiple of `most` + 1: that player can leave such a multiple, and the other
player cannot. Source: Bouton 1901, "Nim, a game with a complete mathematical theory", Annals of
Mathematics 3; Berlekamp, Conway & Guy 2001, "Winning Ways for your Mathematical Plays", chapter 4.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Int, Key, PyTree

from elsinore.envs.rivals import NAMED, Rival, at_random, rival_of
from elsinore.errors import ConfigError

MOST_STONES = 1000  # in a heap: an observation has an input for each


@struct.dataclass
class NimParams(EnvParams):
    max_steps_in_episode: int = 21  # moves of the learner; no game takes more than the stones
    rival: PyTree = ()


@struct.dataclass
class NimState(EnvState):  # inherits `time`, the learner's moves
    heap: Int[Array, ""]  # stones that are left
    answer: Int[Array, ""]  # stones of the rival's last move; 0 before its first one


def best_move(key: Key[Array, ""], params: PyTree, obs: dict[str, Array]) -> Int[Array, ""]:
    """The move that leaves a multiple of `most` + 1; a random one where the position is lost."""
    stones = jnp.argmax(obs["heap"])
    take = stones % (obs["action_mask"].shape[-1] + 1)
    return jnp.where(take > 0, take - 1, at_random(key, (), obs))


RIVALS: Mapping[str, Rival] = {**NAMED, "perfect": Rival(best_move)}


class Nim(Environment):
    """Nim with one heap against a `Rival`. Action a takes a + 1 stones.

    An observation is of the player to move: `heap`, one-hot over 0 to `heap` stones, and
    `action_mask` [most]. A move of more stones than there are takes them all. The reward is 1 for
    the last stone, -1 where the rival takes it, and 0 before.
    """

    episode_facts: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"won": "win rate", "lost": "rate of losses"}
    )

    def __init__(self, heap: int, most: int, rival: Rival):
        self.heap, self.most, self.rival = heap, most, rival

    @property
    def name(self) -> str:
        return "Nim"

    @property
    def num_actions(self) -> int:
        return self.most

    @property
    def default_params(self) -> NimParams:
        return NimParams(max_steps_in_episode=self.heap, rival=self.rival.params)

    def with_rival(self, rival: Any) -> "Nim":
        """The same game against another rival, as `make_nim` takes it.

        Raises:
            ConfigError: for any other rival.
        """
        return Nim(self.heap, self.most, rival_of(rival, RIVALS, "Nim"))

    def action_space(self, params: PyTree) -> spaces.Discrete:
        return spaces.Discrete(self.most)

    def observation_space(self, params: PyTree) -> spaces.Dict:
        heap = spaces.Box(0.0, 1.0, (self.heap + 1,), jnp.float32)
        return spaces.Dict({"heap": heap, "action_mask": spaces.Box(0, 1, (self.most,), jnp.bool_)})

    def reset_env(self, key: Key[Array, ""], params: PyTree) -> tuple[dict[str, Array], NimState]:
        seat_key, move_key = jax.random.split(key)
        learner_begins = jax.random.bernoulli(seat_key)
        whole = jnp.int32(self.heap)
        answer = jnp.where(learner_begins, 0, self._answer(move_key, whole, params.rival))
        state = NimState(time=jnp.int32(0), heap=whole - answer, answer=answer)
        return self.seen(state.heap), state

    def step_env(
        self, key: Key[Array, ""], state: NimState, action: Array, params: PyTree
    ) -> tuple[dict[str, Array], NimState, Array, Array, dict[str, Any]]:
        left = state.heap - taken(action, state.heap)
        won = left == 0
        answer = jnp.where(won, 0, self._answer(key, left, params.rival))
        heap = left - answer
        lost = (heap == 0) & ~won
        reward = won.astype(jnp.float32) - lost.astype(jnp.float32)
        state = NimState(time=state.time + 1, heap=heap, answer=answer)
        return self.seen(heap), state, reward, won | lost, {"won": won, "lost": lost}

    def seen(self, heap: Int[Array, ""]) -> dict[str, Array]:
        """The observation of the player to move; of an empty heap the mask allows one stone."""
        return {
            "heap": jax.nn.one_hot(heap, self.heap + 1),
            "action_mask": jnp.arange(self.most) < jnp.maximum(heap, 1),
        }

    def _answer(self, key: Key[Array, ""], heap: Int[Array, ""], rival: PyTree) -> Int[Array, ""]:
        """Stones that the rival takes from this heap."""
        return taken(self.rival.act(key, rival, self.seen(heap)), heap)


def taken(action: Array, heap: Int[Array, ""]) -> Int[Array, ""]:
    """Stones that an action takes: action + 1, or all where there are fewer."""
    return jnp.minimum(jnp.int32(action) + 1, heap)


def make_nim(name: str, heap: int = 21, most: int = 3, rival: Any = "random") -> Nim:
    """Nim with `heap` stones, of which a move takes 1 to `most`.

    `rival` is `random`, `perfect` (it wins every position that can be won), a `Rival`, a policy or
    a function (key, obs) -> action.

    Raises:
        ConfigError: for a heap that one move can take, numbers out of range, or another rival.
    """
    for key, value in (("heap", heap), ("most", most)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"env_kwargs.{key}={value!r} must be a whole number of stones.")
    if most < 2:
        raise ConfigError(
            f"env_kwargs.most={most} leaves nothing to choose; a move takes up to 2 stones or more."
        )
    if not most < heap <= MOST_STONES:
        raise ConfigError(
            f"env_kwargs.heap={heap} must be above env_kwargs.most={most}, so that no first move"
            f" wins, and at most {MOST_STONES}; choose another number of stones."
        )
    return Nim(heap, most, rival_of(rival, RIVALS, name))
