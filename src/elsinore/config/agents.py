"""Settings of several agents in one environment: their names and number, the learners that they
share, and the environment parameters that differ between them."""

import re
from dataclasses import field
from typing import Any

from elsinore.config_records import record
from elsinore.types import agent_name
from elsinore.validation import at_least, one_of

SHARING = ("auto", "independent", "shared")
CRITICS = ("own", "joint")
MIXINGS = ("none", "sum")
MOST_AGENTS = 100  # in one environment
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


@record
class AgentConfig:
    """One of several agents that differ. In YAML `algo` is a name, and its settings stand beside
    it: `{id: ann, algo: dqn, learning_rate: 1e-3}`; those left out are of `algo`, or of the preset
    of another algorithm."""

    id: str  # Its name in metrics, replays and policies.
    algo: Any  # The algorithm's config.


@record
class AgentsConfig:
    """Agents of one environment. With more than one, `env_steps` counts the steps of all agents and
    `algo.num_envs` counts environments."""

    number: int = 1  # Agents in each environment, from 1 to 100.
    # auto | independent | shared: a learner for each agent, or one for all; auto: by `threshold`.
    sharing: str = "auto"
    threshold: int = 10  # With `auto`, one shared learner from this number of agents on.
    # own | joint: observations that the critic of a shared learner reads, those of its agent or of
    # all agents of the environment (MAPPO, with algo ppo or a2c).
    critic: str = "own"
    ids: bool = False  # The joint critic also reads which agent it values, one-hot.
    # none | sum: what a shared learner learns from the reward of the team, nothing, or the sum of
    # its agents' values (VDN, with algo dqn or pqn).
    mixing: str = "none"
    # Environment parameters that differ between agents: name -> one value for each agent.
    params: dict[str, list[Any]] = field(default_factory=dict)
    # Agents with names or settings of their own; `agents: [{id: ann}, ...]` is short for it.
    each: tuple[AgentConfig, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MOST_AGENTS:
            raise ValueError(f"number={self.number} must be from 1 to {MOST_AGENTS}.")
        one_of(self, "sharing", *SHARING)
        self._check_each()
        self._check_team()
        at_least(self, 1, "threshold")
        for name, values in self.params.items():
            if not isinstance(values, list | tuple) or len(values) != self.number:
                raise ValueError(
                    f"params.{name}={values!r} must be a list of a value for each of {self.number}"
                    " agents."
                )

    @property
    def names(self) -> list[str]:
        """The name of each agent."""
        return [each.id for each in self.each] or [agent_name(i) for i in range(self.number)]

    @property
    def differ(self) -> bool:
        """True if agents learn with settings that are not the same."""
        return any(each.algo != self.each[0].algo for each in self.each)

    @property
    def shared(self) -> bool:
        """True if one learner is trained on the experience of all agents."""
        return self.sharing == "shared" or (
            self.sharing == "auto" and self.number >= self.threshold and not self.differ
        )

    def described(self) -> str:
        """The number of agents and their learners, as text."""
        learners = "one learner for all" if self.shared else "each its own learner"
        critic = ", whose critic sees all" if self.critic == "joint" else ""
        team = ", of the sum of their values" if self.mixing == "sum" else ""
        return f"{self.number} in each environment, {learners}{critic}{team}"

    def _check_team(self) -> None:
        one_of(self, "critic", *CRITICS)
        one_of(self, "mixing", *MIXINGS)
        for name, alone in (("critic", "own"), ("mixing", "none")):
            if getattr(self, name) != alone and (self.number == 1 or not self.shared):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is of several agents with one learner, and"
                    f" these are number={self.number}, sharing={self.sharing!r}; use"
                    f" agents.sharing: shared with two agents or more, or agents.{name}: {alone}."
                )
        if self.ids and self.critic != "joint":
            raise ValueError(
                f"ids=True adds to what a joint critic reads, and critic={self.critic!r}; use"
                " agents.critic: joint, or leave agents.ids out."
            )

    def _check_each(self) -> None:
        if not self.each:
            return
        if len(self.each) == self.number == 1:
            raise ValueError(
                f"each={self.names} is one agent; list two or more, or leave agents out. The"
                " settings of a single agent are algo's."
            )
        if len(self.each) != self.number:
            raise ValueError(
                f"number={self.number} does not fit the {len(self.each)} in each; leave number out."
            )
        for i, name in enumerate(self.names):
            if NAME.fullmatch(name) is None:
                raise ValueError(
                    f"each[{i}].id={name!r} must be 1 to 40 letters, digits, _, - or ., the first"
                    " of them a letter or digit."
                )
            if name in self.names[:i]:
                raise ValueError(
                    f"each[{i}].id={name!r} is also the name of each[{self.names.index(name)}];"
                    " give every agent its own."
                )
        if self.sharing == "shared" and self.differ:
            raise ValueError(
                "sharing='shared' trains one learner, and the agents in each have settings that"
                " differ; use independent, such as by agents: {sharing: independent, each: [...]},"
                " or leave those settings out."
            )
