"""Games of two players of Pgx, in which the rival is part of the environment.

The seat is drawn for each game. A step is the learner's move and the rival's answer, until it is
the learner's turn again or the game is over; rewards of all these moves are added up. The numbers
of a rival's policy (`envs/rivals.py`) are traced parameters of the environment, so training can
change them.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pgx
from flax import struct
from gymnax.environments.environment import EnvParams
from jaxtyping import Array, Int, Key, PyTree, UInt32

from elsinore.envs.object_names import OBJECT
from elsinore.envs.plain_scene import plain_scene
from elsinore.envs.rivals import NAMED, RANDOM, Rival, rival_of
from elsinore.envs.scene import Key as Legend
from elsinore.envs.scene import Pixels, Scene
from elsinore.envs.suites.adapter import SuiteState, never_empty
from elsinore.envs.suites.pgx_game import PgxGame
from elsinore.envs.suites.tic_tac_toe import NAMES, PERFECT

# The games of two players that Pgx makes offline.
GAMES = (
    *("animal_shogi", "backgammon", "chess", "connect_four", "gardner_chess", "go_19x19"),
    *("go_9x9", "hex", "kuhn_poker", "leduc_holdem", "othello", "shogi", "tic_tac_toe"),
)

LIMIT = 1000  # moves of the learner

# Rivals that some games have by name, beside those that all have.
RIVALS = {"tic_tac_toe": {**NAMED, "perfect": PERFECT}}
# The moves of games in which each has a name.
MOVES = {"tic_tac_toe": NAMES}


@struct.dataclass
class DuelParams(EnvParams):
    max_steps_in_episode: int = LIMIT
    rival: PyTree = ()


@struct.dataclass
class Table:
    """A running game, and the learner's seat."""

    game: pgx.State
    seat: Int[Array, ""]


class Duel(PgxGame):
    """A game of two players against a `Rival`."""

    episode_facts = {"won": "win rate", "lost": "rate of losses"}  # noqa: RUF012

    def __init__(self, native: Any, name: str, limit: int, rival: Rival):
        self.rival = rival
        super().__init__(native, name, limit)
        self._first, self._turn = jax.jit(self._first_turn), jax.jit(self._whole_turn)

    @staticmethod
    def ids() -> tuple[str, ...]:
        return tuple(env_id for env_id in pgx.available_envs() if env_id in GAMES)

    @classmethod
    def make(cls, env_id: str, rival: Any = "random", **kwargs: Any) -> "Duel":
        """A game by its id, against a `rival`: `random`, a `Rival` or a function (key, obs) ->
        action; in tic-tac-toe also `perfect`, which never loses.

        Raises:
            ConfigError: for any other rival.
        """
        name = f"pgx/{env_id}" if isinstance(rival, str) else f"pgx/{env_id}{OBJECT}"
        chosen = rival_of(rival, RIVALS.get(env_id, NAMED))
        return cls(pgx.make(env_id, **kwargs), name, LIMIT, chosen)

    @classmethod
    def of(cls, native: Any) -> "Duel":
        return cls(native, cls.named("pgx", native), LIMIT, RANDOM)

    def with_rival(self, rival: Any) -> "Duel":
        """The same game against another rival, as `make` takes it.

        Raises:
            ConfigError: for any other rival.
        """
        name = f"{self.name.removesuffix(OBJECT)}{OBJECT}"
        chosen = rival_of(rival, RIVALS.get(self.native.id, NAMED))
        return type(self)(self.native, name, self.limit, chosen)

    @property
    def default_params(self) -> Any:
        return DuelParams(max_steps_in_episode=self.limit, rival=self.rival.params)

    def action_names(self, params: Any) -> tuple[str, ...] | None:
        return MOVES.get(self.native.id)

    def reset_env(self, key: Key[Array, ""], params: PyTree) -> tuple[PyTree, SuiteState]:
        obs, world = self._first(jax.random.key_data(key), params.rival)
        return obs, SuiteState(time=jnp.int32(0), world=world)

    def step_env(
        self, key: Key[Array, ""], state: SuiteState, action: Array, params: PyTree
    ) -> tuple[PyTree, SuiteState, Array, Array, dict[str, Any]]:
        obs, world, reward, over, info = self._turn(
            jax.random.key_data(key), state.world, action, params.rival
        )
        return obs, SuiteState(time=state.time + 1, world=world), reward, over, info

    def scene(self, params: Any, state: Any) -> Scene:
        """The learner's pieces and the rival's, where the board has no other planes."""
        if state.world.game.observation.shape[2:] != (2,):
            return plain_scene(self, params, state)
        board = np.asarray(self.native._observe(state.world.game, state.world.seat))
        kind = np.where(board.any(axis=-1), board.argmax(axis=-1), -1)
        keys = (Legend("learner", "agent"), Legend("rival", "rival"))
        return Scene(self.name, (Pixels("board", tuple(map(tuple, kind.tolist())), keys),))

    def begin(self, key: UInt32[Array, "2"]) -> tuple[PyTree, Table]:
        return self._first_turn(key, self.rival.params)

    def advance(
        self, key: UInt32[Array, "2"], world: Table, action: Array
    ) -> tuple[PyTree, Table, Array, Array, dict[str, Any]]:
        return self._whole_turn(key, world, action, self.rival.params)

    def _first_turn(self, key: UInt32[Array, "2"], rival: PyTree) -> tuple[PyTree, Table]:
        init_key, seat_key, move_key = jax.random.split(jax.random.wrap_key_data(key), 3)
        seat = jax.random.randint(seat_key, (), 0, 2)
        game = self.native.init(jax.random.key_data(init_key))
        table, _ = self._answered(move_key, Table(game, seat), rival)
        return self._seen_from(table.game, seat), table

    def _whole_turn(
        self, key: UInt32[Array, "2"], world: Table, action: Array, rival: PyTree
    ) -> tuple[PyTree, Table, Array, Array, dict[str, Any]]:
        own_key, move_key = jax.random.split(jax.random.wrap_key_data(key))
        game = self.native.step(world.game, action, jax.random.key_data(own_key))
        table, reward = self._answered(move_key, Table(game, world.seat), rival)
        over = table.game.terminated
        info = {"won": over & (reward > 0), "lost": over & (reward < 0)}
        return self._seen_from(table.game, world.seat), table, reward, over, info

    def _answered(self, key: Key[Array, ""], table: Table, rival: PyTree) -> tuple[Table, Array]:
        """The game after the rival's moves, if it is its turn, and the learner's reward of the last
        move and of these."""

        def theirs(loop: Any) -> Array:
            _, game, _ = loop
            return (game.current_player != table.seat) & ~game.terminated

        def move(loop: Any) -> Any:
            key, game, reward = loop
            key, act_key, step_key = jax.random.split(key, 3)
            action = self.rival.act(act_key, rival, self._seen_from(game, 1 - table.seat))
            game = self.native.step(game, action, jax.random.key_data(step_key))
            return key, game, reward + game.rewards[table.seat]

        start = (key, table.game, jnp.float32(table.game.rewards[table.seat]))
        _, game, reward = jax.lax.while_loop(theirs, move, start)
        return Table(game, table.seat), reward

    def _seen_from(self, game: pgx.State, seat: Int[Array, ""]) -> dict[str, Array]:
        """The board as that seat sees it, and the legal moves of whose turn it is."""
        board = self.native._observe(game, seat)
        return {"board": board, "action_mask": never_empty(game.legal_action_mask)}
