"""Pgx (Koyamada 2023, arXiv:2303.17503): its games of one player, `pgx/2048` and `pgx/minatar-*`;
those of two are in `pgx_duel`.

Pgx's MinAtar repeats the last action with probability 0.1, as the original and unlike gymnax.
"""

from typing import Any

import numpy as np
import pgx

from elsinore.envs.plain_scene import plain_scene
from elsinore.envs.scene import Grid, Key, Pixels, Scene, Thing
from elsinore.envs.suites.adapter import never_empty
from elsinore.envs.suites.pgx_duel import GAMES, Duel
from elsinore.envs.suites.pgx_game import PgxGame
from elsinore.errors import ConfigError

LIMITS = {"2048": 2000}  # steps; MinAtar's games have 1000, as in gymnax
DIRECTIONS = ("left", "up", "right", "down")
ROLES = ("agent", "goal", "faint", "danger", "wash", "food", "calm", "rival", "work", "care")


class Pgx(PgxGame):
    """A game of one player; an illegal move ends it, so the mask forbids them. `make` and `of` give
    a `Duel` for a game of two."""

    @staticmethod
    def ids() -> tuple[str, ...]:
        known = pgx.available_envs()
        return tuple(x for x in known if x == "2048" or x.startswith("minatar-") or x in GAMES)

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> PgxGame:
        if env_id in GAMES:
            return Duel.make(env_id, **kwargs)
        return cls._alone(pgx.make(env_id, **kwargs), f"pgx/{env_id}")

    @classmethod
    def of(cls, native: Any) -> PgxGame:
        if native.num_players == 2:
            return Duel.of(native)
        return cls._alone(native, cls.named("pgx", native))

    @classmethod
    def _alone(cls, native: Any, name: str) -> "Pgx":
        """The adapter of a game of one player.

        Raises:
            ConfigError: for a game of more than two players.
        """
        if native.num_players != 1:
            raise ConfigError(
                f"env={name!r} has {native.num_players} players; the games of one or two are"
                f" {', '.join(cls.ids())}."
            )
        return cls(native, name, LIMITS.get(native.id, 1000))

    @property
    def masked(self) -> bool:
        """True where some actions may be illegal; MinAtar's never are."""
        return not self.native.id.startswith("minatar-")

    def _seen(self, world: pgx.State) -> Any:
        if not self.masked:
            return world.observation
        mask = never_empty(world.legal_action_mask)
        return {"board": world.observation, "action_mask": mask}

    def begin(self, key):
        world = self.native.init(key)
        return self._seen(world), world

    def advance(self, key, world, action):
        world = self.native.step(world, action, key)
        return self._seen(world), world, world.rewards[0], world.terminated, {}

    def action_names(self, params: Any) -> tuple[str, ...] | None:
        return DIRECTIONS if self.native.id == "2048" else None

    def scene(self, params: Any, state: Any) -> Scene:
        """The board of 2048, or MinAtar's channels as pixels."""
        if not self.masked:
            return Scene(self.name, (_pixels(self.name, np.asarray(state.world.observation)),))
        if self.native.id != "2048":
            return plain_scene(self, params, state)
        tiles = tuple(
            Thing(i % 4, i // 4, str(2**n), "food" if n < 7 else "gain")
            for i, n in enumerate(np.asarray(state.world._board).tolist())
            if n > 0
        )
        return Scene(self.name, (Grid("2048", 4, 4, tiles),))


def _pixels(title: str, channels: np.ndarray) -> Pixels:
    """Each cell by the last of its channels that is set."""
    number = np.arange(1, channels.shape[-1] + 1)
    rows = (channels * number).max(axis=-1) - 1
    keys = tuple(Key(f"channel {i}", ROLES[i % len(ROLES)]) for i in range(channels.shape[-1]))
    return Pixels(title, tuple(map(tuple, rows.tolist())), keys)
