"""The axis of the agents of one env, along which an env lets them see one another."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

# the axis of the agents of one env, under `jax.vmap(..., axis_name=AGENTS)`
AGENTS = "agents"


def gather_agents(mine: PyTree) -> tuple[PyTree, Int[Array, ""]]:
    """Gather `mine` from every agent of this env, [agent, ...], with this agent's index.

    A single agent gathers its own value, with index 0.
    """
    if not has_agent_axis():
        return jax.tree.map(lambda x: jnp.asarray(x)[None], mine), jnp.int32(0)
    return jax.lax.all_gather(mine, AGENTS), jax.lax.axis_index(AGENTS)


def has_agent_axis() -> bool:
    """True while tracing along the axis of the agents of one env."""
    try:
        jax.lax.axis_size(AGENTS)
    except NameError:  # what jax raises where there is no such axis
        return False
    return True
