"""Value decomposition (VDN: Sunehag 2017, arXiv:1706.05296 section 3): the value of a team is the
sum of its agents' values, and is learnt from the team's reward.

    Q(o, a) = sum_i Q_i(o_i, a_i),   max_a Q(o, a) = sum_i max_a Q_i(o_i, a)

Each agent's best action is the team's best action, so every agent acts by its own values, and a
target bootstraps from the sum of the agents' best values: one step or n later in DQN, by
lambda-returns in PQN. A team is a row here: [time, team, agent, ...].
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.experience.replay_buffer import ReplayBatch
from elsinore.types import Transition


def team_of(env: Any) -> int | None:
    """The agents of a team whose values are summed; None where each agent learns its own."""
    return env.agents if isinstance(env, MultiAgentEnv) and env.mixing == "sum" else None


def check_team(config: Any, recurrent: bool) -> None:
    """Check that DQN can sum the values of agents.

    Raises:
        ValueError: naming the setting that gives them something else than values.
    """
    for name, plain in (("distribution", "none"), ("munchausen", False)):
        if getattr(config, name) != plain:
            raise ValueError(
                f"agents.mixing='sum' adds up action values, and algo.{name}="
                f"{getattr(config, name)!r} learns something else; use {name}: {plain}, or"
                " agents.mixing: none."
            )
    if recurrent:
        raise ValueError(
            "agents.mixing='sum' has DQN learn from single steps of a team, and algo.network is"
            " recurrent; leave the recurrent layer out, use algo: pqn, or set agents.mixing: none."
        )


def by_team(x: PyTree, agents: int, axis: int) -> PyTree:
    """[..., row, ...] as [..., team, agent, ...], with the rows at `axis`."""

    def split(x: Array) -> Array:
        return x.reshape(*x.shape[:axis], -1, agents, *x.shape[axis + 1 :])

    return jax.tree.map(split, x)


def team_transitions(experience: Transition, agents: int) -> Transition:
    """Steps of agents, [time, row, ...], as steps of their teams, [time, team, ...].

    The team's reward is the mean of its agents', which are equal where the environment pays the
    team. A step is a team's last if it is that of any agent, and without a future if it terminated
    all of them.
    """
    teams = by_team(experience, agents, axis=1)
    terminated = jnp.all(teams.terminated, axis=2)
    ended = jnp.any(teams.terminated | teams.truncated, axis=2)
    return teams._replace(
        reward=jnp.mean(teams.reward, axis=2), terminated=terminated, truncated=ended & ~terminated
    )


def as_rows(teams: PyTree) -> PyTree:
    """[team, agent, ...] as [row, ...], the opposite of `by_team` with the rows first."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), teams)


def with_rows(batch: ReplayBatch) -> ReplayBatch:
    """A batch of teams with the observations and actions of their agents as rows, [team x agent,
    ...]; rewards and discounts stay [team]."""
    obs, action, next_obs = as_rows((batch.obs, batch.action, batch.next_obs))
    return batch._replace(obs=obs, action=action, next_obs=next_obs)


def summed(values: Float[Array, "rows *atoms"], agents: int | None) -> Float[Array, "batch *atoms"]:
    """The values of teams, from those of their agents."""
    return values if agents is None else jnp.sum(values.reshape(-1, agents), axis=-1)
