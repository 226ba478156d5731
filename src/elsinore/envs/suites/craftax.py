"""Craftax (Matthews 2024, arXiv:2402.16801): `craftax/Craftax-Classic-Symbolic-v1` and others.

A reset draws a whole world and costs as much as 13 to 28 steps, so worlds are drawn one at a time.
"""

from typing import Any

import numpy as np
from craftax.craftax_env import make_craftax_env_from_name  # pyright: ignore[reportMissingImports]
from gymnax.environments import spaces

from elsinore.envs.scene import Bar, Bars, Grid, Scene, Thing
from elsinore.envs.suites.adapter import FOREVER, SuiteEnv

ROWS, COLUMNS = 9, 11  # of the map that is drawn around the player
ROLES = {"WATER": "wash", "LAVA": "danger", "TREE": "care", "PLANT": "food", "RIPE_PLANT": "food"}
PASSABLE = ("GRASS", "SAND", "PATH")
NEEDS = ("health", "food", "drink", "energy")


class Craftax(SuiteEnv):
    """A world to survive and build in. Craftax's `done` holds its time limit, which is lifted."""

    draw_at_once = 1

    @staticmethod
    def ids() -> tuple[str, ...]:
        kinds = (f"{game}-{seen}" for game in ("-Classic", "") for seen in ("Symbolic", "Pixels"))
        return tuple(f"Craftax{kind}-v1" for kind in kinds)

    @classmethod
    def make(cls, env_id: str) -> "Craftax":
        return cls(make_craftax_env_from_name(env_id, auto_reset=False), f"craftax/{env_id}")

    @classmethod
    def of(cls, native: Any) -> "Craftax":
        return cls(native, cls.named("craftax", native))

    def __init__(self, native: Any, name: str):
        rules = native.default_params
        super().__init__(native, name, rules.max_timesteps)
        self.rules = rules.replace(max_timesteps=FOREVER)
        if "craftax_classic" in type(native).__module__:
            from craftax.craftax_classic import constants  # pyright: ignore[reportMissingImports]
            from craftax.craftax_classic.envs import common  # pyright: ignore[reportMissingImports]

            self._achieved = common.compute_score
        else:
            from craftax.craftax import constants  # pyright: ignore[reportMissingImports]
            from craftax.craftax.envs import common  # pyright: ignore[reportMissingImports]

            self._achieved = common.log_achievements_to_info
        self.constants = constants

    def action_space(self, params: Any) -> spaces.Discrete:
        return spaces.Discrete(self.native.num_actions)

    def begin(self, key):
        return self.native.reset_env(key, self.rules)

    def advance(self, key, world, action):
        obs, world, reward, done, info = self.native.step_env(key, world, action, self.rules)
        kept = {k: x for k, x in info.items() if k != "discount"}
        # those of Craftax are 0 but in a step that is `done`, which a truncated one is not
        return obs, world, reward, done, kept | self._achieved(world, True)

    def action_names(self, params: Any) -> tuple[str, ...]:
        return tuple(a.name.lower().replace("_", " ") for a in self.constants.Action)

    def scene(self, params: Any, state: Any) -> Scene:
        """The map around the player, and the player's needs."""
        world = state.world
        blocks = world.map if world.map.ndim == 2 else world.map[int(world.player_level)]
        row, column = np.asarray(world.player_position).tolist()
        things = []
        for y, x in np.ndindex(ROWS, COLUMNS):
            at = (row + y - ROWS // 2, column + x - COLUMNS // 2)
            inside = all(0 <= i < size for i, size in zip(at, blocks.shape, strict=True))
            kind = self.constants.BlockType(int(blocks[at])).name if inside else "WALL"
            if kind not in PASSABLE:
                things.append(Thing(x, y, kind.lower(), ROLES.get(kind, "wall")))
        things.append(Thing(COLUMNS // 2, ROWS // 2, "player", "agent", token=True))
        needs = [(need, float(getattr(world, f"player_{need}"))) for need in NEEDS]
        bars = tuple(Bar(n, min(x / 9, 1.0), f"{x:g} of 9", danger_below=0.3) for n, x in needs)
        grid = Grid(self.name, COLUMNS, ROWS, tuple(things))
        return Scene(self.name, (grid, Bars("needs", bars)))
