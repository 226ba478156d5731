"""`PgxGame`: the parts that Pgx's games of one player and of two share."""

from functools import cached_property
from typing import Any

import jax
from gymnax.environments import spaces

from elsinore.envs.suites.adapter import SuiteEnv


class PgxGame(SuiteEnv):
    """A game of Pgx, whose moves are numbered."""

    @cached_property
    def num_actions(self) -> int:
        # by shapes alone: Pgx begins an episode to count them, which compiles a whole game
        begun = jax.eval_shape(self.native.init, jax.random.PRNGKey(0))
        return begun.legal_action_mask.shape[-1]

    def action_space(self, params: Any) -> spaces.Discrete:
        return spaces.Discrete(self.num_actions)
