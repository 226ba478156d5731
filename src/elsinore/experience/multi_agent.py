"""Many environments at once, each with one agent or several.

The envs of a rollout are rows of arrays. In a multi-agent env a row is one agent: the agents of an
env are adjacent rows, and their steps are taken together, so that each can see the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from elsinore.jaxtools.agents import AGENTS, has_agent_axis


@dataclass(frozen=True)
class MultiAgentEnv:
    """An environment of `agents` agents, each of which sees it as `env`.

    `differing` are the fields of its parameters that hold a value for each agent, [agent, ...]; the
    others hold one for all. `critic` is what critics read, `own` observations or `joint` ones, and
    with `ids` also whose they are; `mixing` is how values of a team are made of its agents'.
    """

    env: Any
    agents: int
    differing: frozenset[str] = frozenset()
    critic: str = "own"
    ids: bool = False
    mixing: str = "none"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling ask before there is an `env`
            raise AttributeError(name)
        return getattr(self.env, name)

    def axes(self, params: PyTree) -> PyTree:
        """`in_axes` of the parameters for `jax.vmap`: 0 for the fields that differ."""
        return params.replace(
            **{name: 0 if name in self.differing else None for name in vars(params)}
        )

    def params_of(self, params: PyTree, agent: int | Int[Array, ""]) -> PyTree:
        """The parameters of one agent."""
        return params.replace(**{name: getattr(params, name)[agent] for name in self.differing})


def num_agents_in(env: Any) -> int:
    """Number of agents in each env."""
    return env.agents if isinstance(env, MultiAgentEnv) else 1


def params_of_one(env: Any, params: PyTree) -> PyTree:
    """Parameters of a single agent: the first one's, where they differ."""
    return env.params_of(params, 0) if isinstance(env, MultiAgentEnv) else params


def over_agents(env: Any, function: Callable, params: PyTree) -> Callable:
    """`function(*own, params)` of one agent as a function of many, `own` being [row, ...] each."""
    if not isinstance(env, MultiAgentEnv):
        return jax.vmap(lambda *own: function(*own, params))

    def one_agent(params: PyTree, own: tuple) -> Any:
        return function(*own, params)

    one_env = jax.vmap(one_agent, in_axes=(env.axes(params), 0), axis_name=AGENTS)
    envs = jax.vmap(partial(one_env, params))

    def many(*own: PyTree) -> Any:
        by_env = jax.tree.map(lambda x: x.reshape(-1, env.agents, *x.shape[1:]), own)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), envs(by_env))

    return many


def has_others(env: Any) -> bool:
    """True if agents of `env` meet others: it has several, or this is one along their axis."""
    return num_agents_in(env) > 1 or has_agent_axis()


def kept_where(kept: Bool[Array, "*row"], before: PyTree, after: PyTree) -> PyTree:
    """`before` in the rows that are `kept`, `after` in the others; leaves are [row, ...]."""

    def of_leaf(before: Array, after: Array) -> Array:
        more_axes = (1,) * (after.ndim - kept.ndim)
        return jnp.where(kept.reshape(kept.shape + more_axes), before, after)

    return jax.tree.map(of_leaf, before, after)


def agent_of_rows(env: Any, shape: tuple[int, ...]) -> Int[Array, "time row"]:
    """The agent of each row of a rollout; 0 in an env with one agent."""
    if has_agent_axis():
        return jnp.full(shape, jax.lax.axis_index(AGENTS))
    return jnp.broadcast_to(jnp.arange(shape[1]) % num_agents_in(env), shape)


def of_all_agents(mine: PyTree) -> PyTree:
    """[time, env, ...] of one agent as [time, agent x env, ...] of all agents of these envs; as it
    is where the agents have no axis of their own."""
    if not has_agent_axis():
        return mine

    def joined(x: Array) -> Array:
        every = jnp.moveaxis(jax.lax.all_gather(x, AGENTS), 0, 1)
        return every.reshape(len(x), -1, *x.shape[2:])

    return jax.tree.map(joined, mine)
