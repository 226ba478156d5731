"""`PgxGame`: the parts that Pgx's games of one player and of two share."""

from functools import cached_property
from typing import Any

from gymnax.environments import spaces

from elsinore.envs.suites.adapter import SuiteEnv


class PgxGame(SuiteEnv):
    """A game of Pgx, whose moves are numbered."""

    @cached_property
    def num_actions(self) -> int:
        return self.native.num_actions  # Pgx begins an episode to count them

    def action_space(self, params: Any) -> spaces.Discrete:
        return spaces.Discrete(self.num_actions)
