"""An episode of several agents as scenes: all of them in their world, and one of them to be looked at closely."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from elsinore.config.build import ConfigError
from elsinore.envs.scene import Facts, Scene, number
from elsinore.host.drawing.episode import Episode, world_of
from elsinore.host.replays import Replay

MOST = 10  # agents that a scene tells of by name


class Company:
    """A replay of several agents in its world, to be looked at step by step, over the shoulder of one of them.

    A world without a view of them together is seen as that one sees it. It goes on until the last life has ended.

    Raises:
        ConfigError: as `Episode`, or for an agent that is not among them.
    """

    def __init__(self, replay: Replay, env: Any = None, agent: int = 0):
        if not 0 <= agent < replay.agents:
            raise ConfigError(f"agent_{agent} is not in this replay; it has agent_0 to agent_{replay.agents - 1}.")
        self.about, self.agent = replay.about, agent
        self.env, params, state = world_of(replay, env)
        self.own = Episode(replay.life(agent), self.env)
        self.view = self.own.view
        self.params, self.film = replay.params(params), replay.film(state)
        self._ends = np.array(self.about["lengths"])
        earned = np.cumsum(self.film.reward, axis=0, dtype=np.float64)
        self._returns = np.concatenate([np.zeros((1, replay.agents)), earned])

    def __len__(self) -> int:
        """Scenes: one for each state of the longest life, the last being what its last step led to."""
        return int(self.film.length) + 1

    def scene(self, time: int) -> Scene:
        """What there is to see after `time` steps; of a life that is over, how it ended."""
        mine = min(time, len(self.own) - 1)
        world = self._world(time, mine)
        title = self.own.title(f"{world.title} · agent_{self.agent} of {len(self._ends)}")
        everyone = Facts("agents", tuple(self._everyone(time)))
        return Scene(title, (*world.panels, *self.own.beside(mine), everyone))

    @property
    def outcome(self) -> str:
        """How it ended."""
        ended = self.about["endings"].count("terminated")
        return f"the world ended {ended} of {len(self._ends)} lives"

    def _world(self, time: int, mine: int) -> Scene:
        if self.view.together is None:
            return self.own.world(mine)
        states = jax.tree.map(lambda x: x[time], self.film.state)
        return self.view.together(self.env, self.params, states, self.agent, self._over(time, "terminated"))

    def _over(self, time: int, *endings: str) -> np.ndarray:
        """Whose life has ended so after `time` steps, [agent]."""
        return (self._ends <= time) & np.isin(self.about["endings"], endings)

    def _everyone(self, time: int) -> Iterator[tuple[str, str]]:
        """How each is doing: of many, those about the one that is looked at."""
        over, count = self._over(time, "terminated", "truncated"), len(self._ends)
        first = min(max(self.agent - MOST // 2, 0), max(count - MOST, 0))
        for i in range(first, min(first + MOST, count)):
            mark = "▶ " if i == self.agent else ""
            yield f"{mark}agent_{i}", f"{number(self._returns[time, i])}{self._ended(i) if over[i] else ''}"
        if count > MOST:
            yield "mean return of all", number(self._returns[time].mean())
            yield "still going on", f"{count - over.sum()} of {count}"

    def _ended(self, agent: int) -> str:
        how = "ended" if self.about["endings"][agent] == "terminated" else "out of time"
        return f", {how} at {self._ends[agent]:,}"


def episode_of(replay: Replay, env: Any = None, agent: int | None = None) -> Episode | Company:
    """A replay to be looked at; where several agents are in it, over the shoulder of `agent`, by default the first.

    Raises:
        ConfigError: as `Episode` and `Company`, or for an agent where there are not several.
    """
    if replay.agents > 1:
        return Company(replay, env, agent or 0)
    if agent:
        raise ConfigError(f"agent_{agent} is not in this replay; it has one agent.")
    return Episode(replay, env)


def numbered(agent: str | None) -> int | None:
    """The number in `agent_3`, or in `3`.

    Raises:
        ConfigError: for what is neither.
    """
    digits = (agent or "").removeprefix("agent_")
    if agent is not None and not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise ConfigError(f"--agent {agent} is no agent's name; they are agent_0, agent_1 and so on.")
    return int(digits) if digits else None
