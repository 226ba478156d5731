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
from jaxtyping import Array, Int, PyTree

# the axis of the agents of one env, under `jax.vmap(..., axis_name=AGENTS)`
AGENTS = "agents"


@dataclass(frozen=True)
class MultiAgentEnv:
    """An environment of `agents` agents, each of which sees it as `env`.

    `differing` are the fields of its parameters that hold a value for each agent, [agent, ...]; the
    others hold one for all.
    """

    env: Any
    agents: int
    differing: frozenset[str] = frozenset()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling ask before there is an `env`
            raise AttributeError(name)
        return getattr(self.env, name)

    def axes(self, params: PyTree) -> PyTree:
        """`in_axes` of the parameters for `jax.vmap`: 0 for the fields that differ."""
        return params.replace(
            **{name: 0 if name in self.differing else None for name in vars(params)}
        )

    def params_of(self, params: PyTree, agent: int) -> PyTree:
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


def gather_agents(mine: PyTree) -> tuple[PyTree, Int[Array, ""]]:
    """Gather `mine` from every agent of this env, [agent, ...], with this agent's index.

    A single agent gathers its own value, with index 0.
    """
    try:
        me = jax.lax.axis_index(AGENTS)
    except NameError:  # what jax raises where there is no such axis
        return jax.tree.map(lambda x: jnp.asarray(x)[None], mine), jnp.int32(0)
    return jax.lax.all_gather(mine, AGENTS), me
