"""Several agents in one world: an affordance serves one of them at a time."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from elsinore.envs.hamlet.tables import NOTHING

AXIS = "agents"  # the name of the vmapped axis along which agents share a world


def served(wants: Int[Array, "agent"], holds: Bool[Array, "agent"]) -> Bool[Array, "agent"]:
    """Which agents get the affordance they want, where -1 wants none.

    Of those who want the same one, whoever holds it keeps it; otherwise, and between holders, the first agent
    comes first.
    """
    count = wants.shape[0]
    rank = jnp.arange(count) + jnp.where(holds, 0, count)
    rivals = wants[:, None] == wants
    best = jnp.min(jnp.where(rivals, rank, 2 * count), axis=1)
    return (wants >= 0) & (rank == best)


def granted(wants: Int[Array, ""], holds: Bool[Array, ""]) -> Int[Array, ""]:
    """What one agent gets of what it wants, beside the others on the axis; all of it where there is no such axis."""
    if not shared():
        return wants
    gets = served(jax.lax.all_gather(wants, AXIS), jax.lax.all_gather(holds, AXIS))
    return jnp.where(gets[jax.lax.axis_index(AXIS)], wants, NOTHING)


def common(key: Key[Array, ""]) -> Key[Array, ""]:
    """The first agent's key, for what all agents of a world share; one's own where there is no such axis."""
    if not shared():
        return key
    return jax.random.wrap_key_data(jax.lax.all_gather(jax.random.key_data(key), AXIS)[0])


def shared() -> bool:
    """Is this traced for several agents at once, along an axis of that name?"""
    try:
        jax.lax.axis_size(AXIS)
    except NameError:
        return False
    return True
