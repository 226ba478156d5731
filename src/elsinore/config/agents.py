"""Settings of several agents in one environment: their names and number, their parameters, and the
learners they share."""

import re
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.algos.precision import with_precision
from elsinore.algos.registry import algorithm_of
from elsinore.config.mappings import dotted
from elsinore.config.parse import as_dict
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.hyperparameters import record, varies
from elsinore.training.agent_groups import AgentGroup, grouped
from elsinore.training.evaluation import EXPLORING, Episodes, evaluate
from elsinore.training.independent_learners import evaluate_each, independent
from elsinore.types import Algorithm, agent_name
from elsinore.validation import at_least, fits, one_of

SHARING = ("auto", "independent", "shared")
CRITICS = ("own", "joint")
MIXINGS = ("none", "sum")
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
        if not 1 <= self.number <= 100:
            raise ValueError(f"number={self.number} must be from 1 to 100.")
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
                    f" these are number={self.number}, sharing={self.sharing!r}; use sharing:"
                    f" shared with two agents or more, or {name}: {alone}."
                )
        if self.ids and self.critic != "joint":
            raise ValueError(
                f"ids=True adds to what a joint critic reads, and critic={self.critic!r}; use"
                " critic: joint, or leave ids out."
            )

    def _check_each(self) -> None:
        if not self.each:
            return
        if len(self.each) != self.number or self.number == 1:
            raise ValueError(
                f"number={self.number} does not fit the {len(self.each)} in each; list two agents"
                " or more and leave number out. The settings of a single agent are algo's."
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
                " differ; use independent, or leave those settings out."
            )


def check_number(config: AgentsConfig, env: Any) -> None:
    """Check that an environment that has so many agents gets as many.

    Raises:
        ValueError: naming their number.
    """
    fixed = getattr(env, "fixed_agents", None)
    if fixed is not None and fixed != config.number:
        raise ValueError(
            f"agents.number={config.number} does not fit env={env.name!r}, which has {fixed}"
            f" agents; set agents.number: {fixed}."
        )


def multi_agent_env(
    config: AgentsConfig, env: Any, env_params: PyTree
) -> tuple[MultiAgentEnv, PyTree]:
    """The multi-agent environment, and its parameters: [agent, ...] where they differ.

    Raises:
        ValueError: for a parameter that the environment does not have, or values of another shape
            than its default; for another number of agents than it has.
    """
    check_number(config, env)
    changed = {}
    for name, values in config.params.items():
        if not hasattr(env_params, name):
            known = ", ".join(vars(env_params))
            raise ValueError(
                f"agents.params.{name} is no parameter of {env.name}; it has: {known}."
            )
        default = np.asarray(getattr(env_params, name))
        if not all(fits(x, default) or (default.size and fits(x, default.flat[0])) for x in values):
            raise ValueError(
                f"agents.params.{name}={values!r} must be like its default, {default!r}."
            )
        each = np.stack([np.broadcast_to(np.asarray(x, float), default.shape) for x in values])
        changed[name] = jnp.asarray(each, jnp.result_type(getattr(env_params, name)))
    team = {"critic": config.critic, "ids": config.ids, "mixing": config.mixing}
    made = MultiAgentEnv(env, config.number, frozenset(changed), **team)
    return made, env_params.replace(**changed) if changed else env_params


def learner_for(
    experiment: Any, env: Any, env_params: PyTree, num_updates: int, network: Any = None
) -> Algorithm:
    """The algorithm of one learner: of the single agent, of each agent, or of all agents together.

    Raises:
        ValueError: as the algorithm does itself, or where it cannot train several agents.
    """
    config, agents = config_of(experiment, 0), experiment.agents

    def made(config: Any, env: Any, env_params: PyTree) -> Algorithm:
        algo = algorithm_of(config, env, env_params, num_updates, network)
        return with_precision(algo, experiment.matmul_precision)

    if agents.number == 1:
        return made(config, env, env_params)
    if not agents.shared:
        return made(config, env.env, env.params_of(env_params, 0))
    if not hasattr(config, "num_envs"):
        raise ValueError(
            f"algo={config.name!r} has no setting num_envs, which a shared learner needs; use"
            " agents.sharing: independent."
        )
    all_agents = replace(config, num_envs=config.num_envs * agents.number)
    return made(all_agents, env, env_params)


def config_of(experiment: Any, agent: int) -> Any:
    """The algorithm's config of one agent."""
    each = experiment.agents.each
    return each[agent].algo if each else experiment.algo


def groups_for(
    experiment: Any,
    env: MultiAgentEnv,
    env_params: PyTree,
    num_updates: int,
    network_of: Callable[[Any], Any],
) -> tuple[AgentGroup, ...]:
    """The agents that differ, in groups of one compiled program each; () where none differ.

    Raises:
        ValueError: as the algorithms do, or for one that cannot train beside others.
    """
    agents = experiment.agents
    if not agents.differ:
        return ()

    def made(config: Any) -> Algorithm:
        params = env.params_of(env_params, 0)
        algo = algorithm_of(config, env.env, params, num_updates, network_of(config))
        return with_precision(algo, experiment.matmul_precision)

    programs: dict[Any, list[int]] = {}
    for i, each in enumerate(agents.each):
        programs.setdefault(program_of(each.algo), []).append(i)
    groups = []
    for members in programs.values():
        algos = [made(agents.each[i].algo) for i in members]
        hyper = jax.tree.map(lambda *x: jnp.stack(x), *(algo.hyper for algo in algos))
        groups.append(AgentGroup(algos[0], tuple(members), hyper))
        if algos[0].parts is None and len(programs) > 1:
            name = agents.each[members[0]].algo.name
            raise ValueError(
                f"agents.each[{members[0]}].algo={name!r} cannot train beside other algorithms: its"
                " Algorithm has no parts (elsinore.types.UpdateParts); give all agents this one."
            )
    return tuple(groups)


def program_of(config: Any) -> Any:
    """The settings that the compiled program depends on, hashable: agents for whom it is the same
    differ in traced numbers only, and not in those that a sampled evaluation acts by."""
    settings = dotted(as_dict(config))
    return tuple(
        (name, "traced" if varies(config, name, value) and name not in EXPLORING else repr(value))
        for name, value in settings.items()
    )


def with_all_learners(
    config: AgentsConfig,
    learner: Algorithm,
    env: Any,
    groups: Sequence[AgentGroup] = (),
    num_envs: int = 1,
) -> tuple[Algorithm, Callable[..., Episodes]]:
    """The algorithm of all learners, and the function that evaluates them; `groups` are those of
    agents that differ, in `num_envs` envs."""
    if config.number == 1 or config.shared:
        return learner, evaluate
    if len(groups) > 1:
        return grouped(groups, env, num_envs), partial(evaluate, together=True)
    hyper = groups[0].hyper if groups else None
    return independent(learner, env, hyper), evaluate_each(evaluate, learner, env)
