"""Several agents in one world: an affordance serves one agent at a time."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from elsinore.jaxtools.agents import AGENTS, has_agent_axis
from elsinore.worlds.hamlet.tables import NO_AFFORDANCE


def served(wants: Int[Array, "agent"], holds: Bool[Array, "agent"]) -> Bool[Array, "agent"]:
    """True for each agent that gets the affordance it wants; -1 wants none.

    Among those who want the same one its holder comes first, then the lowest agent number.
    """
    count = wants.shape[0]
    rank = jnp.arange(count) + jnp.where(holds, 0, count)
    rivals = wants[:, None] == wants
    best = jnp.min(jnp.where(rivals, rank, 2 * count), axis=1)
    return (wants >= 0) & (rank == best)


def granted(wants: Int[Array, ""], holds: Bool[Array, ""]) -> Int[Array, ""]:
    """The wanted affordance, or NO_AFFORDANCE if another agent gets it; always granted without an
    agents axis."""
    if not has_agent_axis():
        return wants
    gets = served(jax.lax.all_gather(wants, AGENTS), jax.lax.all_gather(holds, AGENTS))
    return jnp.where(gets[jax.lax.axis_index(AGENTS)], wants, NO_AFFORDANCE)


def shared_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """The first agent's key, for draws that all agents of a world share; `key` itself without an
    agents axis."""
    if not has_agent_axis():
        return key
    return jax.random.wrap_key_data(jax.lax.all_gather(jax.random.key_data(key), AGENTS)[0])
