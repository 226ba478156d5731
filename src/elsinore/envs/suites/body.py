"""Bodies that are moved by torques: the parts that the adapters of Brax and Playground share."""

from abc import abstractmethod
from typing import Any

import numpy as np
from gymnax.environments import spaces
from jaxtyping import PyTree

from elsinore.envs.scene import Circle, Figure, Line, Scene
from elsinore.envs.suites.adapter import SuiteEnv

LIMIT = 1000  # steps, as in both libraries


class Body(SuiteEnv):
    """A body with controls in [-1, 1]; the library scales them to the range of each motor."""

    def action_space(self, params: Any) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (self.native.action_size,))

    def begin(self, key):
        world = self.native.reset(key)
        return _seen(world.obs), world

    def advance(self, key, world, action):
        world = self.native.step(world, action)
        return _seen(world.obs), world, world.reward, world.done > 0.5, dict(world.metrics)

    @abstractmethod
    def bodies(self, world: Any) -> tuple[np.ndarray, list[int]]:
        """Positions [body, xyz] in metres, and each body's parent, negative for none."""

    def scene(self, params: Any, state: Any) -> Scene:
        """The bodies from the side, each joined to its parent."""
        return Scene(self.name, (side_view(*self.bodies(state.world)),))


def _seen(obs: PyTree) -> PyTree:
    """The observation of a policy: without the numbers of the simulator that Playground's robots
    give to a critic beside it."""
    robot = isinstance(obs, dict) and {"state", "privileged_state"} <= set(obs)
    return obs["state"] if robot else obs


def side_view(positions: np.ndarray, parents: list[int], metres: float = 4.0) -> Figure:
    """Bodies at [body, xyz], seen along y, with the first of them in the middle.

    Args:
        metres: the height of the figure.
    """
    aspect, middle = 1.6, float(positions[0, 0])
    places = [
        (aspect / 2 + (float(x) - middle) / metres, 0.15 + float(z) / metres)
        for x, _, z in positions
    ]
    links = [Line((places[i], places[p]), "rest", 0.02) for i, p in enumerate(parents) if p >= 0]
    joints = [Circle(x, y, 0.02, "goal" if i else "agent") for i, (x, y) in enumerate(places)]
    ground = Line(((0.0, 0.15), (aspect, 0.15)), "faint", 0.008)
    return Figure("from the side", aspect, (ground, *links, *joints))
