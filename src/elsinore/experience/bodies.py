"""Many worlds at once, each with one agent or with several.

The worlds of a rollout are rows of arrays. Where several agents live in each, a row is the body of one agent: the
bodies of one world stand next to each other, and their steps are taken together, so that each can see the others
(`ops/company.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
from jaxtyping import PyTree

from elsinore.ops.company import AGENTS


@dataclass(frozen=True)
class Together:
    """A world in which `agents` live. To each of them it is the world `env`.

    `differing` are the fields of its parameters that hold a value for each agent, [agent, ...]; the others hold one
    for all.
    """

    env: Any
    agents: int
    differing: frozenset[str] = frozenset()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling ask before there is an `env`
            raise AttributeError(name)
        return getattr(self.env, name)

    def axes(self, params: PyTree) -> PyTree:
        """Which leaves of the parameters differ, as `jax.vmap` is told."""
        return params.replace(**{name: 0 if name in self.differing else None for name in vars(params)})

    def params_of(self, params: PyTree, agent: int) -> PyTree:
        """The parameters of one agent."""
        return params.replace(**{name: getattr(params, name)[agent] for name in self.differing})


def agents_in(env: Any) -> int:
    """How many agents live in each world."""
    return env.agents if isinstance(env, Together) else 1


def params_of_one(env: Any, params: PyTree) -> PyTree:
    """Parameters as a single agent's world has them: the first one's, where they differ."""
    return env.params_of(params, 0) if isinstance(env, Together) else params


def over_bodies(env: Any, function: Callable, params: PyTree) -> Callable:
    """`function(*own, params)` of one body as a function of many, `own` being [body, ...] each."""
    if not isinstance(env, Together):
        return jax.vmap(lambda *own: function(*own, params))

    def body(params: PyTree, own: tuple) -> Any:
        return function(*own, params)

    one_world = jax.vmap(body, in_axes=(env.axes(params), 0), axis_name=AGENTS)
    worlds = jax.vmap(partial(one_world, params))

    def many(*own) -> Any:
        by_world = jax.tree.map(lambda x: x.reshape(-1, env.agents, *x.shape[1:]), own)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), worlds(by_world))

    return many
