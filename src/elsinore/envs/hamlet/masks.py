"""Which actions make sense. A masked action is executed all the same by whoever sends it."""

import jax.numpy as jnp
from jaxtyping import Array, Bool

from elsinore.envs.hamlet.profile import Profile
from elsinore.envs.hamlet.rules import Params, State, here, is_open
from elsinore.envs.hamlet.tables import tables


def action_mask(profile: Profile, state: State, params: Params) -> Bool[Array, "action"]:
    """Moves that stay on the grid, interaction where something is and is open (affordable or not), and whatever else
    is not disabled; nothing for the dead.
    """
    world = tables(profile)
    (x, y), there = state.position, here(world, state)
    dead = jnp.any(jnp.asarray(params.fatal).astype(bool) & (state.meters <= world.low))
    can_use = (there >= 0) & is_open(profile, there, state.time)
    moves = [y > 0, y < world.height - 1, x > 0, x < world.width - 1]
    others = [jnp.bool_(True)] * len(profile.actions)
    enabled = jnp.array([name not in profile.disabled for name in profile.action_names])
    return jnp.stack([*moves, can_use, *others]) & enabled & ~dead
