"""Multi-agent episodes as scenes: all agents in their environment, and one agent in detail."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from elsinore.envs.scene import Facts, Scene, rounded
from elsinore.errors import ConfigError
from elsinore.runs.replays.recording import EpisodeRecording
from elsinore.types import agent_name
from elsinore.view.drawing.episode import Episode, env_of

MAX_AGENTS = 10  # agents listed in a scene


class MultiAgentEpisode:
    """A multi-agent replay with its environment, one scene per state, with one agent in detail.

    An environment without `scene_together` is shown from the view of that agent. The length is
    that of the longest-lived agent.

    Raises:
        ConfigError: as `Episode`, or for an unknown agent.
    """

    def __init__(self, replay: EpisodeRecording, env: Any = None, agent: int = 0):
        self.names = replay.agent_names
        if not 0 <= agent < replay.agents:
            raise ConfigError(
                f"agent_{agent} is not in this replay; it has {self.names[0]} to {self.names[-1]}."
            )
        self.about, self.agent = replay.about, agent
        self.env, params, state = env_of(replay, env)
        self.agent_episode = Episode(replay.of_agent(agent), self.env)
        self.view = self.agent_episode.view
        self.params, self.recording = replay.params(params), replay.film(state)
        self._ends = np.array(self.about["lengths"])
        earned = np.cumsum(self.recording.reward, axis=0, dtype=np.float64)
        self._returns = np.concatenate([np.zeros((1, replay.agents)), earned])

    def __len__(self) -> int:
        """Number of states of the longest-lived agent."""
        return int(self.recording.length) + 1

    def scene(self, time: int) -> Scene:
        """The scene after `time` steps; an agent that is done stays at its last state."""
        agent_time = min(time, len(self.agent_episode) - 1)
        scene = self._env_scene(time, agent_time)
        title = self.agent_episode.title(
            f"{scene.title} · {self.names[self.agent]} of {len(self._ends)}"
        )
        agents = Facts("agents", tuple(self._agent_rows(time)))
        panels = self.agent_episode.policy_panels(agent_time)
        return Scene(title, (*scene.panels, *panels, agents))

    @property
    def outcome(self) -> str:
        """Number of terminated agents."""
        ended = self.about["endings"].count("terminated")
        return f"{ended} of {len(self._ends)} agents terminated"

    def _env_scene(self, time: int, agent_time: int) -> Scene:
        if self.view.joint_scene is None:
            return self.agent_episode.env_scene(agent_time)
        states = jax.tree.map(lambda x: x[time], self.recording.state)
        return self.view.joint_scene(
            self.env, self.params, states, self.agent, self._over(time, "terminated")
        )

    def _over(self, time: int, *endings: str) -> np.ndarray:
        """True for each agent done after `time` steps with one of these endings, [agent]."""
        return (self._ends <= time) & np.isin(self.about["endings"], endings)

    def _agent_rows(self, time: int) -> Iterator[tuple[str, str]]:
        """Return and ending per agent; of many, those next to the selected one."""
        over, count = self._over(time, "terminated", "truncated"), len(self._ends)
        first = min(max(self.agent - MAX_AGENTS // 2, 0), max(count - MAX_AGENTS, 0))
        for i in range(first, min(first + MAX_AGENTS, count)):
            mark = "▶ " if i == self.agent else ""
            # views show an agent's number, which agent_3 has in its name
            number = "" if self.names[i] == agent_name(i) else f"{i} "
            yield (
                f"{mark}{number}{self.names[i]}",
                f"{rounded(self._returns[time, i])}{self._ended(i) if over[i] else ''}",
            )
        if count > MAX_AGENTS:
            yield "mean return of all", rounded(self._returns[time].mean())
            yield "still running", f"{count - over.sum()} of {count}"

    def _ended(self, agent: int) -> str:
        return f", {self.about['endings'][agent]} at {self._ends[agent]:,}"


def episode_of(
    replay: EpisodeRecording, env: Any = None, agent: int | str | None = None
) -> Episode | MultiAgentEpisode:
    """The episode of a replay; with several agents, `agent` (default: the first) is in detail.

    Raises:
        ConfigError: as `Episode` and `MultiAgentEpisode`, or for an unknown agent.
    """
    number = agent_number(agent, replay.agent_names)
    if replay.agents > 1:
        return MultiAgentEpisode(replay, env, number or 0)
    return Episode(replay, env)


def agent_number(agent: int | str | None, names: Sequence[str] = ()) -> int | None:
    """The place of an agent among `names`, by its name, `agent_3` or `3`; None for none.

    Raises:
        ConfigError: for any other text, and a number that is none of theirs.
    """
    if agent is None:
        return None
    if agent in names:
        return names.index(agent)
    digits = str(agent).removeprefix("agent_")
    known = digits.isascii() and digits.isdigit() and len(digits) < 10
    if not known or (names and int(digits) >= len(names)):
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        listed = ", ".join(names[:10]) or "agent_0, agent_1 and so on"
        there = "there is one agent" if len(names) == 1 else f"there are {listed}{more}"
        raise ConfigError(f"agent={agent!r} is not the name of an agent; {there}.")
    return int(digits)
