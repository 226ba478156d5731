"""Agents that live in one world: an axis that a program has only where there are several."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

AGENTS = "agents"  # the axis along which the agents of one world stand, under `jax.vmap(..., axis_name=AGENTS)`


def company(mine: PyTree) -> tuple[PyTree, Int[Array, ""]]:
    """What every agent of this world has for what `mine` is to this one, [agent, ...], and which of them is me.

    An agent that is alone has itself for company.
    """
    try:
        me = jax.lax.axis_index(AGENTS)
    except NameError:  # what jax raises where there is no such axis
        return jax.tree.map(lambda x: jnp.asarray(x)[None], mine), jnp.int32(0)
    return jax.lax.all_gather(mine, AGENTS), me
